package detect

import (
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/sekisho-mail/sekisho/submission/dlp/internal/fold"
)

// Limits of a signature. A list of customers between two rules is none.
const (
	signatureLines  = 16
	signatureNumber = 5 // phones and faxes
)

type line struct{ start, end int }

// quiet finds quoted replies and the signature of the sender in a mail. What is
// forwarded is not quiet: it goes to people who have not seen it.
func quiet(s string, personal []int) []fold.Span {
	lines := linesOf(s)
	var out []fold.Span
	end := len(lines) // the sender's own text
	for i := 0; i < len(lines); i++ {
		if replyBegins(s, lines, i) {
			end = i
			break
		}
	}
	if sig := signature(s, lines[:end], personal); sig >= 0 {
		stop := lastOwn(s, lines[:end], sig)
		out = appendQuotes(out, s, lines[:sig])
		out = append(out, fold.Span{Start: lines[sig].start, End: lines[stop-1].end})
	} else {
		out = appendQuotes(out, s, lines[:end])
	}
	if end < len(lines) {
		out = append(out, fold.Span{Start: lines[end].start, End: len(s)})
	}
	return out
}

func linesOf(s string) []line {
	out := make([]line, 0, strings.Count(s, "\n")+1)
	for at := 0; at <= len(s); {
		n := strings.IndexByte(s[at:], '\n')
		if n < 0 {
			return append(out, line{at, len(s)})
		}
		out = append(out, line{at, at + n})
		at += n + 1
	}
	return out
}

func (l line) of(s string) string { return strings.TrimSpace(s[l.start:l.end]) }

// appendQuotes adds the lines quoted with > or |.
func appendQuotes(out []fold.Span, s string, lines []line) []fold.Span {
	for _, l := range lines {
		if quoted(l.of(s)) {
			out = append(out, fold.Span{Start: l.start, End: l.end})
		}
	}
	return out
}

func quoted(text string) bool {
	return strings.HasPrefix(text, ">") || strings.HasPrefix(text, "| ") && strings.Count(text, "|") == 1
}

// replyBegins says whether everything from line i on is an earlier mail: the
// separators and introductions of Outlook, Gmail, Apple Mail and Thunderbird.
func replyBegins(s string, lines []line, i int) bool {
	text := lines[i].of(s)
	if text == "" || len(text) > 300 || !strings.Contains(text, ":") && !strings.HasPrefix(text, "--") && !strings.HasPrefix(text, "__") {
		return false
	}
	low := strings.ToLower(text)
	if strings.HasPrefix(text, "--") || strings.HasPrefix(text, "__") {
		bare := strings.Trim(low, "-_ ")
		switch bare {
		case "original message", "元のメッセージ", "元のメール", "オリジナルメッセージ", "original appointment", "返信元メッセージ", "返信元メール":
			return true
		case "":
			return strings.HasPrefix(text, "____") && headerBlock(s, lines, i+1)
		}
		return false
	}
	if headerBlock(s, lines, i) {
		return true
	}
	after := i + 1
	if after < len(lines) {
		switch next := strings.ToLower(lines[after].of(s)); next {
		case ":", "wrote:", "のメール:": // the introduction was wrapped
			low, after = low+" "+next, after+1
		}
	}
	return introduces(low) && (dated(low) || after < len(lines) && repliedBelow(s, lines[after:]))
}

// dated says that an introduction names a day and who wrote: what follows is
// theirs also where nothing marks it line by line.
func dated(low string) bool {
	return digits(low) >= 7 && (strings.HasPrefix(low, "on ") && strings.HasSuffix(low, "wrote:") ||
		strings.Contains(low, "年") && strings.Contains(low, "月") && strings.Contains(low, "@"))
}

// introduces: "On ..., X wrote:", "2025年11月26日(水) 10:30 山田太郎 <a@b>:", "...のメール:".
func introduces(low string) bool {
	if !strings.HasSuffix(low, ":") {
		return false
	}
	return strings.HasPrefix(low, "on ") && strings.HasSuffix(low, "wrote:") ||
		strings.HasSuffix(low, "のメール:") || strings.HasSuffix(low, "さんは書きました:") || strings.HasSuffix(low, "wrote:") ||
		strings.Contains(low, "@") && strings.Contains(low, "年") && digits(low) >= 8
}

// repliedBelow says that quoted lines follow an introduction, or nothing that
// contradicts it.
func repliedBelow(s string, lines []line) bool {
	for _, l := range lines {
		if text := l.of(s); text != "" {
			return quoted(text)
		}
	}
	return false
}

// headerBlock says whether the header of an earlier mail, as Outlook writes it,
// begins at line i. A forwarded one is announced by the line before.
func headerBlock(s string, lines []line, i int) bool {
	found := 0
	for j := i; j < len(lines) && j < i+7; j++ {
		text := strings.TrimLeft(lines[j].of(s), "*")
		if text == "" && found == 0 && j < i+2 {
			continue
		}
		if headerName(text) {
			found++
		}
		if found == 0 {
			return false
		}
	}
	return found >= 3 && !forwarded(s, lines, i)
}

// headerName says whether a line begins as a field of a mail header does.
func headerName(text string) bool {
	name, _, ok := strings.Cut(text[:min(len(text), 30)], ":")
	if !ok {
		return false
	}
	low := strings.ToLower(strings.ReplaceAll(name, " ", "")) + ":"
	for _, name := range []string{"from:", "sent:", "to:", "cc:", "subject:", "date:", "差出人:", "送信日時:", "宛先:", "件名:", "日時:", "送信者:", "送信元:"} {
		if strings.HasPrefix(low, name) {
			return true
		}
	}
	return false
}

func forwarded(s string, lines []line, i int) bool {
	for j := i - 1; j >= 0 && j >= i-10; j-- {
		low := strings.ToLower(lines[j].of(s))
		if strings.Contains(low, "forwarded message") || strings.Contains(low, "転送") || strings.Contains(low, "fwd") {
			return true
		}
		if low != "" && !headerName(low) {
			return false
		}
	}
	return false
}

// signature is the index of the line where the sender's signature begins, -1
// for none: after "-- ", after a rule of signs, or after the closing phrase.
func signature(s string, lines []line, personal []int) int {
	stop := lastOwn(s, lines, 0)
	from := max(0, stop-2*signatureLines)
	for i := from; i < stop; i++ {
		text := lines[i].of(s)
		if text == "--" || closing(text) || rule(text) {
			if begin := i + 1; begin < stop && signs(s, lines[begin:stop]) && !record(s, lines, begin, stop, personal) {
				return begin
			}
		}
	}
	return unruled(s, lines[:stop], personal)
}

// unruled finds a signature that nothing sets off but an empty line: the last
// paragraph, with one company and a way to reach it. -1 for none.
func unruled(s string, lines []line, personal []int) int {
	begin := len(lines)
	for begin > 0 && lines[begin-1].of(s) != "" {
		begin--
	}
	if begin == 0 || begin == len(lines) || len(lines)-begin < 3 {
		return -1
	}
	companies, contact := 0, false
	for _, l := range lines[begin:] {
		text := strings.ToLower(l.of(s))
		for _, mark := range []string{"様", "殿", "御中", "さん"} {
			if strings.HasSuffix(text, mark) {
				return -1 // somebody else's
			}
		}
		for _, mark := range []string{"株式会社", "有限会社", "合同会社", "(株)", "(有)", " inc", " ltd", " corp", " llc", " co.", " k.k", "gmbh"} {
			if strings.Contains(text, mark) {
				companies++
				break
			}
		}
		for _, mark := range []string{"tel", "電話", "fax", "mobile", "phone", "携帯", "http", "www.", "@"} {
			contact = contact || strings.Contains(text, mark)
		}
	}
	if companies != 1 || !contact || !signs(s, lines[begin:]) || record(s, lines, begin, len(lines), personal) {
		return -1
	}
	return begin
}

// lastOwn is the number of lines up to the last one that is neither empty nor quoted.
func lastOwn(s string, lines []line, floor int) int {
	n := len(lines)
	for n > floor+1 {
		if text := lines[n-1].of(s); text != "" && !quoted(text) {
			break
		}
		n--
	}
	return n
}

// rule: a line of signs, as Japanese signatures begin and end with.
func rule(text string) bool {
	if utf8.RuneCountInString(text) < 5 {
		return false
	}
	if titled(text) {
		return true
	}
	kinds := map[rune]int{}
	for _, r := range text {
		if r == ' ' {
			continue
		}
		if r > 0x3040 && r < 0xA000 && r != '〓' && r != 'ー' || letterRune(r) {
			return false
		}
		kinds[r]++
	}
	return len(kinds) <= 4
}

// titled: ------ 山田商事 ------, a rule on both sides of a few words.
func titled(text string) bool {
	r, _ := utf8.DecodeRuneInString(text)
	if nameRune(r) || letterRune(r) {
		return false
	}
	sign := string(r)
	words := strings.Trim(text, sign)
	for _, w := range []string{"forward", "fwd", "転送", "message", "メッセージ"} {
		if strings.Contains(strings.ToLower(words), w) {
			return false // what is forwarded is no signature
		}
	}
	return strings.HasPrefix(text, strings.Repeat(sign, 4)) && strings.HasSuffix(text, strings.Repeat(sign, 4)) && words != "" && len(words) < 60
}

func letterRune(r rune) bool {
	return r < utf8.RuneSelf && alnum(byte(r))
}

// closing phrases after which only the signature follows.
func closing(text string) bool {
	low := strings.ToLower(strings.TrimRight(text, ",.。!、 "))
	switch low {
	case "regards", "best regards", "kind regards", "warm regards", "sincerely", "yours sincerely", "best", "cheers", "thanks", "thank you",
		"many thanks", "敬具", "以上", "草々":
		return true
	}
	for _, end := range []string{"お願いいたします", "お願い致します", "お願いします", "お願い申し上げます", "お願い申しあげます", "よろしくです", "失礼いたします", "失礼します"} {
		if strings.HasSuffix(low, end) {
			return true
		}
	}
	return false
}

// signs says whether the lines look like a signature: few, with a way to reach
// the sender, and not a list of people.
func signs(s string, lines []line) bool {
	filled, contact, numbers, ats := 0, false, 0, 0
	for _, l := range lines {
		text := l.of(s)
		if text == "" {
			continue
		}
		filled++
		low := strings.ToLower(text)
		for _, mark := range []string{"tel", "電話", "fax", "@", "http", "www.", "〒", "株式会社", "(株)", "mobile", "携帯", "phone", "inc.", "ltd", "部", "課"} {
			contact = contact || strings.Contains(low, mark)
		}
		ats += strings.Count(text, "@")
		for _, chain := range chains(text) {
			n := 0
			for _, g := range chain {
				n += g.size()
			}
			if n >= 9 {
				numbers++
			}
		}
	}
	return contact && filled <= signatureLines && numbers <= signatureNumber && ats <= 3
}

// record says that the lines are an entry of a list rather than a signature: the
// field they begin with stands in an earlier entry, too, or they hold what nobody
// signs with, a date of birth or an account.
func record(s string, lines []line, begin, stop int, personal []int) bool {
	if i := sort.SearchInts(personal, lines[begin].start); i < len(personal) && personal[i] < lines[stop-1].end {
		return true
	}
	field := ""
	for _, l := range lines[begin:stop] {
		if text := l.of(s); text != "" {
			field = fieldOf(text)
			break
		}
	}
	if field == "" {
		return false
	}
	for _, l := range lines[max(0, begin-40):begin] {
		if fieldOf(l.of(s)) == field {
			return true
		}
	}
	return false
}

// fieldOf is the name of a field in its usual forms: 氏名：..., 【氏名】..., ・氏名 ....
func fieldOf(text string) string {
	text = strings.TrimLeft(text, " ・*■□●○◆◇-")
	end := -1
	if strings.HasPrefix(text, "【") || strings.HasPrefix(text, "[") {
		end = strings.IndexAny(text, "】]")
	} else {
		end = strings.IndexAny(text, ": =\t")
	}
	switch {
	case end < 0 && len(text) <= 24:
		return text // 氏名, with its value in the next line
	case end <= 0 || end > 40:
		return ""
	}
	return text[:end]
}

// personal are the places of labels that stand in no signature.
func (p *page) personal() []int {
	var out []int
	for _, h := range p.hits {
		switch h.kind {
		case kBirth, kMyNumber, kLicence, kPassport, kResidence, kInsurer, kInsured, kPension, kEmployment, kResident, kCard, kSSN, kNINO:
			out = append(out, h.start)
		}
	}
	return out
}
