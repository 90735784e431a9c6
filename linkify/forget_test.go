package linkify

import (
	"slices"
	"testing"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// records counts the rows of every table of this package, by the schema itself: a new table that nobody thinks of
// here is counted too.
func (d *desk) records() map[string]int {
	d.t.Helper()
	counts := map[string]int{}
	names, err := d.strings(`SELECT name FROM sqlite_master WHERE type = 'table'`)
	if err != nil {
		names, err = d.strings(`SELECT table_name FROM information_schema.columns WHERE table_schema = current_schema() GROUP BY table_name`)
	}
	if err != nil {
		d.t.Fatal(err)
	}
	err = d.db.Read(d.t.Context(), func(tx *db.Tx) error {
		for _, name := range names {
			if name != "folder" && name != "link" && (len(name) < 7 || name[:5] != "link_" && name[:7] != "folder_") ||
				slices.Contains([]string{"link_rate", "link_key", "link_letter"}, name) { // have ends of their own
				continue
			}
			var n int
			if err := tx.QueryRow(`SELECT COUNT(*) FROM ` + name).Scan(&n); err != nil {
				return err
			}
			counts[name] = n
		}
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return counts
}

func (d *desk) strings(query string) (out []string, err error) {
	err = d.db.Read(d.t.Context(), func(tx *db.Tx) (err error) {
		out, err = idsIn(tx, query)
		return err
	})
	return out, err
}

// lived is an office with a link that was used, one that nobody used, files attached, and a folder.
func lived(d *desk) (m Mail) {
	d.t.Helper()
	_, attached, r := unlessTLS(d, true)
	d.prepare(attached, r)
	m = d.mail(letterTo(pdf(1000)))
	token := d.sent(m, toLookAt(AccessOpen, false))
	d.prepare(m, to("carol@third.example", AccessCode))
	v := browser()
	d.fetch(token, v, d.landing(token, v).Files[0], 0, 1000)
	if err := d.look(token, v).Seen(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	_, token = d.folder()
	d.put(token, v, "a.pdf", []byte("content"))
	return m
}

// sweepEverything runs the due work of the office, which is all about what is over.
func (d *desk) sweepEverything() {
	d.t.Helper()
	for range 2 {
		for work := range d.due {
			for _, kind := range []string{WorkSweep, WorkFolderEnd} {
				if ref, ok := cutKind(work, kind); ok {
					if _, err := d.Handlers()[kind](d.t.Context(), ref); err != nil {
						d.t.Fatal(err)
					}
				}
			}
		}
		d.clock.pass(30 * day)
	}
}

func cutKind(work, kind string) (string, bool) {
	if len(work) > len(kind) && work[:len(kind)+1] == kind+" " {
		return work[len(kind)+1:], true
	}
	return "", false
}

func TestNothingIsKeptOfLinksForEver(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		m := lived(d)
		d.clock.pass(60 * day)
		d.sweepEverything()
		for table, n := range d.records() {
			if n == 0 && table != "link_take" && table != "link_view" && table != "link_session" && table != "link_code" && table != "folder_part" {
				t.Errorf("%s is empty before its time: the test sees nothing of it", table)
			}
		}
		if err := d.Forget(t.Context(), d.clock.now().Add(-400*day)); err != nil {
			t.Fatal(err)
		}
		if lines, err := d.Log(t.Context(), m.ID, "", Page{}); err != nil || len(lines) != 2 {
			t.Fatalf("forgotten before its time: %v, %v", lines, err)
		}
		d.clock.pass(400 * day)
		if err := d.Forget(t.Context(), d.clock.now().Add(-400*day)); err != nil {
			t.Fatal(err)
		}
		for table, n := range d.records() {
			if n != 0 {
				t.Errorf("%d rows are left in %s", n, table)
			}
		}
		if n, k := d.audited("link.forget"), d.audited("folder.forget"); n != 1 || k != 1 {
			t.Errorf("%d mails and %d folders in the audit log", n, k)
		}
	})
}

func TestLegalHoldAndFilesThatAreStillThereAreNotForgotten(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		held, kept := d.mail(letterTo(pdf(1000))), d.mail(letterTo(pdf(2000)))
		d.sent(held, to(bob, AccessOpen))
		d.sent(kept, to(bob, AccessOpen)) // nobody has swept it: its files lie there
		d.clock.pass(60 * day)
		if _, err := d.Sweep(t.Context(), held.ID); err != nil {
			t.Fatal(err)
		}
		if err := d.LegalHold(t.Context(), held.ID, true, System); err != nil {
			t.Fatal(err)
		}
		d.clock.pass(1000 * day)
		if err := d.Forget(t.Context(), d.clock.now()); err != nil {
			t.Fatal(err)
		}
		d.only(held)
		d.only(kept)
		if err := d.LegalHold(t.Context(), held.ID, false, System); err != nil {
			t.Fatal(err)
		}
		if err := d.Forget(t.Context(), d.clock.now()); err != nil {
			t.Fatal(err)
		}
		if links, err := d.OfMessage(t.Context(), held.ID); err != nil || len(links) != 0 {
			t.Errorf("after the hold: %v, %v", links, err)
		}
	})
}
