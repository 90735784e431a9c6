package message

import (
	"slices"
	"testing"
)

func TestFileNames(t *testing.T) {
	for name, c := range map[string]struct {
		fields string
		best   string
		among  []string
	}{
		"plain":               {"Content-Disposition: attachment; filename=a.pdf\n", "a.pdf", nil},
		"quoted":              {"Content-Disposition: attachment; filename=\"a b.pdf\"\n", "a b.pdf", nil},
		"unquoted with space": {"Content-Disposition: attachment; filename=a b.pdf\n", "a b.pdf", nil},
		"from the type":       {"Content-Type: application/pdf; name=a.pdf\n", "a.pdf", nil},
		"RFC 2231":            {"Content-Disposition: attachment; filename*=UTF-8''%E8%A6%8B%E7%A9%8D.pdf\n", "見積.pdf", nil},
		"RFC 2231 in JIS":     {"Content-Disposition: attachment; filename*=ISO-2022-JP''%1B%24B8%2B%40Q%1B%28B.pdf\n", "見積.pdf", nil},
		"RFC 2231 sections":   {"Content-Disposition: attachment;\n filename*0*=UTF-8''%E8%A6%8B;\n filename*1*=%E7%A9%8D;\n filename*2=\".pdf\"\n", "見積.pdf", nil},
		"sections out of row": {"Content-Disposition: attachment; filename*1=b.pdf; filename*0=a\n", "ab.pdf", []string{"b.pdfa"}},
		"RFC 2047":            {"Content-Disposition: attachment; filename=\"=?utf-8?b?6KaL56mNLnBkZg==?=\"\n", "見積.pdf", nil},
		"RFC 2047 folded":     {"Content-Disposition: attachment; filename=\"=?utf-8?b?6KaL?=\n =?utf-8?b?56mNLnBkZg==?=\"\n", "見積.pdf", nil},
		"RFC 2047 in JIS":     {"Content-Type: application/pdf; name=\"=?ISO-2022-JP?B?GyRCOCtAURsoQi5wZGY=?=\"\n", "見積.pdf", nil},
		"raw UTF-8":           {"Content-Disposition: attachment; filename=\"見積.pdf\"\n", "見積.pdf", nil},
		"raw Shift_JIS":       {"Content-Disposition: attachment; filename=\"\x8c\xa9\x90\xcf\x8f\x91.pdf\"\n", "見積書.pdf", nil},
		"raw JIS":             {"Content-Disposition: attachment; filename=\"\x1b$B8+@Q\x1b(B.pdf\"\n", "見積.pdf", nil},
		"both forms":          {"Content-Disposition: attachment; filename=mitsumori.pdf; filename*=UTF-8''%E8%A6%8B.pdf\n", "見.pdf", []string{"mitsumori.pdf"}},
		"two fields":          {"Content-Disposition: attachment; filename=a.png\nContent-Type: application/zip; name=a.zip\n", "a.png", []string{"a.zip"}},
		"comment":             {"Content-Disposition: attachment; filename=a.z()ip\n", "a.zip", []string{"a.z()ip"}},
		"semicolon":           {"Content-Type: application/zip; name=a;.zip\n", "a", []string{"a;.zip"}},
		"controls":            {"Content-Disposition: attachment; filename=\"a\x01\tb.pdf\"\n", "ab.pdf", nil},
	} {
		m := parse(t, head+c.fields+"\nx\n")
		if m.Root.Filename != c.best {
			t.Errorf("%s: %q, want %q", name, m.Root.Filename, c.best)
		}
		for _, n := range c.among {
			if !slices.Contains(m.Root.Names(), n) {
				t.Errorf("%s: %q lacks %q", name, m.Root.Names(), n)
			}
		}
	}
}

func TestAddresses(t *testing.T) {
	for name, c := range map[string]struct {
		field string
		want  []Address
		wrong bool
	}{
		"bare":           {"a@b.example", []Address{{"", "a@b.example"}}, false},
		"empty":          {"  ", nil, false},
		"named":          {"\"Sato, H.\" <a@b.example>, b@c.example", []Address{{"Sato, H.", "a@b.example"}, {"", "b@c.example"}}, false},
		"encoded":        {"=?ISO-2022-JP?B?GyRCOjRGIxsoQg==?= <a@b.example>", []Address{{"佐藤", "a@b.example"}}, false},
		"encoded inside": {"\"=?utf-8?b?5L2Q6Jek?=\" <a@b.example>", []Address{{"佐藤", "a@b.example"}}, false},
		"raw":            {"佐藤 <a@b.example>", []Address{{"佐藤", "a@b.example"}}, false},
		"group":          {"team: a@b.example, C <c@d.example>;, e@f.example", []Address{{"", "a@b.example"}, {"C", "c@d.example"}, {"", "e@f.example"}}, false},
		"empty group":    {"undisclosed-recipients:;", nil, false},
		"comment":        {"a@b.example (Sato (H.), x)", []Address{{"Sato (H.), x", "a@b.example"}}, false},
		"quoted local":   {"\"a b\"@c.example", []Address{{"", "\"a b\"@c.example"}}, false},
		"route":          {"<@x,@y:a@b.example>", []Address{{"", "a@b.example"}}, false},
		"two at signs":   {"a@b@c.example", []Address{{"", "a@b@c.example"}}, true},
		"bracket open":   {"A <a@b.example", []Address{{"A", "a@b.example"}}, true},
		"words":          {"call a@b.example now", []Address{{"", "a@b.example"}}, true},
		"semicolons":     {"a@b.example; c@d.example", []Address{{"", "a@b.example"}, {"", "c@d.example"}}, false},
		"two in one":     {"\"a@b.example\" <c@d.example>", []Address{{"a@b.example", "c@d.example"}}, false},
	} {
		got, err := Addresses(c.field)
		if !slices.Equal(got, c.want) || (err != nil) != c.wrong {
			t.Errorf("%s: %q %v, want %q", name, got, err, c.want)
		}
	}
}
