package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// What is written for administrators is kept complete by the same kind of test: a key or a refusal that nobody explains
// is found here, not by somebody whose mail does not leave.

const root = "../.."

// TestEveryRefusalIsExplained: docs/errors.md names every 4xx and 5xx text of submission/reply.go.
func TestEveryRefusalIsExplained(t *testing.T) {
	text := read(t, "docs/errors.md")
	verbs := regexp.MustCompile(`%[sd]`)
	found := 0
	ast.Inspect(parsed(t, "submission/reply.go"), func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) < 5 {
			return true
		}
		if name, ok := call.Fun.(*ast.Ident); !ok || name.Name != "reply" {
			return true
		}
		code, format := literal(t, call.Args[0]), literal(t, call.Args[4])
		if code < "400" {
			return true
		}
		found++
		for _, piece := range verbs.Split(format, -1) {
			if !strings.Contains(text, piece) {
				t.Errorf("docs/errors.md does not explain %s %q (the piece %q is missing)", code, format, piece)
			}
		}
		return true
	})
	if found < 40 {
		t.Errorf("only %d replies found", found)
	}
}

// TestEveryKeyIsExplained: docs/configuration.md and deploy/sekisho.yaml name every key of the configuration file.
func TestEveryKeyIsExplained(t *testing.T) {
	table, example := read(t, "docs/configuration.md"), read(t, "deploy/sekisho.yaml")
	found := 0
	look := func(n ast.Node) bool {
		field, ok := n.(*ast.Field)
		if !ok || field.Tag == nil {
			return true
		}
		key := reflect.StructTag(literal(t, field.Tag)).Get("yaml")
		if key == "" || key == "-" || key == ",inline" {
			return true
		}
		found++
		if !regexp.MustCompile("[`.]" + key + "[`.]").MatchString(table) {
			t.Errorf("docs/configuration.md does not explain the key %s", key)
		}
		if !notYet(field) && !strings.Contains(example, key+":") {
			t.Errorf("deploy/sekisho.yaml does not show the key %s", key)
		}
		return true
	}
	for _, file := range []string{"cmd/sekisho/config.go", "cmd/sekisho/config_relay.go"} {
		ast.Inspect(parsed(t, file), look)
	}
	if found < 70 {
		t.Errorf("only %d keys found", found)
	}
}

func notYet(field *ast.Field) bool {
	s, ok := field.Type.(*ast.SelectorExpr)
	return ok && s.Sel.Name == "NotYet"
}

// TestLinksBetweenPagesLeadSomewhere looks at every relative link and picture of the repository's Markdown.
func TestLinksBetweenPagesLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)|(?:src|href)="([^":#]+)"`)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || len(d.Name()) > 2 && strings.HasPrefix(d.Name(), ".")) {
			return fs.SkipDir
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), m[1]+m[3])); err != nil {
				t.Errorf("%s links to %s, which is not there", path, m[1]+m[3])
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func parsed(t *testing.T, name string) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), name, read(t, name), parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// literal is the value of a number or a string as it stands in the source.
func literal(t *testing.T, e ast.Expr) string {
	t.Helper()
	b, ok := e.(*ast.BasicLit)
	if !ok {
		return ""
	}
	if b.Kind != token.STRING {
		return b.Value
	}
	s, err := strconv.Unquote(b.Value)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
