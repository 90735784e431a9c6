package linkify

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// Files come into a folder in pieces. Each piece is an encrypted object of its own and durable before the offset
// moves, so that after any break, of a line or of a machine, the upload goes on where it was.

// partSize bounds what a break costs. The database sees one small row for each.
const partSize = 16 << 20

// partPrefix is where the pieces lie in the store.
const partPrefix = "folder/"

// BeginUpload announces one file for a folder. A file without bytes is there at once.
func (l *Links) BeginUpload(ctx context.Context, token string, v Visitor, name string, size int64) (u Upload, err error) {
	browser := browserHash(v.Browser)
	if browser == "" {
		return u, fmt.Errorf("begin upload: %w", ErrTicket)
	}
	if size < 0 {
		return u, fmt.Errorf("begin upload: %w", ErrTooLarge)
	}
	err = l.o.DB.Write(ctx, func(tx *db.Tx) error {
		r, err := l.folderTaking(tx, token)
		if err != nil {
			return err
		}
		switch left := r.left(); {
		case !l.takesType(name):
			return ErrFolderType
		case size > r.limits.File:
			return ErrTooLarge
		case left.Files == 0 || size > left.Bytes:
			return ErrFolderFull
		}
		if err := l.limit(tx, uploadsFromNetwork, r.id, network(v.Address)); err != nil {
			return err
		}
		made := Upload{ID: db.NewID(), Folder: r.id, Name: cleanName(name), Size: size, State: Arriving,
			Address: plainIP(v.Address), CreatedAt: tx.Now()}
		r.files, r.bytes = r.files+1, r.bytes+size
		if err := saveFolder(tx, r); err != nil {
			return err
		}
		if err := l.insertUpload(tx, made, browser); err != nil {
			return err
		}
		if size == 0 {
			made.State, made.EndedAt = Checking, tx.Now()
			err = l.arrived(tx, r, made)
		}
		u = made
		return err
	})
	if err != nil {
		return Upload{}, fmt.Errorf("begin upload: %w", err)
	}
	return u, nil
}

// takesType looks at the ending of a name, as it will be saved. What the bytes are, the look into the file tells its owner.
func (l *Links) takesType(name string) bool {
	ending := strings.ToLower(strings.TrimPrefix(filepath.Ext(cleanName(name)), "."))
	return len(l.o.FolderTypes) == 0 || ending != "" && slices.Contains(l.o.FolderTypes, ending)
}

// folderTaking finds a folder that still takes files.
func (l *Links) folderTaking(tx *db.Tx, token string) (folderRow, error) {
	r, err := l.folderByToken(tx, token)
	if err != nil {
		return r, err
	}
	switch r.stateAt(tx.Now()) {
	case FolderOpen:
		return r, nil
	case FolderExpired:
		return r, ErrExpired
	}
	return r, ErrFolderClosed
}

func (l *Links) insertUpload(tx *db.Tx, u Upload, browser string) error {
	sealed, err := l.sealJSON(sealUpload, u.ID, uploadAbout{Name: u.Name})
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO folder_file (id, folder, browser, state, size, received, sealed, address, created_at, ended_at)
		VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $8, 0)`,
		u.ID, u.Folder, browser, u.State, u.Size, sealed, u.Address, db.Micros(u.CreatedAt))
	return err
}

// arrived writes down that the last byte is there, and has the file looked into.
func (l *Links) arrived(tx *db.Tx, r folderRow, u Upload) error {
	if _, err := tx.Exec(`UPDATE folder_file SET state = $1, ended_at = $2 WHERE id = $3`, Checking, db.Micros(tx.Now()), u.ID); err != nil {
		return err
	}
	if err := l.o.Schedule(tx, WorkCheck, u.ID, tx.Now()); err != nil {
		return err
	}
	return record(tx, visitor, "folder.arrived", "", "", r.id,
		map[string]string{"file": u.ID, "size": strconv.FormatInt(u.Size, 10), "ip": u.Address})
}

// UploadOf is one file as the browser that puts it in sees it.
func (l *Links) UploadOf(ctx context.Context, token string, v Visitor, id string) (u Upload, err error) {
	err = l.o.DB.Read(ctx, func(tx *db.Tx) error {
		_, u, err = l.ownUpload(tx, token, v, id)
		return err
	})
	if err != nil {
		return Upload{}, fmt.Errorf("upload: %w", err)
	}
	return u, nil
}

// ownUpload finds a file that this browser began. That of another browser does not exist.
func (l *Links) ownUpload(tx *db.Tx, token string, v Visitor, id string) (folderRow, Upload, error) {
	r, err := l.folderByToken(tx, token)
	if err != nil {
		return r, Upload{}, err
	}
	browser := browserHash(v.Browser)
	if browser == "" {
		return r, Upload{}, ErrNotFound
	}
	u, err := l.scanUpload(tx.QueryRow(`SELECT `+uploadColumns+` FROM folder_file WHERE id = $1 AND folder = $2 AND browser = $3`,
		id, r.id, browser))
	if err == nil && u.State == Dropped {
		err = ErrNotFound
	}
	return r, u, err
}

// Append takes the next bytes of a file and returns how many of them are durable, which may be some of them
// beside an error. What is more than the file's promised size is not read.
func (l *Links) Append(ctx context.Context, token string, v Visitor, id string, offset int64, src io.Reader) (taken int64, err error) {
	for {
		n, more, err := l.appendPart(ctx, token, v, id, offset+taken, src)
		taken += n
		if err != nil {
			return taken, fmt.Errorf("append: %w", err)
		}
		if !more {
			return taken, nil
		}
	}
}

// appendPart takes at most one piece. It is looked at anew each time whether the folder still takes anything.
func (l *Links) appendPart(ctx context.Context, token string, v Visitor, id string, offset int64, src io.Reader) (n int64, more bool, err error) {
	var u Upload
	err = l.o.DB.Read(ctx, func(tx *db.Tx) error {
		if _, err := l.folderTaking(tx, token); err != nil {
			return err
		}
		_, u, err = l.ownUpload(tx, token, v, id)
		return err
	})
	if err != nil {
		return 0, false, err
	}
	if u.State != Arriving || u.Received != offset {
		if u.Received == u.Size && offset == u.Size {
			return 0, false, nil // all is there: nothing more to take
		}
		return 0, false, ErrOffset
	}
	p := part{file: id, start: offset, object: partPrefix + strings.ToLower(id) + "." + strings.ToLower(db.NewID()), keyID: l.keys.CurrentID()}
	file, cause, err := l.encryptPart(&p, io.LimitReader(src, min(partSize, u.Size-offset)))
	if err != nil {
		return 0, false, err
	}
	defer os.Remove(file)
	if p.size == 0 {
		return 0, false, cause
	}
	if err := l.keepPart(ctx, token, v, p, file); err != nil {
		return 0, false, err
	}
	return p.size, cause == nil && p.size == partSize && offset+p.size < u.Size, cause
}

// part is one line of table folder_part.
type part struct {
	file, object, keyID string
	start, size         int64
}

// partTail is the length of what stands behind a piece in its object.
const partTail = sha256.Size

// partBinding is that tail: as with linked files, it proves that an object is the one its row speaks of. It stands
// at the end because the size is not known before.
func (l *Links) partBinding(p part) ([]byte, error) {
	return l.keys.MACWith(p.keyID, "linkify.part", p.object, p.file, strconv.FormatInt(p.start, 10), strconv.FormatInt(p.size, 10))
}

// encryptPart writes a piece to a synced temporary file and fills in its size. cause is why src ended early:
// what came before is a piece all the same.
func (l *Links) encryptPart(p *part, src io.Reader) (name string, cause, err error) {
	if err := os.MkdirAll(l.o.TempDir, 0o700); err != nil {
		return "", nil, err
	}
	f, err := os.CreateTemp(l.o.TempDir, tempPattern)
	if err != nil {
		return "", nil, err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			os.Remove(f.Name())
		}
	}()
	w, err := l.keys.EncryptTo(f)
	if err != nil {
		return "", nil, err
	}
	from := &failing{r: src}
	p.size, err = io.Copy(w, from)
	if err != nil && from.err == nil {
		return "", nil, err // our disk, not their line
	}
	bind, err := l.partBinding(*p)
	if err != nil {
		return "", nil, err
	}
	if _, err = w.Write(bind); err == nil {
		err = w.Close()
	}
	if err == nil {
		err = f.Sync()
	}
	return f.Name(), from.err, err
}

// failing remembers that it was the source that failed.
type failing struct {
	r   io.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

// keepPart puts the object into the store and moves the offset, unless another request for the same file came
// first. The context of a browser that has hung up must not lose what it sent.
func (l *Links) keepPart(ctx context.Context, token string, v Visitor, p part, file string) error {
	ctx = context.WithoutCancel(ctx)
	if err := l.o.Blobs.Adopt(ctx, p.object, file); err != nil {
		return fmt.Errorf("store part of %s: %w", p.file, err)
	}
	err := l.o.DB.Write(ctx, func(tx *db.Tx) error {
		r, err := l.folderTaking(tx, token)
		if err != nil {
			return err
		}
		n, err := tx.Exec(`UPDATE folder_file SET received = received + $1 WHERE id = $2 AND received = $3 AND state = $4`,
			p.size, p.file, p.start, Arriving)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrOffset
		}
		if _, err := tx.Exec(`INSERT INTO folder_part (file, start, size, object, key_id, stored_at) VALUES ($1, $2, $3, $4, $5, $6)`,
			p.file, p.start, p.size, p.object, p.keyID, db.Micros(tx.Now())); err != nil {
			return err
		}
		_, u, err := l.ownUpload(tx, token, v, p.file)
		if err == nil && u.Received == u.Size {
			err = l.arrived(tx, r, u)
		}
		return err
	})
	if errors.Is(err, ErrOffset) || errors.Is(err, ErrFolderClosed) || errors.Is(err, ErrExpired) {
		// Nothing speaks of the object, and for certain: the transaction said no.
		return errors.Join(err, l.o.Blobs.Delete(ctx, p.object))
	}
	return err
}

// DropUpload takes back a file that this browser put in, while its owner cannot take it out yet.
func (l *Links) DropUpload(ctx context.Context, token string, v Visitor, id string) error {
	err := l.o.DB.Write(ctx, func(tx *db.Tx) error {
		r, u, err := l.ownUpload(tx, token, v, id)
		if err != nil {
			return err
		}
		if u.State != Arriving {
			return ErrOffset // handed over
		}
		if err := l.dropIn(tx, r, u, visitor); err != nil {
			return err
		}
		return l.o.Schedule(tx, WorkCheck, id, tx.Now()) // a portal may not delete what lies in the store
	})
	if err != nil {
		return fmt.Errorf("drop upload: %w", err)
	}
	return nil
}

// DeleteUpload lets the owner delete a file.
func (l *Links) DeleteUpload(ctx context.Context, folder, id string, by Actor) error {
	err := l.o.DB.Write(ctx, func(tx *db.Tx) error {
		r, err := l.folderByID(tx, folder)
		if err != nil {
			return err
		}
		u, err := l.uploadByID(tx, folder, id)
		if err != nil {
			return err
		}
		if u.State == Dropped {
			return ErrGone
		}
		return l.dropIn(tx, r, u, by)
	})
	if err == nil {
		err = l.deleteParts(ctx, id)
	}
	if err != nil {
		return fmt.Errorf("delete file of folder %s: %w", folder, err)
	}
	return nil
}

// dropIn gives the room back.
func (l *Links) dropIn(tx *db.Tx, r folderRow, u Upload, by Actor) error {
	from := u.State
	u.State, u.EndedAt = Dropped, tx.Now()
	if err := l.settleUpload(tx, u, from); err != nil {
		return err
	}
	r.files, r.bytes = max(0, r.files-1), max(0, r.bytes-u.Size)
	if err := saveFolder(tx, r); err != nil {
		return err
	}
	return record(tx, by, "folder.drop", "", "", r.id, map[string]string{"file": u.ID})
}

// Done says that the browser has put in what it wanted: the owner is told without a pause.
func (l *Links) Done(ctx context.Context, token string, v Visitor) error {
	err := l.o.DB.Write(ctx, func(tx *db.Tx) error {
		r, err := l.folderByToken(tx, token)
		if err != nil {
			return err
		}
		if err := l.limit(tx, doneOfFolder, r.id, network(v.Address)); err != nil {
			return err
		}
		return l.o.Schedule(tx, WorkTell, r.id, tx.Now())
	})
	if err != nil {
		return fmt.Errorf("finish uploads: %w", err)
	}
	return nil
}
