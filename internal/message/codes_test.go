package message

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEveryAmbiguityIsListed reads the source: a code that is not plainly called
// unambiguous must be among AmbiguousCodes, for which pages have words.
func TestEveryAmbiguityIsListed(t *testing.T) {
	noted := regexp.MustCompile(`(?:anomaly\(|odd\(|note\w*\(|Code: )"([a-z_0-9]+)", (.*)`)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		source, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range noted.FindAllStringSubmatch(string(source), -1) {
			code, rest := m[1], m[2]
			seen[code] = true
			plain := strings.Contains(rest, ", false)") || strings.HasPrefix(rest, "Detail") && !strings.Contains(rest, "Ambiguous")
			if !plain && !slices.Contains(AmbiguousCodes(), code) {
				t.Errorf("%s: %s may be ambiguous and is not listed", f, code)
			}
		}
	}
	for _, code := range AmbiguousCodes() {
		if !seen[code] {
			t.Errorf("%s is listed and never noted", code)
		}
	}
}
