package relay

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
)

func TestConnectionIsKeptForTheNextMail(t *testing.T) {
	h := newHop(t, &hop{offers: everything})
	r := relayTo(t, h)
	for range 3 {
		wantSent(t, r.Send(t.Context(), outgoing(plainMail, "a@x.example")))
	}
	if _, mails, _, conns := h.seen(); len(mails) != 3 || conns != 1 {
		t.Errorf("%d mails over %d connections", len(mails), conns)
	}
	if n := len(h.told("RSET")); n != 0 {
		t.Errorf("%d resets where there was nothing to reset", n)
	}
}

func TestRefusedMailDoesNotSpoilTheConnection(t *testing.T) {
	h := newHop(t, &hop{offers: everything, say: on("RCPT TO:<gone@", "550 5.1.1 no")})
	r := relayTo(t, h)
	r.Send(t.Context(), outgoing(plainMail, "gone@x.example"))
	wantSent(t, r.Send(t.Context(), outgoing(plainMail, "a@x.example")))
	if _, mails, _, conns := h.seen(); len(mails) != 1 || conns != 1 {
		t.Errorf("%d mails over %d connections", len(mails), conns)
	}
	if len(h.told("RSET")) != 1 {
		t.Error("the refused mail was not reset")
	}
}

func TestKeptConnectionThatDiedCostsNoAttempt(t *testing.T) {
	for _, death := range []string{"MAIL", "RCPT", "DATA"} {
		for _, way := range []string{"drop", "421 4.4.2 idle too long"} {
			mails := 0
			h := newHop(t, &hop{offers: everything, say: func(place string) string {
				if strings.HasPrefix(place, death) && mails == 1 {
					mails++
					return way
				}
				if place == "DOT" {
					mails++
				}
				return ""
			}})
			r := relayTo(t, h)
			wantSent(t, r.Send(t.Context(), outgoing(plainMail, "a@x.example")))
			wantSent(t, r.Send(t.Context(), outgoing(plainMail, "b@x.example")))
			if _, _, _, conns := h.seen(); conns != 2 {
				t.Errorf("%s %s: %d connections", death, way, conns)
			}
		}
	}
}

func TestConnectionThatDiesAtItsResetCostsNoAttempt(t *testing.T) {
	h := newHop(t, &hop{offers: everything, say: on("RCPT TO:<gone@", "550 5.1.1 no", "RSET", "drop")})
	r := relayTo(t, h)
	r.Send(t.Context(), outgoing(plainMail, "gone@x.example"))
	wantSent(t, r.Send(t.Context(), outgoing(plainMail, "a@x.example")))
	if _, _, _, conns := h.seen(); conns != 2 {
		t.Errorf("%d connections", conns)
	}
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	h := newHop(t, &hop{offers: everything})
	r := relayTo(t, h, func(o *Options) { o.Timeouts.Idle = 50 * time.Millisecond })
	wantSent(t, r.Send(t.Context(), outgoing(plainMail, "a@x.example")))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- r.Run(ctx) }()
	for deadline := time.Now().Add(3 * time.Second); len(h.told("QUIT")) == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("still open")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	var mu sync.Mutex
	now, most := 0, 0
	h := newHop(t, &hop{offers: everything, say: func(place string) string {
		mu.Lock()
		if strings.HasPrefix(place, "MAIL") {
			now++
			most = max(most, now)
		}
		if place == "DOT" {
			now--
		}
		mu.Unlock()
		if place == "DOT" {
			time.Sleep(10 * time.Millisecond)
		}
		return ""
	}})
	r := relayTo(t, h, func(o *Options) { only(o).Pace.Connections = 3 })
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { wantSent(t, r.Send(t.Context(), outgoing(plainMail, "a@x.example"))) })
	}
	wg.Wait()
	if _, mails, _, conns := h.seen(); len(mails) != 20 || conns > 3 || most > 3 {
		t.Errorf("%d mails, %d connections, %d at once", len(mails), conns, most)
	}
}

func TestManyRecipientsTravelInSeveralTransactions(t *testing.T) {
	var to []string
	for i := range 250 {
		to = append(to, fmt.Sprintf("r%d@x.example", i))
	}
	h := newHop(t, &hop{offers: everything})
	out := outgoing(plainMail, to...)
	var told []string
	out.BeforeDot = func(_ context.Context, to []*holdqueue.Recipient) error {
		told = append(told, fmt.Sprint("dot ", len(to), " ", to[0].ID))
		return nil
	}
	out.Answered = func(to []*holdqueue.Recipient, results []holdqueue.Result) {
		told = append(told, fmt.Sprint("answered ", len(to), " ", to[0].ID, " ", outcome(results[0])))
	}
	wantSent(t, relayTo(t, h).Send(t.Context(), out))
	if _, mails, _, conns := h.seen(); len(mails) != 3 || conns != 1 {
		t.Errorf("%d mails, %d connections", len(mails), conns)
	}
	// The last outcome is what Send returns.
	want := []string{"dot 100 r0@x.example", "answered 100 r0@x.example sent", "dot 100 r100@x.example", "answered 100 r100@x.example sent",
		"dot 50 r200@x.example"}
	if !slices.Equal(told, want) {
		t.Errorf("%q", told)
	}
}

func TestServerWithEnoughRecipientsGetsTheOthersNext(t *testing.T) {
	taken := 0
	h := newHop(t, &hop{offers: everything, say: func(place string) string {
		switch {
		case strings.HasPrefix(place, "MAIL"):
			taken = 0
		case strings.HasPrefix(place, "RCPT"):
			if taken++; taken > 3 {
				return "452 4.5.3 too many recipients"
			}
		}
		return ""
	}})
	wantSent(t, relayTo(t, h).Send(t.Context(), outgoing(plainMail, "a@x.example", "b@x.example", "c@x.example",
		"d@x.example", "e@x.example", "f@x.example", "g@x.example")))
	if _, mails, _, _ := h.seen(); len(mails) != 3 {
		t.Errorf("%d mails", len(mails))
	}
}

// TestServerThatSaysTooMuchIsLeft: the second answer to the dot would be taken for that to the next MAIL.
func TestServerThatSaysTooMuchIsLeft(t *testing.T) {
	h := newHop(t, &hop{offers: everything, say: on("DOT", "250 taken\r\n250 really")})
	r := relayTo(t, h)
	for range 2 {
		wantSent(t, r.Send(t.Context(), outgoing(plainMail, "a@x.example")))
	}
	if _, mails, _, conns := h.seen(); conns != 2 || len(mails) != 2 {
		t.Errorf("%d mails over %d connections", len(mails), conns)
	}
}
