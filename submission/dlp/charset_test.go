package dlp

import (
	"encoding/base64"
	"testing"
)

// What the encoders of the standard tables cannot write and mail programs do:
// the NEC and IBM characters, half-width kana in three forms, bytes of one charset
// under the label of another. 個人番号 is 8D ?M HV 9f in JIS.
const (
	jisLabel  = "\x1b$B8D?MHV9f\x1b(B "
	sjisLabel = "\x8c\xc2\x90l\x94\xd4\x8d\x86 "
	eucLabel  = "\xb8\xc4\xbf\xcd\xc8\xd6\xb9\xe6 "
)

func TestVendorCharactersReachTheDetectors(t *testing.T) {
	s := scanner(t, Options{})
	for _, c := range []struct{ name, label, body string }{
		{"JIS with ① and ㈱ of NEC", "iso-2022-jp", "\x1b$B-!-j\x1b(B" + jisLabel + number},
		{"JIS with 髙 of IBM", "cp50220", "\x1b$B|b;3\x1b(B" + jisLabel + number},
		{"JIS with kana by escape", "cp50221", "\x1b(I:<^\x1b(B" + jisLabel + number},
		{"JIS with kana by shift", "iso-2022-jp", "\x0e:<^\x0f" + jisLabel + number},
		{"JIS with 8-bit kana", "iso-2022-jp", "\xba\xbc\xde" + jisLabel + number},
		{"JIS of 1978", "iso-2022-jp", "\x1b$@8D?MHV9f\x1b(J " + number},
		{"JIS by another escape", "iso-2022-jp-3", "\x1b$(B8D?MHV9f\x1b(B " + number},
		{"JIS that never returns to ASCII", "iso-2022-jp", "\x1b$B8D?MHV9f\r\n" + number},
		{"JIS without a label", "", jisLabel + number},
		{"JIS called us-ascii", "us-ascii", jisLabel + number},
		{"JIS called utf-8", "utf-8", jisLabel + number},
		{"JIS called iso-8859-1", "iso-8859-1", jisLabel + number},
		{"Shift_JIS with ①㈱", "windows-31j", "\x87\x40\x87\x8a" + sjisLabel + number},
		{"Shift_JIS with 髙 and kana", "shift_jis", "\xfb\xfc\xb6\xc5" + sjisLabel + number},
		{"Shift_JIS called utf-8", "utf-8", sjisLabel + number},
		{"Shift_JIS called iso-2022-jp", "iso-2022-jp", sjisLabel + number},
		{"Shift_JIS called windows-1252", "windows-1252", sjisLabel + number},
		{"Shift_JIS by a name nobody knows", "x-our-own", sjisLabel + number},
		{"EUC-JP with ①", "eucjp-ms", "\xad\xa1" + eucLabel + number},
		{"EUC-JP with 補助漢字 and kana", "euc-jp", "\x8f\xb0\xa1\x8e\xb6" + eucLabel + number},
		{"EUC-JP called shift_jis", "shift_jis", eucLabel + number},
		{"EUC-JP without a label", "", "\xa4\xaa\xc0\xa4\xcf\xc3 " + eucLabel + number},
		{"UTF-8 with a mark", "utf-8", "\xef\xbb\xbf個人番号 " + number},
		{"UTF-8 called shift_jis", "shift_jis", "個人番号 " + number},
		{"UTF-8 called iso-8859-1", "iso-8859-1", "個人番号 " + number},
		{"UTF-8 called gb2312", "gb2312", "個人番号 " + number},
		{"UTF-16 without a mark", "utf-16le", "\x0bP\xbaN\x6au\xf7S \x009\x008\x003\x002\x000\x005\x006\x007\x003\x002\x001\x004\x00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := "From: a@corp.test\r\nTo: b@other.test\r\nMIME-Version: 1.0\r\nContent-Type: text/plain"
			if c.label != "" {
				raw += "; charset=" + c.label
			}
			raw += "\r\nContent-Transfer-Encoding: base64\r\n\r\n" + wrap(base64.StdEncoding.EncodeToString([]byte(c.body)))
			f, ok := finding(scanMail(t, s, raw), "jp.my_number")
			if !ok || f.Level != High {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestSubjectsOfEveryKindReachTheDetectors(t *testing.T) {
	s := scanner(t, Options{})
	word := func(label, text string) string {
		return "=?" + label + "?B?" + base64.StdEncoding.EncodeToString([]byte(text)) + "?="
	}
	for name, subject := range map[string]string{
		"iso-2022-jp":                   word("ISO-2022-JP", jisLabel+number),
		"JIS called us-ascii":           word("us-ascii", jisLabel+number),
		"raw JIS":                       jisLabel + number,
		"raw Shift_JIS":                 sjisLabel + number,
		"raw EUC-JP":                    eucLabel + number,
		"raw UTF-8":                     "個人番号 " + number,
		"words cut inside a character":  word("ISO-2022-JP", "\x1b$B8D?MH") + "\r\n " + word("ISO-2022-JP", "V9f\x1b(B "+number),
		"UTF-8 words cut in characters": word("utf-8", "個人番号"[:10]) + " " + word("utf-8", "個人番号"[10:]+" "+number),
		"with a language":               "=?utf-8*ja?Q?=E5=80=8B=E4=BA=BA=E7=95=AA=E5=8F=B7_" + number + "?=",
	} {
		r := scanMail(t, s, "From: a@corp.test\r\nTo: b@other.test\r\nSubject: "+subject+"\r\n\r\nx")
		if f, ok := finding(r, "jp.my_number"); !ok || f.Level != High || f.Matches[0].Path != "Subject" {
			t.Errorf("%s: %+v", name, r.Findings)
		}
	}
}
