package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/holdqueue/relay"
	"github.com/sekisho-mail/sekisho/submission"
)

// newSender is the way out: the company's mail server.
func (h *house) newSender() (holdqueue.Sender, error) {
	c := h.config.Relay
	o := relay.Options{Host: c.Host, Hostname: c.Hostname, TLS: relay.TLS(c.TLS), Username: c.Username, Logger: h.log.With("part", "relay")}
	var err error
	if c.PasswordFile != "" {
		if o.Password, err = secretFile(c.PasswordFile); err != nil {
			return nil, fmt.Errorf("relay.password_file: %w", err)
		}
	}
	if o.Roots, err = rootsIn(c.CAFile); err != nil {
		return nil, fmt.Errorf("relay.ca_file: %w", err)
	}
	if d := h.config.DKIM; d != nil {
		if o.DKIM, err = relay.LoadSigner(d.Selector, d.Domains, d.KeyFile); err != nil {
			return nil, fmt.Errorf("dkim: %w", err)
		}
	}
	if len(h.config.Submission.Gateway.Sources) > 0 {
		// Only what a gateway source sent can come round again; other mail leaves as it is.
		o.Loop = func(m *holdqueue.Message) string {
			if m.Origin != holdqueue.FromGateway {
				return ""
			}
			return submission.LoopField(h.keys, m.ID, m.AcceptedAt)
		}
	}
	r, err := relay.New(o)
	h.relay = r
	return r, err
}

// retry is the queue's Retry: the relay's pauses, spread a little.
func retry(first, now time.Time, tries int) time.Time {
	return relay.Next(first, now, tries, 2*rand.Float64()-1)
}

// relayReady says whether the next hop answers.
func (h *house) relayReady(ctx context.Context) error {
	if h.relay == nil {
		return nil
	}
	return h.relay.Check(ctx)
}

// rootsIn reads the certificates that are trusted instead of the system's; nil for no file.
func rootsIn(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(raw) {
		return nil, errors.New(path + " holds no certificate")
	}
	return pool, nil
}

// clientTrusting is an HTTP client for the identity provider; nil when the system's certificates do.
func clientTrusting(caFile string) (*http.Client, error) {
	roots, err := rootsIn(caFile)
	if roots == nil || err != nil {
		return nil, err
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig.RootCAs = roots
	return &http.Client{Transport: t, Timeout: 15 * time.Second}, nil
}
