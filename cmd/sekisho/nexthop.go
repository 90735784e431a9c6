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
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/submission"
)

// newSender is the way out, by every route of the configuration.
func (h *house) newSender() (holdqueue.Sender, error) {
	o, err := h.config.relayOptions()
	if err != nil {
		return nil, err
	}
	o.Logger, o.DB, o.Metrics = h.log.With("part", "relay"), h.db, h.counts
	o.Groups = h.groupsOf
	if o.DKIM, err = h.config.signer(); err != nil {
		return nil, err
	}
	if len(h.config.Submission.Gateway.Sources) > 0 {
		// All mail, not only what a source sent: the cloud it leaves through may take any of it for the company's own
		// and send it here once more.
		o.Loop = func(m *holdqueue.Message) string { return submission.LoopField(h.keys, m.ID, m.AcceptedAt) }
	}
	r, err := relay.New(o)
	h.relay = r
	return r, err
}

// retry is the queue's Retry: the relay's pauses, spread a little.
func retry(first, now time.Time, tries int) time.Time {
	return relay.Next(first, now, tries, 2*rand.Float64()-1)
}

// groupsOf are the groups of a person by the people file of the day.
func (h *house) groupsOf(person mailaddr.Address) []string {
	if p, ok := h.roster.Book().ByAddress(person); ok {
		return p.Groups
	}
	return nil
}

// tlsProved asks the relay, on nodes that have one.
func (h *house) tlsProved(ctx context.Context, domain string) (bool, string) {
	if h.relay == nil {
		return false, "this node relays nothing"
	}
	return h.relay.TLSProved(ctx, domain)
}

// relayReady says whether every way out has a server that answers.
func (h *house) relayReady(ctx context.Context) error {
	if h.relay == nil {
		return nil
	}
	return h.relay.Check(ctx)
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
	client, err := clientTrusting(c.OIDC.CAFile)
	if err != nil {
		return nil, fmt.Errorf("oidc.ca_file: %w", err)
	}
	return client, nil
}

// clientTrusting is an HTTP client for a provider; file names further certificates to trust, "" the system's.
func clientTrusting(file string) (*http.Client, error) {
	roots, err := certPool(file)
	if err != nil {
		return nil, err
	}
	return &http.Client{Timeout: providerPatience, Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute,
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}}, nil
}
