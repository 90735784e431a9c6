package linkify

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/seal"
)

// outside is a portal on a machine of its own: the same database and store, only the portal's keys, no post.
func (d *desk) outside(keys *seal.Keys) *Links {
	d.t.Helper()
	path := filepath.Join(d.t.TempDir(), "portal.keys")
	if err := keys.WritePortal(path); err != nil {
		d.t.Fatal(err)
	}
	portal, err := seal.LoadPortal(path)
	if err != nil {
		d.t.Fatal(err)
	}
	l, err := New(Options{DB: d.db, PortalKeys: portal, Blobs: d.store, Portal: "https://files.corp.example", Zone: tokyo(d.t),
		TempDir: filepath.Join(d.dir, "portal-tmp"), Schedule: d.schedule})
	if err != nil {
		d.t.Fatal(err)
	}
	return l
}

// deliverLetters carries out what the portal has left for the other nodes.
func (d *desk) deliverLetters() {
	d.t.Helper()
	var ids []string
	err := d.db.Read(d.t.Context(), func(tx *db.Tx) error {
		ids = nil
		rows, err := tx.Query(`SELECT id FROM link_letter ORDER BY id`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return rows.Err()
	})
	if err != nil {
		d.t.Fatal(err)
	}
	for _, id := range ids {
		if _, ok := d.due[WorkLetter+" "+id]; !ok {
			d.t.Errorf("letter %s is not scheduled", id)
		}
		if again, err := d.Letter(d.t.Context(), id); err != nil || !again.IsZero() {
			d.t.Fatalf("%v %v", again, err)
		}
	}
}

func TestAPortalWithItsOwnKeysServesALinkWithACode(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		token, _, m := d.withCode(bob)
		link := d.only(m)
		portal := d.outside(d.keys)
		v := browser()
		if _, err := portal.RequestCode(ctx, token, v, ""); err != nil {
			t.Fatal(err)
		}
		if len(d.letters) != 0 {
			t.Fatal("the portal wrote a mail itself")
		}
		d.deliverLetters()
		to, code := d.code()
		if to != bob {
			t.Fatalf("the code went to %s", to)
		}
		if err := portal.EnterCode(ctx, token, v, code); err != nil {
			t.Fatal(err)
		}
		landing, err := portal.Open(ctx, token, v)
		if err != nil || !landing.Passed || len(landing.Files) == 0 {
			t.Fatalf("%+v %v", landing, err)
		}
		ticket, err := portal.Ticket(ctx, token, v, landing.Files[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		// Begun at one portal, fetched from another: sessions and tickets hold everywhere.
		c, err := d.Download(ctx, token, v, landing.Files[0].ID, ticket)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, c.Size)
		if _, err := c.ReadAt(got, 0); err != nil && c.Size > 0 && err.Error() != "EOF" {
			t.Fatal(err)
		}
		if err := c.Finish(ctx, true); err != nil {
			t.Fatal(err)
		}
		c.Close()
		if after, err := d.Get(ctx, link.ID); err != nil || after.Taken != 1 {
			t.Errorf("taken %d times, %v", after.Taken, err)
		}
		if d.deliverLetters(); len(d.letters) != 1 {
			t.Errorf("%d letters for one code", len(d.letters))
		}
	})
}

// A portal in the wrong hands may leave what it likes: no letter but a code to somebody of the link comes of it.
func TestWhatAPortalLeavesIsNotTrusted(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		_, _, m := d.withCode(bob)
		link := d.only(m)
		open := d.mail(letterTo(pdf(1000)))
		open.ID = "otherMail"
		d.sent(open, to(bob, AccessOpen))
		portal := d.outside(d.keys)
		leave := func(link string, w waitingCode, at time.Duration) {
			t.Helper()
			id := db.NewID()
			sealed, err := portal.sealJSON(sealLetter, id, w)
			if err != nil {
				t.Fatal(err)
			}
			err = d.db.Write(ctx, func(tx *db.Tx) error {
				_, err := tx.Exec(`INSERT INTO link_letter (id, link, sealed, created_at) VALUES ($1, $2, $3, $4)`, id, link, sealed, db.Micros(tx.Now().Add(at)))
				if err == nil {
					err = d.schedule(tx, WorkLetter, id, tx.Now())
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		leave(link.ID, waitingCode{"12345678", "victim@evil.example"}, 0)
		leave(link.ID, waitingCode{"see http://evil.example", bob}, 0)
		leave(link.ID, waitingCode{"12345678", bob}, -time.Hour)
		leave("no such link", waitingCode{"12345678", bob}, 0)
		leave(d.only(open).ID, waitingCode{"12345678", bob}, 0)
		d.deliverLetters()
		if len(d.letters) != 0 || d.audited("link.letter_dropped") != 5 {
			t.Errorf("%d letters, %d dropped", len(d.letters), d.audited("link.letter_dropped"))
		}
		for range 200 {
			leave(link.ID, waitingCode{"12345678", bob}, 0)
		}
		d.deliverLetters()
		if len(d.letters) == 0 || len(d.letters) > 130 {
			t.Errorf("%d letters within one moment", len(d.letters))
		}
	})
}

func TestAPortalSeesNoSubjects(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		m := d.mail(letterTo(pdf(1000)))
		m.Subject = "極秘の件名"
		d.sent(m, to(bob, AccessOpen))
		staff := d.only(m)
		if staff.Subject != m.Subject {
			t.Fatalf("staff see %q", staff.Subject)
		}
		portal := d.outside(d.keys)
		err := d.db.Read(t.Context(), func(tx *db.Tx) error {
			r, err := rowByID(tx, staff.ID)
			if err != nil {
				return err
			}
			who, err := portal.about(r)
			if err != nil || who.Subject != "" {
				t.Errorf("%+v %v", who, err)
			}
			if _, err := portal.keys.Open(sealTitle, r.id, r.title); !errors.Is(err, seal.ErrUnknownKey) {
				t.Errorf("the portal's keys open the title: %v", err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestAPortalKnowsWhetherItsKeysFit(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		file := filepath.Join(t.TempDir(), "keys")
		load := func() {
			var err error
			if d.keys, err = seal.Load(file); err != nil {
				t.Fatal(err)
			}
			d.Links = d.links("https://files.corp.example")
		}
		load()
		portal := d.outside(d.keys)
		if _, err := portal.Prove(ctx); !errors.Is(err, ErrOtherPortalKeys) {
			t.Fatalf("before any other node has started: %v", err)
		}
		if _, err := d.Prove(ctx); err != nil {
			t.Fatal(err)
		}
		if stale, err := portal.Prove(ctx); err != nil || stale {
			t.Fatalf("%v %v", stale, err)
		}
		if _, err := d.outside(seal.NewTest()).Prove(ctx); !errors.Is(err, ErrOtherPortalKeys) {
			t.Fatalf("another installation's keys: %v", err)
		}
		another := filepath.Join(t.TempDir(), "keys")
		if _, err := seal.Load(another); err != nil {
			t.Fatal(err)
		}
		_, line, _ := bytes.Cut(read(t, another), []byte("\n"))
		write(t, file, append(read(t, file), line...))
		load()
		if _, err := d.Prove(ctx); err != nil {
			t.Fatal(err)
		}
		if stale, err := portal.Prove(ctx); err != nil || !stale {
			t.Errorf("keys from before a rotation: stale=%v %v", stale, err)
		}
		if stale, err := d.outside(d.keys).Prove(ctx); err != nil || stale {
			t.Errorf("keys exported again: stale=%v %v", stale, err)
		}
	})
}
