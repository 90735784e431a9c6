package approval

import (
	"mime"
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/internal/db"
)

func TestPlacesReadLikeASentence(t *testing.T) {
	const code = "content:jp.my_number"
	r := Reason{Code: code, JA: "個人番号 2 件", EN: "My Number: 2 found"}
	cell := func(sheet, cell string) Place {
		return Place{Code: code, Part: PlaceFile, File: "名簿.xlsx", Sheet: sheet, Cell: cell}
	}
	more := func(p Place) Place {
		p.More = true
		return p
	}
	for _, c := range []struct {
		places []Place
		ja, en string
	}{
		{nil, "個人番号 2 件", "My Number: 2 found"},
		{[]Place{{Code: "content:jp.phone", Part: PlaceBody}}, "個人番号 2 件", "My Number: 2 found"},
		{[]Place{more(cell("会員", "C12"))}, "個人番号 2 件（名簿.xlsx 会員シート C12 ほか）", "My Number: 2 found (名簿.xlsx sheet 会員 C12 and elsewhere)"},
		{[]Place{cell("会員", "C12"), cell("会員", "C13"), cell("退会", "A1")},
			"個人番号 2 件（名簿.xlsx 会員シート C12・C13、名簿.xlsx 退会シート A1）", "My Number: 2 found (名簿.xlsx sheet 会員 C12, C13; 名簿.xlsx sheet 退会 A1)"},
		{[]Place{{Code: code, Part: PlaceHeader, File: "Subject"}, {Code: code, Part: PlaceBody}}, "個人番号 2 件（件名、本文）", "My Number: 2 found (the subject; the text)"},
		{[]Place{{Code: code, Part: PlaceHeader, File: "Comments"}}, "個人番号 2 件（ヘッダー Comments）", "My Number: 2 found (the field Comments)"},
		{[]Place{{Code: code, Part: PlaceFile, Outer: "data.zip", File: "a.pdf", Page: "3"}, {Code: code, Part: PlaceFile, Outer: "data.zip", File: "a.pdf", Page: "5"}},
			"個人番号 2 件（data.zip › a.pdf 3ページ・5ページ）", "My Number: 2 found (data.zip › a.pdf page 3, page 5)"},
		{[]Place{{Code: code, Part: PlaceFile, File: "a.txt"}, {Code: code, Part: PlaceFile, File: "a.txt"}}, "個人番号 2 件（a.txt）", "My Number: 2 found (a.txt)"},
	} {
		if got := r.line(c.places, langJA); got != c.ja {
			t.Errorf("%s, want %s", got, c.ja)
		}
		if got := r.line(c.places, langEN); got != c.en {
			t.Errorf("%s, want %s", got, c.en)
		}
	}
}

// Names of files and sheets are the sender's words: they may hold the very number that was found, and anything else.
func TestPlacesAreMaskedAndStayOneLine(t *testing.T) {
	p := Place{Code: "c", Part: PlaceFile, Outer: "a\r\nBcc: x.zip", File: "番号 1234-5678-9018.xlsx", Sheet: strings.Repeat("長", 200) + "\u202e", Cell: "A1"}
	got := Reason{Code: "c", JA: "理由", EN: "why"}.line([]Place{p}, langJA)
	if strings.ContainsAny(got, "\r\n\u202e") || strings.Contains(got, "9018") || len([]rune(got)) > 150 {
		t.Error(got)
	}
}

// Whoever is asked, and the sender, read the places beside the reason they belong to.
func TestQuestionsNameThePlace(t *testing.T) {
	h := newHouse(t, db.SQLite)
	s := plain("b@other.example", "c@third.example")
	s.plans[0].Places = []Place{{Code: "content:jp.my_number", Part: PlaceFile, File: "名簿.xlsx", Sheet: "会員", Cell: "C12", More: true}}
	h.submit(s)
	want := "・個人番号と思われる番号が2件あります（名簿.xlsx 会員シート C12 ほか）\n"
	for kind, who := range map[string]string{"question": "manager", "held": "alice"} {
		raw := h.gets(kind, who)
		if text := textOf(t, raw); strings.Count(text, want) != 1 {
			t.Errorf("%s:\n%s", kind, text)
		}
		m, _ := parseMail(t, raw)
		if subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil || strings.Contains(subject, "会員") {
			t.Errorf("%s: subject %q, %v", kind, subject, err)
		}
	}
}
