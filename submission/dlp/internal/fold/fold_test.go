package fold

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestFoldNormalises(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain", "hello, world", "hello, world"},
		{"fullwidth digits", "１２３４－５６７８", "1234-5678"},
		{"hyphen U+2010", "12‐34", "12-34"},
		{"en dash and em dash", "12–34—56", "12-34-56"},
		{"minus sign", "12−34", "12-34"},
		{"long vowel mark between digits", "12ー34", "12-34"},
		{"half-width long vowel mark between digits", "12ｰ34", "12-34"},
		{"middle dot between digits", "12・34", "12-34"},
		{"long vowel mark in a word", "データ1ー", "データ1ー"},
		{"kanji one between digits is an OCR dash", "03一1234一5678", "03-1234-5678"},
		{"zero-width space", "98\u200b32", "9832"},
		{"soft hyphen", "pass\u00adport", "passport"},
		{"dash beside an invisible character", "12‐\u200b34", "12-34"},
		{"half-width katakana", "ﾏｲﾅﾝﾊﾞｰ", "マイナンバー"},
		{"circled secret", "㊙", "秘"},
		{"parenthesised kabu", "㈱", "(株)"},
		{"circled digits stay", "①②③④-⑤", "①②③④-⑤"},
		{"superscript stays", "10²", "10²"},
		{"telegraph day stays", "㏠", "㏠"},
		{"Arabic-Indic digits", "٠١٢٣٤٥٦٧٨٩", "0123456789"},
		{"Devanagari digits", "०१२९", "0129"},
		{"mathematical digits", "𝟎𝟗𝟘𝟡𝟶𝟿", "090909"},
		{"ideographic space", "山田　太郎", "山田 太郎"},
		{"no-break space", "a\u00a0b", "a b"},
		{"decomposed kana", "か\u3099", "が"},
		{"decomposed latin", "e\u0301", "é"},
		{"era ligature", "㋿7年", "令和7年"},
		{"line ends", "a\r\nb\rc\u2028d", "a\nb\nc\nd"},
		{"invalid bytes", "a\xffb", "a\uFFFDb"},
		{"ideographic variation", "葛\U000E0100城", "葛城"},
		{"kangxi radical", "⼈", "人"},
	} {
		if got := Fold(c.in).S; got != c.want {
			t.Errorf("%s: Fold(%q) = %q, want %q", c.name, c.in, got, c.want)
		}
	}
}

func TestFoldFindsKanjiRuns(t *testing.T) {
	f := Fold("個人番号は九八三二〇五六七三二一四です。第三条")
	if len(f.Kanji) != 1 {
		t.Fatalf("runs = %v, want one", f.Kanji)
	}
	if got := KanjiDigits(f.S[f.Kanji[0].Start:f.Kanji[0].End]); got != "983205673214" {
		t.Errorf("digits = %s", got)
	}
}

func TestOriginPointsBack(t *testing.T) {
	for _, c := range []struct{ in, find, want string }{
		{"番号：１２３４‐５６７８です", "1234-5678", "１２３４‐５６７８"},
		{"ﾏｲﾅﾝﾊﾞｰ 12", "マイナンバー", "ﾏｲﾅﾝﾊﾞｰ"},
		{"ab\r\ncd 98\u200b32 ef", "9832", "98\u200b32"},
		{"㈱山田", "山田", "山田"},
		{"㈱山田", "(株)", "㈱"},
		{"cafe\u0301 12", "12", "12"},
	} {
		f := Fold(c.in)
		i := strings.Index(f.S, c.find)
		if i < 0 {
			t.Fatalf("%q not in %q", c.find, f.S)
		}
		start, end := f.Origin(i, i+len(c.find))
		if got := c.in[start:end]; got != c.want {
			t.Errorf("%q in %q maps to %q, want %q", c.find, c.in, got, c.want)
		}
		if got := f.Folded(start); got != i {
			t.Errorf("Folded(%d) = %d, want %d", start, got, i)
		}
	}
}

func TestSqueezeJoinsSpacedCJK(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"個 人 番 号", "個人番号"},
		{"マイナ\r\nンバー", "マイナンバー"},
		{"個　人　番　号", "個人番号"},
		{"Credit Card", "credit card"},
		{"氏名\t住所", "氏名\t住所"},
		{"終わり。\n\n始め", "終わり。\n\n始め"},
	} {
		f := Fold(c.in)
		q := f.Squeeze()
		if string(q.B) != c.want {
			t.Errorf("Squeeze(%q) = %q, want %q", c.in, q.B, c.want)
		}
		if start, end := q.Origin(0, len(q.B)); start != 0 || end != len(f.S) {
			t.Errorf("Origin of all of %q = %d..%d, want 0..%d", c.in, start, end, len(f.S))
		}
	}
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{"１２‐３４", "か\u3099ﾊﾞ", "a\xff\r\n一二三四", "e\u0301\u0301\u0301", "個 人\n番 号"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		folded := Fold(s)
		if !utf8.ValidString(folded.S) {
			t.Fatalf("invalid UTF-8 from %q", s)
		}
		last := 0
		for i := 0; i < len(folded.S); i++ {
			start, end := folded.Origin(i, i+1)
			if start < last || end < start || end > len(s) {
				t.Fatalf("byte %d of %q maps to %d..%d after %d", i, folded.S, start, end, last)
			}
			last = start
		}
		q := folded.Squeeze()
		for i := range q.B {
			if start, end := q.Origin(i, i+1); start < 0 || end > len(folded.S) {
				t.Fatalf("squeezed byte %d of %q maps to %d..%d", i, q.B, start, end)
			}
		}
	})
}

func BenchmarkFold(b *testing.B) {
	for _, c := range []struct{ name, text string }{
		{"ascii", strings.Repeat("Please find the minutes of our meeting attached, 03-1234-5678.\r\n", 2000)},
		{"japanese", strings.Repeat("お世話になっております。株式会社山田商事の佐藤です。ﾃﾞｰﾀは１２３です。\r\n", 2000)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.text)))
			for b.Loop() {
				Fold(c.text).Squeeze()
			}
		})
	}
}

// TestEmptyLinesAreSqueezedOnce: a megabyte of line ends took minutes when each
// looked at all that follow.
func TestEmptyLinesAreSqueezedOnce(t *testing.T) {
	text := strings.Repeat("\n", 1<<20)
	done := make(chan int, 1)
	go func() { done <- len(Fold(text).Squeeze().B) }()
	select {
	case n := <-done:
		if n != len(text) {
			t.Errorf("%d bytes of %d", n, len(text))
		}
	case <-time.After(time.Minute):
		t.Fatal("a megabyte of empty lines takes more than a minute")
	}
	for in, want := range map[string]string{"個\n人": "個人", "個\n\n人": "個\n\n人", "個 \n 人": "個人", "個\n \n\n人": "個\n \n\n人", "a\nb": "a\nb"} {
		if got := string(Fold(in).Squeeze().B); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}
