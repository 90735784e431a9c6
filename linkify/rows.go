package linkify

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// row is one line of table link. The sealed columns are opened by about and plan.
type row struct {
	id, message, recipient string
	generation             int64
	keyID                  string
	state                  State
	access                 Access
	shared                 bool
	person                 string
	sealed, plan           []byte
	title                  []byte // nil for a portal
	body                   string
	version                int64
	created, expires       time.Time
	activated, ended       time.Time
	endedBy                Actor
	cause                  Cause
	files, taken           int64
	firstTaken, lastTaken  time.Time
	reminded, asked        time.Time // zero for a portal
	viewed                 int64     // as these
	lastViewed             time.Time
}

// A portal's database user may read these columns; title is for staff, sealed with keys that a portal has not.
const (
	portalColumns = `id, message, recipient, generation, key_id, state, access, shared, person, sealed, plan, body, version,
	created_at, expires_at, activated_at, ended_at, ended_by, cause, files, taken, first_taken, last_taken`
	rowColumns = portalColumns + `, title, reminded_at, asked_at, viewed, last_viewed`
)

type scanner interface{ Scan(dest ...any) error }

func scanRow(s scanner) (row, error) {
	var r row
	var shared, created, expires, activated, ended, first, last, reminded, asked, viewed int64
	err := s.Scan(&r.id, &r.message, &r.recipient, &r.generation, &r.keyID, &r.state, &r.access, &shared, &r.person,
		&r.sealed, &r.plan, &r.body, &r.version,
		&created, &expires, &activated, &ended, &r.endedBy, &r.cause, &r.files, &r.taken, &first, &last, &r.title, &reminded, &asked, &r.viewed, &viewed)
	r.shared = shared != 0
	r.created, r.expires, r.activated, r.ended = db.Time(created), db.Time(expires), db.Time(activated), db.Time(ended)
	r.firstTaken, r.lastTaken, r.reminded, r.asked = db.Time(first), db.Time(last), db.Time(reminded), db.Time(asked)
	r.lastViewed = db.Time(viewed)
	if db.IsNoRows(err) {
		return row{}, ErrNotFound
	}
	return r, err
}

// expireSlack lets a link answer through its last second: expires_at is 23:59:59.
const expireSlack = time.Second

// stateAt is the state as the world sees it: a link is over at its time, whether or not the due work has
// come by to write it down.
func (r row) stateAt(now time.Time) State {
	if (r.state == Active || r.state == Inactive) && !now.Before(r.expires.Add(expireSlack)) {
		return Expired
	}
	return r.state
}

// usable gives the reason why nothing may be downloaded now.
func (r row) usable(now time.Time) error {
	switch r.stateAt(now) {
	case Active:
		return nil
	case Inactive:
		return ErrInactive
	case Revoked:
		return ErrRevoked
	}
	return ErrExpired
}

// about is what a row knows of people, sealed.
type about struct {
	Address  mailaddr.Address `json:"address"` // the recipient
	Person   mailaddr.Address `json:"person"`
	From     mailaddr.Address `json:"from"`
	FromName string           `json:"from_name,omitempty"`
	// Subject stands here in links made before portals had keys of their own; since then in title.
	Subject  string `json:"subject,omitempty"`
	Company  string `json:"company,omitempty"`
	Password string `json:"password,omitempty"` // where the link asks for one
}

// plan is what the first Prepare fixed, sealed: with the mail's own bytes and the token it gives the same
// bytes for ever, whatever the configuration or the wording of notices becomes meanwhile.
type plan struct {
	Version int           `json:"version"`
	Portal  string        `json:"portal"`
	Notice  Notice        `json:"notice"` // with urlMark for the address
	Files   []plannedFile `json:"files"`
	Anew    bool          `json:"anew,omitempty"` // the files came with an earlier mail
	// What may be done with the files beside taking them, or instead.
	Preview  bool `json:"preview,omitempty"`
	ViewOnly bool `json:"view_only,omitempty"`
}

type plannedFile struct {
	Path string `json:"path"` // place in the mail
	File File   `json:"file"`
}

// Versions of a plan.
const (
	planVersion     = 1
	viewOnlyVersion = 2
)

func (l *Links) sealJSON(purpose, id string, v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return l.keys.Seal(purpose, id, plain), nil
}

func (l *Links) openJSON(purpose, id string, sealed []byte, v any) error {
	plain, err := l.keys.Open(purpose, id, sealed)
	if err != nil {
		return fmt.Errorf("open %s of %s: %w", purpose, id, err)
	}
	if err := json.Unmarshal(plain, v); err != nil {
		return fmt.Errorf("read %s of %s: %w", purpose, id, err)
	}
	return nil
}

const (
	sealTitle   = "linkify.title"
	sealAbout   = "linkify.about"
	sealPlan    = "linkify.plan"
	sealFile    = "linkify.file"
	sealSession = "linkify.session"
	sealCode    = "linkify.code"
	sealTaken   = "linkify.download"
)

func (l *Links) about(r row) (a about, err error) {
	err = l.openJSON(sealAbout, r.id, r.sealed, &a)
	return a, err
}

func (l *Links) plan(r row) (p plan, err error) {
	err = l.openJSON(sealPlan, r.id, r.plan, &p)
	if err == nil && p.Version != p.version() {
		err = fmt.Errorf("plan of link %s has version %d: written by a newer program", r.id, p.Version)
	}
	return p, err
}

func (p plan) filesOf() []File {
	files := make([]File, len(p.Files))
	for i, f := range p.Files {
		files[i] = f.File
	}
	return files
}

func rowByToken(tx *db.Tx, token string) (row, error) {
	return scanRow(tx.QueryRow(`SELECT `+portalColumns+`, NULL, 0, 0, 0, 0 FROM link WHERE token = $1`, tokenHash(token)))
}

func rowByID(tx *db.Tx, id string) (row, error) {
	return scanRow(tx.QueryRow(`SELECT `+rowColumns+` FROM link WHERE id = $1`, id))
}

// rowOf finds the link of a recipient, whichever mail its files came with.
func rowOf(tx *db.Tx, recipient string) (row, error) {
	return scanRow(tx.QueryRow(`SELECT `+rowColumns+` FROM link WHERE recipient = $1`, recipient))
}

// rowsOfMessage are all links of one mail. A mail has at most some thousand recipients.
func rowsOfMessage(tx *db.Tx, message string) ([]row, error) {
	rows, err := tx.Query(`SELECT `+rowColumns+` FROM link WHERE message = $1 ORDER BY recipient`, message)
	if err != nil {
		return nil, err
	}
	return collect(rows)
}

func collect(rows *sql.Rows) (out []row, err error) {
	defer rows.Close()
	for rows.Next() {
		r, err := scanRow(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}
