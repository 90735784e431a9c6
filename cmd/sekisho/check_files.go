package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/holdqueue/relay"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/internal/seal"
	"github.com/sekisho-mail/sekisho/internal/yamlfile"
	"github.com/sekisho-mail/sekisho/submission"
	"github.com/sekisho-mail/sekisho/submission/policy"
)

// checkPolicy reads the policy, and asks whether the people it names exist.
func checkPolicy(_ context.Context, k *checkup) {
	p, _, wrong := readPolicy(k.c.Policy.File)
	if len(wrong) > 0 {
		k.mistakes("policy", wrong)
		return
	}
	if k.c.Policy.File == "" {
		k.ok("policy", "the factory policy, %s", plural(ownRules(p), "rule"))
	} else {
		k.ok("policy", "%s, %s", k.c.Policy.File, plural(ownRules(p), "rule"))
	}
	o, err := dlpOptions(k.c)
	if err == nil {
		_, err = newScanner(k.c, p, o, "")
	}
	if err != nil {
		k.fail("policy", "%v", err)
	}
	if book, wrong := readPeople(k.c.People.File); len(wrong) == 0 {
		k.unknownPeople(p, book)
	}
	k.accountless(p)
	k.checkMode()
}

// accountless warns of rules that ask recipients to sign in where there is no place to do so.
func (k *checkup) accountless(p *policy.Policy) {
	if len(k.c.Portal.Accounts) > 0 {
		return
	}
	for _, r := range p.Rules {
		if r.Then.Link != nil && r.Then.Link.Access == policy.Account {
			k.warn("portal.accounts", "rule %q has access: account, and there is no provider to sign in at: recipients could not open its links", r.Name)
		}
	}
}

// checkMode says plainly when nothing is enforced.
func (k *checkup) checkMode() {
	switch {
	case k.c.Policy.Mode == "observe" && len(k.c.Policy.Pilot) > 0:
		k.warn("policy.pilot", "mode is observe, so nobody's mail is held; pilot acts with mode: enforce only")
	case k.c.Policy.Mode == "observe":
		k.warn("policy.mode", "observe: every mail leaves at once, nothing is held, delayed or linked")
	case len(k.c.Policy.Pilot) > 0:
		k.warn("policy.pilot", "the policy acts on the mail of %d pilots and groups only", len(k.c.Policy.Pilot))
	}
}

// unknownPeople warns of approvers, groups and pilots that nobody answers to:
// their questions would go to the administrators.
func (k *checkup) unknownPeople(p *policy.Policy, book *approval.Book) {
	for _, r := range p.Rules {
		for _, who := range r.People() {
			if !k.answers(book, who) {
				k.notes = append(k.notes, note{
					Level: noteWarn, What: "policy", File: k.c.Policy.File, Line: r.Line,
					Text: fmt.Sprintf("rule %s names %s, whom the people file does not know; the administrators will be asked", r.Name, who),
				})
			}
		}
	}
	for i, who := range k.c.Policy.Pilot {
		if !strings.Contains(who, "@") {
			who = "group:" + who
		}
		if !k.answers(book, who) {
			k.warn(fmt.Sprintf("policy.pilot[%d]", i), "the people file does not know %s", who)
		}
	}
}

func (k *checkup) answers(book *approval.Book, who string) bool {
	if who == "role:approver" {
		return slices.ContainsFunc(k.c.OIDC.Roles.Approver, func(name string) bool {
			_, person := book.ByAddress(mailaddr.Address(name))
			return person || len(book.Group(name)) > 0
		})
	}
	if group, ok := strings.CutPrefix(who, "group:"); ok {
		return len(book.Group(group)) > 0
	}
	if !strings.Contains(who, "@") {
		return true // manager, admin, sender
	}
	_, person := book.ByAddress(mailaddr.Address(who))
	_, shared := book.Members(mailaddr.Address(who))
	return person || shared
}

func checkPeople(_ context.Context, k *checkup) {
	if k.c.People.File == "" {
		k.warn("people", "no people file: nobody can sign in to the pages, and every question goes to the administrators")
		return
	}
	book, wrong := readPeople(k.c.People.File)
	if len(wrong) > 0 {
		k.mistakes("people", wrong)
		return
	}
	alone := 0
	for _, p := range book.People() {
		if _, ok := book.Manager(p); !ok {
			alone++
		}
	}
	k.ok("people", "%d people, %d of them without a manager (the administrators are asked for them)", len(book.People()), alone)
}

// located takes file and line out of an error text.
var located = regexp.MustCompile(`(?m)^(?:[^:\n]+: )?(/[^:\n]+):(\d+): (.*)$`)

func checkUsers(_ context.Context, k *checkup) {
	path := k.c.Submission.Auth.UsersFile
	_, err := submission.OpenUsers(path, slog.New(slog.DiscardHandler))
	switch {
	case err == nil:
		k.ok("submission.auth.users_file", "%s", path)
	case missing(err):
		k.warn("submission.auth.users_file", "%s is not there: nobody can submit with a password yet (sekisho user add)", path)
	default:
		for _, m := range located.FindAllStringSubmatch(err.Error(), -1) {
			line, _ := strconv.Atoi(m[2]) // digits
			k.mistakes("users", []Mistake{{File: m[1], Line: line, Text: m[3]}})
		}
		if !located.MatchString(err.Error()) {
			k.fail("submission.auth.users_file", "%v", err)
		}
	}
}

// checkSources: whose mail is it? (DESIGN 7.6)
func checkSources(_ context.Context, k *checkup) {
	for i := range k.c.Submission.Gateway.Sources {
		conf, path := &k.c.Submission.Gateway.Sources[i], fmt.Sprintf("submission.gateway.sources[%d]", i)
		source, err := conf.source()
		if err == nil {
			err = source.Check()
		}
		if err != nil {
			k.fail(path, "%v", err)
			continue
		}
		if source.Header != nil && !source.Header.Public && !source.RequireTLS {
			k.warn(path, "the secret header of %s may travel in clear, where anybody on the way can read it; set require_tls: true", conf.Name)
			continue
		}
		k.ok(path, "%s proves its mail (%s)", conf.Name, proof(conf))
		k.cloudListens(path, source)
	}
}

// cloudListens: can the provider of a source reach us at all?
func (k *checkup) cloudListens(path string, source submission.Source) {
	on25 := slices.ContainsFunc(k.c.Submission.Gateway.Listen, func(at string) bool { return strings.HasSuffix(at, ":25") })
	if source.Kind == submission.ExchangeOnline && !on25 {
		k.warn(path, "Exchange Online connects to port 25 only, and submission.gateway.listen has none: listen there, or forward port 25 to it (docs/exchange-online.md)")
	}
}

func proof(s *SourceConf) string {
	if s.RequireHeader.Name == "" {
		return "by its networks"
	}
	return "by the header " + s.RequireHeader.Name
}

// checkSecrets: each can be read, and by nobody else.
func checkSecrets(_ context.Context, k *checkup) {
	secrets := map[string]string{
		"oidc.client_secret_file": k.c.OIDC.ClientSecretFile, "database.password_file": k.c.Database.PasswordFile,
	}
	k.relaySecrets(secrets)
	for i, a := range k.c.Portal.Accounts {
		secrets[fmt.Sprintf("portal.accounts[%d].client_secret_file", i)] = a.ClientSecretFile
	}
	for i, s := range k.c.Submission.Gateway.Sources {
		secrets[fmt.Sprintf("submission.gateway.sources[%d].require_header.value_file", i)] = s.RequireHeader.ValueFile
	}
	for _, path := range slices.Sorted(maps.Keys(secrets)) {
		if secrets[path] == "" {
			continue
		}
		if _, err := readSecret(secrets[path]); err != nil {
			k.fail(path, "%v", err)
			continue
		}
		k.private(path, secrets[path])
	}
	checkKeyFiles(k)
}

// relaySecrets are the secret files of every way out.
func (k *checkup) relaySecrets(secrets map[string]string) {
	for path, w := range k.c.Relay.ways() {
		paths, hops := w.hops(path)
		for i, h := range hops {
			secrets[paths[i]+".password_file"] = h.PasswordFile
			if h.OAuth != nil {
				secrets[paths[i]+".oauth.client_secret_file"] = h.OAuth.ClientSecretFile
			}
		}
	}
}

// checkKeyFiles looks at the files of DKIM keys, of our certificates and of service accounts.
func checkKeyFiles(k *checkup) {
	for path, w := range k.c.Relay.ways() {
		paths, hops := w.hops(path)
		for i, h := range hops {
			k.private(paths[i]+".key_file", h.KeyFile)
			if h.OAuth != nil {
				k.private(paths[i]+".oauth.service_account_file", h.OAuth.ServiceAccountFile)
			}
		}
	}
	paths, keys := k.c.DKIM.keys()
	for i, d := range keys {
		if d.KeyFile == "" || d.Selector == "" {
			continue // reported with the configuration
		}
		if _, err := relay.LoadKey(d.Selector, d.Domains, d.KeyFile); err != nil {
			k.fail(paths[i], "%v", err)
			continue
		}
		k.private(paths[i]+".key_file", d.KeyFile)
		k.ok(paths[i], "signs as %s for %s", d.Selector, strings.Join(d.Domains, ", "))
	}
}

// private warns of a secret that others of the machine may read.
func (k *checkup) private(path, file string) {
	if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o027 != 0 {
		k.warn(path, "%s can be read by others (mode %04o); chmod 600 or 640", file, info.Mode().Perm())
	}
}

// checkCertificates: readable, not about to end, made for the right name.
func checkCertificates(_ context.Context, k *checkup) {
	s := k.c.Submission
	if s.TLS.Given() && k.c.does(roleSubmission) {
		k.certificate("submission.tls", s.TLS, s.Hostname)
	} else if len(s.Listen)+len(s.ListenTLS) > 0 && k.c.does(roleSubmission) {
		k.fail("submission.tls", "no certificate: people sign in over TLS only, so nobody could submit")
	}
	if !k.c.does(roleWeb) {
		// nothing of the staff pages answers here
	} else if k.c.Web.TLS.Given() {
		k.certificate("web.tls", k.c.Web.TLS, hostOf(k.c.BaseURL))
	} else if strings.HasPrefix(k.c.BaseURL, "https:") {
		k.warn("web", "no certificate: a proxy in front must provide %s; name it in web.trusted_proxies", k.c.BaseURL)
	}
	if k.c.does(rolePortal) && k.c.Portal.Listen != "" && k.c.Portal.TLS.Given() {
		k.certificate("portal", k.c.Portal.TLS, hostOf(k.c.Portal.URL))
	}
}

func hostOf(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// endsSoon is when an ending certificate becomes worth a warning.
const endsSoon = 14 * 24 * time.Hour

func (k *checkup) certificate(path string, files TLSFiles, host string) {
	pair, err := tls.LoadX509KeyPair(files.CertFile, files.KeyFile)
	if err != nil {
		k.fail(path, "cannot use %s with %s: %s", files.CertFile, files.KeyFile, plainError(err))
		return
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		k.fail(path, "%s: %v", files.CertFile, err)
		return
	}
	k.private(path+".key_file", files.KeyFile)
	ends := leaf.NotAfter.Local().Format("2006-01-02")
	switch {
	case k.now.After(leaf.NotAfter):
		k.fail(path, "the certificate %s ended on %s", files.CertFile, ends)
	case k.now.Before(leaf.NotBefore):
		k.fail(path, "the certificate %s is not valid yet", files.CertFile)
	case leaf.VerifyHostname(host) != nil:
		k.fail(path, "the certificate %s is not made for %s (it names %s)", files.CertFile, host, strings.Join(leaf.DNSNames, ", "))
	case k.now.Add(endsSoon).After(leaf.NotAfter):
		k.warn(path, "the certificate %s ends on %s", files.CertFile, ends)
	default:
		k.ok(path, "made for %s, valid until %s", host, ends)
	}
}

// checkAddresses: customers' proxies pass nothing but 443, and a portal on a
// host of its own keeps hostile files away from staff cookies.
func checkAddresses(_ context.Context, k *checkup) {
	base, err := url.Parse(k.c.BaseURL)
	portal, errPortal := url.Parse(k.c.Portal.URL)
	if err != nil || errPortal != nil {
		return // reported with the configuration
	}
	if base.Hostname() == portal.Hostname() {
		k.warn("portal", "downloads share the host %s with the staff pages; give the portal a name of its own", portal.Hostname())
	}
	if port := portal.Port(); port != "" && port != "443" || portal.Scheme != "https" {
		k.warn("portal.url", "%s is not https on port 443; many recipients' proxies pass nothing else", k.c.Portal.URL)
	}
	if base.Scheme != "https" {
		k.warn("base_url", "%s is not https: sessions and decisions travel in clear", k.c.BaseURL)
	}
	if !k.c.does(roleQueue) {
		return
	}
	if len(k.c.Administrators) == 0 {
		k.warn("administrators", "nobody is named who hears of mail that could not be inspected, of refusals and of lost readiness")
	}
	if k.c.DKIM == nil {
		k.warn("dkim", "mail leaves without a DKIM signature of ours; the next hop must sign it after the rewrite")
	}
}

// Room that the disk must have: below the first new mail is refused soon.
const (
	littleRoom = 1 << 30
	noRoom     = floor // below it no mail is taken
)

func checkDataDir(_ context.Context, k *checkup) {
	dir := k.c.DataDir
	info, err := os.Stat(dir)
	switch {
	case missing(err):
		k.creatable(dir)
		return
	case err != nil:
		k.fail("data_dir", "cannot look at %s: %s", dir, plainError(err))
		return
	case !info.IsDir():
		k.fail("data_dir", "%s is not a directory", dir)
		return
	}
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		k.fail("data_dir", "%s cannot be written by this user", dir)
		return
	}
	if info.Mode().Perm()&0o007 != 0 {
		k.warn("data_dir", "%s is open to everybody on this machine (mode %04o); chmod 700", dir, info.Mode().Perm())
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		k.fail("data_dir", "cannot ask for the free space of %s: %v", dir, err)
		return
	}
	k.room(dir, int64(fs.Bavail)*fs.Bsize)
}

func (k *checkup) room(dir string, free int64) {
	text := yamlfile.Size(free >> 20 << 20).String()
	switch {
	case free < noRoom:
		k.fail("data_dir", "only %s free in %s: no mail would be accepted", text, dir)
	case free < littleRoom:
		k.warn("data_dir", "only %s free in %s", text, dir)
	default:
		k.ok("data_dir", "%s, %d GB free", dir, free/1e9)
	}
}

// creatable: the first start makes the directory.
func (k *checkup) creatable(dir string) {
	parent := filepath.Dir(dir)
	if unix.Access(parent, unix.W_OK|unix.X_OK) != nil {
		k.fail("data_dir", "%s is not there, and this user cannot make it", dir)
		return
	}
	k.ok("data_dir", "%s will be made at the first start", dir)
}

func checkKeys(_ context.Context, k *checkup) {
	path := k.c.Keys.File
	if _, err := os.Stat(path); missing(err) {
		k.ok("keys.file", "%s will be made at the first start", path)
		return
	}
	if _, err := seal.Load(path); err != nil {
		k.fail("keys.file", "%v", err)
		return
	}
	k.ok("keys.file", "%s (keep a copy apart from the backups: they leave it out)", path)
}
