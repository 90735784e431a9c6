package submission

import (
	"encoding/base64"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-smtp"
)

const (
	maxMistakes = 10 // commands that make no sense, per connection
	maxWrong    = 3  // wrong passwords, per connection
)

// command judges one command line. It returns what go-smtp is to read, or nil when the client has had its answer.
func (w *wire) command(text string) []byte {
	c := parseCommand(text)
	if c.verb != "EHLO" && c.verb != "HELO" && !utf8.ValidString(text) {
		return w.refuse(notText())
	}
	switch c.verb {
	case "EHLO", "HELO":
		w.helo = greeting(c.rest)
		return w.pass(c.verb, w.helo)
	case "MAIL":
		return w.mail(c.rest)
	case "RCPT":
		return w.rcpt(c.rest)
	case "DATA":
		return w.data(c.rest)
	case "BDAT":
		return w.bdat(c.rest)
	case "AUTH":
		return w.auth(c.rest)
	case "STARTTLS":
		return w.tls(c.rest)
	case "RSET", "NOOP", "QUIT", "VRFY":
		return w.pass(c.verb, c.rest)
	case "EXPN", "HELP", "TURN", "ETRN", "SEND", "SOML", "SAML", "LHLO":
		return w.refuse(notImplemented())
	case "GET", "POST", "PUT", "CONNECT", "OPTIONS":
		// A browser that was made to talk to us: its body might hold commands.
		w.hangup, w.linger = true, true
	}
	return w.refuse(unknownCommand())
}

// pass hands a command on.
func (w *wire) pass(verb, rest string) []byte {
	w.verb = verb
	return []byte(strings.TrimRight(verb+" "+rest, " ") + "\r\n")
}

func (w *wire) refuse(r *smtp.SMTPError) []byte {
	w.say(r)
	w.mistake()
	return nil
}

func (w *wire) mail(rest string) []byte {
	switch {
	case !w.greeted:
		return w.refuse(greetFirst())
	case w.inMail:
		// go-smtp would take the new sender and keep the recipients of the old one.
		return w.refuse(nestedMail())
	case w.port != portGateway && !w.secure:
		return w.refuse(tlsFirst())
	case w.port != portGateway && !w.signed:
		return w.refuse(signInFirst())
	}
	// Read leniently once, to learn from the parameters how to read it strictly.
	p, err := parsePath(rest, "FROM:", true)
	if err != nil {
		return w.refuse(pathReply(err, "FROM:"))
	}
	params, refusal := parseParams(p.params)
	switch {
	case refusal != nil:
		return w.refuse(refusal)
	case !params.utf8 && !p.address.IsASCII():
		return w.refuse(needsUTF8())
	case params.size < 0 || params.size > w.srv.limits.MessageBytes:
		return w.refuse(tooLarge(w.srv.limits.MessageBytes))
	}
	w.path, w.utf8 = p.address, params.utf8
	return w.pass("MAIL", "FROM:"+standIn(string(p.address))+" "+p.params)
}

func (w *wire) rcpt(rest string) []byte {
	if !w.inMail {
		return w.refuse(mailFirst())
	}
	p, err := parsePath(rest, "TO:", w.utf8)
	if err == nil && p.address == "" {
		err = errPathSyntax // <> receives nothing
	}
	if err != nil {
		return w.refuse(pathReply(err, "TO:"))
	}
	if _, refusal := parseParams(p.params); refusal != nil {
		return w.refuse(refusal)
	}
	if w.session.tx.seen[p.address] {
		// Once is enough, and go-smtp would count it again.
		w.say(recipientTaken())
		return nil
	}
	w.path = p.address
	if w.utf8 {
		p.params = internationalORCPT(p.params)
	}
	return w.pass("RCPT", "TO:"+standIn(string(p.address))+" "+p.params)
}

// standIn is the path go-smtp gets to see. Its parser unquotes and would hand the session another string than the
// client sent; the session takes the address from the wire.
func standIn(address string) string {
	if address == "" {
		return "<>"
	}
	return "<mailbox@wire.invalid>"
}

func (w *wire) data(rest string) []byte {
	switch {
	case rest != "":
		return w.refuse(badSyntax("DATA"))
	case !w.inMail:
		return w.refuse(mailFirst())
	case w.recipients == 0:
		return w.refuse(noRecipients())
	}
	return w.pass("DATA", "")
}

// bdat begins a body that comes in chunks. To go-smtp it is DATA: its own BDAT reads the body in one goroutine
// while RSET and the next MAIL are executed in another.
func (w *wire) bdat(rest string) []byte {
	c, ok := parseChunk(rest)
	if !ok {
		// Where this chunk ends is unknown, so nothing after it can be trusted to be a command.
		w.hangup, w.linger = true, true
		return w.refuse(badSyntax("BDAT size [LAST]"))
	}
	if !w.inMail || w.recipients == 0 {
		refusal := noRecipients()
		if !w.inMail {
			refusal = mailFirst()
		}
		if c.size > maxDrain {
			w.hangup, w.linger = true, true
			return w.refuse(refusal)
		}
		if _, err := w.in.Discard(int(c.size)); err != nil {
			w.farewell(err)
			return nil
		}
		return w.refuse(refusal)
	}
	w.body = newChunks(w, c)
	w.verb = "BDAT"
	return []byte("DATA\r\n")
}

func (w *wire) tls(rest string) []byte {
	switch {
	case rest != "":
		return w.refuse(badSyntax("STARTTLS"))
	case w.secure:
		return w.refuse(tlsTwice())
	case w.srv.o.TLS == nil:
		return w.refuse(tlsNotHere())
	}
	w.startTLS()
	return nil
}

func (w *wire) auth(rest string) []byte {
	switch {
	case w.port == portGateway:
		return w.refuse(authNotHere())
	case !w.greeted:
		return w.refuse(greetFirst())
	case !w.secure:
		return w.refuse(tlsBeforeAuth())
	case w.inMail:
		return w.refuse(authInMail())
	case w.signed:
		return w.refuse(authTwice())
	}
	mechanism, initial, given := strings.Cut(rest, " ")
	switch {
	case mechanism == "":
		return w.refuse(badSyntax("AUTH mechanism [initial-response]"))
	case given && !isBase64(initial):
		return w.refuse(badBase64())
	}
	return w.pass("AUTH", rest)
}

// signInLine takes the client's answer to a 334. go-smtp must read something to end the exchange, so it reads the
// sign of cancelling where the client sent rubbish.
func (w *wire) signInLine(text string) []byte {
	switch {
	case text == "*":
		w.instead = cancelled()
	case !isBase64(text):
		w.instead = badBase64()
		text = "*"
	}
	return []byte(text + "\r\n")
}

// isBase64 also takes "=", which stands for an empty initial response (RFC 4954 section 4), and the empty line.
func isBase64(s string) bool {
	_, err := base64.StdEncoding.DecodeString(s)
	return err == nil || s == "="
}

// answerLine takes one line of go-smtp's answer to w.verb.
func (w *wire) answerLine(l string) {
	if len(l) < 4 {
		return
	}
	code, last := l[:3], l[3] != '-'
	if !last {
		w.out.WriteString(l)
		w.offerTLS(l)
		return
	}
	verb := w.verb
	w.verb = ""
	r := w.answered(verb, code)
	if w.instead != nil {
		r, w.instead = w.instead, nil
	}
	switch {
	case w.mute:
	case w.verb == "BDAT":
		// The client asked for no 354.
	case r != nil:
		w.say(r)
	default:
		w.out.WriteString(l)
	}
	if w.wrong >= maxWrong && w.verb == "" && !w.hangup {
		w.farewell(tooManyErrors())
	}
}

// offerTLS adds STARTTLS after the first line of the answer to EHLO. go-smtp offers it only where it would do the
// handshake itself, out of the wire's sight.
func (w *wire) offerTLS(l string) {
	if w.verb == "EHLO" && strings.HasPrefix(l, "250-Hello ") && !w.secure && w.srv.o.TLS != nil {
		w.out.WriteString("250-STARTTLS\r\n")
	}
}

// answered moves the dialogue on by the outcome of a command. It returns the answer to give instead of go-smtp's,
// or nil.
func (w *wire) answered(verb, code string) *smtp.SMTPError {
	switch verb {
	case "EHLO", "HELO":
		if code == "250" {
			w.greeted, w.extended = true, verb == "EHLO"
			w.forget()
		}
	case "MAIL":
		return w.mailAnswered(code)
	case "RCPT":
		return w.rcptAnswered(code)
	case "DATA", "BDAT":
		w.bodyAnswered(verb, code)
	case "AUTH":
		return w.authAnswered(code)
	case "RSET":
		w.forget()
		return reset()
	case "NOOP":
		return nothingDone()
	}
	return nil
}

// forget ends the mail under way.
func (w *wire) forget() { w.inMail, w.utf8, w.recipients = false, false, 0 }

func (w *wire) mailAnswered(code string) *smtp.SMTPError {
	switch code {
	case "250":
		w.inMail = true
		return senderTaken()
	case "500":
		return unknownParameter()
	}
	return nil
}

func (w *wire) rcptAnswered(code string) *smtp.SMTPError {
	switch code {
	case "250":
		w.recipients++
		return recipientTaken()
	case "452":
		return tooManyRecipients(w.srv.limits.Recipients)
	case "500":
		return unknownParameter()
	}
	return nil
}

// bodyAnswered is called twice: for the 354 and for the end.
func (w *wire) bodyAnswered(verb, code string) {
	if code == "354" {
		w.verb = verb
		if verb == "DATA" {
			w.body = newDots(w)
		}
		return
	}
	if w.body != nil {
		// go-smtp did not read the body, so what comes next on the connection is not a command.
		w.body, w.hangup = nil, true
	}
	w.forget()
}

func (w *wire) authAnswered(code string) *smtp.SMTPError {
	switch code {
	case "334":
		w.verb = "AUTH"
	case "235":
		w.signed = true
		w.under.limit(time.Time{})
		return signedIn()
	case "535":
		w.wrong++
	}
	return nil
}
