package dlp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/text/encoding/japanese"

	"github.com/sekisho-mail/sekisho/submission/dlp/internal/index"
)

var testKey = []byte("a key of thirty-two bytes or more")

const customerList = `会員番号,氏名,電話,メール,住所
A-10234,榊原 隼人,090-8123-4567,hayato@kaiin.test,東京都港区芝1-2-3
A-10235,一ノ瀬 なつみ,0467-23-4567,natsumi@kaiin.test,神奈川県鎌倉市1-2
A-10236,Jonathan Fairweather,+81 80 7123 9999,jf@kaiin.test,
`

// scannerWith registers a list.
func scannerWith(t testing.TB, list []byte) *Scanner {
	t.Helper()
	b, _, err := IndexRows(list, nil, NewSeal("k1"), testKey)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := OpenRows(b, testKey)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{Data: []DataList{{Name: "customers", Rows: rows}}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// levels lists "level count" of one detector.
func levels(r *Report, detector string) string {
	var out []string
	for _, f := range r.Findings {
		if f.Detector == detector {
			out = append(out, fmt.Sprint(f.Level, " ", f.Count))
		}
	}
	return strings.Join(out, ", ")
}

func TestRowsOfARegisteredListAreFoundAgain(t *testing.T) {
	sjis, err := japanese.ShiftJIS.NewEncoder().String(customerList)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []struct{ name, list string }{
		{"UTF-8 with BOM", "\ufeff" + customerList}, {"Shift_JIS", sjis}, {"tabs", strings.ReplaceAll(customerList, ",", "\t")},
	} {
		s := scannerWith(t, []byte(file.list))
		for _, c := range []struct{ name, text, want string }{
			{"phone in another form", "電話は０９０ー８１２３ー４５６７です", "medium 1"},
			{"phone without its zero", "9081234567", "medium 1"},
			{"phone with country code", "call +81-90-8123-4567", "medium 1"},
			{"mail", "宛先 HAYATO@kaiin.test", "medium 1"},
			{"name alone", "榊 原　隼人さんが来ます", "low 1"},
			{"Latin name", "met Jonathan  Fairweather today", "low 1"},
			{"part of a Latin name", "Jonathan Fairweathers", ""},
			{"code", "会員番号 A10234", "low 1"},
			{"name and phone of one row", "榊原隼人 様　090-8123-4567", "high 1"},
			{"name and mail over lines", "榊原隼人\n様\nhayato@kaiin.test", "high 1"},
			{"name of one row, phone of another", "榊原隼人 0467-23-4567", "medium 1, low 1"},
			{"two rows", "榊原隼人 09081234567\n一ノ瀬なつみ 0467(23)4567", "high 2"},
			{"far apart", "榊原隼人" + strings.Repeat("。資料を送ります", 60) + "090-8123-4567", "medium 1"},
			{"nothing of it", "山田太郎 090-8123-4568 yamada@kaiin.test", ""},
		} {
			if got := levels(s.File(context.Background(), "a.txt", []byte(c.text)), "data.customers"); got != c.want {
				t.Errorf("%s, %s: %q, want %q", file.name, c.name, got, c.want)
			}
		}
	}
}

func TestAValueThatManyRowsShareOnlySupports(t *testing.T) {
	var list strings.Builder
	list.WriteString("氏名,電話\n")
	for i := range 200 {
		fmt.Fprintf(&list, "鈴木一郎,090-1000-%04d\n", i)
	}
	s := scannerWith(t, []byte(list.String()))
	for _, c := range []struct{ text, want string }{
		{"鈴木一郎と申します", ""},
		{"鈴木一郎 090-1000-0007", "high 1"},
		{"090-1000-0007", "medium 1"},
	} {
		if got := levels(s.File(context.Background(), "a.txt", []byte(c.text)), "data.customers"); got != c.want {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
}

func TestAnIndexHoldsNoneOfItsValuesAndOpensWithItsKeyOnly(t *testing.T) {
	b, report, err := IndexRows([]byte(customerList), []string{"氏名", "電話"}, NewSeal("k1"), testKey)
	if err != nil || report.Rows != 3 || len(report.Columns) != 2 {
		t.Fatalf("report = %+v, %v", report, err)
	}
	for _, v := range []string{"榊原", "Fairweather", "8123", "hayato"} {
		if strings.Contains(string(b), v) {
			t.Errorf("the index holds %q", v)
		}
	}
	if s, err := SealOf(b); err != nil || s.KeyID != "k1" {
		t.Errorf("seal = %+v, %v", s, err)
	}
	changed := []byte(string(b))
	changed[len(changed)/2] ^= 1
	for name, open := range map[string]func() (*Rows, error){
		"another key": func() (*Rows, error) { return OpenRows(b, []byte("another key")) },
		"changed":     func() (*Rows, error) { return OpenRows(changed, testKey) },
		"cut":         func() (*Rows, error) { return OpenRows(b[:len(b)-9], testKey) },
	} {
		if _, err := open(); !errors.Is(err, index.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := OpenDocuments(b, testKey); err == nil || errors.Is(err, index.ErrDamaged) {
		t.Errorf("opened as documents: %v", err)
	}
}

func TestListsThatCannotBeFoundAgainAreRefused(t *testing.T) {
	for _, c := range []struct{ list, columns, want string }{
		{"氏名,電話\n榊原 隼人,1\n", "住所", "氏名, 電話"},
		{"a,b\n1,2\n", "", "long enough"},
		{"", "", "header line"},
	} {
		var columns []string
		if c.columns != "" {
			columns = []string{c.columns}
		}
		if _, _, err := IndexRows([]byte(c.list), columns, NewSeal("k"), testKey); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.list, err, c.want)
		}
	}
}

// paragraphs are long enough texts that differ from each other.
func paragraphs(seed string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "第%d項　%s事業の第%d四半期における売上は前年の%d倍となり、重点地域%sでの契約件数も%d件に達した。来期は%sを中心に投資を続ける。\n",
			i, seed, i*7%4, i*13%9, strings.Repeat("甲乙丙丁"[i%4*3:i%4*3+3], 1+i%3), i*37, seed+fmt.Sprint(i*i))
	}
	return b.String()
}

func documentScanner(t testing.TB, documents map[string]string) *Scanner {
	t.Helper()
	plain, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	x := plain.IndexDocuments(NewSeal("k1"), testKey)
	for name, text := range documents {
		if n, err := x.Add(context.Background(), name, []byte(text)); err != nil || n == 0 {
			t.Fatalf("%s: %d fingerprints, %v", name, n, err)
		}
	}
	b, err := x.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "売上") {
		t.Error("the index holds text")
	}
	d, err := OpenDocuments(b, testKey)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{Documents: []DocumentSet{{Name: "board", Documents: d}}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPartsOfRegisteredDocumentsAreFoundAgain(t *testing.T) {
	plan, english := paragraphs("半導体", 40), ""
	for i := range 60 {
		english += fmt.Sprintf("Section %d. The licensee shall pay %d percent of the net sales of product family %d within %d days. ", i, i*3, i*i, 30+i)
	}
	s := documentScanner(t, map[string]string{"計画.txt": plan, "licence.txt": english})
	lines := strings.Split(plan, "\n")
	for _, c := range []struct{ name, text, want string }{
		{"the whole", plan, "high 1"},
		{"half of it in a mail", "お世話になっております。\n" + strings.Join(lines[10:30], "\n") + "\n以上です。", "high 1"},
		{"a few lines, other width and spaces", strings.ReplaceAll(strings.Join(lines[3:7], "\n"), "第", " 第　"), "medium 1"},
		{"wrapped anew", wrapEvery(strings.Join(lines[20:22], ""), 19), "medium 1"},
		{"one short phrase", "半導体事業の売上", ""},
		{"another document of the kind", strings.Repeat("農業部門の投資は前年を下回ったが、重点地域での契約は増え、来期の売上は回復する見込みである。", 20), ""},
		{"English in part", "see below\n> " + english[900:1700], "medium 1"},
		{"both", plan + english, "high 2"},
	} {
		if got := levels(s.File(context.Background(), "a.txt", []byte(c.text)), "document.board"); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	r := s.File(context.Background(), "計画の一部.txt", []byte(strings.Join(lines[:20], "\n")))
	m := r.Findings[0].Matches[0]
	if !strings.HasPrefix(m.Excerpt, "計画.txt: ") || !strings.Contains(m.Excerpt, "%") || m.Path != "計画の一部.txt" || m.End <= m.Start {
		t.Errorf("match = %+v", m)
	}
}

func wrapEvery(s string, n int) string {
	var b strings.Builder
	for i, r := range []rune(s) {
		if i > 0 && i%n == 0 {
			b.WriteString("\r\n")
		}
		b.WriteRune(r)
	}
	return b.String()
}

func TestAPassageAsLongAsGramAndWindowIsAlwaysFound(t *testing.T) {
	plan := paragraphs("半導体", 12)
	s := documentScanner(t, map[string]string{"計画.txt": plan})
	runes := []rune(plan)
	for from := 0; from+70 < len(runes); from += 13 {
		text := "前文です" + string(runes[from:from+70])
		if levels(s.File(context.Background(), "a.txt", []byte(text)), "document.board") == "" {
			t.Fatalf("characters %d to %d are not found", from, from+70)
		}
	}
}

func FuzzOpenIndex(f *testing.F) {
	rows, _, err := IndexRows([]byte(customerList), nil, NewSeal("k1"), testKey)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(rows[:300])
	f.Add([]byte("sekisho-index-2\nr"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := OpenRows(b, testKey); err == nil {
			t.Fatalf("opened %d rows that nobody sealed", r.Len())
		}
		OpenDocuments(b, testKey)
	})
}

func FuzzIndexRows(f *testing.F) {
	f.Add([]byte(customerList))
	f.Add([]byte("a\tb\n\"x\ny\t090-1234-5678\n"))
	f.Fuzz(func(t *testing.T, list []byte) {
		b, _, err := IndexRows(list, nil, Seal{KeyID: "k1"}, testKey) // no fresh salt: the same input, the same way
		if err != nil {
			return
		}
		if _, err := OpenRows(b, testKey); err != nil {
			t.Fatalf("made and not opened: %v", err)
		}
	})
}

// TestAShortListHasAShortIndex: what opening one costs goes with its length.
func TestAShortListHasAShortIndex(t *testing.T) {
	b, _, err := IndexRows([]byte(customerList), nil, NewSeal("k1"), testKey)
	if err != nil || len(b) > 48<<10 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	older := append([]byte("sekisho-index-1\n"), b[16:]...)
	if _, err := OpenRows(older, testKey); err == nil || !strings.Contains(err.Error(), "make it again") {
		t.Errorf("an index of the older form: %v", err)
	}
}

func BenchmarkMillionRows(b *testing.B) {
	var list strings.Builder
	list.WriteString("番号,氏名,電話\n")
	for i := range 1_000_000 {
		fmt.Fprintf(&list, "M%07d,%s%s,090%08d\n", i, string(rune(0x4e00+i%5000)), string([]rune{rune(0x5000 + i/5000%200), rune(0x6000 + i%97)}), i*37%100000000)
	}
	s := scannerWith(b, []byte(list.String()))
	text := []byte(strings.Repeat("お世話になっております。山田商事の佐藤です。090-1234-5678 の件、資料をお送りいたします。Please see M1234567.\n", 4000))
	b.SetBytes(int64(len(text)))
	b.ResetTimer()
	for b.Loop() {
		s.File(context.Background(), "a.txt", text)
	}
}
