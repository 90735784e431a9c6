package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/submission/dlp"
	"github.com/sekisho-mail/sekisho/submission/policy"
)

func inspector(t *testing.T) *Inspector {
	t.Helper()
	p, problems := policy.Parse(policy.Factory())
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	book, wrong := approval.ParsePeople("people.yaml", []byte(`people:
  - {address: alice@corp.example, aliases: [a.sato@corp.example], name: 佐藤 花子, department: 営業部, groups: [sales]}
`))
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	c := &Config{DataDir: t.TempDir()}
	c.Organization.Domains = []string{"corp.example"}
	c.Organization.TimeZone, c.Organization.Holidays = "Asia/Tokyo", "jp"
	i, err := NewInspector(c, p, book, "")
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// office is a Wednesday at ten in Tokyo.
var office = time.Date(2025, 11, 26, 1, 0, 0, 0, time.UTC)

func envelope(to ...string) Envelope {
	e := Envelope{Person: "a.sato@corp.example", At: office}
	for _, a := range to {
		e.Recipients = append(e.Recipients, mailaddr.Address(a))
	}
	return e
}

func mail(lines ...string) []byte { return []byte(strings.Join(lines, "\r\n") + "\r\n") }

func TestFactsOfTheEnvelopeAndTheHeader(t *testing.T) {
	raw := mail("From: a.sato@corp.example", "To: Bob <BOB@corp.example>, \"X\" <x@Other.example>", "Cc: undisclosed:;, team@split.example, broken@",
		"Subject: =?UTF-8?B?6KaL56mN?=", "", "text")
	f := inspector(t).Inspect(t.Context(), envelope("bob@corp.example", "x@other.example", "secret@third.example"), raw).Facts
	want := []policy.Recipient{
		{Address: "bob@corp.example"}, {Address: "x@other.example", External: true}, {Address: "secret@third.example", External: true, Bcc: true},
	}
	if !slices.Equal(f.Recipients, want) {
		t.Errorf("recipients %+v", f.Recipients)
	}
	if !slices.ContainsFunc(f.HeaderOnly, func(r policy.Recipient) bool { return r.Address == "team@split.example" && r.External }) {
		t.Errorf("header only: %+v", f.HeaderOnly)
	}
	if f.Sender.Address != "alice@corp.example" || f.Sender.Department != "営業部" || !slices.Equal(f.Sender.Groups, []string{"sales"}) {
		t.Errorf("the person behind the alias: %+v", f.Sender)
	}
	if f.Subject != "見積" || f.Size != int64(len(raw)) || !f.Business || f.Now.Hour() != 10 || f.Automatic {
		t.Errorf("facts %+v", f)
	}
	late := envelope("bob@corp.example")
	late.At = office.Add(12 * time.Hour)
	if inspector(t).Inspect(t.Context(), late, raw).Facts.Business {
		t.Error("ten in the evening counts as business hours")
	}
}

func TestWhatIsAutomatic(t *testing.T) {
	for header, want := range map[string]bool{
		"X-A: b":                       false,
		"Auto-Submitted: auto-replied": true,
		"Auto-Submitted: no":           false,
		"Precedence: bulk":             false, // newsletters carry it too
		"Content-Type: multipart/report; report-type=delivery-status; boundary=x": true,
	} {
		raw := mail("From: alice@corp.example", "To: x@other.example", header, "", "text")
		i := inspector(t).Inspect(t.Context(), envelope("x@other.example"), raw)
		if i.Facts.Automatic != want {
			t.Errorf("%s: automatic is %v", header, i.Facts.Automatic)
		}
		if d := i.Verdict.Recipients[0].Delay; want != (d == 0) {
			t.Errorf("%s: waits %s", header, d)
		}
	}
	known := envelope("x@other.example")
	known.Automatic = true
	if !inspector(t).Inspect(t.Context(), known, mail("From: alice@corp.example", "", "x")).Facts.Automatic {
		t.Error("what the envelope says of it is forgotten")
	}
}

func multipart(kind string, parts ...string) []byte {
	return mail("From: alice@corp.example", "To: x@other.example", "MIME-Version: 1.0", "Content-Type: multipart/"+kind+"; boundary=b", "",
		"--b", strings.Join(parts, "\r\n--b\r\n"), "--b--")
}

func TestAttachmentsAndWhatMayBecomeALink(t *testing.T) {
	text := "Content-Type: text/plain\r\n\r\nhello"
	pdf := "Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"a.bin\"\r\n\r\nAAAA"
	ics := "Content-Type: text/calendar\r\nContent-Disposition: attachment; filename=\"a.ics\"\r\n\r\nBEGIN:VCALENDAR\r\nEND:VCALENDAR"
	forwarded := "Content-Type: message/rfc822\r\n\r\nFrom: c@other.example\r\nSubject: x\r\n\r\nold"
	signature := "Content-Type: application/pkcs7-signature; name=smime.p7s\r\nContent-Disposition: attachment; filename=smime.p7s\r\n\r\nAAAA"
	for name, c := range map[string]struct {
		raw    []byte
		linked bool
		action policy.Action
	}{
		"a file":               {multipart("mixed", text, pdf), true, policy.Delay},
		"only text":            {multipart("mixed", text), false, policy.Delay},
		"an invitation stays":  {multipart("mixed", text, ics), false, policy.Delay},
		"a forwarded mail too": {multipart("mixed", text, forwarded), false, policy.Delay},
		"a signed file":        {multipart("signed; protocol=\"application/pkcs7-signature\"", "Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n"+text+"\r\n--c\r\n"+pdf+"\r\n--c--", signature), false, policy.Hold},
	} {
		i := inspector(t).Inspect(t.Context(), envelope("x@other.example"), c.raw)
		v := i.Verdict.Recipients[0]
		if (v.Link != nil) != c.linked || v.Action != c.action {
			t.Errorf("%s: %s, link %v, attachments %+v, findings %+v", name, v.Action, v.Link, i.Facts.Attachments, i.Facts.Findings)
		}
		if c.action == policy.Hold && v.Reasons[0].Code != "cannot_link" {
			t.Errorf("%s: %+v", name, v.Reasons)
		}
	}
}

func TestNothingLeavesThatWasNotInspected(t *testing.T) {
	broken := "Content-Type: application/zip\r\nContent-Disposition: attachment; filename=\"a.zip\"\r\nContent-Transfer-Encoding: base64\r\n\r\nUEsDBBQAAAAIAAAAAAAAAAA="
	for name, raw := range map[string][]byte{
		"no mail at all":     []byte("\x00\x01"),
		"an archive in half": multipart("mixed", "Content-Type: text/plain\r\n\r\nhello", broken),
		"two Content-Types":  mail("From: alice@corp.example", "Content-Type: text/plain", "Content-Type: multipart/mixed; boundary=b", "", "--b", "", "x", "--b--"),
	} {
		for _, to := range []string{"x@other.example", "bob@corp.example"} {
			v := inspector(t).Inspect(t.Context(), envelope(to), raw).Verdict.Recipients[0]
			if v.Action != policy.Hold || len(v.Reasons) == 0 {
				t.Errorf("%s to %s: %s", name, to, v.Action)
			}
		}
	}
}

func TestAReportWithoutItsFindingIsStillSeenByRules(t *testing.T) {
	r := &dlp.Report{Uninspectable: []dlp.Uninspectable{{Path: "a.7z", Reason: dlp.Encrypted}, {Path: "b.doc", Reason: dlp.TimedOut}}}
	got := findings(r)
	for _, detector := range []string{"encrypted", "uninspectable"} {
		if !slices.ContainsFunc(got, func(f policy.Finding) bool { return f.Detector == detector && f.Count == 1 }) {
			t.Errorf("%s is lost: %+v", detector, got)
		}
	}
}

func TestObservingChangesNothingForTheMail(t *testing.T) {
	i := inspector(t)
	i.Observe = true
	v := i.Inspect(t.Context(), envelope("x@other.example"), []byte("\x00")).Verdict
	if v.Recipients[0].Action != policy.Send || v.Recipients[0].Observed.Action != policy.Hold {
		t.Errorf("%+v", v)
	}
	i.Observe, i.Pilot = false, []string{"sales"}
	if v := i.Inspect(t.Context(), envelope("x@other.example"), mail("From: a@corp.example", "", "x")).Verdict; v.Observed {
		t.Error("the pilot is only observed")
	}
	i.Pilot = []string{"hr"}
	if v := i.Inspect(t.Context(), envelope("x@other.example"), mail("From: a@corp.example", "", "x")).Verdict; !v.Observed {
		t.Error("somebody who is no pilot is not observed")
	}
}
