package linkify

import (
	"fmt"
	"html"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// urlMark stands for the link's address in a kept notice. The token itself is not kept, and a control
// character cannot come from a file name (see cleanName).
const urlMark = "\x01"

const (
	maxNoticeName  = 120 // characters of a file name shown in a notice
	maxNoticeFiles = 50  // files named in a notice; the page shows all
)

// letterhead is what a notice says, in the order in which it says it.
type letterhead struct {
	files   []File
	access  Access
	expires time.Time // in the company's zone
	// viewOnly: the files are shown, and not handed out.
	viewOnly bool
}

// notice is what stands above the sender's text (DESIGN 7.17): Japanese, one line of English, the address of
// the page written out, so that the reader sees where it leads before opening it.
func (h letterhead) notice() Notice {
	return Notice{Text: h.text(), HTML: h.html(), English: h.english()}
}

const rule = "----------------------------------------------------------------------"

func (h letterhead) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n", rule, h.lead())
	named, more := h.named()
	for _, f := range named {
		fmt.Fprintf(&b, "・%s（%s）\n", noticeName(f.Name), SizeText(f.Size))
	}
	if more > 0 {
		fmt.Fprintf(&b, "・ほか%d件\n", more)
	}
	fmt.Fprintf(&b, "%s\n", urlMark)
	for _, s := range h.facts() {
		fmt.Fprintf(&b, "%s\n", s)
	}
	fmt.Fprintf(&b, "%s\n%s\n", h.englishLine(), rule)
	return b.String()
}

func (h letterhead) lead() string {
	if h.viewOnly {
		return "このメールの添付ファイルは、次のページでご覧いただけます（閲覧のみ）。"
	}
	return "このメールの添付ファイルは、次のページからダウンロードしていただけます。"
}

func (h letterhead) facts() []string {
	out := []string{fmt.Sprintf("期限：%sまで。会員登録は不要です。", DateTimeText(h.expires))}
	before := "ダウンロードの前に"
	if h.viewOnly {
		before = "ご覧いただく前に"
	}
	switch h.access {
	case AccessCode:
		out = append(out, before+"、確認コードをこのメールアドレスあてにお送りします。")
	case AccessPassword:
		out = append(out, "必要なパスワードは、差出人より別の方法でお伝えします。")
	case AccessAccount:
		out = append(out, before+"、このメールアドレスのアカウントでサインインしていただきます。")
	}
	return append(out, "開けないときは、このメールにご返信ください。")
}

func (h letterhead) englishLine() string {
	return fmt.Sprintf("The attached files can be %s the page above until %s.", h.englishVerb(), englishDate(h.expires)) + h.englishAccess()
}

func (h letterhead) englishVerb() string {
	if h.viewOnly {
		return "looked at on"
	}
	return "downloaded from"
}

// englishAccess says what will be asked for; "" when nothing.
func (h letterhead) englishAccess() string {
	switch h.access {
	case AccessCode:
		return " A one-time code will be sent to this address."
	case AccessPassword:
		return " The sender will give you the password by another channel."
	case AccessAccount:
		return " Please sign in with the account of this address."
	}
	return ""
}

// html is a fragment that mail programs show with their own fonts; everything from the mail is escaped.
func (h letterhead) html() string {
	var b strings.Builder
	b.WriteString(`<div style="border:1px solid #767676;padding:12px;margin:0 0 16px 0;">` + "\n")
	fmt.Fprintf(&b, "<p style=\"margin:0 0 8px 0;\">%s</p>\n<ul style=\"margin:0 0 8px 0;\">\n", h.lead())
	named, more := h.named()
	for _, f := range named {
		fmt.Fprintf(&b, "<li>%s（%s）</li>\n", html.EscapeString(noticeName(f.Name)), SizeText(f.Size))
	}
	if more > 0 {
		fmt.Fprintf(&b, "<li>ほか%d件</li>\n", more)
	}
	fmt.Fprintf(&b, "</ul>\n<p style=\"margin:0 0 8px 0;\"><a href=\"%s\">%s</a></p>\n", urlMark, urlMark)
	fmt.Fprintf(&b, "<p style=\"margin:0 0 8px 0;\">%s</p>\n", strings.Join(h.facts(), "<br>\n"))
	fmt.Fprintf(&b, "<p style=\"margin:0;\" lang=\"en\">%s</p>\n</div>\n", h.englishLine())
	return b.String()
}

// english is the whole notice in ASCII, for a body whose charset has no Japanese. A name that ASCII cannot
// write is numbered instead; the page shows it as it is.
func (h letterhead) english() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nThe files attached to this mail can be %s this page:\n", rule, h.englishVerb())
	named, more := h.named()
	for i, f := range named {
		fmt.Fprintf(&b, "- %s (%s)\n", asciiName(noticeName(f.Name), i+1), SizeText(f.Size))
	}
	if more > 0 {
		fmt.Fprintf(&b, "- and %d more\n", more)
	}
	fmt.Fprintf(&b, "%s\nIt is open until %s. No registration is needed.\n", urlMark, englishDate(h.expires))
	if s := h.englishAccess(); s != "" {
		b.WriteString(strings.TrimSpace(s) + "\n")
	}
	fmt.Fprintf(&b, "If it does not open, please reply to this mail.\n%s\n", rule)
	return b.String()
}

// named are the files that the notice lists, and how many it only counts.
func (h letterhead) named() (files []File, more int) {
	if len(h.files) <= maxNoticeFiles {
		return h.files, 0
	}
	return h.files[:maxNoticeFiles], len(h.files) - maxNoticeFiles
}

func asciiName(name string, number int) string {
	for i := 0; i < len(name); i++ {
		if name[i] >= utf8.RuneSelf {
			ext := ""
			if dot := strings.LastIndexByte(name, '.'); dot > i && len(name)-dot <= 6 {
				ext = name[dot:]
			}
			return fmt.Sprintf("file %d%s", number, ext)
		}
	}
	return name
}

// fill puts the address of the page where the mark stands.
func (n Notice) fill(address string) Notice {
	return Notice{
		Text:    strings.ReplaceAll(n.Text, urlMark, address),
		HTML:    strings.ReplaceAll(n.HTML, urlMark, html.EscapeString(address)),
		English: strings.ReplaceAll(n.English, urlMark, address),

		Paperclip: n.Paperclip,
	}
}

// cleanName makes a file name from a mail fit to be shown and saved: one line, no path, nothing invisible and
// nothing that reverses the reading order (a right-to-left mark lets "fdp.exe" look like "exe.pdf").
func cleanName(name string) string {
	name = strings.ToValidUTF8(name, "\uFFFD")
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.Map(func(r rune) rune {
		switch {
		case invisible(r), r == '\uFFFD':
			return -1
		case unicode.IsSpace(r) && r != '\u3000': // U+00A0 and its like
			return ' '
		}
		return r
	}, name)
	// A dot in front hides a file, one behind is dropped by Windows, and so hides the true ending.
	if name = strings.Trim(name, ". \u3000"); name == "" {
		return "attachment"
	}
	return shorten(name, 200)
}

// invisible are characters that change how a line reads without being seen: controls, marks of direction,
// line and paragraph separators.
func invisible(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029'
}

// noticeName keeps a line of the notice a line.
func noticeName(name string) string { return shorten(name, maxNoticeName) }

// shorten cuts in the middle, so that the ending that says what a file is stays.
func shorten(name string, most int) string {
	r := []rune(name)
	if len(r) <= most {
		return name
	}
	tail := min(20, most/3)
	return string(r[:most-tail-1]) + "…" + string(r[len(r)-tail:])
}

// SizeText is a size as people say it: "812 B", "34 KB", "1.2 MB".
func SizeText(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n), ""
	for _, unit = range []string{"KB", "MB", "GB", "TB"} {
		if v /= 1024; v < 1023.5 {
			break
		}
	}
	if v < 9.95 {
		return fmt.Sprintf("%.1f %s", v, unit)
	}
	return fmt.Sprintf("%.0f %s", v, unit)
}

// DateTimeText is a time as a Japanese reader expects it: "2026年12月5日（土）23:59".
func DateTimeText(t time.Time) string {
	day := []string{"日", "月", "火", "水", "木", "金", "土"}[t.Weekday()]
	return fmt.Sprintf("%d年%d月%d日（%s）%02d:%02d", t.Year(), t.Month(), t.Day(), day, t.Hour(), t.Minute())
}

// englishDate names the zone by its offset: abbreviations such as JST or CST mean different things to
// readers abroad.
func englishDate(t time.Time) string { return t.Format("2 January 2006, 15:04 (UTC-07:00)") }

// lastMinute is 23:59 of the day, in the company's zone, that lies life after from. The link answers through
// that minute.
func lastMinute(from time.Time, life time.Duration, zone *time.Location) time.Time {
	const day = 24 * time.Hour
	// Whole days are counted in the calendar, because a day of summer time's end has 25 hours.
	d := from.In(zone).AddDate(0, 0, int(life/day)).Add(life % day)
	return time.Date(d.Year(), d.Month(), d.Day(), 23, 59, 59, 0, zone)
}
