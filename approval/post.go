package approval

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// largestEnclosed is how large a returned mail may be to be attached. Above,
// the notice itself might not fit into the sender's mailbox.
const largestEnclosed = 10 << 20

// reader is somebody a notice goes to.
type reader struct {
	address  mailaddr.Address
	language string
}

func (d *Desk) reader(a mailaddr.Address) reader {
	p, ok := d.People.Book().ByAddress(a)
	switch {
	case !ok:
		return reader{a, d.Language}
	case p.Language == "":
		return reader{p.Address, d.Language}
	}
	return reader{p.Address, p.Language}
}

// posting is how a notice travels.
type posting struct {
	about   *holdqueue.Message // the mail it speaks of
	request RequestID          // questions of one request form a thread
	// returned are the recipients whose mail is attached; nil attaches none.
	returned []*holdqueue.Recipient
	approver mailaddr.Address // who is asked by it
}

// post writes a notice and puts it into the queue in the transaction of its
// cause.
func (d *Desk) post(tx *db.Tx, to reader, k kind, n notice, p posting) error {
	n.Enclosed = len(p.returned) > 0 && p.about.Size <= largestEnclosed
	subject, text, err := d.texts.write(to.language, k, n)
	if err != nil {
		return err
	}
	l := &letter{
		from: d.From, fromName: oneLine(d.Name), to: to.address, subject: subject, text: text,
		html: asHTML(to.language, text, d.BaseURL), language: to.language, at: tx.Now().In(d.Calendar.Zone()),
		id: db.NewID() + "@" + d.From.Domain(),
	}
	if p.request != "" {
		l.thread = "request." + string(p.request) + "@" + d.From.Domain()
	}
	mail := holdqueue.Mail{To: []mailaddr.Address{to.address}, Subject: subject, Kind: string(k)}
	if p.about != nil {
		mail.About = p.about.ID
	}
	if n.Enclosed {
		l.enclosed = &enclosed{eightBit: p.about.Meta.EightBit || p.about.Meta.SMTPUTF8, bcc: bccOf(p.about, p.returned)}
		mail.Enclose = p.about.ID
	}
	head, tail := l.form()
	mail.Raw, mail.Head = append(head, tail...), int64(len(head))
	id, err := d.Queue.Post(tx, mail)
	if err != nil || p.approver == "" {
		return err
	}
	_, err = tx.Exec(`INSERT INTO question_mail (message, request, approver) VALUES ($1, $2, $3)`,
		id, string(p.request), string(p.approver))
	return err
}

func bccOf(m *holdqueue.Message, returned []*holdqueue.Recipient) []mailaddr.Address {
	var out []mailaddr.Address
	for _, r := range returned {
		if isBcc(m, r.Address) {
			out = append(out, r.Address)
		}
	}
	return out
}

// of begins a notice about a mail and some of its recipients.
func (d *Desk) of(m *holdqueue.Message, to reader, about []*holdqueue.Recipient, hide bool) notice {
	n := notice{Subject: shownSubject(m.Meta.Subject, hide, to.language)}
	outside, inside := 0, 0
	for _, r := range about {
		n.Recipients = append(n.Recipients, recipientLine(m, r, to.language))
		if d.outside(r.Address) {
			outside++
		} else {
			inside++
		}
	}
	n.Recipients = bounded(n.Recipients, to.language)
	n.Outside = outside > 0
	n.Count = countText(to.language, outside, inside)
	n.Sender = d.called(d.People.Book(), m.Person, to.language)
	return n
}

func recipientLine(m *holdqueue.Message, r *holdqueue.Recipient, language string) string {
	if isBcc(m, r.Address) {
		return r.Address.String() + bccMark(language)
	}
	return r.Address.String()
}

func bccMark(language string) string {
	if language == langEN {
		return " (Bcc)"
	}
	return "（Bcc）"
}

// shownSubject is a held mail's subject as notices may repeat it.
func shownSubject(subject string, hide bool, language string) string {
	subject = quotable(subject)
	switch {
	case hide && language == langEN:
		return "(subject left out)"
	case hide:
		return "（件名は省略）"
	case subject == "" && language == langEN:
		return "(no subject)"
	case subject == "":
		return "（件名なし）"
	}
	return subject
}

// withRequest adds what the request knows.
func (d *Desk) withRequest(n notice, r *record, language string) notice {
	for _, x := range r.detail.Reasons {
		n.Reasons = appendNew(n.Reasons, x.line(r.detail.Places, language))
	}
	n.Expires = r.expiresAt
	n.Since = r.openedAt
	n.Holders = d.holderNames(r, language)
	n.NoManager = slices.Contains(r.detail.Notes, NoManager)
	n.NoApprover = slices.Contains(r.detail.Notes, NoApprover)
	n.Further = !r.lastStage()
	n.Others = len(r.askedNow()) > 1
	return n
}

// longestNames bounds a list of names; a pool may have hundreds of people.
const longestNames = 5

// holderNames names with whom the present stage lies. Administrators are named
// as a body: who of them answers is nobody's concern.
func (d *Desk) holderNames(r *record, language string) []string {
	var names []string
	for _, q := range r.questions {
		if q.stage != r.stage || q.approver == approverRole {
			continue
		}
		who := q.approver
		if q.as == AsAdmin {
			who = adminRole
		}
		names = appendNew(names, d.called(d.People.Book(), who, language))
	}
	if len(names) <= longestNames {
		return names
	}
	return append(names[:longestNames:longestNames], others(language, len(names)-longestNames))
}

// longestList bounds a list of recipients: a mail may have a thousand.
const longestList = 30

func bounded(list []string, language string) []string {
	if len(list) <= longestList {
		return list
	}
	return append(list[:longestList:longestList], others(language, len(list)-longestList))
}

func others(language string, n int) string {
	if language == langEN {
		return fmt.Sprintf("and %d more", n)
	}
	return fmt.Sprintf("ほか%d名", n)
}

func (d *Desk) messageURL(id MessageID) string { return d.BaseURL + PathMessage + id }
func (d *Desk) requestURL(id RequestID) string { return d.BaseURL + PathRequest + string(id) }
func (d *Desk) cancelURL(id MessageID) string  { return d.BaseURL + PathCancel + d.CancelToken(id) }

func isRole(a mailaddr.Address) bool { return strings.HasPrefix(string(a), "role:") }
