package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	mox "github.com/mjl-/mox/dns"
	"github.com/mjl-/mox/mtasts"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// policies are the MTA-STS policies (RFC 8461) of the domains we send to, kept for as long as they promise.
type policies struct {
	dns    *Resolver
	db     *db.DB
	client *http.Client
	log    *slog.Logger
	failed func(domain, result string)

	kept   *lru.Cache[string, *keptPolicy]
	absent *lru.Cache[string, time.Time] // domains whose policy could not be fetched, and when to try again
}

// keptPolicy is a policy as it was fetched.
type keptPolicy struct {
	id      string
	text    string
	policy  *mtasts.Policy
	fetched time.Time
	until   time.Time
}

const (
	maxPolicies  = 10_000
	maxPolicy    = 64 << 10 // octets (RFC 8461 section 3.3)
	maxPolicyAge = 366 * 24 * time.Hour
	// refetch is how old a policy may be that is still announced under the same id, so that one attacker who serves a
	// false policy once does not own the domain for a year.
	refetch = 24 * time.Hour
	// notAgain is how long a domain is left alone whose policy cannot be fetched (RFC 8461 section 3.3).
	notAgain = 5 * time.Minute
)

func newPolicies(o Options) *policies {
	p := &policies{dns: o.DNS, db: o.DB, log: o.Logger}
	if o.DNS == nil {
		return p
	}
	p.kept, _ = lru.New[string, *keptPolicy](maxPolicies) // it fails for a negative size only
	p.absent, _ = lru.New[string, time.Time](maxPolicies)
	dialer := &net.Dialer{Timeout: o.Timeouts.Connect, Resolver: o.DNS.System()}
	dialer.Control = (&Relay{o: o}).refusePrivate
	p.client = &http.Client{
		Timeout:       time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("a policy may not be elsewhere") },
		Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true, ForceAttemptHTTP2: true,
			TLSClientConfig: &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12}, TLSHandshakeTimeout: o.Timeouts.Connect},
	}
	return p
}

// of is the policy that holds for a domain now; nil for none. Whoever hides the record or the policy from us does not
// undo one that we know and whose time is not over.
func (p *policies) of(ctx context.Context, domain string) *mtasts.Policy {
	kept := p.known(ctx, domain)
	id, announced := p.announced(ctx, domain)
	now := time.Now()
	if kept != nil && (!announced || id == kept.id && now.Sub(kept.fetched) < refetch || p.tooSoon(domain, now)) {
		return kept.policy
	}
	if !announced || p.tooSoon(domain, now) {
		return nil
	}
	got, err := p.fetch(ctx, domain, id)
	if err != nil {
		p.absent.Add(domain, now.Add(notAgain))
		p.log.Warn("MTA-STS policy not fetched", "error", err)
		p.failed(domain, fetchFailure(err))
		if kept != nil {
			return kept.policy
		}
		return nil
	}
	p.keep(ctx, domain, got)
	return got.policy
}

func fetchFailure(err error) string {
	switch {
	case errors.Is(err, mtasts.ErrPolicySyntax):
		return "sts-policy-invalid"
	case failureType(err) != "validation-failure":
		return "sts-webpki-invalid"
	}
	return "sts-policy-fetch-error"
}

func (p *policies) tooSoon(domain string, now time.Time) bool {
	again, ok := p.absent.Get(domain)
	return ok && now.Before(again)
}

// announced is the id of the policy that DNS speaks of.
func (p *policies) announced(ctx context.Context, domain string) (id string, ok bool) {
	texts, err := p.dns.texts(ctx, "_mta-sts."+domain)
	if err != nil {
		return "", false
	}
	count := 0
	for _, text := range texts {
		record, is, err := mtasts.ParseRecord(text)
		if !is {
			continue
		}
		if count++; err != nil || count > 1 {
			return "", false // as if there were none (RFC 8461 section 3.1)
		}
		id = record.ID
	}
	return id, count == 1
}

func (p *policies) fetch(ctx context.Context, domain, id string) (*keptPolicy, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://mta-sts."+domain+"/.well-known/mta-sts.txt", nil)
	if err != nil {
		return nil, err
	}
	response, err := p.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the policy host answers %s", response.Status)
	}
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxPolicy+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxPolicy {
		return nil, fmt.Errorf("%w: too long", mtasts.ErrPolicySyntax)
	}
	return readPolicy(id, string(raw), time.Now())
}

func readPolicy(id, text string, fetched time.Time) (*keptPolicy, error) {
	policy, err := mtasts.ParsePolicy(text)
	if err != nil {
		return nil, err
	}
	age := min(time.Duration(policy.MaxAgeSeconds)*time.Second, maxPolicyAge)
	return &keptPolicy{id: id, text: text, policy: policy, fetched: fetched, until: fetched.Add(age)}, nil
}

// known is the policy that is kept, in memory or in the database, and still holds.
func (p *policies) known(ctx context.Context, domain string) *keptPolicy {
	if p.kept == nil {
		return nil
	}
	now := time.Now()
	if k, ok := p.kept.Get(domain); ok && now.Before(k.until) {
		return k
	}
	if p.db == nil {
		return nil
	}
	var id, text string
	var fetched int64
	err := p.db.Read(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(`SELECT policy_id, policy, fetched_at FROM sts_policy WHERE domain = $1`, domain).Scan(&id, &text, &fetched)
	})
	if err != nil {
		if !db.IsNoRows(err) {
			p.log.Error("MTA-STS policy not read", "error", err)
		}
		return nil
	}
	k, err := readPolicy(id, text, db.Time(fetched))
	if err != nil || !now.Before(k.until) {
		return nil
	}
	p.kept.Add(domain, k)
	return k
}

func (p *policies) keep(ctx context.Context, domain string, k *keptPolicy) {
	p.kept.Add(domain, k)
	p.absent.Remove(domain)
	if p.db == nil {
		return
	}
	err := p.db.WriteLow(context.WithoutCancel(ctx), func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO sts_policy (domain, policy_id, policy, fetched_at, expires_at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (domain) DO UPDATE SET policy_id = excluded.policy_id, policy = excluded.policy,
			fetched_at = excluded.fetched_at, expires_at = excluded.expires_at`,
			domain, k.id, k.text, db.Micros(k.fetched), db.Micros(k.until))
		return err
	})
	if err != nil {
		p.log.Error("MTA-STS policy not kept beyond this process", "error", err)
	}
}

// stsAllows says whether a policy names a mail server.
func stsAllows(policy *mtasts.Policy, name string) bool {
	d, err := mox.ParseDomain(strings.ToLower(name))
	return err == nil && policy.Matches(d)
}
