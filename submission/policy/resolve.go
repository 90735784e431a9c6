package policy

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/yamlfile"
)

// checkLists: entries are addresses and domains, or words for subjects; a name
// must not look like a domain, or nobody could tell them apart.
func (r *resolver) checkLists() {
	for _, name := range slices.Sorted(maps.Keys(r.lists)) {
		entries := r.lists[name]
		if name == "" || strings.ContainsAny(name, ".@*:") {
			r.problem("lists."+name, "a list's name must not contain . @ * or :, so that it is not taken for a domain")
		}
		for i, e := range entries {
			if strings.TrimSpace(e) == "" {
				r.problem(fmt.Sprintf("lists.%s[%d]", name, i), "an empty entry")
			}
		}
	}
}

// targets resolves addresses, domains and names of lists.
func (r *resolver) targets(path string, entries []string) Targets {
	var t Targets
	for i, e := range entries {
		at := fmt.Sprintf("%s[%d]", path, i)
		if list, ok := r.lists[strings.TrimPrefix(e, "list:")]; ok {
			for j, entry := range list {
				if !t.add(entry) {
					r.problem(fmt.Sprintf("lists.%s[%d]", strings.TrimPrefix(e, "list:"), j), "%q is neither an address nor a domain", entry)
				}
			}
			continue
		}
		switch {
		case strings.HasPrefix(e, "list:"), !strings.ContainsAny(e, ".@"):
			r.problem(at, "there is no list %q (and a domain has a dot)", strings.TrimPrefix(e, "list:"))
		case !t.add(e):
			r.problem(at, "%q is neither an address nor a domain nor a list", e)
		}
	}
	return t
}

// words resolves subject words; list:NAME brings in a list.
func (r *resolver) words(path string, entries []string) []string {
	var words []string
	for i, e := range entries {
		name, isList := strings.CutPrefix(e, "list:")
		if !isList {
			words = append(words, fold(e))
			continue
		}
		list, ok := r.lists[name]
		if !ok {
			r.problem(fmt.Sprintf("%s[%d]", path, i), "there is no list %q", name)
		}
		for _, w := range list {
			words = append(words, fold(w))
		}
	}
	for i, w := range words {
		if w == "" {
			r.problem(path, "word %d is empty and would match every subject", i+1)
		}
	}
	return words
}

// conditions checks what the types cannot, and fills in defaults.
func (r *resolver) conditions(c *Conditions, path string) {
	if c == nil {
		return
	}
	for i := range c.Content {
		t, at := &c.Content[i], fmt.Sprintf("%s.content[%d]", path, i)
		if t.Level == "" {
			t.Level = Medium
		}
		if t.Count == 0 && !r.file.Has(at+".count") {
			t.Count = 1
		}
		if t.Count < 1 {
			r.problem(at+".count", "count must be at least 1")
		}
		r.detector(at+".detector", t.Detector)
	}
	if t := c.Time; t != nil && len(t.Days) == 0 && t.Hours == nil && t.Business == nil {
		r.problem(path+".time", "time needs days, hours or business")
	}
	if t := c.AnyRecipient; t != nil && t.Recipients == "" && len(t.RecipientDomains)+len(t.RecipientAddresses) == 0 && t.Bcc == nil {
		r.problem(path+".any_recipient", "any_recipient needs a condition, for example recipients: external")
	}
}

// UnmarshalText reads a mode.
func (m *Mode) UnmarshalText(text []byte) error { return oneOf(m, text, Audit, Notify, Enforce) }

// UnmarshalText reads a layer. Department and personal rules do not live in
// the company's file.
func (l *Layer) UnmarshalText(text []byte) error { return oneOf(l, text, Forced, Default) }

// UnmarshalText reads how a link is opened.
func (a *Access) UnmarshalText(text []byte) error {
	return oneOf(a, text, Open, Code, Password, Account, Auto)
}

// UnmarshalText reads what happens where no link can be made.
func (o *Otherwise) UnmarshalText(text []byte) error {
	return oneOf(o, text, OtherwiseHold, OtherwiseSend)
}

// UnmarshalText reads an action.
func (a *Action) UnmarshalText(text []byte) error { return oneOf(a, text, Send, Delay, Hold, Refuse) }

// UnmarshalText reads a date.
func (d *Date) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.DateOnly, string(text))
	if err != nil {
		return fmt.Errorf("%q is no date; write for example 2026-04-01", text)
	}
	*d = dateOf(t)
	return nil
}

// UnmarshalText reads one sentence for both languages.
func (t *Text) UnmarshalText(text []byte) error {
	if strings.TrimSpace(string(text)) == "" {
		return errors.New("the text is empty")
	}
	t.JA, t.EN = string(text), string(text)
	return nil
}

var businessPeriod = regexp.MustCompile(`^(\d{1,4})(bd|bh)$`)

// UnmarshalText reads a period: 3bd, 4bh, 36h or 7d.
func (p *Period) UnmarshalText(text []byte) error {
	if m := businessPeriod.FindSubmatch(text); m != nil {
		n, _ := strconv.Atoi(string(m[1])) // four digits
		*p = Period{BusinessDays: n}
		if string(m[2]) == "bh" {
			*p = Period{BusinessHours: n}
		}
		return nil
	}
	var d yamlfile.Duration
	if err := d.UnmarshalText(text); err != nil {
		return fmt.Errorf("%q is no length of time; write for example 3bd (business days), 4bh (business hours), 36h or 7d", text)
	}
	*p = Period{Duration: time.Duration(d)}
	return nil
}
