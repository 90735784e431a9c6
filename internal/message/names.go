package message

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// reading is one way to read a parameter that may be written in several forms.
type reading struct {
	bytes   []byte
	charset string // label of RFC 2231, "" where none
	coded   bool   // RFC 2231: extended or in sections
}

func (r reading) text() string { return string(r.bytes) }

// strings are the readings of a parameter as plain strings, for parameters that
// are ASCII by nature.
func (v *structured) strings(name string) []string {
	var out []string
	for _, r := range v.readings(name) {
		out = append(out, r.text())
	}
	return out
}

// readings gives every way to read a parameter: extended (RFC 2231), put together
// from its sections, and plain, in this order.
func (v *structured) readings(name string) []reading {
	var extended, plain []reading
	var parts []section
	for i := range v.params {
		q := &v.params[i]
		rest, ok := strings.CutPrefix(q.name, name)
		switch {
		case !ok:
		case rest == "":
			plain = append(plain, reading{bytes: []byte(q.value)})
		case rest == "*":
			extended = append(extended, extendedReading(q.value))
		case rest[0] == '*':
			if s, ok := parseSection(rest[1:], q.value); ok {
				parts = append(parts, s)
			}
		}
	}
	out := append(extended, joinSections(parts)...)
	return append(out, plain...)
}

// section is one name*N or name*N* parameter.
type section struct {
	number int
	coded  bool
	value  string
}

func parseSection(s, value string) (section, bool) {
	digits, coded := strings.CutSuffix(s, "*")
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 || n > MaxParameters {
		return section{}, false
	}
	return section{n, coded, value}, true
}

// joinSections puts sections together by number, and as written where that
// differs: readers do both.
func joinSections(parts []section) []reading {
	if len(parts) == 0 {
		return nil
	}
	sorted := slices.Clone(parts)
	slices.SortStableFunc(sorted, func(a, b section) int { return a.number - b.number })
	out := []reading{joinOnce(sorted)}
	written := joinOnce(parts)
	if written.text() != out[0].text() {
		out = append(out, written)
	}
	return out
}

func joinOnce(parts []section) reading {
	r := reading{coded: true}
	for i, s := range parts {
		value := s.value
		if i == 0 && s.coded {
			e := extendedReading(value)
			r.charset = e.charset
			r.bytes = append(r.bytes, e.bytes...)
			continue
		}
		if s.coded {
			r.bytes = append(r.bytes, percent(strings.TrimPrefix(value, "''"))...)
			continue
		}
		r.bytes = append(r.bytes, value...)
	}
	return r
}

// extendedReading reads charset'language'percent-coded.
func extendedReading(value string) reading {
	charset, rest, ok := strings.Cut(value, "'")
	if !ok {
		return reading{bytes: percent(value), coded: true}
	}
	if _, after, ok := strings.Cut(rest, "'"); ok {
		return reading{bytes: percent(after), charset: charset, coded: true}
	}
	return reading{bytes: percent(rest), charset: charset, coded: true}
}

func percent(s string) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := unhex(s[i+1]), unhex(s[i+2])
			if hi >= 0 && lo >= 0 {
				out = append(out, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return out
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// maxNames bounds the readings of one file name.
const maxNames = 16

// Names lists every plausible reading of the part's file name, best first.
func (p *Part) Names() []string { return p.names }

// findNames reads the file name from Content-Disposition and Content-Type.
func (p *Part) findNames(m *Message, ct, cd *structured) {
	var spoken []string // the first reading of each form: these must agree
	for _, from := range []struct {
		v    *structured
		name string
	}{{cd, "filename"}, {ct, "name"}, {ct, "filename"}, {cd, "name"}} {
		for _, r := range from.v.readings(from.name) {
			texts := r.names()
			spoken = append(spoken, texts[0])
			for _, t := range texts {
				p.addName(t)
			}
		}
		for i := range from.v.params {
			p.rawNames(from.v, i, from.name)
		}
	}
	for _, v := range p.Values("Content-Type")[min(1, len(p.Values("Content-Type"))):] {
		more := parseStructured(v)
		for _, s := range more.strings("name") {
			spoken = append(spoken, s)
			p.addName(s)
		}
	}
	for _, d := range p.Values("Content-Description") {
		if len(p.names) > 0 {
			break
		}
		// Outlook's older mails name a file here only.
		if t := DecodeHeader(d); path.Ext(t) != "" && len(path.Ext(t)) <= 6 {
			p.addName(t)
		}
	}
	p.Filename = first(p.names)
	if conflicting(spoken) {
		m.note(p.anomaly("conflicting_names", "a part with several file names of different kinds", false)) // Names has all
	}
}

// conflicting says whether names end in different extensions. A name without one
// is no conflict: Thunderbird writes OpenPGP_signature beside OpenPGP_signature.asc.
func conflicting(names []string) bool {
	seen := ""
	for _, n := range names {
		ext := path.Ext(n)
		if ext != "" && seen != "" && !strings.EqualFold(ext, seen) {
			return true
		}
		if seen == "" {
			seen = ext
		}
	}
	return false
}

// rawNames adds what a reader without quotes and comments makes of a parameter.
func (p *Part) rawNames(v *structured, i int, name string) {
	q := v.params[i]
	if q.name != name {
		return
	}
	if !q.quoted && q.raw != q.value {
		p.addName(q.raw)
	}
	if strings.Contains(q.raw, `\`) {
		p.addName(strings.Trim(q.raw, `"`))
		p.addName(strings.ReplaceAll(strings.Trim(q.raw, `"`), `\`, ""))
	}
	if q.quoted && !strings.HasSuffix(q.raw, `"`) {
		p.addName(strings.ReplaceAll(q.raw, `"`, ""))
	}
	if trimmed := strings.Trim(q.value, `'`); trimmed != q.value {
		p.addName(trimmed)
	}
	// "name=file;.zip": what follows the semicolon may belong to the name.
	if !q.quoted && v.has("junk") {
		p.addName(q.value + v.after(i))
	}
}

func (p *Part) addName(s string) {
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s))
	if s != "" && len(p.names) < maxNames && !slices.Contains(p.names, s) {
		p.names = append(p.names, s)
	}
}

// names gives the texts of a file name: RFC 2231, RFC 2047 inside quotes (not
// allowed, and usual), raw bytes.
func (r reading) names() []string {
	if r.charset == "" && strings.Contains(r.text(), "=?") {
		if texts := DecodeHeaders(r.text()); len(texts) > 0 {
			return texts
		}
	}
	return DecodeText(r.bytes, r.charset)
}
