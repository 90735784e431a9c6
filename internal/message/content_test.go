package message

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
)

// archive begins like a ZIP and holds every byte.
var archive = func() []byte {
	b := []byte("PK\x03\x04")
	for i := range 256 {
		b = append(b, byte(i))
	}
	return b
}()

const uuHello = "begin 644 file.zip\n$4$L#!```\n`\nend\n" // "PK\x03\x04"

func TestTransferEncodings(t *testing.T) {
	for name, c := range map[string]struct{ encoding, body, want string }{
		"7bit":              {"7bit", "a=3D\n", "a=3D\n"},
		"absent":            {"", "a=3D\n", "a=3D\n"},
		"base64":            {"BASE64", "SGVs\nbG8=\n", "Hello"},
		"base64, joined":    {"base64", "SGVs\nbG8=\nSGVsbG8=\n", "HelloHello"},
		"base64, unpadded":  {"base64", "SGVsbG8", "Hello"},
		"base64, garbage":   {"base64", "S G.V-s\nbG8=\n", "Hello"},
		"base64, cut":       {"base64", "SGVsbG8gd", "Hello "},
		"QP":                {"quoted-printable", "a=3D=\n b=e3 \nc\n", "a= b\xe3\nc\n"},
		"QP, broken":        {"quoted-printable", "100=, =x\n", "100=, =x\n"},
		"QP, spaces behind": {"quoted-printable", "a= \t\nb\n", "ab\n"},
		"uuencode":          {"x-uuencode", uuHello, "PK\x03\x04"},
		"uuencode, bare":    {"uuencode", "$4$L#!```\n", "PK\x03\x04"},
	} {
		field := "Content-Transfer-Encoding: " + c.encoding + "\n"
		if c.encoding == "" {
			field = ""
		}
		m := parse(t, head+field+"\n"+c.body)
		got, err := m.Root.Decode(0)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %q %v, want %q", name, got, err, c.want)
		}
		if n := m.Root.DecodedSize(); n != int64(len(got)) {
			t.Errorf("%s: size %d, decoded %d", name, n, len(got))
		}
	}
}

func TestDecodeStopsAtTheLimit(t *testing.T) {
	m := parse(t, head+"\n0123456789\n")
	if b, err := m.Root.Decode(4); string(b) != "0123" || !errors.Is(err, ErrTooLarge) {
		t.Errorf("%q %v", b, err)
	}
}

func TestFragmentIsNeverTakenForContent(t *testing.T) {
	m := parse(t, head+"Content-Type: message/partial; id=x; number=1; total=2\n\nSubject: y\n\nz\n")
	if _, err := m.Root.Decode(0); !errors.Is(err, ErrFragment) {
		t.Error(err)
	}
	if !slices.Contains(codes(m, false), "message_partial") || m.Root.Rewritable() {
		t.Error("a fragment like any part")
	}
}

func TestAlternativesShowWhatCarelessReadersSee(t *testing.T) {
	b64 := base64.StdEncoding.EncodeToString(archive)
	for name, mail := range map[string]string{
		"base64 without saying so":  "\n" + b64 + "\n",
		"base64 under QP":           "Content-Transfer-Encoding: quoted-printable\n\n" + b64 + "\n",
		"base64 under nonsense":     "Content-Type: application/zip\nContent-Transfer-Encoding: base65\n\n" + b64 + "\n",
		"raw under base64":          "Content-Transfer-Encoding: base64\n\n" + string(archive),
		"letters, a gap, base64":    "Content-Transfer-Encoding: base64\n\nABC\n\n" + b64 + "\n",
		"uuencode in a text":        "\nHello,\n\n" + strings.ReplaceAll(uuHello, "$4$L#!```\n", "'4$L#!`$\"\n") + "\nbye\n",
		"yEnc in a text":            "\nHello\n=ybegin line=128 size=4 name=a.zip\nzu-.\n=yend\n",
		"parts without a boundary":  "Content-Type: multipart/mixed\n\n--c\nContent-Type: application/zip\nContent-Transfer-Encoding: base64\n\n" + b64 + "\n--c--\n",
		"parts under another type":  "Content-Type: text/plain\n\nHello\n--c\nContent-Type: application/zip\nContent-Transfer-Encoding: base64\n\n" + b64 + "\n--c--\n",
		"equals signs between":      "Content-Type: application/zip\nContent-Transfer-Encoding: base64\n\n" + strings.Join(strings.SplitAfter(b64, "B"), "=") + "\n",
		"QP with stray equals sign": "Content-Type: application/zip\nContent-Transfer-Encoding: quoted-printable\n\n==50==4B==03==04=\n",
	} {
		m := parse(t, head+mail)
		found := false
		for p := range m.Leaves() {
			for _, r := range p.Alternatives(1 << 20) {
				found = found || Magic(r.Data) == "zip" || bytes.HasPrefix(r.Data, []byte("PK\x03\x04"))
			}
			b, _ := p.Decode(0)
			found = found || bytes.HasPrefix(b, archive[:20])
		}
		if !found {
			t.Errorf("%s: no reading shows the archive", name)
		}
	}
}

func TestPlainMailHasNoAlternatives(t *testing.T) {
	for _, body := range []string{"Hello\n", "--\nSato\n", "a = b\n", "We begin 2 days later\n"} {
		if r := parse(t, head+"\n"+body).Root.Alternatives(0); len(r) > 0 {
			t.Errorf("%q: %+v", body, r)
		}
	}
}

func TestProtection(t *testing.T) {
	mixed := func(parts ...string) string {
		return "Content-Type: multipart/mixed; boundary=b\n\n--b\n" + strings.Join(parts, "\n--b\n") + "\n--b--\n"
	}
	signed := "Content-Type: multipart/signed; boundary=s\n\n--s\n\ntext\n--s\nContent-Type: application/pgp-signature\n\nx\n--s--"
	for name, c := range map[string]struct {
		mail string
		want []Protection // of the leaves in order
	}{
		"plain":           {"\nx\n", []Protection{Unprotected}},
		"signed":          {signed, []Protection{Signed, Signed}},
		"beside signed":   {mixed(signed, "Content-Type: image/png\n\nx"), []Protection{Signed, Signed, Unprotected}},
		"enveloped":       {"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\n\nx\n", []Protection{Encrypted}},
		"opaque signed":   {"Content-Type: application/pkcs7-mime; smime-type=signed-data\n\nx\n", []Protection{Signed}},
		"p7m by name":     {"Content-Type: application/octet-stream; name=smime.p7m\n\nx\n", []Protection{Encrypted}},
		"inline PGP":      {"\n-----BEGIN PGP MESSAGE-----\n", []Protection{Encrypted}},
		"report":          {"Content-Type: multipart/report; boundary=r\n\n--r\n\nx\n--r\nContent-Type: message/delivery-status\n\ny\n--r--\n", []Protection{Report, Report}},
		"invitation":      {mixed("Content-Type: text/calendar; method=REQUEST\n\nx", "Content-Type: image/png\n\nx"), []Protection{Calendar, Calendar}},
		"calendar file":   {mixed("Content-Type: text/calendar; name=a.ics\n\nx", "Content-Type: image/png\n\nx"), []Protection{Unprotected, Unprotected}},
		"inside":          {mixed("Content-Type: message/rfc822\n\nSubject: y\n\nx", "\nx"), []Protection{Inside, Unprotected}},
		"TNEF":            {mixed("Content-Type: application/ms-tnef\n\nx"), []Protection{TNEF}},
		"unknown coding":  {mixed("Content-Transfer-Encoding: base65\n\nx"), []Protection{Undecodable}},
		"encoded message": {"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogaW4KCmhlbGxvCg==\n", []Protection{Inside}},
	} {
		m := parse(t, head+c.mail)
		var got []Protection
		for p := range m.Leaves() {
			got = append(got, p.Protected())
			if p.Rewritable() != (p.Protected() == Unprotected) {
				t.Errorf("%s: rewritable and %q", name, p.Protected())
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestAutomaticMail(t *testing.T) {
	for mail, want := range map[string]string{
		"\nx\n": "",
		"Auto-Submitted: auto-replied (vacation)\n\nx\n": "auto-submitted",
		"Auto-Submitted: No\n\nx\n":                      "",
		"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nx\n--b--\n":          "delivery-status",
		"Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b\n\nx\n--b--\n": "disposition-notification",
		"Content-Type: text/calendar; method=REPLY\n\nx\n":                                                      "calendar",
		"Precedence: bulk\n\nx\n": "precedence",
	} {
		if got := parse(t, head+mail).Automatic(); got != want {
			t.Errorf("%q: %q, want %q", mail, got, want)
		}
	}
}

func TestTextsAndAttachments(t *testing.T) {
	m := parse(t, head+"Content-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: multipart/related; boundary=r\n\n--r\n"+
		"Content-Type: multipart/alternative; boundary=a\n\n--a\n\nplain\n--a\nContent-Type: text/html\n\n<img src=\"cid:x%40y\">\n--a--\n"+
		"--r\nContent-Type: image/png; name=l.png\nContent-ID: <x@y>\n\nx\n--r--\n--m\nContent-Type: text/csv; name=a.csv\n\n1,2\n--m\n\nfooter\n--m\nContent-Type: image/gif\n\nx\n--m\nContent-Type: message/rfc822\n\nSubject: in\n\nz\n--m--\n")
	plain, html := m.Body()
	if plain.Path() != "1.1.1" || html.Path() != "1.1.2" || len(m.TextParts()) != 2 {
		t.Errorf("texts %v %v of %d", plain.Path(), html.Path(), len(m.TextParts()))
	}
	var got []string
	for _, a := range m.Attachments() {
		s := a.Part.Path() + " " + a.Name
		if a.Inline {
			s += " inline"
		}
		got = append(got, s)
	}
	if want := []string{"1.2 l.png inline", "2 a.csv", "4 attachment-4.gif", "5 in.eml"}; !slices.Equal(got, want) {
		t.Errorf("attachments %q, want %q", got, want)
	}
}

func TestDigestIsThatOfTheFamily(t *testing.T) {
	mail := head + "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\nSGVsbG8=\n--b--\n"
	same := strings.NewReplacer("boundary=b", "boundary=\"other\"", "--b", "--other", "To: b@", "To: c@", "SGVsbG8=", "SGVs\nbG8=").Replace(mail)
	d := Digest(parse(t, mail))
	if got := Digest(parse(t, crlf(same))); got != d {
		t.Error("a copy with another boundary and recipient is another family")
	}
	for name, change := range map[string][2]string{
		"text": {"one", "two"}, "file": {"SGVsbG8=", "SGVsbHA="}, "subject": {"Subject: x", "Subject: y"}, "author": {"From: a@", "From: z@"},
	} {
		if got := Digest(parse(t, strings.Replace(mail, change[0], change[1], 1))); got == d {
			t.Errorf("another %s is the same family", name)
		}
	}
}

func TestDigestSeesEverythingThatAReaderSees(t *testing.T) {
	mail := head + "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; charset=utf-8\n\none\n--b\n" +
		"Content-Type: message/rfc822\n\nFrom: c@d.example\nSubject: in\n\nz\n--b\nContent-Type: text/csv; name=a.csv\n\n1,2\n--b--\n"
	d := Digest(parse(t, mail))
	if d == "" {
		t.Fatal("a plain mail has no digest")
	}
	for name, change := range map[string][2]string{
		"charset": {"charset=utf-8", "charset=shift_jis"}, "file name": {"a.csv", "b.csv"}, "author of the forwarded mail": {"c@d.example", "e@d.example"},
		"subject of the forwarded mail": {"Subject: in", "Subject: on"}, "structure": {"multipart/mixed", "multipart/alternative"},
	} {
		if got := Digest(parse(t, strings.Replace(mail, change[0], change[1], 1))); got == d {
			t.Errorf("another %s is the same family", name)
		}
	}
	again := strings.Replace(mail, "charset=utf-8\n\none\n", "charset=\"UTF-8\"\nContent-Transfer-Encoding: base64\n\nb25l\n", 1)
	if got := Digest(parse(t, again)); got != d {
		t.Error("a copy with another transfer encoding is another family")
	}
}

func TestAMailThatCanBeReadInTwoWaysIsNobodysCopy(t *testing.T) {
	for name, mail := range map[string]string{
		"two content types":     head + "Content-Type: text/plain\nContent-Type: text/html\n\nx\n",
		"base64 behind its end": head + "Content-Type: image/png\nContent-Transfer-Encoding: base64\n\nSGVsbG8=\nSGVsbG8=\n",
		"a fragment of a mail":  head + "Content-Type: message/partial; id=x; number=1; total=2\n\nx\n",
	} {
		if got := Digest(parse(t, mail)); got != "" {
			t.Errorf("%s has a digest", name)
		}
	}
}

func TestCrosscheck(t *testing.T) {
	for name, c := range mails {
		for _, a := range Crosscheck(parse(t, c.mail)) {
			if a.Ambiguous {
				t.Errorf("%s: %+v", name, a)
			}
		}
	}
	var deep strings.Builder
	deep.WriteString(head)
	for i := range 24 {
		deep.WriteString("Content-Type: multipart/mixed; boundary=" + strings.Repeat("x", i+1) + "\n\n--" + strings.Repeat("x", i+1) + "\n")
	}
	for name, mail := range map[string]string{
		"nested without an end": deep.String(),
		"many parameters":       head + "Content-Type: text/plain" + strings.Repeat("; a=b", 200) + "\n\nx\n",
		"many parts":            head + "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nx\n", 1000) + "--b--\nfooter\n",
	} {
		a := Crosscheck(parse(t, mail))
		if len(a) != 1 || a[0].Code != "crosscheck_skipped" || a[0].Ambiguous {
			t.Errorf("%s: %+v", name, a)
		}
	}
	shown := false
	for _, mail := range []string{
		head + "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n" + strings.Repeat("hidden words ", 9) + "\n--b--\nfooter\n",
	} {
		m := parse(t, mail)
		m.Root.Children[0].Body.End = m.Root.Children[0].Body.Start // as if ours had not seen it
		for _, a := range Crosscheck(m) {
			shown = shown || a.Code == "unseen_leaf" && a.Ambiguous
		}
	}
	if !shown {
		t.Error("a leaf that only the second parser shows is not ambiguous")
	}
}
