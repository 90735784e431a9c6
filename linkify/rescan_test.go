package linkify

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/internal/db"
)

func TestMalwareFoundLaterStopsEveryDownloadAndIsTold(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		found, failure, looks, alarms := "", error(nil), 0, 0
		d.o.Scan = func(_ context.Context, content io.Reader) (string, error) {
			looks++
			if b, err := io.ReadAll(content); err != nil || len(b) == 0 {
				t.Errorf("%d bytes to look into, %v", len(b), err)
			}
			return found, failure
		}
		d.o.Alarm = func(*db.Tx, string) error { alarms++; return nil }
		m := d.mail(letterTo(pdf(1000)))
		token := d.sent(m, to(bob, AccessOpen))
		v := browser()
		f := d.landing(token, v).Files[0]
		d.fetch(token, v, f, 0, f.Size)
		if looks != 0 {
			t.Fatal("looked into again within a day")
		}
		d.clock.pass(2 * day)
		d.fetch(token, v, f, 0, f.Size)
		ticket, err := d.Ticket(ctx, token, v, f.ID)
		if err != nil || looks != 1 {
			t.Fatalf("%d looks, %v", looks, err)
		}
		d.clock.pass(day + 1)
		failure = errors.New("no answer")
		if _, err := d.Ticket(ctx, token, v, f.ID); !errors.Is(err, ErrUnscanned) {
			t.Fatalf("a scanner that fails lets files go: %v", err)
		}
		failure, found = nil, "Eicar-Test"
		if _, err := d.Ticket(ctx, token, v, f.ID); !errors.Is(err, ErrMalware) {
			t.Fatalf("%v", err)
		}
		d.o.Scan = nil // also without a scanner it stays blocked, and for tickets given before
		if _, err := d.Download(ctx, token, v, f.ID, ticket); !errors.Is(err, ErrMalware) && !errors.Is(err, ErrTicket) {
			t.Fatalf("%v", err)
		}
		fresh, err := d.Ticket(ctx, token, v, f.ID)
		if err == nil {
			_, err = d.Download(ctx, token, v, f.ID, fresh)
		}
		if !errors.Is(err, ErrMalware) {
			t.Fatalf("%v", err)
		}
		if _, err := d.Infected(ctx, f.ID); err != nil {
			t.Fatal(err)
		}
		if len(d.letters) != 1 || d.letters[0].To != alice || !strings.Contains(d.letters[0].Text, "Eicar-Test") || alarms != 1 {
			t.Fatalf("%+v, %d alarms", d.letters, alarms)
		}
		// Another file of the mail is its own.
		other := d.landing(token, v).Files[2]
		d.fetch(token, v, other, 0, other.Size)
	})
}
