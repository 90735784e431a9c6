package message

import (
	"bytes"
	"strings"
)

// Reading is a way a careless reader might decode a part.
type Reading struct {
	How  string // "base64", "quoted-printable", "uuencode", "yenc", "mime", "raw"
	Name string // where the reading carries a file name
	Type string // where the reading carries a media type
	Data []byte
}

// maxReadings bounds Alternatives.
const maxReadings = 64

// Alternatives are readings of a leaf other than Decode's: files in a text
// (uuencode, yEnc), parts that a reader with another idea of the boundary would
// see, and other transfer decodings that give a known kind of file. Detection
// looks into them too. Each is at most limit bytes; limit <= 0 means no limit.
func (p *Part) Alternatives(limit int64) []Reading {
	if len(p.Children) > 0 {
		return nil
	}
	body := p.Body.Of(p.source)
	decoded, _ := p.Decode(limit)
	a := alternatives{limit: limit, decoded: decoded}
	a.files(decoded)
	a.transfer(p, body)
	a.mime(p, decoded)
	if len(decoded) != len(body) {
		a.mime(p, body)
	}
	return a.list
}

type alternatives struct {
	limit   int64
	decoded []byte
	list    []Reading
}

func (a *alternatives) add(r Reading) {
	if a.limit > 0 && int64(len(r.Data)) > a.limit {
		r.Data = r.Data[:a.limit]
	}
	if len(r.Data) == 0 || len(a.list) >= maxReadings || bytes.Equal(r.Data, a.decoded) {
		return
	}
	for _, have := range a.list {
		if bytes.Equal(have.Data, r.Data) {
			return
		}
	}
	a.list = append(a.list, r)
}

// files finds uuencoded and yEnc files in a text.
func (a *alternatives) files(text []byte) {
	for _, r := range uuBlocks(text, maxReadings) {
		a.add(r)
	}
	for _, r := range yencBlocks(text, maxReadings) {
		a.add(r)
	}
}

// transfer undoes the encodings that the header does not name, or undoes the
// named one in another way, where the result is a known kind of file.
func (a *alternatives) transfer(p *Part, body []byte) {
	if p.unclean && p.Encoding == "quoted-printable" {
		a.add(Reading{How: "quoted-printable", Data: decodeQP(body, true)})
	}
	if Magic(a.decoded) != "" && !p.unclean {
		return
	}
	for _, try := range []struct {
		how    string
		decode func([]byte) []byte
	}{
		{"raw", func(b []byte) []byte { return b }},
		{"base64", decodeBase64},
		{"base64", base64WithoutPadding},
		{"base64", base64UntilPadding},
		{"base64", base64LastBlock},
		{"quoted-printable", func(b []byte) []byte { return decodeQP(b, false) }},
		{"quoted-printable", func(b []byte) []byte { return decodeQP(b, true) }},
		{"uuencode", decodeUU},
	} {
		if !worth(try.how, body, p.unclean) {
			continue
		}
		if b := try.decode(body); Magic(b) != "" {
			a.add(Reading{How: try.how, Data: b})
		}
	}
}

// worth says cheaply whether a body may be written in that encoding at all, so
// that plain text is not decoded eight times.
func worth(how string, body []byte, unclean bool) bool {
	head := bytes.TrimSpace(body[:min(len(body), 512)])
	switch how {
	case "base64":
		if unclean {
			return true
		}
		s := scanBase64(head)
		return s.garbage == 0 && s.letters >= 4 && bytes.IndexByte(head, ' ') < 0
	case "quoted-printable":
		i := bytes.IndexByte(head, '=')
		if i < 0 {
			return false
		}
		_, _, hex := escapeAt(head, i)
		return hex || i+1 < len(head) && (head[i+1] == '\n' || head[i+1] == '\r')
	case "uuencode":
		end, _ := line(head, 0)
		return uuLength(head[:end]) > 0
	}
	return true
}

func base64WithoutPadding(body []byte) []byte {
	return decodeBase64(bytes.ReplaceAll(body, []byte("="), nil))
}

func base64UntilPadding(body []byte) []byte {
	if i := bytes.IndexByte(body, '='); i >= 0 {
		body = body[:i]
	}
	return decodeBase64(body)
}

// base64LastBlock begins behind the first blank line.
func base64LastBlock(body []byte) []byte {
	for _, gap := range []string{"\n\n", "\r\n\r\n"} {
		if _, rest, ok := bytes.Cut(bytes.TrimLeft(body, "\r\n"), []byte(gap)); ok {
			return decodeBase64(rest)
		}
	}
	return nil
}

// mime splits a text that looks like a multipart, with the boundary it shows.
func (a *alternatives) mime(p *Part, text []byte) {
	boundary := shownBoundary(text)
	if boundary == "" || strings.HasPrefix(p.MediaType, "message/") && len(p.Children) > 0 {
		return
	}
	head := "Content-Type: multipart/mixed; boundary=\"" + boundary + "\"\n\n"
	copied := append([]byte(head), text...)
	m := &Message{Raw: copied, budget: int64(len(text))}
	m.Root = &Part{source: copied, Embedded: true}
	m.parts = 1
	split(m, m.Root, MaxDepth/2)
	for leaf := range m.Leaves() {
		if leaf == m.Root {
			continue
		}
		data, _ := leaf.Decode(a.limit)
		a.add(Reading{How: "mime", Name: leaf.Filename, Type: leaf.MediaType, Data: data})
	}
}

// shownBoundary is what stands on the first line that looks like a boundary: two
// dashes, and a structural field on the next line.
func shownBoundary(text []byte) string {
	for at := 0; ; {
		if bytes.HasPrefix(text[at:], []byte("--")) {
			end, next := line(text, at)
			after, _ := line(text, next)
			l := bytes.TrimRight(text[at+2:end], " \t-")
			f := bytes.ToLower(text[next:min(after, next+8)])
			if len(l) > 0 && len(l) < 200 && bytes.IndexByte(l, '"') < 0 && string(f) == "content-" {
				return string(l)
			}
		}
		i := bytes.Index(text[at:], []byte("\n--"))
		if i < 0 {
			return ""
		}
		at += i + 1
	}
}

// magics are the kinds of file that are known by their first bytes.
var magics = []struct{ kind, bytes string }{
	{"zip", "PK\x03\x04"}, {"zip", "PK\x05\x06"}, {"pdf", "%PDF-"}, {"rar", "Rar!\x1a\x07"},
	{"7z", "7z\xbc\xaf\x27\x1c"}, {"gzip", "\x1f\x8b\x08"}, {"ole", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"},
	{"exe", "MZ"}, {"elf", "\x7fELF"}, {"png", "\x89PNG\r\n\x1a\n"}, {"jpeg", "\xff\xd8\xff"},
	{"gif", "GIF87a"}, {"gif", "GIF89a"}, {"rtf", "{\\rtf"}, {"bzip2", "BZh"}, {"xz", "\xfd7zXZ\x00"},
	{"tnef", "\x78\x9f\x3e\x22"}, {"cab", "MSCF"}, {"zstd", "\x28\xb5\x2f\xfd"},
	{"tiff", "II*\x00"}, {"tiff", "MM\x00*"}, {"lzh", "\x00-lh"},
}

// Magic names the kind of file b begins like: "zip", "pdf", "ole", ..., "".
func Magic(b []byte) string {
	for _, k := range magics {
		if len(b) > len(k.bytes) && string(b[:len(k.bytes)]) == k.bytes {
			return k.kind
		}
	}
	if len(b) > 7 && string(b[2:5]) == "-lh" && b[6] == '-' {
		return "lzh"
	}
	return ""
}
