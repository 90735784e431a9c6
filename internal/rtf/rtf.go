// Package rtf reads Rich Text, in documents and in the bodies of Outlook's mails. It knows nothing of mail, rules or
// files; work is linear in the input and memory a small multiple of it.
package rtf

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sekisho-mail/sekisho/internal/message"
)

// Reasons why some of the text is not seen, in Document.Hidden.
const (
	HiddenText      = "hidden_text"
	WhiteText       = "white_text"
	TinyText        = "tiny_text"
	TrackedDeletion = "tracked_deletion"
	Comment         = "comment"
)

// tinyPoints is the size below which nobody reads letters.
const tinyPoints = 4

// Document is what a Rich Text holds.
type Document struct {
	Text    string   // in its code pages, \u characters, hidden text included
	Hidden  []string // each reason once
	Objects [][]byte // files embedded in it
}

// Read reads all of a document. over, if it is not nil, is asked now and then and ends the reading by its error.
func Read(b []byte, over func() error) (Document, error) {
	r := newReader(b)
	for n := 0; r.step(); n++ {
		if n%8192 == 0 && over != nil {
			if err := over(); err != nil {
				return Document{}, err
			}
		}
	}
	r.flush()
	d := Document{Text: r.out.String(), Hidden: r.hidden}
	for _, object := range r.objects {
		d.Objects = append(d.Objects, embeddedObject(object))
	}
	return d, nil
}

// Shown is the text of a document as its reader sees it: no hidden text, nothing of destinations that programs need
// not know, and of HTML that was wrapped into Rich Text (MS-OXRTFEX) what stands between its tags.
func Shown(b []byte) string {
	r := newReader(b)
	r.shown = true
	for r.step() {
	}
	r.flush()
	return r.out.String()
}

func newReader(b []byte) *reader {
	return &reader{s: b, state: state{page: "windows-1252", skip: 1}, fonts: map[int]string{}}
}

// state is what a group inherits and restores.
type state struct {
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
	// wrapping: what stands here repeats HTML for programs that read Rich Text alone.
	wrapping bool
}

// maxGroups bounds the nesting of groups.
const maxGroups = 512

type reader struct {
	s       []byte
	at      int
	state   state
	stack   []state
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
	colors  []color
	high    rune // first half of a surrogate pair
	shown   bool // only what a person sees
}

// step reads one group mark, control word or byte.
func (r *reader) step() bool {
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

func (r *reader) closeGroup() {
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

func (r *reader) char(c byte) {
	switch {
	case r.pending > 0:
		r.pending--
	case r.state.object:
		if len(r.data) < 64<<20 {
			r.data = append(r.data, c)
		}
	case r.shown && r.unseen():
	case !r.state.silent:
		r.bytes = append(r.bytes, c)
		if c > ' ' {
			r.look()
		}
	case r.state.colors && c == ';':
		r.colors = append(r.colors, color{-1, -1, -1})
	}
}

// color is red, green, blue; -1 is the default colour.
type color [3]int

func (c color) white() bool { return c[0] >= 0xf8 && c[1] >= 0xf8 && c[2] >= 0xf8 }

func (r *reader) unseen() bool {
	return r.state.gone || r.state.how != "" || r.state.wrapping
}

// look notes why the next character is not seen.
func (r *reader) look() {
	switch {
	case r.state.gone:
		r.hidden = once(r.hidden, HiddenText)
	case r.state.how != "":
		r.hidden = once(r.hidden, r.state.how)
	case r.state.tiny:
		r.hidden = once(r.hidden, TinyText)
	case r.state.white && !r.state.ground:
		r.hidden = once(r.hidden, WhiteText)
	}
}

// color reads \red, \green, \blue of the table, and which entry letters take.
func (r *reader) colour(word string, n int) {
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
func (r *reader) flush() {
	if len(r.bytes) > 0 {
		r.out.WriteString(message.DecodeText(r.bytes, r.state.page)[0])
		r.bytes = r.bytes[:0]
	}
}

// control reads what follows a backslash.
func (r *reader) control() {
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
	r.first, r.star = false, false
}

func (r *reader) symbol(c byte) {
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
var silent = map[string]bool{"stylesheet": true, "pict": true, "generator": true, "listtable": true, "listoverridetable": true,
	"rsidtbl": true, "themedata": true, "colorschememapping": true, "latentstyles": true, "datastore": true, "xmlnstbl": true, "mmathPr": true,
	"objclass": true, "blipuid": true, "bkmkstart": true, "bkmkend": true, "fldtype": true, "pgdsctbl": true, "revtbl": true}

func (r *reader) word(word string, n int, has bool) {
	if r.shown && r.star {
		r.flush()
		r.state.silent = true
	}
	switch word {
	case "htmlrtf":
		r.flush()
		r.state.wrapping = !has || n != 0
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
		r.state.page = CodePage(n)
	case "plain":
		r.state.gone, r.state.tiny, r.state.white = false, false, false
	case "fs":
		r.state.tiny = has && n < 2*tinyPoints
	case "deleted":
		r.state.how = ""
		if !has || n != 0 {
			r.state.how = TrackedDeletion
		}
	case "annotation":
		r.state.how = Comment
	case "colortbl":
		r.flush()
		r.state.silent, r.state.colors = true, true
		r.colors = []color{{-1, -1, -1}}
	case "red", "green", "blue", "cf", "highlight", "cb", "chcbpat", "clcbpat", "cbpat":
		r.colour(word, n)
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
		if silent[word] {
			r.flush()
			r.state.silent = true
		}
	}
}

func (r *reader) setFont(word string, n int) {
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
func (r *reader) unicode(n int) {
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
	if utf8.ValidRune(c) && !(r.shown && r.unseen()) {
		r.out.WriteRune(c)
		r.look()
	}
}

// CodePage is the label of a Windows code page.
func CodePage(n int) string {
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
		if isHex(c) {
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

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'F' || c >= 'a' && c <= 'f'
}

func once(list []string, word string) []string {
	if slices.Contains(list, word) {
		return list
	}
	return append(list, word)
}
