package relay

import (
	"errors"
	"fmt"
	"net/textproto"
	"strings"
	"unicode"

	"github.com/emersion/go-smtp"

	"github.com/sekisho-mail/sekisho/holdqueue"
)

// asSMTPError gives an answer that textproto read the type that go-smtp's client uses.
func asSMTPError(err error) error {
	var answer *textproto.Error
	if !errors.As(err, &answer) {
		return err
	}
	return &smtp.SMTPError{Code: answer.Code, EnhancedCode: enhanced(answer.Msg), Message: withoutEnhanced(answer.Msg)}
}

func enhanced(text string) (code smtp.EnhancedCode) {
	first, _, _ := strings.Cut(text, " ")
	var tail string
	n, _ := fmt.Sscanf(first, "%d.%d.%d%s", &code[0], &code[1], &code[2], &tail)
	if n != 3 || code[0] < 2 || code[0] > 5 {
		return smtp.NoEnhancedCode
	}
	return code
}

func withoutEnhanced(text string) string {
	first, rest, _ := strings.Cut(text, " ")
	if enhanced(text) == smtp.NoEnhancedCode {
		return text
	}
	return strings.ReplaceAll(rest, "\n"+first+" ", "\n")
}

// answered is what the next hop's refusal means for the mail. Whatever is no answer is a broken connection.
func answered(doing string, err error) *holdqueue.SendError {
	var answer *smtp.SMTPError
	if !errors.As(err, &answer) {
		return broken(doing, err)
	}
	e := &holdqueue.SendError{Code: answer.Code, Text: printable(answer.Message), Temporary: answer.Code/100 != 5}
	code := answer.EnhancedCode
	// 0.0.0 is "not given"; a class that contradicts the reply code says nothing.
	if code[0] == answer.Code/100 {
		e.Enhanced = fmt.Sprintf("%d.%d.%d", code[0], code[1], code[2])
	}
	return e
}

// broken is a failure without an answer: always worth another try.
func broken(doing string, err error) *holdqueue.SendError {
	return &holdqueue.SendError{Enhanced: "4.4.2", Text: printable(doing + ": " + err.Error()), Temporary: true}
}

// unready is a next hop that did not let us begin. Even its permanent refusals (no such user, no STARTTLS,
// 554 at the door) are about us and not about the mail, which must not go back because a password expired.
func unready(err error) *holdqueue.SendError {
	e := answered("connect", err)
	e.Temporary = true
	e.Text = printable(err.Error())
	if e.Code == 0 {
		e.Enhanced = "4.4.1"
	} else {
		e.Enhanced = ""
	}
	return e
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
