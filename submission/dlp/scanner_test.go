package dlp

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"

	"github.com/sekisho-mail/sekisho/internal/message"
)

const (
	number      = "9832-0567-3214"
	numberShown = "9832-****-****"
)

func scanner(t testing.TB, o Options) *Scanner {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func scanMail(t testing.TB, s *Scanner, raw string) *Report {
	t.Helper()
	m, err := message.Parse([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return s.Message(context.Background(), m)
}

// finding returns the first finding of a detector.
func finding(r *Report, detector string) (Finding, bool) {
	for _, f := range r.Findings {
		if f.Detector == detector {
			return f, true
		}
	}
	return Finding{}, false
}

// wantNumber fails unless the report has the My Number at path.
func wantNumber(t *testing.T, r *Report, path string) {
	t.Helper()
	f, ok := finding(r, "jp.my_number")
	if !ok || f.Level != High {
		t.Fatalf("no My Number at high: %+v", r)
	}
	for _, m := range f.Matches {
		if m.Path == path {
			if strings.Contains(m.Excerpt, "3214") {
				t.Errorf("excerpt shows the number: %q", m.Excerpt)
			}
			return
		}
	}
	t.Errorf("My Number at %+v, want %s", f.Matches, path)
}

func has(r *Report, path string, reason Reason) bool {
	for _, u := range r.Uninspectable {
		if u.Path == path && u.Reason == reason {
			return true
		}
	}
	return false
}

func TestEveryPlaceOfAMailIsSearched(t *testing.T) {
	s := scanner(t, Options{})
	head := "From: a@corp.test\r\nTo: b@other.test\r\n"
	multi := head + "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
	text := "My Number: " + number
	for _, c := range []struct{ name, raw, path string }{
		{"subject", head + "Subject: " + text + "\r\n\r\nhello", "Subject"},
		{"encoded subject", head + "Subject: =?utf-8?B?" + base64.StdEncoding.EncodeToString([]byte("個人番号 "+number)) + "?=\r\n\r\nhello", "Subject"},
		{"other header", head + "Keywords: " + text + "\r\n\r\nhello", "Keywords"},
		{"body", head + "\r\n" + text, "1"},
		{"quoted-printable", head + "Content-Transfer-Encoding: quoted-printable\r\n\r\nMy Number: 9832-=\r\n0567-3214", "1"},
		{"html", head + "Content-Type: text/html\r\n\r\n<p>My <b>Num</b>ber:<span>" + number + "</span>", "1"},
		{"html comment", head + "Content-Type: text/html\r\n\r\n<p>hi<!-- " + text + " -->", "1"},
		{"html alt", head + "Content-Type: text/html\r\n\r\n<img alt='" + text + "'>", "1"},
		{"html hidden", head + "Content-Type: text/html\r\n\r\n<div style='display:none'>" + text + "</div>", "1"},
		{"html entities", head + "Content-Type: text/html\r\n\r\n&#20491;人番号 9832&#45;0567&#x2d;3214", "1"},
		{"second part", multi + "--b\r\n\r\nhi\r\n--b\r\n\r\n" + text + "\r\n--b--\r\n", "part-2"},
		{"preamble", multi + text + "\r\n--b\r\n\r\nhi\r\n--b--\r\n", "#gap"},
		{"epilogue", multi + "--b\r\n\r\nhi\r\n--b--\r\n" + text, "#gap"},
		{"description", multi + "--b\r\nContent-Description: " + text + "\r\n\r\nhi\r\n--b--\r\n", "1"},
		{"file name", multi + "--b\r\nContent-Disposition: attachment; filename=\"My Number " + number + ".txt\"\r\n\r\nhi\r\n--b--\r\n", "My Number " + number + ".txt"},
	} {
		t.Run(c.name, func(t *testing.T) { wantNumber(t, scanMail(t, s, c.raw), c.path) })
	}
}

func TestNestedMailsAreSearched(t *testing.T) {
	s := scanner(t, Options{})
	inner := "From: x@y.test\r\nTo: z@y.test\r\nSubject: inner\r\n\r\nMy Number: " + number
	raw := "From: a@corp.test\r\nTo: b@other.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
		"--b\r\n\r\nhi\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" + inner + "\r\n--b--\r\n"
	f, ok := finding(scanMail(t, s, raw), "jp.my_number")
	if !ok || f.Matches[0].Where != InAttachment {
		t.Errorf("forwarded message: %+v", f)
	}
	r := scanMail(t, s, string(mailWith("old.eml", []byte(inner))))
	wantNumber(t, r, "old.eml!/1")
}

func TestUuencodedFilesAreSearched(t *testing.T) {
	s := scanner(t, Options{})
	raw := "From: a@corp.test\r\nTo: b@other.test\r\nSubject: x\r\n\r\nsee\r\nbegin 644 a.txt\r\n" + uuencode("My Number: "+number) + "`\r\nend\r\n"
	wantNumber(t, scanMail(t, s, raw), "1!/a.txt")
}

func uuencode(s string) string {
	for len(s)%3 != 0 {
		s += " "
	}
	out := string(rune(32 + len(s)))
	for i := 0; i < len(s); i += 3 {
		v := uint(s[i])<<16 | uint(s[i+1])<<8 | uint(s[i+2])
		for shift := 18; shift >= 0; shift -= 6 {
			c := byte(v >> shift & 63)
			if c == 0 {
				c = 64
			}
			out += string(rune(32 + c))
		}
	}
	return out + "\r\n"
}

func TestEveryCharsetReachesTheDetectors(t *testing.T) {
	s := scanner(t, Options{})
	plain := "①㈱山田です。個人番号：" + number
	for _, c := range []struct {
		label string
		enc   encoding.Encoding
		text  string
	}{
		{"iso-2022-jp", japanese.ISO2022JP, ""}, {"cp50220", japanese.ISO2022JP, ""}, {"cp50221", japanese.ISO2022JP, ""},
		{"iso-2022-jp-ms", japanese.ISO2022JP, ""}, {"iso-2022-jp-1", japanese.ISO2022JP, ""}, {"iso-2022-jp-2", japanese.ISO2022JP, ""}, {"iso-2022-jp-3", japanese.ISO2022JP, ""},
		{"shift_jis", japanese.ShiftJIS, ""}, {"x-sjis", japanese.ShiftJIS, ""}, {"sjis", japanese.ShiftJIS, ""}, {"windows-31j", japanese.ShiftJIS, ""},
		{"cp932", japanese.ShiftJIS, ""}, {"ms932", japanese.ShiftJIS, ""}, {"euc-jp", japanese.EUCJP, ""}, {"eucJP-ms", japanese.EUCJP, ""}, {"x-euc-jp", japanese.EUCJP, ""},
		{"utf-8", unicode.UTF8, ""}, {"utf-16", unicode.UTF16(unicode.BigEndian, unicode.UseBOM), ""}, {"utf-16", unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), ""},
		{"gb18030", simplifiedchinese.GB18030, ""}, {"big5", traditionalchinese.Big5, "身分 My Number：" + number}, {"euc-kr", korean.EUCKR, "주민 My Number：" + number},
		{"", japanese.ISO2022JP, ""}, {"", japanese.ShiftJIS, ""}, {"", japanese.EUCJP, ""}, {"", unicode.UTF8, ""},
		{"us-ascii", japanese.ISO2022JP, ""}, {"utf-8", japanese.ShiftJIS, ""}, {"iso-8859-1", unicode.UTF8, ""}, {"utf-8", japanese.EUCJP, ""},
		{"iso-2022-jp", japanese.ISO2022JP, "ｺｼﾞﾝﾊﾞﾝｺﾞｳ ﾏｲﾅﾝﾊﾞｰ " + number},
		{"utf-7", nil, "+UAtOunVqU/f/Gg- 9832-0567-3214"},
	} {
		t.Run(fmt.Sprintf("%q as %v", c.label, c.enc), func(t *testing.T) {
			text := c.text
			if text == "" {
				text = plain
			}
			body := []byte(text)
			if c.enc != nil {
				var err error
				if body, err = encoding.ReplaceUnsupported(c.enc.NewEncoder()).Bytes(body); err != nil {
					t.Fatal(err)
				}
			}
			raw := "From: a@corp.test\r\nTo: b@other.test\r\nMIME-Version: 1.0\r\nContent-Type: text/plain"
			if c.label != "" {
				raw += "; charset=" + c.label
			}
			raw += "\r\nContent-Transfer-Encoding: base64\r\n\r\n" + wrap(base64.StdEncoding.EncodeToString(body))
			wantNumber(t, scanMail(t, s, raw), "1")
		})
	}
}

func TestOffsetsPointIntoTheBody(t *testing.T) {
	s := scanner(t, Options{})
	m, err := message.Parse([]byte("From: a@corp.test\r\nTo: b@other.test\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nご確認ください。\r\n個人番号：９８３２-0567-3214 です"))
	if err != nil {
		t.Fatal(err)
	}
	f, _ := finding(s.Message(context.Background(), m), "jp.my_number")
	text := m.Root.Texts(0)[0]
	if got := text[f.Matches[0].Start:f.Matches[0].End]; got != "９８３２-0567-3214" {
		t.Errorf("offsets cover %q", got)
	}
}

func TestAValueCountsOnceAtItsHighestLevel(t *testing.T) {
	s := scanner(t, Options{})
	r := scanMail(t, s, "From: a@corp.test\r\nTo: b@other.test\r\n\r\nx 983205673214 y\r\n"+strings.Repeat("\r\n", 400)+strings.Repeat("z ", 400)+"\r\n\r\nMy Number: "+number)
	f, _ := finding(r, "jp.my_number")
	if len(r.Findings) != 1 || f.Count != 1 || f.Level != High || len(f.Matches) != 1 {
		t.Errorf("findings %+v, want one value at high", r.Findings)
	}
}

func TestReportsAreEqualForEqualInput(t *testing.T) {
	s := scanner(t, Options{})
	raw := "From: a@corp.test\r\nTo: b@other.test\r\n\r\nTEL 03-1234-5678 x@y.test 個人番号 " + number + " カード番号 4012888888881881"
	first := scanMail(t, s, raw)
	for range 20 {
		if again := scanMail(t, s, raw); !reflect.DeepEqual(first, again) {
			t.Fatalf("reports differ:\n%+v\n%+v", first, again)
		}
	}
}

func TestReportIsTheJSONOfScan(t *testing.T) {
	s := scanner(t, Options{})
	r := s.File(context.Background(), "名簿.xlsx", xlsxFile(t, "会員", "", `<row r="1"><c r="B1" t="s"><v>0</v></c></row><row r="7"><c r="B7"><v>983205673214</v></c></row>`, "個人番号"))
	r.Carriers = nil
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"findings":[{"detector":"jp.my_number","level":"high","count":1,"matches":[{"where":"attachment","path":"名簿.xlsx#会員!B7","excerpt":"個人番号 9832********","start":13,"end":25}]}],"uninspectable":[]}`
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
	var back Report
	if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(&back, r) {
		t.Errorf("read back %+v, %v", back, err)
	}
}

func TestDisabledDetectorsAreSilent(t *testing.T) {
	raw := "From: a@corp.test\r\nTo: b@other.test\r\n\r\n個人番号 " + number + " 法人番号 7000012050002"
	r := scanMail(t, scanner(t, Options{}), raw)
	if _, ok := finding(r, "jp.corporate_number"); ok {
		t.Error("the public 法人番号 is reported without being asked for")
	}
	r = scanMail(t, scanner(t, Options{Disabled: []string{"jp.my_number"}, Enabled: []string{"jp.corporate_number"}}), raw)
	if _, ok := finding(r, "jp.my_number"); ok {
		t.Error("a disabled detector reports")
	}
	if _, ok := finding(r, "jp.corporate_number"); !ok {
		t.Error("an enabled detector is silent")
	}
}

func TestMalwareScannerSeesAttachments(t *testing.T) {
	var seen []string
	virus := func(_ context.Context, name string, r io.Reader) (string, error) {
		b, err := io.ReadAll(r)
		if err != nil {
			return "", err
		}
		seen = append(seen, name)
		switch {
		case bytes.Contains(b, []byte("bad")):
			return "Test.Bad", nil
		case bytes.Contains(b, []byte("down")):
			return "", io.ErrClosedPipe
		}
		return "", nil
	}
	s := scanner(t, Options{Virus: virus})
	r := scanMail(t, s, string(mailWith("a.txt", []byte("a bad file"))))
	if f, ok := finding(r, DetectorMalware); !ok || f.Matches[0].Path != "a.txt" || f.Matches[0].Excerpt != "Test.Bad" {
		t.Errorf("malware: %+v", r.Findings)
	}
	r = scanMail(t, s, string(mailWith("b.txt", []byte("down"))))
	if !has(r, "b.txt", ScannerFailed) {
		t.Errorf("a scanner that fails must leave the file uninspected: %+v", r)
	}
	if len(seen) != 2 {
		t.Errorf("scanned %v", seen)
	}
}
