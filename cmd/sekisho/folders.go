package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"slices"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/clamd"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/linkify"
	"github.com/sekisho-mail/sekisho/web"
)

// looksIntoUpTo is the size up to which a stranger's file is read for what it is, beside the search for malware.
const looksIntoUpTo = 32 << 20

// scanWithin is how long clamd may take for a file of two gigabytes.
const scanWithin = 20 * time.Minute

// checkUpload is linkify's Check: malware first, then what the owner should know before opening the file.
func (h *house) checkUpload(ctx context.Context, u linkify.Upload, content io.ReaderAt) (linkify.Checked, error) {
	var out linkify.Checked
	if err := h.searchMalware(ctx, u, content, &out); err != nil || out.Malware != "" {
		return out, err
	}
	if u.Size == 0 || u.Size > looksIntoUpTo {
		return out, nil
	}
	body := make([]byte, u.Size)
	if _, err := io.ReadFull(io.NewSectionReader(content, 0, u.Size), body); err != nil {
		return out, fmt.Errorf("read upload: %w", err)
	}
	report := h.inspector.Load().Scanner.File(ctx, u.Name, body)
	for _, f := range report.Findings {
		if slices.Contains([]string{"executable", "macro", "mismatched_type", "encrypted"}, f.Detector) {
			out.Notes = append(out.Notes, f.Detector)
		}
	}
	slices.Sort(out.Notes)
	out.Notes = slices.Compact(out.Notes)
	return out, ctx.Err()
}

func (h *house) searchMalware(ctx context.Context, u linkify.Upload, content io.ReaderAt, out *linkify.Checked) error {
	letIn := h.config.Folders.Unscanned == "warn"
	if h.config.Scanners.Clamd == "" {
		out.Unchecked, out.LetIn = "no_scanner", letIn
		return nil
	}
	client, err := clamd.New(h.config.Scanners.Clamd)
	if err != nil {
		return err
	}
	virus, err := client.Within(scanWithin).Scan(ctx, "", io.NewSectionReader(content, 0, u.Size))
	if errors.Is(err, clamd.ErrTooLarge) {
		out.Unchecked, out.LetIn = "too_large", letIn
		return nil
	}
	out.Malware = virus
	return err
}

// invite is web's Invite: the request for files is a mail of the person's and goes the way of all their mail.
func (h *house) invite(ctx context.Context, i web.Invitation) error {
	draft, err := h.queue.Begin(ctx)
	if err != nil {
		return fmt.Errorf("invite: %w", err)
	}
	defer draft.Abort()
	id := draft.ID() + "@" + i.Person.Domain()
	subject := "ファイル提出のお願い / Request for files: " + i.Title
	raw := letterOf(i, subject, id, time.Now().In(h.zone()))
	if _, err := draft.Write(raw); err != nil {
		return fmt.Errorf("invite: %w", err)
	}
	_, err = draft.Commit(ctx, holdqueue.Envelope{
		Origin: holdqueue.FromPerson, Person: i.Person, MailFrom: i.Person,
		Recipients: []holdqueue.EnvelopeRecipient{{Address: i.To}},
		Meta: holdqueue.Meta{Subject: subject, MessageID: id, From: []mailaddr.Address{i.Person}, HeaderTo: []mailaddr.Address{i.To},
			SMTPUTF8: !i.To.IsASCII()},
	})
	if err != nil {
		return fmt.Errorf("invite: %w", err)
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

// letterOf writes the request. The note stands where its writer put it: they may well want to say more than we do.
func letterOf(i web.Invitation, subject, id string, at time.Time) []byte {
	var b bytes.Buffer
	from := string(i.Person)
	if i.Name != "" && i.Name != from {
		from = mime.BEncoding.Encode("utf-8", i.Name) + " <" + from + ">"
		if isPlain(i.Name) {
			from = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(i.Name) + `" <` + string(i.Person) + ">"
		}
	}
	for _, f := range [][2]string{{"Date", at.Format(time.RFC1123Z)}, {"From", from}, {"To", string(i.To)}, {"Message-ID", "<" + id + ">"},
		{"Subject", foldWords(mime.BEncoding.Encode("utf-8", subject))}, {"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"}, {"Content-Transfer-Encoding", "quoted-printable"}} {
		b.WriteString(f[0] + ": " + f[1] + "\r\n")
	}
	b.WriteString("\r\n")
	day := i.Until.In(at.Location())
	text := i.Name + " より、ファイルの提出のお願いです。\n\n内容： " + i.Title + "\n"
	if i.Note != "" {
		text += "\n" + strings.ReplaceAll(i.Note, "\r\n", "\n") + "\n"
	}
	text += "\n次のページから、アカウントなしで提出できます（" + day.Format("2006年1月2日") + "まで）。\n" + i.Address + "\n" +
		"\n---\nYou are asked for files: " + i.Title + "\nPlease hand them in here until " + day.Format("2 January 2006") + ", no account needed:\n" + i.Address + "\n"
	q := quotedprintable.NewWriter(&b)
	io.WriteString(q, strings.ReplaceAll(text, "\n", "\r\n")) // a buffer does not fail
	q.Close()
	return b.Bytes()
}

func isPlain(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// foldWords puts each encoded word onto a line of its own.
func foldWords(s string) string { return strings.ReplaceAll(s, "?= =?", "?=\r\n =?") }

// folderHandlers are the kinds of due work that folders have.
func (h *house) folderHandlers() map[string]func(context.Context, string) (time.Time, error) {
	return map[string]func(context.Context, string) (time.Time, error){
		linkify.WorkFolderEnd: h.links.EndFolder, linkify.WorkCheck: h.links.CheckUpload, linkify.WorkTell: h.links.TellFolder,
	}
}
