package main

import (
	"cmp"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// HopConf is one mail server that mail is handed to.
type HopConf struct {
	Host         string `yaml:"host"` // host:port; the port defaults to 587
	Username     string `yaml:"username"`
	PasswordFile string `yaml:"password_file"`
	// OAuth signs in with an access token (XOAUTH2) instead of a password.
	OAuth *OAuthConf `yaml:"oauth"`
	// TLS: required (default), opportunistic or none; implicit for port 465.
	TLS      string `yaml:"tls"`
	CAFile   string `yaml:"ca_file"`   // default: the system's
	CertFile string `yaml:"cert_file"` // our own certificate, where the server wants one
	KeyFile  string `yaml:"key_file"`
	// Weight is the share of the mail beside the other hosts; default 1. 0 is a standby.
	Weight int `yaml:"weight"`
	// Connections open at a time, and transactions a minute; default by the server's name.
	Connections int `yaml:"connections"`
	PerMinute   int `yaml:"per_minute"`
}

// OAuthConf is where access tokens come from.
type OAuthConf struct {
	Provider           string   `yaml:"provider"`             // microsoft or google; else the endpoint is given
	Tenant             string   `yaml:"tenant"`               // of microsoft
	ClientID           string   `yaml:"client_id"`            // of microsoft and others
	ClientSecretFile   string   `yaml:"client_secret_file"`   // of microsoft and others
	ServiceAccountFile string   `yaml:"service_account_file"` // of google: the JSON key
	TokenURL           string   `yaml:"token_url"`
	Scopes             []string `yaml:"scopes"`
	CAFile             string   `yaml:"ca_file"`
}

// WayConf is how some mail leaves: by one host, by several, or by the recipients' own servers.
type WayConf struct {
	HopConf `yaml:",inline"`
	Hosts   []HopConf `yaml:"hosts"`
	MX      bool      `yaml:"mx"`
}

// RelayConf is where mail goes.
type RelayConf struct {
	WayConf  `yaml:",inline"`
	Hostname string `yaml:"hostname"` // in EHLO; default submission.hostname
	// Routes are for some mail; the first that fits takes it. All other mail leaves as the keys above say.
	Routes []RouteConf `yaml:"routes"`
	DNS    DNSConf     `yaml:"dns"`
	// AllowPrivate are networks that delivery by MX may go to although they are private.
	AllowPrivate []string `yaml:"allow_private"`
	// Destinations are what some servers or domains are given at a time.
	Destinations []DestinationConf `yaml:"destinations"`
}

// RouteConf is a way for some mail. Each condition that is given must hold.
type RouteConf struct {
	Name       string   `yaml:"name"`
	Senders    []string `yaml:"senders"`    // addresses and domains
	People     []string `yaml:"people"`     // addresses
	Groups     []string `yaml:"groups"`     // of the people file
	Sources    []string `yaml:"sources"`    // names of gateway sources
	Listeners  []string `yaml:"listeners"`  // submission, gateway, system
	Recipients []string `yaml:"recipients"` // addresses and domains
	WayConf    `yaml:",inline"`
	// TLSProved: the administrator knows that by this way TLS reaches the recipients themselves.
	TLSProved bool `yaml:"tls_proved"`
}

// DNSConf is who is asked for MX records.
type DNSConf struct {
	Servers []string `yaml:"servers"` // default: /etc/resolv.conf
	// DNSSEC: the servers validate, and the way to them is safe. DANE needs it.
	DNSSEC bool `yaml:"dnssec"`
}

// DestinationConf is what a server, or whoever's mail it takes, is given at a time.
type DestinationConf struct {
	Match              []string `yaml:"match"` // host names and recipients' domains; "*.example" is everything below
	Connections        int      `yaml:"connections"`
	PerMinute          int      `yaml:"per_minute"`
	MailsPerConnection int      `yaml:"mails_per_connection"`
	Recipients         int      `yaml:"recipients"`
}

// DKIMConf signs what leaves: with one key, or with those of Keys.
type DKIMConf struct {
	DKIMKeyConf `yaml:",inline"`
	Keys        []DKIMKeyConf `yaml:"keys"`
}

// DKIMKeyConf is one private key.
type DKIMKeyConf struct {
	Selector string   `yaml:"selector"`
	KeyFile  string   `yaml:"key_file"` // RSA or Ed25519, PEM
	Domains  []string `yaml:"domains"`  // default organization.domains
}

// ways are all ways out with their paths in the file, the one for all other mail last: the relay's order.
func (r *RelayConf) ways() iter.Seq2[string, *WayConf] {
	return func(yield func(string, *WayConf) bool) {
		for i := range r.Routes {
			if !yield(fmt.Sprintf("relay.routes[%d]", i), &r.Routes[i].WayConf) {
				return
			}
		}
		yield("relay", &r.WayConf)
	}
}

// hops are the servers of a way with their paths in the file.
func (w *WayConf) hops(path string) (paths []string, hops []*HopConf) {
	if w.Host != "" || !w.MX && len(w.Hosts) == 0 {
		paths, hops = append(paths, path), append(hops, &w.HopConf)
	}
	for i := range w.Hosts {
		paths, hops = append(paths, fmt.Sprintf("%s.hosts[%d]", path, i)), append(hops, &w.Hosts[i])
	}
	return paths, hops
}

// usesMX says whether some mail goes to the recipients' own servers.
func (r *RelayConf) usesMX() bool {
	for _, w := range r.ways() {
		if w.MX {
			return true
		}
	}
	return false
}

// workers is how many mails may be on their way at a time; 0 is the queue's own number. Strangers' servers are slow, and
// one that is must not hold up the others' mail.
func (r *RelayConf) workers() int {
	if r.usesMX() {
		return 60
	}
	return 0
}

// keys are all private keys with their paths in the file, in the order in which they came into use.
func (d *DKIMConf) keys() (paths []string, keys []*DKIMKeyConf) {
	if d == nil {
		return nil, nil
	}
	if len(d.Keys) == 0 || d.Selector+d.KeyFile != "" {
		paths, keys = append(paths, "dkim"), append(keys, &d.DKIMKeyConf)
	}
	for i := range d.Keys {
		paths, keys = append(paths, fmt.Sprintf("dkim.keys[%d]", i)), append(keys, &d.Keys[i])
	}
	return paths, keys
}

func (c *Config) completeRelay() {
	r := &c.Relay
	r.Hostname = cmp.Or(r.Hostname, c.Submission.Hostname)
	for path, w := range r.ways() {
		paths, hops := w.hops(path)
		for i, h := range hops {
			c.completeHop(paths[i], h)
		}
		if w.MX {
			w.TLS = cmp.Or(w.TLS, "opportunistic")
		}
	}
	_, keys := c.DKIM.keys()
	for _, k := range keys {
		k.KeyFile = c.beside(k.KeyFile)
		if len(k.Domains) == 0 {
			k.Domains = c.Organization.Domains
		}
	}
}

func (c *Config) completeHop(path string, h *HopConf) {
	if h.Host != "" {
		if _, _, err := net.SplitHostPort(h.Host); err != nil {
			h.Host = net.JoinHostPort(strings.Trim(h.Host, "[]"), "587")
		}
	}
	for _, file := range []*string{&h.PasswordFile, &h.CAFile, &h.CertFile, &h.KeyFile} {
		*file = c.beside(*file)
	}
	h.TLS = cmp.Or(h.TLS, "required")
	if !c.file.Has(path + ".weight") {
		h.Weight = 1
	}
	if o := h.OAuth; o != nil {
		for _, file := range []*string{&o.ClientSecretFile, &o.ServiceAccountFile, &o.CAFile} {
			*file = c.beside(*file)
		}
		if o.Provider == "microsoft" {
			o.TokenURL = cmp.Or(o.TokenURL, "https://login.microsoftonline.com/"+url.PathEscape(o.Tenant)+"/oauth2/v2.0/token")
			if len(o.Scopes) == 0 {
				o.Scopes = []string{"https://outlook.office365.com/.default"}
			}
		}
	}
}

func (c *Config) validateRelay() {
	r := &c.Relay
	for path, w := range r.ways() {
		c.validateWay(path, w)
	}
	for i := range r.Routes {
		c.validateRoute(fmt.Sprintf("relay.routes[%d]", i), &r.Routes[i], r.Routes[:i])
	}
	for i, s := range r.DNS.Servers {
		host, _, err := net.SplitHostPort(s)
		if err != nil {
			host = strings.Trim(s, "[]")
		}
		if _, err := netip.ParseAddr(host); err != nil {
			c.file.Add(fmt.Sprintf("relay.dns.servers[%d]", i), "%q is no address of a DNS server; write for example 127.0.0.1", s)
		}
	}
	for i, n := range r.AllowPrivate {
		if _, err := netip.ParsePrefix(n); err != nil {
			c.file.Add(fmt.Sprintf("relay.allow_private[%d]", i), "%q is no network; write for example 192.0.2.0/28", n)
		}
	}
	for i := range r.Destinations {
		c.validateDestination(fmt.Sprintf("relay.destinations[%d]", i), &r.Destinations[i])
	}
	c.validateDKIM()
}

func (c *Config) validateWay(path string, w *WayConf) {
	given := 0
	for _, is := range []bool{w.Host != "", len(w.Hosts) > 0, w.MX} {
		if is {
			given++
		}
	}
	switch {
	case given == 0:
		c.file.Add(path+".host", "%s.host is needed: where mail goes, for example smtp.corp.example:587 (or hosts, or mx: true)", path)
		return
	case given > 1:
		c.file.Add(path, "%s has more than one of host, hosts and mx: give one", path)
		return
	case w.MX:
		c.oneOf(path+".tls", w.TLS, "opportunistic", "required")
		if w.Username+w.PasswordFile+w.CertFile != "" || w.OAuth != nil {
			c.file.Add(path+".mx", "recipients' own servers take no sign-in: username, password_file, oauth and cert_file belong to a host")
		}
		return
	}
	paths, hops := w.hops(path)
	busy := 0
	for i, h := range hops {
		c.validateHop(paths[i], h)
		busy += h.Weight
	}
	if busy == 0 {
		c.file.Add(path+".hosts", "every host has weight 0, so all of them are standbys: give one a weight")
	}
}

func (c *Config) validateHop(path string, h *HopConf) {
	if !c.needed(path+".host", h.Host, "the server, for example smtp.corp.example:587") {
		return
	}
	c.listener(path+".host", h.Host)
	c.oneOf(path+".tls", h.TLS, "required", "opportunistic", "none")
	switch {
	case h.OAuth != nil && (h.Username == "" || h.PasswordFile != ""):
		c.file.Add(path+".oauth", "oauth needs username (the mailbox) and no password_file")
	case h.OAuth == nil && (h.Username == "") != (h.PasswordFile == ""):
		c.file.Add(path, "%s needs username and password_file, or neither", path)
	}
	if h.Username != "" && h.TLS != "required" {
		c.file.Add(path+".tls", "a password must not travel in clear: %s.tls must be required when username is given", path)
	}
	c.pair(path, TLSFiles{h.CertFile, h.KeyFile})
	if h.Weight < 0 || h.Weight > 1000 {
		c.file.Add(path+".weight", "weight must lie between 0 (a standby) and 1000")
	}
	c.amount(path+".connections", h.Connections, 500)
	c.amount(path+".per_minute", h.PerMinute, 100_000)
	if h.OAuth != nil {
		c.validateOAuth(path+".oauth", h.OAuth)
	}
}

// amount checks a number that is left out for the default.
func (c *Config) amount(path string, n, most int) {
	if c.file.Has(path) && (n < 1 || n > most) {
		c.file.Add(path, "%s must lie between 1 and %d", path[strings.LastIndex(path, ".")+1:], most)
	}
}

func (c *Config) validateOAuth(path string, o *OAuthConf) {
	switch o.Provider {
	case "microsoft":
		c.needed(path+".tenant", o.Tenant, "the directory (tenant) id or a domain of it")
		fallthrough
	case "":
		c.needed(path+".client_id", o.ClientID, "the application (client) id")
		c.needed(path+".client_secret_file", o.ClientSecretFile, "a file with the client secret")
	case "google":
		c.needed(path+".service_account_file", o.ServiceAccountFile, "the JSON key of a service account with domain-wide delegation")
		return
	default:
		c.oneOf(path+".provider", o.Provider, "microsoft", "google")
		return
	}
	if c.needed(path+".token_url", o.TokenURL, "where tokens are fetched, https://...") && !strings.HasPrefix(o.TokenURL, "https://") {
		c.file.Add(path+".token_url", "token_url must begin with https://: a secret is sent there")
	}
}

func (c *Config) validateRoute(path string, r *RouteConf, before []RouteConf) {
	c.needed(path+".name", r.Name, "it stands in the log and in check")
	for _, other := range before {
		if r.Name != "" && other.Name == r.Name {
			c.file.Add(path+".name", "the route %q stands twice", r.Name)
		}
	}
	if len(r.Senders)+len(r.People)+len(r.Groups)+len(r.Sources)+len(r.Listeners)+len(r.Recipients) == 0 {
		c.file.Add(path, "the route has no condition, so it would take all mail; write its host directly under relay")
	}
	c.senderList(path+".senders", r.Senders)
	c.senderList(path+".recipients", r.Recipients)
	for i, a := range r.People {
		c.address(fmt.Sprintf("%s.people[%d]", path, i), a)
	}
	for i, l := range r.Listeners {
		c.oneOf(fmt.Sprintf("%s.listeners[%d]", path, i), l, "submission", "gateway", "system")
	}
	for i, s := range r.Sources {
		if !c.hasSource(s) {
			c.file.Add(fmt.Sprintf("%s.sources[%d]", path, i), "there is no gateway source %q", s)
		}
	}
	if r.TLSProved && (r.MX || len(r.Recipients) == 0) {
		c.file.Add(path+".tls_proved", "tls_proved is about a host that is the recipients' own: the route needs recipients and a host. By MX, DANE and MTA-STS prove it")
	}
}

func (c *Config) hasSource(name string) bool {
	for _, s := range c.Submission.Gateway.Sources {
		if s.Name == name {
			return true
		}
	}
	return false
}

// senderList checks a list of addresses and domains.
func (c *Config) senderList(path string, list []string) {
	for i, entry := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		if strings.Contains(entry, "@") {
			c.address(at, entry)
		} else if a := mailaddr.ASCIIDomain(strings.TrimPrefix(entry, ".")); !domainName.MatchString(a) {
			c.file.Add(at, "%q is neither an address nor a domain", entry)
		}
	}
}

func (c *Config) validateDestination(path string, d *DestinationConf) {
	if len(d.Match) == 0 {
		c.file.Add(path, "a destination needs match: names of servers or of recipients' domains")
	}
	for i, m := range d.Match {
		if name := strings.TrimPrefix(m, "*."); !domainName.MatchString(strings.ToLower(name)) || strings.HasPrefix(m, ".") {
			c.file.Add(fmt.Sprintf("%s.match[%d]", path, i), "%q is no name; write for example docomo.ne.jp or *.google.com", m)
		}
		d.Match[i] = strings.ToLower(m)
	}
	c.amount(path+".connections", d.Connections, 500)
	c.amount(path+".per_minute", d.PerMinute, 100_000)
	c.amount(path+".mails_per_connection", d.MailsPerConnection, 10_000)
	c.amount(path+".recipients", d.Recipients, 1000)
}

func (c *Config) validateDKIM() {
	paths, keys := c.DKIM.keys()
	seen := map[string]bool{}
	for i, k := range keys {
		c.needed(paths[i]+".selector", k.Selector, "the name under which the public key stands in DNS")
		c.needed(paths[i]+".key_file", k.KeyFile, "the private key, PEM")
		c.domains(paths[i]+".domains", k.Domains)
		for _, d := range k.Domains {
			if seen[k.Selector+" "+d] {
				c.file.Add(paths[i]+".selector", "the selector %s stands twice for %s: each key needs its own", k.Selector, d)
			}
			seen[k.Selector+" "+d] = true
		}
	}
}
