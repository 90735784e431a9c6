package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/smtp"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/cmd/sekisho/internal/demo"
	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// submitSamples sends the sample mails through the front door, as their senders, and brings each into the state it
// is there to show.
func (s *stage) submitSamples(ctx context.Context, h *house) error {
	pool := x509.NewCertPool()
	ca, err := os.ReadFile(s.certs.CA)
	if err != nil {
		return err
	}
	pool.AppendCertsFromPEM(ca)
	for _, sample := range demo.Samples() {
		if err := s.submit(sample, pool); err != nil {
			return fmt.Errorf("%s: %w", sample.Subject, err)
		}
	}
	for _, sample := range demo.Samples() {
		if sample.Then == "" {
			continue
		}
		m, err := inspected(ctx, h, sample)
		if err != nil {
			return fmt.Errorf("%s: %w", sample.Subject, err)
		}
		if err := s.then(ctx, h, m, sample.Then); err != nil {
			return fmt.Errorf("%s: %s: %w", sample.Subject, sample.Then, err)
		}
	}
	return nil
}

func (s *stage) person(name string) demo.Person {
	return s.people[slices.IndexFunc(s.people, func(p demo.Person) bool { return strings.HasPrefix(p.Email, name+"@") })]
}

func (s *stage) submit(sample demo.Sample, pool *x509.CertPool) error {
	who := s.person(sample.From)
	c, err := smtp.Dial(s.seen(s.smtp))
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.StartTLS(&tls.Config{ServerName: s.host, RootCAs: pool}); err != nil {
		return err
	}
	if err := c.Auth(smtp.PlainAuth("", who.Email, who.Password, s.host)); err != nil {
		return err
	}
	if err := c.Mail(who.Email); err != nil {
		return err
	}
	for to := range strings.SplitSeq(sample.To, ",") {
		if err := c.Rcpt(to); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	_, err = w.Write(sample.Bytes(who.Email, who.Name, time.Now()))
	if err = errors.Join(err, w.Close()); err != nil {
		return err
	}
	return c.Quit()
}

// inspected waits until the sample has been looked into.
func inspected(ctx context.Context, h *house, sample demo.Sample) (*holdqueue.Message, error) {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		page, _, err := h.queue.List(ctx, holdqueue.Filter{Limit: 200})
		if err != nil {
			return nil, err
		}
		for _, m := range page {
			if m.Meta.Subject == sample.Subject && !m.InspectedAt.IsZero() {
				return m, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil, errors.New("was not inspected within a minute")
}

func (s *stage) then(ctx context.Context, h *house, m *holdqueue.Message, what string) error {
	sender := holdqueue.Person(m.Person)
	switch what {
	case "send":
		_, err := h.queue.SendNow(ctx, m.ID, nil, sender)
		return err
	case "cancel":
		_, err := h.queue.Cancel(ctx, m.ID, nil, holdqueue.ReasonSender, sender)
		return err
	case "expire":
		return h.db.Write(ctx, func(tx *db.Tx) error { _, err := h.queue.Expire(tx, m.ID, nil, holdqueue.System); return err })
	case "approve":
		return s.decide(ctx, h, m, approval.Approve, "内容を確認しました。")
	case "reject":
		return s.decide(ctx, h, m, approval.Reject, "宛先が違うようです。確認してください。")
	}
	return fmt.Errorf("unknown sample step %q", what)
}

func (s *stage) decide(ctx context.Context, h *house, m *holdqueue.Message, verb approval.Verb, comment string) error {
	by := approval.Actor{Address: mailaddr.Address(s.person("manager").Email)}
	requests, err := h.desk.OfFamily(ctx, m.Family, by)
	if err != nil {
		return err
	}
	for _, r := range requests {
		_, err := h.desk.Decide(ctx, approval.Decision{Request: r.ID, Revision: r.Revision, Verb: verb, Comment: comment, By: by})
		if err != nil {
			return err
		}
	}
	if len(requests) == 0 {
		return errors.New("is not held")
	}
	return nil
}
