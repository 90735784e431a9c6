package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue/relay"
	"github.com/sekisho-mail/sekisho/submission"
)

// This file turns the configuration of the ways out into what the relay is given, in service as in a check.

// relayOptions read every file that the configuration names. The error joins what is wrong with any of them.
func (c *Config) relayOptions() (o relay.Options, err error) {
	r := &c.Relay
	o = relay.Options{Hostname: r.Hostname, Ours: c.ownListener()}
	var wrong []error
	add := func(route relay.Route, path string, w *WayConf) {
		if route.Hosts, err = w.relayHosts(path); err != nil {
			wrong = append(wrong, err)
		}
		if route.MX = w.MX; w.MX {
			route.TLS = relay.TLS(w.TLS)
		}
		o.Routes = append(o.Routes, route)
	}
	for i := range r.Routes {
		conf := &r.Routes[i]
		add(relay.Route{Name: conf.Name, Senders: conf.Senders, People: conf.People, Groups: conf.Groups, Sources: conf.Sources,
			Listeners: conf.Listeners, Recipients: conf.Recipients, Proved: conf.TLSProved}, fmt.Sprintf("relay.routes[%d]", i), &conf.WayConf)
	}
	add(relay.Route{}, "relay", &r.WayConf)
	for _, d := range r.Destinations {
		o.Paces = append(o.Paces, relay.Pace{Match: d.Match, Connections: d.Connections, PerMinute: d.PerMinute,
			MailsPerConnection: d.MailsPerConnection, Recipients: d.Recipients})
	}
	if err := c.mxOptions(&o); err != nil {
		wrong = append(wrong, err)
	}
	return o, errors.Join(wrong...)
}

// mxOptions are what delivery by MX needs. The resolver is there for others, too: DKIM keys are looked up with it.
func (c *Config) mxOptions(o *relay.Options) (err error) {
	r := &c.Relay
	for _, n := range r.AllowPrivate {
		prefix, err := netip.ParsePrefix(n)
		if err != nil {
			return fmt.Errorf("relay.allow_private: %q is no network", n)
		}
		o.AllowPrivate = append(o.AllowPrivate, prefix)
	}
	_, keys := c.DKIM.keys()
	if !r.usesMX() && len(keys) < 2 {
		return nil
	}
	if o.DNS, err = relay.NewResolver(r.DNS.Servers, r.DNS.DNSSEC); err != nil {
		return fmt.Errorf("relay.dns: %w", err)
	}
	for path, w := range r.ways() {
		if w.MX && w.CAFile != "" {
			if o.Roots, err = certPool(c.beside(w.CAFile)); err != nil {
				return fmt.Errorf("%s.ca_file: %w", path, err)
			}
		}
	}
	return nil
}

// ownListener says whether an address is one where this machine takes mail on port 25.
func (c *Config) ownListener() func(netip.Addr) bool {
	var ours []netip.Addr
	for _, listen := range c.Submission.Gateway.Listen {
		host, port, err := net.SplitHostPort(listen)
		if err != nil || port != "25" {
			continue
		}
		a, err := netip.ParseAddr(host)
		if err == nil && !a.IsUnspecified() {
			ours = append(ours, a.Unmap())
			continue
		}
		all, _ := net.InterfaceAddrs() // a machine that does not tell finds its loops by the name in EHLO
		for _, one := range all {
			if p, err := netip.ParsePrefix(one.String()); err == nil {
				ours = append(ours, p.Addr().Unmap())
			}
		}
	}
	return func(a netip.Addr) bool { return slices.Contains(ours, a.Unmap()) }
}

func (w *WayConf) relayHosts(path string) (hosts []relay.Host, err error) {
	if w.MX {
		return nil, nil
	}
	paths, hops := w.hops(path)
	for i, h := range hops {
		made, err := h.relayHost()
		if err != nil {
			return nil, fmt.Errorf("%s.%w", paths[i], err)
		}
		hosts = append(hosts, made)
	}
	return hosts, nil
}

// relayHost reads the files of one server. Its errors begin with the key they are about.
func (h *HopConf) relayHost() (relay.Host, error) {
	out := relay.Host{Address: h.Host, TLS: relay.TLS(h.TLS), Username: h.Username, Weight: h.Weight,
		Pace: relay.Pace{Connections: h.Connections, PerMinute: h.PerMinute}}
	var err error
	if out.Roots, err = certPool(h.CAFile); err != nil {
		return out, fmt.Errorf("ca_file: %w", err)
	}
	if h.PasswordFile != "" {
		if out.Password, err = readSecret(h.PasswordFile); err != nil {
			return out, fmt.Errorf("password_file: %w", err)
		}
	}
	if h.CertFile != "" {
		conf, err := submission.ReloadingTLS(h.CertFile, h.KeyFile)
		if err != nil {
			return out, fmt.Errorf("cert_file: %w", err)
		}
		out.Certificate = func() (*tls.Certificate, error) { return conf.GetCertificate(nil) }
	}
	if h.OAuth != nil {
		if out.Tokens, err = h.OAuth.tokens(h.Username); err != nil {
			return out, fmt.Errorf("oauth.%w", err)
		}
	}
	return out, nil
}

// tokens asks the provider. Secrets are read when they are needed, so that a renewed one needs no restart.
func (o *OAuthConf) tokens(mailbox string) (*relay.Tokens, error) {
	roots, err := certPool(o.CAFile)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute,
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}}
	if o.Provider == "google" {
		key := func() (string, error) { return readSmallFile(o.ServiceAccountFile) }
		if _, err := key(); err != nil {
			return nil, fmt.Errorf("service_account_file: %w", err)
		}
		return relay.ServiceAccount(key, mailbox, o.TokenURL, client), nil
	}
	secret := func() (string, error) { return readSecret(o.ClientSecretFile) }
	if _, err := secret(); err != nil {
		return nil, fmt.Errorf("client_secret_file: %w", err)
	}
	return relay.ClientCredentials(o.TokenURL, o.ClientID, secret, o.Scopes, client), nil
}

// readSmallFile reads a file that holds more than one line, such as a JSON key.
func readSmallFile(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", errors.New("cannot read " + path + ": " + plainError(err))
	}
	if len(b) > 64<<10 || len(strings.TrimSpace(string(b))) == 0 {
		return "", errors.New(path + " is empty or too long")
	}
	return string(b), nil
}

// signer loads every DKIM key; nil where none is configured.
func (c *Config) signer() (*relay.Signer, error) {
	paths, confs := c.DKIM.keys()
	var keys []*relay.Key
	for i, k := range confs {
		key, err := relay.LoadKey(k.Selector, k.Domains, k.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", paths[i], err)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, nil
	}
	return relay.NewSigner(keys...)
}
