package linkify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// A file that was clean when its mail was inspected may be known as malware by the time somebody takes it. It is
// looked into again before a download when the last look is a day old.

// WorkMalware is due work: tell the owner and the administrators. The reference is a file.
const WorkMalware = "link.malware"

// rescanAfter is about how often signatures of malware change.
const rescanAfter = 24 * time.Hour

// Refusals of a file that is not what it was.
var (
	ErrMalware   = errors.New("malware was found in the file")
	ErrUnscanned = errors.New("the scanner does not answer; try again later")
)

// rescan looks into a file before it is handed out.
func (l *Links) rescan(ctx context.Context, file string) error {
	if l.o.Scan == nil {
		return nil
	}
	var b stored
	var now time.Time
	err := l.o.DB.Read(ctx, func(tx *db.Tx) (err error) {
		now = tx.Now()
		_, b, err = l.fileByID(tx, file)
		return err
	})
	if err != nil {
		return err
	}
	last := b.at
	if b.scanned.After(last) {
		last = b.scanned
	}
	if b.malware == "" && now.Sub(last) < rescanAfter {
		return nil
	}
	o, err := l.open(ctx, b)
	if err != nil {
		return l.suspect(ctx, file, err)
	}
	defer o.file.Close()
	found, err := l.o.Scan(ctx, io.NewSectionReader(o, 0, b.size))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnscanned, err)
	}
	return l.scanned(ctx, file, b, cutRunes(cleanLine(found), titleMost))
}

// scanned writes down what was found. From that commit on nobody gets the file.
func (l *Links) scanned(ctx context.Context, file string, b stored, found string) error {
	err := l.o.DB.Write(ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec(`UPDATE link_blob SET scanned_at = $1, malware = $2 WHERE message = $3 AND digest = $4 AND malware = ''`,
			db.Micros(tx.Now()), found, b.message, b.digest); err != nil || found == "" {
			return err
		}
		if err := record(tx, visitor, "link.malware", b.message, "", file, map[string]string{"finding": found}); err != nil {
			return err
		}
		return l.o.Schedule(tx, WorkMalware, file, tx.Now())
	})
	if err == nil && found != "" {
		err = ErrMalware
	}
	return err
}

// infectedFiles are those of a link in which malware was found.
func infectedFiles(tx *db.Tx, link string) (map[string]bool, error) {
	rows, err := tx.Query(`SELECT c.file FROM link_content c JOIN link_file f ON f.id = c.file JOIN link_blob b ON b.message = f.message AND b.digest = f.digest
		WHERE c.link = $1 AND b.malware <> ''`, link)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := map[string]bool{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		found[id] = true
	}
	return found, rows.Err()
}

// Infected handles due work of kind WorkMalware.
func (l *Links) Infected(ctx context.Context, file string) (again time.Time, err error) {
	err = l.o.DB.Write(ctx, func(tx *db.Tx) error {
		f, b, err := l.fileByID(tx, file)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil || b.malware == "" {
			return err
		}
		rows, err := rowsOfMessage(tx, b.message)
		if err != nil || len(rows) == 0 {
			return err
		}
		who, err := l.about(rows[0])
		if err != nil {
			return err
		}
		if l.o.Alarm != nil {
			if err := l.o.Alarm(tx, "message "+b.message); err != nil {
				return err
			}
		}
		page := l.o.Staff + "/messages/" + b.message + "/links"
		text := "リンクで送ったファイルからウイルスが見つかったため、ダウンロードできないようにしました。\n\nファイル： " + cleanLine(f.Name) + "\n検出名： " + b.malware +
			"\n\nすでにダウンロードした宛先は、次のページで確認できます。\n" + page +
			"\n\n---\nMalware (" + b.malware + ") was found in a file that you sent as a link. It cannot be downloaded any more. Who took it before stands on the page above.\n"
		return l.o.Post(tx, Letter{To: who.Person, Subject: "送ったファイルからウイルスが見つかりました / Malware in a file you sent", Text: text, Kind: "malware", Message: b.message})
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("tell of malware in %s: %w", file, err)
	}
	return time.Time{}, nil
}
