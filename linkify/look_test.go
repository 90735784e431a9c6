package linkify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// toLookAt is a recipient who may look, or only look.
func toLookAt(access Access, viewOnly bool) Recipient {
	r := to(bob, access)
	r.Terms.Preview, r.Terms.ViewOnly = true, viewOnly
	return r
}

// look opens the first file of a link to be shown.
func (d *desk) look(token string, v Visitor) *Look {
	d.t.Helper()
	return d.lookAt(token, v, d.landing(token, v).Files[0].ID)
}

func (d *desk) lookAt(token string, v Visitor, file string) *Look {
	d.t.Helper()
	ctx := context.Background()
	ticket, err := d.LookTicket(ctx, token, v, file)
	if err != nil {
		d.t.Fatal(err)
	}
	k, err := d.Look(ctx, token, v, file, ticket)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { k.Close() })
	return k
}

func TestALookIsRecordedOnceAndIsNoDownload(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		m := d.mail(letterTo(pdf(70_000)))
		token, v := d.sent(m, toLookAt(AccessOpen, false)), browser()
		k := d.look(token, v)
		if got, err := io.ReadAll(k.Content()); err != nil || !bytes.Equal(got, pdf(70_000)) || k.Reader != bob || k.ViewOnly {
			t.Fatalf("%d bytes, %v, %+v", len(got), err, k)
		}
		if l := d.only(m); l.Viewed != 0 || d.audited("link.viewed") != 0 {
			t.Fatalf("counted before anything was shown: %+v", l)
		}
		for range 3 { // pages of one file
			if err := d.look(token, v).Seen(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		l := d.only(m)
		if l.Viewed != 1 || l.Taken != 0 || !l.LastTaken.IsZero() || l.LastViewed.IsZero() || l.ViewOnly || d.audited("link.viewed") != 1 {
			t.Fatalf("%+v, %d entries", l, d.audited("link.viewed"))
		}
		log, err := d.Log(context.Background(), m.ID, l.ID, Page{})
		if err != nil || len(log) != 1 || !log[0].Viewed || log[0].Complete || log[0].Bytes != 0 || log[0].Address != v.Address || log[0].Of != bob {
			t.Fatalf("%+v, %v", log, err)
		}
		f := d.landing(token, v).Files[0]
		d.fetch(token, v, f, 0, f.Size) // and it can still be taken
		if l := d.only(m); l.Taken != 1 || l.Viewed != 1 {
			t.Fatalf("%+v", l)
		}
		if err := d.look(token, browser()).Seen(context.Background()); err != nil || d.only(m).Viewed != 2 {
			t.Fatalf("another browser: %v, %+v", err, d.only(m))
		}
	})
}

func TestALinkForLookingOnlyHandsOutNothing(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		m := d.mail(letterTo(pdf(70_000)))
		r := toLookAt(AccessOpen, true)
		mail := string(d.prepare(m, r))
		if strings.Contains(mail, "ダウンロード") || !strings.Contains(mail, "閲覧のみ") {
			t.Errorf("the notice promises a download:\n%s", mail)
		}
		token, v := d.sent(m, r), browser()
		k := d.look(token, v)
		l := d.landing(token, v)
		if !k.ViewOnly || !l.ViewOnly || !l.Preview || !d.only(m).ViewOnly {
			t.Fatalf("%+v %+v", k, l)
		}
		file := l.Files[0].ID
		if _, err := d.Ticket(ctx, token, v, file); !errors.Is(err, ErrViewOnly) {
			t.Errorf("a ticket: %v", err)
		}
		looks, err := d.LookTicket(ctx, token, v, file)
		if err != nil {
			t.Fatal(err)
		}
		for _, ticket := range []string{looks, "", d.ticket(taking, k.row.id, k.session.id, file, d.clock.now().Add(time.Hour))} {
			if c, err := d.Download(ctx, token, v, file, ticket); !errors.Is(err, ErrViewOnly) {
				t.Errorf("ticket %q downloads: %+v, %v", ticket, c, err)
			}
		}
	})
}

func TestATicketIsForOneErrand(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		m := d.mail(letterTo(pdf(100)))
		token, v := d.sent(m, toLookAt(AccessOpen, false)), browser()
		file := d.landing(token, v).Files[0].ID
		takes, err := d.Ticket(ctx, token, v, file)
		if err != nil {
			t.Fatal(err)
		}
		looks, err := d.LookTicket(ctx, token, v, file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Download(ctx, token, v, file, looks); !errors.Is(err, ErrTicket) {
			t.Errorf("a ticket for looking downloads: %v", err)
		}
		if _, err := d.Look(ctx, token, v, file, takes); !errors.Is(err, ErrTicket) {
			t.Errorf("a ticket for taking looks: %v", err)
		}
		if _, err := d.Look(ctx, token, browser(), file, looks); !errors.Is(err, ErrNeedCode) {
			t.Errorf("in another browser: %v", err)
		}
		if _, err := d.Revoke(ctx, m.ID, nil, ByPerson, System); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Look(ctx, token, v, file, looks); !errors.Is(err, ErrRevoked) {
			t.Errorf("after revocation: %v", err)
		}
	})
}

func TestWithoutTheRulesWordNobodyLooks(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		m := d.mail(letterTo(pdf(100)))
		token, v := d.sent(m, to(bob, AccessOpen)), browser()
		l := d.landing(token, v)
		if _, err := d.LookTicket(context.Background(), token, v, l.Files[0].ID); l.Preview || !errors.Is(err, ErrNoPreview) {
			t.Errorf("%+v, %v", l, err)
		}
	})
}

// A program that knows no links for looking only takes their plans for those of a newer one, and hands out nothing.
func TestPlansForLookingOnlyAreUnreadableToOlderPrograms(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		m := d.mail(letterTo(pdf(100)))
		d.sent(m, toLookAt(AccessOpen, true))
		k := d.only(m)
		var p plan
		var raw map[string]any
		r := d.rowOf(k.ID)
		if err := d.openJSON(sealPlan, k.ID, r.plan, &raw); err != nil {
			t.Fatal(err)
		}
		if raw["version"] != float64(viewOnlyVersion) || planVersion == viewOnlyVersion {
			t.Errorf("version %v", raw["version"])
		}
		plain, err := json.Marshal(raw)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(plain, &p); err != nil || p.version() != p.Version {
			t.Errorf("%+v, %v", p, err)
		}
		r.plan = d.keys.Seal(sealPlan, k.ID, []byte(`{"version":1,"view_only":true}`))
		if _, err := d.plan(r); err == nil {
			t.Error("a plan with the wrong version is read")
		}
	})
}

func TestWhoHasSeenWhatCannotBeTakenIsNotReminded(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.o.Remind = 3 * 24 * time.Hour
		m := d.mail(letterTo(pdf(100)))
		r := toLookAt(AccessOpen, true)
		token, v := d.sent(m, r), browser()
		link := d.only(m).ID
		d.clock.pass(12 * 24 * time.Hour)
		for _, f := range d.landing(token, v).Files {
			if err := d.lookAt(token, v, f.ID).Seen(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := d.Remind(context.Background(), link); err != nil || len(d.letters) != 0 {
			t.Errorf("%v, letters %+v", err, d.letters)
		}
	})
}

func TestALookIsInTheOwnersReceipt(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.o.Receipts = EachReceipt
		m := d.mail(letterTo(pdf(100)))
		token := d.sent(m, toLookAt(AccessOpen, true))
		if err := d.look(token, browser()).Seen(context.Background()); err != nil {
			t.Fatal(err)
		}
		person := string(m.Person.Key())
		for range 2 { // the second has nothing to tell
			if _, err := d.Digest(context.Background(), person); err != nil {
				t.Fatal(err)
			}
		}
		if len(d.letters) != 1 || !strings.Contains(d.letters[0].Text, "閲覧 1 回") || !strings.Contains(d.letters[0].Text, "looked at 1 time") {
			t.Errorf("%+v", d.letters)
		}
	})
}

func TestALinkGivenAnewIsStillForLookingOnly(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		m := d.mail(letterTo(pdf(100)))
		d.sent(m, toLookAt(AccessOpen, true))
		again, r, anew := d.anewFor(d.only(m))
		var b bytes.Buffer
		if err := d.PrepareAnew(context.Background(), &b, again, r, anew.Link); err != nil {
			t.Fatal(err)
		}
		d.leave(again, r)
		token, v := tokenIn(t, b.Bytes()), browser()
		l := d.landing(token, v)
		if _, err := d.Ticket(context.Background(), token, v, l.Files[0].ID); !l.ViewOnly || !errors.Is(err, ErrViewOnly) {
			t.Errorf("%+v, %v", l, err)
		}
	})
}

func (d *desk) rowOf(link string) (r row) {
	d.t.Helper()
	if err := d.o.DB.Read(context.Background(), func(tx *db.Tx) (err error) {
		r, err = rowByID(tx, link)
		return err
	}); err != nil {
		d.t.Fatal(err)
	}
	return r
}
