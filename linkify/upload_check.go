package linkify

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// Checked is what a look into a file of a stranger gave. An error instead of it means "try again".
type Checked struct {
	Malware   string   // name, "" when none was found
	Unchecked string   // why nobody could look into it, "" when somebody did
	LetIn     bool     // an unchecked file is let through all the same
	Notes     []string // codes of what the owner should know: executable, macro, encrypted
}

// quiet is how long nothing must have arrived before the owner is told; "I am done" needs no pause.
const quiet = 10 * time.Minute

// CheckUpload handles due work of kind WorkCheck: sum and look into a file that has arrived, then write down what
// it is. Until then nobody can take it out. Of one that is not to be had any more, the pieces are deleted.
func (l *Links) CheckUpload(ctx context.Context, id string) (again time.Time, err error) {
	var folder, state string
	err = l.o.DB.Read(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(`SELECT folder, state FROM folder_file WHERE id = $1`, id).Scan(&folder, &state)
	})
	switch {
	case db.IsNoRows(err):
		return time.Time{}, nil
	case err != nil:
	case UploadState(state) == Checking:
		err = l.checkIn(ctx, folder, id)
	case slices.Contains([]UploadState{Dropped, Infected, Refused}, UploadState(state)):
		err = l.deleteParts(ctx, id)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("check file %s: %w", id, err)
	}
	return time.Time{}, nil
}

func (l *Links) checkIn(ctx context.Context, folder, id string) error {
	c, err := l.received(ctx, folder, id)
	if err != nil || c.State != Checking {
		return err
	}
	defer c.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(c, 0, c.Size)); err != nil {
		return err
	}
	found := Checked{Unchecked: "no_scanner", LetIn: true}
	if l.o.Check != nil {
		if found, err = l.o.Check(ctx, c.Upload, c); err != nil {
			return err
		}
	}
	u := c.Upload
	u.SHA256, u.Notes = hexSum(sum), found.Notes
	switch {
	case found.Malware != "":
		u.State, u.Finding = Infected, cutRunes(cleanLine(found.Malware), titleMost)
	case found.Unchecked != "" && !found.LetIn:
		u.State, u.Finding = Refused, found.Unchecked
	case found.Unchecked != "":
		u.State, u.Finding = Unchecked, found.Unchecked
	default:
		u.State = Clean
	}
	err = l.o.DB.Write(ctx, func(tx *db.Tx) error { return l.checked(tx, u) })
	if errors.Is(err, db.ErrConflict) {
		return nil // deleted meanwhile
	}
	if err == nil && !u.Ready() {
		err = l.deleteParts(ctx, id)
	}
	return err
}

func (l *Links) checked(tx *db.Tx, u Upload) error {
	if err := l.settleUpload(tx, u, Checking); err != nil {
		return err
	}
	if err := l.o.Schedule(tx, WorkTell, u.Folder, tx.Now().Add(quiet)); err != nil {
		return err
	}
	return record(tx, System, "folder.checked", "", "", u.Folder, map[string]string{"file": u.ID, "state": string(u.State), "finding": u.Finding})
}

// TellFolder handles due work of kind WorkTell: one letter to the owner about all that has come since the last.
func (l *Links) TellFolder(ctx context.Context, id string) (again time.Time, err error) {
	err = l.o.DB.Write(ctx, func(tx *db.Tx) error {
		again = time.Time{}
		r, err := l.folderByID(tx, id)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		files, err := l.uploadsOf(tx, id, "")
		if err != nil {
			return err
		}
		var there, turned, checking int64
		for _, u := range files {
			switch u.State {
			case Clean, Unchecked:
				there++
			case Infected, Refused:
				turned++
			case Checking:
				checking++
			}
		}
		if checking > 0 {
			again = tx.Now().Add(15 * time.Second)
			return nil
		}
		if there+turned <= r.told {
			return nil
		}
		if err := l.o.Post(tx, l.arrivalLetter(r, there+turned-r.told, turned)); err != nil {
			return err
		}
		r.told = there + turned
		return saveFolder(tx, r)
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("tell of folder %s: %w", id, err)
	}
	return again, nil
}

// arrivalLetter is the notice to the owner. What the files are called stands on the page only.
func (l *Links) arrivalLetter(r folderRow, arrived, turned int64) Letter {
	var b strings.Builder
	n := strconv.FormatInt(arrived, 10)
	b.WriteString("受取フォルダに新しいファイルが " + n + " 件届きました。\n\n")
	b.WriteString("フォルダ： " + r.Title + "\n受け取り： " + l.o.Staff + "/folders/" + r.id + "\n")
	if turned > 0 {
		b.WriteString("\nこのフォルダでは、安全を確認できなかったファイルが " + strconv.FormatInt(turned, 10) + " 件削除されています。\n")
	}
	b.WriteString("\n---\n" + n + " new file(s) arrived in your folder.\n" + l.o.Staff + "/folders/" + r.id + "\n")
	if turned > 0 {
		b.WriteString(strconv.FormatInt(turned, 10) + " file(s) of this folder were deleted because they could not be proved safe.\n")
	}
	return Letter{To: r.Person, Subject: "受取フォルダにファイルが届きました / Files have arrived", Text: b.String(), Kind: "folder"}
}

// EndFolder handles due work of kind WorkFolderEnd: at its time the folder closes, some days later its files go.
// Once swept_at is set nobody can open the folder again, and after a crash the deletion is simply done again.
func (l *Links) EndFolder(ctx context.Context, id string) (again time.Time, err error) {
	var doomed []string
	err = l.o.DB.WriteLow(ctx, func(tx *db.Tx) error {
		again, doomed = time.Time{}, nil
		r, err := l.folderByID(tx, id)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err == nil && r.swept.IsZero() {
			again, err = l.ageFolder(tx, &r)
		}
		if err == nil && !r.swept.IsZero() {
			doomed, err = fileIDs(tx, id)
		}
		return err
	})
	for _, f := range doomed {
		if err == nil {
			err = l.deleteParts(ctx, f)
		}
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("end folder %s: %w", id, err)
	}
	return again, nil
}

// ageFolder takes a folder one step on its way from open to swept, and says when the next is due.
func (l *Links) ageFolder(tx *db.Tx, r *folderRow) (again time.Time, err error) {
	now := tx.Now()
	switch {
	case r.stateAt(now) == FolderOpen: // extended meanwhile
		return r.expires.Add(expireSlack), nil
	case r.state == FolderOpen:
		r.state, r.ended, r.endedBy = FolderExpired, now, System
		again = r.sweepAt(l.o.Keep)
		err = record(tx, System, "folder.expire", "", "", r.id, nil)
	case r.sweepAt(l.o.Keep).After(now):
		return r.sweepAt(l.o.Keep), nil
	default:
		r.swept = now
		if _, err := tx.Exec(`UPDATE folder_file SET state = $1 WHERE folder = $2`, Dropped, r.id); err != nil {
			return again, err
		}
		err = record(tx, System, "folder.sweep", "", "", r.id, map[string]string{"files": strconv.FormatInt(r.files, 10)})
	}
	if err != nil {
		return again, err
	}
	return again, saveFolder(tx, *r)
}

func fileIDs(tx *db.Tx, folder string) (out []string, err error) {
	rows, err := tx.Query(`SELECT id FROM folder_file WHERE folder = $1`, folder)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		out = append(out, id)
	}
	return out, rows.Err()
}

// deleteParts removes the objects of a file, then their rows.
func (l *Links) deleteParts(ctx context.Context, file string) error {
	var parts []part
	err := l.o.DB.Read(ctx, func(tx *db.Tx) (err error) {
		parts, err = partsOf(tx, file)
		return err
	})
	if err != nil {
		return err
	}
	for _, p := range parts {
		if err := l.o.Blobs.Delete(ctx, p.object); err != nil {
			return err
		}
	}
	return l.o.DB.WriteLow(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`DELETE FROM folder_part WHERE file = $1`, file)
		return err
	})
}

// sweepParts deletes pieces that no row speaks of: a crash between the store and the database left them, and
// whoever sent them was never told that they had arrived.
func (l *Links) sweepParts(ctx context.Context, settled time.Time) (gone int, err error) {
	err = l.o.Blobs.Walk(ctx, partPrefix, func(key string, _ int64, modified time.Time) error {
		if modified.After(settled) {
			return nil
		}
		var n int64
		err := l.o.DB.Read(ctx, func(tx *db.Tx) error {
			return tx.QueryRow(`SELECT COUNT(*) FROM folder_part WHERE object = $1`, key).Scan(&n)
		})
		if err != nil || n > 0 {
			return err
		}
		gone++
		return l.o.Blobs.Delete(ctx, key)
	})
	return gone, err
}
