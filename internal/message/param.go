package message

import (
	"strings"
)

// parameter is one name=value of a structured field, as written.
type parameter struct {
	name   string // lower-case, with its RFC 2231 section: "filename*0*"
	value  string // quotes and comments undone
	raw    string // as written, up to the semicolon
	quoted bool
}

// structured is a field value such as Content-Type's: a word and parameters.
type structured struct {
	word   string // lower-case, without comments
	params []parameter
	junk   map[int]string // segment without "=" after the parameter of that index
	odd    []string       // what readers may disagree on: "comment", "junk", "empty", ...
}

func (v *structured) doubt(what string) { v.odd = append(v.odd, what) }

// parseStructured reads a structured value leniently and lists what is odd.
func parseStructured(s string) structured {
	var v structured
	head, rest := cutSegment(s)
	words := strings.Fields(v.strip(head))
	if len(words) > 0 {
		v.word = strings.ToLower(words[0])
	}
	if len(words) > 1 {
		v.doubt("junk")
		// "multipart/mixed boundary=x": some readers take what follows for a parameter.
		if extra := strings.Join(words[1:], " "); strings.Contains(extra, "=") {
			v.add(extra)
		}
	}
	for rest != "" && len(v.params) < MaxParameters {
		head, rest = cutSegment(rest)
		v.add(head)
	}
	if rest != "" {
		v.doubt("too_many")
	}
	return v
}

// cutSegment cuts at the first semicolon outside quotes and comments.
func cutSegment(s string) (head, tail string) {
	quoted, depth := false, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && (quoted || depth > 0):
			i++
		case c == '"' && depth == 0:
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case c == ';' && depth == 0:
			return s[:i], s[i+1:]
		}
	}
	if quoted || depth > 0 {
		// Never closed: then quotes and parentheses are no reason to go on.
		if i := strings.IndexByte(s, ';'); i >= 0 {
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// strip takes the comments out of s, outside quotes.
func (v *structured) strip(s string) string {
	if !strings.Contains(s, "(") {
		return s
	}
	var out strings.Builder
	quoted, depth, found := false, 0, false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s) && (quoted || depth > 0):
			i++
			if depth == 0 {
				out.WriteString(s[i-1 : i+1])
			}
			continue
		case c == '"' && depth == 0:
			quoted = !quoted
		case c == '(' && !quoted:
			depth, found = depth+1, true
			continue
		case c == ')' && depth > 0:
			depth--
			continue
		}
		if depth == 0 {
			out.WriteByte(c)
		}
	}
	if depth > 0 {
		v.doubt("comment")
		return s
	}
	if found {
		v.doubt("comment")
	}
	return out.String()
}

// add reads one segment as name=value.
func (v *structured) add(segment string) {
	if strings.TrimSpace(segment) == "" {
		return
	}
	name, value, ok := strings.Cut(segment, "=")
	plain := strings.ToLower(strings.TrimSpace(v.strip(name)))
	if !ok || plain == "" {
		v.doubt("junk")
		if v.junk == nil {
			v.junk = make(map[int]string)
		}
		v.junk[len(v.params)-1] = ";" + segment
		return
	}
	p := parameter{name: plain, raw: strings.TrimSpace(value)}
	p.value, p.quoted = v.unquote(p.raw)
	v.params = append(v.params, p)
}

// unquote undoes quotes and comments of a parameter value.
func (v *structured) unquote(raw string) (string, bool) {
	if strings.HasPrefix(raw, `"`) {
		value, rest, closed := quotedString(raw)
		switch {
		case !closed:
			v.doubt("quote")
		case strings.TrimSpace(v.strip(rest)) != "":
			v.doubt("junk")
		}
		return value, true
	}
	value := strings.TrimSpace(v.strip(raw))
	if strings.ContainsAny(value, `"\`) {
		v.doubt("quote")
	}
	return value, false
}

// quotedString reads a quoted-string at the start of s.
func quotedString(s string) (value, rest string, closed bool) {
	var out strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			out.WriteByte(s[i])
		case c == '"':
			return out.String(), s[i+1:], true
		default:
			out.WriteByte(c)
		}
	}
	return out.String(), "", false
}

func (v *structured) has(odd string) bool {
	for _, o := range v.odd {
		if o == odd {
			return true
		}
	}
	return false
}

// after is the broken segment that follows the parameter of that index.
func (v *structured) after(i int) string { return v.junk[i] }
