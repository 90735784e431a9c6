package linkify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
)

// Limits lie in the database: asking another node, or the same one after a start, gives nothing more.
func TestNodesAndRestartsShareEveryLimit(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		nodes := []*Links{d.Links, d.links("https://files.corp.example")}
		token, _, _ := d.withCode(bob)
		asked := 0
		for i := range 10 {
			v := browser()
			v.Address = fmt.Sprintf("203.0.113.%d", i)
			node := nodes[i%2]
			if i > 5 {
				node = d.links("https://files.corp.example") // one that has just started
			}
			if _, err := node.RequestCode(ctx, token, v, ""); err == nil {
				asked++
			} else if !errors.Is(err, ErrTooMany) {
				t.Fatal(err)
			}
		}
		if asked != 5 {
			t.Errorf("%d codes for one link in a quarter of an hour, want 5", asked)
		}
	})
}

func TestTriesOnTwoNodesAtOnceAreAllCounted(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		nodes := []*Links{d.Links, d.links("https://files.corp.example")}
		token, _, _ := d.withCode(bob)
		v := browser()
		if _, err := d.RequestCode(ctx, token, v, ""); err != nil {
			t.Fatal(err)
		}
		_, right := d.code()
		var at sync.WaitGroup
		var mu sync.Mutex
		wrong := 0
		for i := range 20 {
			at.Go(func() {
				err := nodes[i%2].EnterCode(ctx, token, v, "00000000")
				mu.Lock()
				defer mu.Unlock()
				var left *WrongCodeError
				if errors.As(err, &left) {
					wrong++
				} else if !errors.Is(err, ErrCodeSpent) {
					t.Errorf("try %d: %v", i, err)
				}
			})
		}
		at.Wait()
		if wrong > codeTries-1 {
			t.Errorf("%d tries were told how many are left, of %d", wrong, codeTries)
		}
		if err := nodes[1].EnterCode(ctx, token, v, right); !errors.Is(err, ErrCodeSpent) {
			t.Errorf("the right code after %d wrong ones: %v", codeTries, err)
		}
	})
}

// Whoever a rule treats otherwise gets another copy of the same mail, and what two of them link is stored once.
func TestEachRecipientGetsTheCopyOfTheirOwnRule(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		m := d.mail(letterTo(pdf(50_000)))
		all, large, lists, none := to("a@a.example", AccessOpen), to("b@b.example", AccessCode), to("c@c.example", AccessOpen), to("d@d.example", AccessOpen)
		large.Terms.Over = 10_000
		lists.Terms.Only = func(a Attachment) bool { return a.Type == "text/csv" }
		none.Terms.Over = 100_000_000
		for _, c := range []struct {
			to          Recipient
			pdfs, lists int // that stay
			links       int
		}{{all, 0, 0, 3}, {large, 0, 1, 2}, {lists, 2, 0, 1}, {none, 2, 1, 0}} {
			out := d.prepare(m, c.to)
			if got := bytes.Count(out, []byte("Content-Type: application/pdf")); got != c.pdfs {
				t.Errorf("%s: %d documents stay, want %d", c.to.Address, got, c.pdfs)
			}
			if got := bytes.Count(out, []byte("list.csv\r\n\r\na,b")); got != c.lists {
				t.Errorf("%s: %d lists stay, want %d", c.to.Address, got, c.lists)
			}
			if c.links == 0 {
				if !bytes.Equal(out, m.Raw) {
					t.Errorf("%s: a mail that nobody changes differs", c.to.Address)
				}
				continue
			}
			d.leave(m, c.to)
			token := tokenIn(t, out)
			v := browser()
			if c.to.Terms.Access == AccessOpen {
				if got := d.landing(token, v).Files; len(got) != c.links {
					t.Errorf("%s: %d files on the page, want %d", c.to.Address, len(got), c.links)
				}
			}
		}
		if got := d.objects(); got != 2 { // two contents, whoever links them and by whatever name
			t.Errorf("%d objects stored", got)
		}
	})
}
