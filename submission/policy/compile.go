package policy

import (
	"slices"
	"strings"
)

// compile turns conditions into checks. Lists must have been resolved by r.
func (c *Conditions) compile(r *resolver, path string) []check {
	if c == nil {
		return nil
	}
	checks := recipientChecks(r, path, c.Recipients, c.RecipientDomains, c.RecipientAddresses, c.Bcc)
	checks = append(checks, c.anyRecipientCheck(r, path)...)
	checks = append(checks, c.senderChecks(r, path)...)
	checks = append(checks, c.contentChecks(r, path)...)
	checks = append(checks, c.countChecks(r, path)...)
	if c.Reopens != nil {
		want := *c.Reopens
		checks = append(checks, check{key: "reopens_link", explain: explainReopens, mail: func(f *Facts) bool { return f.Reopens == want }})
	}
	if c.Automatic != nil {
		want := *c.Automatic
		checks = append(checks, check{key: "automatic", mail: func(f *Facts) bool { return f.Automatic == want }})
	}
	if c.Time != nil {
		checks = append(checks, check{key: "time", door: atDoor, mail: c.Time.matches, explain: c.explainTime})
	}
	return checks
}

func recipientChecks(r *resolver, path string, side Side, domains, addresses []string, bcc *bool) []check {
	var checks []check
	add := func(key string, is func(Recipient) bool) {
		checks = append(checks, check{key: key, door: atDoor, recipient: is})
	}
	if side != "" {
		add("recipients", func(to Recipient) bool { return side.has(to.External) })
	}
	if len(domains) > 0 {
		set := r.targets(path+".recipient_domains", domains)
		add("recipient_domains", func(to Recipient) bool { return set.Has(to.Address) })
	}
	if len(addresses) > 0 {
		set := r.targets(path+".recipient_addresses", addresses)
		add("recipient_addresses", func(to Recipient) bool { return set.Has(to.Address) })
	}
	if bcc != nil {
		want := *bcc
		// Only the header tells what is Bcc.
		checks = append(checks, check{key: "bcc", recipient: func(to Recipient) bool { return to.Bcc == want }})
	}
	return checks
}

func (c *Conditions) anyRecipientCheck(r *resolver, path string) []check {
	t := c.AnyRecipient
	if t == nil {
		return nil
	}
	inner := recipientChecks(r, path+".any_recipient", t.Recipients, t.RecipientDomains, t.RecipientAddresses, t.Bcc)
	fits := func(to Recipient) bool {
		return !slices.ContainsFunc(inner, func(k check) bool { return !k.recipient(to) })
	}
	return []check{{key: "any_recipient", explain: explainAnyRecipient,
		mail: func(f *Facts) bool { return slices.ContainsFunc(f.everyone(), fits) }}}
}

func (c *Conditions) senderChecks(r *resolver, path string) []check {
	var checks []check
	add := func(key string, is func(*Facts) bool) {
		checks = append(checks, check{key: key, door: atDoorOf, mail: is})
	}
	if len(c.SenderAddresses) > 0 {
		set := r.targets(path+".sender_addresses", c.SenderAddresses)
		add("sender_addresses", func(f *Facts) bool { return f.Sender.is(set) })
	}
	if len(c.SenderGroups) > 0 {
		add("sender_groups", func(f *Facts) bool { return slices.ContainsFunc(c.SenderGroups, f.Sender.in) })
	}
	if len(c.SenderDepartments) > 0 {
		add("sender_departments", func(f *Facts) bool { return slices.Contains(c.SenderDepartments, f.Sender.Department) })
	}
	if len(c.Sources) > 0 {
		add("sources", func(f *Facts) bool { return f.Source != "" && slices.Contains(c.Sources, f.Source) })
	}
	return checks
}

func (c *Conditions) contentChecks(r *resolver, path string) []check {
	var checks []check
	if len(c.Content) > 0 {
		checks = append(checks, check{key: "content", explain: c.explainContent, mail: func(f *Facts) bool {
			return slices.ContainsFunc(c.Content, func(t ContentTest) bool { return t.matches(f) })
		}})
	}
	if c.Attachment != nil {
		checks = append(checks, check{key: "attachment", explain: c.explainAttachment, mail: c.Attachment.matches})
	}
	if len(c.Subject) > 0 {
		words := r.words(path+".subject", c.Subject)
		checks = append(checks, check{key: "subject", explain: explainSubject, mail: func(f *Facts) bool {
			subject := fold(f.Subject)
			return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(subject, w) })
		}})
	}
	if c.SizeOver != nil {
		over := int64(*c.SizeOver)
		checks = append(checks, check{key: "size_over", explain: c.explainSize,
			mail: func(f *Facts) bool { return f.Size > over }})
	}
	return checks
}

// countChecks are the "more than" conditions; each limit itself is still fine.
func (c *Conditions) countChecks(r *resolver, path string) []check {
	var checks []check
	add := func(key string, limit *int, count func(*Facts) int) {
		if limit == nil {
			return
		}
		if *limit < 0 {
			r.problem(path+"."+key, "%s must not be negative", key)
		}
		checks = append(checks, check{key: key, explain: explainCount(key, *limit, count),
			mail: func(f *Facts) bool { return count(f) > *limit }})
	}
	add("recipients_over", c.RecipientsOver, func(f *Facts) int { return f.count(anyone) })
	add("external_recipients_over", c.ExternalRecipientsOver, func(f *Facts) int { return f.count(outsideToCc) })
	add("external_domains_over", c.ExternalDomainsOver, (*Facts).externalDomains)
	add("bcc_over", c.BccOver, func(f *Facts) int { return f.count(inBcc) })
	return checks
}
