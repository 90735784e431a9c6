package message

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// parse is Parse for mails that are mails.
func parse(t testing.TB, mail string) *Message {
	t.Helper()
	m, err := Parse([]byte(mail))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

// pieces puts the spans of a part and its children together again.
func pieces(p *Part) []byte {
	src := p.Source()
	out := append([]byte{}, p.Header.Of(src)...)
	if len(p.Children) == 0 || p.Children[0].Source() == nil || &p.Children[0].Source()[0] != &src[0] {
		return append(out, p.Body.Of(src)...)
	}
	if p.Children[0].Nested {
		return append(out, pieces(p.Children[0])...)
	}
	out = append(out, p.Preamble.Of(src)...)
	for _, c := range p.Children {
		out = append(out, c.Delimiter.Of(src)...)
		out = append(out, pieces(c)...)
	}
	out = append(out, p.Close.Of(src)...)
	return append(out, p.Epilogue.Of(src)...)
}

// shape is the tree as one line: "mixed(plain,pdf)".
func shape(p *Part) string {
	_, s, _ := strings.Cut(p.MediaType, "/")
	if len(p.Children) == 0 {
		return s
	}
	var in []string
	for _, c := range p.Children {
		in = append(in, shape(c))
	}
	return s + "(" + strings.Join(in, ",") + ")"
}

func codes(m *Message, ambiguous bool) []string {
	var out []string
	for _, a := range m.Anomalies {
		if a.Ambiguous == ambiguous && !slices.Contains(out, a.Code) {
			out = append(out, a.Code)
		}
	}
	return out
}

const head = "From: a@corp.example\nTo: b@other.example\nSubject: x\nMIME-Version: 1.0\n"

// mails are ordinary structures: none is ambiguous.
var mails = map[string]struct{ mail, shape string }{
	"plain":              {head + "\nHello\n", "plain"},
	"no body":            {head, "plain"},
	"no blank line":      {head + "Hello there\n", "plain"},
	"mixed":              {head + "Content-Type: multipart/mixed; boundary=b\n\npreamble\n--b\n\none\n--b\nContent-Type: application/pdf\n\ntwo\n--b--\nepilogue\n", "mixed(plain,pdf)"},
	"unquoted":           {head + "Content-Type: multipart/mixed; boundary=----=_Next_001\n\n------=_Next_001\n\none\n------=_Next_001--\n", "mixed(plain)"},
	"nested":             {head + "Content-Type: multipart/mixed; boundary=\"b\"\n\n--b\nContent-Type: multipart/alternative; boundary=\"b-alt\"\n\n--b-alt\n\none\n--b-alt\nContent-Type: text/html\n\ntwo\n--b-alt--\n\n--b\nContent-Type: image/png\n\nx\n--b--\n", "mixed(alternative(plain,html),png)"},
	"forwarded":          {head + "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\nSubject: in\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\nx\n--c--\n\n--b--\n", "mixed(rfc822(mixed(plain)))"},
	"digest":             {head + "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: in\n\nx\n--b--\n", "digest(rfc822(plain))"},
	"no last boundary":   {head + "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo", "mixed(plain,plain)"},
	"inner not ended":    {head + "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/related; boundary=c\n\n--c\n\none\n--b\n\ntwo\n--b--\n", "mixed(related(plain),plain)"},
	"empty parts":        {head + "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n--b\n--b\nContent-Type: text/html\n--b--\n", "mixed(plain,plain,html)"},
	"spaces behind":      {head + "Content-Type: multipart/mixed; boundary=b\n\n--b \t\n\none\n--b-- \n", "mixed(plain)"},
	"same mail twice":    {head + "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\nContent-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\nx\n--c--\n", 2) + "--b--\n", "mixed(rfc822(mixed(plain)),rfc822(mixed(plain)))"},
	"terminator twice":   {head + "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\n\n--b--\n", "mixed(plain)"},
	"base64 and footer":  {head + "Content-Transfer-Encoding: base64\n\nSGVsbG8=\n\n_____\nlist\n", "plain"},
	"text with no parts": {head + "Content-Type: multipart/mixed; boundary=b\n\nonly text\n", "mixed"},
	"encoded message":    {head + "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogaW4KCmhlbGxvCg==\n", "rfc822(plain)"},
}

func TestSplitFindsTheParts(t *testing.T) {
	for name, c := range mails {
		for _, mail := range []string{c.mail, crlf(c.mail)} {
			m := parse(t, mail)
			if got := shape(m.Root); got != c.shape {
				t.Errorf("%s: %s, want %s", name, got, c.shape)
			}
			if a := codes(m, true); len(a) > 0 {
				t.Errorf("%s: ambiguous: %v", name, a)
			}
			if !bytes.Equal(pieces(m.Root), []byte(mail)) {
				t.Errorf("%s: the spans do not give the mail back", name)
			}
		}
	}
}

func TestSpansOfAMultipart(t *testing.T) {
	mail := "Content-Type: multipart/mixed; boundary=b\r\n\r\nhi\r\n--b\r\nX: y\r\n\r\none\r\n\r\n--b--\r\nbye\r\n"
	m := parse(t, mail)
	c := m.Root.Children[0]
	for name, got := range map[string][2]string{
		"preamble":  {"hi", string(m.Root.Preamble.Of(m.Raw))},
		"delimiter": {"\r\n--b\r\n", string(c.Delimiter.Of(m.Raw))},
		"header":    {"X: y\r\n\r\n", string(c.Header.Of(m.Raw))},
		"body":      {"one\r\n", string(c.Body.Of(m.Raw))},
		"close":     {"\r\n--b--\r\n", string(m.Root.Close.Of(m.Raw))},
		"epilogue":  {"bye\r\n", string(m.Root.Epilogue.Of(m.Raw))},
		"field":     {"X: y\r\n", string(c.Fields[0].Span.Of(m.Raw))},
		"value":     {" y", string(c.Fields[0].Value.Of(m.Raw))},
	} {
		if got[0] != got[1] {
			t.Errorf("%s is %q, want %q", name, got[1], got[0])
		}
	}
}

// tricks are mails that two readers may read differently, by the code we give.
var tricks = map[string]string{
	"duplicate_content_type":      "Content-Type: text/plain\nContent-Type: text/html\n\nx\n",
	"duplicate_transfer_encoding": "Content-Transfer-Encoding: base64\nContent-Transfer-Encoding: quoted-printable\n\nx\n",
	"odd_transfer_encoding":       "Content-Transfer-Encoding: base64 quoted-printable\n\nx\n",
	"undecoded":                   "Content-Type: application/zip\nContent-Transfer-Encoding: base65\n\nx\n",
	"bad_content_type":            "Content-Type: multi\\part/mixed; boundary=b\n\n--b\n\nx\n--b--\n",
	"odd_content_type":            "Content-Type: multi(x)part/mixed; boundary=b\n\n--b\n\nx\n--b--\n",
	"conflicting_boundary":        "Content-Type: multipart/mixed; boundary=b; boundary=c\n\n--b\n\nx\n--b--\n",
	"odd_boundary":                "Content-Type: multipart/mixed; boundary=b\"c\n\n--b\"c\n\nx\n",
	"unsplit_multipart":           "Content-Type: multipart/mixed\n\n--b\nContent-Type: text/plain\n\nx\n--b--\n",
	"no_delimiter":                "Content-Type: multipart/mixed; boundary=c\n\n--b\nContent-Type: text/plain\n\nx\n--b--\n",
	"boundary_on_single_part":     "Content-Type: text/plain; boundary=b\n\n--b\nContent-Type: text/plain\n\nx\n--b--\n",
	"boundary_reused":             "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n",
	"boundary_is_terminator":      "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=b--\n\n--b--\n\nx\n",
	"stray_delimiter":             "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n\n--b\nContent-Type: text/html\n\ny\n",
	"delimiter_suffix":            "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--bx\nContent-Type: text/html\n\ny\n--b--\n",
	"parts_in_preamble":           "Content-Type: multipart/mixed; boundary=b\n\n--c\nContent-Type: text/html\n\ny\n--b\n\nx\n--b--\n",
	"parts_in_epilogue":           "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n--c\nContent-Type: text/html\n\ny\n",
	"header_ends_in_dashes":       "X: y\n--c\nContent-Type: text/html\n\ny\n",
	"malformed_header":            "Content-Type text/html\nX: y\n\nz\n",
	"blank_folding":               "Content-Type: text/html;\n \n charset=utf-8\n\nz\n",
	"space_before_colon":          "Content-Type : text/html\n\nz\n",
	"nul_in_header":               "Content-Type: text/\x00html\n\nz\n",
	"bare_cr_in_header":           "X: y\rContent-Type: text/html\n\nz\n",
	"bare_cr":                     "X: y\n\nz\r--b\n",
	"fields_in_body":              "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nContent-Type: text/html\n\nx\n--b--\n",
	"bad_base64":                  "Content-Transfer-Encoding: base64\n\nSGVsbG8gd29ybGQ=\nSGVsbG8gd29ybGQgYWdhaW4=\n",
	"bad_quoted_printable":        "Content-Type: application/zip\nContent-Transfer-Encoding: quoted-printable\n\n==50\n",
	"empty_multipart":             "Content-Type: multipart/mixed; boundary=b\n\nContent-Type: text/html\n\nx\n--b--\n",
}

func TestWhatReadsInTwoWaysIsAmbiguous(t *testing.T) {
	for code, mail := range tricks {
		m := parse(t, head+mail)
		if !slices.Contains(codes(m, true), code) {
			t.Errorf("%s: ambiguous %v, noted %v", code, codes(m, true), codes(m, false))
		}
		for _, a := range m.Anomalies {
			if a.Offset < 0 || a.Offset > len(m.Raw) {
				t.Errorf("%s: offset %d", a.Code, a.Offset)
			}
		}
	}
}

func TestLimitsAreSaidNotSilent(t *testing.T) {
	var deep, many strings.Builder
	deep.WriteString(head)
	for i := range 100 {
		fmt.Fprintf(&deep, "Content-Type: multipart/mixed; boundary=b%dx\n\n--b%dx\n", i, i)
	}
	many.WriteString(head + "Content-Type: multipart/mixed; boundary=b\n\n")
	for range MaxParts + 10 {
		many.WriteString("--b\n\nx\n")
	}
	for code, mail := range map[string]string{
		"too_deep":         deep.String(),
		"too_many_parts":   many.String(),
		"header_too_large": head + strings.Repeat("X: y\n", MaxFields+10) + "\nx\n",
	} {
		m := parse(t, mail)
		if !slices.Contains(codes(m, true), code) {
			t.Errorf("%s is not said: %v", code, codes(m, true))
		}
		if !bytes.Equal(pieces(m.Root), []byte(mail)) {
			t.Errorf("%s: the spans do not give the mail back", code)
		}
	}
}

func TestInputWithoutFieldsIsNoMail(t *testing.T) {
	for _, s := range []string{"", "\r\n", "\r\nSubject: x\r\n", "no field\r\n\r\nx"} {
		if _, err := Parse([]byte(s)); err != ErrNotMail {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestHeaderAloneIsReadAsParseReadsIt(t *testing.T) {
	mail := crlf(head + "X-Folded: one\n  two\nSubject: second\n\nbody\n")
	b := Header([]byte(mail))
	if got := b.Get("x-folded"); got != "one  two" {
		t.Errorf("folded %q", got)
	}
	if got := b.All("Subject"); !slices.Equal(got, []string{"x", "second"}) {
		t.Errorf("subjects %q", got)
	}
	if got := mail[b.Header.End:]; got != "body\r\n" {
		t.Errorf("body %q", got)
	}
}

func TestPathsAreThoseOfIMAP(t *testing.T) {
	m := parse(t, head+"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nContent-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\nx\n--c\n\ny\n--c--\n--b\nContent-Type: message/rfc822\n\nSubject: z\n\nz\n--b--\n")
	var got []string
	for p := range m.Leaves() {
		got = append(got, p.Path())
	}
	if want := []string{"1", "2.1", "2.2", "3.1"}; !slices.Equal(got, want) {
		t.Errorf("paths %v, want %v", got, want)
	}
}
