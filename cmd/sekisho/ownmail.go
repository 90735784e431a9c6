package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"strconv"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/linkify"
	"github.com/sekisho-mail/sekisho/web"
)

// Mails that a person lets our pages write. They are the person's own and go the way of all their mail: inspected,
// delayed, asked about. None of them is a way around the checkpoint.

// ownMail is one of them.
type ownMail struct {
	Person  mailaddr.Address
	Name    string // of the person, for From
	To      mailaddr.Address
	Subject string
	Text    string // lines ended by \n
	Anew    string // what Prepare adds
}

func (h *house) submitOwn(ctx context.Context, o ownMail) error {
	draft, err := h.queue.Begin(ctx)
	if err != nil {
		return fmt.Errorf("submit: %w", err)
	}
	defer draft.Abort()
	id := draft.ID() + "@" + o.Person.Domain()
	if _, err := draft.Write(o.form(id, time.Now().In(h.zone()))); err != nil {
		return fmt.Errorf("submit: %w", err)
	}
	_, err = draft.Commit(ctx, holdqueue.Envelope{
		Origin: holdqueue.FromPerson, Person: o.Person, MailFrom: o.Person,
		Recipients: []holdqueue.EnvelopeRecipient{{Address: o.To}},
		Meta: holdqueue.Meta{Subject: o.Subject, MessageID: id, From: []mailaddr.Address{o.Person}, HeaderTo: []mailaddr.Address{o.To},
			SMTPUTF8: !o.To.IsASCII(), Anew: o.Anew},
	})
	if err != nil {
		return fmt.Errorf("submit: %w", err)
	}
	return nil
}

func (h *house) zone() *time.Location {
	zone, err := time.LoadLocation(h.config.Organization.TimeZone)
	if err != nil { // the configuration has been checked
		return time.UTC
	}
	return zone
}

// form writes the message.
func (o ownMail) form(id string, at time.Time) []byte {
	var b bytes.Buffer
	for _, f := range [][2]string{{"Date", at.Format(time.RFC1123Z)}, {"From", o.from()}, {"To", string(o.To)}, {"Message-ID", "<" + id + ">"},
		{"Subject", encodedWords(oneLine(o.Subject))}, {"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"}, {"Content-Transfer-Encoding", "quoted-printable"}} {
		b.WriteString(f[0] + ": " + f[1] + "\r\n")
	}
	b.WriteString("\r\n")
	q := quotedprintable.NewWriter(&b)
	io.WriteString(q, strings.ReplaceAll(o.Text, "\n", "\r\n")) // a buffer does not fail
	q.Close()
	return b.Bytes()
}

func (o ownMail) from() string {
	name := oneLine(o.Name)
	switch {
	case name == "" || name == string(o.Person):
		return string(o.Person)
	case plain(name):
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `" <` + string(o.Person) + ">"
	}
	return encodedWords(name) + "\r\n <" + string(o.Person) + ">"
}

// encodedWords writes a text for a header field, each encoded word on a line of its own.
func encodedWords(s string) string {
	return strings.ReplaceAll(mime.BEncoding.Encode("utf-8", s), "?= =?", "?=\r\n =?")
}

func plain(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// invite is web's Invite.
func (h *house) invite(ctx context.Context, i web.Invitation) error {
	day := i.Until.In(h.zone())
	text := i.Name + " より、ファイルの提出のお願いです。\n\n内容： " + i.Title + "\n"
	if i.Note != "" {
		text += "\n" + strings.ReplaceAll(i.Note, "\r\n", "\n") + "\n"
	}
	text += "\n次のページから、アカウントなしで提出できます（" + day.Format("2006年1月2日") + "まで）。\n" + i.Address + "\n" +
		"\n---\nYou are asked for files: " + i.Title + "\nPlease hand them in here until " + day.Format("2 January 2006") + ", no account needed:\n" + i.Address + "\n"
	return h.submitOwn(ctx, ownMail{Person: i.Person, Name: i.Name, To: i.To, Subject: "ファイル提出のお願い / Request for files: " + i.Title, Text: text})
}

// resend is web's Resend. The link itself comes in when the mail leaves.
func (h *house) resend(ctx context.Context, a linkify.Anew) error {
	n := strconv.FormatInt(a.Files, 10)
	return h.submitOwn(ctx, ownMail{Person: a.Person, Name: a.FromName, To: a.To, Anew: a.Link,
		Subject: "添付ファイルの再送 / Your files again",
		Text: "先日お送りした添付ファイル（" + n + " 件）のリンクを、あらためてお送りします。以前のリンクは使わず、こちらをご利用ください。\n" +
			"\n---\nHere is a new link to the " + n + " file(s) that I sent you before.\n"})
}
