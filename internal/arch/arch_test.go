package arch

import (
	"errors"
	"go/build"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/sekisho-mail/sekisho/"

// rule is one line of the architecture: what a package may import, and why no more than that.
type rule struct {
	pkg     string // below the module
	may     string // packages of ours, below the module
	because string
}

// ours says who may know whom. A package that is not here, or imports what its line does not name, fails the test:
// either the import is wrong, or this line and docs/flow.md have to be argued with first.
func ours() []rule {
	return []rule{
		{"cmd/sekisho", "cmd/sekisho/internal/demo web web/signin web/words approval linkify submission submission/dlp submission/policy " +
			"holdqueue holdqueue/relay internal/audit internal/balancer internal/blob internal/clamd internal/db internal/facsimile internal/failpoint internal/gauge internal/mailaddr internal/message internal/metric " +
			"internal/node internal/seal internal/yamlfile", "wires everything together, so it knows everybody; nobody knows it"},
		{"cmd/sekisho/internal/demo", "internal/message",
			"a play's other actors (provider, next hop, outbox) must not lean on the product they are played to"},

		{"web", "web/docx web/signin web/words approval linkify submission/dlp submission/policy holdqueue internal/audit internal/db internal/facsimile internal/mailaddr " +
			"internal/message internal/node internal/seal", "shows and asks: every verb is one call into the package that owns it; it speaks no SMTP"},
		{"web/signin", "approval internal/audit internal/db internal/mailaddr internal/seal",
			"knows who people are, and neither mails nor rules nor pages"},
		{"web/words", "", "texts alone"},
		{"web/docx", "", "a form for texts, whatever they say"},
		{"web/dextest", "internal/testkit", "starts a real provider for tests, and must not know what it is used for"},

		{"approval", "holdqueue internal/audit internal/db internal/failpoint internal/mailaddr internal/seal internal/yamlfile",
			"people decide about held mail; what is in it reaches them as a verdict, never as MIME, rules or SMTP"},
		{"linkify", "internal/audit internal/blob internal/db internal/failpoint internal/mailaddr internal/message internal/rtf internal/seal internal/tnef",
			"files and links; the queue tells it in a hook when a mail leaves or ends, so it needs no states"},

		{"submission", "holdqueue internal/db internal/failpoint internal/mailaddr internal/message internal/metric internal/seal internal/yamlfile",
			"takes mail in; what a mail says is none of its business, so neither detection nor policy; its one table holds what nodes count together"},
		{"submission/dlp", "submission/dlp/internal/carrier submission/dlp/internal/detect submission/dlp/internal/fold submission/dlp/internal/index " +
			"submission/dlp/internal/kind submission/dlp/internal/ocr submission/dlp/internal/pdf internal/message", "parts in, findings out: the same bytes give the same findings on any machine"},
		{"submission/dlp/internal/carrier", "submission/dlp/internal/detect submission/dlp/internal/kind internal/message internal/rtf internal/tnef", "as dlp"},
		{"submission/dlp/internal/index", "submission/dlp/internal/fold", "digests of what is registered; it is given bytes and keys, and opens no file"},
		{"submission/dlp/internal/detect", "submission/dlp/internal/fold submission/dlp/internal/index", "text in, findings out; it does not know where text comes from"},
		{"submission/dlp/internal/fold", "", "text alone"},
		{"submission/dlp/internal/kind", "", "octets alone"},
		{"submission/dlp/internal/pdf", "internal/pdfium submission/dlp/internal/carrier", "reads one document in a child process that may die"},
		{"submission/dlp/internal/ocr", "submission/dlp/internal/carrier", "reads one picture in a child process that may die"},
		{"submission/policy", "internal/yamlfile",
			"facts in, verdict out: it can be tested by a table, replayed over old facts, and knows neither MIME nor SQL"},

		{"holdqueue", "internal/audit internal/blob internal/db internal/failpoint internal/mailaddr internal/seal",
			"keeps mail without knowing what it says: inspection, rewriting, sending and people are given to it"},
		{"holdqueue/relay", "holdqueue internal/db internal/metric internal/failpoint internal/mailaddr", "carries bytes to the next hop; neither rules nor people"},

		{"bench/dlp", "bench/dlp/carrier bench/dlp/corpus bench/dlp/score bench/dlp/system internal/message submission/dlp submission/policy",
			"measures detection from outside, as a user of it would"},
		{"bench/dlp/value", "", "formulae written apart from the detectors that are measured with them"},
		{"bench/dlp/corpus", "bench/dlp/value submission/dlp", "writes labelled documents; of detection it knows the names of levels"},
		{"bench/dlp/carrier", "bench/dlp/corpus", "writes mails and files that the product has to read, without what it reads them with"},
		{"bench/dlp/system", "bench/dlp/corpus bench/dlp/value internal/message submission/dlp", "what is measured, and the baselines beside it"},
		{"bench/dlp/score", "bench/dlp/corpus bench/dlp/system submission/dlp", "compares"},

		{"internal/audit", "internal/db internal/seal", "a leaf beside the tables it writes"},
		{"internal/balancer", "", "a leaf"},
		{"internal/blob", "internal/failpoint", "a leaf"},
		{"internal/clamd", "", "a leaf: detection is given it as a function"},
		{"internal/db", "internal/failpoint", "a leaf"},
		{"internal/db/dbtest", "internal/db internal/testkit", "starts real databases for tests"},
		{"internal/failpoint", "", "a leaf below the leaves: every step may be followed by a crash"},
		{"internal/facsimile", "internal/message internal/pdfium", "a leaf: it is given a document and gives a page to look at; charsets are decoded in one place"},
		{"internal/mailaddr", "", "a leaf"},
		{"internal/gauge", "", "a leaf: it measures servers from outside, ours like any other"},
		{"internal/message", "", "a leaf: it must stay usable by whoever meets a hostile mail"},
		{"internal/metric", "", "a leaf"},
		{"internal/node", "internal/db", "a leaf beside the table it writes"},
		{"internal/pdfium", "", "a leaf: detection reads PDF by it, links show it"},
		{"internal/rtf", "internal/message", "a leaf: detection searches Rich Text, links show it; charsets are decoded in one place"},
		{"internal/tnef", "internal/message internal/rtf", "a leaf: detection searches what Outlook wraps, links hand it out"},
		{"internal/seal", "", "a leaf: the fewer packages stand between a key and a byte, the better"},
		{"internal/yamlfile", "", "a leaf"},
		{"internal/testkit", "", "starts real servers for tests; it must not know what they are used for"},
		{"internal/story", "", "tells stories to the built program from outside, as a mail program and a browser would"},
		{"internal/arch", "", "this test"},
		{"tools/bench/bare", "", "a measure for the product must not lean on it"},
		{"tools/bench/plain", "", "nor may this one"},
	}
}

// library is an outside module and the only packages that may import it. "*" lets everybody.
type library struct {
	path    string
	by      string
	because string
}

func (l library) holds(imported string) bool {
	return imported == l.path || strings.HasPrefix(imported, l.path+"/")
}

func libraries() []library {
	return []library{
		{"github.com/labstack/echo/v4", "web", "HTTP codes and routes stand in one place; a change of router touches one package"},
		{"github.com/tus/tusd/v2", "web", "resumable uploads are spoken where HTTP is"},
		{"golang.org/x/exp/slog", "web", "tusd asks for a logger of that type; it is given one that is silent"},
		{"github.com/microcosm-cc/bluemonday", "web", "hostile HTML is made harmless where it is shown, nowhere else"},
		{"github.com/coreos/go-oidc/v3", "web/signin", "one package decides whom a token belongs to"},
		{"golang.org/x/oauth2", "web/signin holdqueue/relay", "as go-oidc; the relay signs in to smart hosts with tokens"},
		{"github.com/alexedwards/scs/v2", "web/signin", "one package knows sessions"},

		{"github.com/minio/minio-go/v7", "internal/blob", "everybody else stores files without knowing where"},
		{"github.com/mattn/go-sqlite3", "internal/db cmd/sekisho tools/bench/bare", "only internal/db opens databases; the command prints the library's version; the least of a server is measured beside ours"},
		{"github.com/jackc/pgx/v5", "internal/db internal/db/dbtest", "only internal/db opens databases"},
		{"github.com/pressly/goose/v3", "internal/db", "schemas change in one place"},
		{"github.com/pires/go-proxyproto", "internal/balancer", "one package believes load balancers"},
		{"filippo.io/age", "internal/seal", "one package knows how bytes are sealed"},
		{"golang.org/x/crypto/chacha20poly1305", "internal/seal", "as age"},
		{"golang.org/x/mod/sumdb", "internal/audit", "one package makes the log's proofs"},
		{"github.com/prometheus/client_golang", "internal/metric", "figures could be shown otherwise one day"},
		{"go.yaml.in/yaml/v3", "internal/yamlfile submission", "unknown keys and line numbers are found one way; submission rewrites users.yaml keeping its comments"},

		{"github.com/jhillyerd/enmime/v2", "internal/message",
			"enmime re-encodes what it writes and hangs on what it was not meant for: it only gives a second opinion, behind the bounded splitter"},
		{"github.com/gogs/chardet", "internal/message", "guesses of charsets are made in one place"},
		{"golang.org/x/text/encoding", "internal/message approval bench/dlp/carrier",
			"mails are decoded in one place; approval reads the Shift_JIS that Excel writes into a people file; the benchmark writes what mails are written in"},
		{"golang.org/x/text/unicode/norm", "*", "pure"},
		{"golang.org/x/net/idna", "internal/mailaddr submission/policy submission/dlp/internal/detect", "domains have one form"},
		{"golang.org/x/net/html", "linkify submission/dlp/internal/carrier", "where HTML is read or spliced"},

		{"github.com/emersion/go-smtp", "submission holdqueue/relay cmd/sekisho/internal/demo tools/bench/bare", "SMTP is spoken at the two doors (and by the demo's world outside; the least of a server is measured beside ours)"},
		{"github.com/emersion/go-sasl", "submission holdqueue/relay", "as go-smtp"},
		{"github.com/emersion/go-msgauth", "holdqueue/relay", "mail is signed last, after every rewrite"},
		{"github.com/miekg/dns", "holdqueue/relay internal/testkit", "DNS is asked in one place, which knows whose word on DNSSEC counts"},
		{"github.com/mjl-/mox", "holdqueue/relay", "reads MTA-STS policies and checks certificates against TLSA records; lookups and delivery are ours"},
		{"github.com/mjl-/adns", "holdqueue/relay", "the type of a TLSA record that mox takes"},
		{"golang.org/x/time", "holdqueue/relay", "destinations are given so much a minute"},
		{"blitiri.com.ar/go/spf", "cmd/sekisho", "check asks what receivers will find"},
		{"golang.org/x/crypto/argon2", "submission", "passwords are checked in one place"},
		{"golang.org/x/crypto/bcrypt", "submission web/dextest", "passwords that came from elsewhere; the provider of the tests"},
		{"github.com/hashicorp/golang-lru/v2", "submission holdqueue/relay", "bounded memory of clients, and of DNS"},

		{"github.com/dchest/siphash", "submission/dlp/internal/index", "digests of registered values are made in one place"},
		{"github.com/wasilibs/go-re2", "submission/dlp/internal/detect", "patterns of strangers run in linear time"},
		{"github.com/klippa-app/go-pdfium", "internal/facsimile internal/pdfium submission/dlp/internal/pdf", "PDF is read in child processes alone"},
		{"github.com/tetratelabs/wazero", "internal/pdfium", "as go-pdfium"},
		{"golang.org/x/image", "internal/facsimile", "pictures of strangers are decoded in the child process alone"},
		{"github.com/bodgit/sevenzip", "submission/dlp/internal/carrier", "archives are opened where their limits are"},
		{"github.com/klauspost/compress", "submission/dlp/internal/carrier", "as sevenzip"},
		{"github.com/nwaples/rardecode/v2", "submission/dlp/internal/carrier", "as sevenzip"},
		{"github.com/ulikunitz/xz", "submission/dlp/internal/carrier", "as sevenzip"},
		{"github.com/richardlehane/mscfb", "submission/dlp/internal/carrier", "as sevenzip"},

		{"github.com/alecthomas/kong", "cmd/sekisho", "one package knows the command line"},
		{"github.com/mattn/go-isatty", "cmd/sekisho", "as kong"},
		{"golang.org/x/term", "cmd/sekisho", "as kong"},
		{"golang.org/x/sys", "cmd/sekisho submission", "check looks at the machine; a closed connection is asked what the client's machine has confirmed"},
		{"golang.org/x/sync", "cmd/sekisho internal/gauge", "goroutines of the service start in one place; those of a measure in another"},
		{"github.com/go-jose/go-jose/v4", "cmd/sekisho/internal/demo", "the demo's provider signs; ours only verifies, through go-oidc"},
	}
}

// worldly are the packages of the standard library through which a program reaches the world.
func worldly() []string {
	return []string{"database/sql", "log", "log/slog", "net", "net/http", "net/smtp", "os", "os/exec", "os/user", "plugin", "syscall", "unsafe"}
}

// pure packages are given what they need; the one that starts a child process says so.
func pure() []rule {
	return []rule{
		{"submission/policy", "", "verdicts must be the same in a test, in a replay and in the service"},
		{"submission/dlp", "", "detection is given its scanner and its cache"},
		{"submission/dlp/internal/carrier", "", "as dlp"},
		{"submission/dlp/internal/detect", "", "as dlp"},
		{"submission/dlp/internal/fold", "", "as dlp"},
		{"submission/dlp/internal/kind", "", "as dlp"},
		{"submission/dlp/internal/pdf", "os os/exec", "starts, limits and kills the child"},
		{"submission/dlp/internal/ocr", "os/exec", "starts and kills the child"},
		{"internal/mailaddr", "", "a grammar"},
		{"internal/message", "", "a grammar"},
		{"internal/rtf", "", "a grammar"},
		{"internal/tnef", "", "a grammar"},
		{"internal/yamlfile", "", "a grammar"},
		{"web/words", "", "texts"},
	}
}

func TestOurPackagesKnowOnlyWhomTheyMay(t *testing.T) {
	rules := ours()
	for pkg, imports := range listed(t) {
		i := slices.IndexFunc(rules, func(r rule) bool { return r.pkg == pkg })
		if i < 0 {
			t.Errorf("%s has no line here: say what it may import, and why", pkg)
			continue
		}
		may := strings.Fields(rules[i].may)
		for _, imported := range imports {
			if below, ok := strings.CutPrefix(imported, module); ok && !slices.Contains(may, below) {
				t.Errorf("%s imports %s, which it must not know: %s", pkg, below, rules[i].because)
			}
		}
	}
}

// TestTheLinesGoOneWay keeps the table honest: cmd > web > what surrounds the queue > holdqueue > internal.
func TestTheLinesGoOneWay(t *testing.T) {
	for _, r := range ours() {
		for _, to := range strings.Fields(r.may) {
			if height(to) > height(r.pkg) || height(to) == height(r.pkg) && home(to) != home(r.pkg) {
				t.Errorf("the line of %s allows %s, which does not lie below it", r.pkg, to)
			}
		}
	}
}

func height(pkg string) int {
	switch home(pkg) {
	case "internal":
		return 0
	case "holdqueue":
		return 1
	case "web":
		return 3
	case "cmd", "bench":
		return 4
	}
	return 2 // what stands around the queue
}

// home is the package, or the tree of packages, that a package belongs to. Homes of one height import each other
// nowhere: approval, linkify, submission, detection and policy are brought together by cmd and web alone.
func home(pkg string) string {
	for _, tree := range []string{"submission/dlp", "submission/policy"} {
		if pkg == tree || strings.HasPrefix(pkg, tree+"/") {
			return tree
		}
	}
	first, _, _ := strings.Cut(pkg, "/")
	return first
}

func TestLibrariesAreUsedWhereTheyBelong(t *testing.T) {
	known := libraries()
	for pkg, imports := range listed(t) {
		for _, imported := range imports {
			if strings.HasPrefix(imported, module) || standard(imported) {
				continue
			}
			i := slices.IndexFunc(known, func(l library) bool { return l.holds(imported) })
			switch {
			case i < 0:
				t.Errorf("%s imports %s, which has no line here", pkg, imported)
			case known[i].by != "*" && !slices.Contains(strings.Fields(known[i].by), pkg):
				t.Errorf("%s imports %s, which belongs to %s: %s", pkg, imported, known[i].by, known[i].because)
			}
		}
	}
}

func TestPurePackagesDoNotReachTheWorld(t *testing.T) {
	imports := listed(t)
	for _, r := range pure() {
		for _, imported := range imports[r.pkg] {
			if slices.Contains(worldly(), imported) && !slices.Contains(strings.Fields(r.may), imported) {
				t.Errorf("%s imports %s: %s", r.pkg, imported, r.because)
			}
		}
	}
}

// TestEveryLineIsAboutSomething finds lines that outlived what they were about.
func TestEveryLineIsAboutSomething(t *testing.T) {
	imports := listed(t)
	all := slices.Concat(slices.Collect(maps.Values(imports))...)
	for _, l := range libraries() {
		if !slices.ContainsFunc(all, l.holds) {
			t.Errorf("there is a line about %s, which nobody imports", l.path)
		}
	}
	for _, r := range slices.Concat(ours(), pure()) {
		if _, ok := imports[r.pkg]; !ok {
			t.Errorf("there is a line about %s, which does not exist", r.pkg)
		}
	}
}

// standard: the first element of a path in the standard library has no dot.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

// listed are the imports of every package of the module as it is built, tests left out. It reads the files itself: a
// result of `go list` would be cached by `go test` although the imports have changed.
func listed(t *testing.T) map[string][]string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	as := build.Default
	as.BuildTags = []string{"sqlite_omit_load_extension", "netgo", "osusergo"}
	found := map[string][]string{}
	err = filepath.WalkDir(root, func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); dir != root && (name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")) {
			return fs.SkipDir
		}
		p, err := as.ImportDir(dir, 0)
		if none := (*build.NoGoError)(nil); errors.As(err, &none) {
			return nil
		}
		if err != nil || len(p.GoFiles)+len(p.CgoFiles) == 0 {
			return err
		}
		pkg, err := filepath.Rel(root, dir)
		found[filepath.ToSlash(pkg)] = p.Imports
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 20 {
		t.Fatalf("only %d packages found below %s", len(found), root)
	}
	return found
}
