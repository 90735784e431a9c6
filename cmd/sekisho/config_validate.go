package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a machine without zone files still knows the organization's time

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// validate reports every mistake that can be seen without looking at the
// world, each where it stands in the file.
func (c *Config) validate() {
	c.validateOrganization()
	c.validateSubmission()
	for i := range c.Submission.Gateway.Sources {
		c.validateSource(i)
	}
	c.validateRoles()
	if c.does(roleQueue) {
		c.validateRelay()
	}
	c.validateStores()
	if c.does(roleWeb) {
		c.validateOIDC()
	}
	c.validateWeb()
	c.oneOf("policy.mode", c.Policy.Mode, "enforce", "observe")
	c.oneOf("log.format", c.Log.Format, "json", "text")
	c.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	c.validateFolders()
	c.validateAccounts()
	if k := c.Scanners.Clamd; k != "" && !strings.HasPrefix(k, "unix:/") && !strings.HasPrefix(k, "tcp:") {
		c.file.Add("scanners.clamd", "%q must be unix:/PATH or tcp:HOST:PORT", k)
	}
	if k := c.Scanners.OnError; k != "" && k != "hold" {
		c.file.Add("scanners.on_error", "%q is not possible: what a scanner could not look at is held (hold)", k)
	}
	if k := c.Scanners.OCR; k != "" && k != ocrAuto && k != ocrOff && !strings.HasPrefix(k, "/") {
		c.file.Add("scanners.ocr", "%q must be auto, off or the path of tesseract", k)
	}
	c.listener("metrics.listen", c.Metrics.Listen)
}

func (c *Config) oneOf(path, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		c.file.Add(path, "%s must be %s, not %q", path, strings.Join(allowed, " or "), value)
	}
}

func (c *Config) needed(path, value, why string) bool {
	if value != "" {
		return true
	}
	c.file.Add(path, "%s is needed: %s", path, why)
	return false
}

func (c *Config) address(path, value string) {
	if _, err := mailaddr.Parse(value, true); err != nil {
		c.file.Add(path, "%q is no address: %v", value, err)
	}
}

// listener checks host:port; an empty one is switched off.
func (c *Config) listener(path, value string) {
	if value == "" {
		return
	}
	_, port, err := net.SplitHostPort(value)
	if n, bad := strconv.Atoi(port); err != nil || bad != nil || n < 0 || n > 65535 {
		c.file.Add(path, "%q is no address to listen on; write for example 0.0.0.0:587", value)
	}
}

func (c *Config) listeners(path string, values []string) {
	for i, v := range values {
		c.listener(fmt.Sprintf("%s[%d]", path, i), v)
	}
}

var domainName = regexp.MustCompile(`^\.?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

func (c *Config) domains(path string, domains []string) {
	for i, d := range domains {
		at := fmt.Sprintf("%s[%d]", path, i)
		sub := strings.TrimPrefix(d, ".")
		if a := mailaddr.ASCIIDomain(sub); !domainName.MatchString(a) || len(a) > 253 {
			c.file.Add(at, "%q is no domain; write for example corp.example", d)
		}
	}
}

func (c *Config) validateOrganization() {
	o := c.Organization
	if len(o.Domains) == 0 {
		c.file.Add("organization.domains", "organization.domains is needed: the domains of the company's own addresses")
	}
	c.domains("organization.domains", o.Domains)
	c.oneOf("organization.language", o.Language, "ja", "en")
	c.oneOf("organization.holidays", o.Holidays, "jp", "none")
	if _, err := time.LoadLocation(o.TimeZone); err != nil {
		c.file.Add("organization.time_zone", "there is no time zone %q; write for example Asia/Tokyo", o.TimeZone)
	} else if _, err := c.Calendar(); err != nil && (o.Holidays == "jp" || o.Holidays == "none") {
		c.file.Add("organization.company_holidays", "%v", err)
	}
	for i, a := range c.Administrators {
		c.address(fmt.Sprintf("administrators[%d]", i), a)
	}
	if c.file.Has("notices.from") {
		c.address("notices.from", c.Notices.From)
	}
}

// Calendar is the organization's working time.
func (c *Config) Calendar() (*approval.Calendar, error) {
	holidays := c.Organization.Holidays
	if holidays == "none" {
		holidays = ""
	}
	return approval.NewCalendar(c.Organization.TimeZone, holidays, c.Organization.CompanyHolidays)
}

func (c *Config) validateSubmission() {
	s := c.Submission
	if !domainName.MatchString(strings.ToLower(s.Hostname)) {
		c.file.Add("submission.hostname", "submission.hostname %q is no host name; it stands in the greeting and in Received", s.Hostname)
	}
	c.listeners("submission.listen", s.Listen)
	c.listeners("submission.listen_tls", s.ListenTLS)
	c.listeners("submission.gateway.listen", s.Gateway.Listen)
	c.pair("submission.tls", s.TLS)
	if s.MaxMessageBytes < 64<<10 || s.MaxMessageBytes > 2<<30 {
		c.file.Add("submission.max_message_bytes", "max_message_bytes must lie between 64KiB and 2GiB")
	}
	if s.MaxRecipients < 1 || s.MaxRecipients > 10000 {
		c.file.Add("submission.max_recipients", "max_recipients must lie between 1 and 10000")
	}
	c.validateLimits()
	if len(s.Gateway.Listen) > 0 && len(s.Gateway.Sources) == 0 {
		c.file.Add("submission.gateway", "a gateway listener without sources would accept no mail at all")
	}
}

// mostLimit keeps a slip of the finger from switching a limit off.
const mostLimit = 10_000_000

func (c *Config) validateLimits() {
	l, path := c.Submission.Limits, "submission.limits."
	for _, f := range []struct {
		key   string
		value int
	}{
		{"connections", l.Connections}, {"connections_per_address", l.ConnectionsPerAddress},
		{"recipients_per_10_minutes", l.RecipientsPer10Minutes}, {"recipients_per_day", l.RecipientsPerDay},
	} {
		if f.value < 1 || f.value > mostLimit {
			c.file.Add(path+f.key, "%s must lie between 1 and %d", f.key, mostLimit)
		}
	}
	if l.ConnectionsPerAddress > l.Connections {
		c.file.Add(path+"connections_per_address", "connections_per_address (%d) is more than connections (%d) allows at all", l.ConnectionsPerAddress, l.Connections)
	}
	if l.RecipientsPer10Minutes > l.RecipientsPerDay {
		c.file.Add(path+"recipients_per_day", "recipients_per_day (%d) is less than recipients_per_10_minutes (%d)", l.RecipientsPerDay, l.RecipientsPer10Minutes)
	}
}

func (c *Config) pair(path string, t TLSFiles) {
	if (t.CertFile == "") != (t.KeyFile == "") {
		c.file.Add(path, "%s needs cert_file and key_file", path)
	}
}

// validateSource: an address that others may share is no proof (DESIGN 7.6).
func (c *Config) validateSource(i int) {
	s, path := c.Submission.Gateway.Sources[i], fmt.Sprintf("submission.gateway.sources[%d]", i)
	h := s.RequireHeader
	c.needed(path+".name", s.Name, "it names the source in the log and in rules")
	if slices.ContainsFunc(c.Submission.Gateway.Sources[:i], func(o SourceConf) bool { return o.Name == s.Name }) {
		c.file.Add(path+".name", "the source %q stands twice", s.Name)
	}
	c.oneOf(path+".kind", s.Kind, "networks", "exchange_online", "google_workspace")
	for j, n := range s.Networks {
		if _, err := netip.ParsePrefix(n); err != nil {
			c.file.Add(fmt.Sprintf("%s.networks[%d]", path, j), "%q is no network; write for example 192.0.2.0/28", n)
		}
	}
	if h.Name != "" && h.Value == "" && h.ValueFile == "" || h.Name == "" && h.Value+h.ValueFile != "" || h.Value != "" && h.ValueFile != "" {
		c.file.Add(path+".require_header", "require_header needs a name and either value_file (a secret) or value (a tenant id)")
	}
	switch {
	case (s.Kind == "exchange_online" || s.Kind == "google_workspace") && h.Name == "":
		c.file.Add(path, "%s shares its addresses and certificates with all its customers: require_header must prove that the mail is yours; "+
			"write require_header: {name: X-Sekisho-Source, value_file: %s.secret}, make the file with openssl rand -hex 32, and let a rule there set the header (docs/%s.md)",
			s.Kind, s.Name, strings.ReplaceAll(s.Kind, "_", "-"))
	case s.Kind == "networks" && len(s.Networks) == 0 && h.ValueFile == "":
		c.file.Add(path, "the source needs networks, or a secret in require_header; anybody could use it")
	case h.Value != "" && len(s.Networks) == 0:
		c.file.Add(path+".require_header", "a value that everybody may know proves nothing without networks; use value_file for a secret")
	}
	if s.RequireTLS && !c.Submission.TLS.Given() {
		c.file.Add(path+".require_tls", "require_tls needs a certificate in submission.tls; without it the source could never send")
	}
	if len(s.Senders) == 0 {
		c.file.Add(path+".senders", "the source needs senders: the domains and addresses it may send as")
	}
	if c.needed(path+".owner", s.Owner, "who answers for mail whose From is no person's") {
		c.address(path+".owner", s.Owner)
	}
}

func (c *Config) validateStores() {
	u := c.Database.URL
	if !strings.HasPrefix(u, "sqlite:") && !strings.HasPrefix(u, "postgres://") && !strings.HasPrefix(u, "postgresql://") {
		c.file.Add("database.url", "database.url must start with sqlite: or postgres://")
	}
	if parsed, err := url.Parse(u); err == nil && parsed.User != nil {
		if _, has := parsed.User.Password(); has {
			c.file.Add("database.url", "a password does not belong into database.url; use database.password_file")
		}
	}
	if !strings.HasPrefix(c.Files.URL, "file:") && !strings.HasPrefix(c.Files.URL, "s3://") {
		c.file.Add("files.url", "files.url must start with file: or s3://")
	}
	r := c.Retention
	if r.Facts < r.Sent || r.Facts < r.Returned {
		c.file.Add("retention.facts", "facts must be kept at least as long as the mail they speak of")
	}
}

func (c *Config) validateOIDC() {
	o := c.OIDC
	if c.needed("oidc.issuer", o.Issuer, "the company's identity provider") {
		c.webURL("oidc.issuer", o.Issuer)
	}
}

func (c *Config) validateWeb() {
	c.listener("web.listen", c.Web.Listen)
	c.listener("portal.listen", c.Portal.Listen)
	c.pair("web.tls", c.Web.TLS)
	if c.Portal.TLS != c.Web.TLS {
		c.pair("portal.tls", c.Portal.TLS)
	}
	c.webURL("base_url", c.BaseURL)
	if c.file.Has("portal.url") {
		c.webURL("portal.url", c.Portal.URL)
	}
	if c.Portal.Listen != "" && !c.file.Has("portal.url") {
		c.file.Add("portal", "portal.listen needs portal.url: what the links in mails start with")
	}
	for i, n := range c.Web.TrustedProxies {
		if _, err := netip.ParsePrefix(n); err != nil {
			c.file.Add(fmt.Sprintf("web.trusted_proxies[%d]", i), "%q is no network; write for example 10.0.0.0/8", n)
		}
	}
}

// webURL: a plain address of a host. http is for machines that talk to
// themselves, such as the demonstration; `check` warns of it elsewhere.
func (c *Config) webURL(path, value string) {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		c.file.Add(path, "%s must be a URL such as https://hold.corp.example, not %q", path, value)
	}
}

// DatabaseURL is Database.URL with the password from its file.
func (c *Config) DatabaseURL() (string, error) {
	if c.Database.PasswordFile == "" {
		return c.Database.URL, nil
	}
	password, err := readSecret(c.Database.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("database.password_file: %w", err)
	}
	u, err := url.Parse(c.Database.URL)
	if err != nil {
		return "", errors.New("database.url: not a URL") // its text may hold secrets
	}
	u.User = url.UserPassword(u.User.Username(), password)
	return u.String(), nil
}

// readSecret reads a *_file: one line, its end left off.
func readSecret(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", errors.New("cannot read " + path + ": " + plainError(err))
	}
	s := strings.TrimRight(string(b), "\r\n")
	if s == "" || len(s) > 4096 || strings.ContainsAny(s, "\r\n\x00") {
		return "", fmt.Errorf("%s must hold one line with the secret", path)
	}
	return s, nil
}

// plainError says what is wrong with a file, without repeating its name.
func plainError(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

func (c *Config) validateFolders() {
	if c.Portal.Remind < 0 {
		c.file.Add("portal.remind", "remind must not be negative; 0 is never")
	}
	if r := c.Portal.Receipts; r != "none" && r != "each" && r != "daily" {
		c.file.Add("portal.receipts", "%q must be none, each or daily", r)
	}
	f := c.Folders
	if f.MaxFileBytes < 1 {
		c.file.Add("folders.max_file_bytes", "max_file_bytes must be at least 1")
	}
	if f.MaxBytes < f.MaxFileBytes {
		c.file.Add("folders.max_bytes", "max_bytes must not be less than max_file_bytes")
	}
	if f.MaxFiles < 1 {
		c.file.Add("folders.max_files", "max_files must be at least 1")
	}
	for i, t := range f.Types {
		if !regexp.MustCompile(`^[a-z0-9]{1,10}$`).MatchString(t) {
			c.file.Add(fmt.Sprintf("folders.types.%d", i), "%q must be an ending of names such as pdf, in lower case and without a dot", t)
		}
	}
	if f.Unscanned != "refuse" && f.Unscanned != "warn" {
		c.file.Add("folders.unscanned", "%q must be refuse or warn", f.Unscanned)
	}
}
