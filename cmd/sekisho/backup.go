package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/blob"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/seal"
)

// A backup is a directory with a SQLite database and a directory of files, whatever engine and store they come from:
// one form, which `restore` brings into any. Keys stay out of it, because whoever has both can read every mail.
const (
	backupDatabase = "sekisho.db"
	backupFiles    = "files"
	backupNote     = "BACKUP.txt"
)

// BackupCmd makes a consistent copy while running.
type BackupCmd struct {
	Config string `short:"c" required:"" placeholder:"FILE" help:"Configuration file."`
	Dir    string `arg:"" help:"Directory to make; it must not exist or be empty."`
}

// Help is shown below the flags.
func (BackupCmd) Help() string {
	return `Copies one moment of the database and every stored file into a directory, and reads
back what it wrote. The service may run. The key file is left out: keep a copy of it
somewhere else. Without it a backup is worth nothing, and with it a thief reads every mail.`
}

// Run copies.
func (c *BackupCmd) Run(ctx context.Context, out *Streams) error {
	conf, err := LoadConfig(c.Config)
	if err != nil {
		return err
	}
	if err := makeEmpty(c.Dir); err != nil {
		return err
	}
	from, err := openPlace(ctx, conf)
	if err != nil {
		return err
	}
	defer from.close()
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return err
	}
	to, err := openAt(ctx, "sqlite:"+filepath.Join(dir, backupDatabase), "file:"+filepath.Join(dir, backupFiles), dir)
	if err != nil {
		return err
	}
	defer to.close()
	// Files that the copied rows name were there before the rows; those that came while the database was copied are
	// brought by the second look.
	if _, err := copyFiles(ctx, out, from.files, to.files); err != nil {
		return err
	}
	at := time.Now()
	tables, err := db.Copy(ctx, from.db, to.db, db.Copying{Told: told(out)})
	if err != nil {
		return err
	}
	files, err := copyFiles(ctx, out, from.files, to.files)
	if err != nil {
		return err
	}
	if err := complete(ctx, to); err != nil {
		return err
	}
	note := fmt.Sprintf("Sekisho backup of %s, version %s.\nThe key file is not in it: %s\n", at.Format(time.RFC3339), version(), conf.Keys.File)
	if err := os.WriteFile(filepath.Join(dir, backupNote), []byte(note), 0o600); err != nil {
		return err
	}
	fmt.Fprintf(out.Out, "%s, %d files copied to %s and read back.\n", rowsIn(tables), files, dir)
	fmt.Fprintf(out.Out, "The key file %s is NOT in the backup. Keep a copy of it in another place: nothing can be read without it.\n", conf.Keys.File)
	return nil
}

// RestoreCmd brings a backup back.
type RestoreCmd struct {
	Config string `short:"c" required:"" placeholder:"FILE" help:"Configuration file of the installation to restore into; its database and file store must be empty, its key file the one of the backup."`
	Dir    string `arg:"" type:"existingdir" help:"Directory that sekisho backup made."`
}

// Help is shown below the flags.
func (RestoreCmd) Help() string {
	return `Brings a backup into an empty database and file store of either kind, and pauses the
queue: what waited when the backup was made may have been sent since. Look at
"sekisho queue list", cancel what has left, then "sekisho queue resume".`
}

// Run restores.
func (c *RestoreCmd) Run(ctx context.Context, out *Streams) error {
	conf, err := LoadConfig(c.Config)
	if err != nil {
		return err
	}
	if _, err := os.Stat(conf.Keys.File); err != nil {
		return fmt.Errorf("the key file of the backup has to be at %s first: %w", conf.Keys.File, err)
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return err
	}
	// The note is written last: without it the copy was broken off, and what is missing would never be missed.
	for _, name := range []string{backupDatabase, backupNote} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("%s is no backup, or one that was broken off: %w", dir, err)
		}
	}
	from, err := openAt(ctx, "sqlite:"+filepath.Join(dir, backupDatabase), "file:"+filepath.Join(dir, backupFiles), dir)
	if err != nil {
		return err
	}
	defer from.close()
	to, err := openPlace(ctx, conf)
	if err != nil {
		return err
	}
	defer to.close()
	// Before anything is copied: with other keys nothing of it could be read.
	if err := fits(ctx, conf, from.db); err != nil {
		return err
	}
	files, err := copyFiles(ctx, out, from.files, to.files)
	if err != nil {
		return err
	}
	// The pause keeps mail from leaving twice. It comes with the rows: a restore that is broken off leaves neither.
	tables, err := db.Copy(ctx, from.db, to.db, db.Copying{Told: told(out), Finish: func(tx *db.Tx) error {
		return holdqueue.PauseTx(tx, operator(), "restored from a backup: cancel what has left since, then resume")
	}})
	if err != nil {
		return err
	}
	if err := complete(ctx, to); err != nil {
		return err
	}
	fmt.Fprintf(out.Out, "%s, %d files restored and read back.\n", rowsIn(tables), files)
	fmt.Fprintln(out.Out, "The queue is PAUSED: mail that waited when the backup was made may have been sent since.\n"+
		"See `sekisho queue list`, cancel what has left, then `sekisho queue resume`.")
	return nil
}

// MigrateCmd moves a database or a file store.
type MigrateCmd struct {
	From string `required:"" placeholder:"URL" help:"Database (sqlite:PATH, postgres://...) or file store (file:DIR, s3://...) to move from."`
	To   string `required:"" placeholder:"URL" help:"The one to move to; it must be empty."`
}

// Help is shown below the flags.
func (MigrateCmd) Help() string {
	return `Moves everything, held, waiting and linked mail too, and reads back what it wrote.
Stop the service first. A database that has been moved is marked and never served
again. A file store is copied; the old one stays as it is.
Afterwards set database.url or files.url in the configuration and start the service.`
}

// Run moves.
func (c *MigrateCmd) Run(ctx context.Context, out *Streams) error {
	if isStore(c.From) != isStore(c.To) {
		return errors.New("--from and --to must both be databases, or both be file stores")
	}
	if isStore(c.From) {
		return c.moveFiles(ctx, out)
	}
	from, err := db.Open(ctx, c.From)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := db.Open(ctx, c.To)
	if err != nil {
		return err
	}
	defer to.Close()
	tables, err := move(ctx, out, from, to)
	if err != nil {
		return err
	}
	fmt.Fprintf(out.Out, "%s moved and read back. The old database is marked and will not be served again.\nNow set database.url to the new one.\n", rowsIn(tables))
	return nil
}

// move copies, sets the old database aside and opens the new one, in this order: whenever it is broken off, at most one
// of the two can be served, and the same command again brings it to its end.
func move(ctx context.Context, out *Streams, from, to *db.DB) (tables []db.Copied, err error) {
	var again, aside bool
	err = to.Read(ctx, func(tx *db.Tx) error { again, err = holdqueue.IsArriving(tx); return err })
	if err == nil {
		err = from.Read(ctx, func(tx *db.Tx) error { aside, err = holdqueue.IsSetAside(tx); return err })
	}
	if err != nil {
		return nil, err
	}
	if aside && !again {
		return nil, holdqueue.ErrMoved
	}
	if !aside {
		if err := from.Read(ctx, holdqueue.Idle); err != nil {
			return nil, err
		}
		if tables, err = db.Copy(ctx, from, to, db.Copying{Over: again, Finish: holdqueue.Arriving, Told: told(out)}); err != nil {
			return nil, unmoved("database", err)
		}
		if err := from.Write(ctx, func(tx *db.Tx) error { return holdqueue.SetAside(tx, string(to.Engine())) }); err != nil {
			return nil, fmt.Errorf("everything was copied, but the old database could not be set aside; run this again: %w", err)
		}
	}
	if err := to.Write(ctx, holdqueue.Arrived); err != nil {
		return nil, fmt.Errorf("everything was copied; run this again to open the new database: %w", err)
	}
	return tables, nil
}

// unmoved tells whoever moves that nothing is lost by a move that failed.
func unmoved(what string, err error) error {
	return fmt.Errorf("the new %s could not be filled: %w\nThe old %s is as it was and can be served. When the cause is mended, run the same command again", what, err, what)
}

// told says how far a large copy is.
func told(out *Streams) func(string, int64) {
	return func(table string, rows int64) { fmt.Fprintf(out.Err, "%s: %d rows ...\n", table, rows) }
}

// fits asks whether the key file opens what a database holds, without changing it.
func fits(ctx context.Context, c *Config, d *db.DB) error {
	keys, err := seal.Load(c.Keys.File)
	if err != nil {
		return err
	}
	return d.Read(ctx, func(tx *db.Tx) error { return holdqueue.Fits(tx, keys) })
}

func isStore(url string) bool {
	return strings.HasPrefix(url, "file:") || strings.HasPrefix(url, "s3:")
}

func (c *MigrateCmd) moveFiles(ctx context.Context, out *Streams) error {
	from, err := blob.OpenStore(ctx, c.From, ".")
	if err != nil {
		return err
	}
	to, err := blob.OpenStore(ctx, c.To, ".")
	if err != nil {
		return err
	}
	n, err := copyFiles(ctx, out, from, to)
	if err != nil {
		return unmoved("store", err)
	}
	fmt.Fprintf(out.Out, "%d files copied and read back. Now set files.url to the new store; the old one may go when all is well.\n", n)
	return nil
}

// premises are a database with its file store.
type premises struct {
	db    *db.DB
	files blob.Store
}

func (p *premises) close() { p.db.Close() }

func openPlace(ctx context.Context, c *Config) (*premises, error) {
	url, err := c.DatabaseURL()
	if err != nil {
		return nil, err
	}
	return openAt(ctx, url, c.Files.URL, c.DataDir)
}

func openAt(ctx context.Context, database, files, base string) (*premises, error) {
	d, err := db.Open(ctx, database)
	if err != nil {
		return nil, err
	}
	s, err := blob.OpenStore(ctx, files, base)
	if err != nil {
		d.Close()
		return nil, err
	}
	return &premises{d, s}, nil
}

// copyFiles copies the objects that are missing or of another size, and gives the number that is there in the end.
// They are sealed, and are copied as they are.
func copyFiles(ctx context.Context, out *Streams, from, to blob.Store) (n int, err error) {
	there := map[string]int64{}
	if err := to.Walk(ctx, "", func(key string, size int64, _ time.Time) error { there[key] = size; return nil }); err != nil {
		return 0, fmt.Errorf("list the target: %w", err)
	}
	err = from.Walk(ctx, "", func(key string, size int64, _ time.Time) error {
		if n++; n%1000 == 0 {
			fmt.Fprintf(out.Err, "%d files ...\n", n)
		}
		if have, ok := there[key]; ok && have == size {
			return nil
		}
		err := copyFile(ctx, from, to, key)
		if errors.Is(err, blob.ErrNotFound) {
			n-- // its retention ended just now
			return nil
		}
		return err
	})
	return n, err
}

func copyFile(ctx context.Context, from, to blob.Store, key string) error {
	source, err := from.Open(ctx, key)
	if err != nil {
		return err
	}
	defer source.Close()
	sum := sha256.New()
	r := io.TeeReader(io.NewSectionReader(source, 0, source.Size()), sum)
	if err := to.Put(ctx, key, r, source.Size()); err != nil {
		return fmt.Errorf("copy %s: %w", key, err)
	}
	copied, err := to.Open(ctx, key)
	if err != nil {
		return fmt.Errorf("read back %s: %w", key, err)
	}
	defer copied.Close()
	again := sha256.New()
	if _, err := io.Copy(again, io.NewSectionReader(copied, 0, copied.Size())); err != nil {
		return fmt.Errorf("read back %s: %w", key, err)
	}
	if string(sum.Sum(nil)) != string(again.Sum(nil)) {
		return fmt.Errorf("read back %s: it is not what was written", key)
	}
	return nil
}

// complete proves that every body the rows name is in the store.
func complete(ctx context.Context, p *premises) error {
	keys, err := holdqueue.Objects(ctx, p.db)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	if err := p.files.Walk(ctx, "", func(key string, _ int64, _ time.Time) error { there[key] = true; return nil }); err != nil {
		return err
	}
	for _, key := range keys {
		if !there[key] {
			return fmt.Errorf("the body %s is named by a mail and is not in the store", key)
		}
	}
	return nil
}

// makeEmpty makes a private directory, or takes an empty one.
func makeEmpty(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty: every backup needs a directory of its own", dir)
	}
	return os.Chmod(dir, 0o700)
}

func rowsIn(tables []db.Copied) string {
	if tables == nil {
		return "Everything was copied before, and now it is"
	}
	var rows, mails int64
	for _, t := range tables {
		rows += t.Rows
		if t.Table == "message" {
			mails = t.Rows
		}
	}
	return fmt.Sprintf("%d mails, %d rows in %d tables", mails, rows, len(tables))
}
