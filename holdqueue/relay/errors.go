package relay

import (
	"errors"
	"fmt"
	"net/textproto"
	"strings"
	"unicode"

	"github.com/sekisho-mail/sekisho/holdqueue"
)

// reply is a next hop's refusal.
type reply struct {
	code     int
	enhanced string // RFC 3463, "" when there was none that fits the code
	text     string
}

func (r *reply) Error() string {
	return strings.TrimSpace(fmt.Sprintf("%d %s %s", r.code, r.enhanced, r.text))
}

// refused gives an answer that is not what was expected its own type; any other error stays what it is.
func refused(err error) error {
	var answer *textproto.Error
	if !errors.As(err, &answer) {
		return err
	}
	r := &reply{code: answer.Code, text: answer.Msg}
	first, rest, _ := strings.Cut(answer.Msg, " ")
	class, fits := enhancedClass(first)
	if !fits {
		return r
	}
	r.text = strings.ReplaceAll(rest, "\n"+first+" ", "\n")
	if class == answer.Code/100 { // a class that contradicts the reply code says nothing
		r.enhanced = first
	}
	return r
}

// enhancedClass reads the code of RFC 3463 at the beginning of a text.
func enhancedClass(code string) (class int, ok bool) {
	var subject, detail uint16
	var tail string
	n, _ := fmt.Sscanf(code, "%d.%d.%d%s", &class, &subject, &detail, &tail)
	return class, n == 3 && class >= 2 && class <= 5
}

// answered is what the next hop's refusal means for the mail. Whatever is no answer is a broken connection.
func answered(doing string, err error) *holdqueue.SendError {
	var r *reply
	if err = refused(err); !errors.As(err, &r) {
		return broken(doing, err)
	}
	return &holdqueue.SendError{Code: r.code, Enhanced: r.enhanced, Text: printable(r.text), Temporary: r.code/100 != 5}
}

// broken is a failure without an answer: always worth another try.
func broken(doing string, err error) *holdqueue.SendError {
	return &holdqueue.SendError{Enhanced: "4.4.2", Text: printable(doing + ": " + err.Error()), Temporary: true}
}

// unready is a next hop that did not let us begin. Even its permanent refusals (no such user, no STARTTLS,
// 554 at the door) are about us and not about the mail, which must not go back because a password expired.
func unready(err error) *holdqueue.SendError {
	if errors.Is(err, errOurself) {
		return ours("5.4.6", "%v", err)
	}
	e := answered("connect", err)
	e.Temporary = true
	e.Text = printable(err.Error())
	switch {
	case errors.As(err, new(*tlsError)) || errors.Is(err, errNoTLS):
		e.Code, e.Enhanced = 0, "4.7.5"
	case e.Code == 0:
		e.Enhanced = "4.4.1"
	default:
		e.Enhanced = ""
	}
	return e
}

// ours is a failure that is our own finding, about DNS, TLS or an address, and no server's answer.
func ours(enhanced, format string, args ...any) *holdqueue.SendError {
	return &holdqueue.SendError{Enhanced: enhanced, Text: printable(fmt.Sprintf(format, args...)), Temporary: enhanced[0] != '5'}
}

func permanent(code int, enhanced, text string) *holdqueue.SendError {
	return &holdqueue.SendError{Code: code, Enhanced: enhanced, Text: text}
}

// maxText bounds what of a next hop's answer is kept.
const maxText = 512

// printable makes an answer one line without anything that could act on a log or a terminal.
func printable(text string) string {
	clean := strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if len(clean) > maxText {
		clean = strings.ToValidUTF8(clean[:maxText], "")
	}
	return strings.TrimSpace(clean)
}
