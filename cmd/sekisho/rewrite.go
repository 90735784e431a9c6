package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/linkify"
	"github.com/sekisho-mail/sekisho/submission/policy"
)

// RewriteCmd prints what one recipient would get.
type RewriteCmd struct {
	InspectFlags
	From string `placeholder:"ADDRESS" help:"The sender; default: the From field."`
	To   string `placeholder:"ADDRESS" help:"The recipient; default: the first one the mail names."`
	File string `arg:"" help:"The mail (.eml); - reads standard input."`
}

// Help is shown below the flags.
func (RewriteCmd) Help() string {
	return `Prints the mail as that recipient would get it if it were approved: attachments
replaced by links as the policy says (with a token that leads nowhere), Bcc
removed, every other byte as it was. The block that is put above the mail when it
leaves (Received, a signature, a missing Date) is not shown. Nothing is stored.

What would happen to the mail is said on standard error.
Exit status: 0 it would be sent, 3 held, 4 refused, 2 the file could not be read.`
}

// Exit codes of rewrite.
const (
	exitUnreadable exitCode = 2
	exitHeld       exitCode = 3
	exitRefused    exitCode = 4
)

// Run prints the mail on Out and its fate on Err.
func (r *RewriteCmd) Run(ctx context.Context, out *Streams) error {
	b, g, raw, err := r.open(out)
	if err != nil {
		fmt.Fprintln(out.Err, err)
		return exitUnreadable
	}
	inspection := b.inspect(ctx, raw, g)
	if inspection.Message == nil {
		fmt.Fprintln(out.Err, "this is no mail: it has no header fields")
		return exitUnreadable
	}
	if len(inspection.Verdict.Recipients) == 0 {
		fmt.Fprintln(out.Err, "the mail names no recipient; give one with --to")
		return exitUnreadable
	}
	verdict := inspection.Verdict.Recipients[0]
	fmt.Fprintln(out.Err, fate(verdict, b.language()))
	if verdict.Action == policy.Refuse {
		return exitRefused // there is nothing that the recipient would get
	}
	if err := b.render(out.Out, inspection, verdict); err != nil {
		return err
	}
	if verdict.Action == policy.Hold {
		return exitHeld
	}
	return nil
}

// open reads what the command needs. The mail is judged for one recipient, and
// the others of its header are known to the rules all the same.
func (r *RewriteCmd) open(out *Streams) (*bench, given, []byte, error) {
	b, err := r.load(out.Program)
	if err != nil {
		return nil, given{}, nil, err
	}
	var to []string
	if r.To != "" {
		to = []string{r.To}
	}
	g, err := parseGiven(r.From, to)
	if err != nil {
		return nil, given{}, nil, err
	}
	raw, err := readInput(r.File, out.In)
	if err != nil {
		return nil, given{}, nil, fmt.Errorf("%s: %s", printable(r.File), plainError(err))
	}
	return b, g, raw, nil
}

// fate is one line: would be held: reason; reason.
func fate(v policy.RecipientVerdict, language string) string {
	var reasons []string
	for _, r := range v.Reasons {
		reasons = append(reasons, r.In(language))
	}
	words := map[policy.Action]string{
		policy.Send: "would be sent at once", policy.Delay: "would be sent after " + v.Delay.String(),
		policy.Hold: "would be held", policy.Refuse: "would be refused",
	}[v.Action]
	if len(reasons) == 0 {
		return words
	}
	return words + ": " + strings.Join(reasons, "; ")
}

// render writes the mail with its links.
func (b *bench) render(w io.Writer, i Inspection, v policy.RecipientVerdict) error {
	var mail bytes.Buffer
	if v.Link == nil {
		mail.Write(i.Message.Raw)
	} else if err := b.preview(&mail, i, v); err != nil {
		return err
	}
	_, err := w.Write(withoutBcc(mail.Bytes()))
	return err
}

// preview asks linkify for the mail with its links.
func (b *bench) preview(w *bytes.Buffer, i Inspection, v policy.RecipientVerdict) error {
	options := linkify.Options{Portal: "https://files.invalid", Zone: b.Calendar.Zone()}
	if b.config != nil {
		options.Portal, options.Company = b.config.Portal.URL, b.config.Organization.Name
	}
	mail := linkify.Mail{
		ID: "preview", Person: mailaddr.Address(i.Facts.Sender.Address), Subject: i.Facts.Subject,
		AcceptedAt: i.Facts.Now.Truncate(time.Second), Raw: i.Message.Raw,
	}
	if from, _ := message.Addresses(i.Message.Root.Get("From")); len(from) > 0 {
		mail.From, mail.FromName = mailaddr.Address(from[0].Address), from[0].Name
	}
	to := linkify.Recipient{
		ID: "preview", Address: mailaddr.Address(v.Address), AsIs: true,
		Terms: linkTerms(v.Link),
	}
	if err := linkify.Preview(w, options, mail, to); err != nil {
		return fmt.Errorf("make the links: %w", err)
	}
	return nil
}

// withoutBcc takes out the fields that submission never lets through.
func withoutBcc(raw []byte) []byte {
	fields := message.Header(raw).Fields
	out := raw
	for _, f := range slices.Backward(fields) {
		if strings.EqualFold(f.Name, "Bcc") || strings.EqualFold(f.Name, "Resent-Bcc") {
			out = slices.Concat(out[:f.Span.Start], out[f.Span.End:])
		}
	}
	return out
}
