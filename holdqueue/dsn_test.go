package holdqueue

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"net/textproto"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

func failedReport(lines ...StatusLine) *StatusReport {
	return &StatusReport{
		ID: "0000000000000000000000dsn1", Host: "mail.corp.example", From: "postmaster@corp.example", To: "alice@corp.example",
		At: time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC), Zone: time.FixedZone("JST", 9*3600), Action: reportFailed, Lines: lines,
		Message: &Message{ID: "0000000000000000000000mail", AcceptedAt: time.Date(2026, 11, 21, 1, 3, 0, 0, time.UTC),
			Meta: Meta{Subject: "お見積書の件", MessageID: "m1@corp.example", EnvID: "env-1"}},
		Header: []byte("From: alice@corp.example\r\nTo: b@other.example\r\nBcc: secret@third.example,\r\n more@third.example\r\n" +
			"Subject: =?UTF-8?B?44GK?=\r\n\r\n"),
	}
}

func failedLine(address string, e *SendError) StatusLine {
	return StatusLine{
		Recipient: &Recipient{Address: mailaddr.Address(address), ORcpt: "rfc822;" + address, ClaimedAt: time.Date(2026, 11, 21, 1, 8, 0, 0, time.UTC)},
		Result:    Result{Remote: "smtp.corp.example", Err: e},
	}
}

type reportPart struct {
	kind string
	text string
}

// read takes a report apart as any mail program would.
func readReport(t *testing.T, raw []byte) (mail.Header, []reportPart) {
	t.Helper()
	for line := range bytes.SplitAfterSeq(raw, []byte("\n")) {
		if len(line) > 1000 || len(line) > 0 && !bytes.HasSuffix(line, []byte("\r\n")) || bytes.Count(line, []byte("\r")) > 1 {
			t.Errorf("line of %d bytes: %.100q", len(line), line)
		}
	}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%v\n%.3000s", err, raw)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/report" || params["report-type"] != "delivery-status" {
		t.Fatalf("%s %v %v", kind, params, err)
	}
	var parts []reportPart
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return m.Header, parts
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		if p.Header.Get("Content-Transfer-Encoding") == "base64" {
			if text, err = base64.StdEncoding.DecodeString(strings.ReplaceAll(string(text), "\r\n", "")); err != nil {
				t.Fatal(err)
			}
		}
		parts = append(parts, reportPart{p.Header.Get("Content-Type"), string(text)})
	}
}

// statusGroups reads message/delivery-status: fields of the mail, then of each recipient.
func statusGroups(t *testing.T, text string) (groups []textproto.MIMEHeader) {
	t.Helper()
	r := textproto.NewReader(bufio.NewReader(strings.NewReader(text + "\r\n")))
	for {
		h, err := r.ReadMIMEHeader()
		if len(h) > 0 {
			groups = append(groups, h)
		}
		if err == io.EOF {
			return groups
		}
		if err != nil {
			t.Fatalf("%v in %q", err, text)
		}
	}
}

func TestFailureReportIsReadByPeopleAndPrograms(t *testing.T) {
	s := failedReport(
		failedLine("b@other.example", &SendError{Code: 550, Enhanced: "5.1.1", Text: "no such user"}),
		failedLine("c@other.example", &SendError{Code: 451, Enhanced: "4.7.1", Text: "greylisted", Temporary: true}))
	raw, head := s.Build()
	if head != -1 {
		t.Errorf("head %d without RET=FULL", head)
	}
	header, parts := readReport(t, raw)
	for name, want := range map[string]string{
		"To": "<alice@corp.example>", "Auto-Submitted": "auto-replied", "In-Reply-To": "<m1@corp.example>",
		"Message-Id": "<0000000000000000000000dsn1@mail.corp.example>", "Date": "Thu, 26 Nov 2026 17:00:00 +0900",
	} {
		if got := header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(header.Get("Subject"))
	if err != nil || subject != "【届きませんでした】お見積書の件" {
		t.Errorf("subject %q, %v", subject, err)
	}
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	for _, want := range []string{
		"お届けできませんでした。", "・b@other.example", "このメールアドレスは、相手側のサーバーに存在しません。", "550 5.1.1 no such user",
		"受付日時：2026年11月21日（土）10:03", "期限まで送信を繰り返しましたが", "could not be delivered", "件名：お見積書の件",
	} {
		if !strings.Contains(parts[0].text, want) {
			t.Errorf("the text lacks %q:\n%s", want, parts[0].text)
		}
	}
	groups := statusGroups(t, parts[1].text)
	if len(groups) != 3 {
		t.Fatalf("%d groups in %q", len(groups), parts[1].text)
	}
	for i, want := range []map[string]string{
		{"Reporting-Mta": "dns; mail.corp.example", "Original-Envelope-Id": "env-1", "Arrival-Date": "Sat, 21 Nov 2026 10:03:00 +0900"},
		{"Final-Recipient": "rfc822; b@other.example", "Original-Recipient": "rfc822;b@other.example", "Action": "failed", "Status": "5.1.1",
			"Remote-Mta": "dns; smtp.corp.example", "Diagnostic-Code": "smtp; 550 5.1.1 no such user", "Last-Attempt-Date": "Sat, 21 Nov 2026 10:08:00 +0900"},
		{"Final-Recipient": "rfc822; c@other.example", "Action": "failed", "Status": "5.4.7"},
	} {
		for name, value := range want {
			if got := groups[i].Get(name); got != value {
				t.Errorf("group %d %s: %q, want %q", i, name, got, value)
			}
		}
	}
	if parts[2].kind != "text/rfc822-headers" || !strings.HasPrefix(parts[2].text, "From: alice@corp.example\r\n") {
		t.Errorf("%+v", parts[2])
	}
}

func TestReportNamesNoBccOfTheHeader(t *testing.T) {
	raw, _ := failedReport(failedLine("b@other.example", &SendError{Code: 550, Text: "no"})).Build()
	_, parts := readReport(t, raw)
	if strings.Contains(parts[2].text, "third.example") || !strings.Contains(parts[2].text, "Subject:") {
		t.Errorf("%q", parts[2].text)
	}
}

func TestDelayReportSaysThatNothingNeedBeDone(t *testing.T) {
	s := failedReport(failedLine("b@other.example", &SendError{Code: 421, Text: "busy", Temporary: true}))
	s.Action, s.Until = reportDelayed, time.Date(2026, 11, 26, 1, 8, 0, 0, time.UTC)
	s.Message.Meta.Ret = "FULL" // whole mails go back with failures only (RFC 3461 section 4.3)
	raw, head := s.Build()
	_, parts := readReport(t, raw)
	if head != -1 || parts[2].kind != "text/rfc822-headers" {
		t.Error("the whole mail went back with a delay")
	}
	for _, want := range []string{"送り直していただく必要はありません", "2026年11月26日（木）10:08"} {
		if !strings.Contains(parts[0].text, want) {
			t.Errorf("%q missing:\n%s", want, parts[0].text)
		}
	}
	group := statusGroups(t, parts[1].text)[1]
	if group.Get("Action") != "delayed" || group.Get("Status") != "4.0.0" || group.Get("Will-Retry-Until") != "Thu, 26 Nov 2026 10:08:00 +0900" {
		t.Errorf("%v", group)
	}
}

func TestSuccessReportSaysRelayed(t *testing.T) {
	s := failedReport(StatusLine{Recipient: &Recipient{Address: "b@other.example"}, Result: Result{Remote: "smtp.corp.example", Reply: "250 2.0.0 Ok: queued as 4F2A"}})
	s.Action = reportRelayed
	raw, _ := s.Build()
	_, parts := readReport(t, raw)
	group := statusGroups(t, parts[1].text)[1]
	if group.Get("Action") != "relayed" || group.Get("Status") != "2.0.0" || group.Get("Diagnostic-Code") != "smtp; 250 2.0.0 Ok: queued as 4F2A" {
		t.Errorf("%v", group)
	}
}

func TestMailThatMayHaveArrivedIsNotCalledUndelivered(t *testing.T) {
	line := failedLine("b@other.example", &SendError{Text: "connection lost", Temporary: true})
	line.Recipient.Uncertain = true // by an earlier attempt
	raw, _ := failedReport(line).Build()
	_, parts := readReport(t, raw)
	if !strings.Contains(parts[0].text, "届いている可能性があります") {
		t.Errorf("%s", parts[0].text)
	}
}

func TestWholeMailGoesBackWhereItWasAskedFor(t *testing.T) {
	s := failedReport(failedLine("b@other.example", &SendError{Code: 550, Text: "no"}))
	s.Message.Meta.Ret, s.Message.Meta.EightBit = "FULL", true
	raw, head := s.Build()
	if head <= 0 || head > int64(len(raw)) {
		t.Fatalf("head %d of %d", head, len(raw))
	}
	original := "From: alice@corp.example\r\n\r\n見積\r\n"
	whole := string(raw[:head]) + original + string(raw[head:])
	_, parts := readReport(t, []byte(whole))
	if len(parts) != 3 || parts[2].kind != "message/rfc822" || parts[2].text != original {
		t.Errorf("%+v", parts)
	}
}

func TestInternationalisedReport(t *testing.T) {
	s := failedReport(failedLine("太郎@other.example", &SendError{Code: 550, Enhanced: "5.6.7", Text: "no"}))
	s.Lines[0].Recipient.ORcpt = ""
	plain, _ := s.Build()
	_, parts := readReport(t, plain)
	if got := statusGroups(t, parts[1].text)[1].Get("Final-Recipient"); got != `utf-8; \x{592A}\x{90CE}@other.example` {
		t.Errorf("in ASCII: %q", got)
	}
	// A reader with an ASCII address gets it in ASCII even where the mail was internationalised: the next hop that
	// refused the mail for that would refuse the report too. Nothing of the mail goes back by it either.
	s.Message.Meta.SMTPUTF8, s.Message.Meta.Ret = true, "FULL"
	s.Header = []byte("From: alice@corp.example\r\nSubject: 見積\r\n")
	plain, head := s.Build()
	_, parts = readReport(t, plain)
	if hasEightBit(plain) || head != -1 || parts[1].kind != "message/delivery-status" || parts[2].kind != "text/rfc822-headers" ||
		!strings.Contains(parts[2].text, "見積") {
		t.Errorf("head %d, %+v", head, parts)
	}
	s.To = "花子@corp.example"
	global, _ := s.Build()
	_, parts = readReport(t, global)
	if parts[1].kind != "message/global-delivery-status" || parts[2].kind != "message/global-headers" {
		t.Errorf("%q %q", parts[1].kind, parts[2].kind)
	}
	if got := statusGroups(t, parts[1].text)[1].Get("Final-Recipient"); got != "utf-8; 太郎@other.example" {
		t.Errorf("in UTF-8: %q", got)
	}
}

// Whatever a next hop, a client or a mail says, a report stays one mail with the three parts it should have,
// in ASCII.
func FuzzReport(f *testing.F) {
	f.Add("no\r\n\r\n--=_0000000000000000000000dsn1--\r\nBcc: x@evil.example", "<x>\r\nBcc: y@evil.example", "件名\r\nX: y", "rfc822;a\r\nb", "A: b\r\n\r\nC")
	f.Add(strings.Repeat("x", 3000), "<"+strings.Repeat("y", 2000)+">", strings.Repeat("名", 1000), "utf-8;名", strings.Repeat("Z: z\r\n", 100))
	f.Add("\x00\x1b[2J\xff\u202e", "<a b>", "\xff\xfe", ";", " folded first\nBcc: hidden\n\tmore")
	f.Fuzz(func(t *testing.T, reply, messageID, subject, orcpt, header string) {
		s := failedReport(failedLine("b@other.example", &SendError{Code: 550, Enhanced: reply, Text: reply}))
		s.Message.Meta.MessageID, s.Message.Meta.Subject, s.Message.Meta.EnvID = messageID, subject, reply
		s.Lines[0].Recipient.ORcpt, s.Lines[0].Result.Remote = orcpt, reply
		s.Header = nil
		raw, _ := s.Build()
		parsed, parts := readReport(t, raw)
		if len(parts) != 2 {
			t.Fatalf("%d parts:\n%.3000s", len(parts), raw)
		}
		if parsed.Get("Bcc") != "" || len(parsed) > 12 {
			t.Errorf("header: %v", parsed)
		}
		for _, c := range raw {
			if c >= utf8.RuneSelf || c == 0 {
				t.Fatalf("not ASCII:\n%.3000s", raw)
			}
		}
		if groups := statusGroups(t, parts[1].text); len(groups) != 2 {
			t.Errorf("%d groups: %q", len(groups), parts[1].text)
		}
		shown := string(shownHeader([]byte(header)))
		if strings.Contains(strings.ToLower("\n"+shown), "\nbcc:") {
			t.Errorf("%q", shown)
		}
	})
}
