package db

import (
	"io/fs"
	"time"
)

// WithMigrations opens as a program of another version would.
func WithMigrations(files fs.FS) Option { return func(d *DB) { d.files = files } }

// Migrations are this program's.
func Migrations() fs.FS {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err)
	}
	return files
}

// Queued is how many writes wait, and how many of low priority.
func (d *DB) Queued() [2]int {
	d.writer.mu.Lock()
	defer d.writer.mu.Unlock()
	return [2]int{len(d.writer.high), len(d.writer.low)}
}

// NoTurnForLow puts the turn that low work gets once a second far away, however slow the machine is.
func (d *DB) NoTurnForLow() {
	d.writer.mu.Lock()
	defer d.writer.mu.Unlock()
	d.writer.lowAt = time.Now().Add(time.Hour)
}
