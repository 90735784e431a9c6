package detect

import (
	"strings"
	"unicode/utf8"
)

// Names that no list of labels foresees: beside what people are called in a form
// (申込者, 連帯保証人), in columns that hold mostly names, and at the head of a line
// with something else of the same person.

// roles are the last characters of what a form calls people by.
const roles = "者人員主客徒童手師医親妻夫父母様"

// role says that a label calls a person something: 相続人, 同行者名, 主治医.
func role(label string) bool {
	label = strings.Trim(label, " \"・*■□●○◆◇※★-:0123456789.")
	if note := strings.IndexAny(label, "(["); note > 0 {
		label = strings.TrimSpace(label[:note])
	}
	switch label {
	case "宛名", "芳名", "ご芳名", "予約名", "ご予約名", "子", "長男", "長女", "次男", "次女", "父兄", "研修生", "受講生", "卒業生", "学生", "先生":
		return true
	}
	if n := utf8.RuneCountInString(label); n < 2 || n > 12 {
		return false
	}
	for _, r := range label {
		if !nameRune(r) && r != '・' && r != '/' {
			return false
		}
	}
	for _, end := range []string{"氏名", "名"} {
		label = strings.TrimSuffix(label, end)
	}
	r, _ := utf8.DecodeLastRuneInString(label)
	return strings.ContainsRune(roles, r)
}

// fullName says that text is a surname and a given name, one of them in the book
// and the other written like one.
func (b *nameBook) fullName(text string) bool {
	text = strings.TrimSpace(text)
	for _, t := range titles {
		text = strings.TrimSpace(strings.TrimSuffix(text, t))
	}
	if surname, given, ok := strings.Cut(text, " "); ok {
		if strings.Contains(given, " ") || !ideographs(surname, 5) || office(surname) || !likeGiven(given) {
			return false
		}
		return b.surnames[surname] || b.given[given] || utf8.RuneCountInString(surname) <= 3 && utf8.RuneCountInString(given) <= 3 && endsGiven(given)
	}
	if utf8.RuneCountInString(text) > 8 {
		return false
	}
	for k := 1; k <= 5; k++ {
		at := ahead(text, 0, k)
		given := text[at:]
		if given == "" || !ideographs(text[:at], 5) {
			return false
		}
		if k <= 3 && b.surnames[text[:at]] && (b.given[given] || likeGiven(given) && endsGiven(given)) || k >= 2 && b.given[given] && utf8.RuneCountInString(given) >= 2 && !office(text[:at]) {
			return true
		}
	}
	return false
}

func ideographs(s string, most int) bool {
	n := 0
	for _, r := range s {
		if !ideograph(r) {
			return false
		}
		n++
	}
	return n > 0 && n <= most
}

// givenEnds are the characters in which most given names end that no list holds.
const givenEnds = "子美代江枝恵香奈菜乃音花華希季紀里織穂帆歩衣絵佳夏沙紗彩月愛葉羽海男夫雄郎朗太斗人仁彦也哉哲之介輔助樹平一二三司志士治次史嗣生真馬磨成吾悟翔翼隆弘博浩宏裕明昭章彰正政誠進勝茂清実豊稔修"

func endsGiven(s string) bool {
	r, _ := utf8.DecodeLastRuneInString(s)
	return !ideograph(r) || strings.ContainsRune(givenEnds, r)
}

// findPeople reports them.
func (p *page) findPeople(book *nameBook) {
	p.nameColumns(book)
	for at := 0; at < len(p.s); {
		end := strings.IndexByte(p.s[at:], '\n')
		if end < 0 {
			end = len(p.s) - at
		}
		if end >= len("子:山田") && end <= 200 && fieldLike(p.s[at:at+end]) {
			p.roleField(book, at, at+end)
		}
		at += end + 1
	}
}

// nameColumns takes the cells of a column for names where most of them are.
func (p *page) nameColumns(book *nameBook) {
	type tally struct{ filled, names int }
	columns := map[column]*tally{}
	for i := range p.cells {
		c := &p.cells[i]
		if c.label != kNone || c.head != kNone && c.head != kPerson || p.blank(c) {
			continue
		}
		key := column{c.Table, c.Col}
		t := columns[key]
		if t == nil {
			t = &tally{}
			columns[key] = t
		}
		t.filled++
		if first := p.s[c.start]; first >= 0xE3 || first == ' ' || first == '"' {
			if text := p.cellText(c); book.person(strings.TrimSuffix(text, " 様")) {
				t.names++
			}
		}
	}
	for i := range p.cells {
		c := &p.cells[i]
		if c.label != kNone || c.head != kNone && c.head != kPerson {
			continue
		}
		t := columns[column{c.Table, c.Col}]
		if c.head == kPerson || c.left == kPerson || t != nil && t.names >= 2 && t.names*2 > t.filled {
			if book.fullName(p.cellText(c)) {
				p.nameCell(book, *c)
			}
		}
	}
}

func (p *page) cellText(c *cell) string { return strings.Trim(p.s[c.start:c.end], " \"\n\t") }

// roleField reads 連帯保証人：山田太郎 in the line from..to, and 姓：山田, 名：太郎.
func (p *page) roleField(book *nameBook, from, to int) {
	line := p.s[from:to]
	label, at := fieldLabel(line)
	if label == "" || p.cellAt(from+at) != nil {
		return
	}
	bare := strings.Trim(label, " ・*■□●○◆◇-")
	part := bare == "姓" || bare == "名" || bare == "セイ" || bare == "メイ" || bare == "氏"
	if !part && !role(label) {
		return
	}
	value := strings.TrimSpace(line[at:])
	start := from + strings.LastIndex(line, value)
	if value == "" || len(value) > 60 || p.covered("jp.person_name", start) {
		return
	}
	if cut := strings.IndexAny(value, "(/、,"); cut > 0 {
		value = strings.TrimSpace(value[:cut])
	}
	words := strings.Fields(value)
	switch {
	case part && len(words) == 1 && (book.surnames[value] || book.given[value] || utf8.RuneCountInString(value) <= 5 && likeGiven(value)):
	case !part && book.fullName(value):
	case !part && len(words) > 2 && book.fullName(words[0]+" "+words[1]):
		value = value[:strings.Index(value, words[1])+len(words[1])]
	default:
		return
	}
	if end := start + len(value); !p.sampled(start, end) {
		p.addName(Medium, start, end)
	}
}

// lineHeads adds the full names that begin a line, at low: what else the line holds
// may raise them.
func (p *page) lineHeads(book *nameBook) {
	for at := 0; at < len(p.s); {
		end := strings.IndexByte(p.s[at:], '\n')
		if end < 0 {
			end = len(p.s) - at
		}
		line := p.s[at : at+min(end, 60)]
		bare := line
		if line != "" && (line[0] < 0xE3 || line[0] == 0xE3 && !strings.HasPrefix(line, "々")) {
			bare = strings.TrimLeft(line, " ・*■□●○◆◇-0123456789.)")
		}
		if bare != "" && bare[0] > 0xE3 {
			if n := book.nameAtHead(bare); n > 0 {
				start := at + len(line) - len(bare)
				p.addName(Low, start, start+n)
			}
		}
		at += end + 1
	}
}

// nameAtHead is the length of the full name that begins s, one or two words before a
// space, a bracket or a sign; 0 for none.
func (b *nameBook) nameAtHead(s string) int {
	if first, _ := utf8.DecodeRuneInString(s); int(first) < len(b.lengths) && b.lengths[first] == 0 {
		return 0
	}
	stop := strings.IndexAny(s[:min(len(s), 31)], " \t(,:/|")
	if stop < 0 {
		return 0
	}
	if s[stop] == ' ' {
		if next := strings.IndexAny(s[stop+1:], " \t(,:/|"); next > 0 && next <= 20 && b.fullName(s[:stop+1+next]) {
			return stop + 1 + next
		}
	}
	if b.fullName(s[:stop]) && (s[stop] == ' ' || s[stop] == '\t' || s[stop] == '(') {
		return stop
	}
	return 0
}

// fieldLike says that a line may begin with a label: no more than a look at its first
// bytes, because most lines are prose.
func fieldLike(line string) bool {
	wide := false
	for i := range min(len(line), 60) {
		switch c := line[i]; {
		case c == 0xE3 && (strings.HasPrefix(line[i:], "、") || strings.HasPrefix(line[i:], "。")), c == ':' && i > 0 && digit(line[i-1]):
			return false // a sentence, an hour
		case c >= 0xE3:
			wide = true
		case c == ':' || c == '=' || c == '|' || c == '\t' || c == '/' || c == '.' || c == ' ' && wide || c == ']' || c == '>' || c == 0xE2 && i > 0:
			return wide
		}
	}
	return wide && strings.HasPrefix(strings.TrimLeft(line, " ・"), "【")
}

// fieldLabel is what stands before the separator of a line, in brackets or behind a
// bullet, and where its value begins.
func fieldLabel(line string) (label string, at int) {
	trimmed := strings.TrimLeft(line, " ・*■□●○◆◇-")
	skip := len(line) - len(trimmed)
	for _, pair := range []string{"【】", "[]", "〔〕", "<>", "「」"} {
		open, size := utf8.DecodeRuneInString(pair)
		if strings.HasPrefix(trimmed, string(open)) {
			end := strings.Index(trimmed, pair[size:])
			if end < 0 || end > 50 {
				return "", 0
			}
			return trimmed[size:end], skip + end + len(pair) - size
		}
	}
	for i, r := range trimmed {
		size := utf8.RuneLen(r)
		switch {
		case i > 50:
			return "", 0
		case r == ':' || r == '\t' || r == '=' || r == '|' || r == '│':
			return trimmed[:i], skip + i + size
		case r == ' ' && i > 0:
			rest := strings.TrimLeft(trimmed[i:], " ")
			gap := len(trimmed) - i - len(rest)
			if next, n := utf8.DecodeRuneInString(rest); strings.ContainsRune(":=|│→", next) {
				return trimmed[:i], skip + i + gap + n
			}
			if gap >= 2 || role(trimmed[:i]) {
				return trimmed[:i], skip + i + gap
			}
		case r == '/' && role(trimmed[:i]), r == '→', r == '.' && strings.HasPrefix(trimmed[i:], ".."):
			return trimmed[:i], skip + i + len(trimmed[i:]) - len(strings.TrimLeft(trimmed[i:], "./→ "))
		}
	}
	return "", 0
}
