package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
	"github.com/sekisho-mail/sekisho/internal/seal"
)

// typed runs one command line and gives what it said.
func typed(t *testing.T, args ...string) (said string, status int) {
	t.Helper()
	var out bytes.Buffer
	status = run(t.Context(), args, &Streams{In: strings.NewReader(""), Out: &out, Err: &out})
	return out.String(), status
}

// keptMail gives a running house one held mail with a body in a file.
func keptMail(t *testing.T) (h *openedHouse, id string, body string) {
	t.Helper()
	h = testHouse(t, "version: 1\nrules:\n  - {name: all, when: {recipients: external}, then: {hold: {approvers: [manager]}}}\n")
	body = "From: alice@corp.example\r\nTo: x@other.example\r\nSubject: 長い\r\n\r\n" + strings.Repeat("line of a long mail\r\n", 20_000)
	d, err := h.queue.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Write([]byte(body)); err != nil {
		t.Fatal(err)
	}
	id, err = d.Commit(t.Context(), holdqueue.Envelope{Origin: holdqueue.FromPerson, Person: "alice@corp.example", MailFrom: "alice@corp.example",
		Recipients: []holdqueue.EnvelopeRecipient{{Address: "x@other.example"}}})
	if err != nil {
		t.Fatal(err)
	}
	if m := h.inspected(id); m.Recipients[0].State != holdqueue.Held {
		t.Fatalf("the mail is %s", m.Recipients[0].State)
	}
	return h, id, body
}

// elsewhere writes the configuration of a second installation with the first one's keys.
func elsewhere(t *testing.T, h *openedHouse, database string) string {
	t.Helper()
	dir := t.TempDir()
	keys, err := os.ReadFile(h.config.Keys.File)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "data", "sekisho.keys"), keys, 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "sekisho.yaml", fmt.Sprintf("data_dir: data\norganization: {domains: [corp.example]}\nsubmission: {hostname: mail.corp.example, listen: [], listen_tls: []}\n"+
		"relay: {host: \"127.0.0.1:9\"}\noidc: {issuer: https://login.corp.example}\nbase_url: https://hold.corp.example\ndatabase: {url: %q}\n", database))
	return filepath.Join(dir, "sekisho.yaml")
}

func TestBackupOfARunningServiceComesBackWholeAndPaused(t *testing.T) {
	h, id, body := keptMail(t)
	dir := filepath.Join(t.TempDir(), "backup")
	said, status := typed(t, "backup", "--config", h.config.Path, dir)
	if status != 0 || !strings.Contains(said, "NOT in the backup") {
		t.Fatalf("%d %s", status, said)
	}
	filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if strings.Contains(path, "keys") {
			t.Errorf("the backup holds %s", path)
		}
		return err
	})
	for name, database := range map[string]string{"sqlite": "sqlite:sekisho.db", "postgres": dbtest.PostgresURL(t)} {
		t.Run(name, func(t *testing.T) {
			config := elsewhere(t, h, database)
			if said, status := typed(t, "restore", "--config", config, dir); status != 0 || !strings.Contains(said, "PAUSED") {
				t.Fatalf("%d %s", status, said)
			}
			if said, _ := typed(t, "queue", "list", "--config", config); !strings.Contains(said, "PAUSED") || !strings.Contains(said, id) || !strings.Contains(said, "held") {
				t.Errorf("%s", said)
			}
			if said, status := typed(t, "queue", "export", "--config", config, "--reason", "test", id); status != 0 || said != body {
				t.Errorf("the body is not what was accepted: %d octets of %d", len(said), len(body))
			}
			if said, status := typed(t, "restore", "--config", config, dir); status == 0 || !strings.Contains(said, "already holds data") {
				t.Errorf("restored over a used installation: %d %s", status, said)
			}
		})
	}
}

func TestRestoreWithOtherKeysSaysSo(t *testing.T) {
	h, _, _ := keptMail(t)
	dir := filepath.Join(t.TempDir(), "backup")
	if said, status := typed(t, "backup", "--config", h.config.Path, dir); status != 0 {
		t.Fatal(said)
	}
	config := elsewhere(t, h, "sqlite:sekisho.db")
	keys := filepath.Join(filepath.Dir(config), "data", "sekisho.keys")
	if err := os.Remove(keys); err != nil {
		t.Fatal(err)
	}
	if said, status := typed(t, "restore", "--config", config, dir); status == 0 || !strings.Contains(said, "key file") {
		t.Errorf("%d %s", status, said)
	}
}

func TestBackupNeverMixesWithAnother(t *testing.T) {
	h, _, _ := keptMail(t)
	dir := t.TempDir()
	write(t, dir, "old", "x")
	if said, status := typed(t, "backup", "--config", h.config.Path, dir); status == 0 || !strings.Contains(said, "not empty") {
		t.Errorf("%d %s", status, said)
	}
}

func TestMovedDatabaseIsServedOnlyWhereItWent(t *testing.T) {
	h, id, body := keptMail(t)
	from := h.config.Database.URL
	target := dbtest.PostgresURL(t)
	if said, status := typed(t, "migrate", "--from", from, "--to", target); status != 0 {
		t.Fatalf("%d %s", status, said)
	}
	if _, err := holdqueue.New(t.Context(), holdqueue.Options{DB: h.db, Keys: h.keys, Blobs: h.blobs, Spool: t.TempDir()}); !errors.Is(err, holdqueue.ErrMoved) {
		t.Errorf("the old database may be served again: %v", err)
	}
	config := elsewhere(t, h, target)
	store := filepath.Join(filepath.Dir(config), "data", "files")
	if said, status := typed(t, "migrate", "--from", h.config.Files.URL, "--to", "file:"+store); status != 0 || !strings.Contains(said, "1 files") {
		t.Fatalf("%d %s", status, said)
	}
	if said, status := typed(t, "queue", "export", "--config", config, "--reason", "test", id); status != 0 || said != body {
		t.Errorf("%d: %d octets of %d: %.200s", status, len(said), len(body), said)
	}
}

// A move may be broken off between any two of its steps: at most one database can be served, and the same command again
// ends it.
func TestAMoveThatWasBrokenOffIsEndedByDoingItAgain(t *testing.T) {
	for name, crash := range map[string]func(t *testing.T, from, to *db.DB){
		"after the copy": func(t *testing.T, from, to *db.DB) {
			if _, err := db.Copy(t.Context(), from, to, db.Copying{Finish: holdqueue.Arriving}); err != nil {
				t.Fatal(err)
			}
		},
		"after the old one was set aside": func(t *testing.T, from, to *db.DB) {
			if _, err := db.Copy(t.Context(), from, to, db.Copying{Finish: holdqueue.Arriving}); err != nil {
				t.Fatal(err)
			}
			if err := from.Write(t.Context(), func(tx *db.Tx) error { return holdqueue.SetAside(tx, "postgres") }); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, id, _ := keptMail(t)
			target := dbtest.PostgresURL(t)
			to, err := db.Open(t.Context(), target)
			if err != nil {
				t.Fatal(err)
			}
			defer to.Close()
			crash(t, h.db, to)
			config := elsewhere(t, h, target)
			if said, status := typed(t, "queue", "list", "--config", config); status == 0 || !strings.Contains(said, "has not ended") {
				t.Errorf("half a move can be served: %d %s", status, said)
			}
			if said, status := typed(t, "migrate", "--from", h.config.Database.URL, "--to", target); status != 0 {
				t.Fatalf("%d %s", status, said)
			}
			if said, status := typed(t, "queue", "list", "--config", config); status != 0 || !strings.Contains(said, id) {
				t.Errorf("%d %s", status, said)
			}
			if said, status := typed(t, "migrate", "--from", h.config.Database.URL, "--to", target); status == 0 || !strings.Contains(said, "has been moved") {
				t.Errorf("moved twice: %d %s", status, said)
			}
		})
	}
}

func TestARestoreThatCannotBeReadChangesNothing(t *testing.T) {
	h, id, _ := keptMail(t)
	dir := filepath.Join(t.TempDir(), "backup")
	if said, status := typed(t, "backup", "--config", h.config.Path, dir); status != 0 {
		t.Fatal(said)
	}
	config := elsewhere(t, h, "sqlite:sekisho.db")
	keys := filepath.Join(filepath.Dir(config), "data", "sekisho.keys")
	right := readFile(t, keys)
	// Broken off: all rows may be there and some files not.
	note := filepath.Join(dir, backupNote)
	if err := os.Rename(note, note+"-"); err != nil {
		t.Fatal(err)
	}
	if said, status := typed(t, "restore", "--config", config, dir); status == 0 || !strings.Contains(said, "broken off") {
		t.Errorf("%d %s", status, said)
	}
	if err := errors.Join(os.Rename(note+"-", note), os.Remove(keys)); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Load(keys); err != nil { // somebody else's
		t.Fatal(err)
	}
	if said, status := typed(t, "restore", "--config", config, dir); status == 0 || !strings.Contains(said, "does not fit") {
		t.Fatalf("%d %s", status, said)
	}
	if err := os.WriteFile(keys, right, 0o600); err != nil {
		t.Fatal(err)
	}
	if said, status := typed(t, "restore", "--config", config, dir); status != 0 {
		t.Fatalf("with the right keys: %d %s", status, said)
	}
	if said, _ := typed(t, "queue", "list", "--config", config); !strings.Contains(said, id) || !strings.Contains(said, "PAUSED") {
		t.Errorf("%s", said)
	}
}

func TestStartThatFailsSaysWhyAndDoesNotPanic(t *testing.T) {
	h, _, _ := keptMail(t)
	config := elsewhere(t, h, h.config.Database.URL)
	keys := filepath.Join(filepath.Dir(config), "data", "sekisho.keys")
	if err := os.Remove(keys); err != nil {
		t.Fatal(err)
	}
	if said, status := typed(t, "queue", "list", "--config", config); status != 1 || !strings.Contains(said, "the key file does not fit this database") {
		t.Errorf("%d %s", status, said)
	}
}

func TestBrokenPeopleFileLeavesTheAdministratorHisHands(t *testing.T) {
	h, id, _ := keptMail(t)
	write(t, h.dir, "people.yaml", "people: [{address: not an address}]\n")
	said, status := typed(t, "queue", "cancel", "--config", h.config.Path, "--reason", "wrong file", id)
	if status != 0 || !strings.Contains(said, "people.yaml") || !strings.Contains(said, "cancelled, now cancelled") {
		t.Errorf("%d %s", status, said)
	}
}
