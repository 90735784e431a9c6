package message

import (
	"bytes"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/unicode/norm"
)

// EncodeText writes text in the charset of that label, for those who add words
// to a part of somebody else. Characters the charset lacks become their nearest
// form; missing lists those that have none, as they stand in the text, and each
// of them became substitute(r). ok is false where nobody may write that charset.
func EncodeText(text, label string, substitute func(rune) string) (b []byte, missing []rune, ok bool) {
	name := family(label)
	var out bytes.Buffer
	switch name {
	case "utf-8":
		return []byte(text), nil, true
	case "", "us-ascii":
		for _, r := range text {
			writeFallback(&out, r, substitute, &missing, func(s string) []byte {
				if !ascii([]byte(s)) {
					return nil
				}
				return []byte(s)
			})
		}
		return out.Bytes(), missing, true
	}
	e := writable(name)
	if e == nil {
		return nil, nil, false
	}
	// Whole text first: ISO-2022-JP writes an escape at every change of set.
	fitted := fit(text, name, e, substitute, &missing)
	b, err := e.NewEncoder().Bytes([]byte(fitted))
	return b, missing, err == nil
}

// fit replaces what the charset lacks.
func fit(text, name string, e encoding.Encoding, substitute func(rune) string, missing *[]rune) string {
	var out bytes.Buffer
	enc := e.NewEncoder()
	known := map[rune]string{}
	for _, r := range text {
		s, seen := known[r]
		if !seen {
			var one bytes.Buffer
			before := len(*missing)
			writeFallback(&one, r, substitute, missing, func(s string) []byte {
				if name == "iso-2022-jp" && strings.IndexFunc(s, halfwidthKana) >= 0 {
					return nil // RFC 1468 has none
				}
				if b, err := enc.Bytes([]byte(s)); err != nil || bytes.IndexByte(b, 0x1a) >= 0 {
					return nil
				}
				return []byte(s)
			})
			if s = one.String(); len(*missing) == before {
				known[r] = s
			}
		}
		out.WriteString(s)
	}
	return out.String()
}

func halfwidthKana(r rune) bool { return r >= 0xff61 && r <= 0xff9f }

// nearest are the characters that Unicode and the tables of Windows disagree on,
// and the punctuation of word processors.
var nearest = map[rune]string{
	'\u301c': "\uff5e", '\u2212': "\uff0d", '\u2014': "\u2015", '\u2016': "\u2225", '\u00a0': " ",
	'\u2018': "'", '\u2019': "'", '\u201c': `"`, '\u201d': `"`, '\u2013': "-", '\u2022': "\u30fb",
	'\uff5e': "~", '\u2026': "...", '\u30fb': "-",
}

// writeFallback writes r, or its nearest form, or its substitute.
func writeFallback(out *bytes.Buffer, r rune, substitute func(rune) string, missing *[]rune, try func(string) []byte) {
	for _, s := range []string{string(r), nearest[r], norm.NFKC.String(string(r))} {
		if s == "" {
			continue
		}
		if b := try(s); b != nil {
			out.Write(b)
			return
		}
	}
	*missing = append(*missing, r)
	out.WriteString(substitute(r))
}

// writable are the charsets that may be written: those that keep their state
// within the text and that readers decode as we do.
func writable(name string) encoding.Encoding {
	switch name {
	case "iso-2022-jp":
		return japanese.ISO2022JP
	case "shift_jis":
		return japanese.ShiftJIS
	case "euc-jp":
		return japanese.EUCJP
	case "euc-kr", "ks-c-5601-1987", "cp949":
		return korean.EUCKR
	case "gb18030":
		return simplifiedchinese.GB18030
	case "gb2312", "gbk", "euc-cn", "cp936":
		return simplifiedchinese.GBK
	case "big5", "cp950":
		return traditionalchinese.Big5
	case "utf-16le":
		return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	case "utf-16be":
		return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	case "utf-7", "utf-16", "utf-32", "hz-gb-2312", "hz":
		return nil
	}
	if strings.HasPrefix(name, "iso-8859-") || strings.HasPrefix(name, "windows-") || strings.HasPrefix(name, "koi8-") || name == "tis-620" {
		if e, err := htmlindex.Get(name); err == nil {
			return e
		}
	}
	return nil
}

// Family is the canonical name of the charset that a label means: "utf-8",
// "iso-2022-jp", "shift_jis", "euc-jp", ...; "" for no label, the label itself in
// lower case where it has no alias.
func Family(label string) string { return family(label) }
