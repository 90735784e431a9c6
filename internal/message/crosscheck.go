package message

import (
	"bytes"
	"crypto/sha256"
	"strings"

	"github.com/jhillyerd/enmime/v2"
)

// Limits of Crosscheck, below what makes enmime slow: it takes 5 seconds for 24
// nested multiparts without an end, 10 seconds for 20,000 parameters.
const (
	crossBytes      = 16 << 20
	crossParts      = 200
	crossBoundaries = 200 // the word "boundary" anywhere, more than crossParts in no honest mail
	crossDepth      = 12
	crossParameters = 60 // semicolons in one field
	crossUnended    = 2  // multiparts without terminator
	crossShort      = 24 // letters and digits below which a leaf says nothing
)

// Crosscheck decodes m with a second parser (enmime) and returns what that one
// shows and ours does not, as ambiguous anomalies. Where its cost cannot be
// bounded it is not run, and one anomaly that is not ambiguous says so. What
// enmime cannot read is no anomaly: it fails on 3 in 100 ordinary mails.
func Crosscheck(m *Message) []Anomaly {
	if m.plain() {
		return nil
	}
	if why := m.costly(); why != "" {
		return []Anomaly{{Code: "crosscheck_skipped", Detail: why, Offset: -1}}
	}
	root, ok := secondReading(m.Raw)
	if !ok || root == nil {
		return []Anomaly{{Code: "crosscheck_failed", Detail: "the second parser cannot read the mail", Offset: -1}}
	}
	known := m.shown()
	var out []Anomaly
	for range known.missing(root) {
		out = append(out, Anomaly{Code: "unseen_leaf", Detail: "a second parser shows content that ours does not", Offset: -1, Ambiguous: true})
	}
	return out
}

// missing counts the leaves of the second reading that ours does not have.
func (c *contents) missing(root *enmime.Part) int {
	n := 0
	root.BreadthMatchAll(func(p *enmime.Part) bool {
		if p.FirstChild == nil && len(p.Content) > 0 && !c.has(p) {
			n++
		}
		return false
	})
	return n
}

// plain says that a mail is written as the standard has it, to the letter: no
// anomaly of any kind, every multipart closed with nothing around its parts,
// structural fields once and in their simplest form, encodings that every reader
// undoes alike. Two parsers cannot see different things in it; the fuzz test
// holds that against enmime.
func (m *Message) plain() bool {
	if len(m.Anomalies) > 0 {
		return false
	}
	for p := range m.Parts() {
		if !p.plain() {
			return false
		}
	}
	return true
}

func (p *Part) plain() bool {
	if p.Embedded || strings.HasPrefix(p.MediaType, "multipart/") != p.Multipart() {
		return false
	}
	if p.Multipart() && (!p.closed || !blank(p.Preamble.Of(p.source)) && looksLikeDelimiter(p.Preamble.Of(p.source)) || !blank(p.Epilogue.Of(p.source))) {
		return false
	}
	seen := map[string]bool{}
	for _, f := range p.Fields {
		name := strings.ToLower(f.Name)
		if !strings.HasPrefix(name, "content-t") && !strings.HasPrefix(name, "content-d") {
			continue
		}
		value := f.Value.Of(p.source)
		if seen[name] || bytes.ContainsAny(value, "(\\*\x00") || bytes.Count(value, []byte(`"`))%2 != 0 {
			return false
		}
		seen[name] = true
	}
	return identity(p.Encoding) || p.Encoding == "base64" || p.Encoding == "quoted-printable"
}

// looksLikeDelimiter says whether a line begins with two dashes.
func looksLikeDelimiter(b []byte) bool {
	return bytes.HasPrefix(b, []byte("--")) || bytes.Contains(b, []byte("\n--"))
}

// secondReading runs enmime. It has panicked on strangers' mail before; that is
// a mail it cannot read.
func secondReading(raw []byte) (root *enmime.Part, ok bool) {
	defer func() {
		if recover() != nil {
			root, ok = nil, false
		}
	}()
	parser := enmime.NewParser(enmime.DisableCharacterDetection(true), enmime.DisableTextConversion(true),
		enmime.MaxStoredPartErrors(8), enmime.MultipartWOBoundaryAsSinglePart(true))
	root, err := parser.ReadParts(bytes.NewReader(raw))
	return root, err == nil
}

// costly says why enmime should not see the mail.
func (m *Message) costly() string {
	switch {
	case len(m.Raw) > crossBytes:
		return "larger than the limit of the second parser"
	case m.parts > crossParts:
		return "more parts than the limit of the second parser"
	case countFold(m.Raw, "boundary") > crossBoundaries:
		return "more boundaries than the limit of the second parser"
	}
	unended := 0
	for p := range m.Parts() {
		if p.boundary != "" && !p.closed {
			unended++
		}
		if p.depth() > crossDepth || unended > crossUnended {
			return "nested deeper than the limit of the second parser"
		}
		for _, f := range p.Fields {
			if bytes.Count(f.Value.Of(p.source), []byte(";")) > crossParameters && structural(f.Name) {
				return "more parameters than the limit of the second parser"
			}
		}
	}
	return ""
}

func (p *Part) depth() int {
	n := 0
	for o := p.Parent; o != nil; o = o.Parent {
		n++
	}
	return n
}

// countFold counts an ASCII word whatever its case, by its first letter.
func countFold(b []byte, word string) int {
	n := 0
	for _, first := range []byte{word[0], word[0] - 32} {
		rest := b
		for {
			i := bytes.IndexByte(rest, first)
			if i < 0 {
				break
			}
			rest = rest[i:]
			if len(rest) >= len(word) && strings.EqualFold(string(rest[:len(word)]), word) {
				n++
			}
			rest = rest[1:]
		}
	}
	return n
}

// contents is what our reading shows: every content by its hash, and, once a leaf
// is not found so, in all its readings and reduced to ASCII letters and digits,
// where line ends, charsets and soft breaks make no difference.
type contents struct {
	m          *Message
	exact      map[[sha256.Size]byte]bool
	all        [][]byte
	boundaries map[string]bool
	essences   []string // of all, made when first asked for
}

func (m *Message) shown() *contents {
	c := &contents{m: m, exact: map[[sha256.Size]byte]bool{}, boundaries: map[string]bool{}}
	for p := range m.Parts() {
		c.boundaries[essence([]byte(p.boundary))] = true
		if len(p.Children) == 0 || p.isMessage() { // enmime does not look into message/rfc822
			b, _ := p.Decode(0)
			c.add(b)
		}
	}
	return c
}

// more adds the readings that few leaves need.
func (c *contents) more() {
	for p := range c.m.Leaves() {
		b, _ := p.Decode(0)
		if !identity(p.Encoding) && p.Encoding != "base64" {
			c.add(p.Body.Of(p.source)) // it does not decode uuencode
		}
		if strings.HasPrefix(p.MediaType, "text/") {
			for _, t := range DecodeText(b, p.Charset) {
				c.add([]byte(t))
			}
		}
		for _, r := range p.Alternatives(0) {
			c.add(r.Data)
		}
	}
}

func (c *contents) add(b []byte) {
	sum := sha256.Sum256(b)
	if !c.exact[sum] {
		c.exact[sum] = true
		c.all = append(c.all, b)
	}
}

func (c *contents) has(p *enmime.Part) bool {
	if c.exact[sha256.Sum256(p.Content)] {
		return true
	}
	if strings.HasPrefix(p.ContentType, "multipart/") {
		return true // it could not split what we did
	}
	s := essence(p.Content)
	if len(s) < crossShort {
		return true
	}
	if c.essences == nil {
		c.more()
		if c.exact[sha256.Sum256(p.Content)] {
			return true
		}
		for _, b := range c.all {
			c.essences = append(c.essences, essence(b))
		}
	}
	for _, have := range c.essences {
		if strings.Contains(have, s) {
			return true
		}
		// At the end of a mail without terminator it takes the last boundary, decoded
		// or not, for content.
		if tail, ok := strings.CutPrefix(s, have); ok && (c.boundaries[tail] || have != "" && len(tail) < crossShort) {
			return true
		}
	}
	return false
}

func essence(b []byte) string {
	out := make([]byte, 0, len(b))
	for _, c := range b {
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' {
			out = append(out, c)
		}
	}
	return string(out)
}
