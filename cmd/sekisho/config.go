package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sekisho-mail/sekisho/internal/yamlfile"
)

// Config is the configuration file: every key, with defaults filled in and
// every path absolute. Files that the company writes (certificates, secrets,
// people, policy) are found relative to the configuration file; what Sekisho
// itself writes (database, files, keys) relative to data_dir.
type Config struct {
	// Path is the configuration file itself.
	Path string `yaml:"-"`

	// DataDir holds what Sekisho writes; default /var/lib/sekisho.
	DataDir string `yaml:"data_dir"`
	// BaseURL is what links to the staff pages start with, without a slash at
	// the end; default https://HOSTNAME with the port of web.listen.
	BaseURL string `yaml:"base_url"`
	// Administrators are told by mail of what needs them (uninspected mail,
	// refusals, lost readiness). The role itself comes from oidc.roles.
	Administrators []string         `yaml:"administrators"`
	Organization   OrganizationConf `yaml:"organization"`
	Submission     SubmissionConf   `yaml:"submission"`
	Relay          RelayConf        `yaml:"relay"`
	DKIM           *DKIMConf        `yaml:"dkim"`
	Database       DatabaseConf     `yaml:"database"`
	Files          FilesConf        `yaml:"files"`
	Keys           KeysConf         `yaml:"keys"`
	OIDC           OIDCConf         `yaml:"oidc"`
	Web            WebConf          `yaml:"web"`
	Portal         PortalConf       `yaml:"portal"`
	Folders        FoldersConf      `yaml:"folders"`
	People         PeopleConf       `yaml:"people"`
	Scanners       ScannersConf     `yaml:"scanners"`
	Policy         PolicyConf       `yaml:"policy"`
	Notices        NoticesConf      `yaml:"notices"`
	Retention      RetentionConf    `yaml:"retention"`
	Metrics        MetricsConf      `yaml:"metrics"`
	Log            LogConf          `yaml:"log"`
	// Roles are what this node does, of several that share a database and a
	// store: submission, queue, web, portal; default all.
	Roles []string `yaml:"roles"`
	// Balancers are load balancers whose connections, to every listener but
	// metrics, begin with the PROXY protocol; all of them must.
	Balancers []string `yaml:"balancers"`

	file *yamlfile.File
}

// OrganizationConf says whose mail this is.
type OrganizationConf struct {
	Name    string   `yaml:"name"`    // default: the first domain
	Domains []string `yaml:"domains"` // needed; ".corp.example" stands for all below it
	// Language of what people read whose own is not known: ja (default) or en.
	Language string `yaml:"language"`
	TimeZone string `yaml:"time_zone"` // default Asia/Tokyo
	Holidays string `yaml:"holidays"`  // jp (default) or none
	// CompanyHolidays: "12-29..01-03", "08-13", "2026-05-01..2026-05-02".
	CompanyHolidays []string `yaml:"company_holidays"`
	// Own values never count as findings.
	Own struct {
		Phones    []string `yaml:"phones"`
		Accounts  []string `yaml:"accounts"`
		Addresses []string `yaml:"addresses"`
	} `yaml:"own"`
}

// SubmissionConf is where mail comes in.
type SubmissionConf struct {
	Hostname  string   `yaml:"hostname"`   // default: the machine's name
	Listen    []string `yaml:"listen"`     // STARTTLS; default 0.0.0.0:587
	ListenTLS []string `yaml:"listen_tls"` // TLS at once; default 0.0.0.0:465
	// TLS is needed for Listen and ListenTLS: nobody signs in without it.
	TLS             TLSFiles      `yaml:"tls"`
	MaxMessageBytes yamlfile.Size `yaml:"max_message_bytes"` // default 150MiB
	MaxRecipients   int           `yaml:"max_recipients"`    // of one mail; default 1000
	Limits          LimitsConf    `yaml:"limits"`
	// ClientInReceived puts the client's address into the Received field.
	ClientInReceived bool     `yaml:"client_in_received"`
	Auth             AuthConf `yaml:"auth"`
	Gateway          struct {
		Listen  []string     `yaml:"listen"` // default: none
		Sources []SourceConf `yaml:"sources"`
	} `yaml:"gateway"`
}

// LimitsConf bounds what one client can take from the others.
type LimitsConf struct {
	Connections int `yaml:"connections"` // at one time, on all listeners; default 2000
	// ConnectionsPerAddress: of one IPv4 address or IPv6 /64, behind which a
	// whole office may be; default 400.
	ConnectionsPerAddress int `yaml:"connections_per_address"`
	// Recipients one person (or writer behind a gateway source) may write to:
	// above 450 until there is room again, and 550. Defaults 600 and 10000.
	RecipientsPer10Minutes int `yaml:"recipients_per_10_minutes"`
	RecipientsPerDay       int `yaml:"recipients_per_day"`
}

// TLSFiles are a certificate chain and its key, read again when they change.
type TLSFiles struct {
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
}

// Given reports whether a certificate is configured.
func (t TLSFiles) Given() bool { return t.CertFile != "" }

// AuthConf says how people prove who they are when they submit.
type AuthConf struct {
	UsersFile string          `yaml:"users_file"` // default users.yaml
	LDAP      yamlfile.NotYet `yaml:"ldap"`
	Upstream  yamlfile.NotYet `yaml:"upstream"`
	OAuth     yamlfile.NotYet `yaml:"oauth"`
}

// SourceConf is one who may submit on the gateway listener.
type SourceConf struct {
	Name string `yaml:"name"`
	// Kind: networks (default), exchange_online or google_workspace. The last
	// two must prove whose mail it is by RequireHeader.
	Kind          string            `yaml:"kind"`
	Networks      []string          `yaml:"networks"`
	RequireHeader RequireHeaderConf `yaml:"require_header"`
	// RequireTLS refuses the source over plain text, where the secret of
	// RequireHeader could be read on the way.
	RequireTLS bool `yaml:"require_tls"`
	// Senders are domains and addresses that may stand in MAIL FROM and From.
	Senders []string `yaml:"senders"`
	// Owner answers for mail whose From is no person's.
	Owner string `yaml:"owner"`
}

// RequireHeaderConf is a field that every mail of a source carries: a secret
// (value_file), taken out of the mail, or a value everybody may know (value)
// such as a tenant id, which proves something only together with networks.
type RequireHeaderConf struct {
	Name      string `yaml:"name"`
	Value     string `yaml:"value"`
	ValueFile string `yaml:"value_file"`
}

// DatabaseConf is sqlite:PATH (default sqlite:sekisho.db) or postgres://...
type DatabaseConf struct {
	URL          string `yaml:"url"`
	PasswordFile string `yaml:"password_file"` // for PostgreSQL
}

// FilesConf is file:DIR (default file:files) or s3://bucket?endpoint=...
type FilesConf struct {
	URL string `yaml:"url"`
}

// KeysConf is the key file, made with mode 0600 at the first start.
type KeysConf struct {
	File string `yaml:"file"` // default sekisho.keys
}

// OIDCConf is the company's identity provider.
type OIDCConf struct {
	Issuer           string `yaml:"issuer"`
	ClientID         string `yaml:"client_id"` // default sekisho
	ClientSecretFile string `yaml:"client_secret_file"`
	PersonClaim      string `yaml:"person_claim"` // default email
	RolesClaim       string `yaml:"roles_claim"`  // default groups
	// Roles: values of the roles claim, or addresses, that give a role.
	Roles struct {
		Admin    []string `yaml:"admin"`
		Approver []string `yaml:"approver"`
		Auditor  []string `yaml:"auditor"`
	} `yaml:"roles"`
	Scopes []string          `yaml:"scopes"`
	MaxAge yamlfile.Duration `yaml:"max_age"`
	CAFile string            `yaml:"ca_file"`
}

// WebConf is where the people of the company work.
type WebConf struct {
	Listen string   `yaml:"listen"` // default 0.0.0.0:8443
	TLS    TLSFiles `yaml:"tls"`
	// TrustedProxies are networks whose X-Forwarded-For counts.
	TrustedProxies []string `yaml:"trusted_proxies"`
}

// PortalConf is where recipients download. Without a listener it answers
// beside the staff pages, under base_url.
type PortalConf struct {
	Listen string   `yaml:"listen"`
	URL    string   `yaml:"url"` // default base_url
	TLS    TLSFiles `yaml:"tls"` // default web.tls
	// Accounts are providers at which recipients of links with access account sign in.
	Accounts []AccountConf `yaml:"accounts"`
	// Remind: recipients who took nothing hear of it so long before a link ends; 3d, 0 for never.
	Remind yamlfile.Duration `yaml:"remind"`
	// Receipts: none (default), each or daily; how senders hear of downloads.
	Receipts string `yaml:"receipts"`
}

// AccountConf is one provider for people outside.
type AccountConf struct {
	Name             string `yaml:"name"` // on the button and in the path: letters, digits, hyphens
	Issuer           string `yaml:"issuer"`
	ClientID         string `yaml:"client_id"`
	ClientSecretFile string `yaml:"client_secret_file"`
	CAFile           string `yaml:"ca_file"` // default: the system's
}

// FoldersConf bounds what people outside can put into the folder of one of ours.
type FoldersConf struct {
	MaxFileBytes yamlfile.Size `yaml:"max_file_bytes"` // of one file; default 2GiB
	MaxBytes     yamlfile.Size `yaml:"max_bytes"`      // of one folder; default 10GiB
	MaxFiles     int           `yaml:"max_files"`      // of one folder; default 200
	// Types are the endings of names that are taken, such as pdf; none is all.
	Types []string `yaml:"types"`
	// Unscanned says what becomes of a file that no malware scanner could look
	// into: refuse (default with scanners.clamd) or warn (default without).
	Unscanned string `yaml:"unscanned"`
}

// PeopleConf is who works here.
type PeopleConf struct {
	File string          `yaml:"file"` // YAML, or CSV by its name
	LDAP yamlfile.NotYet `yaml:"ldap"`
}

// ScannersConf are programs that look into files with us.
type ScannersConf struct {
	Clamd   string `yaml:"clamd"`    // unix:PATH or tcp:HOST:PORT
	OnError string `yaml:"on_error"` // hold: nothing leaves that a scanner should have seen and did not
	OCR     string `yaml:"ocr"`      // auto, off, or the path of tesseract
}

// PolicyConf is what to do with mail.
type PolicyConf struct {
	File string `yaml:"file"` // default: the factory policy
	Mode string `yaml:"mode"` // enforce (default) or observe
	// Pilot names addresses and groups; the policy then acts on their mail
	// alone and only observes everybody else's.
	Pilot []string `yaml:"pilot"`
}

// NoticesConf is how our own mail presents itself.
type NoticesConf struct {
	From string `yaml:"from"` // default sekisho@ the first domain
}

// RetentionConf says how long things are kept.
type RetentionConf struct {
	Sent      yamlfile.Duration `yaml:"sent"`      // bodies of sent mail; 7d
	Returned  yamlfile.Duration `yaml:"returned"`  // of cancelled, rejected, expired; 30d
	Facts     yamlfile.Duration `yaml:"facts"`     // who, when, why; 400d
	Downloads yamlfile.Duration `yaml:"downloads"` // addresses in the download log; 400d
}

// MetricsConf is the Prometheus listener; "" for none.
type MetricsConf struct {
	Listen string `yaml:"listen"` // default 127.0.0.1:9587
}

// LogConf is how the program speaks about itself.
type LogConf struct {
	Format string `yaml:"format"` // json (default) or text
	Level  string `yaml:"level"`  // debug, info (default), warn or error
}

// Mistake is one thing wrong with a file of the company.
type Mistake struct {
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	Text string `json:"text"`
}

func (m Mistake) String() string {
	switch {
	case m.File == "":
		return m.Text
	case m.Line == 0:
		return m.File + ": " + m.Text
	default:
		return fmt.Sprintf("%s:%d: %s", m.File, m.Line, m.Text)
	}
}

// MistakesError is every mistake of a file, one on each line.
type MistakesError []Mistake

func (e MistakesError) Error() string {
	lines := make([]string, len(e))
	for i, m := range e {
		lines[i] = m.String()
	}
	return strings.Join(lines, "\n")
}

// LoadConfig reads a configuration file, fills in what it leaves out and
// checks all that needs no look at the world. The error is a MistakesError.
func LoadConfig(path string) (*Config, error) {
	c, mistakes := readConfig(path)
	if len(mistakes) > 0 {
		return nil, MistakesError(mistakes)
	}
	return c, nil
}

// readConfig gives the configuration as far as it could be read, beside its
// mistakes, so that `check` can go on and look at the rest.
func readConfig(path string) (*Config, []Mistake) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, []Mistake{{File: path, Text: err.Error()}}
	}
	source, err := os.ReadFile(absolute)
	if err != nil {
		return nil, []Mistake{{File: path, Text: "cannot read the configuration: " + plainError(err)}}
	}
	c := &Config{Path: absolute}
	c.file = yamlfile.Read(source, c)
	c.complete()
	c.validate()
	return c, mistakes(path, c.file.Problems())
}

func mistakes(path string, problems []yamlfile.Problem) []Mistake {
	var out []Mistake
	for _, p := range problems {
		out = append(out, Mistake{File: path, Line: p.Line, Text: p.Text})
	}
	return slices.Clip(out)
}
