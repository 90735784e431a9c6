package main

import (
	"cmp"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/yamlfile"
	"github.com/sekisho-mail/sekisho/submission"
)

// complete fills in what the file leaves out and makes paths absolute.
func (c *Config) complete() {
	c.DataDir = c.beside(cmp.Or(c.DataDir, "/var/lib/sekisho"))
	if !c.file.Has("roles") {
		c.Roles = allRoles()
	}
	c.completeOrganization()
	c.completeSubmission()
	c.completeRelay()
	c.completeStores()
	c.completeOIDC()
	c.completeWeb()
	c.completeRest()
}

// beside resolves a file that the company writes: relative to this one.
func (c *Config) beside(path string) string { return under(filepath.Dir(c.Path), path) }

// inData resolves a file that Sekisho writes: relative to data_dir.
func (c *Config) inData(path string) string { return under(c.DataDir, path) }

func under(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func (c *Config) tls(t *TLSFiles) {
	t.CertFile, t.KeyFile = c.beside(t.CertFile), c.beside(t.KeyFile)
}

func (c *Config) completeOrganization() {
	o := &c.Organization
	for i, d := range o.Domains {
		o.Domains[i] = strings.ToLower(strings.TrimSuffix(d, "."))
	}
	if len(o.Domains) > 0 {
		o.Name = cmp.Or(o.Name, o.Domains[0])
		c.Notices.From = cmp.Or(c.Notices.From, "sekisho@"+strings.TrimPrefix(o.Domains[0], "."))
	}
	o.Language = cmp.Or(o.Language, "ja")
	o.TimeZone = cmp.Or(o.TimeZone, "Asia/Tokyo")
	o.Holidays = cmp.Or(o.Holidays, "jp")
}

func (c *Config) completeSubmission() {
	s := &c.Submission
	if s.Hostname == "" {
		s.Hostname, _ = os.Hostname() // empty is reported by validate
	}
	if !c.file.Has("submission.listen") {
		s.Listen = []string{"0.0.0.0:587"}
	}
	if !c.file.Has("submission.listen_tls") {
		s.ListenTLS = []string{"0.0.0.0:465"}
	}
	c.tls(&s.TLS)
	s.MaxMessageBytes = cmp.Or(s.MaxMessageBytes, 150<<20)
	s.MaxRecipients = cmp.Or(s.MaxRecipients, 1000)
	c.completeLimits()
	s.Auth.UsersFile = c.beside(cmp.Or(s.Auth.UsersFile, "users.yaml"))
	for i := range s.Gateway.Sources {
		source := &s.Gateway.Sources[i]
		source.Kind = cmp.Or(source.Kind, "networks")
		source.RequireHeader.ValueFile = c.beside(source.RequireHeader.ValueFile)
	}
}

// completeLimits leaves an explicit 0 alone: it is a mistake, not a wish for the default.
func (c *Config) completeLimits() {
	d, l := submission.DefaultLimits(), &c.Submission.Limits
	for key, f := range map[string]struct {
		value   *int
		factory int
	}{
		"connections":               {&l.Connections, d.Connections},
		"connections_per_address":   {&l.ConnectionsPerAddress, d.ConnectionsPerAddress},
		"recipients_per_10_minutes": {&l.RecipientsPer10Minutes, d.RecipientsPer10Minutes},
		"recipients_per_day":        {&l.RecipientsPerDay, d.RecipientsPerDay},
	} {
		if !c.file.Has("submission.limits." + key) {
			*f.value = f.factory
		}
	}
}

func (c *Config) completeStores() {
	c.Database.URL = cmp.Or(c.Database.URL, "sqlite:sekisho.db")
	if path, ok := strings.CutPrefix(c.Database.URL, "sqlite:"); ok {
		c.Database.URL = "sqlite:" + c.inData(path)
	}
	c.Database.PasswordFile = c.beside(c.Database.PasswordFile)
	c.Files.URL = cmp.Or(c.Files.URL, "file:files")
	if path, ok := strings.CutPrefix(c.Files.URL, "file:"); ok {
		c.Files.URL = "file:" + c.inData(path)
	}
	c.Keys.File = c.inData(cmp.Or(c.Keys.File, "sekisho.keys"))
}

func (c *Config) completeOIDC() {
	o := &c.OIDC
	o.Issuer = strings.TrimSpace(o.Issuer)
	o.ClientID = cmp.Or(o.ClientID, "sekisho")
	o.ClientSecretFile = c.beside(o.ClientSecretFile)
	o.CAFile = c.beside(o.CAFile)
	o.PersonClaim = cmp.Or(o.PersonClaim, "email")
	o.RolesClaim = cmp.Or(o.RolesClaim, "groups")
}

func (c *Config) completeWeb() {
	c.Web.Listen = cmp.Or(c.Web.Listen, "0.0.0.0:8443")
	c.tls(&c.Web.TLS)
	c.tls(&c.Portal.TLS)
	if !c.Portal.TLS.Given() {
		c.Portal.TLS = c.Web.TLS
	}
	c.BaseURL = strings.TrimRight(cmp.Or(c.BaseURL, c.ownURL()), "/")
	if !c.file.Has("portal.remind") {
		c.Portal.Remind = yamlfile.Duration(72 * time.Hour)
	}
	c.Portal.Receipts = cmp.Or(c.Portal.Receipts, "none")
	c.Portal.URL = strings.TrimRight(cmp.Or(c.Portal.URL, c.BaseURL), "/")
}

// ownURL is where the staff pages are when nobody says otherwise.
func (c *Config) ownURL() string {
	u := url.URL{Scheme: "https", Host: c.Submission.Hostname}
	if _, port, err := net.SplitHostPort(c.Web.Listen); err == nil && port != "443" {
		u.Host = net.JoinHostPort(u.Host, port)
	}
	return u.String()
}

func (c *Config) completeFolders() {
	f := &c.Folders
	if !c.file.Has("folders.max_file_bytes") {
		f.MaxFileBytes = 2 << 30
	}
	if !c.file.Has("folders.max_bytes") {
		f.MaxBytes = max(10<<30, f.MaxFileBytes)
	}
	if !c.file.Has("folders.max_files") {
		f.MaxFiles = 200
	}
	if f.Unscanned == "" {
		f.Unscanned = "warn"
		if c.Scanners.Clamd != "" {
			f.Unscanned = "refuse"
		}
	}
}

func (c *Config) completeRest() {
	c.completeFolders()
	c.completeAccounts()
	const day = yamlfile.Duration(24 * time.Hour)
	if c.People.File == "" {
		c.People.File = c.ifThere("people.yaml")
	}
	c.People.File = c.beside(c.People.File)
	c.Policy.File = c.beside(c.Policy.File)
	c.Policy.Mode = cmp.Or(c.Policy.Mode, "enforce")
	c.Retention.Sent = c.kept("sent", c.Retention.Sent, 7*day)
	c.Retention.Returned = c.kept("returned", c.Retention.Returned, 30*day)
	c.Retention.Facts = c.kept("facts", c.Retention.Facts, 400*day)
	c.Retention.Downloads = c.kept("downloads", c.Retention.Downloads, 400*day)
	if !c.file.Has("metrics.listen") {
		c.Metrics.Listen = "127.0.0.1:9587"
	}
	c.Log.Format = cmp.Or(c.Log.Format, "json")
	c.Log.Level = cmp.Or(c.Log.Level, "info")
}

// kept lets an explicit 0 stand: keep nothing.
func (c *Config) kept(key string, given, otherwise yamlfile.Duration) yamlfile.Duration {
	if c.file.Has("retention." + key) {
		return given
	}
	return otherwise
}

// ifThere names a file of the configuration's folder only where it exists.
func (c *Config) ifThere(name string) string {
	if _, err := os.Stat(c.beside(name)); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return name
}
