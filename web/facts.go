package web

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/submission/dlp"
	"github.com/sekisho-mail/sekisho/submission/policy"
	"github.com/sekisho-mail/sekisho/web/words"
)

// What inspection wrote down about a mail: Message.Report is a dlp.Report and
// Recipient.Verdict a policy.RecipientVerdict, both as JSON.

func reportOf(m *holdqueue.Message) (dlp.Report, error) {
	var rep dlp.Report
	if len(m.Report) == 0 {
		return rep, nil
	}
	if err := json.Unmarshal(m.Report, &rep); err != nil {
		return rep, fmt.Errorf("read report of %s: %w", m.ID, err)
	}
	return rep, nil
}

func verdictFor(r *holdqueue.Recipient) (policy.RecipientVerdict, error) {
	var v policy.RecipientVerdict
	if len(r.Verdict) == 0 {
		return v, nil
	}
	if err := json.Unmarshal(r.Verdict, &v); err != nil {
		return v, fmt.Errorf("read verdict of %s: %w", r.ID, err)
	}
	return v, nil
}

// findingView is one finding as pages show it.
type findingView struct {
	Detector string
	Level    string
	Count    int
	Risky    bool // medium or above: highlighted, the others folded
	Matches  []matchView
	More     int // further places
}

// matchView is one place, with its masked excerpt cut at the mark.
type matchView struct {
	Where   string
	Place   string
	Excerpt string
	Unread  string // key of why nobody could look into it
	Detail  string // key of what is unusual about its form
}

// shownMatches is how many places of one finding a page names.
const shownMatches = 3

// findingsOf are the findings, the surest first, and the parts nobody could
// look into that no finding names: a locked archive is said once.
func findingsOf(rep dlp.Report) (found []findingView, unread []dlp.Uninspectable) {
	named := map[dlp.Uninspectable]bool{}
	for _, f := range rep.Findings {
		v := findingView{Detector: f.Detector, Level: f.Level.String(), Count: f.Count, Risky: f.Level >= dlp.Medium}
		for _, m := range f.Matches {
			match := matchView{Where: whereOf(m), Place: placeText(m), Excerpt: m.Excerpt}
			if u := unreadAt(rep, f.Detector, m); u != "" {
				match.Excerpt, match.Unread = "", u
				named[dlp.Uninspectable{Path: m.Path, Reason: dlp.Reason(u)}] = true
			}
			if dlp.AboutForm(f.Detector) && slices.Contains(dlp.Details(), match.Excerpt) {
				match.Excerpt, match.Detail = "", match.Excerpt
			}
			v.Matches = append(v.Matches, match)
		}
		found = append(found, v.cut())
	}
	slices.SortStableFunc(found, func(a, b findingView) int { return rank(a.Level) - rank(b.Level) })
	for _, u := range rep.Uninspectable {
		if !named[u] {
			unread = append(unread, u)
		}
	}
	return found, unread
}

// unreadAt is why the part that a finding about the form names could not be
// read; empty for findings about content.
func unreadAt(rep dlp.Report, detector string, m dlp.Match) string {
	for _, u := range rep.Uninspectable {
		locked := detector == dlp.DetectorEncrypted && u.Reason == dlp.Encrypted
		if u.Path == m.Path && (locked || detector == dlp.DetectorUninspectable && string(u.Reason) == m.Excerpt) {
			return string(u.Reason)
		}
	}
	return ""
}

// cut keeps the first places and counts the others.
func (f findingView) cut() findingView {
	if n := len(f.Matches); n > shownMatches {
		f.Matches, f.More = f.Matches[:shownMatches], f.More+n-shownMatches
	}
	return f
}

func rank(level string) int { return slices.Index([]string{"high", "medium", "low"}, level) }

// whereOf is the key of the part of the mail a match lies in.
func whereOf(m dlp.Match) string {
	if m.Where == dlp.InHeader && strings.EqualFold(m.Path, "Subject") {
		return "subject"
	}
	return string(m.Where)
}

// placeText makes a path of places readable: "data.zip!/名簿.xlsx#会員!C12"
// becomes "data.zip › 名簿.xlsx › 会員 › C12". The number of a part means
// nothing to people: for the body, "body" is enough.
func placeText(m dlp.Match) string {
	if m.Where == dlp.InBody || whereOf(m) == "subject" {
		return ""
	}
	head, cell, ok := strings.Cut(m.Path, "#")
	out := strings.ReplaceAll(head, "!/", " › ")
	if ok {
		out += " › " + strings.ReplaceAll(cell, "!", " › ")
	}
	return out
}

// whyView is everything a page says about why a mail is where it is.
type whyView struct {
	Reasons  []string
	Ahead    []string // those that still speak of what is to come
	Findings []findingView
	Unread   []dlp.Uninspectable
	Plans    []string // what becomes of the files, keys below "plan."; empty: they stay
	Observed string   // what would have been done, were the mail not only observed
	Rules    []string
}

// why collects the reasons of all recipients, each once.
func (st *staff) why(m *holdqueue.Message, lang words.Lang, content bool) (whyView, error) {
	var w whyView
	for _, r := range m.Recipients {
		v, err := verdictFor(r)
		if err != nil {
			return w, err
		}
		observed := v.Observed != nil
		if observed {
			v = *v.Observed
			if w.Observed == "" || v.Action.StricterThan(policy.Action(w.Observed)) {
				w.Observed = string(v.Action)
			}
		}
		for _, reason := range v.Reasons {
			text := reason.In(string(lang))
			w.Reasons = appendOnce(w.Reasons, text)
			if observed || ahead(r.State) {
				w.Ahead = appendOnce(w.Ahead, text)
			}
		}
		for _, rule := range v.Rules {
			w.Rules = appendOnce(w.Rules, rule)
		}
		w.Plans = appendOnce(w.Plans, planOf(v.Link))
	}
	if !content {
		return w, nil
	}
	rep, err := reportOf(m)
	if err != nil {
		return w, err
	}
	w.Findings, w.Unread = findingsOf(rep)
	return w, nil
}

// planOf is the key of what becomes of the files for one recipient, "" where they stay.
func planOf(l *policy.Link) string {
	switch {
	case l == nil:
		return ""
	case l.ViewOnly:
		return "view"
	case l.UnlessTLS:
		return "tls"
	}
	return "link"
}

// ahead says whether the reasons of a verdict still speak of what is to come:
// "sent after 5 minutes" is wrong as soon as the mail has left or was taken back.
func ahead(s holdqueue.State) bool {
	switch s {
	case holdqueue.Received, holdqueue.Held, holdqueue.Delayed, holdqueue.Refused:
		return true
	}
	return false
}

func appendOnce(list []string, s string) []string {
	if s == "" || slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// blind says whether a recipient stands in the envelope only (Bcc).
func blind(m *holdqueue.Message, a mailaddr.Address) bool {
	same := func(h mailaddr.Address) bool { return h.Key() == a.Key() }
	return !slices.ContainsFunc(m.Meta.HeaderTo, same) && !slices.ContainsFunc(m.Meta.HeaderCc, same)
}

// headerOnly are the addresses that stand in the header and that nothing is
// sent to through us: shown, because people believe they write to them.
func headerOnly(m *holdqueue.Message) []mailaddr.Address {
	var out []mailaddr.Address
	for _, h := range slices.Concat(m.Meta.HeaderTo, m.Meta.HeaderCc) {
		sent := slices.ContainsFunc(m.Recipients, func(r *holdqueue.Recipient) bool { return r.Address.Key() == h.Key() })
		if !sent && !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	return out
}
