package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"

	"github.com/sekisho-mail/sekisho/internal/blob"
	"github.com/sekisho-mail/sekisho/internal/clamd"
	"github.com/sekisho-mail/sekisho/internal/db"
)

// checkListeners: may this user listen there? An address in use is most likely
// the running service.
func checkListeners(ctx context.Context, k *checkup) {
	s := k.c.Submission
	listeners := []struct {
		role, path string
		addresses  []string
	}{
		{roleSubmission, "submission.listen", s.Listen}, {roleSubmission, "submission.listen_tls", s.ListenTLS},
		{roleSubmission, "submission.gateway.listen", s.Gateway.Listen}, {roleWeb, "web.listen", []string{k.c.Web.Listen}},
		{rolePortal, "portal.listen", []string{k.c.Portal.Listen}}, {"", "metrics.listen", []string{k.c.Metrics.Listen}},
	}
	for _, l := range listeners {
		for _, address := range l.addresses {
			if address == "" || l.role != "" && !k.c.does(l.role) {
				continue
			}
			listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
			switch {
			case err == nil:
				listener.Close()
				k.ok(l.path, "%s is free", address)
			case errors.Is(err, syscall.EADDRINUSE):
				k.ok(l.path, "%s is in use (right, if the service is running)", address)
			case errors.Is(err, syscall.EACCES):
				k.fail(l.path, "this user may not listen on %s; below port 1024 the program needs CAP_NET_BIND_SERVICE", address)
			default:
				k.fail(l.path, "cannot listen on %s: %v", address, err)
			}
		}
	}
}

// checkDatabase opens it as the service would; a SQLite file that is not there
// yet is not made for a check.
func checkDatabase(ctx context.Context, k *checkup) {
	if path, ok := strings.CutPrefix(k.c.Database.URL, "sqlite:"); ok {
		if _, err := os.Stat(path); missing(err) {
			k.ok("database.url", "%s will be made at the first start", path)
			return
		}
	}
	url, err := k.c.DatabaseURL()
	if err != nil {
		return // reported with the secrets
	}
	d, err := db.Open(ctx, url)
	if err != nil {
		k.fail("database.url", "%v", err)
		return
	}
	defer d.Close()
	if err := d.Ready(ctx); err != nil {
		k.fail("database.url", "%v", err)
		return
	}
	k.ok("database.url", "%s answers", d.Engine())
}

// checkStore writes a small file, reads it back and removes it.
func checkStore(ctx context.Context, k *checkup) {
	if dir, ok := strings.CutPrefix(k.c.Files.URL, "file:"); ok {
		if _, err := os.Stat(dir); missing(err) {
			k.ok("files.url", "%s will be made at the first start", dir)
			return
		}
	}
	store, err := blob.OpenStore(ctx, k.c.Files.URL, k.c.DataDir)
	if err == nil {
		err = writeAndRead(ctx, store)
	}
	if err != nil {
		k.fail("files.url", "%v", err)
		return
	}
	k.ok("files.url", "a file was written, read back and removed")
}

func writeAndRead(ctx context.Context, store blob.Store) error {
	key, want := "check/"+strings.ToLower(rand.Text()), []byte(rand.Text())
	if err := store.Put(ctx, key, bytes.NewReader(want), int64(len(want))); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	f, err := store.Open(ctx, key)
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
	f.Close()
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	if !bytes.Equal(got, want) {
		return errors.New("what was read back is not what was written")
	}
	if err := store.Delete(ctx, key); err != nil {
		return fmt.Errorf("remove: %w", err)
	}
	return nil
}

// checkProvider reads the identity provider's own description.
func checkProvider(ctx context.Context, k *checkup) {
	o := k.c.OIDC
	if o.Issuer == "" {
		return
	}
	issuer, err := k.c.discover(ctx)
	switch {
	case err != nil:
		k.fail("oidc.issuer", "%v", err)
	case issuer != o.Issuer:
		k.fail("oidc.issuer", "the provider calls itself %q; write it exactly so", issuer)
	default:
		k.ok("oidc.issuer", "%s answers", o.Issuer)
	}
	if len(o.Roles.Admin) == 0 {
		k.warn("oidc.roles.admin", "nobody can be administrator on the pages; held mail without a manager would wait until it expires")
	}
}

func (c *Config) discover(ctx context.Context) (issuer string, err error) {
	client, err := c.providerClient()
	if err != nil {
		return "", err
	}
	address := strings.TrimSuffix(c.OIDC.Issuer, "/") + "/.well-known/openid-configuration"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", fmt.Errorf("the identity provider does not answer: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answers %s", address, response.Status)
	}
	var description struct {
		Issuer string `json:"issuer"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&description); err != nil {
		return "", fmt.Errorf("%s is no OpenID configuration", address)
	}
	return description.Issuer, nil
}

func checkScanner(ctx context.Context, k *checkup) {
	setting := k.c.Scanners.Clamd
	if setting == "" {
		k.warn("scanners.clamd", "no virus scanner: attachments are not searched for malware")
		return
	}
	client, err := clamd.New(setting)
	if err == nil {
		err = client.Ping(ctx)
	}
	if err != nil {
		k.fail("scanners.clamd", "clamd does not answer: %v; every mail with an attachment would be held", err)
		return
	}
	k.ok("scanners.clamd", "clamd answers")
}

// checkOCR says whether pictures and scanned pages are read.
func checkOCR(_ context.Context, k *checkup) {
	o, err := findOCR(k.c.Scanners.OCR)
	switch {
	case err != nil && k.c.Scanners.OCR != "" && k.c.Scanners.OCR != ocrAuto:
		k.fail("scanners.ocr", "%v; a scanned PDF would be held, and pictures pass unread", err)
	case err != nil:
		k.warn("scanners.ocr", "%v: a scanned PDF is held, and pictures pass unread", err)
	case o.path == "":
		k.ok("scanners.ocr", "off: a scanned PDF is held, and pictures pass unread")
	default:
		k.ok("scanners.ocr", "%s reads pictures and scanned pages (%s)", o.path, o.languages)
	}
}
