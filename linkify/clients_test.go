package linkify

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"golang.org/x/text/encoding/japanese"

	"github.com/sekisho-mail/sekisho/internal/message"
)

func jis(t *testing.T, s string) string {
	t.Helper()
	out, err := japanese.ISO2022JP.NewEncoder().String(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func jisWord(t *testing.T, s string) string {
	return "=?ISO-2022-JP?B?" + base64.StdEncoding.EncodeToString([]byte(jis(t, s))) + "?="
}

const pdfBody = "Content-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjcgaGVsbG8=\r\n"

// clients are mails as the programs of Japan and of telephones write them, with their oddities.
func clients(t *testing.T) map[string]struct {
	mail  string
	links int
} {
	greeting := jis(t, "佐藤様\r\n\r\nいつもお世話になっております。\r\n-- \r\n山田商事　山田\r\n")
	photo := func(name string) string {
		return "Content-Type: image/jpeg;\r\n\tname=" + name + ";\r\n\tx-apple-part-url=1A2B\r\nContent-Disposition: inline;\r\n\tfilename=" + name + "\r\nContent-Transfer-Encoding: base64\r\n\r\n/9j/4AAQSkZJRg==\r\n"
	}
	return map[string]struct {
		mail  string
		links int
	}{
		"Becky!": {mailOf("multipart/mixed; boundary=\"------_5F1A2B3C00000000ABCD_MULTIPART_MIXED_\"", "--------_5F1A2B3C00000000ABCD_MULTIPART_MIXED_\r\nContent-Type: text/plain; charset=\"ISO-2022-JP\"\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"+
			greeting+"\r\n--------_5F1A2B3C00000000ABCD_MULTIPART_MIXED_\r\nContent-Type: application/octet-stream;\r\n name=\""+jisWord(t, "見積書.pdf")+"\"\r\nContent-Disposition: attachment;\r\n filename=\""+jisWord(t, "見積書.pdf")+"\"\r\n"+
			pdfBody+"\r\n--------_5F1A2B3C00000000ABCD_MULTIPART_MIXED_--\r\n"), 1},
		"Shuriken, name in raw Shift_JIS": {mailOf("multipart/mixed;\r\n boundary=\"=_Shuriken_001\"", "--=_Shuriken_001\r\nContent-Type: text/plain; charset=iso-2022-jp\r\n\r\n"+greeting+"\r\n--=_Shuriken_001\r\nContent-Type: application/pdf; name=\"\x8c\xa9\x90\xcf\x8f\x91.pdf\"\r\n"+
			pdfBody+"--=_Shuriken_001--\r\n\r\n"), 1},
		"Hidemaru, RFC 2231 in ISO-2022-JP": {mailOf("multipart/mixed; boundary=\"HMM_0\"", "--HMM_0\r\nContent-Type: text/plain; charset=ISO-2022-JP\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"+greeting+"--HMM_0\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment;\r\n filename*0*=ISO-2022-JP''%1B%24B%38%2B;\r\n filename*1*=%1B%28B.pdf\r\n"+
			pdfBody+"--HMM_0--\r\n"), 1},
		"Notes": {mailOf("multipart/mixed; boundary=\"=_mixed 0012345649258AAA_=\"", "--=_mixed 0012345649258AAA_=\r\nContent-Type: multipart/related; boundary=\"=_related 0012345649258AAA_=\"\r\n\r\n--=_related 0012345649258AAA_=\r\nContent-Type: multipart/alternative; boundary=\"=_alternative 0012345649258AAA_=\"\r\n\r\n"+
			"--=_alternative 0012345649258AAA_=\r\nContent-Type: text/plain; charset=\"ISO-2022-JP\"\r\n\r\n"+greeting+"\r\n--=_alternative 0012345649258AAA_=\r\nContent-Type: text/html; charset=\"ISO-2022-JP\"\r\n\r\n"+jis(t, "<span style=\"x\">佐藤様</span><img src=cid:_1_0A@local>")+"\r\n"+
			"--=_alternative 0012345649258AAA_=--\r\n--=_related 0012345649258AAA_=\r\nContent-Type: image/gif\r\nContent-ID: <_1_0A@local>\r\nContent-Transfer-Encoding: base64\r\n\r\n"+pixel+"\r\n--=_related 0012345649258AAA_=--\r\n"+
			"--=_mixed 0012345649258AAA_=\r\nContent-Type: application/octetstream; name="+jisWord(t, "見積.pdf")+"\r\nContent-Disposition: attachment; filename="+jisWord(t, "見積.pdf")+"\r\n"+pdfBody+"--=_mixed 0012345649258AAA_=--\r\n"), 1},
		"iPhone, photos between texts": {mailOf("multipart/mixed; boundary=Apple-Mail-1A", "--Apple-Mail-1A\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n5YaZ55yf44KS6YCB44KK44G+44GZDQo=\r\n\r\n--Apple-Mail-1A\r\n"+photo("IMG_0001.jpeg")+
			"\r\n--Apple-Mail-1A\r\nContent-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\r\n\r\n--Apple-Mail-1A\r\n"+photo("IMG_0002.jpeg")+"\r\n--Apple-Mail-1A\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nDQppUGhvbmXjgYvjgonpgIHkv6E=\r\n--Apple-Mail-1A--\r\n"), 2},
		"a telephone of a carrier, nothing but a photo": {mailOf("multipart/mixed; boundary=\"KDDI_1\"", "--KDDI_1\r\nContent-Type: image/jpeg; name=\"200101_1200.jpg\"\r\nContent-Disposition: attachment; filename=\"200101_1200.jpg\"\r\n"+pdfBody+"--KDDI_1--\r\n"), 1},
		"Outlook, related picture that nothing shows": {mailOf("multipart/related; boundary=r; type=\"text/html\"", "--r\r\nContent-Type: text/html; charset=\"iso-2022-jp\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<html><body lang=3DJA>=1B$B:4F#=1B(B</body></html>\r\n--r\r\nContent-Type: application/pdf; name=\"a.pdf\"\r\nContent-ID: <nobody@x>\r\n"+
			pdfBody+"--r--\r\n"), 1},
		"Gmail, flowed and delsp": {mailOf("multipart/mixed; boundary=g", "--g\r\nContent-Type: text/plain; charset=\"UTF-8\"; format=flowed; delsp=yes\r\nContent-Transfer-Encoding: base64\r\n\r\n"+base64.StdEncoding.EncodeToString([]byte("佐藤様 \r\nお世話に  \r\n"))+"\r\n"+pdfPart("g")+"--g--\r\n"), 1},
	}
}

func TestMailsOfJapaneseClientsAndTelephonesAreSpliced(t *testing.T) {
	o := startOracle(t)
	for name, c := range clients(t) {
		t.Run(name, func(t *testing.T) {
			s, out, notices := o.confirm(t, []byte(c.mail))
			if len(s.Links) != c.links || len(notices) == 0 {
				t.Fatalf("%d files linked, want %d; %d notices", len(s.Links), c.links, len(notices))
			}
			again, err := message.Parse(out)
			if err != nil || again.Ambiguous() {
				t.Fatalf("our own result is ambiguous: %v %v", err, again.Anomalies)
			}
			for p := range again.Leaves() {
				if message.Family(p.Charset) == "iso-2022-jp" {
					cleanJIS(t, decoded(p))
				}
			}
			for _, l := range bytes.Split(out, []byte("\r\n")) {
				if len(l) > 998 {
					t.Errorf("a line of %d octets", len(l))
				}
			}
		})
	}
}

// cleanJIS: every line begins and ends in ASCII (RFC 1468), whatever was put before it.
func cleanJIS(t *testing.T, text []byte) {
	t.Helper()
	for l := range bytes.SplitSeq(text, []byte("\n")) {
		double := false
		for i := 0; i+2 < len(l); i++ {
			if l[i] == 0x1b {
				double = l[i+1] == '$'
			}
		}
		if double {
			t.Errorf("a line ends inside two-byte characters: %q", l)
		}
		for _, c := range l {
			if c >= 0x80 {
				t.Errorf("eight bits in ISO-2022-JP: %q", l)
				break
			}
		}
	}
}

// A text whose label nobody knows, or that lies, keeps its bytes and still says where the files are.
func TestTextsOfUnknownOrWrongCharsetsKeepTheirBytes(t *testing.T) {
	o := startOracle(t)
	sjis, _ := japanese.ShiftJIS.NewEncoder().String("佐藤です。\r\n")
	for name, c := range map[string]struct{ kind, encoding, body string }{
		"unknown label":             {"text/plain; charset=x-nobody-knows", "8bit", sjis},
		"unknown label, HTML":       {"text/html; charset=x-nobody-knows", "8bit", "<body>" + sjis + "</body>\r\n"},
		"UTF-8 that is Shift_JIS":   {"text/plain; charset=utf-8", "8bit", sjis},
		"JIS that is Shift_JIS":     {"text/plain; charset=iso-2022-jp", "8bit", sjis},
		"ASCII that is Shift_JIS":   {"text/plain; charset=us-ascii", "8bit", sjis},
		"no label, Shift_JIS":       {"text/plain", "8bit", sjis},
		"UTF-7":                     {"text/plain; charset=utf-7", "7bit", "+TyCE,Q-\r\n"},
		"UTF-16 in base64":          {"text/plain; charset=utf-16le", "base64", "D\x00=\xd8\x00\xde\r\x00\n\x00"},
		"UTF-16 with mark":          {"text/plain; charset=utf-16le", "base64", "\xff\xfeD\x00\r\x00\n\x00"},
		"signature at the end":      {"text/plain; charset=utf-8; format=flowed", "quoted-printable", "本文 \r\n続き\r\n-- \r\n山田\r\n"},
		"soft line ends everywhere": {"text/plain; charset=utf-8", "quoted-printable", strings.Repeat("長い行", 100) + "\r\n"},
		"an empty text":             {"text/plain; charset=iso-2022-jp", "7bit", ""},
		"an empty HTML":             {"text/html; charset=utf-8", "7bit", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, notices := o.confirm(t, withText(c.kind, c.encoding, []byte(c.body))); len(notices) != 1 {
				t.Errorf("%d notices: %q", len(notices), notices)
			}
		})
	}
}
