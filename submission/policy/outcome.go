package policy

import (
	"slices"
	"time"
)

// outcome is what one rule asks for one recipient.
type outcome struct {
	rule   string
	action Action
	delay  time.Duration
	stages []Stage
	// fallback is asked when no rule that holds names anybody else.
	fallback []Stage
	expire   Period
	link     *Link
	reasons  []Reason
	tells    bool // somebody is told that it fired
}

// inert: the rule fired and does nothing for this recipient, such as a link
// order for a mail without attachments. It would only be noise in a verdict.
func (o outcome) inert() bool { return o.action == Send && o.link == nil && !o.tells }

// outcome of a rule that acts on the recipient.
func (r fired) outcome(f *Facts, to Recipient) outcome {
	o := outcome{rule: r.Name, action: Send, delay: r.Then.Delay, tells: len(r.Then.Notify) > 0}
	link, cannot := r.Then.Link.plan(f, to)
	o.link = link
	switch {
	case r.Then.Refuse:
		o.action = Refuse
	case r.Then.Hold != nil:
		o.action, o.stages, o.expire = Hold, r.Then.Hold.Stages, r.Then.Hold.Expire
	case r.Then.Delay > 0:
		o.action = Delay
	}
	if o.action != Send {
		o.reasons = slices.Clip(r.reasons) // shared by all recipients
	}
	if cannot > 0 && o.action != Refuse {
		o.holdUnlinkable(r.Rule, cannot)
	}
	return o
}

// holdUnlinkable turns the outcome into a hold because the rule wants a link
// that cannot be made. Whoever is asked about the mail anyway reads that reason
// too and may let it go as it is; only where nobody is, the order's own
// approvers are asked.
func (o *outcome) holdUnlinkable(r *Rule, n int) {
	if o.action != Hold {
		o.reasons = nil // the delay needs no word beside a hold
		o.expire = Period{BusinessDays: HoldDays}
	}
	o.action = Hold
	o.fallback = ask(r.Then.Link.Approvers...)
	o.reasons = append(o.reasons, cannotLink(r.Name, n))
}

// plan applies a link order to one recipient: the link, if at least one file
// can become one, and the number of files that would have to and cannot.
func (l *LinkOrder) plan(f *Facts, to Recipient) (link *Link, cannot int) {
	if l == nil {
		return nil, 0
	}
	want := Link{Access: l.Access, Expire: l.Expire, AsIs: l.Otherwise == OtherwiseSend, Paperclip: l.Paperclip,
		Preview: l.Preview, ViewOnly: l.ViewOnly}
	if l.MailOver == 0 || f.Size <= l.MailOver {
		if l.Exempt.Has(to.Address) {
			return nil, 0
		}
		want.choose([]FileChoice{l.Files})
		want.UnlessTLS = l.UnlessTLS
	}
	for _, a := range f.Attachments {
		switch {
		case a.Exempt || !want.Wants(a):
		case !a.Fixed:
			link = &want
		case l.Otherwise != OtherwiseSend:
			cannot++
		}
	}
	return link, cannot
}
