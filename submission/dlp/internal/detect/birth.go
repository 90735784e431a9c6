package detect

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// findBirthDates reports dates that a label or a column calls a date of birth.
func (p *page) findBirthDates() {
	last := 0
	for _, h := range p.hits {
		if h.kind != kBirth {
			continue
		}
		if !p.birthAfter(h) {
			p.birthBefore(h, last)
		}
		if p.cellAt(h.start) == nil {
			p.birthList(h)
		}
		last = h.end
	}
	p.bornMarks()
	for _, c := range p.cells {
		if (c.head == kBirth || c.left == kBirth) && c.label == kNone {
			p.birthCell(c)
		}
	}
}

// birthAfter reads 生年月日：昭和55年1月2日 and 生年月日をお知らせします。1980/1/2.
func (p *page) birthAfter(h hit) bool {
	limit := min(len(p.s), h.end+80)
	if c := p.cellAt(h.start); c != nil {
		limit = min(limit, c.end)
	}
	for at := h.end; at < limit; at++ {
		if d, n := dateAt(p.s[at:], at > 0 && alnum(p.s[at-1])); n > 0 {
			gap := p.s[h.end:at]
			if d.Year() >= recent && !connects(gap) {
				return false // the party on somebody's birthday
			}
			if (connects(gap) || digits(gap) == 0 && strings.Count(gap, "\n") <= announceLines && predicate(strings.TrimSuffix(strings.TrimRight(gap, " "), "西暦"))) && p.bornThen(d) {
				p.addBirth(d, at, at+n)
				return true
			}
			return false
		}
	}
	return false
}

// birthList reads the lines below a heading that ends with the label, a name and a
// date in each: 生年月日は次のとおりです。 山田太郎 1980/1/2, and 生年月日：山田 1980/1/2、佐藤 ....
func (p *page) birthList(h hit) {
	at := h.end
	if nl := strings.IndexByte(p.s[at:min(len(p.s), at+90)], '\n'); nl >= 0 && digits(p.s[at:at+nl]) == 0 {
		at += nl
	}
	for range 200 {
		start, n := p.nextDate(at)
		if n == 0 {
			return
		}
		gap := strings.TrimLeft(withoutNotes(p.s[at:start]), " 生まれ才歳、,;\n")
		if gap != "" && !listItem(gap) || p.labelWithin(at, start) {
			return
		}
		if gap = strings.Trim(gap, " :・*■●○-"); gap != "" && !p.whose(gap) {
			return // 提出期限 2025/12/5
		}
		if d, _ := dateAt(p.s[start:], false); p.bornThen(d) && !p.covered("date_of_birth", start) {
			p.addBirth(d, start, start+n)
		}
		at = start + n
	}
}

// whose says that an item of a list begins with a person.
func (p *page) whose(item string) bool {
	for _, t := range titles {
		item = strings.TrimSuffix(item, t)
	}
	item = strings.TrimSpace(item)
	return p.names.surnames[item] || p.names.given[item] || p.names.fullName(item) || role(item)
}

// nextDate finds a date within sixty bytes, dateBetween one that begins in from..to.
func (p *page) nextDate(at int) (start, n int) { return p.dateBetween(at, at+60) }

func (p *page) dateBetween(from, to int) (start, n int) {
	for i := from; i < min(len(p.s), to); i++ {
		if _, n := dateAt(p.s[i:], i > 0 && alnum(p.s[i-1])); n > 0 {
			return i, n
		}
	}
	return 0, 0
}

// birthBefore reads 1980年1月2日生まれ, 1980/1/2（生年月日） and 1980年1月2日が私の誕生日.
func (p *page) birthBefore(h hit, floor int) {
	from := max(floor, h.start-60)
	for at := from; at < h.start; at++ {
		d, n := dateAt(p.s[at:], at > 0 && alnum(p.s[at-1]))
		if n == 0 {
			continue
		}
		if at+n <= h.start && bornBehind(p.s[at+n:h.start], p.s[h.start:h.end]) && p.bornThen(d) && d.Year() < recent {
			p.addBirth(d, at, at+n)
		}
		at += n - 1
	}
}

// bornBehind says whether only a bracket, a particle or a few words of the same
// clause stand between a date and the label behind it.
func bornBehind(gap, label string) bool {
	if bare := strings.Trim(gap, " に(["); bare == "" {
		return strings.HasPrefix(label, "生") && !strings.HasPrefix(label, "生年") || strings.ContainsAny(gap, "([") || label == "born"
	}
	trimmed := strings.TrimLeft(gap, " )")
	if !strings.HasPrefix(trimmed, "が") && !strings.HasPrefix(trimmed, "は") && !strings.HasPrefix(trimmed, "is ") {
		return false
	}
	return len(trimmed) < 40 && digits(trimmed) == 0 && !strings.ContainsAny(trimmed, "\n。、")
}

// bornMarks reads (昭和60年3月15日生) and 1985.3.15生, where 生 ends the word.
func (p *page) bornMarks() {
	for at := 0; ; {
		i := strings.Index(p.s[at:], "生")
		if i < 0 {
			return
		}
		mark := at + i
		at = mark + len("生")
		before, _ := utf8.DecodeLastRuneInString(strings.TrimRight(p.s[max(0, mark-8):mark], " "))
		after, _ := utf8.DecodeRuneInString(p.s[at:])
		if before != '日' && (before < '0' || before > '9') || after >= 0x3041 && after < 0xA000 && after != 'の' {
			continue
		}
		from := max(0, mark-40)
		for j := from; j < mark; j++ {
			if d, n := dateAt(p.s[j:], j > 0 && alnum(p.s[j-1])); n > 0 {
				if gap := p.s[j+n : max(j+n, mark)]; (gap == "" || strings.Trim(gap, " ") == "" && d.Year() < recent) && j+n <= mark && p.bornThen(d) {
					p.addBirth(d, j, j+n)
				}
				j += n - 1
			}
		}
	}
}

// birthCell reads the date in a cell below or beside 生年月日, and what a spreadsheet
// makes of one: the days since the end of 1899.
func (p *page) birthCell(c cell) {
	if start, n := p.dateBetween(c.start, min(c.end, c.start+80)); n > 0 {
		if d, _ := dateAt(p.s[start:], false); p.bornThen(d) {
			p.addBirth(d, start, start+n)
			return
		}
	}
	text := strings.TrimSpace(p.s[c.start:c.end])
	at := c.start + strings.Index(p.s[c.start:c.end], text)
	if serial, err := strconv.Atoi(text); err == nil && serial > 3650 && serial < 47500 {
		p.addBirth(time.Date(1899, 12, 30+serial, 0, 0, 0, 0, time.UTC), at, at+len(text))
	}
}

// bornThen refuses dates no living person has.
func (p *page) bornThen(d time.Time) bool { return d.Year() >= 1890 && d.Year() <= 2035 }

// recent is the year from which on only a label or a bracket makes a day somebody's
// birth: what happens on a birthday happens now.
const recent = 2020

// ranged says that the day bounds a range: 1960年4月2日から1965年4月1日生まれの方.
func (p *page) ranged(start, end int) bool {
	if c := p.cellAt(start); c != nil && !c.prose(p.s) {
		return false
	}
	after := strings.TrimLeft(p.s[end:min(len(p.s), end+24)], " に")
	for _, word := range []string{"以前", "以降", "以後", "から", "まで", "より", "~", "〜"} {
		if strings.HasPrefix(after, word) {
			return true
		}
	}
	before := strings.TrimRight(p.s[max(0, start-12):start], " ")
	return strings.HasSuffix(before, "から") || strings.HasSuffix(before, "~") || strings.HasSuffix(before, "〜")
}

// founded says that the clause before speaks of a company, which is born as well.
func (p *page) founded(start int) bool {
	before := p.s[back(p.s, start, 30):start]
	before = strings.ToLower(before[strings.LastIndexAny(before, "\n。")+1:])
	for _, word := range []string{"会社", "弊社", "当社", "ブランド", "company", "brand", "service"} {
		if strings.Contains(before, word) {
			return !strings.Contains(before, "生年月日") && !strings.Contains(before, "誕生日") && !strings.Contains(before, ":")
		}
	}
	return false
}

func (p *page) addBirth(d time.Time, start, end int) {
	if !p.silent(start) && !p.sampled(start, end) && !p.ranged(start, end) && !p.founded(start) {
		p.add("date_of_birth", Medium, d.Format(time.DateOnly), start, end, maskDate)
	}
}
