package carrier

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"
)

// rtf reads Rich Text: text in its code pages, \u characters, hidden text, and
// the files embedded as objects.
func (w *Walk) rtf(f file) error {
	r := &rtfReader{s: f.body, state: rtfState{page: "windows-1252", skip: 1}}
	r.fonts = map[int]string{}
	for n := 0; r.step(); n++ {
		if n%8192 == 0 {
			if err := w.over(); err != nil {
				return err
			}
		}
	}
	r.flush()
	w.text(Text{Text: detect.Text{Body: r.out.String(), Title: f.name}, Where: Attachment, Path: f.path, First: true})
	for _, how := range r.hidden {
		w.out.Form(FormHidden, Attachment, f.path, how)
	}
	for i, object := range r.objects {
		if b := embeddedObject(object); len(b) > 0 {
			w.file(f.in("object"+strconv.Itoa(i+1), b))
		}
	}
	return nil
}

// rtfState is what a group inherits and restores.
type rtfState struct {
	page   string // code page of the bytes
	skip   int    // characters after \u that repeat it for old readers
	silent bool   // a destination that is no text
	fonts  bool   // in the font table
	object bool   // in \objdata
	gone   bool   // \v
	how    string // deletion, comment
	tiny   bool
	white  bool // letters
	ground bool // behind them is some colour
	colors bool // in the colour table
}

// maxGroups bounds the nesting of groups.
const maxGroups = 512

type rtfReader struct {
	s       []byte
	at      int
	state   rtfState
	stack   []rtfState
	fonts   map[int]string
	font    int
	out     strings.Builder
	bytes   []byte // undecoded run in state.page
	pending int    // characters still to skip after \u
	first   bool   // just after {
	star    bool
	data    []byte
	objects [][]byte
	hidden  []string
	colors  []rtfColor
	high    rune // first half of a surrogate pair
}

// step reads one group mark, control word or byte.
func (r *rtfReader) step() bool {
	if r.at >= len(r.s) {
		return false
	}
	c := r.s[r.at]
	r.at++
	switch c {
	case '{':
		r.flush()
		if len(r.stack) < maxGroups {
			r.stack = append(r.stack, r.state)
		}
		r.first = true
		return true
	case '}':
		r.closeGroup()
	case '\\':
		r.control()
		return true
	case '\r', '\n':
	default:
		r.char(c)
	}
	r.first, r.star = false, false
	return true
}

func (r *rtfReader) closeGroup() {
	r.flush()
	if r.state.object && len(r.data) > 0 {
		r.objects = append(r.objects, r.data)
		r.data = nil
	}
	if n := len(r.stack); n > 0 {
		r.state = r.stack[n-1]
		r.stack = r.stack[:n-1]
	}
	r.pending = 0
}

func (r *rtfReader) char(c byte) {
	switch {
	case r.pending > 0:
		r.pending--
	case r.state.object:
		if len(r.data) < 64<<20 {
			r.data = append(r.data, c)
		}
	case !r.state.silent:
		r.bytes = append(r.bytes, c)
		if c > ' ' {
			r.look()
		}
	case r.state.colors && c == ';':
		r.colors = append(r.colors, rtfColor{-1, -1, -1})
	}
}

// rtfColor is red, green, blue; -1 is the default colour.
type rtfColor [3]int

func (c rtfColor) white() bool { return c[0] >= 0xf8 && c[1] >= 0xf8 && c[2] >= 0xf8 }

// look notes why the next character is not seen.
func (r *rtfReader) look() {
	switch {
	case r.state.gone:
		r.hidden = once(r.hidden, hiddenText)
	case r.state.how != "":
		r.hidden = once(r.hidden, r.state.how)
	case r.state.tiny:
		r.hidden = once(r.hidden, tinyText)
	case r.state.white && !r.state.ground:
		r.hidden = once(r.hidden, whiteText)
	}
}

// color reads \red, \green, \blue of the table, and which entry letters take.
func (r *rtfReader) color(word string, n int) {
	if r.state.colors {
		if i := slices.Index([]string{"red", "green", "blue"}, word); i >= 0 && len(r.colors) > 0 {
			r.colors[len(r.colors)-1][i] = n
		}
		return
	}
	known := n > 0 && n < len(r.colors)
	switch word {
	case "cf":
		r.state.white = known && r.colors[n].white()
	case "highlight", "cb", "chcbpat", "clcbpat", "cbpat":
		r.state.ground = known && !r.colors[n].white()
	}
}

// flush decodes the collected bytes in the current code page.
func (r *rtfReader) flush() {
	if len(r.bytes) > 0 {
		r.out.WriteString(message.DecodeText(r.bytes, r.state.page)[0])
		r.bytes = r.bytes[:0]
	}
}

// control reads what follows a backslash.
func (r *rtfReader) control() {
	if r.at >= len(r.s) {
		return
	}
	c := r.s[r.at]
	if c < 'a' || c > 'z' {
		if c < 'A' || c > 'Z' {
			r.at++
			r.symbol(c)
			return
		}
	}
	start := r.at
	for r.at < len(r.s) && (r.s[r.at] >= 'a' && r.s[r.at] <= 'z' || r.s[r.at] >= 'A' && r.s[r.at] <= 'Z') {
		r.at++
	}
	word := string(r.s[start:r.at])
	start = r.at
	if r.at < len(r.s) && r.s[r.at] == '-' {
		r.at++
	}
	for r.at < len(r.s) && r.s[r.at] >= '0' && r.s[r.at] <= '9' {
		r.at++
	}
	n, err := strconv.Atoi(string(r.s[start:r.at]))
	if r.at < len(r.s) && r.s[r.at] == ' ' {
		r.at++
	}
	r.word(word, n, err == nil)
	r.first = false
}

func (r *rtfReader) symbol(c byte) {
	switch c {
	case '\'':
		if r.at+2 <= len(r.s) {
			b, err := hex.DecodeString(string(r.s[r.at : r.at+2]))
			r.at += 2
			if err == nil {
				r.char(b[0])
			}
		}
	case '*':
		r.star = true
		return
	case '~':
		r.char(' ')
	case '_':
		r.char('-')
	case '-':
	case '\\', '{', '}':
		r.char(c)
	case '\r', '\n':
		r.char('\n')
	}
	r.first = false
}

// destinations that hold no text a person reads.
var rtfSilent = map[string]bool{"stylesheet": true, "pict": true, "generator": true, "listtable": true, "listoverridetable": true,
	"rsidtbl": true, "themedata": true, "colorschememapping": true, "latentstyles": true, "datastore": true, "xmlnstbl": true, "mmathPr": true,
	"objclass": true, "blipuid": true, "bkmkstart": true, "bkmkend": true, "fldtype": true, "pgdsctbl": true, "revtbl": true}

func (r *rtfReader) word(word string, n int, has bool) {
	switch word {
	case "par", "line", "sect", "page", "row", "pard":
		if word != "pard" {
			r.char('\n')
		}
	case "tab", "cell":
		r.char('\t')
	case "emdash", "endash":
		r.char('-')
	case "u":
		r.unicode(n)
	case "uc":
		r.state.skip = max(0, min(n, 16))
	case "ansicpg":
		r.flush()
		r.state.page = codePage(n)
	case "plain":
		r.state.gone, r.state.tiny, r.state.white = false, false, false
	case "fs":
		r.state.tiny = has && n < 2*tinyPoints
	case "deleted":
		r.state.how = ""
		if !has || n != 0 {
			r.state.how = trackedDeletion
		}
	case "annotation":
		r.state.how = aComment
	case "colortbl":
		r.flush()
		r.state.silent, r.state.colors = true, true
		r.colors = []rtfColor{{-1, -1, -1}}
	case "red", "green", "blue", "cf", "highlight", "cb", "chcbpat", "clcbpat", "cbpat":
		r.color(word, n)
	case "v":
		r.state.gone = !has || n != 0
	case "bin":
		r.at = min(len(r.s), r.at+max(0, n))
	case "deff", "f":
		r.setFont(word, n)
	case "fcharset":
		if r.state.fonts {
			r.fonts[r.font] = fontCharset(n)
		}
	case "fonttbl":
		r.flush()
		r.state.fonts, r.state.silent = true, true
	case "objdata":
		r.flush()
		r.state.object, r.state.silent = true, true
	default:
		if rtfSilent[word] {
			r.flush()
			r.state.silent = true
		}
	}
}

func (r *rtfReader) setFont(word string, n int) {
	if word == "deff" {
		return
	}
	if r.state.fonts {
		r.font = n
		return
	}
	if page := r.fonts[n]; page != "" && page != r.state.page {
		r.flush()
		r.state.page = page
	}
}

// unicode writes a \u character, which may be half of a pair.
func (r *rtfReader) unicode(n int) {
	r.flush()
	r.pending = r.state.skip
	c := rune(n)
	if c < 0 {
		c += 65536
	}
	if r.state.silent {
		return
	}
	switch {
	case c >= 0xD800 && c < 0xDC00:
		r.high = c
		return
	case c >= 0xDC00 && c < 0xE000 && r.high != 0:
		c = (r.high-0xD800)<<10 + (c - 0xDC00) + 0x10000
	}
	r.high = 0
	if utf8.ValidRune(c) {
		r.out.WriteRune(c)
		r.look()
	}
}

func codePage(n int) string {
	switch n {
	case 932:
		return "shift_jis"
	case 936:
		return "gb18030"
	case 949:
		return "euc-kr"
	case 950:
		return "big5"
	case 65001:
		return "utf-8"
	case 437, 850, 0:
		return "windows-1252"
	}
	return "windows-" + strconv.Itoa(n)
}

// fontCharset maps the Windows charset of a font to a code page; "" keeps the
// document's.
func fontCharset(n int) string {
	switch n {
	case 128:
		return "shift_jis"
	case 129:
		return "euc-kr"
	case 134:
		return "gb18030"
	case 136:
		return "big5"
	case 161:
		return "windows-1253"
	case 162:
		return "windows-1254"
	case 177:
		return "windows-1255"
	case 178:
		return "windows-1256"
	case 204:
		return "windows-1251"
	case 238:
		return "windows-1250"
	case 0:
		return "windows-1252"
	}
	return ""
}

// embeddedObject decodes the hex of \objdata and finds the file inside its OLE 1
// wrapping.
func embeddedObject(data []byte) []byte {
	clean := make([]byte, 0, len(data))
	for _, c := range data {
		if hexValue(c) >= 0 {
			clean = append(clean, c)
		}
	}
	b := make([]byte, len(clean)/2)
	n, err := hex.Decode(b, clean[:len(clean)/2*2])
	if err != nil {
		return nil
	}
	b = b[:n]
	for _, magic := range []string{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "PK\x03\x04", "%PDF-", "{\\rtf"} {
		if i := strings.Index(string(b[:min(len(b), 4096)]), magic); i >= 0 {
			return b[i:]
		}
	}
	return b
}
