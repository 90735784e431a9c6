package mailaddr

import (
	"strings"
	"testing"
)

func TestParseKeepsGoodMailboxes(t *testing.T) {
	for in, want := range map[string]string{
		"alice@corp.example":         "alice@corp.example",
		"Alice.Sato@Corp.EXAMPLE":    "Alice.Sato@corp.example",
		`"a b"@corp.example`:         `"a b"@corp.example`,
		"a+tag@sub.corp.example":     "a+tag@sub.corp.example",
		"鈴木@会社.example":              "鈴木@会社.example",
		"x@[192.0.2.1]":              "x@[192.0.2.1]",
		"x@[IPv6:2001:db8::1]":       "x@[ipv6:2001:db8::1]",
		"a..b.@keitai.example":       "a..b.@keitai.example",
		"o'brien@corp.example":       "o'brien@corp.example",
		"under@my_host.corp.example": "under@my_host.corp.example",
	} {
		got, err := Parse(in, true)
		if err != nil || string(got) != want {
			t.Errorf("Parse(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestParseRefusesWhatTwoServersReadDifferently(t *testing.T) {
	for _, in := range []string{
		"", "@", "a", "a@", "@b.example", "a b@c.example", "a@b c.example", "a@b..example", "a@-b.example",
		`"victim@evil> NOTIFY=NEVER"@inside.example`, "\"a\nb\"@c.example", `"open@c.example`, `"a\> NOTIFY=NEVER"@c.example`, `"a\"@c.example`,
		"a<b@c.example", "a@b.example>", "a@b.example NOTIFY=NEVER",
		"a\x00@c.example", "a@[300.1.1.1]", "a@[192.0.2.1", "a@[fe80::1%eth0]", "a\u200b@c.example", "a@\u200b.example",
		strings.Repeat("x", 65) + "@c.example", "a@" + strings.Repeat("x", 64) + ".example", "a@b@c,example",
		"\xff@c.example",
	} {
		if got, err := Parse(in, true); err == nil {
			t.Errorf("Parse(%q) = %q, want an error", in, got)
		}
	}
	if _, err := Parse("鈴木@corp.example", false); err != ErrNotASCII {
		t.Errorf("UTF-8 without SMTPUTF8: %v", err)
	}
}

func TestKeyFoldsCaseAndDomainForm(t *testing.T) {
	if a, b := MustParse("Alice@日本.example").Key(), MustParse("alice@xn--wgv71a.example").Key(); a != b {
		t.Errorf("%q and %q are one person", a, b)
	}
	if Address("").Key() != "" {
		t.Error("the null address has no key")
	}
}

func TestInDomains(t *testing.T) {
	a := MustParse("x@Sub.Corp.example")
	for _, c := range []struct {
		list []string
		want bool
	}{
		{[]string{"corp.example"}, false},
		{[]string{".corp.example"}, true},
		{[]string{"SUB.corp.EXAMPLE"}, true},
		{[]string{"notcorp.example", ".p.example"}, false},
		{nil, false},
	} {
		if got := InDomains(a, c.list); got != c.want {
			t.Errorf("InDomains(%v) = %v", c.list, got)
		}
	}
	if InDomains("x@evilcorp.example", []string{".corp.example"}) {
		t.Error("evilcorp.example is no subdomain of corp.example")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"a@b.example", `"q q"@b.example`, "鈴木@会社.example", "x@[IPv6:::1]", `"\\"@x`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Parse(s, true)
		if err != nil {
			return
		}
		if strings.ContainsAny(string(a), "<>\r\n\x00\t") {
			t.Fatalf("%q lets an SMTP command be broken", a)
		}
		again, err := Parse(string(a), true)
		if err != nil || again != a {
			t.Fatalf("%q does not read back: %q, %v", a, again, err)
		}
	})
}
