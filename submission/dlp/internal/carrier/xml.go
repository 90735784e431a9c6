package carrier

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sekisho-mail/sekisho/internal/message"
)

// xmlScanner reads XML as a flat list of tags and texts. Office documents hold
// hundreds of megabytes of it, and only names, a few attributes and text matter;
// encoding/xml takes ten times as long. There are no entities beyond the five of
// the standard and character references, so nothing can expand.
type xmlScanner struct {
	s    string
	at   int
	name string // local name of the current tag
	tag  string // what stands between < and >, for attr
	text string // text token, decoded

	closing, empty bool
}

// newXML takes a document in UTF-8 or UTF-16.
func newXML(b []byte) *xmlScanner { return xmlOf(string(b)) }

func xmlOf(s string) *xmlScanner {
	if strings.HasPrefix(s, "\xff\xfe") || strings.HasPrefix(s, "\xfe\xff") {
		return &xmlScanner{s: message.DecodeText([]byte(s), "utf-16")[0]}
	}
	if label := xmlCharset(s[:min(len(s), 200)]); label != "" && !strings.EqualFold(label, "utf-8") {
		return &xmlScanner{s: message.DecodeText([]byte(s), label)[0]}
	}
	return &xmlScanner{s: strings.ToValidUTF8(s, "\uFFFD")}
}

// xmlCharset is the encoding that the declaration names.
func xmlCharset(head string) string {
	_, rest, ok := strings.Cut(head, "encoding=")
	if !ok || !strings.HasPrefix(head, "<?xml") || rest == "" {
		return ""
	}
	label, _, _ := strings.Cut(rest[1:], rest[:1])
	return label
}

type xmlToken int

const (
	xmlEnd xmlToken = iota
	xmlTag
	xmlChars
)

// next moves to the next tag or text.
func (x *xmlScanner) next() xmlToken {
	for x.at < len(x.s) {
		if x.s[x.at] != '<' {
			end := strings.IndexByte(x.s[x.at:], '<')
			if end < 0 {
				end = len(x.s) - x.at
			}
			x.text = unescape(x.s[x.at : x.at+end])
			x.at += end
			return xmlChars
		}
		rest := x.s[x.at:]
		switch {
		case strings.HasPrefix(rest, "<![CDATA["):
			body, _ := x.skip(len("<![CDATA["), "]]>")
			x.text = body
			return xmlChars
		case strings.HasPrefix(rest, "<!--"):
			x.skip(4, "-->")
		case strings.HasPrefix(rest, "<?"):
			x.skip(2, "?>")
		case strings.HasPrefix(rest, "<!"):
			x.doctype()
		default:
			x.readTag()
			return xmlTag
		}
	}
	return xmlEnd
}

// skip passes over an opening of n bytes and everything up to end.
func (x *xmlScanner) skip(n int, end string) (string, bool) {
	rest := x.s[x.at+n:]
	i := strings.Index(rest, end)
	if i < 0 {
		x.at = len(x.s)
		return rest, false
	}
	x.at += n + i + len(end)
	return rest[:i], true
}

// doctype passes over a declaration with its internal subset.
func (x *xmlScanner) doctype() {
	depth := 0
	for ; x.at < len(x.s); x.at++ {
		switch x.s[x.at] {
		case '<', '[':
			depth++
		case ']':
			depth--
		case '>':
			if depth--; depth <= 0 {
				x.at++
				return
			}
		}
	}
}

func (x *xmlScanner) readTag() {
	x.at++
	start, quote := x.at, byte(0)
	for ; x.at < len(x.s); x.at++ {
		c := x.s[x.at]
		if quote != 0 {
			if c == quote {
				quote = 0
			}
		} else if c == '"' || c == '\'' {
			quote = c
		} else if c == '>' {
			break
		}
	}
	x.tag = x.s[start:min(x.at, len(x.s))]
	x.at = min(x.at+1, len(x.s))
	x.closing = strings.HasPrefix(x.tag, "/")
	x.empty = strings.HasSuffix(x.tag, "/")
	name := strings.TrimPrefix(x.tag, "/")
	local := 0
	for i := range len(name) { // by hand: there are millions of tags
		switch name[i] {
		case ':':
			local = i + 1
			continue
		case ' ', '\t', '\r', '\n', '/':
			x.name = name[local:i]
			return
		}
	}
	x.name = name[local:]
}

// opens says that the current tag opens an element of that name.
func (x *xmlScanner) opens(name string) bool { return !x.closing && x.name == name }

// attr is an attribute of the current tag by its local name.
func (x *xmlScanner) attr(name string) string {
	s := x.tag
	for {
		i := strings.Index(s, name)
		if i < 0 {
			return ""
		}
		before := byte(' ')
		if i > 0 {
			before = s[i-1]
		}
		s = s[i+len(name):]
		rest := strings.TrimLeft(s, " \t\r\n")
		if before != ' ' && before != ':' && before != '\n' && before != '\t' && before != '\r' || !strings.HasPrefix(rest, "=") {
			continue
		}
		rest = strings.TrimLeft(rest[1:], " \t\r\n")
		if rest == "" || rest[0] != '"' && rest[0] != '\'' {
			return ""
		}
		end := strings.IndexByte(rest[1:], rest[0])
		if end < 0 {
			return ""
		}
		return unescape(rest[1 : 1+end])
	}
}

// nextAttribute reads the next attribute of a tag, its name without the prefix,
// its value as it stands.
func nextAttribute(s string) (name, value, rest string, ok bool) {
	eq := strings.IndexByte(s, '=')
	if eq < 0 {
		return "", "", "", false
	}
	name = strings.TrimRight(s[:eq], " \t\r\n")
	name = name[strings.LastIndexAny(name, " \t\r\n:")+1:]
	s = strings.TrimLeft(s[eq+1:], " \t\r\n")
	if s == "" || s[0] != '"' && s[0] != '\'' {
		return "", "", "", false
	}
	end := strings.IndexByte(s[1:], s[0])
	if end < 0 {
		return "", "", "", false
	}
	return name, s[1 : 1+end], s[end+2:], true
}

// unescape decodes the references of XML.
func unescape(s string) string {
	i := strings.IndexByte(s, '&')
	if i < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i >= 0 {
		b.WriteString(s[:i])
		s = s[i:]
		end := strings.IndexByte(s[:min(len(s), 12)], ';')
		if end < 0 {
			b.WriteByte('&')
			s = s[1:]
		} else {
			b.WriteString(reference(s[1:end], s[:end+1]))
			s = s[end+1:]
		}
		i = strings.IndexByte(s, '&')
	}
	b.WriteString(s)
	return b.String()
}

func reference(name, whole string) string {
	switch name {
	case "amp":
		return "&"
	case "lt":
		return "<"
	case "gt":
		return ">"
	case "quot":
		return `"`
	case "apos":
		return "'"
	case "nbsp":
		return "\u00a0"
	}
	if !strings.HasPrefix(name, "#") {
		return whole
	}
	digits, base := name[1:], 10
	if strings.HasPrefix(digits, "x") || strings.HasPrefix(digits, "X") {
		digits, base = digits[1:], 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil || n > utf8.MaxRune || !utf8.ValidRune(rune(n)) {
		return "\uFFFD"
	}
	return string(rune(n))
}

// xmlText is all character data and attribute values of a document.
func xmlText(s string) string {
	x := &xmlScanner{s: s}
	var b strings.Builder
	for {
		switch x.next() {
		case xmlEnd:
			return b.String()
		case xmlChars:
			if text := strings.TrimSpace(x.text); text != "" {
				b.WriteString(text)
				b.WriteByte('\n')
			}
		}
	}
}

// atoi is a whole number, 0 where it is none. Most attributes that are asked for
// are missing, and an error for each is a good part of what a sheet costs.
func atoi(s string) int {
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

func itoa(n int) string { return strconv.Itoa(n) }
