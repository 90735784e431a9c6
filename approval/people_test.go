package approval

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

const companyYAML = `people:
  - {address: alice@corp.example, aliases: [a.sato@corp.example], name: 佐藤 花子, department: 営業部,
     manager: manager@corp.example, groups: [sales], language: ja}
  - {address: bob@corp.example, name: Bob Stone, manager: manager@corp.example, groups: [sales, legal], language: en}
  - address: manager@corp.example
    name: 田中 一郎
    manager: director@corp.example
    groups: [managers]
    deputies:
      - {address: deputy@corp.example, from: 2026-12-01, until: 2026-12-05}
      - bob@corp.example
  - {address: deputy@corp.example, name: 鈴木 次郎, manager: director@corp.example}
  - {address: director@corp.example, name: 高橋 三郎}
  - {address: admin@corp.example, name: 管理 太郎, groups: [sekisho-admins]}
  - {address: robot@corp.example, send_as: ["*"]}
  - {address: news@corp.example, send_as: ["*@news.example", info@shop.example]}
shared_addresses:
  - {address: sales@corp.example, members: [alice@corp.example, bob@corp.example]}
`

func company(t testing.TB) *Book {
	t.Helper()
	book, problems := ParsePeople("people.yaml", []byte(companyYAML))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return book
}

func person(t testing.TB, b *Book, address mailaddr.Address) *Person {
	t.Helper()
	p, ok := b.ByAddress(address)
	if !ok {
		t.Fatalf("nobody is %s", address)
	}
	return p
}

func TestAnAliasIsThePerson(t *testing.T) {
	b := company(t)
	if p, ok := b.ByAddress("A.Sato@CORP.example"); !ok || p.Address != "alice@corp.example" {
		t.Errorf("alias in other case finds %v", p)
	}
	if _, ok := b.ByAddress("sales@corp.example"); ok {
		t.Error("a shared address is taken for a person")
	}
}

func TestWhoMaySendAs(t *testing.T) {
	b := company(t)
	tests := []struct {
		person, from mailaddr.Address
		want         bool
	}{
		{"alice@corp.example", "alice@corp.example", true},
		{"alice@corp.example", "Alice@Corp.Example", true},
		{"alice@corp.example", "a.sato@corp.example", true},
		{"alice@corp.example", "sales@corp.example", true},
		{"manager@corp.example", "sales@corp.example", false},
		{"alice@corp.example", "bob@corp.example", false},
		{"alice@corp.example", "", false},
		{"robot@corp.example", "anybody@else.example", true},
		{"news@corp.example", "today@news.example", true},
		{"news@corp.example", "today@news.example.evil.example", false},
		{"news@corp.example", "today@sub.news.example", false},
		{"news@corp.example", "info@shop.example", true},
	}
	for _, tt := range tests {
		if got := b.MaySendAs(person(t, b, tt.person), tt.from); got != tt.want {
			t.Errorf("%s as %q: %v", tt.person, tt.from, got)
		}
	}
	if b.MaySendAs(nil, "alice@corp.example") {
		t.Error("nobody may send as alice")
	}
}

func TestChainEndsWhereItBegan(t *testing.T) {
	b, problems := ParsePeople("p.yaml", []byte(`people:
  - {address: a@x.example, manager: b@x.example}
  - {address: b@x.example, manager: c@x.example}
  - {address: c@x.example, manager: b@x.example}
`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var got []string
	for _, p := range b.Chain(person(t, b, "a@x.example")) {
		got = append(got, p.Address.Local())
	}
	if !slices.Equal(got, []string{"b", "c"}) {
		t.Errorf("chain %v", got)
	}
}

func TestDeputyDatesAreDaysOfTheOrganization(t *testing.T) {
	c := tokyo(t)
	d := person(t, company(t), "manager@corp.example").Deputies[0]
	for when, want := range map[string]bool{
		"2026-11-30 23:59": false, "2026-12-01 00:00": true, "2026-12-05 23:59": true, "2026-12-06 00:00": false,
	} {
		if got := d.OnDuty(at(t, c, when)); got != want {
			t.Errorf("%s: on duty %v", when, got)
		}
	}
}

func TestEveryMistakeHasItsLine(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"p.yaml", "people:\n  - {address: a@x.example, manger: b@x.example}\n", []string{`line 2: unknown key "manger"`}},
		{"p.yaml", "people:\n  - {address: a@x.example}\n  - {address: A@x.example}\n", []string{"line 3: address A@x.example already stands on line 2"}},
		{"p.yaml", "people:\n  - {address: a@x.example, manager: a@x.example, language: fr}\n  - {address: nonsense}\n",
			[]string{"line 2: language", "line 2: a@x.example is named as their own manager", "line 3: address \"nonsense\""}},
		{"p.yaml", "people:\n  - {address: a@x.example, deputies: [{address: b@x.example, from: 2026-12-05, until: 2026-12-01}]}\n",
			[]string{"line 2: deputy b@x.example: until 2026-12-01 lies before"}},
		{"p.yaml", "people: []\nshared_addresses:\n  - {address: s@x.example, members: [ghost@x.example]}\n", []string{"line 3: member ghost@x.example"}},
		{"p.csv", "address,manger\na@x.example,\n", []string{`line 1: column "manger" is unknown`}},
		{"p.csv", "name\nA\n", []string{"line 1: there is no column address"}},
		{"p.csv", "address,manager\na@x.example,b@x.example\n\nc@x.example,,extra\n",
			[]string{"line 2: manager b@x.example", "line 4: more cells"}},
		{"p.csv", "address,name\na@x.example,\"open\n", []string{"line 2: extraneous or missing"}},
		{"p.csv", "\x82\xff\xfe", []string{"neither UTF-8 nor Shift_JIS"}},
		{"p.csv", "", []string{"line 1: the first line must name the columns"}},
	}
	for _, tt := range tests {
		book, problems := ParsePeople(tt.name, []byte(tt.text))
		if book != nil {
			t.Errorf("%q gives a book", tt.text)
		}
		var got []string
		for _, p := range problems {
			got = append(got, p.String())
		}
		all := strings.Join(got, "\n")
		for _, w := range tt.want {
			if !strings.Contains(all, w) {
				t.Errorf("%q:\n got %s\nwant %s", tt.text, all, w)
			}
		}
	}
}

const companyCSV = "メールアドレス,氏名,部署,上長,別名,グループ,代理,言語,メンバー\r\n" +
	"alice@corp.example,髙橋 花子,営業①課,boss@corp.example,\"a@corp.example;b@corp.example\",営業;全社,,ja,\r\n" +
	"boss@corp.example,田中,,,,,alice@corp.example 2026/12/1～2026/12/5,,\r\n" +
	"sales@corp.example,,,,,,,,alice@corp.example boss@corp.example\r\n,,,,,,,,\r\n"

func TestCSVAsExcelWritesIt(t *testing.T) {
	sjis, err := japanese.ShiftJIS.NewEncoder().Bytes([]byte(companyCSV))
	if err != nil {
		t.Fatal(err)
	}
	utf16, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().Bytes([]byte(strings.ReplaceAll(companyCSV, ",", "\t")))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"UTF-8": []byte(companyCSV), "UTF-8 with BOM": []byte("\ufeff" + companyCSV), "Shift_JIS": sjis, "UTF-16": utf16,
	} {
		t.Run(name, func(t *testing.T) {
			b, problems := ParsePeople("People.CSV", text)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			p := person(t, b, "b@corp.example")
			if p.Name != "髙橋 花子" || p.Department != "営業①課" || !p.InGroup("全社") || len(b.Group("営業")) != 1 {
				t.Errorf("alice is %+v", p)
			}
			boss, ok := b.Manager(p)
			if !ok || len(boss.Deputies) != 1 || boss.Deputies[0].Until != time.Date(2026, 12, 5, 0, 0, 0, 0, time.UTC) {
				t.Errorf("manager is %+v", boss)
			}
			if members, ok := b.Members("sales@corp.example"); !ok || len(members) != 2 {
				t.Errorf("members of sales: %v", members)
			}
		})
	}
}

func TestRosterTakesOverAGoodFileAndKeepsTheLastGoodOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "people.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("people: [{address: a@x.example}]\n")
	r, err := OpenRoster(path, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	bad := make(chan error, 4)
	done := make(chan error, 1)
	go func() {
		done <- r.run(ctx, 5*time.Millisecond, func(_ context.Context, err error) { bad <- err })
	}()
	write("people: [{address: a@x.example}, {address: b@x.example}]\n")
	for deadline := time.Now().Add(10 * time.Second); len(r.Book().People()) != 2; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the new file was not read")
		}
	}
	write("people: [{address: a@x.example, manager: ghost@x.example}]\n")
	select {
	case err := <-bad:
		if !strings.Contains(err.Error(), "ghost@x.example") {
			t.Errorf("told: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("nobody was told of the mistake")
	}
	if len(r.Book().People()) != 2 {
		t.Error("a file with mistakes was taken over")
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func FuzzPeopleCSV(f *testing.F) {
	f.Add([]byte(companyCSV))
	f.Add([]byte("address;manager\na@x.example;\n"))
	f.Add([]byte("\xff\xfea\x00"))
	f.Add([]byte("address\n\"\"\"\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		book, problems := ParsePeople("p.csv", text)
		if (book == nil) != (len(problems) > 0) {
			t.Fatalf("book %v with problems %v", book, problems)
		}
		for _, p := range book.People() {
			if found, ok := book.ByAddress(p.Address); !ok || found != p {
				t.Fatalf("%s is in the book and not found", p.Address)
			}
		}
		lines := bytes.Count(text, []byte("\n")) + bytes.Count(text, []byte("\r")) + 2
		for _, p := range problems {
			if p.Line < 0 || p.Line > lines {
				t.Fatalf("line %d of %d: %s", p.Line, lines, p.Text)
			}
		}
	})
}
