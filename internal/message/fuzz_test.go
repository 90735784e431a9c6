package message

import (
	"bytes"
	"testing"
	"unicode/utf8"
)

func FuzzParse(f *testing.F) {
	for _, c := range mails {
		f.Add([]byte(c.mail))
		f.Add([]byte(crlf(c.mail)))
	}
	for _, c := range tricks {
		f.Add([]byte(head + c))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		kept := bytes.Clone(raw)
		m, err := Parse(raw)
		if err != nil {
			return
		}
		if !bytes.Equal(pieces(m.Root), raw) {
			t.Fatal("the spans do not give the mail back")
		}
		for p := range m.Parts() {
			if p.Header.End != p.Body.Start || p.Body.End > len(p.Source()) {
				t.Fatalf("part %q: %v %v", p.Path(), p.Header, p.Body)
			}
			for _, fd := range p.Fields {
				_ = fd.Value.Of(p.Source())
			}
			if len(p.Children) > 0 {
				continue
			}
			b, _ := p.Decode(0)
			if p.DecodedSize() != int64(len(b)) {
				t.Fatalf("part %q: size %d, decoded %d", p.Path(), p.DecodedSize(), len(b))
			}
			for _, s := range p.Texts(1 << 16) {
				if !utf8.ValidString(s) {
					t.Fatal("a text that is not UTF-8")
				}
			}
			p.Alternatives(1 << 16)
			p.Protected()
		}
		m.Attachments()
		m.Body()
		m.Automatic()
		Digest(m)
		if !bytes.Equal(raw, kept) {
			t.Fatal("the mail was changed")
		}
	})
}

// FuzzCrosscheck holds what Crosscheck takes for plain against the parser that it
// then does not ask.
func FuzzCrosscheck(f *testing.F) {
	for _, c := range mails {
		f.Add([]byte(c.mail))
		f.Add([]byte(crlf(c.mail)))
	}
	for _, c := range tricks {
		f.Add([]byte(head + c))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := Parse(raw)
		if err != nil || len(raw) > 64<<10 || m.costly() != "" {
			return
		}
		Crosscheck(m)
		if !m.plain() {
			return
		}
		if root, ok := secondReading(raw); ok && root != nil && m.shown().missing(root) > 0 {
			t.Fatal("a mail taken for plain shows other content to a second parser")
		}
	})
}

func FuzzHeaderText(f *testing.F) {
	for _, s := range []string{"=?utf-8?b?5L2Q6A==?= =?utf-8?b?l6Q=?=", "\x1b$B:4F#\x1b(B", "\"a, b\" <a@b.example>, g: c@d;", "+istsQmb4-", "a@b (c (d)"} {
		f.Add(s, "utf-8")
		f.Add(s, "iso-2022-jp")
		f.Add(s, "utf-7")
	}
	f.Fuzz(func(t *testing.T, s, label string) {
		for _, texts := range [][]string{DecodeHeaders(s), DecodeText([]byte(s), label)} {
			if len(texts) == 0 {
				t.Fatal("no reading")
			}
			for _, text := range texts {
				if !utf8.ValidString(text) {
					t.Fatalf("not UTF-8: %q", text)
				}
			}
		}
		Addresses(s)
		if b, _, ok := EncodeText(s, label, func(rune) string { return "?" }); ok && utf8.ValidString(s) && len(s) > 0 && len(b) == 0 {
			t.Fatal("text lost in writing")
		}
	})
}
