package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/cmd/sekisho/internal/demo"
	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/gauge"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"golang.org/x/sync/errgroup"
)

// rehearsal is one run of the bench: a whole service and a next hop of its own.
type rehearsal struct {
	*BenchCmd
	dir      string
	found    *measurement
	progress io.Writer

	h      *house
	client *gauge.Client
	hop    *gauge.Sink
	claims claims
}

const benchConfig = `data_dir: %[1]s
base_url: http://127.0.0.1
organization: {name: bench, domains: [corp.example], language: en}
submission:
  hostname: bench.corp.example
  listen: []
  listen_tls: []
  limits: {connections: 5000, connections_per_address: 5000, recipients_per_10_minutes: 10000000, recipients_per_day: 10000000}
  gateway:
    listen: ["127.0.0.1:0"]
    sources: [{name: app, networks: [127.0.0.0/8], senders: [corp.example], owner: app@corp.example}]
relay: {host: "%[2]s", tls: none}
oidc: {issuer: "http://127.0.0.1:9", client_id: bench}
web: {listen: "127.0.0.1:0"}
people: {file: %[1]s/people.yaml}
metrics: {listen: ""}
`

const benchPeople = `people:
  - {address: app@corp.example, name: Application, manager: manager@corp.example}
  - {address: manager@corp.example, name: Manager}
`

const (
	colleague = "x@corp.example"  // leaves at once
	customer  = "x@other.example" // waits its five minutes
	manager   = "manager@corp.example"
	kindBench = "bench.claim"
)

// run starts the service, measures, and ends it.
func (t *rehearsal) run(ctx context.Context, program string) (err error) {
	if t.hop, err = gauge.NewSink(); err != nil {
		return err
	}
	file := filepath.Join(t.dir, "sekisho.yaml")
	for name, text := range map[string]string{file: fmt.Sprintf(benchConfig, t.dir, t.hop.Address), filepath.Join(t.dir, "people.yaml"): benchPeople} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			return err
		}
	}
	c, err := LoadConfig(file)
	if err != nil {
		return err
	}
	if t.h, err = openHouse(ctx, c, program, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	defer t.h.close()
	t.h.queue.Handlers[kindBench] = t.claims.handle
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return t.hop.Run(ctx) })
	ready := make(chan string, 1)
	g.Go(func() error { return t.h.serve(ctx, func(at *reached) { ready <- at.Gateway }) })
	g.Go(func() error {
		defer stop()
		select {
		case <-ctx.Done():
			return nil // whatever failed says why
		case address := <-ready:
			t.client = &gauge.Client{Address: address}
		}
		return t.parts(ctx)
	})
	return g.Wait()
}

func (t *rehearsal) parts(ctx context.Context) error {
	for _, part := range []struct {
		name string
		do   func(context.Context) error
	}{{"accept", t.accept}, {"inspect", t.inspect}, {"release", t.release}, {"claim", t.claim}} {
		if !t.wants(part.name) {
			continue
		}
		fmt.Fprintf(t.progress, "%s ...\n", part.name)
		if err := part.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

func (t *rehearsal) add(f figure) { t.found.Figures = append(t.found.Figures, f) }

// accept is durable acceptance, one message per connection, while what came before is inspected.
func (t *rehearsal) accept(ctx context.Context) error {
	for _, l := range []gauge.Load{
		{Size: 4 << 10, Sessions: 1, Messages: t.Mails / 4}, {Size: 4 << 10, Sessions: 10, Messages: t.Mails}, {Size: 4 << 10, Sessions: 50, Messages: t.Mails},
		{Size: 100 << 10, Sessions: 10, Messages: t.Mails / 4}, {Size: 5 << 20, Sessions: 10, Messages: t.Mails / 50},
	} {
		l.To, l.Messages = customer, max(l.Messages, 10)
		r, err := t.client.Run(ctx, l)
		if err != nil {
			return err
		}
		size := fmt.Sprintf("%d KB", l.Size>>10)
		t.add(figure{Part: "accept", What: fmt.Sprintf("%s x%d", size, l.Sessions), Rate: r.Rate,
			P50: milliseconds(r.Percentile(0.5)), P99: milliseconds(r.Percentile(0.99)),
			ja:  fmt.Sprintf("受付（%s のメール、同時 %d 接続。250 の前にディスクへ保存）", size, l.Sessions),
			eng: fmt.Sprintf("taken: %s, %d sessions, on disk before the 250", size, l.Sessions)})
	}
	return nil
}

// inspect is what the factory policy's inspection takes, on every core.
func (t *rehearsal) inspect(ctx context.Context) error {
	var all [][]byte
	for _, s := range demo.Samples() {
		all = append(all, s.Bytes("app@corp.example", "Application", time.Now()))
	}
	const long = 3 * time.Second
	var next atomic.Int64
	times := make([][]time.Duration, t.found.Cores)
	began := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	for core := range times {
		g.Go(func() error {
			for time.Since(began) < long && ctx.Err() == nil {
				raw, start := all[int(next.Add(1))%len(all)], time.Now()
				t.h.eyes().Inspect(ctx, Envelope{Person: "app@corp.example", Recipients: []mailaddr.Address{customer}, At: start}, raw)
				times[core] = append(times[core], time.Since(start))
			}
			return ctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	each := slices.Concat(times...)
	slices.Sort(each)
	t.add(figure{Part: "inspect", What: "samples", Rate: float64(len(each)) / time.Since(began).Seconds(),
		P50: milliseconds(each[len(each)/2]), P99: milliseconds(each[len(each)*99/100]),
		ja: "検査（見本のメール。Excel・ZIP・暗号化 ZIP の添付を含む）", eng: "inspected: sample mails, some with Excel, ZIP and encrypted ZIP"})
	return nil
}

// release is everything that is due in one moment, alone and while more mail comes in.
func (t *rehearsal) release(ctx context.Context) error {
	l := gauge.Load{Size: 4 << 10, Sessions: 10, Messages: t.Mails, To: colleague}
	calm, err := t.client.Run(ctx, gauge.Load{Size: l.Size, Sessions: 10, Messages: max(t.Mails/2, 10), To: customer})
	if err != nil {
		return err
	}
	for _, busy := range []bool{false, true} {
		if err := t.h.queue.Pause(ctx, "os:bench", "bench"); err != nil {
			return err
		}
		if _, err := t.client.Run(ctx, l); err != nil {
			return err
		}
		if err := t.until(ctx, holdqueue.Received, 0); err != nil {
			return err
		}
		before, began := t.hop.Taken(), time.Now()
		if err := t.h.queue.Resume(ctx, "os:bench", "bench"); err != nil {
			return err
		}
		what, ja, eng := "at once", "一斉送信（待っているメールをすべて同時に解放）", "released: all that waits, in one moment"
		if busy {
			r, err := t.client.Run(ctx, gauge.Load{Size: l.Size, Sessions: 10, Messages: max(t.Mails/2, 10), To: customer})
			if err != nil {
				return err
			}
			t.add(figure{Part: "release", What: "accept meanwhile", Rate: r.Rate, P50: milliseconds(r.Percentile(0.5)), P99: milliseconds(r.Percentile(0.99)),
				ja:  fmt.Sprintf("その間の受付（4 KB、同時 10 接続。送信がないとき：毎秒 %.0f 通）", calm.Rate),
				eng: fmt.Sprintf("taken meanwhile: 4 KB, 10 sessions (%.0f with nothing to release)", calm.Rate)})
			what, ja, eng = "at once, while more comes in", "一斉送信（受付と同時）", "released, while more comes in"
		}
		if err := t.hop.Await(ctx, before, int64(l.Messages)); err != nil {
			return err
		}
		t.add(figure{Part: "release", What: what, Rate: float64(l.Messages) / time.Since(began).Seconds(), ja: ja, eng: eng})
	}
	return nil
}

// until waits until no more than n recipients are in a state.
func (t *rehearsal) until(ctx context.Context, s holdqueue.State, n int64) error {
	for {
		counts, err := t.h.queue.Counts(ctx)
		if err != nil || counts[s] <= n {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// claim reads an approver's questions among held mail, and finds work that becomes due.
func (t *rehearsal) claim(ctx context.Context) error {
	if err := t.hold(ctx); err != nil {
		return err
	}
	var times []time.Duration
	for range 300 {
		start := time.Now()
		rows, _, err := t.h.desk.Questions(ctx, approval.Actor{Address: manager}, approval.Page{})
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return errors.New("nobody was asked about the held mails")
		}
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	t.add(figure{Part: "claim", What: fmt.Sprintf("questions among %d", t.Held), P50: milliseconds(times[len(times)/2]), P99: milliseconds(times[len(times)*99/100]),
		ja: fmt.Sprintf("承認者の一覧（保留 %d 通のとき）", t.Held), eng: fmt.Sprintf("an approver's list among %d held mails", t.Held)})
	return t.claimDue(ctx)
}

// hold fills the queue with mails about which the manager is asked.
func (t *rehearsal) hold(ctx context.Context) error {
	const text = "\r\nMy Number (個人番号): 123456789018\r\n"
	held := &gauge.Client{Address: t.client.Address, Also: text}
	if _, err := held.Run(ctx, gauge.Load{Size: 1 << 10, Sessions: 10, Messages: t.Held, To: customer}); err != nil {
		return err
	}
	return t.until(ctx, holdqueue.Received, 0)
}

// claims is work that does nothing but say when it was begun.
type claims struct {
	done atomic.Int64
}

func (c *claims) handle(context.Context, string) (time.Time, error) {
	c.done.Add(1)
	return time.Time{}, nil
}

// claimDue schedules work and sees how fast it is found, begun and done with.
func (t *rehearsal) claimDue(ctx context.Context) error {
	before, began := t.claims.done.Load(), time.Now()
	err := t.h.db.Write(ctx, func(tx *db.Tx) error {
		for range t.Mails {
			if err := t.h.queue.Schedule(tx, kindBench, db.NewID(), tx.Now()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	t.h.queue.Wake()
	for t.claims.done.Load()-before < int64(t.Mails) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
	t.add(figure{Part: "claim", What: "due work", Rate: float64(t.Mails) / time.Since(began).Seconds(),
		ja: "期限の来た処理の引き受けと完了", eng: "due work found, claimed and done with"})
	return nil
}
