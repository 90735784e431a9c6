// Command bare is the least that can be called a durable mail server: go-smtp, one SQLite table, one writer that lets
// everything that waits share a commit. It checks nothing, keeps nothing secret and forwards nothing. `make bench`
// runs it beside the product to show what the product's own work costs.
//
//	bare ADDRESS DIRECTORY
package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/emersion/go-smtp"
	_ "github.com/mattn/go-sqlite3"
)

const maxBatch = 256

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "bare ADDRESS DIRECTORY")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

func run(address, dir string) error {
	store, err := openStore(filepath.Join(dir, "bare.db"))
	if err != nil {
		return err
	}
	go store.write()
	srv := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{store: store}, nil }))
	srv.Addr, srv.Domain, srv.MaxMessageBytes, srv.MaxRecipients = address, "bare.example", 150<<20, 1000
	return srv.ListenAndServe()
}

// mail is one message that waits for its commit.
type mail struct {
	from, to string
	body     []byte
	done     chan error
}

type store struct {
	conn    *sql.Conn
	insert  *sql.Stmt
	waiting chan *mail
}

func openStore(path string) (*store, error) {
	pool, err := sql.Open("sqlite3", "file:"+path+"?_journal_mode=WAL&_synchronous=FULL&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.ExecContext(ctx, `CREATE TABLE mail (id INTEGER PRIMARY KEY, sender TEXT NOT NULL,
		recipients TEXT NOT NULL, due_at BIGINT NOT NULL, body BLOB NOT NULL)`); err != nil {
		return nil, err
	}
	if _, err := conn.ExecContext(ctx, `CREATE INDEX mail_due ON mail (due_at)`); err != nil {
		return nil, err
	}
	insert, err := conn.PrepareContext(ctx, `INSERT INTO mail (sender, recipients, due_at, body) VALUES (?, ?, ?, ?)`)
	return &store{conn: conn, insert: insert, waiting: make(chan *mail, 4*maxBatch)}, err
}

// write commits what waits, as much as there is at once, for ever.
func (s *store) write() {
	for {
		batch := []*mail{<-s.waiting}
		for len(batch) < maxBatch && len(s.waiting) > 0 {
			batch = append(batch, <-s.waiting)
		}
		err := s.commit(batch)
		for _, m := range batch {
			m.done <- err
		}
	}
}

func (s *store) commit(batch []*mail) error {
	ctx := context.Background()
	tx, err := s.conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	insert := tx.StmtContext(ctx, s.insert)
	now := time.Now().UnixMicro()
	for _, m := range batch {
		if _, err := insert.ExecContext(ctx, m.from, m.to, now, m.body); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// session is one client's dialogue.
type session struct {
	store    *store
	from, to string
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from, s.to = from, ""
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to += to + "\n"
	return nil
}

func (s *session) Data(r io.Reader) error {
	var body bytes.Buffer
	if _, err := body.ReadFrom(r); err != nil {
		return err
	}
	m := &mail{from: s.from, to: s.to, body: body.Bytes(), done: make(chan error, 1)}
	s.store.waiting <- m
	return <-m.done
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }
