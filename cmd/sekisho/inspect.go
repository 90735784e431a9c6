package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/linkify"
	"github.com/sekisho-mail/sekisho/submission/dlp"
	"github.com/sekisho-mail/sekisho/submission/policy"
)

// Inspector turns a mail into a report and a verdict. It holds no state
// between mails; when policy or people change, a new one takes its place.
type Inspector struct {
	Scanner *dlp.Scanner
	Policy  *policy.Policy
	// Domains are the company's own.
	Domains  []string
	Calendar *approval.Calendar
	Book     *approval.Book // nil knows nobody
	// Observe and Pilot are policy.mode and policy.pilot.
	Observe bool
	Pilot   []string
}

// Envelope is what is known about a mail beside its bytes.
type Envelope struct {
	Person     mailaddr.Address // who sent it in truth
	Source     string           // gateway source, "" for a person
	Recipients []mailaddr.Address
	Reopens    bool // gives a link of an earlier mail anew
	Automatic  bool // known from the envelope; the header may say so too
	At         time.Time
}

// Inspection is all that inspection found out about one mail.
type Inspection struct {
	Message *message.Message // nil when the bytes are no mail at all
	Report  *dlp.Report
	Facts   policy.Facts
	Verdict policy.Verdict
}

// Inspect never fails: what could not be looked into is a finding, and a mail
// that is none at all is held for the administrators.
func (i *Inspector) Inspect(ctx context.Context, e Envelope, raw []byte) Inspection {
	m, err := message.Parse(raw)
	if err != nil {
		return i.Uninspected(e, "unreadable", "メールとして読み取れないため、内容を確認できません", "it cannot be read as a mail")
	}
	// What a second parser shows and ours does not would pass unseen.
	m.Anomalies = append(m.Anomalies, message.Crosscheck(m)...)
	report := i.Scanner.Message(ctx, m)
	facts := i.facts(e, m, report)
	return Inspection{Message: m, Report: report, Facts: facts, Verdict: i.Policy.Evaluate(facts)}
}

// Uninspected holds every recipient for the administrators because inspection
// as a whole came to nothing.
func (i *Inspector) Uninspected(e Envelope, code, ja, en string) Inspection {
	facts := i.envelopeFacts(e, nil)
	why := policy.Reason{Rule: "uninspected", Code: code, JA: ja, EN: en}
	report := &dlp.Report{Uninspectable: []dlp.Uninspectable{{Path: "", Reason: dlp.Unreadable}}}
	return Inspection{Report: report, Facts: facts, Verdict: policy.Uninspected(facts, why)}
}

// facts are what the rules may ask about a mail that was read.
func (i *Inspector) facts(e Envelope, m *message.Message, report *dlp.Report) policy.Facts {
	f := i.envelopeFacts(e, m)
	f.Subject = m.Root.Text("Subject")
	f.Size = int64(len(m.Raw))
	f.Automatic = f.Automatic || automatic(m)
	f.Findings = findings(report)
	attachments, err := attachments(m)
	f.Attachments = attachments
	if err != nil {
		atLeastOne(&f, dlp.DetectorUninspectable)
	}
	if m.Ambiguous() {
		atLeastOne(&f, dlp.DetectorAmbiguous)
	}
	return f
}

func (i *Inspector) envelopeFacts(e Envelope, m *message.Message) policy.Facts {
	f := policy.Facts{Sender: i.sender(e.Person), Source: e.Source, Automatic: e.Automatic, Reopens: e.Reopens, Now: e.At}
	if i.Calendar != nil {
		f.Now = e.At.In(i.Calendar.Zone())
		f.Business = i.Calendar.Between(e.At, e.At.Add(time.Minute)) > 0
	}
	shown := headerRecipients(m)
	for _, to := range e.Recipients {
		_, inHeader := shown[to.Key()]
		f.Recipients = append(f.Recipients, policy.Recipient{Address: string(to), External: i.outside(to), Bcc: !inHeader && m != nil})
		delete(shown, to.Key())
	}
	for _, to := range shown {
		f.HeaderOnly = append(f.HeaderOnly, policy.Recipient{Address: string(to), External: i.outside(to)})
	}
	slices.SortFunc(f.HeaderOnly, func(a, b policy.Recipient) int { return strings.Compare(a.Address, b.Address) })
	f.Observe = policy.Observes(i.Observe, i.Pilot, f.Sender)
	return f
}

func (i *Inspector) outside(a mailaddr.Address) bool { return !mailaddr.InDomains(a, i.Domains) }

// sender is the person with what the people file says of them; somebody the
// file does not know is just an address.
func (i *Inspector) sender(a mailaddr.Address) policy.Sender {
	s := policy.Sender{Address: string(a)}
	if p, ok := i.Book.ByAddress(a); ok {
		s.Address, s.Department, s.Groups = string(p.Address), p.Department, p.Groups
		for _, alias := range p.Aliases {
			s.Aliases = append(s.Aliases, string(alias))
		}
	}
	return s
}

// headerRecipients are the mailboxes of To and Cc by their look-up form. One
// that cannot be an address still counts: its reader was meant to see it.
func headerRecipients(m *message.Message) map[mailaddr.Address]mailaddr.Address {
	shown := map[mailaddr.Address]mailaddr.Address{}
	if m == nil {
		return shown
	}
	for _, field := range []string{"To", "Cc"} {
		for _, value := range m.Root.Values(field) {
			for _, a := range addresses(value) {
				shown[a.Key()] = a
			}
		}
	}
	return shown
}

// addresses reads an address list; what the strict grammar refuses is kept as
// it stands.
func addresses(value string) []mailaddr.Address {
	list, _ := message.Addresses(value) // lenient: what was understood is enough for counting
	var out []mailaddr.Address
	for _, a := range list {
		address, err := mailaddr.Parse(a.Address, true)
		if err != nil {
			address = mailaddr.Address(a.Address)
		}
		if strings.Contains(string(address), "@") {
			out = append(out, address)
		}
	}
	return out
}

// automatic: written by a program in answer to something (DESIGN 7.11). A
// Precedence field alone is no such sign: newsletters carry it too.
func automatic(m *message.Message) bool {
	why := m.Automatic()
	return why != "" && why != "precedence"
}

// findings of the report as rules see them. A carrier that is listed as not
// inspected counts even if its detector said nothing.
func findings(report *dlp.Report) []policy.Finding {
	var out []policy.Finding
	for _, x := range report.Findings {
		out = append(out, policy.Finding{
			Detector: x.Detector, Level: policy.Level(x.Level.String()), Count: x.Count,
			InAttachment: slices.ContainsFunc(x.Matches, func(m dlp.Match) bool { return m.Where == dlp.InAttachment }),
		})
	}
	f := policy.Facts{Findings: out}
	for _, u := range report.Uninspectable {
		if u.Reason == dlp.Encrypted {
			atLeastOne(&f, dlp.DetectorEncrypted)
		} else {
			atLeastOne(&f, dlp.DetectorUninspectable)
		}
	}
	return f.Findings
}

// atLeastOne makes sure that rules see the detector.
func atLeastOne(f *policy.Facts, detector string) {
	if !slices.ContainsFunc(f.Findings, func(x policy.Finding) bool { return x.Detector == detector && x.Count > 0 }) {
		f.Findings = append(f.Findings, policy.Finding{Detector: detector, Level: policy.High, Count: 1})
	}
}

// attachments are the files of the mail, each with whether it can become a
// link. Whole messages attached are linked by explicit rule only (DESIGN 7.10),
// so they count as exempt here.
func attachments(m *message.Message) ([]policy.Attachment, error) {
	var out []policy.Attachment
	at := map[string]int{}
	plan, err := linkify.Plan(m, func(a linkify.Attachment) bool {
		exempt := linkify.Exempt(a) || a.Type == "message/rfc822" || a.Type == "message/global"
		at[a.Path] = len(out)
		out = append(out, policy.Attachment{Name: a.Name, Type: a.Type, Size: a.Size, Exempt: exempt})
		return !exempt
	})
	for _, c := range plan.Cannot {
		if n, ok := at[c.Path]; ok {
			out[n].Fixed = true
			continue
		}
		out = append(out, policy.Attachment{Name: c.Name, Type: c.Type, Size: 1, Fixed: true})
	}
	return out, err
}
