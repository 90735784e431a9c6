package holdqueue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// TestCancelRacingReleaseTellsTheTruth lets people take back mail at the moment it leaves, ten thousand times. Who is
// told that it was taken back finds it nowhere, and who is told that it was too late finds it delivered, once.
func TestCancelRacingReleaseTellsTheTruth(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		times := 9000
		if h.db.Engine() == db.PostgreSQL { // each takes ten times as long
			times = 1000
		}
		h.opts.Workers = Workers{Inspect: 8, Send: 20}
		h.reopen()
		h.run()
		h.eventually("the start", h.started)
		r := &race{house: h, told: map[ID]error{}}
		r.wait.Store(int64(5 * time.Millisecond))
		var people sync.WaitGroup
		for range 16 {
			people.Go(func() {
				for r.begun.Add(1) <= int64(times) {
					r.once()
				}
			})
		}
		people.Wait()
		h.eventually("everything has ended", func() bool {
			var n int64
			must(t, h.db.Read(t.Context(), func(tx *db.Tx) error {
				return tx.QueryRow(`SELECT count(*) FROM message WHERE ended_at = 0`).Scan(&n)
			}))
			return n == 0
		})
		r.compare(times)
	})
}

// race is many mails, each taken back about when it leaves.
type race struct {
	*house
	begun atomic.Int64
	wait  atomic.Int64 // how long somebody thinks at most; it is set so that both sides win

	mu   sync.Mutex
	told map[ID]error
}

func (r *race) once() {
	id, err := r.trySubmit("S: x\r\n\r\n", "a@o.example")
	if err != nil {
		r.t.Error(err)
		return
	}
	longest := r.wait.Load()
	time.Sleep(time.Duration(rand.Int64N(longest)))
	out, err := r.Cancel(context.Background(), id, nil, ReasonSender, "person:alice@corp.example")
	if err != nil {
		r.t.Error(err)
		return
	}
	if out[0].Err == nil {
		r.wait.Store(min(longest+longest/10, int64(2*time.Second)))
	} else {
		r.wait.Store(max(longest-longest/10, int64(50*time.Microsecond)))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told[id] = out[0].Err
}

func (r *race) compare(times int) {
	copies := map[ID]int{}
	for _, d := range r.deliveries() {
		copies[d.id]++
	}
	back, late := 0, 0
	for id, told := range r.told {
		state := r.state(id)
		var want string
		switch {
		case told == nil:
			back++
			want = fmt.Sprint(Cancelled, 0)
		case errors.Is(told, ErrTooLate):
			late++
			want = fmt.Sprint(Sent, 1)
		}
		if is := fmt.Sprint(state, copies[id]); is != want {
			r.t.Errorf("told %v, and it is %s with %d copies", told, state, copies[id])
		}
	}
	if back+late != times || back < times/20 || late < times/20 {
		r.t.Errorf("%d times taken back and %d times too late: that is no race", back, late)
	}
	r.t.Logf("%d times taken back, %d times too late", back, late)
}
