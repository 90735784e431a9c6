package linkify

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// Two more ways to show that one may have the files: a password that came by another channel, and an account at a
// provider that knows the recipient's address.

// passwordAlphabet leaves out what people mistake for something else when they read it out on the telephone.
const passwordAlphabet = "abcdefghjkmnpqrstuvwxyz23456789"

// passwordLen: 12 characters of 31 are 59 bits, and there are fifty tries a day.
const passwordLen = 12

func newPassword() string {
	// A byte is taken only below the largest multiple of the alphabet's length: every letter is as likely.
	const most = 256 - 256%len(passwordAlphabet)
	out := make([]byte, 0, passwordLen)
	var b [1]byte
	for len(out) < passwordLen {
		rand.Read(b[:])
		if int(b[0]) < most {
			out = append(out, passwordAlphabet[int(b[0])%len(passwordAlphabet)])
		}
	}
	return string(out)
}

// ShownPassword is a password as people read it out: "abcd-efgh-jkmn".
func ShownPassword(p string) string {
	if len(p) != passwordLen {
		return p
	}
	return p[:4] + "-" + p[4:8] + "-" + p[8:]
}

// cleanPassword takes a password as people type it.
func cleanPassword(typed string) string {
	if len(typed) > 100 {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(passwordAlphabet, r) {
			return r
		}
		return -1
	}, strings.ToLower(norm.NFKC.String(typed)))
}

// EnterPassword opens all files of the link to this browser. Call it from POST only. Errors: ErrWrongCode, a
// *WaitError, ErrNoCode where the link asks for no password, and what ends a link.
func (l *Links) EnterPassword(ctx context.Context, token string, v Visitor, typed string) error {
	if browserHash(v.Browser) == "" {
		return fmt.Errorf("enter password: %w", ErrTicket)
	}
	var refused error
	err := l.o.DB.Write(ctx, func(tx *db.Tx) error {
		refused = nil
		r, who, err := l.asks(tx, token, AccessPassword)
		if err != nil {
			return err
		}
		if err := l.limit(tx, tryFromNetwork, network(v.Address)); err != nil {
			return err
		}
		if err := l.limit(tx, tryOfLink, r.id); err != nil {
			return err
		}
		if who.Password == "" || subtle.ConstantTimeCompare([]byte(cleanPassword(typed)), []byte(who.Password)) != 1 {
			refused = ErrWrongCode // the try is counted, so the refusal travels beside the transaction
			return nil
		}
		return l.pass(tx, r, v, "", AccessPassword)
	})
	if err = errors.Join(err, refused); err != nil {
		return fmt.Errorf("enter password: %w", err)
	}
	return nil
}

// EnterAccount opens the link to somebody whose address a provider vouches for: the recipient, or a colleague at the
// same company, who is logged as that person.
func (l *Links) EnterAccount(ctx context.Context, token string, v Visitor, address mailaddr.Address) error {
	if browserHash(v.Browser) == "" {
		return fmt.Errorf("enter by account: %w", ErrTicket)
	}
	err := l.o.DB.Write(ctx, func(tx *db.Tx) error {
		r, who, err := l.asks(tx, token, AccessAccount)
		if err != nil {
			return err
		}
		as, err := l.codeFor(who, string(address))
		if err != nil {
			return err
		}
		return l.pass(tx, r, v, as, AccessAccount)
	})
	if err != nil {
		return fmt.Errorf("enter by account: %w", err)
	}
	return nil
}

// asks finds a usable link that wants this kind of proof.
func (l *Links) asks(tx *db.Tx, token string, want Access) (row, about, error) {
	r, err := rowByToken(tx, token)
	if err != nil {
		return r, about{}, err
	}
	if err := r.usable(tx.Now()); err != nil {
		return r, about{}, err
	}
	if r.access != want {
		return r, about{}, ErrNoCode
	}
	who, err := l.about(r)
	return r, who, err
}

// pass lets this browser in and writes down how.
func (l *Links) pass(tx *db.Tx, r row, v Visitor, as mailaddr.Address, how Access) error {
	if _, err := l.admit(tx, r.id, v.Browser, how, as, codeSessionLife); err != nil {
		return err
	}
	detail := map[string]string{"access": string(how)}
	if as != "" {
		detail["address"] = string(as)
	}
	return record(tx, visitor, "link.pass", r.message, r.recipient, r.id, detail)
}

// passwordLetter tells the owner of a link that its password has to be passed on, and where it stands.
func (l *Links) passwordLetter(r row, who about) Letter {
	page := l.o.Staff + "/messages/" + r.message + "/links"
	return Letter{To: who.Person, Kind: "password", Message: r.message,
		Subject: "リンクのパスワードを相手に伝えてください / Please pass on the password of your link",
		Text: string(who.Address) + " 宛てのファイルのリンクには、パスワードが必要です。次のページで確認し、電話など、メール以外の方法で伝えてください。\n" + page +
			"\n\n---\nThe link to your files for " + string(who.Address) + " asks for a password. It stands on the page above; please pass it on by telephone or another way that is not mail.\n"}
}
