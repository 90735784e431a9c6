package linkify

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// day is a span that keeps tests readable.
const day = 24 * time.Hour

func (d *desk) remindable(access Access) (m Mail, r Recipient, token string) {
	d.t.Helper()
	d.o.Remind = 3 * day
	m, r = d.mail(letterTo(pdf(1000))), to(bob, access)
	return m, r, d.sent(m, r)
}

func TestARecipientHearsOnceBeforeTheEndOfWhatNobodyTook(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		m, _, token := d.remindable(AccessOpen)
		l := d.only(m)
		due := d.due[WorkRemind+" "+l.ID]
		if !due.Equal(l.ExpiresAt.Add(-3 * day)) {
			t.Fatalf("due %v, the link ends %v", due, l.ExpiresAt)
		}
		if again, err := d.Remind(ctx, l.ID); err != nil || !again.Equal(due) || len(d.letters) != 0 {
			t.Fatalf("too early: %v, %v, %d letters", again, err, len(d.letters))
		}
		v := browser()
		f := d.landing(token, v).Files[0]
		d.fetch(token, v, f, 0, f.Size) // one of three
		d.clock.pass(due.Sub(d.clock.now()))
		for range 2 {
			if again, err := d.Remind(ctx, l.ID); err != nil || !again.IsZero() {
				t.Fatalf("%v, %v", again, err)
			}
		}
		if len(d.letters) != 1 {
			t.Fatalf("%d letters", len(d.letters))
		}
		got := d.letters[0]
		if got.To != bob || !strings.Contains(got.Text, "2 件") || !strings.Contains(got.Text, "/d/"+token) || !strings.Contains(got.Text, string(alice)) ||
			strings.Contains(got.Text+got.Subject, "見積書") || strings.Contains(got.Text+got.Subject, "お見積り") {
			t.Fatalf("%+v", got)
		}
	})
}

func TestWhoHasEverythingOrNothingToTakeIsNotReminded(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		m, _, token := d.remindable(AccessOpen)
		v := browser()
		for _, f := range d.landing(token, v).Files {
			d.fetch(token, v, f, 0, f.Size)
		}
		d.clock.pass(12 * day)
		if _, err := d.Remind(ctx, d.only(m).ID); err != nil || len(d.letters) != 0 {
			t.Fatalf("all taken: %v, %d letters", err, len(d.letters))
		}
		m, _, _ = d.remindable(AccessOpen)
		if _, err := d.Revoke(ctx, m.ID, nil, ByPerson, "person:alice@corp.example"); err != nil {
			t.Fatal(err)
		}
		d.clock.pass(12 * day)
		if _, err := d.Remind(ctx, d.only(m).ID); err != nil || len(d.letters) != 0 {
			t.Fatalf("revoked: %v, %d letters", err, len(d.letters))
		}
	})
}

func TestOwnersHearOfDownloadsAsTheCompanyWants(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		take := func(m Mail) {
			token := d.sent(m, to(bob, AccessOpen))
			v := browser()
			f := d.landing(token, v).Files[0]
			d.fetch(token, v, f, 0, f.Size)
		}
		take(d.mail(letterTo(pdf(10))))
		if _, due := d.due[WorkDigest+" "+string(alice.Key())]; due {
			t.Fatal("nobody wanted receipts")
		}
		d.o.Receipts = DailyReceipts
		take(d.mail(letterTo(pdf(20))))
		want := time.Date(2026, 11, 27, digestHour, 0, 0, 0, tokyo(t))
		if due := d.due[WorkDigest+" "+string(alice.Key())]; !due.Equal(want) {
			t.Fatalf("due %v", due)
		}
		d.clock.pass(want.Sub(d.clock.now()))
		for range 2 {
			if _, err := d.Digest(ctx, string(alice.Key())); err != nil {
				t.Fatal(err)
			}
		}
		if len(d.letters) != 1 || d.letters[0].To != alice || strings.Count(d.letters[0].Text, "宛て： 3 件中 1 件") != 2 {
			t.Fatalf("%+v", d.letters)
		}
	})
}

func TestAnExpiredLinkCanBeAskedForOnceADay(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		m, _, token := d.remindable(AccessCode)
		l := d.only(m)
		if err := d.AskAgain(ctx, token, browser()); err != nil || d.audited("link.ask") != 0 {
			t.Fatalf("an active link: %v", err)
		}
		d.clock.pass(16 * day)
		if err := d.AskAgain(ctx, token, browser()); err != nil {
			t.Fatal(err)
		}
		if err := d.AskAgain(ctx, token, browser()); !errors.Is(err, ErrTooMany) {
			t.Fatalf("twice: %v", err)
		}
		for range 3 {
			if _, err := d.Asked(ctx, l.ID); err != nil {
				t.Fatal(err)
			}
		}
		if len(d.letters) != 2 { // whatever a portal asks for
			t.Fatalf("%d letters", len(d.letters))
		}
		if got := d.letters[0]; got.To != alice || !strings.Contains(got.Text, "https://hold.corp.example/messages/"+m.ID+"/links") {
			t.Fatalf("%+v", got)
		}
		if d.only(m).AskedAt.IsZero() {
			t.Fatal("the page does not know")
		}
		for _, bad := range []string{"", strings.Repeat("A", tokenLen)} {
			if err := d.AskAgain(ctx, bad, browser()); !errors.Is(err, ErrNotFound) {
				t.Fatalf("%q: %v", bad, err)
			}
		}
	})
}

// anewFor is the mail that gives a link anew, as the pages write it.
func (d *desk) anewFor(l Link) (Mail, Recipient, Anew) {
	d.t.Helper()
	a, err := d.Anew(context.Background(), l.Message, l.ID, "person:alice@corp.example")
	if err != nil {
		d.t.Fatal(err)
	}
	raw := []byte("From: alice@corp.example\r\nTo: bob.tanaka@other.example\r\nSubject: again\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nもう一度お送りします。\r\n")
	return d.mail(raw), to(a.To, AccessOpen), a
}

func TestALinkGivenAnewOpensTheSameFiles(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		m, _, old := d.remindable(AccessCode)
		first := d.only(m)
		d.clock.pass(16 * day)
		if d.landing(old, browser()).State != Expired {
			t.Fatal("the old link still answers")
		}
		again, r, _ := d.anewFor(first)
		var one, two bytes.Buffer
		for _, out := range []*bytes.Buffer{&one, &two} {
			if err := d.PrepareAnew(ctx, out, again, r, first.ID); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(one.Bytes(), two.Bytes()) || !strings.Contains(one.String(), "もう一度お送りします。") || !strings.Contains(one.String(), "見積書.pdf") {
			t.Fatalf("%s", one.Bytes())
		}
		token := tokenIn(t, one.Bytes())
		if d.landing(token, browser()).State != Inactive {
			t.Fatal("the new link answers before its mail has left")
		}
		d.leave(again, r)
		v := browser()
		if l := d.landing(token, v); l.State != Active || l.Access != AccessCode || l.Passed {
			t.Fatalf("less was asked than before: %+v", l)
		}
		if _, err := d.RequestCode(ctx, token, v, ""); err != nil {
			t.Fatal(err)
		}
		_, code := d.code()
		if err := d.EnterCode(ctx, token, v, code); err != nil {
			t.Fatal(err)
		}
		for _, f := range d.landing(token, v).Files {
			if got := d.fetch(token, v, f, 0, f.Size); f.Name == "見積書.pdf" && !bytes.Equal(got, pdf(1000)) {
				t.Fatal("another file came out")
			}
		}
		links, err := d.OfMessage(ctx, m.ID)
		if err != nil || len(links) != 2 {
			t.Fatalf("%d links on the page of the mail, %v", len(links), err)
		}
		// The files live as long as the new link does.
		d.clock.pass(10 * day)
		if again, err := d.Sweep(ctx, m.ID); err != nil || again.IsZero() || d.objects() == 0 {
			t.Fatalf("swept under the new link: %v, %v", again, err)
		}
		// Containing the first mail ends both.
		if out, err := d.Revoke(ctx, m.ID, nil, Contained, "person:alice@corp.example"); err != nil || len(out) != 2 {
			t.Fatalf("%+v, %v", out, err)
		}
		if d.landing(token, v).State != Revoked {
			t.Fatal("the new link outlives the containment")
		}
	})
}

func TestWhatMayNotBeGivenAnewIsNot(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		m, _, _ := d.remindable(AccessOpen)
		first := d.only(m)
		again, r, _ := d.anewFor(first)
		stranger := again
		stranger.Person = "mallory@corp.example"
		if err := d.PrepareAnew(ctx, &bytes.Buffer{}, stranger, r, first.ID); !errors.Is(err, ErrNotYours) {
			t.Fatalf("somebody else's link: %v", err)
		}
		if _, err := d.Anew(ctx, "another", first.ID, System); !errors.Is(err, ErrNotFound) {
			t.Fatalf("of another mail: %v", err)
		}
		if _, err := d.Revoke(ctx, m.ID, nil, Contained, System); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Anew(ctx, m.ID, first.ID, System); !errors.Is(err, ErrNotYours) {
			t.Fatalf("after a containment: %v", err)
		}
		if err := d.PrepareAnew(ctx, &bytes.Buffer{}, again, r, first.ID); !errors.Is(err, ErrNotYours) {
			t.Fatalf("contained while the mail waited: %v", err)
		}
		gone, _, _ := d.remindable(AccessOpen)
		d.clock.pass(40 * day)
		if _, err := d.Sweep(ctx, gone.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Anew(ctx, gone.ID, d.only(gone).ID, System); !errors.Is(err, ErrGone) {
			t.Fatalf("files deleted: %v", err)
		}
	})
}
