package linkify

import (
	"context"
	"errors"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// nameFiles gives every planned part its row, and its id to files. Rows of an earlier recipient of the same
// mail are used again.
func (l *Links) nameFiles(ctx context.Context, mail string, s Splice, files []File, digests []string) ([]File, error) {
	var out []File
	err := l.o.DB.Write(ctx, func(tx *db.Tx) error {
		named := make([]File, len(files))
		for i, f := range files {
			id, err := l.fileRow(tx, mail, s.Links[i].Path, digests[i], f)
			if err != nil {
				return err
			}
			f.ID = id
			named[i] = f
		}
		out = named
		return nil
	})
	return out, err
}

func (l *Links) fileRow(tx *db.Tx, mail, path, digest string, f File) (string, error) {
	if _, err := tx.Exec(`UPDATE link_blob SET state = $1, stored_at = $2 WHERE message = $3 AND digest = $4 AND state = $5`,
		blobStored, db.Micros(tx.Now()), mail, digest, blobStoring); err != nil {
		return "", err
	}
	var id string
	err := tx.QueryRow(`SELECT id FROM link_file WHERE message = $1 AND path = $2 AND digest = $3`, mail, path, digest).Scan(&id)
	if err == nil || !db.IsNoRows(err) {
		return id, err
	}
	f.ID = db.NewID()
	sealed, err := l.sealJSON(sealFile, f.ID, f)
	if err != nil {
		return "", err
	}
	n, err := tx.Exec(`INSERT INTO link_file (id, message, path, digest, size, sealed, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (message, path, digest) DO NOTHING`,
		f.ID, mail, path, digest, f.Size, sealed, db.Micros(tx.Now()))
	return f.ID, lost(n, err)
}

// errRaced: another worker prepared the same recipient meanwhile. Its link stands; ours was never written.
var errRaced = errors.New("another worker has made this link; try again")

// insert commits the link of one recipient, inactive, with its due work and audit entry.
func (l *Links) insert(tx *db.Tx, n row, m Mail, r Recipient, p plan) error {
	token, err := l.token(n.keyID, n.id, n.generation)
	if err != nil {
		return err
	}
	whose := about{Address: r.Address, Person: m.Person, From: m.From, FromName: m.FromName, Company: l.o.Company}
	if r.Terms.access() == AccessPassword {
		whose.Password = newPassword()
	}
	who, err := l.sealJSON(sealAbout, n.id, whose)
	if err != nil {
		return err
	}
	fixed, err := l.sealJSON(sealPlan, n.id, p)
	if err != nil {
		return err
	}
	now := db.Micros(tx.Now())
	made, err := tx.Exec(`INSERT INTO link (id, message, recipient, generation, token, key_id, state, access, shared, person, sealed,
		plan, body, version, created_at, expires_at, activated_at, ended_at, ended_by, cause, files, taken, first_taken, last_taken, title)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 1, $14, $15, 0, 0, '', '', $16, 0, 0, 0, $17)
		ON CONFLICT (message, recipient) DO NOTHING`,
		n.id, m.ID, r.ID, n.generation, tokenHash(token), n.keyID, Inactive, r.Terms.access(), db.Bool(r.Shared || readByMany(r.Address)), string(m.Person.Key()),
		who, fixed, n.body, now, db.Micros(n.expires), len(p.Files),
		l.o.Keys.Seal(sealTitle, n.id, []byte(m.Subject)))
	if err != nil {
		return err
	}
	if made == 0 {
		return errRaced
	}
	for i, f := range p.Files {
		if _, err := tx.Exec(`INSERT INTO link_content (link, file, position, taken) VALUES ($1, $2, $3, 0)`, n.id, f.File.ID, i); err != nil {
			return err
		}
	}
	if err := l.o.Schedule(tx, WorkExpire, n.id, n.expires.Add(expireSlack)); err != nil {
		return err
	}
	return record(tx, System, "link.create", m.ID, r.ID, n.id, map[string]string{"access": string(r.Terms.access())})
}

// access is open unless the verdict says otherwise; a word this program does not know asks for a code.
func (t Terms) access() Access {
	switch t.Access {
	case "":
		return AccessOpen
	case AccessOpen, AccessPassword, AccessAccount:
		return t.Access
	}
	return AccessCode
}
