package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/failpoint"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// transaction is one mail on its way to the next hop, over as many SMTP transactions as that takes.
type transaction struct {
	relay   *Relay
	out     *holdqueue.Outgoing
	results []holdqueue.Result
	open    []int  // recipients without a result, by index
	prefix  []byte // what is prepended: signature, loop mark
	survey  *survey
	utf8    bool // this SMTP transaction is asked for with SMTPUTF8
}

func newTransaction(r *Relay, out *holdqueue.Outgoing) *transaction {
	t := &transaction{relay: r, out: out, results: make([]holdqueue.Result, len(out.Recipients))}
	for i := range out.Recipients {
		t.results[i].Remote = r.host
		t.open = append(t.open, i)
	}
	return t
}

func (t *transaction) finish(i int, err *holdqueue.SendError) {
	t.results[i].Err = err
	t.open = slices.DeleteFunc(t.open, func(other int) bool { return other == i })
}

func (t *transaction) failAll(err *holdqueue.SendError) {
	t.fail(t.open, err)
}

func (t *transaction) fail(recipients []int, err *holdqueue.SendError) {
	for _, i := range slices.Clone(recipients) {
		t.finish(i, err)
	}
}

// wireAddress is the mailbox as it stands between angle brackets, checked once more: whatever a database, a
// header or an older version let through, nothing may end the brackets or the line early. A domain in
// Japanese travels as A-labels, which are the same domain and need no SMTPUTF8.
func wireAddress(a mailaddr.Address) (string, error) {
	if a == "" {
		return "", nil
	}
	checked, err := mailaddr.Parse(string(a), true)
	if err != nil {
		return "", err
	}
	if strings.ContainsAny(string(checked), "<>\r\n\x00") {
		return "", errors.New("address with an angle bracket")
	}
	return checked.Local() + "@" + checked.Domain(), nil
}

// checkAddresses says whether anybody is left to send to.
func (t *transaction) checkAddresses() bool {
	if _, err := wireAddress(t.out.From); err != nil {
		t.failAll(permanent(553, "5.1.7", "the sender's address is malformed"))
	}
	for _, i := range slices.Clone(t.open) {
		address := t.out.Recipients[i].Address
		if _, err := wireAddress(address); err != nil || address == "" {
			t.finish(i, permanent(553, "5.1.3", "the recipient's address is malformed"))
		}
	}
	return len(t.open) > 0
}

// prepare reads the mail for what it needs, and signs it.
func (t *transaction) prepare(ctx context.Context) *holdqueue.SendError {
	found, err := look(ctx, t.body())
	if errors.Is(err, errUnsafeLines) {
		// The lines of RFC 5321 section 2.3.8 are all that every server reads alike (SMTP smuggling).
		return permanent(554, "5.6.0", "the mail has a bare CR, a bare LF or a NUL, and cannot be sent safely")
	}
	if err != nil {
		return broken("read the mail", err)
	}
	t.survey = found
	if t.relay.options.Loop != nil {
		t.prefix = []byte(t.relay.options.Loop(t.out.Message))
	}
	if t.relay.options.DKIM == nil {
		return nil
	}
	signature, err := t.relay.options.DKIM.sign(found, t.out.Message.Meta.From, t.body())
	switch {
	case errors.Is(err, errUnsignable):
		t.relay.options.Logger.Warn("mail leaves without a signature", "message", t.out.Message.ID, "error", err)
	case err != nil:
		return broken("sign the mail", err)
	}
	t.prefix = append([]byte(signature), t.prefix...)
	return nil
}

func (t *transaction) body() io.Reader { return io.NewSectionReader(t.out.Body, 0, t.out.Size) }

// run makes one SMTP transaction on s and leaves s kept or closed.
func (t *transaction) run(ctx context.Context, s *session) {
	stop := s.wire.abortWith(ctx)
	keep := t.transact(ctx, s, stop)
	if stop(); keep && ctx.Err() == nil {
		t.relay.keep(s)
	} else {
		s.close()
	}
}

// transact returns whether the connection is fit for another mail.
func (t *transaction) transact(ctx context.Context, s *session, stop func() bool) (keep bool) {
	if !t.checkOffers(s) {
		return true
	}
	if err := t.mail(s); err != nil {
		gone := err.Code == 0 || err.Code == 421
		if gone && s.mails > 0 {
			// A kept connection that the next hop gave up meanwhile says nothing about this mail: it stays
			// open and goes over another one.
			return false
		}
		t.failAll(err)
		return !gone
	}
	accepted, keep := t.recipients(s)
	if len(accepted) == 0 {
		return keep
	}
	failpoint.At("send.recipients_named", t.out.Message.ID)
	return t.data(ctx, s, accepted, stop)
}

// checkOffers refuses what the next hop cannot carry as it is (DESIGN 7.15), and says whether to go on.
func (t *transaction) checkOffers(s *session) bool {
	if t.survey.eightBit && !s.offers("8BITMIME") {
		t.failAll(permanent(554, "5.6.3", "the mail has eight-bit text, which the next mail server does not take"))
		return false
	}
	if limit, ok := s.client.MaxMessageSize(); ok && limit > 0 && t.size() > int64(limit) {
		t.failAll(permanent(552, "5.3.4", "the mail is larger than the next mail server takes"))
		return false
	}
	canUTF8 := s.offers("SMTPUTF8")
	header := t.survey.utf8Header && t.out.Message.Meta.SMTPUTF8
	if !canUTF8 && (header || !asciiLocal(t.out.From)) {
		t.failAll(permanent(550, "5.6.7", "the mail has an internationalised address or header, which the next mail server does not take"))
		return false
	}
	t.utf8 = header || !asciiLocal(t.out.From)
	for _, i := range slices.Clone(t.open) {
		if asciiLocal(t.out.Recipients[i].Address) {
			continue
		}
		if !canUTF8 {
			t.finish(i, permanent(550, "5.6.7", "the address is internationalised, which the next mail server does not take"))
			continue
		}
		t.utf8 = true
	}
	return len(t.open) > 0
}

func asciiLocal(a mailaddr.Address) bool { return mailaddr.Address(a.Local()).IsASCII() }

func (t *transaction) size() int64 { return int64(len(t.prefix)) + t.out.Size }

func (t *transaction) mail(s *session) *holdqueue.SendError {
	meta := &t.out.Message.Meta
	options := &smtp.MailOptions{Size: t.size(), UTF8: t.utf8}
	switch ret := smtp.DSNReturn(strings.ToUpper(meta.Ret)); ret {
	case smtp.DSNReturnFull, smtp.DSNReturnHeaders:
		options.Return = ret
	}
	if isPrintableASCII(meta.EnvID) && len(meta.EnvID) <= 100 {
		options.EnvelopeID = meta.EnvID
	}
	from, err := wireAddress(t.out.From)
	if err != nil {
		return broken("MAIL", err)
	}
	s.wire.sevenBit = !t.survey.eightBit && !t.utf8
	s.command()
	if err := s.client.Mail(from, options); err != nil {
		return answered("MAIL", err)
	}
	return nil
}

// recipients names those who are open, up to the limit of a transaction, and returns who was accepted. A
// server that has enough recipients (452) gets the others in the next transaction, at once.
func (t *transaction) recipients(s *session) (accepted []int, keep bool) {
	for _, i := range slices.Clone(t.open) {
		if len(accepted) == t.relay.options.Recipients {
			break
		}
		err := t.rcpt(s, t.out.Recipients[i])
		switch {
		case err == nil:
			accepted = append(accepted, i)
		case err.Code == 0 || err.Code == 421:
			t.fail(t.open, err)
			return nil, false
		case err.Code == 452 && len(accepted) > 0 && enoughRecipients(err):
			return accepted, true
		default:
			t.results[i].Reply = err.Text
			t.finish(i, err)
		}
	}
	return accepted, true
}

// enoughRecipients tells "too many recipients" from "this mailbox is full", which has the same reply code.
func enoughRecipients(err *holdqueue.SendError) bool {
	return err.Enhanced == "4.5.3" || strings.Contains(strings.ToLower(err.Text), "too many")
}

func (t *transaction) rcpt(s *session, r *holdqueue.Recipient) *holdqueue.SendError {
	address, err := wireAddress(r.Address)
	if err != nil {
		return permanent(553, "5.1.3", "the recipient's address is malformed")
	}
	s.command()
	if err := s.client.Rcpt(address, reportOptions(r)); err != nil {
		return answered("RCPT", err)
	}
	return nil
}

// reportOptions passes RFC 3461's parameters on, as far as they are well formed: they come from outside.
func reportOptions(r *holdqueue.Recipient) *smtp.RcptOptions {
	options := &smtp.RcptOptions{}
	for word := range strings.SplitSeq(strings.ToUpper(r.Notify), ",") {
		switch notify := smtp.DSNNotify(strings.TrimSpace(word)); notify {
		case smtp.DSNNotifyNever:
			options.Notify = []smtp.DSNNotify{notify}
		case smtp.DSNNotifySuccess, smtp.DSNNotifyFailure, smtp.DSNNotifyDelayed:
			if !slices.Contains(options.Notify, notify) && !slices.Contains(options.Notify, smtp.DSNNotifyNever) {
				options.Notify = append(options.Notify, notify)
			}
		}
	}
	kind, address, ok := strings.Cut(r.ORcpt, ";")
	switch kind := smtp.DSNAddressType(strings.ToUpper(kind)); {
	case !ok || address == "" || len(address) > 500:
	case kind == smtp.DSNAddressTypeRFC822 && isPrintableASCII(address),
		kind == smtp.DSNAddressTypeUTF8 && printable(address) == address:
		options.OriginalRecipientType, options.OriginalRecipient = kind, address
	}
	return options
}

func isPrintableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// data sends the mail to those who were accepted.
func (t *transaction) data(ctx context.Context, s *session, accepted []int, stop func() bool) (keep bool) {
	d := &delivery{transaction: t, session: s}
	if err := d.body(); err != nil {
		t.fail(accepted, err)
		// An answer to DATA itself leaves the connection usable; anything later does not.
		return !d.began && err.Code != 0 && err.Code != 421
	}
	failpoint.At("send.body_written", t.out.Message.ID)
	if err := t.out.BeforeDot(ctx, t.those(accepted)); err != nil {
		// Somebody else owns the mail now. The connection is dropped with the mail unfinished, which every
		// server must forget (RFC 5321 section 3.3).
		t.fail(accepted, broken("before the final dot", err))
		return false
	}
	failpoint.At("send.dot_noted", t.out.Message.ID)
	// From here the mail may be delivered whatever happens to us, so the answer is worth waiting for even
	// when the service is being stopped.
	if !stop() {
		t.fail(accepted, broken("before the final dot", ctx.Err()))
		return false
	}
	late, release := after(ctx, 20*time.Second)
	defer release()
	defer s.wire.abortWith(late)()
	reply, err := d.dot()
	failpoint.At("send.answered", t.out.Message.ID)
	for _, i := range slices.Clone(accepted) {
		t.results[i].Reply = reply
		t.results[i].DSNPassed = err == nil && s.offers("DSN")
		t.finish(i, err)
	}
	t.tell(accepted)
	return err == nil || !err.Uncertain && err.Code != 421
}

// tell has the outcome of a transaction written down before the next one begins.
func (t *transaction) tell(of []int) {
	if len(t.open) == 0 || t.out.Answered == nil {
		return // Send is about to return it
	}
	results := make([]holdqueue.Result, len(of))
	for n, i := range of {
		results[n] = t.results[i]
	}
	t.out.Answered(t.those(of), results)
}

// those are the recipients of indexes.
func (t *transaction) those(indexes []int) []*holdqueue.Recipient {
	to := make([]*holdqueue.Recipient, len(indexes))
	for n, i := range indexes {
		to[n] = t.out.Recipients[i]
	}
	return to
}

// after is a context that ends some time after ctx does, or with release.
func after(ctx context.Context, grace time.Duration) (late context.Context, release func()) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return late, func() { stop(); cancel() }
}

// delivery is the part of a transaction from DATA to the answer after the dot.
type delivery struct {
	*transaction
	session *session
	dots    io.WriteCloser
	began   bool // the server said 354
}

// body sends all of the mail but the final dot, down to the network.
func (d *delivery) body() *holdqueue.SendError {
	s := d.session
	s.command()
	if err := s.writer.PrintfLine("DATA"); err != nil {
		return broken("DATA", err)
	}
	if _, _, err := s.reader.ReadResponse(354); err != nil {
		return notYetSent(answered("DATA", asSMTPError(err)))
	}
	d.began = true
	s.wire.begin(d.relay.options.Timeouts.Data, 0)
	d.dots = s.writer.DotWriter()
	if _, err := d.dots.Write(d.prefix); err != nil {
		return d.interrupted(err)
	}
	source := &readError{r: d.transaction.body()}
	if _, err := io.CopyBuffer(struct{ io.Writer }{d.dots}, source, make([]byte, 64<<10)); err != nil {
		if source.err != nil {
			return broken("read the mail", source.err)
		}
		return d.interrupted(err)
	}
	if err := s.writer.W.Flush(); err != nil {
		return d.interrupted(err)
	}
	return nil
}

// readError remembers whether a copy failed at its source.
type readError struct {
	r   io.Reader
	err error
}

func (e *readError) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if err != nil && err != io.EOF {
		e.err = err
	}
	return n, err
}

// interrupted asks a server that stopped listening whether it said why ("552 too big", and closed).
func (d *delivery) interrupted(err error) *holdqueue.SendError {
	d.session.wire.begin(2*time.Second, 2*time.Second)
	if _, _, answer := d.session.reader.ReadResponse(250); answer != nil {
		if said := answered("DATA", asSMTPError(answer)); said.Code >= 400 {
			return said
		}
	}
	return broken("send the mail", err)
}

// dot ends the mail and reads what became of it.
func (d *delivery) dot() (reply string, _ *holdqueue.SendError) {
	s := d.session
	s.wire.begin(d.relay.options.Timeouts.Data, d.relay.options.Timeouts.Dot)
	err := d.dots.Close()
	failpoint.At("send.dot_written", d.out.Message.ID)
	if err == nil {
		s.wire.begin(d.relay.options.Timeouts.Dot, d.relay.options.Timeouts.Dot)
		var code int
		var text string
		if code, text, err = s.reader.ReadResponse(25); err == nil {
			return printable(strconv.Itoa(code) + " " + text), nil
		}
	}
	said := answered("the answer to the mail", asSMTPError(err))
	if said.Code < 400 || said.Code > 599 {
		// No answer, or none that says yes or no: nobody knows (RFC 1047).
		return "", &holdqueue.SendError{
			Enhanced: "4.4.2", Temporary: true, Uncertain: true,
			Text: fmt.Sprintf("the connection was lost after the mail was sent; it may have arrived (%s)", said.Text),
		}
	}
	return "", said
}

// notYetSent makes an answer that should not come instead of 354 (a 250, say) one to try again after.
func notYetSent(e *holdqueue.SendError) *holdqueue.SendError {
	if e.Code != 0 && e.Code < 400 {
		e.Code, e.Enhanced = 0, "4.5.0"
	}
	return e
}
