// Package words owns every sentence that pages show, in Japanese and English,
// and the form of dates, sizes and durations in both.
//
// The catalogue is a set of plain text files beside this one: a key in
// brackets, one line for each language. It knows nothing of pages or HTTP.
package words

import (
	"bufio"
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// Lang is a language the pages speak.
type Lang string

// The languages. Japanese stands first: it is the language of most readers.
const (
	Japanese Lang = "ja"
	English  Lang = "en"
)

// Langs lists the languages in the order in which pages offer them.
func Langs() []Lang { return []Lang{Japanese, English} }

// Parse reads a language tag such as "ja", "ja-JP" or "en_US".
func Parse(tag string) (Lang, bool) {
	primary, _, _ := strings.Cut(strings.ReplaceAll(strings.ToLower(strings.TrimSpace(tag)), "_", "-"), "-")
	switch Lang(primary) {
	case Japanese, English:
		return Lang(primary), true
	}
	return "", false
}

// FromAccept chooses from an Accept-Language header (RFC 9110 section 12.5.4);
// fallback where it names neither language.
func FromAccept(header string, fallback Lang) Lang {
	best, weight := fallback, 0.0
	for i, item := range strings.Split(header, ",") {
		if i == 20 { // nobody reads twenty languages: the rest is noise or an attack
			break
		}
		tag, params, _ := strings.Cut(item, ";")
		lang, ok := Parse(tag)
		if q := quality(params); ok && q > weight {
			best, weight = lang, q
		}
	}
	return best
}

func quality(params string) float64 {
	value, ok := strings.CutPrefix(strings.TrimSpace(params), "q=")
	if !ok {
		return 1
	}
	q, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return 0
	}
	return q
}

//go:embed *.txt
var files embed.FS

// Catalogue holds every text in every language. It is never changed after Load.
type Catalogue struct {
	texts map[string]map[Lang]string
}

// Load reads the catalogue. An error is a mistake in the embedded files.
func Load() (*Catalogue, error) {
	names, err := fs.Glob(files, "*.txt")
	if err != nil {
		return nil, fmt.Errorf("list the catalogue: %w", err)
	}
	c := &Catalogue{texts: make(map[string]map[Lang]string)}
	for _, name := range names {
		if err := c.read(name); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *Catalogue) read(name string) error {
	f, err := files.Open(name)
	if err != nil {
		return fmt.Errorf("open catalogue %s: %w", name, err)
	}
	defer f.Close()
	lines, key, n := bufio.NewScanner(f), "", 0
	for lines.Scan() {
		n++
		line := strings.TrimSpace(lines.Text())
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]"):
			key = line[1 : len(line)-1]
			if _, twice := c.texts[key]; twice {
				return fmt.Errorf("catalogue %s:%d: %s stands twice", name, n, key)
			}
			c.texts[key] = make(map[Lang]string)
		default:
			if err := c.add(key, line); err != nil {
				return fmt.Errorf("catalogue %s:%d: %w", name, n, err)
			}
		}
	}
	return lines.Err()
}

// add takes one line "ja: text". "en1:" is the English for a {n} of 1.
func (c *Catalogue) add(key, line string) error {
	lang, text, ok := strings.Cut(line, ":")
	if !ok || key == "" {
		return fmt.Errorf("not a line of a text: %q", line)
	}
	switch l := Lang(lang); l {
	case Japanese, English, one:
		c.texts[key][l] = strings.TrimSpace(text)
		return nil
	}
	return fmt.Errorf("unknown language %q", lang)
}

// one is the English singular. Japanese needs none.
const one Lang = "en1"

// Has says whether the catalogue has a text of that key.
func (c *Catalogue) Has(key string) bool { return c.texts[key] != nil }

// Below lists what stands behind a prefix in the keys, in order.
func (c *Catalogue) Below(prefix string) []string {
	var out []string
	for key := range c.texts {
		if rest, ok := strings.CutPrefix(key, prefix); ok {
			out = append(out, rest)
		}
	}
	slices.Sort(out)
	return out
}

// Text is the text of key with its {names} replaced by the values that follow
// each name in pairs: Text(ja, "mail.count", "n", 3). A missing key shows as
// itself, so that a page is never blank; a test keeps that from happening.
func (c *Catalogue) Text(lang Lang, key string, pairs ...any) string {
	text, ok := c.texts[key][lang]
	if !ok {
		return "[" + key + "]"
	}
	if lang == English && singular(pairs) {
		if s, ok := c.texts[key][one]; ok {
			text = s
		}
	}
	return fill(text, pairs)
}

// fill replaces in one pass: a value that itself reads "{name}" stays as it is.
func fill(text string, pairs []any) string {
	var swap []string
	for i := 0; i+1 < len(pairs); i += 2 {
		swap = append(swap, "{"+fmt.Sprint(pairs[i])+"}", fmt.Sprint(pairs[i+1]))
	}
	return strings.NewReplacer(swap...).Replace(text)
}

func singular(pairs []any) bool {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i] == "n" {
			return fmt.Sprint(pairs[i+1]) == "1"
		}
	}
	return false
}
