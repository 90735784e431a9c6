package approval

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/template"
	"time"
	"unicode"
)

//go:embed notices
var noticeFiles embed.FS

// kind of a notice; the name of its file.
type kind string

const (
	noteHeld       kind = "held"
	noteAskSender  kind = "ask_sender"
	noteWaiting    kind = "waiting"
	noteQuestion   kind = "question"
	noteReminder   kind = "reminder"
	noteEscalation kind = "escalation"
	noteApproved   kind = "approved"
	noteRejected   kind = "rejected"
	noteExpired    kind = "expired"
	noteStopped    kind = "stopped"
	noteCancelled  kind = "cancelled"
	noteRefused    kind = "refused"
	noteNoted      kind = "noted"
	noteAlarm      kind = "alarm"
)

// The languages people read.
const (
	langJA = "ja"
	langEN = "en"
)

// notice is everything a notice may say. Every text of it is one line, but
// Comment.
type notice struct {
	Subject    string // of the held mail, masked
	Sender     string
	Reasons    []string
	Recipients []string
	Count      string // "社外2名"
	Outside    bool   // somebody outside is among the recipients
	Holders    []string
	URL        string
	Expires    time.Time
	Release    time.Time
	Since      time.Time
	At         time.Time
	By         string
	Comment    string
	Released   []string
	Remaining  []string
	Enclosed   bool // the returned mail is attached
	Further    bool // another stage follows the sender's
	NoManager  bool
	NoApprover bool
	Deputy     bool
	Others     bool // more than one person is asked
	Rules      []string
	Own        bool // the reader sent the mail
	Stopped    bool // not every recipient of the notice gets the mail by itself
	Waits      bool // it can still be cancelled
	Cause      string
	Earlier    int
	Lines      []string
}

// texts are the notices of all languages, parsed.
type texts struct {
	byLanguage map[string]*template.Template
}

func loadTexts(zone *time.Location) (*texts, error) {
	t := &texts{byLanguage: map[string]*template.Template{}}
	for _, language := range []string{langJA, langEN} {
		set, err := template.New(language).Funcs(noticeWords(language, zone)).Option("missingkey=error").
			ParseFS(noticeFiles, "notices/"+language+"/*")
		if err != nil {
			return nil, fmt.Errorf("notices: %w", err)
		}
		t.byLanguage[language] = set
	}
	return t, nil
}

func noticeWords(language string, zone *time.Location) template.FuncMap {
	return template.FuncMap{
		"join": strings.Join,
		"list": func(items []string) string {
			mark := "・"
			if language == langEN {
				mark = "- "
			}
			var b strings.Builder
			for _, s := range items {
				b.WriteString(mark + s + "\n")
			}
			return b.String()
		},
		"quote": func(s string) string {
			return "> " + strings.ReplaceAll(s, "\n", "\n> ") + "\n"
		},
		"when":  func(t time.Time) string { return longTime(language, t.In(zone)) },
		"short": func(t time.Time) string { return shortTime(language, t.In(zone)) },
	}
}

func longTime(language string, t time.Time) string {
	if language == langEN {
		return t.Format("Mon 2 Jan 15:04")
	}
	weekday := []string{"日", "月", "火", "水", "木", "金", "土"}[t.Weekday()]
	return fmt.Sprintf("%d月%d日（%s）%s", t.Month(), t.Day(), weekday, t.Format("15:04"))
}

func shortTime(language string, t time.Time) string {
	if language == langEN {
		return t.Format("2 Jan 15:04")
	}
	return fmt.Sprintf("%d日%s", t.Day(), t.Format("15:04"))
}

// countText says how many recipients there are outside and inside.
func countText(language string, outside, inside int) string {
	words := []string{"社外", "名", "社内", "名", "・"}
	if language == langEN {
		words = []string{"", " outside", "", " inside", ", "}
	}
	var parts []string
	if outside > 0 {
		parts = append(parts, words[0]+strconv.Itoa(outside)+words[1])
	}
	if inside > 0 {
		parts = append(parts, words[2]+strconv.Itoa(inside)+words[3])
	}
	return strings.Join(parts, words[4])
}

// write gives the subject and the text of a notice.
func (t *texts) write(language string, k kind, n notice) (subject, text string, err error) {
	set, ok := t.byLanguage[language]
	if !ok {
		set = t.byLanguage[langJA]
	}
	var b bytes.Buffer
	if err := set.ExecuteTemplate(&b, string(k)+".txt", n); err != nil {
		return "", "", fmt.Errorf("write notice %s: %w", k, err)
	}
	first, body, _ := strings.Cut(b.String(), "\n")
	subject, ok = strings.CutPrefix(first, "Subject: ")
	if !ok {
		return "", "", errors.New("write notice " + string(k) + ": no subject")
	}
	return oneLine(subject), tidy(body), nil
}

// tidy makes one empty line of several, and no white space at the ends.
func tidy(s string) string {
	var out []string
	for line := range strings.SplitSeq(s, "\n") {
		line = strings.TrimRightFunc(line, unicode.IsSpace)
		if line == "" && (len(out) == 0 || out[len(out)-1] == "") {
			continue
		}
		out = append(out, line)
	}
	return strings.TrimSpace(strings.Join(out, "\n")) + "\n"
}

// longestQuote bounds a held mail's subject inside ours, in characters.
const longestQuote = 60

// quotable prepares a held mail's subject for a notice: one line, no invisible
// characters, bounded, and long numbers masked, because what was found in a
// mail often stands in its subject too.
func quotable(subject string) string {
	s := []rune(maskNumbers(oneLine(subject)))
	if len(s) > longestQuote {
		s = append(s[:longestQuote-1], '…')
	}
	return string(s)
}

// oneLine takes out line breaks, control characters and the marks that turn
// text around or cannot be seen.
func oneLine(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == '\u2028', r == '\u2029':
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// maskedDigits is the shortest number to mask: bank accounts have seven.
const maskedDigits = 7

// maskNumbers replaces every number of seven and more digits, grouped or not, that is no date.
func maskNumbers(s string) string {
	runes := []rune(s)
	var out []rune
	for i := 0; i < len(runes); {
		end, digits := number(runes, i)
		if digits >= maskedDigits && !isDate(string(runes[i:end])) {
			out = append(out, []rune("****")...)
			i = end
			continue
		}
		end = max(end, i+1)
		out = append(out, runes[i:end]...)
		i = end
	}
	return string(out)
}

// isDate knows the dates that subjects are full of: 2026/11/21, 2026-11-21, 20261121.
func isDate(s string) bool {
	for _, form := range []string{"2006/1/2", "2006-1-2", "2006.1.2", "20060102"} {
		if t, err := time.Parse(form, s); err == nil && t.Year() >= 1990 && t.Year() < 2100 {
			return true
		}
	}
	return false
}

// number measures the number at i: digits with at most one separator between
// two of them.
func number(s []rune, i int) (end, digits int) {
	end = i
	for j := i; j < len(s); j++ {
		switch {
		case unicode.IsDigit(s[j]):
			digits++
			end = j + 1
		case digits > 0 && j == end && strings.ContainsRune(" -‐‑‒–—−－ー・./／()（）　", s[j]):
		default:
			return end, digits
		}
	}
	return end, digits
}
