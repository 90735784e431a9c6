package relay

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/metric"
)

// policyType is what a domain promises about TLS, in the words of RFC 8460 section 4.2.
type policyType string

const (
	policyTLSA policyType = "tlsa"
	policySTS  policyType = "sts"
	policyNone policyType = "no-policy-found"
)

const success = "success"

// TLSCount is how often TLS to a mail server ended in one way on one day (UTC).
type TLSCount struct {
	Day    string     `json:"day"` // 2026-11-21
	Domain string     `json:"policy-domain"`
	Policy policyType `json:"policy-type"`
	Host   string     `json:"receiving-mx-hostname"`
	Result string     `json:"result-type"` // success, or a failure of RFC 8460 section 4.3
	Count  int64      `json:"session-count"`
}

// tlsCounts are kept in memory for a minute, then added to the table.
type tlsCounts struct {
	db      *db.DB
	counter *metric.Counter
	now     func() time.Time

	mu     sync.Mutex
	counts map[TLSCount]int64 // Count left 0
}

// maxCounts bounds what a minute may leave behind; beyond it the metrics alone count.
const maxCounts = 10_000

// keptCounts is how long counts stay in the table.
const keptCounts = 60 * 24 * time.Hour

func newTLSCounts(o Options) *tlsCounts {
	return &tlsCounts{db: o.DB, now: time.Now, counts: map[TLSCount]int64{},
		counter: o.Metrics.Counter("relay_tls_sessions", "Sessions with recipients' servers, by what the domain promises and how TLS went (RFC 8460).", "policy", "result")}
}

func (c *tlsCounts) note(domain string, policy policyType, host, result string) {
	c.counter.Inc(string(policy), result)
	key := TLSCount{Day: c.now().UTC().Format(time.DateOnly), Domain: domain, Policy: policy, Host: host, Result: result}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.counts[key]; ok || len(c.counts) < maxCounts {
		c.counts[key]++
	}
}

// flush adds what was counted to the table.
func (c *tlsCounts) flush(ctx context.Context) error {
	c.mu.Lock()
	counts := c.counts
	c.counts = map[TLSCount]int64{}
	c.mu.Unlock()
	if c.db == nil || len(counts) == 0 {
		return nil
	}
	err := c.db.WriteLow(ctx, func(tx *db.Tx) error {
		for k, n := range counts {
			if _, err := tx.Exec(`INSERT INTO tls_count (day, domain, policy, host, result, sessions) VALUES ($1, $2, $3, $4, $5, $6)
				ON CONFLICT (day, domain, policy, host, result) DO UPDATE SET sessions = tls_count.sessions + excluded.sessions`,
				k.Day, k.Domain, string(k.Policy), k.Host, k.Result, n); err != nil {
				return err
			}
		}
		_, err := tx.Exec(`DELETE FROM tls_count WHERE day < $1`, c.now().Add(-keptCounts).UTC().Format(time.DateOnly))
		return err
	})
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		for k, n := range counts {
			c.counts[k] += n
		}
		return fmt.Errorf("count TLS sessions: %w", err)
	}
	return nil
}

// TLSCounts lists what was counted from a day on ("2026-11-21"), the newest first, at most limit rows.
func TLSCounts(ctx context.Context, d *db.DB, from string, limit int) (all []TLSCount, err error) {
	err = d.Read(ctx, func(tx *db.Tx) error {
		all = nil
		rows, err := tx.Query(`SELECT day, domain, policy, host, result, sessions FROM tls_count WHERE day >= $1
			ORDER BY day DESC, domain, policy, host, result LIMIT $2`, from, limit)
		if err != nil {
			return fmt.Errorf("list TLS sessions: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var c TLSCount
			if err := rows.Scan(&c.Day, &c.Domain, &c.Policy, &c.Host, &c.Result, &c.Count); err != nil {
				return err
			}
			all = append(all, c)
		}
		return rows.Err()
	})
	return all, err
}
