// Command plain is the least of a download: http.ServeFile behind TLS. What the portal does more is measured against it.
package main

import (
	"crypto/tls"
	"log"
	"net/http"
	"os"
)

func main() {
	if len(os.Args) != 5 {
		log.Fatal("usage: plain ADDRESS CERT KEY FILE")
	}
	s := &http.Server{
		Addr:      os.Args[1],
		TLSConfig: &tls.Config{NextProtos: []string{"h2", "http/1.1"}},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.ServeFile(w, r, os.Args[4])
		}),
	}
	log.Fatal(s.ListenAndServeTLS(os.Args[2], os.Args[3]))
}
