package linkify

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
)

func TestALinkAnswersOnlyAfterItsMailHasLeft(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		m, r := d.mail(letterTo(pdf(1000))), to(bob, AccessOpen)
		token := tokenIn(t, d.prepare(m, r))
		v := browser()
		before := d.landing(token, v)
		if before.State != Inactive || before.Passed || before.Files != nil {
			t.Fatalf("before dot_sent: %+v", before)
		}
		if _, err := d.Ticket(context.Background(), token, v, d.only(m).Files[0].ID); !errors.Is(err, ErrInactive) {
			t.Fatalf("ticket before dot_sent: %v", err)
		}
		d.leave(m, r)
		d.leave(m, r) // an attempt after a crash
		l := d.landing(token, v)
		if l.State != Active || !l.Passed || len(l.Files) != 3 || l.Sender != alice || l.SenderName != "佐藤 花子" || l.Company != "株式会社コープ" {
			t.Fatalf("after dot_sent: %+v", l)
		}
		if f := l.Files[0]; f.Name != "見積書.pdf" || f.Size != 1000 || f.Type != "application/pdf" || len(f.SHA256) != 64 {
			t.Fatalf("file: %+v", f)
		}
		if want := time.Date(2026, 12, 10, 23, 59, 59, 0, tokyo(t)); !l.Expires.Equal(want) || d.audited("link.activate") != 1 {
			t.Fatalf("expires %s, %d entries", l.Expires, d.audited("link.activate"))
		}
	})
}

func TestWrongTokensGetOneAnswer(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		m := d.mail(letterTo(pdf(1000)))
		token := d.sent(m, to(bob, AccessOpen))
		file := d.only(m).Files[0].ID
		wrong := []string{"", "x", NewBrowser(), token[:42], token + "A", strings.ToUpper(token), "../../etc/passwd",
			strings.Repeat("A", 1<<20), previewToken, "malformed", token[:42] + "\x00"}
		for i := range token {
			c := []byte(token)
			if c[i]++; string(c) != token {
				wrong = append(wrong, string(c))
			}
		}
		for _, w := range wrong {
			v := browser()
			if l := d.landing(w, v); l.State != Unknown || l.Company != "" || l.Sender != "" || l.Masked != "" || !l.Expires.IsZero() {
				t.Fatalf("token %.50q: %+v", w, l)
			}
			_, err1 := d.Ticket(context.Background(), w, v, file)
			_, err2 := d.RequestCode(context.Background(), w, v, "")
			err3 := d.EnterCode(context.Background(), w, v, "12345678")
			_, err4 := d.Download(context.Background(), w, v, file, "")
			for i, err := range []error{err1, err2, err3, err4} {
				if !errors.Is(err, ErrNotFound) {
					t.Fatalf("token %.50q, verb %d: %v", w, i, err)
				}
			}
		}
	})
}

func TestLookingChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		m := d.mail(letterTo(pdf(1000)))
		token := d.sent(m, to(bob, AccessOpen))
		before := d.everything()
		for range 50 {
			d.landing(token, browser())
			d.landing(token, Visitor{})
		}
		if after := d.everything(); strings.Join(after, "\n") != strings.Join(before, "\n") {
			t.Fatal("looking at the page wrote something")
		}
	})
}

func TestStatesAsTimePasses(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		m, r := d.mail(letterTo(pdf(1000))), to(bob, AccessOpen)
		token := d.sent(m, r)
		v := browser()
		file := d.only(m).Files[0].ID
		ticket, err := d.Ticket(ctx, token, v, file)
		if err != nil {
			t.Fatal(err)
		}
		d.clock.pass(15 * 24 * time.Hour)
		// The due work has not come by: the link is over all the same.
		if l := d.landing(token, v); l.State != Expired || l.Files != nil || l.Sender != alice {
			t.Fatalf("past its time: %+v", l)
		}
		if _, err := d.Download(ctx, token, v, file, ticket); !errors.Is(err, ErrExpired) {
			t.Fatalf("download past its time: %v", err)
		}
		if again, err := d.Expire(ctx, d.only(m).ID); err != nil || !again.IsZero() || d.audited("link.expire") != 1 {
			t.Fatalf("expire: %v, %v", again, err)
		}
		d.clock.pass(-10 * 24 * time.Hour)
		if l := d.landing(token, v); l.State != Expired {
			t.Fatalf("a clock that jumped back revived the link: %+v", l)
		}
	})
}

func TestRevokedForOneRecipientOrAll(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		m := d.mail(letterTo(pdf(1000)))
		tb := d.sent(m, to(bob, AccessOpen))
		tc := d.sent(m, to("carol@third.example", AccessOpen))
		ofBob := d.linkOf(m, bob)
		out, err := d.Revoke(ctx, m.ID, []string{ofBob.ID}, ByPerson, "person:alice@corp.example")
		if err != nil || len(out) != 1 || !out[0].Done || out[0].Address != bob {
			t.Fatalf("revoke one: %+v, %v", out, err)
		}
		if d.landing(tb, browser()).State != Revoked || d.landing(tc, browser()).State != Active {
			t.Fatal("the wrong link was revoked")
		}
		out, err = d.Revoke(ctx, m.ID, nil, Contained, "person:admin@corp.example")
		if err != nil || len(out) != 2 {
			t.Fatalf("revoke all: %+v, %v", out, err)
		}
		for _, o := range out {
			if first := o.Address == bob; o.Done == first || first != errors.Is(o.Why, ErrRevoked) {
				t.Errorf("outcome %+v", o)
			}
		}
		if l := d.linkOf(m, bob); l.EndedBy != "person:alice@corp.example" || l.Cause != ByPerson {
			t.Errorf("the second revocation took the first one's place: %+v", l)
		}
		if d.audited("link.revoke") != 2 {
			t.Error("each revocation has one entry")
		}
		if _, err := d.Revoke(ctx, d.mail(nil).ID, []string{ofBob.ID}, ByPerson, System); !errors.Is(err, ErrNotFound) {
			t.Errorf("a link was revoked through another mail: %v", err)
		}
	})
}

func (d *desk) linkOf(m Mail, a any) Link {
	d.t.Helper()
	links, err := d.OfMessage(context.Background(), m.ID)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, l := range links {
		if l.Address == a {
			return l
		}
	}
	d.t.Fatalf("no link of %v", a)
	return Link{}
}

// Whoever comes first, a revoked link never answers afterwards.
func TestRevokeAndActivateAtOnce(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		for range 10 {
			m, r := d.mail(letterTo(pdf(100))), to(bob, AccessOpen)
			token := tokenIn(t, d.prepare(m, r))
			done := make(chan error, 2)
			go func() {
				done <- d.db.Write(context.Background(), func(tx *db.Tx) error { return d.Activate(tx, []string{r.ID}) })
			}()
			go func() {
				_, err := d.Revoke(context.Background(), m.ID, nil, ByPerson, System)
				done <- err
			}()
			for range 2 {
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			}
			d.leave(m, r)
			if got := d.landing(token, browser()).State; got != Revoked {
				t.Fatalf("after both: %s", got)
			}
		}
	})
}

func TestAMailThatFailedHasNoLink(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		m, r := d.mail(letterTo(pdf(100))), to(bob, AccessOpen)
		token := d.sent(m, r)
		err := d.db.Write(context.Background(), func(tx *db.Tx) error {
			return d.End(tx, []string{r.ID, "nobody"}, MailFailed, System)
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := d.landing(token, browser()).State; got != Revoked || d.only(m).Cause != MailFailed {
			t.Fatalf("after failure: %s", got)
		}
	})
}

func TestExtendedWhileTheFilesAreThere(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		m := d.mail(letterTo(pdf(100)))
		token := d.sent(m, to(bob, AccessOpen))
		id := d.only(m).ID
		d.clock.pass(15 * 24 * time.Hour)
		if _, err := d.Expire(ctx, id); err != nil {
			t.Fatal(err)
		}
		out, err := d.Extend(ctx, m.ID, nil, d.clock.now().Add(5*24*time.Hour), "person:alice@corp.example")
		if err != nil || !out[0].Done || out[0].State != Active {
			t.Fatalf("extend: %+v, %v", out, err)
		}
		if l := d.landing(token, browser()); l.State != Active || l.Expires.Format("01-02 15:04") != "12-16 23:59" {
			t.Fatalf("extended: %+v", l)
		}
		// The old due work comes by once more, and is told when to come again.
		if again, err := d.Expire(ctx, id); err != nil || again.Before(d.clock.now().Add(4*24*time.Hour)) {
			t.Fatalf("expire after extend: %v, %v", again, err)
		}
		d.clock.pass(20 * 24 * time.Hour)
		if again, err := d.Sweep(ctx, m.ID); err != nil || !again.IsZero() {
			t.Fatalf("sweep: %v, %v", again, err)
		}
		out, err = d.Extend(ctx, m.ID, nil, d.clock.now().Add(24*time.Hour), System)
		if err != nil || out[0].Done || !errors.Is(out[0].Why, ErrGone) {
			t.Fatalf("extend without files: %+v, %v", out, err)
		}
		if got := d.landing(token, browser()).State; got != Expired {
			t.Fatalf("without files: %s", got)
		}
	})
}

func TestListsInPages(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		var want []string
		for i := range 5 {
			m := d.mail(letterTo(pdf(10)))
			if i == 3 {
				m.Person = "Dan@corp.example"
			}
			d.sent(m, to(bob, AccessOpen))
			want = append(want, d.only(m).ID)
		}
		var got []string
		page := Page{Limit: 2}
		for {
			links, err := d.List(ctx, Filter{}, page)
			if err != nil {
				t.Fatal(err)
			}
			if len(links) == 0 {
				break
			}
			for _, l := range links {
				got = append([]string{l.ID}, got...)
			}
			page.After = links[len(links)-1].ID
		}
		if strings.Join(got, ",") != strings.Join(want, ",") {
			t.Fatalf("pages give %v, want %v", got, want)
		}
		mine, err := d.List(ctx, Filter{Person: "dan@corp.example", State: Active}, Page{})
		if err != nil || len(mine) != 1 || mine[0].ID != want[3] || mine[0].Subject != "お見積り" {
			t.Fatalf("dan's: %+v, %v", mine, err)
		}
		if _, err := d.Get(ctx, "nope"); !errors.Is(err, ErrNotFound) {
			t.Fatalf("unknown id: %v", err)
		}
	})
}

func FuzzOpenToken(f *testing.F) {
	f.Add("")
	f.Add(previewToken)
	f.Add(strings.Repeat("A", tokenLen))
	f.Fuzz(func(t *testing.T, token string) {
		if h := tokenHash(token); len(h) != 64 {
			t.Fatalf("hash %q", h)
		}
		if len(token) != tokenLen && tokenHash(token) != tokenHash("") {
			t.Fatal("malformed tokens are told apart")
		}
	})
}
