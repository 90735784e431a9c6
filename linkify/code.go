package linkify

import (
	"context"
	"crypto/hmac"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

const (
	codeLife  = 10 * time.Minute
	codeTries = 5
)

// RequestCode sends a one-time code for this link and browser, in place of an earlier one. address is "" for
// the recipient, or that of a colleague at the same company. Call it from POST only.
func (l *Links) RequestCode(ctx context.Context, token string, v Visitor, address string) (out Sent, err error) {
	browser := browserHash(v.Browser)
	if browser == "" {
		return Sent{}, ErrTicket
	}
	code, id := newCode(), db.NewID()
	err = l.o.DB.Write(ctx, func(tx *db.Tx) error {
		r, who, err := l.asks(tx, token, AccessCode)
		if err != nil {
			return err
		}
		to, err := l.codeFor(who, address)
		if err != nil {
			return err
		}
		if err := l.limitCodes(tx, r, to, v); err != nil {
			return err
		}
		if err := l.keepCode(tx, id, r.id, browser, code, to); err != nil {
			return err
		}
		if err := l.mailCode(tx, r, who, to, code); err != nil {
			return err
		}
		out = Sent{Masked: mask(to), Expires: tx.Now().Add(codeLife)}
		return record(tx, visitor, "link.code", r.message, r.recipient, r.id, map[string]string{"address": string(to)})
	})
	if err != nil {
		return Sent{}, fmt.Errorf("send code: %w", err)
	}
	return out, nil
}

// codeFor says where a code may go. The answer depends on the domain alone, never on whether a mailbox
// exists.
func (l *Links) codeFor(who about, address string) (mailaddr.Address, error) {
	if address == "" {
		return who.Address, nil
	}
	a, err := mailaddr.Parse(address, true)
	if err != nil {
		return "", ErrStranger
	}
	if a.Key() == who.Address.Key() {
		return who.Address, nil
	}
	if !l.colleagues(who.Address, a) {
		return "", ErrStranger
	}
	return a, nil
}

func (l *Links) limitCodes(tx *db.Tx, r row, to mailaddr.Address, v Visitor) error {
	if err := l.limit(tx, codeFromNetwork, network(v.Address)); err != nil {
		return err
	}
	if err := l.limit(tx, codeOfLink, r.id); err != nil {
		return err
	}
	return l.limit(tx, codeToAddress, string(to.Key()))
}

func (l *Links) keepCode(tx *db.Tx, id, link, browser, code string, to mailaddr.Address) error {
	sealed, err := l.sealJSON(sealCode, id, to)
	if err != nil {
		return err
	}
	now := tx.Now()
	// An older code of this browser is over, used or not. New tries come with the new one, but only so many
	// codes a day are sent for a link.
	_, err = tx.Exec(`INSERT INTO link_code (id, link, browser, code, key_id, sealed, tries, created_at, expires_at, used_at)
		VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8, 0)
		ON CONFLICT (link, browser) DO UPDATE SET id = excluded.id, code = excluded.code, key_id = excluded.key_id,
			sealed = excluded.sealed, tries = 0, created_at = excluded.created_at, expires_at = excluded.expires_at, used_at = 0`,
		id, link, browser, hex.EncodeToString(l.keys.MAC("linkify.code", id, code)), l.keys.CurrentID(), sealed,
		db.Micros(now), db.Micros(now.Add(codeLife)))
	return err
}

// EnterCode opens all files of the link to this browser. Call it from POST only. Errors: ErrCodeSpent, a
// *WrongCodeError, a *WaitError, and what ends a link.
func (l *Links) EnterCode(ctx context.Context, token string, v Visitor, typed string) error {
	code := cleanCode(typed)
	var refused error
	err := l.o.DB.Write(ctx, func(tx *db.Tx) (err error) {
		// A wrong try must be committed, so the refusal travels beside the transaction, not as its error.
		refused, err = l.tryCode(tx, token, v, code)
		return err
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		return fmt.Errorf("enter code: %w", err)
	}
	return nil
}

func (l *Links) tryCode(tx *db.Tx, token string, v Visitor, code string) (refused, err error) {
	r, _, err := l.asks(tx, token, AccessCode)
	if err != nil {
		return nil, err
	}
	c, err := l.liveCode(tx, r.id, browserHash(v.Browser))
	if err != nil {
		return nil, err
	}
	mac, err := l.keys.MACWith(c.keyID, "linkify.code", c.id, code)
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(mac, c.mac) {
		return wrongCode(tx, r, c)
	}
	n, err := tx.Exec(`UPDATE link_code SET used_at = $1 WHERE id = $2 AND used_at = 0 AND tries = $3`, db.Micros(tx.Now()), c.id, c.tries)
	if err := lost(n, err); err != nil {
		return nil, err
	}
	return nil, l.pass(tx, r, v, c.to, AccessCode)
}

// wrongCode counts a try.
func wrongCode(tx *db.Tx, r row, c liveCode) (refused, err error) {
	n, err := tx.Exec(`UPDATE link_code SET tries = tries + 1 WHERE id = $1 AND tries = $2 AND used_at = 0`, c.id, c.tries)
	if err := lost(n, err); err != nil {
		return nil, err
	}
	left := codeTries - int(c.tries) - 1
	if left == 0 {
		return ErrCodeSpent, record(tx, visitor, "link.code_spent", r.message, r.recipient, r.id, nil)
	}
	return &WrongCodeError{Left: left}, nil
}

// liveCode is a code that may still be tried.
type liveCode struct {
	id, keyID string
	mac       []byte
	tries     int64
	to        mailaddr.Address
}

func (l *Links) liveCode(tx *db.Tx, link, browser string) (c liveCode, err error) {
	var sealed []byte
	var mac string
	var expires, used int64
	err = tx.QueryRow(`SELECT id, key_id, code, sealed, tries, expires_at, used_at FROM link_code WHERE link = $1 AND browser = $2`,
		link, browser).Scan(&c.id, &c.keyID, &mac, &sealed, &c.tries, &expires, &used)
	if db.IsNoRows(err) {
		return c, ErrCodeSpent
	}
	if err != nil {
		return c, err
	}
	if used != 0 || c.tries >= codeTries || !tx.Now().Before(db.Time(expires)) {
		return c, ErrCodeSpent
	}
	if c.mac, err = hex.DecodeString(mac); err != nil {
		return c, err
	}
	return c, l.openJSON(sealCode, c.id, sealed, &c.to)
}

// codeLetter is the mail with the code. The code stands in the text alone: subjects are shown on locked
// screens and kept in the logs of mail servers.
func (l *Links) codeLetter(r row, who about, to mailaddr.Address, code string) Letter {
	shown := code[:4] + " " + code[4:]
	from := string(who.From)
	if name := cleanLine(who.FromName); name != "" {
		from = name + " <" + from + ">"
	}
	text := "添付ファイルをダウンロードするための確認コードをお送りします。\n\n" +
		"確認コード： " + shown + "\n\n" +
		"コードを求めた画面に、10分以内に入力してください。ほかの画面や端末では使えません。\n" +
		"ファイルの送信者： " + from + "\n"
	if who.Company != "" {
		text += "送信者の会社： " + cleanLine(who.Company) + "\n"
	}
	text += "\nコードを求めた覚えがないときは、このメールを破棄してください。何も起こりません。\n" +
		"このコードを、電話やメールでほかの人に伝えないでください。\n\n" +
		"Your one-time code for the download is " + shown + ". It is valid for 10 minutes, in the window that asked for it.\n"
	return Letter{To: to, Subject: "【確認コード】添付ファイルのダウンロード / Your download code", Text: text, Kind: "code", Message: r.message}
}

// visitor is the actor that stands for somebody outside. Who it was stands in the entry's detail, which can
// be purged.
const visitor Actor = "visitor"
