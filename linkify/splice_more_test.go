package linkify

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"golang.org/x/text/encoding/japanese"

	"github.com/sekisho-mail/sekisho/internal/message"
)

// withText is a mail of one text in that charset and encoding, and one file.
func withText(kind, encoding string, body []byte) []byte {
	var text string
	switch encoding {
	case "base64":
		text = wrap(base64.StdEncoding.EncodeToString(body)) + "\r\n"
	case "quoted-printable":
		text = string(qpLines(body, "\r\n"))
	default:
		text = string(body)
	}
	return []byte(mailOf("multipart/mixed; boundary=m", "--m\r\nContent-Type: "+kind+"\r\nContent-Transfer-Encoding: "+encoding+"\r\n\r\n"+text+pdfPart("m")+"--m--\r\n"))
}

func TestNoticeSpeaksTheCharsetOfTheText(t *testing.T) {
	jis, _ := japanese.ISO2022JP.NewEncoder().String("佐藤です。\r\n社長によろしく。\r\n")
	sjis, _ := japanese.ShiftJIS.NewEncoder().String("佐藤です。\r\n")
	euc, _ := japanese.EUCJP.NewEncoder().String("佐藤です。\r\n")
	utf := "佐藤です。\r\n"
	o := startOracle(t)
	for name, c := range map[string]struct {
		kind, encoding, body, wants string
	}{
		"JIS":                     {"text/plain; charset=iso-2022-jp", "7bit", jis, "添付ファイルはこちら：\n"},
		"JIS in base64":           {"text/plain; charset=ISO-2022-JP", "base64", jis, "・見積書.pdf"},
		"JIS under us-ascii":      {"text/plain; charset=us-ascii", "7bit", jis, "・見積書.pdf"},
		"Shift_JIS":               {"text/plain; charset=Shift_JIS", "8bit", sjis, "・見積書.pdf"},
		"Shift_JIS in QP":         {"text/plain; charset=cp932", "quoted-printable", sjis, "・見積書.pdf"},
		"EUC-JP in base64":        {"text/plain; charset=euc-jp", "base64", euc, "・見積書.pdf"},
		"UTF-8":                   {"text/plain; charset=utf-8", "8bit", utf, "・見積書.pdf"},
		"UTF-8 in base64":         {"text/plain; charset=utf-8", "base64", utf, "・見積書.pdf"},
		"UTF-8 in base64, flowed": {"text/plain; charset=utf-8; format=flowed", "base64", utf, "・見積書.pdf"},
		"UTF-8 with mark":         {"text/plain; charset=utf-8", "base64", "\xef\xbb\xbf" + utf, "・見積書.pdf"},
		"UTF-8 with mark, 8bit":   {"text/plain; charset=utf-8", "8bit", "\xef\xbb\xbf" + utf, "・見積書.pdf"},
		"UTF-8 with mark in QP":   {"text/plain; charset=utf-8", "quoted-printable", "\xef\xbb\xbf" + utf, "・見積書.pdf"},
		"UTF-8 without 8 bits":    {"text/plain; charset=utf-8", "7bit", "Hello = you\r\n", "・見積書.pdf"},
		"no label, UTF-8 bytes":   {"text/plain", "8bit", utf, "・見積書.pdf"},
		"ASCII":                   {"text/plain; charset=us-ascii", "7bit", "Hello\r\n", "The files are here:"},
		"Latin":                   {"text/plain; charset=iso-8859-1", "quoted-printable", "caf\xe9\r\n", "The files are here:"},
		"HTML in JIS":             {"text/html; charset=iso-2022-jp", "7bit", "<html><head><title>" + jis + "</title></head><body><p>x</p></body></html>\r\n", "添付ファイル："},
		"HTML in ASCII":           {"text/html; charset=us-ascii", "7bit", "<p>x</p>\r\n", "&#28155;"},
		"HTML in UTF-8, 7bit":     {"text/html; charset=utf-8", "7bit", "<html><body bgcolor=#fff><p>x</p>\r\n", "&#28155;"},
		"HTML in UTF-8, base64":   {"text/html; charset=utf-8", "base64", "<html><body>佐藤</body></html>\r\n", "添付ファイル："},
		"HTML in Shift_JIS":       {"text/html; charset=shift_jis", "8bit", "<body>" + sjis + "</body>\r\n", "添付ファイル："},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, notices := o.confirm(t, withText(c.kind, c.encoding, []byte(c.body)))
			if len(notices) != 1 || !strings.Contains(strings.ReplaceAll(notices[0], "\r\n", "\n"), c.wants) {
				t.Errorf("notices %q, want one with %q", notices, c.wants)
			}
		})
	}
}

// Some senders make boundaries of hyphens alone, and readers compare a boundary with the beginning of a line.
func TestAByteOrderMarkStaysWhatComesFirst(t *testing.T) {
	for _, encoding := range []string{"8bit", "quoted-printable", "base64"} {
		_, _, out := render(t, withText("text/plain; charset=utf-8", encoding, []byte("\xef\xbb\xbf佐藤です。\r\n")))
		m, err := message.Parse(out)
		if err != nil {
			t.Fatal(err)
		}
		text := decoded(m.TextParts()[0])
		if !bytes.HasPrefix(text, []byte("\xef\xbb\xbf----")) || bytes.Count(text, []byte("\xef\xbb\xbf")) != 1 {
			t.Errorf("%s: %q", encoding, text)
		}
	}
}

func TestTheRuleOfTheNoticeIsNoBoundary(t *testing.T) {
	o := startOracle(t)
	for _, boundary := range []string{"--", "-", "----"} {
		for _, encoding := range []string{"8bit", "quoted-printable", "7bit"} {
			raw := []byte(mailOf("multipart/mixed; boundary=\""+boundary+"\"", "--"+boundary+"\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "+
				encoding+"\r\n\r\nHello\r\n"+pdfPart(boundary)+"--"+boundary+"--\r\n"))
			_, _, out := render(t, raw)
			read := o.read(t, out)[0]
			if len(read.Leaves) != 1 || !bytes.Contains(read.Leaves[0].Body, []byte("・見積書.pdf")) || !bytes.HasSuffix(read.Leaves[0].Body, []byte("Hello")) {
				t.Errorf("%q, %s: %d leaves\n%s", boundary, encoding, len(read.Leaves), out)
			}
			if n := bytes.Count(out, []byte("\n--"+boundary)); n != 2 {
				t.Errorf("%q, %s: %d lines begin as a boundary does\n%s", boundary, encoding, n, out)
			}
		}
	}
}

// The command rewrite reads files as systems other than mail keep them.
func TestAMailWithoutCarriageReturnsGetsNone(t *testing.T) {
	for _, kind := range []string{"text/plain; charset=utf-8", "text/html; charset=utf-8"} {
		for _, encoding := range []string{"7bit", "8bit", "quoted-printable"} {
			_, _, out := render(t, bytes.ReplaceAll(withText(kind, encoding, []byte("<p>x</p>\r\n")), []byte("\r"), nil))
			if n := bytes.Count(out, []byte("\r")); n != 0 {
				t.Errorf("%s, %s: %d carriage returns\n%q", kind, encoding, n, out)
			}
		}
	}
}

func TestNoticeStandsBehindBody(t *testing.T) {
	_, _, out := render(t, withText("text/html; charset=utf-8", "8bit", []byte("<html><!-- <body> --><body id='a>b'><p>x</p></body></html>\r\n")))
	if i := bytes.Index(out, []byte("<body id='a>b'>\r\n<div>添付")); i < 0 {
		t.Errorf("not behind <body>:\n%s", out)
	}
}

func TestFlowedNoticeIsNotJoined(t *testing.T) {
	_, _, out := render(t, withText("text/plain; charset=utf-8; format=flowed", "8bit", []byte("x\r\n")))
	for _, l := range strings.Split(string(out), "\r\n") {
		if strings.HasSuffix(l, " ") {
			t.Errorf("line ends in a space and would flow: %q", l)
		}
	}
	if !bytes.Contains(out, []byte("\r\n  The files are on that page.\r\n")) {
		t.Error("a line that begins with a space was not stuffed")
	}
}

func TestCharacterThatTheCharsetLacksBecomesNearest(t *testing.T) {
	n := Notice{Text: "資料〜案𠮷.pdf\nhttps://x.example/\n"}
	m, err := message.Parse(withText("text/plain; charset=iso-2022-jp", "7bit", []byte("x\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	s, _ := Plan(m, everything)
	var out bytes.Buffer
	if err := Render(&out, m, s, n); err != nil {
		t.Fatal(err)
	}
	again, _ := message.Parse(out.Bytes())
	plain, _ := again.Body()
	if got := plain.Texts(0)[0]; !strings.HasPrefix(got, "資料～案〓.pdf\r\n") {
		t.Errorf("got %q", got)
	}
}

func TestWhatMustStayIsReported(t *testing.T) {
	signed := "--s\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nContent-Type: text/plain\r\n\r\nx\r\n" + pdfPart("m") + "--m--\r\n--s\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n\r\nMIAG\r\n--s--\r\n"
	for name, c := range map[string]struct {
		mail   string
		reason message.Protection
	}{
		"S/MIME signed":    {mailOf("multipart/signed; boundary=s; protocol=\"application/pkcs7-signature\"", signed), message.Signed},
		"S/MIME enveloped": {mailOf("application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\r\nContent-Transfer-Encoding: base64", "MIAG\r\n"), message.Encrypted},
		"PGP/MIME":         {mailOf("multipart/encrypted; boundary=e", "--e\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n--e\r\nContent-Type: application/octet-stream; name=encrypted.asc\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n--e--\r\n"), message.Encrypted},
		"invitation":       {mailOf("multipart/mixed; boundary=m", "--m\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\nContent-Type: text/plain\r\n\r\nx\r\n--a\r\nContent-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\n--a--\r\n"+pdfPart("m")+"--m--\r\n"), message.Calendar},
		"TNEF":             {mailOf("multipart/mixed; boundary=m", "--m\r\nContent-Type: text/plain\r\n\r\nx\r\n--m\r\nContent-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: base64\r\n\r\neJ8+Ig==\r\n--m--\r\n"), message.TNEF},
		"unknown encoding": {mailOf("multipart/mixed; boundary=m", "--m\r\nContent-Type: text/plain\r\n\r\nx\r\n--m\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base9000\r\n\r\neJ8+Ig==\r\n--m--\r\n"), message.Undecodable},
		"encoded parts":    {mailOf("multipart/mixed; boundary=m\r\nContent-Transfer-Encoding: base64", wrap(base64.StdEncoding.EncodeToString([]byte(pdfPart("m")+"--m--\r\n")))+"\r\n"), message.Undecodable},
	} {
		t.Run(name, func(t *testing.T) {
			_, s, out := render(t, []byte(c.mail))
			if len(s.Links) != 0 || len(s.Cannot) != 1 || s.Cannot[0].Reason != c.reason {
				t.Fatalf("plan %+v, want one that cannot: %s", s, c.reason)
			}
			if string(out) != c.mail {
				t.Error("the mail was changed")
			}
		})
	}
}

func TestExemptPartsStay(t *testing.T) {
	for name, a := range map[string]Attachment{
		"signature":  {Name: "smime.p7s", Type: "application/octet-stream"},
		"invitation": {Name: "x.bin", Type: "text/calendar"},
		"card":       {Name: "佐藤.VCF", Type: "application/octet-stream"},
		"shown":      {Name: "logo.png", Type: "image/png", Inline: true},
	} {
		if !Exempt(a) {
			t.Errorf("%s is not exempt", name)
		}
	}
	for name, a := range map[string]Attachment{
		"picture as a file":      {Name: "scan.png", Type: "image/png"},
		"document shown by cid":  {Name: "a.pdf", Type: "application/pdf", Inline: true},
		"a name that looks like": {Name: "a.ics.exe", Type: "application/octet-stream"},
	} {
		if Exempt(a) {
			t.Errorf("%s is exempt", name)
		}
	}
}

func TestForwardedMessageIsLinkedAsAUnit(t *testing.T) {
	raw := []byte(structures()["forwarded message"])
	m, s, out := render(t, raw)
	var whole *Attachment
	for i := range s.Links {
		if s.Links[i].Type == "message/rfc822" {
			whole = &s.Links[i]
		}
	}
	if whole == nil || whole.Name != "in.eml" {
		t.Fatalf("links %+v", s.Links)
	}
	if bytes.Contains(out, []byte("inside")) || !bytes.Contains(m.Raw, []byte("inside")) {
		t.Error("the forwarded message is still there")
	}
}

func TestRenderRefusesAPlanThatTouchesSignedParts(t *testing.T) {
	m, err := message.Parse([]byte(mailOf("multipart/signed; boundary=s", pdfPart("s")+"--s\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--s--\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	s := Splice{Links: []Attachment{{Part: m.Root.Children[0], Path: "1"}}}
	if err := Render(&bytes.Buffer{}, m, s, testNotice); err == nil {
		t.Error("a signed part was taken out")
	}
}
