package db

import "io/fs"

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
