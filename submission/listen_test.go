package submission

import (
	"strings"
	"testing"
	"time"
)

// TestGatewayConnectionsDoNotShutPeopleOut: nobody signs in on the gateway port, so strangers may fill it.
func TestGatewayConnectionsDoNotShutPeopleOut(t *testing.T) {
	for name, limit := range map[string]func(*Options){
		"in all":      func(o *Options) { o.Limits.Connections = 6 },
		"per address": func(o *Options) { o.Limits.ConnectionsPerAddress = 3 },
	} {
		t.Run(name, func(t *testing.T) {
			r := serve(t, limit)
			for range 3 {
				r.gateway()
			}
			r.raw(r.srv.Addresses().Gateway[0]).want("421 4.7.0")
			r.signed("alice@corp.example").mail(someMail)
		})
	}
}

// TestLostConnectionIsNoErrorOfOurs: a telephone in a tunnel must not ring the administrator's.
func TestLostConnectionIsNoErrorOfOurs(t *testing.T) {
	r := serve(t)
	c := r.signed("alice@corp.example")
	c.begin("b@other.example")
	c.do("DATA", "354")
	c.send("From: alice@corp.example\r\nSubject: x\r\n\r\nhalf a li")
	c.conn.Close()
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(r.log.String(), "inside a message"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("log:\n%s", r.log)
		}
	}
	if log := r.log.String(); strings.Contains(log, "ERROR") || len(r.shelf.all()) != 0 {
		t.Errorf("%d mails, log:\n%s", len(r.shelf.all()), log)
	}
}
