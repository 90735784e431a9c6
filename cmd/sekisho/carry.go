package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/linkify"
	"github.com/sekisho-mail/sekisho/submission/dlp"
	"github.com/sekisho-mail/sekisho/submission/policy"
)

// This file carries things between the queue, which knows no content, and the packages that do.

// kept is what stays with a recipient: the verdict of the policy and what notices need beside it. Members are
// added, never renamed: mails accepted by an older version are still held.
type kept struct {
	policy.RecipientVerdict
	Places      []approval.Place `json:"places,omitempty"` // where its reasons lie
	Attachments int              `json:"attachments,omitempty"`
	HideSubject bool             `json:"hide_subject,omitempty"` // something was found in it
	Uninspected bool             `json:"uninspected,omitempty"`  // inspection as a whole came to nothing
	Likeness    string           `json:"likeness,omitempty"`     // of what was found and is planned; "" is like nothing
}

func keptOf(r *holdqueue.Recipient) (k kept, err error) {
	if len(r.Verdict) == 0 {
		return k, nil
	}
	if err := json.Unmarshal(r.Verdict, &k); err != nil {
		return k, fmt.Errorf("read verdict of %s: %w", r.ID, err)
	}
	return k, nil
}

// inspect is the queue's Inspect.
func (h *house) inspect(ctx context.Context, m *holdqueue.Message, body holdqueue.Body) (holdqueue.Inspection, error) {
	raw, err := readBody(body)
	if err != nil {
		return holdqueue.Inspection{}, err
	}
	i := h.eyes()
	found := i.Inspect(ctx, envelopeOf(m), raw)
	if err := ctx.Err(); err != nil {
		return holdqueue.Inspection{}, fmt.Errorf("inspect: %w", err)
	}
	return encode(m, found, found.Message == nil)
}

// eyes is the inspector with today's people.
func (h *house) eyes() *Inspector {
	i := *h.inspector.Load()
	i.Book = h.roster.Book()
	return &i
}

// poison is the queue's Poison: administrators decide about what could not be inspected or sent as planned.
func (h *house) poison(m *holdqueue.Message, cause error) holdqueue.Inspection {
	code, ja, en := "uninspected", "内容を確認できなかったため、管理者の確認が必要です", "it could not be inspected, so an administrator has to decide"
	if errors.Is(cause, linkify.ErrCannotLink) {
		code, ja, en = "cannot_link", "添付ファイルをリンクに置き換えられません（署名・暗号化など）", "an attachment cannot be replaced by a link (signed or encrypted)"
	}
	if errors.Is(cause, holdqueue.ErrDamaged) {
		code, ja, en = "damaged", "保存したメールが壊れているか失われたため、送信できません。管理者の確認が必要です", "the stored mail is damaged or missing and cannot be sent, so an administrator has to decide"
	}
	found := h.eyes().Uninspected(envelopeOf(m), code, ja, en)
	out, err := encode(m, found, code != "cannot_link")
	if err != nil {
		// Marshalling our own types does not fail; were it to, the mail is held without a reason, never sent.
		h.log.Error("reason of a hold not kept", "message", m.ID, "error", err)
		return holdqueue.Inspection{Decisions: slices.Repeat([]holdqueue.Decision{{Action: holdqueue.ActionHold}}, len(m.Recipients))}
	}
	return out
}

func envelopeOf(m *holdqueue.Message) Envelope {
	e := Envelope{Person: m.Person, Source: m.Source, Automatic: m.Automatic, Reopens: m.Meta.Anew != "", At: m.AcceptedAt}
	for _, r := range m.Recipients {
		e.Recipients = append(e.Recipients, r.Address)
	}
	return e
}

func readBody(body holdqueue.Body) ([]byte, error) {
	raw := make([]byte, body.Size())
	if _, err := io.ReadFull(io.NewSectionReader(body, 0, body.Size()), raw); err != nil {
		return nil, fmt.Errorf("read mail: %w", err)
	}
	return raw, nil
}

func encode(m *holdqueue.Message, found Inspection, blind bool) (holdqueue.Inspection, error) {
	report, err := json.Marshal(found.Report)
	if err != nil {
		return holdqueue.Inspection{}, fmt.Errorf("encode report: %w", err)
	}
	out := holdqueue.Inspection{Report: report}
	if m.Origin == holdqueue.FromGateway && found.Message != nil {
		out.Content = message.Digest(found.Message)
	}
	if len(found.Verdict.Recipients) != len(m.Recipients) {
		return out, fmt.Errorf("%d verdicts for %d recipients", len(found.Verdict.Recipients), len(m.Recipients))
	}
	hide := inSubject(found.Report)
	for i, v := range found.Verdict.Recipients {
		k := kept{RecipientVerdict: v, Places: placesOf(found.Report, v), Attachments: len(found.Facts.Attachments), HideSubject: hide, Uninspected: blind}
		if out.Content != "" {
			if k.Likeness, err = likeness(found, v); err != nil {
				return out, err
			}
		}
		d := holdqueue.Decision{Action: actions[v.Action], Delay: v.Delay}
		if v.Link != nil {
			d.Bundle = m.Recipients[i].ID // a link of its own travels alone
		}
		if d.Verdict, err = json.Marshal(k); err != nil {
			return out, fmt.Errorf("encode verdict: %w", err)
		}
		out.Decisions = append(out.Decisions, d)
	}
	return out, nil
}

// likeness stands for what was found in a mail and what is planned for one recipient. A late copy with the same one
// would have been shown in the same question.
func likeness(found Inspection, v policy.RecipientVerdict) (string, error) {
	v.Address = ""
	text, err := json.Marshal([]any{found.Facts.Findings, found.Report.Uninspectable, v})
	if err != nil {
		return "", fmt.Errorf("encode verdict: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

var actions = map[policy.Action]holdqueue.Action{
	policy.Send: holdqueue.ActionSend, policy.Delay: holdqueue.ActionSend,
	policy.Hold: holdqueue.ActionHold, policy.Refuse: holdqueue.ActionRefuse,
}

// inSubject says whether anything was found in the subject: then no notice repeats it.
func inSubject(r *dlp.Report) bool {
	if r == nil {
		return false
	}
	return slices.ContainsFunc(r.Findings, func(f dlp.Finding) bool {
		return slices.ContainsFunc(f.Matches, func(m dlp.Match) bool { return m.Where == dlp.InHeader })
	})
}

func uninspected(rs []*holdqueue.Recipient) bool {
	return slices.ContainsFunc(rs, func(r *holdqueue.Recipient) bool {
		k, err := keptOf(r)
		return err != nil || k.Uninspected
	})
}

// approvalVerdict is what the approval desk must know of a recipient's verdict.
func approvalVerdict(_ *holdqueue.Message, r *holdqueue.Recipient) (approval.Verdict, error) {
	k, err := keptOf(r)
	if err != nil {
		return approval.Verdict{}, err
	}
	v := approval.Verdict{
		Rules: k.Rules, Transforms: k.Transforms, Places: k.Places, HideSubject: k.HideSubject, Attachments: k.Attachments,
		Likeness: k.Likeness,
		Expire:   approval.Period{BusinessDays: k.Expire.BusinessDays, BusinessHours: k.Expire.BusinessHours, Duration: k.Expire.Duration},
	}
	for _, s := range k.Stages {
		v.Stages = append(v.Stages, approval.Stage{Approvers: s.Approvers, Quorum: s.Quorum})
	}
	v.Reasons = approvalReasons(k.Reasons)
	for _, w := range k.Watched {
		v.Noted = append(v.Noted, approval.Noted{Rule: w.Rule, Mode: approval.NoteMode(w.Mode)})
	}
	for _, t := range k.Told {
		v.Noted = append(v.Noted, approval.Noted{Rule: t.Rule, Mode: approval.NoteMode(t.Mode), Who: t.Who, Reasons: approvalReasons(t.Reasons)})
	}
	return v, nil
}

func approvalReasons(of []policy.Reason) (out []approval.Reason) {
	for _, r := range of {
		out = append(out, approval.Reason{Rule: r.Rule, Code: r.Code, JA: r.JA, EN: r.EN})
	}
	return out
}

// prepare is the queue's Prepare: the bytes one bundle of recipients gets.
func (h *house) prepare(ctx context.Context, m *holdqueue.Message, to []*holdqueue.Recipient, body holdqueue.Body) (holdqueue.Body, error) {
	k, err := keptOf(to[0])
	if err != nil {
		return nil, err
	}
	if k.Link == nil && m.Meta.Anew == "" {
		return body, nil
	}
	if len(to) != 1 {
		// A link is one recipient's: never let the files go because several came together.
		return nil, fmt.Errorf("%w: %d recipients for one link", holdqueue.ErrMustHold, len(to))
	}
	select {
	case h.preparing <- struct{}{}:
		defer func() { <-h.preparing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	raw, err := readBody(body)
	if err != nil {
		return nil, err
	}
	out := h.queue.Spool()
	if m.Meta.Anew != "" {
		err = h.links.PrepareAnew(ctx, out, linkMail(m, raw), h.linkRecipient(to[0], k), m.Meta.Anew)
	} else {
		err = h.links.Prepare(ctx, out, linkMail(m, raw), h.linkRecipient(to[0], k))
	}
	if err != nil {
		out.Discard()
		if errors.Is(err, linkify.ErrCannotLink) || errors.Is(err, linkify.ErrChanged) ||
			errors.Is(err, linkify.ErrGone) || errors.Is(err, linkify.ErrNotYours) {
			return nil, fmt.Errorf("%w: %w", holdqueue.ErrMustHold, err)
		}
		return nil, err
	}
	rewritten, err := out.Body()
	if err != nil {
		return nil, err
	}
	if err := body.Close(); err != nil {
		h.log.Warn("stored mail not closed", "message", m.ID, "error", err) // it has been read whole
	}
	return rewritten, nil
}

func linkMail(m *holdqueue.Message, raw []byte) linkify.Mail {
	l := linkify.Mail{ID: m.ID, Person: m.Person, Subject: m.Meta.Subject, AcceptedAt: m.AcceptedAt, Raw: raw}
	if len(m.Meta.From) > 0 {
		l.From = m.Meta.From[0]
	}
	if head, err := message.Parse(raw); err == nil {
		if from, _ := message.Addresses(head.Root.Get("From")); len(from) > 0 {
			l.FromName = from[0].Name
		}
	}
	return l
}

// linkTerms are what the verdict says of the files of one recipient.
func linkTerms(v *policy.Link) linkify.Terms {
	return linkify.Terms{Access: linkify.Access(v.Access), Life: v.Expire, UnlessTLS: v.UnlessTLS, Paperclip: v.Paperclip,
		Preview: v.Preview, ViewOnly: v.ViewOnly,
		Only: func(a linkify.Attachment) bool {
			return v.Wants(policy.Attachment{Name: a.Name, Type: a.Type, Size: a.Size})
		}}
}

func (h *house) linkRecipient(r *holdqueue.Recipient, k kept) linkify.Recipient {
	out := linkify.Recipient{ID: r.ID, Address: mailaddr.Address(r.Address)}
	_, out.Shared = h.roster.Book().Members(out.Address)
	if k.Link != nil {
		out.Terms = linkTerms(k.Link)
		// A rule says so, or a person saw the reason and let it go as it is.
		out.AsIs = k.Link.AsIs || k.Action == policy.Hold
	}
	return out
}
