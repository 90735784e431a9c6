package linkify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// A folder is a link the other way round: one of our people asks somebody outside for files, and whoever holds
// the address puts them in, without an account. What lies in it only its owner can take out.

// FolderState is where a folder stands.
type FolderState string

// A closed folder takes nothing more; its files can still be taken out until they are swept.
const (
	FolderOpen    FolderState = "open"
	FolderClosed  FolderState = "closed"
	FolderExpired FolderState = "expired"
	FolderUnknown FolderState = "unknown"
)

// Kinds of due work. The reference of the first and the last is a folder, that of WorkCheck a file.
const (
	WorkFolderEnd = "folder.end"   // expiry, then deletion
	WorkCheck     = "folder.check" // look into a file that has arrived
	WorkTell      = "folder.tell"  // tell the owner what has arrived
)

// FolderTerms are what the owner, within the company's bounds, decides about a folder.
type FolderTerms struct {
	Person mailaddr.Address
	Name   string           // of the owner, as the page shows it
	For    mailaddr.Address // who is asked; "" when nobody in particular
	Title  string           // what is asked for; stands on the page
	Until  time.Time        // the folder closes at the last minute of this day
}

// FolderLimits bound what strangers can put into one folder.
type FolderLimits struct {
	File  int64 // bytes of one file
	Bytes int64 // of all files together
	Files int64
}

// Folder is one folder as its owner sees it.
type Folder struct {
	ID        string
	Address   string // what to give to the other side; "" when it answers no more
	Person    mailaddr.Address
	Name      string
	For       mailaddr.Address
	Title     string
	State     FolderState
	Limits    FolderLimits
	Count     int64
	Bytes     int64
	CreatedAt time.Time
	ExpiresAt time.Time
	EndedAt   time.Time
	DeletedAt time.Time // when its files are or were deleted; zero while open
	Files     []Upload  // in the order of arrival; only from Folder
}

// UploadState is where one file of a folder stands.
type UploadState string

// Only Clean and Unchecked files can be taken out.
const (
	Arriving  UploadState = "arriving"
	Checking  UploadState = "checking"
	Clean     UploadState = "clean"
	Unchecked UploadState = "unchecked" // nobody could look into it, and the company lets such files through
	Infected  UploadState = "infected"  // its bytes are deleted
	Refused   UploadState = "refused"   // nobody could look into it, and the company keeps such files out
	Dropped   UploadState = "dropped"   // by its sender, by the owner, or with the folder
)

// Upload is one file of a folder.
type Upload struct {
	ID        string
	Folder    string
	Name      string
	Size      int64
	Received  int64
	State     UploadState
	SHA256    string // hex, once it is there
	Finding   string // name of the malware, or why it could not be checked
	Notes     []string
	Address   string // where it came from
	CreatedAt time.Time
	EndedAt   time.Time
}

// Ready says whether the owner can take it out.
func (u Upload) Ready() bool { return u.State == Clean || u.State == Unchecked }

// Whole says whether all of it has arrived.
func (u Upload) Whole() bool { return u.State != Arriving && u.State != Dropped }

// Refusals of folders.
var (
	ErrFolderClosed = errors.New("the folder takes no more files")
	ErrTooLarge     = errors.New("the file is larger than the folder takes")
	ErrFolderFull   = errors.New("the folder is full")
	ErrFolderType   = errors.New("the folder takes no files of this type")
	ErrOffset       = errors.New("the file goes on at another place")
	ErrNotReady     = errors.New("the file cannot be taken out")
)

const titleMost = 120 // characters

// NewFolder opens a folder.
func (l *Links) NewFolder(ctx context.Context, t FolderTerms, by Actor) (f Folder, err error) {
	now, err := l.o.DB.Now(ctx)
	if err != nil {
		return f, fmt.Errorf("open folder: %w", err)
	}
	end := lastMinute(t.Until, 0, l.o.Zone)
	if !end.After(now) || end.After(now.Add(maxLife+24*time.Hour)) {
		return f, fmt.Errorf("open folder: %w", ErrTooLong)
	}
	t.Title, t.Name = cutRunes(cleanLine(t.Title), titleMost), cutRunes(cleanLine(t.Name), titleMost)
	r := folderRow{id: db.NewID(), person: string(t.Person.Key()), keyID: l.o.Keys.CurrentID(), state: FolderOpen, limits: l.o.Folders,
		expires: end, version: 1, folderAbout: folderAbout{Person: t.Person, Name: t.Name, For: t.For, Title: t.Title}}
	err = l.o.DB.Write(ctx, func(tx *db.Tx) error {
		if err := l.limit(tx, foldersOfPerson, r.person); err != nil {
			return err
		}
		r.created = tx.Now()
		if err := l.insertFolder(tx, r); err != nil {
			return err
		}
		if err := l.o.Schedule(tx, WorkFolderEnd, r.id, end.Add(expireSlack)); err != nil {
			return err
		}
		return record(tx, by, "folder.open", "", "", r.id, map[string]string{"for": string(t.For)})
	})
	if err != nil {
		return f, fmt.Errorf("open folder: %w", err)
	}
	return l.folderOf(r, now)
}

// Folders lists somebody's folders, the newest first; "" lists everybody's.
func (l *Links) Folders(ctx context.Context, person mailaddr.Address, p Page) (out []Folder, err error) {
	err = l.o.DB.Read(ctx, func(tx *db.Tx) error {
		rows, err := folderRows(tx, string(person.Key()), p)
		if err != nil {
			return err
		}
		out = nil
		for _, r := range rows {
			if err := l.openJSON(sealFolder, r.id, r.sealed, &r.folderAbout); err != nil {
				return err
			}
			f, err := l.folderOf(r, tx.Now())
			if err != nil {
				return err
			}
			out = append(out, f)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list folders: %w", err)
	}
	return out, nil
}

// Folder is one folder with its files.
func (l *Links) Folder(ctx context.Context, id string) (f Folder, err error) {
	err = l.o.DB.Read(ctx, func(tx *db.Tx) error {
		r, err := l.folderByID(tx, id)
		if err != nil {
			return err
		}
		if f, err = l.folderOf(r, tx.Now()); err != nil {
			return err
		}
		f.Files, err = l.uploadsOf(tx, id, "")
		return err
	})
	if err != nil {
		return Folder{}, fmt.Errorf("folder: %w", err)
	}
	return f, nil
}

// CloseFolder ends a folder before its time. What has arrived can still be taken out.
func (l *Links) CloseFolder(ctx context.Context, id string, by Actor) error {
	return l.changeFolder(ctx, id, "close", func(tx *db.Tx, r *folderRow) error {
		if r.stateAt(tx.Now()) != FolderOpen {
			return ErrFolderClosed
		}
		r.state, r.ended, r.endedBy = FolderClosed, tx.Now(), by
		if err := l.o.Schedule(tx, WorkFolderEnd, r.id, r.sweepAt(l.o.Keep)); err != nil {
			return err
		}
		return record(tx, by, "folder.close", "", "", r.id, nil)
	})
}

// ExtendFolder moves the day on which a folder closes, and opens one again that has not been swept.
func (l *Links) ExtendFolder(ctx context.Context, id string, until time.Time, by Actor) error {
	end := lastMinute(until, 0, l.o.Zone)
	return l.changeFolder(ctx, id, "extend", func(tx *db.Tx, r *folderRow) error {
		if !r.swept.IsZero() {
			return ErrGone
		}
		if now := tx.Now(); !end.After(now) || end.After(now.Add(maxLife+24*time.Hour)) {
			return ErrTooLong
		}
		r.state, r.expires, r.ended, r.endedBy = FolderOpen, end, time.Time{}, ""
		if err := l.o.Schedule(tx, WorkFolderEnd, r.id, end.Add(expireSlack)); err != nil {
			return err
		}
		return record(tx, by, "folder.extend", "", "", r.id, map[string]string{"until": end.UTC().Format(time.RFC3339)})
	})
}

// Invites notes that the owner asks somebody by mail, and bounds how often. Call it before the mail is handed in.
func (l *Links) Invites(ctx context.Context, id string, to mailaddr.Address, by Actor) error {
	err := l.o.DB.Write(ctx, func(tx *db.Tx) error {
		r, err := l.folderByID(tx, id)
		if err != nil {
			return err
		}
		if r.stateAt(tx.Now()) != FolderOpen {
			return ErrFolderClosed
		}
		if err := l.limit(tx, invitesOfPerson, r.person); err != nil {
			return err
		}
		return record(tx, by, "folder.invite", "", "", r.id, map[string]string{"address": string(to)})
	})
	if err != nil {
		return fmt.Errorf("invite to folder %s: %w", id, err)
	}
	return nil
}

func (l *Links) changeFolder(ctx context.Context, id, verb string, change func(*db.Tx, *folderRow) error) error {
	err := l.o.DB.Write(ctx, func(tx *db.Tx) error {
		r, err := l.folderByID(tx, id)
		if err != nil {
			return err
		}
		if err := change(tx, &r); err != nil {
			return err
		}
		return saveFolder(tx, r)
	})
	if err != nil {
		return fmt.Errorf("%s folder %s: %w", verb, id, err)
	}
	return nil
}

// FolderPage is what the address of a folder shows to whoever holds it.
type FolderPage struct {
	State      FolderState
	Company    string
	Sender     mailaddr.Address
	SenderName string
	Title      string
	Expires    time.Time
	Limits     FolderLimits // of what is still to come
	Types      []string     // endings of names that are taken; none is all
	Files      []Upload     // put in by this browser; nobody sees another's
}

// OpenFolder answers the page of a folder. It writes nothing. An unknown address is an answer, not an error.
func (l *Links) OpenFolder(ctx context.Context, token string, v Visitor) (p FolderPage, err error) {
	err = l.o.DB.Read(ctx, func(tx *db.Tx) error {
		p = FolderPage{State: FolderUnknown}
		r, err := l.folderByToken(tx, token)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		p = FolderPage{State: r.stateAt(tx.Now()), Company: l.o.Company, Sender: r.Person, SenderName: r.Name, Title: r.Title,
			Expires: r.expires.In(l.o.Zone), Limits: r.left(), Types: l.o.FolderTypes}
		if b := browserHash(v.Browser); b != "" {
			p.Files, err = l.uploadsOf(tx, r.id, b)
		}
		return err
	})
	if err != nil {
		return FolderPage{}, fmt.Errorf("open folder: %w", err)
	}
	return p, nil
}
