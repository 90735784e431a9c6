package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/yamlfile"
	"github.com/sekisho-mail/sekisho/submission"
)

// contractConfig is the configuration as the documentation shows it, whole.
const contractConfig = `data_dir: /var/lib/sekisho
base_url: https://hold.corp.example
organization: {name: 株式会社コープ, domains: [corp.example], language: ja, time_zone: Asia/Tokyo, holidays: jp,
  company_holidays: ["12-29..01-03"], own: {phones: [], accounts: [], addresses: []}}
submission:
  hostname: mail.corp.example
  listen: ["0.0.0.0:587"]
  listen_tls: ["0.0.0.0:465"]
  tls: {cert_file: /etc/sekisho/tls.crt, key_file: /etc/sekisho/tls.key}
  max_message_bytes: 150MiB
  max_recipients: 1000
  auth: {users_file: users.yaml}
  gateway:
    listen: ["0.0.0.0:25"]
    sources:
      - {name: exo, kind: exchange_online, require_header: {name: X-Sekisho-Source, value_file: exo.secret}, senders: [corp.example], owner: it@corp.example}
      - {name: printers, networks: [192.0.2.0/28], senders: [scan@corp.example], owner: it@corp.example}
relay: {host: "smtp.corp.example:587", username: "", password_file: "", tls: required}
database: {url: "sqlite:sekisho.db"}
files: {url: "file:files"}
keys: {file: sekisho.keys}
oidc: {issuer: https://login.corp.example, client_id: sekisho, client_secret_file: oidc.secret, person_claim: email, roles_claim: groups,
       roles: {admin: [sekisho-admins], approver: [managers], auditor: [auditors]}}
web: {listen: "0.0.0.0:8443", tls: {cert_file: web.crt, key_file: web.key}}
portal: {listen: "0.0.0.0:443", url: https://files.corp.example}
people: {file: people.yaml}
scanners: {clamd: "unix:/run/clamav/clamd.ctl"}
policy: {file: policy.yaml, mode: enforce}
retention: {sent: 7d, returned: 30d, facts: 400d, downloads: 400d}
metrics: {listen: "127.0.0.1:9587"}
log: {format: json, level: info}
`

const smallestConfig = `organization: {domains: [corp.example]}
submission: {hostname: mail.corp.example}
relay: {host: smtp.corp.example}
oidc: {issuer: https://login.corp.example}
`

func load(t *testing.T, dir, text string) *Config {
	t.Helper()
	c, err := LoadConfig(write(t, dir, "sekisho.yaml", text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTheDocumentedConfigurationIsRead(t *testing.T) {
	dir := t.TempDir()
	c := load(t, dir, contractConfig)
	if c.Submission.MaxMessageBytes != 150<<20 || c.Retention.Facts != yamlfile.Duration(400*24*time.Hour) ||
		c.Submission.Gateway.Sources[1].Networks[0] != "192.0.2.0/28" || c.OIDC.Roles.Admin[0] != "sekisho-admins" {
		t.Errorf("read %+v", c)
	}
	for what, got := range map[string][2]string{
		"what the company writes lies beside the file": {c.Submission.Auth.UsersFile, filepath.Join(dir, "users.yaml")},
		"secrets too":                           {c.Submission.Gateway.Sources[0].RequireHeader.ValueFile, filepath.Join(dir, "exo.secret")},
		"an absolute path stays":                {c.Submission.TLS.CertFile, "/etc/sekisho/tls.crt"},
		"what Sekisho writes lies in data_dir":  {c.Database.URL, "sqlite:/var/lib/sekisho/sekisho.db"},
		"files too":                             {c.Files.URL, "file:/var/lib/sekisho/files"},
		"keys too":                              {c.Keys.File, "/var/lib/sekisho/sekisho.keys"},
		"the portal has the pages' certificate": {c.Portal.TLS.CertFile, filepath.Join(dir, "web.crt")},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %s, want %s", what, got[0], got[1])
		}
	}
}

func TestTheSmallestConfigurationHasEveryDefault(t *testing.T) {
	c := load(t, t.TempDir(), smallestConfig)
	day := yamlfile.Duration(24 * time.Hour)
	for what, pair := range map[string][2]any{
		"data_dir":        {c.DataDir, "/var/lib/sekisho"},
		"base_url":        {c.BaseURL, "https://mail.corp.example:8443"},
		"portal.url":      {c.Portal.URL, "https://mail.corp.example:8443"},
		"listen":          {c.Submission.Listen, []string{"0.0.0.0:587"}},
		"listen_tls":      {c.Submission.ListenTLS, []string{"0.0.0.0:465"}},
		"gateway":         {len(c.Submission.Gateway.Listen), 0},
		"max_message":     {c.Submission.MaxMessageBytes, yamlfile.Size(150 << 20)},
		"max_recipients":  {c.Submission.MaxRecipients, 1000},
		"limits":          {c.Submission.limits(), factoryLimits()},
		"relay":           {c.Relay.Host + " " + c.Relay.TLS, "smtp.corp.example:587 required"},
		"time zone":       {c.Organization.TimeZone + " " + c.Organization.Language, "Asia/Tokyo ja"},
		"name":            {c.Organization.Name, "corp.example"},
		"retention":       {c.Retention, RetentionConf{7 * day, 30 * day, 400 * day, 400 * day}},
		"metrics":         {c.Metrics.Listen, "127.0.0.1:9587"},
		"policy":          {c.Policy.Mode + c.Policy.File, "enforce"},
		"people":          {c.People.File, ""},
		"oidc":            {c.OIDC.ClientID + " " + c.OIDC.PersonClaim + " " + c.OIDC.RolesClaim, "sekisho email groups"},
		"notices.from":    {c.Notices.From, "sekisho@corp.example"},
		"log":             {c.Log, LogConf{"json", "info"}},
		"client received": {c.Submission.ClientInReceived, false},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s is %v, want %v", what, pair[0], pair[1])
		}
	}
}

// factoryLimits are those of the server, as far as the configuration speaks of them.
func factoryLimits() submission.Limits {
	l := submission.DefaultLimits()
	l.Idle, l.SignIn, l.Grace, l.Commit = 0, 0, 0, 0
	return l
}

func TestLimitsReachTheServer(t *testing.T) {
	c := load(t, t.TempDir(), strings.Replace(smallestConfig, "hostname:", `max_recipients: 7, max_message_bytes: 1MiB,
  limits: {connections: 50, connections_per_address: 40, recipients_per_10_minutes: 30, recipients_per_day: 60}, hostname:`, 1))
	want := submission.Limits{MessageBytes: 1 << 20, Recipients: 7, Connections: 50, ConnectionsPerAddress: 40, RecipientsPer10Minutes: 30, RecipientsPerDay: 60}
	if got := c.Submission.limits(); got != want {
		t.Errorf("%+v", got)
	}
	some := load(t, t.TempDir(), strings.Replace(smallestConfig, "hostname:", "limits: {recipients_per_day: 20000}, hostname:", 1))
	want = factoryLimits()
	want.RecipientsPerDay = 20000
	if got := some.Submission.limits(); got != want {
		t.Errorf("%+v", got)
	}
}

func TestASourceThatRequiresTLSNeedsACertificate(t *testing.T) {
	dir := t.TempDir()
	source := `gateway: {sources: [{name: exo, networks: [192.0.2.0/28], senders: [corp.example], owner: it@corp.example, require_tls: true}]}, hostname:`
	if _, err := LoadConfig(write(t, dir, "a.yaml", strings.Replace(smallestConfig, "hostname:", source, 1))); err == nil || !strings.Contains(err.Error(), "a.yaml:2: require_tls needs a certificate") {
		t.Errorf("without a certificate: %v", err)
	}
	c := load(t, dir, strings.Replace(smallestConfig, "hostname:", "tls: {cert_file: a, key_file: b}, "+source, 1))
	if sources, err := c.Sources(); err != nil || !sources[0].RequireTLS {
		t.Errorf("%+v, %v", sources, err)
	}
}

func TestSwitchedOffIsNotLeftOut(t *testing.T) {
	c := load(t, t.TempDir(), smallestConfig+"metrics: {listen: \"\"}\nretention: {sent: 0}\n")
	if c.Metrics.Listen != "" || c.Retention.Sent != 0 {
		t.Errorf("metrics %q, sent %v: a default took the place of what was said", c.Metrics.Listen, c.Retention.Sent)
	}
}

func TestEveryMistakeOfAConfigurationIsReportedAtOnce(t *testing.T) {
	_, err := LoadConfig("testdata/mistakes.yaml")
	if err == nil {
		t.Fatal("a configuration with mistakes was taken")
	}
	golden(t, "mistakes.txt", err.Error()+"\n")
}

func TestAnEmptyOrMissingConfigurationSaysWhatIsNeeded(t *testing.T) {
	dir := t.TempDir()
	_, err := LoadConfig(write(t, dir, "empty.yaml", ""))
	for _, needed := range []string{"organization.domains", "relay.host", "oidc.issuer"} {
		if err == nil || !strings.Contains(err.Error(), needed+" is needed") {
			t.Errorf("%s is not asked for: %v", needed, err)
		}
	}
	if _, err := LoadConfig(filepath.Join(dir, "none.yaml")); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a missing file: %v", err)
	}
}

func TestASecretIsOneLine(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{"s3cret\n": "s3cret", "s3cret": "s3cret", "s3cret\r\n": "s3cret", "": "", "two\nlines\n": "", "\n": ""} {
		got, err := readSecret(write(t, dir, "secret", text))
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q gives %q, %v", text, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "lines") && strings.Contains(err.Error(), "two") {
			t.Error("the error repeats the secret")
		}
	}
}

func TestTheDatabasePasswordComesFromItsFile(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "db.secret", "p@ss/word\n")
	c := load(t, dir, smallestConfig+"database: {url: \"postgres://sekisho@db.corp.example/sekisho\", password_file: db.secret}\n")
	got, err := c.DatabaseURL()
	if err != nil || got != "postgres://sekisho:p%40ss%2Fword@db.corp.example/sekisho" {
		t.Errorf("%s, %v", got, err)
	}
}

func TestGatewaySourcesWithTheirSecrets(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "exo.secret", strings.Repeat("x", 32)+"\n")
	c := load(t, dir, contractConfig)
	sources, err := c.Sources()
	if err != nil || len(sources) != 2 || sources[0].Header.Value != strings.Repeat("x", 32) || sources[0].Header.Public {
		t.Errorf("%+v, %v", sources, err)
	}
	if err := os.Remove(filepath.Join(dir, "exo.secret")); err != nil {
		t.Fatal(err)
	}
	if sources, err := c.Sources(); err == nil || len(sources) != 1 {
		t.Error("a source without its secret was let in")
	}
}

func FuzzAConfigurationNeverPanics(f *testing.F) {
	f.Add([]byte(contractConfig))
	f.Add([]byte(smallestConfig))
	if b, err := os.ReadFile("testdata/mistakes.yaml"); err == nil {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, source []byte) {
		c := &Config{Path: "/etc/sekisho/sekisho.yaml"}
		c.file = yamlfile.Read(source, c)
		c.complete()
		c.validate()
	})
}
