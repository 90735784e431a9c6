package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/metric"
	"github.com/sekisho-mail/sekisho/linkify"
)

// ready says everything that is wrong with taking mail and bringing it on its way.
func (h *house) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var wrong []error
	parts := map[string]func(context.Context) error{
		"database": h.db.Ready, "files": h.blobs.Ready, "disk": func(context.Context) error { return h.room() },
	}
	if h.config.does(roleQueue) {
		parts["relay"] = h.relayReady
	}
	for name, look := range parts {
		if err := look(ctx); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(wrong...)
}

// watchReadiness tells the administrators when mail cannot be taken or brought on its way.
func (h *house) watchReadiness(ctx context.Context) error {
	tick := time.NewTicker(30 * time.Second)
	defer tick.Stop()
	for bad := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := h.ready(ctx)
		if err == nil || ctx.Err() != nil {
			bad = 0
			continue
		}
		h.log.Error("not ready", "error", err)
		if bad++; bad != 2 { // a restart of the next hop is no news
			continue
		}
		if err := h.desk.RaiseAlarm(ctx, approval.CauseNotReady, err.Error()); err != nil {
			h.log.Error("alarm not raised", "error", err)
		}
	}
}

// watchPolicy takes over a changed policy file; one with mistakes changes nothing and the log says so.
func (h *house) watchPolicy(ctx context.Context) error {
	path := h.config.Policy.File
	if path == "" {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	taken, last := fileStamp(path), fileStamp(path)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := fileStamp(path)
		if now == taken || now != last { // two looks must agree: it may still be being written
			last = now
			continue
		}
		taken = now
		if err := h.loadInspector(); err != nil {
			h.log.Error("policy not taken over; the old one stays in force", "error", err)
			if err := h.desk.RaiseAlarm(ctx, approval.CausePolicyFile, "the changed policy file has mistakes: run sekisho check"); err != nil {
				h.log.Error("alarm not raised", "error", err)
			}
			continue
		}
		tuneMemory()
		h.log.Info("policy reread")
	}
}

// warmUp compiles the PDF reader once for each version; until then documents are read more slowly.
func (h *house) warmUp(ctx context.Context) error {
	if !h.warm {
		return nil
	}
	if err := h.inspector.Load().Scanner.Warm(ctx); err != nil && ctx.Err() == nil {
		h.log.Warn("PDF reader not compiled; it works, only slower", "error", err)
	}
	tuneMemory()
	return nil
}

// workDaily is what is done once a day by one node of all: taking personal data out of the logs when its retention is
// over, and sweeping what crashes left in the store.
const (
	workDaily = "house.daily"
	dailyAll  = "all"
)

func (h *house) daily(ctx context.Context, _ string) (again time.Time, err error) {
	now, err := h.db.Now(ctx)
	if err != nil {
		return time.Time{}, err
	}
	for what, do := range map[string]func() error{
		"download log not purged":  func() error { return h.links.Purge(ctx, now.Add(-time.Duration(h.config.Retention.Downloads))) },
		"old links not forgotten":  func() error { return h.links.Forget(ctx, now.Add(-time.Duration(h.config.Retention.Facts))) },
		"mails in doubt not swept": func() error { return h.queue.SweepDoubts(ctx) },
		"audit log not purged": func() error {
			_, err := h.audit.Purge(ctx, now.Add(-time.Duration(h.config.Retention.Facts)), "system")
			return err
		},
		"unfinished uploads not swept":    func() error { return h.blobs.Sweep(ctx, now.Add(-24*time.Hour)) },
		"bodies without a mail not swept": func() error { return h.queue.SweepBodies(ctx, now.Add(-24*time.Hour)) },
	} {
		if err := do(); err != nil && ctx.Err() == nil {
			h.log.Error(what, "error", err)
		}
	}
	return now.Add(24 * time.Hour), ctx.Err()
}

// tidyDaily clears what this node's own crashes left on its own disk.
func (h *house) tidyDaily(ctx context.Context) error {
	tick := time.NewTicker(24 * time.Hour)
	defer tick.Stop()
	for {
		if err := h.links.ClearTemp(time.Now().Add(-24 * time.Hour)); err != nil {
			h.log.Error("temporary files not cleared", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func fileStamp(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return "missing"
	}
	return fmt.Sprint(info.Size(), info.ModTime().UnixNano())
}

// scheduleSweeps makes the daily works due, unless they already are: a node that starts again does not put off what
// another has planned.
func (h *house) scheduleSweeps(ctx context.Context) error {
	return h.db.Write(ctx, func(tx *db.Tx) error {
		if err := holdqueue.Announce(tx, linkify.WorkSweep, linkify.SweepAll, tx.Now().Add(time.Hour)); err != nil {
			return err
		}
		return holdqueue.Announce(tx, workDaily, dailyAll, tx.Now())
	})
}

// register adds what the metrics listener shows of the queue.
func (h *house) register(r *metric.Registry) {
	r.Gauge("ready", "1 when mail can be taken and sent on.", nil, func(set func(float64, ...string)) {
		if h.ready(context.Background()) == nil {
			set(1)
		} else {
			set(0)
		}
	})
	r.Gauge("recipients", "Recipients that have not ended, by state.", []string{"state"}, func(set func(float64, ...string)) {
		counts, err := h.queue.Counts(context.Background())
		if err != nil {
			return // the scrape shows a gap, and ready shows why
		}
		for state, n := range counts {
			set(float64(n), string(state))
		}
	})
}
