package linkify

import (
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/internal/seal"
)

func TestTokenIsTheSameForEverAndNobodyElses(t *testing.T) {
	l := &Links{o: Options{Keys: seal.NewTest()}, keys: seal.NewTest().Portal()}
	seen := map[string]string{}
	for _, link := range []string{"a", "b", "a1"} {
		for generation := range int64(3) {
			first, err := l.token(l.o.Keys.CurrentID(), link, generation)
			if err != nil || len(first) != tokenLen {
				t.Fatalf("token %q, %v", first, err)
			}
			if again, _ := l.token(l.o.Keys.CurrentID(), link, generation); again != first {
				t.Fatal("rebuilt token differs")
			}
			if other, twice := seen[first]; twice {
				t.Fatalf("links %s and %s share a token", other, link)
			}
			seen[first] = link
		}
	}
	if _, err := l.token("otherkey", "a", 1); err == nil {
		t.Fatal("a key that is not there made a token")
	}
}

func TestPreviewTokenHasTheLengthButNotTheFormOfAToken(t *testing.T) {
	if len(previewToken) != tokenLen || !strings.ContainsRune(previewToken, '.') {
		t.Fatalf("preview token has %d characters", len(previewToken))
	}
}

func TestTicketHoldsForOneLinkSessionFileAndTime(t *testing.T) {
	l := &Links{o: Options{Keys: seal.NewTest()}, keys: seal.NewTest().Portal()}
	now := start(t)
	good := l.ticket(taking, "link", "session", "file", now.Add(time.Hour))
	if !l.checkTicket(taking, good, "link", "session", "file", now) {
		t.Fatal("a good ticket is refused")
	}
	for name, ok := range map[string]bool{
		"other link":    l.checkTicket(taking, good, "link2", "session", "file", now),
		"other session": l.checkTicket(taking, good, "link", "session2", "file", now),
		"other file":    l.checkTicket(taking, good, "link", "session", "file2", now),
		"late":          l.checkTicket(taking, good, "link", "session", "file", now.Add(time.Hour+time.Second)),
		"other keys":    (&Links{o: Options{Keys: seal.NewTest()}, keys: seal.NewTest().Portal()}).checkTicket(taking, good, "link", "session", "file", now),
		"empty":         l.checkTicket(taking, "", "link", "session", "file", now),
		"longer":        l.checkTicket(taking, good+"A", "link", "session", "file", now),
	} {
		if ok {
			t.Errorf("%s: ticket passes", name)
		}
	}
	for i := range good {
		changed := []byte(good)
		changed[i] ^= 1
		if l.checkTicket(taking, string(changed), "link", "session", "file", now) {
			t.Fatalf("ticket with character %d changed passes", i)
		}
	}
}

func FuzzTicket(f *testing.F) {
	l := &Links{o: Options{Keys: seal.NewTest()}, keys: seal.NewTest().Portal()}
	now := time.Unix(1_800_000_000, 0)
	f.Add(l.ticket(taking, "link", "session", "other", now.Add(time.Hour)))
	f.Add("")
	f.Fuzz(func(t *testing.T, ticket string) {
		if l.checkTicket(taking, ticket, "link", "session", "file", now) {
			t.Fatalf("made-up ticket %q passes", ticket)
		}
	})
}

func TestCodesAreTakenAsPeopleTypeThem(t *testing.T) {
	for typed, want := range map[string]string{
		"1234 5678": "12345678", " 12345678\n": "12345678", "１２３４　５６７８": "12345678", "1234-5678": "12345678",
		"1234－5678": "12345678", "1234ー5678": "12345678", "": "", strings.Repeat("1", 101): "",
	} {
		if got := cleanCode(typed); got != want {
			t.Errorf("%q is taken as %q, want %q", typed, got, want)
		}
	}
	for range 1000 {
		if c := newCode(); len(c) != codeDigits || strings.Trim(c, "0123456789") != "" {
			t.Fatalf("code %q", c)
		}
	}
}

func TestBrowserSecretsOfAnotherFormAreNone(t *testing.T) {
	one, another := NewBrowser(), NewBrowser()
	if browserHash(one) == "" || one == another {
		t.Fatal("NewBrowser makes no good secrets")
	}
	for _, s := range []string{"", "x", strings.Repeat("A", 42), strings.Repeat("A", 44), strings.Repeat("!", 43), strings.Repeat("A", 42) + "B"} {
		if browserHash(s) != "" {
			t.Errorf("%q is taken for a browser", s)
		}
	}
}

func TestColleaguesShareABusinessDomain(t *testing.T) {
	l := &Links{free: freeSet([]string{".Freebie.example"})}
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"bob@other.example", "carol@other.example", true},
		{"bob@other.example", "carol@OTHER.example", true},
		{"bob@日本.example", "carol@xn--wgv71a.example", true},
		{"bob@other.example", "carol@sub.other.example", false},
		{"bob@sub.other.example", "carol@other.example", false},
		{"bob@other.example", "carol@another.example", false},
		{"bob@gmail.com", "carol@gmail.com", false},
		{"bob@docomo.ne.jp", "carol@docomo.ne.jp", false},
		{"bob@abc.ocn.ne.jp", "carol@abc.ocn.ne.jp", false},
		{"bob@freebie.example", "carol@freebie.example", false},
		{"bob@[192.0.2.1]", "carol@[192.0.2.1]", false},
		{"bob@localhost", "carol@localhost", false},
	} {
		if got := l.colleagues(mailaddr.MustParse(c.a), mailaddr.MustParse(c.b)); got != c.want {
			t.Errorf("%s and %s: %v, want %v", c.a, c.b, got, c.want)
		}
	}
}

func TestMaskTellsLittle(t *testing.T) {
	for a, want := range map[mailaddr.Address]string{
		"bob@other.example": "b•••@other.example", "robert.long.name@other.example": "r•••@other.example",
		"ab@other.example": "•••@other.example", "山田太郎@other.example": "山•••@other.example",
	} {
		if got := mask(a); got != want {
			t.Errorf("mask(%s) = %s, want %s", a, got, want)
		}
	}
}

func TestNetworks(t *testing.T) {
	for a, want := range map[string]string{
		"198.51.100.7": "198.51.100.7", "::ffff:198.51.100.7": "198.51.100.7",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64", "": "unknown", "x": "unknown",
	} {
		if got := network(a); got != want {
			t.Errorf("network(%s) = %s, want %s", a, got, want)
		}
	}
}
