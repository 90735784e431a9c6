package linkify

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/internal/message"
)

// winmail is what Outlook makes of files (name, content, name, content, ...) and a plain body in Shift_JIS.
func winmail(body string, files ...string) string {
	attribute := func(level byte, id uint32, value []byte) []byte {
		b := binary.LittleEndian.AppendUint32([]byte{level}, id)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(value)))
		return append(append(b, value...), 0, 0)
	}
	b := []byte("\x78\x9f\x3e\x22\x01\x00")
	if body != "" {
		b = append(b, attribute(1, 0x0002800c, []byte(body+"\x00"))...)
	}
	for i := 0; i < len(files); i += 2 {
		b = append(b, attribute(2, 0x00069002, make([]byte, 14))...)
		b = append(b, attribute(2, 0x00018010, []byte(files[i]+"\x00"))...)
		b = append(b, attribute(2, 0x0006800f, []byte(files[i+1]))...)
	}
	return wrap(base64.StdEncoding.EncodeToString(b)) + "\r\n"
}

const tnefHead = "Content-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=winmail.dat\r\n\r\n"

func outlookMail(text, wrapped string) []byte {
	return []byte(mailOf("multipart/mixed; boundary=m", "--m\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"+text+"\r\n--m\r\n"+tnefHead+wrapped+"--m--\r\n"))
}

func TestFilesInWinmailDatAreLinkedEachByItsOwnName(t *testing.T) {
	m, s, out := render(t, outlookMail("See the files.", winmail("\x8d\xb2\x93\xa1", "\x8c\xa9\x90\xcf.pdf", "%PDF-1.7 hello", "b.csv", "1,2")))
	if len(s.Links) != 2 || len(s.Cannot) != 0 {
		t.Fatalf("plan %+v", s)
	}
	for i, want := range []struct{ name, kind, content string }{{"見積.pdf", "application/pdf", "%PDF-1.7 hello"}, {"b.csv", "text/csv", "1,2"}} {
		a := s.Links[i]
		if b, err := io.ReadAll(a.Content()); a.Name != want.name || a.Type != want.kind || string(b) != want.content || err != nil || a.SHA256 != hexOf(b) {
			t.Errorf("%+v", a)
		}
	}
	if s.Links[0].Path == s.Links[1].Path {
		t.Error("two files in one place")
	}
	if bytes.Contains(out, []byte("ms-tnef")) || !bytes.Contains(out, []byte("See the files.")) || strings.Contains(leafTexts(t, out), "佐藤") {
		t.Errorf("the mail is now\n%s", out)
	}
	if whole, _ := message.Parse(out); len(whole.Attachments()) != 0 || len(m.Attachments()) != 1 {
		t.Error("something is still attached")
	}
}

// leafTexts are all texts of a mail as a second parser reads them.
func hexOf(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }

func leafTexts(t *testing.T, raw []byte) (all string) {
	for _, l := range startOracle(t).read(t, raw)[0].Leaves {
		all += text(l)
	}
	return all
}

func TestATextThatOnlyWinmailDatHasIsKept(t *testing.T) {
	wrapped := winmail("\x8d\xb2\x93\xa1\x82\xc5\x82\xb7\r\nbye", "a.pdf", "%PDF-1.7 hello")
	for name, raw := range map[string][]byte{
		"empty text":     outlookMail(" \r\n", wrapped),
		"nothing but it": []byte("From: a@corp.example\r\nTo: b@other.example\r\nMIME-Version: 1.0\r\n" + tnefHead + wrapped),
	} {
		_, s, out := render(t, raw)
		if len(s.Links) != 1 {
			t.Fatalf("%s: plan %+v", name, s)
		}
		got := strings.ReplaceAll(leafTexts(t, out), "\r\n", "\n")
		if !strings.Contains(got, "佐藤です\nbye\n") || strings.Index(got, "https://") > strings.Index(got, "佐藤") || strings.Count(got, "https://") != 1 {
			t.Errorf("%s: the text is now %q", name, got)
		}
	}
}

func TestWinmailDatThatCannotBeReplacedStays(t *testing.T) {
	good := winmail("x", "a.pdf", "%PDF-1.7")
	for name, raw := range map[string][]byte{
		"damaged": outlookMail("x", good[:60]+"\r\n"),
		"signed": []byte(mailOf("multipart/signed; boundary=s; protocol=\"application/pkcs7-signature\"",
			"--s\r\n"+tnefHead+good+"--s\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n\r\nMIAG\r\n--s--\r\n")),
		"no place for its text": []byte(mailOf("multipart/alternative; boundary=m", "--m\r\nContent-Type: text/plain\r\n\r\n\r\n--m\r\n"+tnefHead+good+"--m--\r\n")),
	} {
		_, s, out := render(t, raw)
		if len(s.Links) != 0 || len(s.Cannot) != 1 || s.Cannot[0].Reason != message.TNEF || !bytes.Equal(out, raw) {
			t.Errorf("%s: plan %+v", name, s)
		}
	}
	_, s, _ := render(t, outlookMail("x", winmail("formatted x")))
	if len(s.Links)+len(s.Cannot) != 0 {
		t.Errorf("without files: plan %+v", s)
	}
	_, s, _ = render(t, outlookMail("x", winmail("", "a.vcf", "BEGIN:VCARD")))
	if len(s.Links)+len(s.Cannot) != 0 {
		t.Errorf("with exempt files alone: plan %+v", s)
	}
}

func TestEveryAttemptOpensWinmailDatAlike(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		m, r := d.mail(outlookMail("", winmail("hello", "a.pdf", "%PDF-1.7 a", "b.csv", "1,2"))), to(bob, AccessOpen)
		first := d.prepare(m, r)
		if again := d.prepare(m, r); !bytes.Equal(first, again) {
			t.Error("the second attempt differs")
		}
		d.leave(m, r)
		v := browser()
		token := wrappedToken(t, first)
		page := d.landing(token, v)
		if len(page.Files) != 2 || page.Files[1].Name != "b.csv" {
			t.Fatalf("the page has %+v", page.Files)
		}
		if got := d.fetch(token, v, page.Files[0], 0, page.Files[0].Size); string(got) != "%PDF-1.7 a" {
			t.Errorf("downloaded %q", got)
		}
	})
}

func wrappedToken(t *testing.T, mail []byte) string {
	t.Helper()
	return tokenIn(t, []byte(leafTexts(t, mail)))
}
