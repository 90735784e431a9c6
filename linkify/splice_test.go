package linkify

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/internal/message"
)

// oracleProgram is Python's email package: a parser that nobody here wrote. Per
// line it reads a list of mails and writes, per mail, the type, charset and
// decoded content of every leaf.
const oracleProgram = `
import sys, json, base64, email, email.policy
for line in sys.stdin:
    out = []
    for raw in json.loads(line):
        m = email.message_from_bytes(base64.b64decode(raw), policy=email.policy.compat32)
        leaves = []
        for p in m.walk():
            if not p.is_multipart():
                b = p.get_payload(decode=True) or b""
                leaves.append({"type": p.get_content_type(), "charset": (p.get_content_charset() or ""),
                               "body": base64.b64encode(b).decode()})
        out.append({"leaves": leaves, "defects": [type(d).__name__ for d in m.defects]})
    print(json.dumps(out), flush=True)
`

type pythonLeaf struct {
	Type, Charset string
	Body          []byte
}

type pythonMail struct {
	Leaves  []pythonLeaf
	Defects []string
}

// oracle is one running Python.
type oracle struct {
	in  *json.Encoder
	out *json.Decoder
}

// startOracle fails the test where python3 is absent: a splice that only our own
// parser confirms is not confirmed.
func startOracle(t *testing.T) *oracle {
	t.Helper()
	cmd := exec.Command("python3", "-c", oracleProgram)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("python3 with its email package is needed: %v", err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("python3: %v", err)
		}
	})
	return &oracle{in: json.NewEncoder(in), out: json.NewDecoder(out)}
}

func (o *oracle) read(t *testing.T, mails ...[]byte) []pythonMail {
	t.Helper()
	var read []pythonMail
	if err := o.in.Encode(mails); err != nil {
		t.Fatal(err)
	}
	if err := o.out.Decode(&read); err != nil {
		t.Fatalf("python3: %v", err)
	}
	return read
}

var testNotice = Notice{
	Text:    "----\n添付ファイルはこちら：\n・見積書.pdf（1.2 MB）\nhttps://files.corp.example/d/TOKEN\n The files are on that page.\n----\n",
	HTML:    "<div>添付ファイル：<a href=\"https://files.corp.example/d/TOKEN\">https://files.corp.example/d/TOKEN</a></div>",
	English: "----\nThe files are here:\nhttps://files.corp.example/d/TOKEN\n----\n",
}

// everything that is not exempt.
func everything(a Attachment) bool { return !Exempt(a) }

// render parses, plans with everything, and renders twice: the bytes must agree.
func render(t *testing.T, raw []byte) (*message.Message, Splice, []byte) {
	t.Helper()
	m, err := message.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Plan(m, everything)
	if err != nil {
		t.Fatal(err)
	}
	var a, b bytes.Buffer
	if err := Render(&a, m, s, testNotice); err != nil {
		t.Fatal(err)
	}
	if err := Render(&b, m, s, testNotice); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Fatal("two renderings of one plan differ")
	}
	return m, s, a.Bytes()
}

// kept says of every leaf of m whether it stays.
func kept(m *message.Message, s Splice) []bool {
	var out []bool
	for p := range m.Leaves() {
		stays := true
		for o := p; o != nil; o = o.Parent {
			for _, a := range s.Links {
				stays = stays && a.Part != o
			}
		}
		out = append(out, stays)
	}
	return out
}

// inserted is what got holds and want does not, as one piece; ok is false where
// anything else differs.
func inserted(want, got []byte) (piece []byte, ok bool) {
	n := 0
	for n < len(want) && n < len(got) && want[n] == got[n] {
		n++
	}
	for ; n >= 0; n-- {
		if rest := got[n:]; len(rest) >= len(want)-n && bytes.HasSuffix(rest, want[n:]) {
			return rest[:len(rest)-len(want)+n], true
		}
	}
	return nil, false
}

// confirm checks with the oracle that every leaf that stays is the same decoded,
// the texts with one piece inserted, and gives the inserted pieces as text.
func (o *oracle) confirm(t *testing.T, raw []byte) (Splice, []byte, []string) {
	t.Helper()
	m, s, out := render(t, raw)
	read := o.read(t, raw, out)
	before, after := read[0].Leaves, read[1].Leaves
	stays := kept(m, s)
	if len(stays) != len(before) {
		t.Fatalf("the oracle sees %d leaves, we %d", len(before), len(stays))
	}
	if len(read[1].Defects) > len(read[0].Defects) {
		t.Errorf("the oracle sees new defects: %v", read[1].Defects)
	}
	staying := 0
	for _, s := range stays {
		if s {
			staying++
		}
	}
	if own := len(after) - staying; own < 0 || own > 1 {
		t.Fatalf("%d leaves stay, the oracle sees %d", staying, len(after))
	}
	var notices []string
	next := 0
	for i, leaf := range before {
		if !stays[i] {
			continue
		}
		// A text part of our own may stand before any other.
		for next < len(after) && after[next].Type != leaf.Type || next < len(after) && !same(leaf, after[next]) {
			notices = append(notices, text(after[next]))
			next++
		}
		if next >= len(after) {
			t.Fatalf("leaf %d (%s) is lost", i, leaf.Type)
		}
		piece, _ := inserted(leaf.Body, after[next].Body)
		if len(piece) > 0 {
			notices = append(notices, text(pythonLeaf{Charset: after[next].Charset, Body: piece}))
		}
		next++
	}
	for ; next < len(after); next++ {
		notices = append(notices, text(after[next]))
	}
	if len(s.Links) > 0 && len(notices) == 0 {
		t.Error("files left and nobody says so")
	}
	for _, n := range notices {
		if !strings.Contains(n, "https://files.corp.example/d/TOKEN") {
			t.Errorf("a notice without its address: %q", n)
		}
	}
	return s, out, notices
}

func same(before, after pythonLeaf) bool {
	_, ok := inserted(before.Body, after.Body)
	return ok
}

func text(l pythonLeaf) string { return message.DecodeText(l.Body, l.Charset)[0] }

func pdfPart(boundary string) string {
	return "--" + boundary + "\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\n" +
		"Content-Transfer-Encoding: base64\r\n\r\n" + wrap(base64.StdEncoding.EncodeToString([]byte("%PDF-1.7 hello"))) + "\r\n"
}

func mailOf(contentType, body string) string {
	return "From: alice@corp.example\r\nTo: bob@other.example\r\nSubject: test\r\nMIME-Version: 1.0\r\nContent-Type: " +
		contentType + "\r\n\r\n" + body
}

const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAYAAAALCAIAAADTMGvBAAAAEUlEQVQImWPgsi5DQwxDWggAlCEwN+YGfiYAAAAASUVORK5CYII="

// structures are the shapes that mail programs make.
func structures() map[string]string {
	plain := "Content-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nいつもお世話になっております。\r\n"
	htmlQP := "Content-Type: text/html; charset=UTF-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
		"<!DOCTYPE html><html><head><!-- <body> --><title>=E4=BD=90</title></head><bo=\r\ndy class=3D\"x>y\">=E4=BD=90=E8=97=A4 <img src=3D\"cid:img1@x\"></body></html>\r\n"
	image := "Content-Type: image/png; name=logo.png\r\nContent-ID: <img1@x>\r\nContent-Disposition: inline; filename=logo.png\r\nContent-Transfer-Encoding: base64\r\n\r\n" + wrap(pixel) + "\r\n"
	alternative := func(b, second string) string {
		return "Content-Type: multipart/alternative; boundary=\"" + b + "\"\r\n\r\n--" + b + "\r\n" + plain + "--" + b + "\r\n" + second + "--" + b + "--\r\n"
	}
	related := func(b string) string {
		return "Content-Type: multipart/related; boundary=\"" + b + "\"; type=\"text/html\"\r\n\r\n--" + b + "\r\n" + htmlQP + "--" + b + "\r\n" + image + "--" + b + "--\r\n"
	}
	return map[string]string{
		"Thunderbird, plain":   mailOf("multipart/mixed; boundary=\"m\"", "This is a multi-part message in MIME format.\r\n--m\r\nContent-Type: text/plain; charset=UTF-8; format=flowed\r\nContent-Transfer-Encoding: 8bit\r\n\r\nこんにちは \r\nつづき\r\n"+pdfPart("m")+"--m--\r\n"),
		"Thunderbird, HTML":    mailOf("multipart/mixed; boundary=\"m\"", "--m\r\n"+alternative("a", related("r"))+pdfPart("m")+"--m--\r\n"),
		"Gmail":                mailOf("multipart/mixed; boundary=\"m\"", "--m\r\n"+alternative("a", htmlQP)+pdfPart("m")+pdfPart("m")+"--m--"),
		"Outlook":              mailOf("multipart/mixed; boundary=\"m\"", "--m\r\nContent-Type: multipart/related; boundary=r; type=\"multipart/alternative\"\r\n\r\n--r\r\n"+alternative("a", htmlQP)+"--r\r\n"+image+"--r--\r\n"+pdfPart("m")+"--m--\r\n"),
		"Apple Mail":           mailOf("multipart/alternative; boundary=\"a\"", "--a\r\n"+plain+"--a\r\nContent-Type: multipart/mixed; boundary=\"m\"\r\n\r\n--m\r\n"+htmlQP+pdfPart("m")+"--m\r\nContent-Type: text/html; charset=us-ascii\r\n\r\n<html><body>Bye</body></html>\r\n--m--\r\n--a--\r\n"),
		"Apple Mail, plain":    mailOf("multipart/mixed; boundary=\"m\"", "--m\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nOne\r\n"+pdfPart("m")+"--m\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nTwo\r\n--m--\r\n"),
		"nothing but a file":   mailOf("application/pdf; name=a.pdf\r\nContent-Disposition: attachment;\r\n filename=a.pdf\r\nContent-Transfer-Encoding: base64", "JVBERi0xLjcK\r\n"),
		"no text":              mailOf("multipart/mixed; boundary=m", pdfPart("m")+pdfPart("m")+"--m--\r\n"),
		"no text, preamble":    mailOf("multipart/mixed; boundary=m", "preamble\r\n"+pdfPart("m")+"--m--\r\nepilogue\r\n"),
		"no text, image kept":  mailOf("multipart/mixed; boundary=m", "--m\r\nContent-Type: text/calendar; name=x.ics\r\n\r\nBEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"+pdfPart("m")+"--m--\r\n"),
		"an inner mixed empty": mailOf("multipart/mixed; boundary=o", "--o\r\n"+plain+"--o\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n"+pdfPart("m")+"--m--\r\n--o--\r\n"),
		"no last boundary":     mailOf("multipart/mixed; boundary=m", "--m\r\n"+plain+strings.TrimRight(pdfPart("m"), "\r\n")),
		"file first":           mailOf("multipart/mixed; boundary=m", pdfPart("m")+"--m\r\n"+plain+"--m--\r\n"),
		"file in alternative":  mailOf("multipart/alternative; boundary=m", "--m\r\n"+plain+pdfPart("m")+"--m--\r\n"),
		"inline PGP":           mailOf("multipart/mixed; boundary=m", "--m\r\nContent-Type: text/plain\r\n\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\n\r\nx\r\n"+pdfPart("m")+"--m--\r\n"),
		"signed beside a file": mailOf("multipart/mixed; boundary=m", "--m\r\nContent-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n"+plain+"--s\r\nContent-Type: application/pgp-signature\r\n\r\nsig\r\n--s--\r\n"+pdfPart("m")+"--m--\r\n"),
		"forwarded message":    mailOf("multipart/mixed; boundary=m", "--m\r\n"+plain+"--m\r\nContent-Type: message/rfc822\r\n\r\nFrom: x@y.example\r\nSubject: in\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\nContent-Type: text/plain\r\n\r\ninside\r\n"+pdfPart("i")+"--i--\r\n"+pdfPart("m")+"--m--\r\n"),
		"empty text, base64":   mailOf("multipart/mixed; boundary=m", "--m\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"+pdfPart("m")+"--m--\r\n"),
		"a part without head":  mailOf("multipart/mixed; boundary=m", "--m\r\n\r\nplain without a header\r\n"+pdfPart("m")+"--m--\r\n"),
	}
}

func TestSpliceChangesNothingButTheFilesAndTheNotice(t *testing.T) {
	o := startOracle(t)
	for name, mail := range structures() {
		for _, eol := range []string{"\r\n", "\n"} {
			t.Run(name+map[string]string{"\r\n": "", "\n": ", LF"}[eol], func(t *testing.T) {
				raw := []byte(strings.ReplaceAll(mail, "\r\n", eol))
				s, out, _ := o.confirm(t, raw)
				if len(s.Links) == 0 {
					t.Fatal("nothing was linked")
				}
				if bytes.Contains(out, []byte(base64.StdEncoding.EncodeToString([]byte("%PDF-1.7 hello")))) && name != "forwarded message" {
					t.Error("the file is still in the mail")
				}
				if eol == "\r\n" && bytes.Count(out, []byte("\n")) != bytes.Count(out, []byte("\r\n")) {
					t.Error("a line end alone in a mail of CRLF")
				}
				if again, err := message.Parse(out); err != nil || again.Ambiguous() {
					t.Errorf("our own result is ambiguous: %v %v", err, again.Anomalies)
				}
			})
		}
	}
}
