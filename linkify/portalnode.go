package linkify

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// What a portal on a machine of its own may not do, other nodes do for it: it leaves the code it made, and they
// write the letter. They trust it with nothing: not with the text, the link, the address or the number of letters.

const (
	sealLetter  = "linkify.letter"
	sealProof   = "linkify.key"
	letterLimit = "code.letter"
)

// ErrOtherPortalKeys says that a portal's key file belongs to another installation, or to one whose database has
// never been opened by a node with the main keys.
var ErrOtherPortalKeys = errors.New("the portal's key file does not fit this database: make it anew on another node with sekisho portal keys FILE")

type waitingCode struct {
	Code string           `json:"code"`
	To   mailaddr.Address `json:"to"`
}

// mailCode sends a code in the transaction that keeps it, or leaves it to a node that can.
func (l *Links) mailCode(tx *db.Tx, r row, who about, to mailaddr.Address, code string) error {
	if l.o.Post != nil {
		return l.o.Post(tx, l.codeLetter(r, who, to, code))
	}
	id := db.NewID()
	sealed, err := l.sealJSON(sealLetter, id, waitingCode{Code: code, To: to})
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO link_letter (id, link, sealed, created_at) VALUES ($1, $2, $3, $4)`,
		id, r.id, sealed, db.Micros(tx.Now())); err != nil {
		return err
	}
	return l.o.Schedule(tx, WorkLetter, id, tx.Now())
}

var codeForm = regexp.MustCompile(`^[0-9]{8}$`)

// Letter handles due work of kind WorkLetter: it writes the mail with a code that a portal has left. What does not
// hold is dropped without a letter; the visitor asks again.
func (l *Links) Letter(ctx context.Context, id string) (again time.Time, err error) {
	err = l.o.DB.Write(ctx, func(tx *db.Tx) error {
		var link string
		var sealed []byte
		var created int64
		err := tx.QueryRow(`SELECT link, sealed, created_at FROM link_letter WHERE id = $1`, id).Scan(&link, &sealed, &created)
		if db.IsNoRows(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM link_letter WHERE id = $1`, id); err != nil {
			return err
		}
		var c waitingCode
		if l.openJSON(sealLetter, id, sealed, &c) != nil || !codeForm.MatchString(c.Code) ||
			tx.Now().Sub(db.Time(created)) > codeLife {
			return record(tx, System, "link.letter_dropped", "", "", link, nil)
		}
		return l.writeLetter(tx, link, c)
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("send code: %w", err)
	}
	return time.Time{}, nil
}

func (l *Links) writeLetter(tx *db.Tx, link string, c waitingCode) error {
	r, err := rowByID(tx, link)
	if errors.Is(err, ErrNotFound) {
		return record(tx, System, "link.letter_dropped", "", "", link, nil)
	}
	if err != nil {
		return err
	}
	who, err := l.about(r)
	if err != nil {
		return err
	}
	to, refused := l.codeFor(who, string(c.To))
	if refused == nil {
		refused = r.usable(tx.Now())
	}
	if refused == nil && r.access != AccessCode {
		refused = ErrNoCode
	}
	if refused == nil {
		// Above what the portal itself allows: it stops a portal in the wrong hands, not one at work.
		refused = l.limit(tx, letterLimit, r.id)
	}
	var wait *WaitError
	switch {
	case refused == nil:
		return l.o.Post(tx, l.codeLetter(r, who, to, c.Code))
	case errors.As(refused, &wait) || errors.Is(refused, ErrStranger) || errors.Is(refused, ErrNoCode) ||
		errors.Is(refused, ErrInactive) || errors.Is(refused, ErrExpired) || errors.Is(refused, ErrRevoked):
		return record(tx, System, "link.letter_dropped", r.message, r.recipient, r.id, nil)
	}
	return refused
}

// Prove writes, on a node with the main keys, a proof of each key that portals share, and looks for them, on a
// portal: an unknown current key is ErrOtherPortalKeys; stale says that there are newer ones than the portal has.
func (l *Links) Prove(ctx context.Context) (stale bool, err error) {
	if l.o.Keys != nil {
		return false, l.o.DB.Write(ctx, l.writeProofs)
	}
	err = l.o.DB.Read(ctx, func(tx *db.Tx) error {
		stale = false
		var sealed []byte
		err := tx.QueryRow(`SELECT proof FROM link_key WHERE id = $1`, l.keys.CurrentID()).Scan(&sealed)
		if db.IsNoRows(err) {
			return ErrOtherPortalKeys
		}
		if err != nil {
			return err
		}
		if _, err := l.keys.Open(sealProof, l.keys.CurrentID(), sealed); err != nil {
			return ErrOtherPortalKeys
		}
		stale, err = l.lacksKeys(tx)
		return err
	})
	return stale, err
}

func (l *Links) writeProofs(tx *db.Tx) error {
	// The current key of each generation proves itself; older ones did when they were current.
	id := l.keys.CurrentID()
	_, err := tx.Exec(`INSERT INTO link_key (id, proof, made_at) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING`,
		id, l.keys.Seal(sealProof, id, []byte(id)), db.Micros(tx.Now()))
	return err
}

func (l *Links) lacksKeys(tx *db.Tx) (bool, error) {
	rows, err := tx.Query(`SELECT id FROM link_key`)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	lacks := false
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return false, err
		}
		lacks = lacks || !l.keys.Has(id)
	}
	return lacks, rows.Err()
}
