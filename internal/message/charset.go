package message

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gogs/chardet"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// decoder turns bytes into UTF-8. It never fails: what it cannot read becomes
// U+FFFD.
type decoder func([]byte) string

// family names the charsets that have a decoder of their own here. Labels that
// mail software in Japan writes and no registry knows stand here too.
func family(label string) string {
	l := strings.ToLower(strings.Trim(label, " \t\"'"))
	l = strings.ReplaceAll(strings.ReplaceAll(l, "_", "-"), " ", "")
	switch l {
	case "":
		return ""
	case "us-ascii", "ascii", "ansi-x3.4-1968", "iso646-us", "646", "us":
		return "us-ascii"
	case "utf-8", "utf8", "unicode-1-1-utf-8", "cp65001", "x-utf-8", "utf-8-mac":
		return "utf-8"
	case "utf-7", "unicode-1-1-utf-7", "x-unicode-2-0-utf-7", "csutf7", "utf7":
		return "utf-7"
	case "shift-jis", "shiftjis", "x-sjis", "sjis", "x-shift-jis", "windows-31j", "cswindows31j", "cp932",
		"ms932", "x-ms932", "x-ms-cp932", "windows-932", "ms-kanji", "csshiftjis", "mskanji", "ibm943", "cp943", "sjis-win", "shift-jisx0213", "shift-jis-2004":
		return "shift_jis"
	case "euc-jp", "eucjp", "x-euc-jp", "x-eucjp", "x-euc", "eucjp-ms", "euc-jp-ms", "eucjp-win", "cp51932", "cp20932",
		"ujis", "cseucpkdfmtjapanese", "euc-jisx0213", "euc-jis-2004":
		return "euc-jp"
	case "jis", "jis7", "csiso2022jp", "cp50220", "cp50221", "cp50222", "x-windows-iso2022jp", "x-windows-50220", "x-windows-50221", "junet":
		return "iso-2022-jp"
	case "utf-16", "utf16", "unicode", "ucs-2", "iso-10646-ucs-2":
		return "utf-16"
	case "utf-32", "utf32", "ucs-4":
		return "utf-32"
	}
	if strings.HasPrefix(l, "iso-2022-jp") || strings.HasPrefix(l, "iso2022jp") || strings.HasPrefix(l, "iso2022-jp") {
		return "iso-2022-jp"
	}
	return l
}

// lookup finds the decoder of a family, nil where nobody knows it.
func lookup(name string) decoder {
	switch name {
	case "us-ascii", "utf-8":
		return decodeUTF8
	case "utf-7":
		return decodeUTF7
	case "iso-2022-jp":
		return decodeJIS
	case "shift_jis":
		return with(japanese.ShiftJIS)
	case "euc-jp":
		return with(japanese.EUCJP)
	case "utf-16", "utf-16be":
		return with(unicode.UTF16(unicode.BigEndian, unicode.UseBOM))
	case "utf-16le":
		return with(unicode.UTF16(unicode.LittleEndian, unicode.UseBOM))
	case "utf-32", "utf-32be":
		return with(utf32.UTF32(utf32.BigEndian, utf32.UseBOM))
	case "utf-32le":
		return with(utf32.UTF32(utf32.LittleEndian, utf32.UseBOM))
	case "gb18030", "gb-18030", "gbk", "cp936", "ms936", "windows-936", "gb2312", "euc-cn", "x-gbk":
		return with(simplifiedchinese.GB18030)
	case "hz-gb-2312", "hz":
		return with(simplifiedchinese.HZGB2312)
	case "big5", "cp950", "big5-hkscs", "x-big5", "cn-big5", "ms950":
		return with(traditionalchinese.Big5)
	case "euc-kr", "ks-c-5601-1987", "ks-c-5601", "cp949", "uhc", "windows-949", "ms949", "ksc5601":
		return with(korean.EUCKR)
	case "":
		return nil
	}
	// Browsers show one mark of replacement for ISO-2022-KR and -CN, mail programs the text.
	if e, err := htmlindex.Get(name); err == nil && e != encoding.Replacement {
		return with(e)
	}
	if e, err := ianaindex.MIME.Encoding(name); err == nil && e != nil {
		return with(e)
	}
	return nil
}

func with(e encoding.Encoding) decoder {
	return func(b []byte) string {
		out, err := e.NewDecoder().Bytes(b)
		if err != nil {
			return string(out) + replacement
		}
		return strings.ToValidUTF8(string(out), replacement)
	}
}

const replacement = "\uFFFD"

func decodeUTF8(b []byte) string {
	return strings.ToValidUTF8(string(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))), replacement)
}

// DecodeText decodes b in every plausible charset, the labelled one first when
// it fits: valid UTF-8, best first, without duplicates, at least one.
func DecodeText(b []byte, label string) []string {
	name := family(label)
	plain := ascii(b)
	if plain && bytes.IndexByte(b, 0x1b) < 0 && bytes.IndexByte(b, 0) < 0 && asciiFamily(name) {
		return []string{string(b)}
	}
	r := readings{raw: b}
	if bytes.Contains(b, []byte("\x1b$")) && asciiFamily(name) {
		r.consider("iso-2022-jp") // JIS under any label: what else would write this
	}
	r.consider(name)
	if bytes.IndexByte(b, 0x1b) >= 0 || bytes.IndexByte(b, 0x0e) >= 0 {
		r.consider("iso-2022-jp")
	}
	if name == "" || len(r.good) == 0 || plain {
		r.unicode()
	}
	if !plain {
		r.eightBit(name)
	}
	return r.list()
}

// asciiFamily says whether bytes below 0x80 mean ASCII in that charset.
func asciiFamily(name string) bool {
	switch name {
	case "utf-7", "utf-16", "utf-16le", "utf-16be", "utf-32", "utf-32le", "utf-32be", "hz-gb-2312", "hz":
		return false
	}
	return !strings.HasPrefix(name, "ibm") && !strings.HasPrefix(name, "cp0") && !strings.HasPrefix(name, "iso-2022-")
}

// readings collects decodings, the clean ones apart from those with holes.
type readings struct {
	raw   []byte
	tried []string
	good  []string
	holed []string
}

func (r *readings) consider(name string) {
	if name == "" || slices.Contains(r.tried, name) {
		return
	}
	r.tried = append(r.tried, name)
	decode := lookup(name)
	if decode == nil {
		return
	}
	text := decode(r.raw)
	if strings.Contains(text, replacement) || name == "us-ascii" && !ascii(r.raw) {
		if !slices.Contains(r.holed, text) {
			r.holed = append(r.holed, text)
		}
		return
	}
	r.add(text)
}

func (r *readings) add(text string) {
	if !slices.Contains(r.good, text) {
		r.good = append(r.good, text)
	}
}

// unicode looks for UTF-16 by its byte order mark or its NULs.
func (r *readings) unicode() {
	b := r.raw
	switch {
	case bytes.HasPrefix(b, []byte("\xff\xfe")), bytes.HasPrefix(b, []byte("\xfe\xff")):
		r.consider("utf-16")
	case len(b) >= 4 && b[0] == 0 && b[1] != 0:
		r.consider("utf-16be")
	case len(b) >= 4 && b[1] == 0 && b[0] != 0:
		r.consider("utf-16le")
	}
}

// eightBit tries what bytes above 0x7f may be. Labels lie: us-ascii over JIS,
// utf-8 over Shift_JIS, iso-8859-1 over UTF-8 are all usual.
func (r *readings) eightBit(name string) {
	if utf8.Valid(r.raw) {
		r.consider("utf-8")
		if name == "" || name == "us-ascii" || name == "utf-8" {
			return
		}
	}
	r.japanese(name)
	if len(r.good) > 0 && name != "" {
		return
	}
	for _, guess := range guess(r.raw) {
		r.consider(guess)
	}
}

// japanese tries the two 8-bit charsets of Japanese mail where the label does
// not already name one that fits.
func (r *readings) japanese(name string) {
	if len(r.good) > 0 && (name == "shift_jis" || name == "euc-jp" || name == "utf-8" || strings.HasPrefix(name, "utf-16")) {
		return
	}
	euc, sjis := lookup("euc-jp")(r.raw), lookup("shift_jis")(r.raw)
	// Text in EUC-JP often decodes as half-width kana in Shift_JIS; the reverse
	// leaves holes.
	if kanaShare(sjis) > 0.3 {
		r.offer("euc-jp", euc)
		r.offer("shift_jis", sjis)
		return
	}
	r.offer("shift_jis", sjis)
	r.offer("euc-jp", euc)
}

// offer takes a decoding unless it has holes where a clean one is known.
func (r *readings) offer(name, text string) {
	if slices.Contains(r.tried, name) {
		return
	}
	r.tried = append(r.tried, name)
	switch holes := strings.Count(text, replacement); {
	case holes == 0:
		r.add(text)
	case len(r.good) == 0 && holes*20 < utf8.RuneCountInString(text):
		r.holed = append(r.holed, text)
	}
}

// kanaShare is the part of half-width kana among the characters above ASCII.
func kanaShare(s string) float64 {
	kana, all := 0, 0
	for _, c := range s {
		if c >= 0x80 {
			all++
		}
		if c >= 0xff61 && c <= 0xff9f {
			kana++
		}
	}
	if all == 0 {
		return 0
	}
	return float64(kana) / float64(all)
}

// guessBytes is how much of a text the guesser sees: more does not help it.
const guessBytes = 4 << 10

func guess(b []byte) []string {
	found, err := chardet.NewTextDetector().DetectAll(b[:min(len(b), guessBytes)])
	if err != nil {
		return nil
	}
	var out []string
	for _, f := range found {
		if f.Confidence >= 30 && len(out) < 3 {
			out = append(out, family(f.Charset))
		}
	}
	return out
}

// list is the clean readings, then the holed ones, then, where there is none,
// the bytes as Latin text so that at least their ASCII is seen.
func (r *readings) list() []string {
	out := r.good
	for _, h := range r.holed {
		if !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	if len(out) == 0 {
		out = []string{decodeUTF8(r.raw)}
	}
	return out
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}
