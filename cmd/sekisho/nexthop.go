package main

import (
	"context"
	"crypto/tls"
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
	o, err := h.config.relayOptions()
	if err != nil {
		return nil, err
	}
	o.Logger = h.log.With("part", "relay")
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

// relayOptions are how the next hop is spoken to, in service as in a check.
func (c *Config) relayOptions() (o relay.Options, err error) {
	r := c.Relay
	o = relay.Options{Host: r.Host, Hostname: r.Hostname, TLS: relay.TLS(r.TLS), Username: r.Username}
	if o.Roots, err = certPool(r.CAFile); err != nil {
		return o, fmt.Errorf("relay.ca_file: %w", err)
	}
	if r.PasswordFile != "" {
		if o.Password, err = readSecret(r.PasswordFile); err != nil {
			return o, fmt.Errorf("relay.password_file: %w", err)
		}
	}
	return o, nil
}

// certPool is the certificates of a file, trusted instead of the system's; nil, the system's, for no file.
func certPool(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, errors.New("cannot read " + path + ": " + plainError(err))
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", path)
	}
	return pool, nil
}

// providerPatience is how long the identity provider may take for one answer.
const providerPatience = 15 * time.Second

// providerClient is the HTTP client for the identity provider.
func (c *Config) providerClient() (*http.Client, error) {
	roots, err := certPool(c.OIDC.CAFile)
	if err != nil {
		return nil, fmt.Errorf("oidc.ca_file: %w", err)
	}
	return &http.Client{Timeout: providerPatience, Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute,
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}}, nil
}
