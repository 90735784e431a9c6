package relay

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/failpoint"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// transaction is one SMTP transaction: sender, recipients, mail, and the answer after the dot.
type transaction struct {
	*leg
	session *session
	stop    func() bool // lets go of the connection's abort
	dots    io.WriteCloser
	began   bool // the server said 354
}

// run says whether the connection is fit for another mail, and whether the host is for the recipients still open.
func (t *transaction) run(ctx context.Context) (keep, more bool) {
	if !t.checkOffers() {
		return true, false
	}
	t.session.clean = false
	accepted, failed := t.envelope()
	failpoint.At("send.recipients_named", t.out.Message.ID)
	if failed != nil {
		return t.refusedWhole(t.open, failed)
	}
	if len(accepted) == 0 {
		return true, true
	}
	return t.data(ctx, accepted)
}

// refusedWhole is a mail that the host did not take for reasons of its own, before anybody could have got it.
func (t *transaction) refusedWhole(of []int, err *holdqueue.SendError) (keep, more bool) {
	switch {
	case gone(err) && t.session.mails > 0 && !t.began:
		// A kept connection that the host gave up meanwhile says nothing about this mail: it goes over another one.
		return false, true
	case !err.Temporary:
		t.fail(of, err)
		return !gone(err) && !t.began, true
	}
	t.note(err)
	if !gone(err) {
		t.refused++
	}
	return !gone(err) && !t.began, false
}

// checkOffers refuses what the next hop cannot carry as it is, and says whether to go on.
func (t *transaction) checkOffers() bool {
	s := t.session
	if t.survey.eightBit && !s.offered("8BITMIME") {
		t.fail(t.open, permanent(554, "5.6.3", "the mail has eight-bit text, which the next mail server does not take"))
		return false
	}
	if limit := s.maxSize(); limit > 0 && t.size() > limit {
		t.fail(t.open, permanent(552, "5.3.4", "the mail is larger than the next mail server takes"))
		return false
	}
	canUTF8 := s.offered("SMTPUTF8")
	header := t.survey.utf8Header && t.out.Message.Meta.SMTPUTF8
	if !canUTF8 && (header || !asciiLocal(t.out.From)) {
		t.fail(t.open, permanent(550, "5.6.7", "the mail has an internationalised address or header, which the next mail server does not take"))
		return false
	}
	t.utf8 = header || !asciiLocal(t.out.From)
	for _, i := range slices.Clone(t.open) {
		if asciiLocal(t.out.Recipients[i].Address) {
			continue
		}
		if !canUTF8 {
			t.fail([]int{i}, permanent(550, "5.6.7", "the address is internationalised, which the next mail server does not take"))
			continue
		}
		t.utf8 = true
	}
	return len(t.open) > 0
}

func asciiLocal(a mailaddr.Address) bool { return mailaddr.Address(a.Local()).IsASCII() }

// envelope names the sender and as many open recipients as one transaction takes. It returns who was accepted, or why
// the transaction as a whole was not. A server that has enough recipients gets the others in the next one, at once.
func (t *transaction) envelope() (accepted []int, failed *holdqueue.SendError) {
	lines, of := t.commands()
	enough := false
	t.session.askAll(lines, func(n int, err *holdqueue.SendError) (more bool) {
		switch {
		case failed != nil:
			// The answers to what was sent behind a refused MAIL.
		case err != nil && (n == 0 || gone(err)):
			failed = err
		case err == nil && n > 0:
			accepted = append(accepted, of[n-1])
		case err != nil && tooMany(err) && len(accepted) > 0:
			enough = true
		case err != nil:
			err.Temporary = err.Temporary || tooMany(err)
			t.finish(of[n-1:n], func(r *holdqueue.Result) { r.Err, r.Reply = err, err.Text })
		}
		return failed == nil && !enough
	})
	return accepted, failed
}

// commands are MAIL and the RCPT of as many as may be named, and who those are.
func (t *transaction) commands() (lines []string, of []int) {
	lines = append(lines, t.mailFrom())
	for _, i := range slices.Clone(t.open) {
		if len(of) == t.session.host.maxRecipients {
			break
		}
		line, err := t.rcptTo(t.out.Recipients[i])
		if err != nil {
			t.fail([]int{i}, permanent(553, "5.1.3", "the recipient's address is malformed"))
			continue
		}
		lines, of = append(lines, line), append(of, i)
	}
	return lines, of
}

// tooMany tells "too many recipients" from "this mailbox is full", which has the same reply codes. 552 is what RFC 821
// had for it (RFC 5321 section 4.5.3.1.10).
func tooMany(err *holdqueue.SendError) bool {
	if err.Code != 452 && err.Code != 552 && err.Code != 451 && err.Code != 450 {
		return false
	}
	return err.Enhanced == "4.5.3" || err.Enhanced == "5.5.3" || strings.Contains(strings.ToLower(err.Text), "too many")
}

// data sends the mail to those who were accepted.
func (t *transaction) data(ctx context.Context, accepted []int) (keep, more bool) {
	if err := t.body(); err != nil {
		return t.refusedWhole(accepted, err)
	}
	failpoint.At("send.body_written", t.out.Message.ID)
	if err := t.out.BeforeDot(ctx, t.those(accepted)); err != nil {
		// Somebody else owns the mail now. The connection is dropped with the mail unfinished, which every
		// server must forget (RFC 5321 section 3.3).
		t.fail(t.open, broken("before the final dot", err))
		return false, false
	}
	failpoint.At("send.dot_noted", t.out.Message.ID)
	// From here the mail may be delivered whatever happens to us, so the answer is worth waiting for even
	// when the service is being stopped.
	if !t.stop() {
		t.fail(t.open, broken("before the final dot", ctx.Err()))
		return false, false
	}
	late, release := after(ctx, 20*time.Second)
	defer release()
	defer t.session.wire.abortWith(late)()
	reply, err := t.dot()
	failpoint.At("send.answered", t.out.Message.ID)
	if err != nil && err.Temporary && !err.Uncertain {
		t.began = false // the mail is over, and the server listens to commands again
		return t.refusedWhole(accepted, err)
	}
	passed := err == nil && t.session.offered("DSN")
	others := t.finish(accepted, func(r *holdqueue.Result) { r.Reply, r.DSNPassed, r.Err = reply, passed, err })
	if others && t.out.Answered != nil {
		t.out.Answered(t.those(accepted), t.resultsOf(accepted))
	}
	t.session.clean = err == nil
	return err == nil || !err.Uncertain && !gone(err), true
}

// those are the recipients of indexes.
func (c *consignment) those(indexes []int) []*holdqueue.Recipient {
	to := make([]*holdqueue.Recipient, len(indexes))
	for n, i := range indexes {
		to[n] = c.out.Recipients[i]
	}
	return to
}

func (c *consignment) resultsOf(indexes []int) []holdqueue.Result {
	results := make([]holdqueue.Result, len(indexes))
	for n, i := range indexes {
		results[n] = c.results[i]
	}
	return results
}

// after is a context that ends some time after ctx does, or with release.
func after(ctx context.Context, grace time.Duration) (late context.Context, release func()) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return late, func() { stop(); cancel() }
}

// body sends all of the mail but the final dot, down to the network.
func (t *transaction) body() *holdqueue.SendError {
	s := t.session
	s.clock()
	if err := s.text.PrintfLine("DATA"); err != nil {
		return broken("DATA", err)
	}
	if _, _, err := s.hear("354"); err != nil {
		return notYetSent(answered("DATA", err))
	}
	t.began = true
	limits := &t.relay.o.Timeouts
	s.wire.begin(limits.Data, limits.Data+time.Duration(float64(t.size())/float64(limits.Slowest)*float64(time.Second)))
	t.dots = s.text.DotWriter()
	if _, err := t.dots.Write(t.prefix); err != nil {
		return t.interrupted(err)
	}
	source := &readError{r: t.leg.body()}
	if _, err := io.CopyBuffer(struct{ io.Writer }{t.dots}, source, make([]byte, min(64<<10, t.out.Size+1))); err != nil {
		if source.err != nil {
			return broken("read the mail", source.err)
		}
		return t.interrupted(err)
	}
	if err := s.text.W.Flush(); err != nil {
		return t.interrupted(err)
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
func (t *transaction) interrupted(err error) *holdqueue.SendError {
	t.session.wire.begin(2*time.Second, 2*time.Second)
	if _, _, answer := t.session.hear("250"); answer != nil {
		if said := answered("DATA", answer); said.Code >= 400 {
			return said
		}
	}
	return broken("send the mail", err)
}

// dot ends the mail and reads what became of it.
func (t *transaction) dot() (reply string, _ *holdqueue.SendError) {
	s := t.session
	s.wire.begin(t.relay.o.Timeouts.Data, t.relay.o.Timeouts.Dot)
	err := t.dots.Close()
	if err == nil {
		failpoint.At("send.dot_written", t.out.Message.ID)
		s.wire.begin(t.relay.o.Timeouts.Dot, t.relay.o.Timeouts.Dot)
		var code int
		var text string
		if code, text, err = s.hear("25"); err == nil {
			return printable(strconv.Itoa(code) + " " + text), nil
		}
	}
	said := answered("the answer to the mail", err)
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
