package message

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
)

const sample = "請求書を送ります。個人番号 ①㈱ テスト"

func encoded(t *testing.T, e encoding.Encoding, s string) []byte {
	t.Helper()
	b, err := e.NewEncoder().Bytes([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type charsetCase struct {
	label string
	bytes []byte
	want  string
}

// Every label of Japanese mail, and mail whose label is absent or lies.
func TestEveryCharsetReachesTheDetector(t *testing.T) {
	jis := encoded(t, japanese.ISO2022JP, sample)
	sjis := encoded(t, japanese.ShiftJIS, sample)
	euc := encoded(t, japanese.EUCJP, sample)
	cases := []charsetCase{
		{"gb18030", encoded(t, simplifiedchinese.GB18030, "个人信息请查收"), "个人信息请查收"},
		{"Big5", encoded(t, traditionalchinese.Big5, "個人資料請查收"), "個人資料請查收"},
		{"EUC-KR", encoded(t, korean.EUCKR, "개인정보를 확인"), "개인정보를 확인"},
		{"utf-7", []byte("+istsQmb4- 1 +- 1"), "請求書 1 + 1"},
		{"utf-16", encoded(t, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), sample), sample},
		{"utf-16", encoded(t, unicode.UTF16(unicode.BigEndian, unicode.UseBOM), sample), sample},
		{"", encoded(t, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), sample), sample},
		{"iso-2022-jp", []byte("\x1b(I\x43\x3d\x44\x1b(B"), "ﾃｽﾄ"},
		{"cp50221", []byte("\xc3\xbd\xc4"), "ﾃｽﾄ"},
		{"cp50222", []byte("\x0e\x43\x3d\x44\x0f ok"), "ﾃｽﾄ ok"},
		{"iso-2022-jp-2", []byte("\x1b$A8vHK\x1b(B \x1b$(C0322\x1b(B"), "个人"},
		{"iso-2022-jp-1", []byte("\x1b$(D0!\x1b(B"), "丂"},
	}
	for _, l := range []string{"iso-2022-jp", "ISO-2022-JP", "cp50220", "cp50221", "iso-2022-jp-ms", "iso-2022-jp-1", "iso-2022-jp-2", "iso-2022-jp-3", "csISO2022JP", "", "us-ascii", "utf-8", "iso-8859-1"} {
		cases = append(cases, charsetCase{l, jis, sample})
	}
	for _, l := range []string{"shift_jis", "x-sjis", "sjis", "windows-31j", "cp932", "ms932", "", "utf-8", "us-ascii", "iso-8859-1", "nobody-knows"} {
		cases = append(cases, charsetCase{l, sjis, sample})
	}
	for _, l := range []string{"euc-jp", "eucJP-ms", "x-euc-jp", "", "us-ascii", "utf-8"} {
		cases = append(cases, charsetCase{l, euc, sample})
	}
	for _, l := range []string{"utf-8", "UTF8", "", "us-ascii", "iso-8859-1", "iso-2022-jp", "shift_jis", "nobody-knows"} {
		cases = append(cases, charsetCase{l, []byte(sample), sample})
	}
	for _, c := range cases {
		texts := DecodeText(c.bytes, c.label)
		if !slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(s, c.want) }) {
			t.Errorf("label %q: %q, want %q", c.label, texts, c.want)
		}
		for i, s := range texts {
			if slices.Contains(texts[:i], s) {
				t.Errorf("label %q: a reading twice", c.label)
			}
		}
	}
}

func TestLabelThatFitsComesFirst(t *testing.T) {
	for label, e := range map[string]encoding.Encoding{
		"iso-2022-jp": japanese.ISO2022JP, "shift_jis": japanese.ShiftJIS, "euc-jp": japanese.EUCJP, "utf-8": encoding.Nop,
	} {
		if got := DecodeText(encoded(t, e, sample), label)[0]; got != sample {
			t.Errorf("%s: %q", label, got)
		}
	}
	if got := DecodeText(encoded(t, japanese.ISO2022JP, sample), "us-ascii")[0]; got != sample {
		t.Errorf("JIS under us-ascii: %q", got)
	}
	if got := DecodeText([]byte("just ASCII"), "iso-2022-jp"); !slices.Equal(got, []string{"just ASCII"}) {
		t.Errorf("ASCII: %q", got)
	}
}

func TestHeaderWords(t *testing.T) {
	for name, c := range map[string]struct{ raw, want string }{
		"UTF-8 in Q":            {"=?utf-8?q?Caf=C3=A9_x?= !", "Café x !"},
		"two words, one space":  {"=?utf-8?b?5L2Q6Jek?= =?utf-8?b?6Iqx5a2Q?=", "佐藤花子"},
		"cut inside UTF-8":      {"=?utf-8?b?5L2Q6A==?=\r\n =?utf-8?b?l6Q=?=", "佐藤"},
		"cut inside JIS":        {"=?iso-2022-jp?B?GyRCOjRGIw==?= =?iso-2022-jp?B?MlYbKEI=?=", "佐藤花"},
		"each with its escapes": {"=?ISO-2022-JP?B?GyRCOjRGIxsoQg==?=\n =?ISO-2022-JP?B?GyRCMlY7UhsoQg==?=", "佐藤花子"},
		"text between":          {"=?utf-8?b?5L2Q6Jek?= and =?utf-8?b?6Iqx5a2Q?=", "佐藤 and 花子"},
		"raw JIS":               {"\x1b$B:4F#\x1b(B", "佐藤"},
		"raw UTF-8":             {"佐藤", "佐藤"},
		"raw Shift_JIS":         {"\x8d\xb2\x93\xa1\x82\xcd\x82\xa2", "佐藤はい"},
		"us-ascii over JIS":     {"=?us-ascii?B?GyRCOjRGIxsoQg==?=", "佐藤"},
		"no padding":            {"=?utf-8?b?5L2Q6JekQQ?=", "佐藤A"},
		"with a language":       {"=?utf-8*ja?b?5L2Q6Jek?=", "佐藤"},
		"half-width kana":       {"=?iso-2022-jp?B?GyhJQz1EGyhC?=", "ﾃｽﾄ"},
		"no word at all":        {"=?utf-8?x?abc?= =? ?=", "=?utf-8?x?abc?= =? ?="},
		"unknown charset":       {"=?x-nobody?q?abc?=", "abc"},
	} {
		if got := DecodeHeader(c.raw); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestEncodeTextWritesWhatDecodeTextReads(t *testing.T) {
	for _, label := range []string{"iso-2022-jp", "shift_jis", "cp932", "euc-jp", "utf-8", "gb18030"} {
		b, missing, ok := EncodeText(sample, label, func(rune) string { return "?" })
		if !ok || len(missing) > 0 || DecodeText(b, label)[0] != sample {
			t.Errorf("%s: %v %q %q", label, ok, missing, DecodeText(b, label))
		}
	}
	b, missing, ok := EncodeText("〜𠮷é", "iso-2022-jp", func(rune) string { return "〓" })
	if got := DecodeText(b, "iso-2022-jp")[0]; !ok || got != "～〓〓" || string(missing) != "𠮷é" {
		t.Errorf("%v %q missing %q", ok, got, string(missing))
	}
	if _, _, ok := EncodeText("x", "utf-7", nil); ok {
		t.Error("utf-7 was written")
	}
}

// A label that browsers refuse to decode hides nothing: mail programs show such a text.
func TestALabelThatBrowsersRefuseHidesNothing(t *testing.T) {
	for _, label := range []string{"iso-2022-kr", "ISO-2022-CN", "iso-2022-cn-ext", "csiso2022kr", "hz-gb-2312", "replacement"} {
		if got := DecodeText([]byte("card 4111 1111 1111 1111"), label); !slices.Contains(got, "card 4111 1111 1111 1111") {
			t.Errorf("%s: %q", label, got)
		}
	}
}
