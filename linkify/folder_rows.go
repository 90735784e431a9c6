package linkify

import (
	"database/sql"
	"time"
	"unicode/utf8"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

const (
	sealFolder = "linkify.folder"
	sealUpload = "linkify.upload"
)

// folderRow is one line of table folder.
type folderRow struct {
	id, person, keyID string
	state             FolderState
	sealed            []byte
	limits            FolderLimits
	files, bytes      int64
	told, version     int64
	created, expires  time.Time
	ended, swept      time.Time
	endedBy           Actor
	folderAbout
}

// folderAbout is what a folder knows of people, sealed.
type folderAbout struct {
	Person mailaddr.Address `json:"person"`
	Name   string           `json:"name,omitempty"`
	For    mailaddr.Address `json:"for,omitempty"`
	Title  string           `json:"title,omitempty"`
}

const folderColumns = `id, person, key_id, state, sealed, max_file, max_bytes, max_files, files, bytes, told, version,
	created_at, expires_at, ended_at, ended_by, swept_at`

func scanFolder(s scanner) (folderRow, error) {
	var r folderRow
	var created, expires, ended, swept int64
	err := s.Scan(&r.id, &r.person, &r.keyID, &r.state, &r.sealed, &r.limits.File, &r.limits.Bytes, &r.limits.Files,
		&r.files, &r.bytes, &r.told, &r.version, &created, &expires, &ended, &r.endedBy, &swept)
	if db.IsNoRows(err) {
		return r, ErrNotFound
	}
	r.created, r.expires, r.ended, r.swept = db.Time(created), db.Time(expires), db.Time(ended), db.Time(swept)
	return r, err
}

func (r folderRow) stateAt(now time.Time) FolderState {
	if r.state == FolderOpen && !now.Before(r.expires.Add(expireSlack)) {
		return FolderExpired
	}
	return r.state
}

// sweepAt is when the files of a folder that is over are deleted.
func (r folderRow) sweepAt(keep time.Duration) time.Time {
	if r.ended.IsZero() {
		return r.expires.Add(keep)
	}
	return r.ended.Add(keep)
}

// left is what may still be put in.
func (r folderRow) left() FolderLimits {
	room := max(0, r.limits.Bytes-r.bytes)
	return FolderLimits{File: min(r.limits.File, room), Bytes: room, Files: max(0, r.limits.Files-r.files)}
}

func (l *Links) folderOf(r folderRow, now time.Time) (Folder, error) {
	f := Folder{ID: r.id, Person: r.Person, Name: r.Name, For: r.For, Title: r.Title, State: r.stateAt(now), Limits: r.limits,
		Count: r.files, Bytes: r.bytes, CreatedAt: r.created, ExpiresAt: r.expires, EndedAt: r.ended}
	if f.State == FolderOpen {
		token, err := l.folderToken(r.keyID, r.id)
		f.Address = l.o.Portal + "/u/" + token
		return f, err
	}
	f.DeletedAt = r.sweepAt(l.o.Keep)
	if !r.swept.IsZero() {
		f.DeletedAt = r.swept
	}
	return f, nil
}

// folderToken makes the secret of a folder's address. It is a link's with a purpose of its own.
func (l *Links) folderToken(keyID, folder string) (string, error) {
	return l.token(keyID, "folder:"+folder, 1)
}

func (l *Links) folderByToken(tx *db.Tx, token string) (folderRow, error) {
	r, err := scanFolder(tx.QueryRow(`SELECT `+folderColumns+` FROM folder WHERE token = $1`, tokenHash(token)))
	return l.openFolderRow(r, err)
}

func (l *Links) folderByID(tx *db.Tx, id string) (folderRow, error) {
	r, err := scanFolder(tx.QueryRow(`SELECT `+folderColumns+` FROM folder WHERE id = $1`, id))
	return l.openFolderRow(r, err)
}

func (l *Links) openFolderRow(r folderRow, err error) (folderRow, error) {
	if err == nil {
		err = l.openJSON(sealFolder, r.id, r.sealed, &r.folderAbout)
	}
	return r, err
}

// folderRows is a page of somebody's folders, or of everybody's where person is "".
func folderRows(tx *db.Tx, person string, p Page) (out []folderRow, err error) {
	before := p.After
	if before == "" {
		before = "~" // after every id
	}
	var rows *sql.Rows
	if person == "" {
		rows, err = tx.Query(`SELECT `+folderColumns+` FROM folder WHERE id < $1 ORDER BY id DESC LIMIT $2`, before, p.Limit)
	} else {
		rows, err = tx.Query(`SELECT `+folderColumns+` FROM folder WHERE person = $1 AND id < $2 ORDER BY id DESC LIMIT $3`, person, before, p.Limit)
	}
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		r, err := scanFolder(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

func (l *Links) insertFolder(tx *db.Tx, r folderRow) error {
	token, err := l.folderToken(r.keyID, r.id)
	if err != nil {
		return err
	}
	sealed, err := l.sealJSON(sealFolder, r.id, r.folderAbout)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO folder (id, person, token, key_id, state, sealed, max_file, max_bytes, max_files, files, bytes, told,
		version, created_at, expires_at, ended_at, ended_by, swept_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, 0, $10, $11, $12, 0, '', 0)`,
		r.id, r.person, tokenHash(token), r.keyID, r.state, sealed, r.limits.File, r.limits.Bytes, r.limits.Files, r.version,
		db.Micros(r.created), db.Micros(r.expires))
	return err
}

// saveFolder writes what a change did, unless another one came first.
func saveFolder(tx *db.Tx, r folderRow) error {
	n, err := tx.Exec(`UPDATE folder SET state = $1, files = $2, bytes = $3, told = $4, expires_at = $5, ended_at = $6, ended_by = $7,
		swept_at = $8, version = version + 1 WHERE id = $9 AND version = $10`,
		r.state, r.files, r.bytes, r.told, db.Micros(r.expires), db.Micros(r.ended), r.endedBy, db.Micros(r.swept), r.id, r.version)
	return lost(n, err)
}

// uploadAbout is what a file's row keeps sealed.
type uploadAbout struct {
	Name    string   `json:"name"`
	SHA256  string   `json:"sha256,omitempty"`
	Finding string   `json:"finding,omitempty"`
	Notes   []string `json:"notes,omitempty"`
}

const uploadColumns = `id, folder, state, size, received, sealed, address, created_at, ended_at`

func (l *Links) scanUpload(s scanner) (u Upload, err error) {
	var sealed []byte
	var created, ended int64
	err = s.Scan(&u.ID, &u.Folder, &u.State, &u.Size, &u.Received, &sealed, &u.Address, &created, &ended)
	if db.IsNoRows(err) {
		return u, ErrNotFound
	}
	if err != nil {
		return u, err
	}
	u.CreatedAt, u.EndedAt = db.Time(created), db.Time(ended)
	var a uploadAbout
	err = l.openJSON(sealUpload, u.ID, sealed, &a)
	u.Name, u.SHA256, u.Finding, u.Notes = a.Name, a.SHA256, a.Finding, a.Notes
	return u, err
}

// uploadsOf are the files of a folder, those of one browser where it is named.
func (l *Links) uploadsOf(tx *db.Tx, folder, browser string) (out []Upload, err error) {
	rows, err := tx.Query(`SELECT `+uploadColumns+` FROM folder_file WHERE folder = $1 AND (browser = $2 OR $3 = 1) ORDER BY id`,
		folder, browser, db.Bool(browser == ""))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		u, err := l.scanUpload(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, u)
	}
	return out, rows.Err()
}

func (l *Links) uploadByID(tx *db.Tx, folder, id string) (Upload, error) {
	return l.scanUpload(tx.QueryRow(`SELECT `+uploadColumns+` FROM folder_file WHERE folder = $1 AND id = $2`, folder, id))
}

// settleUpload writes the state and the sealed facts of a file that was in state from.
func (l *Links) settleUpload(tx *db.Tx, u Upload, from UploadState) error {
	sealed, err := l.sealJSON(sealUpload, u.ID, uploadAbout{Name: u.Name, SHA256: u.SHA256, Finding: u.Finding, Notes: u.Notes})
	if err != nil {
		return err
	}
	n, err := tx.Exec(`UPDATE folder_file SET state = $1, sealed = $2, ended_at = $3 WHERE id = $4 AND state = $5`,
		u.State, sealed, db.Micros(u.EndedAt), u.ID, from)
	return lost(n, err)
}

func cutRunes(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most])
}
