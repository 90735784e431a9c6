package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/yamlfile"
	"github.com/sekisho-mail/sekisho/submission/dlp"
	"github.com/sekisho-mail/sekisho/submission/policy"
	"github.com/sekisho-mail/sekisho/web/words"
)

// shownMatches is how many places of one finding a person is shown.
const shownMatches = 5

// speech is a language with its words.
type speech struct {
	words *words.Catalogue
	lang  words.Lang
}

func speechOf(language string) (speech, error) {
	c, err := words.Load()
	if err != nil {
		return speech{}, fmt.Errorf("load words: %w", err)
	}
	lang, ok := words.Parse(language)
	if !ok {
		lang = words.Japanese
	}
	return speech{c, lang}, nil
}

func (s speech) say(key string, pairs ...any) string { return s.words.Text(s.lang, key, pairs...) }

// or is the text of a key, or the code itself where there are no words for it.
func (s speech) or(prefix, code string) string {
	if s.words.Has(prefix + code) {
		return s.say(prefix + code)
	}
	return printable(code)
}

// delay writes a round duration: 5m, 5分.
func (s speech) delay(d time.Duration) string {
	text := yamlfile.Duration(d).String()
	if s.lang == words.Japanese {
		return strings.NewReplacer("d", "日", "h", "時間", "m", "分", "s", "秒").Replace(text)
	}
	return text
}

// colon stands between a thing and what is said of it.
func (s speech) colon() string {
	if s.lang == words.Japanese {
		return "："
	}
	return ": "
}

// sheet is where one result is written for a person.
type sheet struct {
	scanned
	speech
	paint
	b bytes.Buffer
}

// write prints a result for people: what was found and where, what could not
// be looked into, what was looked into, then what would happen to whom and why.
func (s scanned) write(w io.Writer) error {
	speech, err := speechOf(s.language)
	if err != nil {
		return err
	}
	p := &sheet{scanned: s, speech: speech, paint: newPaint(w)}
	fmt.Fprintf(&p.b, "%s  %s\n", p.bold(printable(s.file)), p.faint(fmt.Sprintf("%d ms", s.took.Milliseconds())))
	if len(s.report.Findings)+len(s.report.Uninspectable) == 0 {
		p.b.WriteString("  " + p.green(p.say("scan.nothing")) + "\n")
	}
	for _, f := range s.report.Findings {
		if !s.listedBelow(f) {
			p.finding(f)
		}
	}
	p.unread()
	p.carriers()
	if s.verdict != nil {
		p.recipients()
	}
	_, err = w.Write(p.b.Bytes())
	return err
}

// listedBelow: what could not be read has lines of its own.
func (s scanned) listedBelow(f dlp.Finding) bool {
	return len(s.report.Uninspectable) > 0 && (f.Detector == dlp.DetectorUninspectable || f.Detector == dlp.DetectorEncrypted)
}

func (s *sheet) finding(f dlp.Finding) {
	level := s.say("scan.level." + f.Level.String())
	if s.lang == words.English {
		level = fmt.Sprintf("%-6s", level)
	}
	switch f.Level {
	case dlp.High:
		level = s.red(level)
	case dlp.Medium:
		level = s.yellow(level)
	default:
		level = s.faint(level)
	}
	fmt.Fprintf(&s.b, "  %s  %s × %d  %s\n", level, policy.DetectorName(f.Detector, s.language), f.Count, s.faint(f.Detector))
	for i, m := range f.Matches {
		if i == shownMatches {
			fmt.Fprintf(&s.b, "          %s\n", s.faint(s.say("scan.places_more", "n", len(f.Matches)-i)))
			break
		}
		excerpt := printable(m.Excerpt)
		if dlp.AboutForm(f.Detector) {
			excerpt = s.or("detail.", m.Excerpt)
		}
		fmt.Fprintf(&s.b, "          %s  %s\n", s.faint(s.place(m)), excerpt)
	}
}

func (s *sheet) place(m dlp.Match) string {
	switch {
	case m.Where == dlp.InAttachment:
		return printable(m.Path)
	case m.Path == "":
		return s.say("scan.mail")
	}
	return s.say("where."+string(m.Where)) + " " + printable(m.Path)
}

func (s *sheet) unread() {
	for _, u := range s.report.Uninspectable {
		path := printable(u.Path)
		if u.Path == "" {
			path = s.say("scan.mail")
		}
		fmt.Fprintf(&s.b, "  %s  %s%s%s\n", s.yellow(s.say("scan.unread")), path, s.colon(), s.or("unread.", string(u.Reason)))
	}
}

func (s *sheet) recipients() {
	if len(s.verdict.Recipients) == 0 {
		s.b.WriteString("  " + s.yellow(s.say("scan.no_recipients")) + "\n")
	}
	for _, r := range s.verdict.Recipients {
		fmt.Fprintf(&s.b, "  → %s  %s\n", printable(r.Address), s.summary(r))
		for _, reason := range r.Reasons {
			fmt.Fprintf(&s.b, "      %s  %s\n", reason.In(s.language), s.faint(reason.Rule))
		}
	}
	if watched := watchedRules(*s.verdict); len(watched) > 0 {
		fmt.Fprintf(&s.b, "  %s\n", s.faint(s.say("scan.watched", "rules", strings.Join(watched, ", "))))
	}
}

// summary is one line: HOLD (asks manager), after 5m, attachments as links.
func (s *sheet) summary(r policy.RecipientVerdict) string {
	parts := []string{s.action(r)}
	if r.Delay > 0 && r.Action != policy.Refuse {
		parts = append(parts, s.say("scan.after", "delay", s.delay(r.Delay)))
	}
	if r.Link != nil && r.Link.Access == policy.Code {
		parts = append(parts, s.say("scan.links_code"))
	} else if r.Link != nil {
		parts = append(parts, s.say("scan.links"))
	}
	if r.Link != nil && r.Link.UnlessTLS {
		parts = append(parts, s.say("scan.unless_tls"))
	}
	if r.Link != nil && r.Link.ViewOnly {
		parts = append(parts, s.say("scan.view_only"))
	}
	if s.lang == words.Japanese {
		return strings.Join(parts, "、")
	}
	return strings.Join(parts, ", ")
}

func (s *sheet) action(r policy.RecipientVerdict) string {
	switch r.Action {
	case policy.Refuse:
		return s.red(s.say("scan.refuse"))
	case policy.Hold:
		asks := s.say("scan.asks", "who", s.stages(r.Stages))
		if s.lang == words.Japanese {
			return s.red(s.say("scan.hold")) + "（" + asks + "）"
		}
		return s.red(s.say("scan.hold")) + " (" + asks + ")"
	case policy.Delay:
		return s.yellow(s.say("scan.send"))
	}
	if r.Delay > 0 {
		return s.green(s.say("scan.send"))
	}
	if s.lang == words.Japanese {
		return s.say("scan.at_once") + s.green(s.say("scan.send"))
	}
	return s.green(s.say("scan.send")) + " " + s.say("scan.at_once")
}

// stages: "sender, then 2 of manager or group:legal".
func (s speech) stages(all []policy.Stage) string {
	var parts []string
	for _, stage := range all {
		who := strings.Join(stage.Approvers, " "+s.say("scan.or")+" ")
		if stage.Quorum > 1 {
			who = s.say("scan.quorum", "n", stage.Quorum, "who", who)
		}
		parts = append(parts, who)
	}
	then := s.say("scan.then")
	if s.lang == words.English {
		then += " "
	}
	return strings.Join(parts, then)
}
