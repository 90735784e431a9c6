package detect

import (
	"fmt"
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
		last = h.end
	}
	p.bornMarks()
	for _, c := range p.cells {
		if (c.head == kBirth || c.left == kBirth) && c.label == kNone {
			p.birthCell(c)
		}
	}
}

// birthAfter reads 生年月日：昭和55年1月2日.
func (p *page) birthAfter(h hit) bool {
	limit := min(len(p.s), h.end+60)
	if c := p.cellAt(h.start); c != nil {
		limit = min(limit, c.end)
	}
	for at := h.end; at < limit; at++ {
		if d, n := dateAt(p.s[at:], at > 0 && alnum(p.s[at-1])); n > 0 {
			if connects(p.s[h.end:at]) && p.bornThen(d) {
				p.addBirth(d, at, at+n)
				return true
			}
			return false
		}
	}
	return false
}

// birthBefore reads 1980年1月2日生まれ and (1980.1.2生).
func (p *page) birthBefore(h hit, floor int) {
	from := max(floor, h.start-40)
	for at := from; at < h.start; at++ {
		if d, n := dateAt(p.s[at:], at > 0 && alnum(p.s[at-1])); n > 0 {
			gap := strings.TrimLeft(p.s[at+n:max(at+n, h.start)], " に")
			if gap == "" && at+n <= h.start && p.bornThen(d) {
				p.addBirth(d, at, at+n)
			}
			at += n - 1
		}
	}
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
		before, _ := utf8.DecodeLastRuneInString(p.s[:mark])
		after, _ := utf8.DecodeRuneInString(p.s[at:])
		if before != '日' && (before < '0' || before > '9') || after >= 0x3041 && after < 0xA000 {
			continue
		}
		from := max(0, mark-40)
		for j := from; j < mark; j++ {
			if d, n := dateAt(p.s[j:], j > 0 && alnum(p.s[j-1])); n > 0 {
				if j+n == mark && p.bornThen(d) {
					p.addBirth(d, j, j+n)
				}
				j += n - 1
			}
		}
	}
}

func (p *page) birthCell(c cell) {
	text := strings.TrimSpace(p.s[c.start:c.end])
	at := c.start + strings.Index(p.s[c.start:c.end], text)
	if d, n := dateAt(text, false); n > 0 && p.bornThen(d) {
		p.addBirth(d, at, at+n)
		return
	}
	if serial, err := strconv.Atoi(text); err == nil && serial > 3650 && serial < 47500 {
		p.addBirth(time.Date(1899, 12, 30+serial, 0, 0, 0, 0, time.UTC), at, at+len(text))
	}
}

// bornThen refuses dates no living person has.
func (p *page) bornThen(d time.Time) bool { return d.Year() >= 1890 && d.Year() <= 2035 }

func (p *page) addBirth(d time.Time, start, end int) {
	if !p.silent(start) && !p.sampled(start, end) {
		p.add("date_of_birth", Medium, d.Format(time.DateOnly), start, end, maskDate)
	}
}

// eras of Japan by their letters and names, with the year before their first.
var eras = []struct {
	name string
	base int
}{
	{"明治", 1867}, {"大正", 1911}, {"昭和", 1925}, {"平成", 1988}, {"令和", 2018},
	{"M", 1867}, {"T", 1911}, {"S", 1925}, {"H", 1988}, {"R", 2018},
}

// dateAt reads a date at the start of s; n is its length, 0 for none.
func dateAt(s string, inWord bool) (d time.Time, n int) {
	if s == "" || inWord || strings.IndexByte("0123456789"+"MTSHR"+"JFANODjfmasond"+"\xe6\xe5\xe4", s[0]) < 0 {
		return d, 0
	}
	if digit(s[0]) {
		return numericDate(s)
	}
	for _, e := range eras {
		if !strings.HasPrefix(s, e.name) {
			continue
		}
		rest := strings.TrimPrefix(strings.TrimLeft(s[len(e.name):], " "), "元")
		skipped := len(s) - len(rest)
		if strings.HasSuffix(s[:skipped], "元") {
			if m, day, k := monthDay(rest); k > 0 {
				return valid(e.base+1, m, day, skipped+k)
			}
			return d, 0
		}
		y, k := integer(rest, 2)
		if k == 0 || y == 0 || y > 64 {
			return d, 0
		}
		if m, day, l := monthDay(rest[k:]); l > 0 {
			return valid(e.base+y, m, day, skipped+k+l)
		}
		return d, 0
	}
	return englishDate(s)
}

// numericDate reads 1980-01-02, 1980年1月2日, 1980/1/2, 19800102, 2/1/1980 and 2 January 1980.
func numericDate(s string) (d time.Time, n int) {
	first, k := integer(s, 8)
	switch k {
	case 8:
		return valid(first/10000, first/100%100, first%100, 8)
	case 4:
		if m, day, l := monthDay(s[4:]); l > 0 {
			return valid(first, m, day, 4+l)
		}
	case 1, 2:
		if len(s) > k && strings.IndexByte("/-.", s[k]) >= 0 {
			second, l := integer(s[k+1:], 2)
			at := k + 1 + l
			if l == 0 || len(s) <= at || s[at] != s[k] {
				return d, 0
			}
			year, y := integer(s[at+1:], 4)
			if y != 4 {
				return d, 0
			}
			if first > 12 {
				return valid(year, second, first, at+1+y)
			}
			return valid(year, first, second, at+1+y)
		}
		if m, l := monthName(strings.TrimLeft(strings.TrimPrefix(s[k:], "th"), " ")); l > 0 {
			at := len(s) - len(strings.TrimLeft(strings.TrimPrefix(s[k:], "th"), " ")) + l
			rest := strings.TrimLeft(s[at:], " ,.")
			if year, y := integer(rest, 4); y == 4 {
				return valid(year, m, first, len(s)-len(rest)+y)
			}
		}
	}
	return d, 0
}

// monthDay reads what follows the year: 年1月2日, /1/2, -01-02, .1.2.
func monthDay(s string) (month, day, n int) {
	rest := strings.TrimLeft(s, " ")
	sep := ""
	for _, candidate := range []string{"年", "/", "-", "."} {
		if strings.HasPrefix(rest, candidate) {
			sep = candidate
		}
	}
	if sep == "" {
		return 0, 0, 0
	}
	closing := sep
	if sep == "年" {
		closing = "月"
	}
	rest = strings.TrimLeft(rest[len(sep):], " ")
	month, k := integer(rest, 2)
	rest = strings.TrimLeft(rest[k:], " ")
	if k == 0 || !strings.HasPrefix(rest, closing) {
		return 0, 0, 0
	}
	rest = strings.TrimLeft(rest[len(closing):], " ")
	day, k = integer(rest, 2)
	if k == 0 {
		return 0, 0, 0
	}
	rest = rest[k:]
	if trimmed := strings.TrimPrefix(strings.TrimLeft(rest, " "), "日"); sep == "年" && len(trimmed) < len(strings.TrimLeft(rest, " ")) {
		rest = trimmed
	}
	return month, day, len(s) - len(rest)
}

// englishDate reads January 2, 1980.
func englishDate(s string) (d time.Time, n int) {
	m, k := monthName(s)
	if k == 0 {
		return d, 0
	}
	rest := strings.TrimLeft(s[k:], " .")
	day, l := integer(rest, 2)
	if l == 0 {
		return d, 0
	}
	rest = rest[l:]
	for _, ordinal := range []string{"st", "nd", "rd", "th"} {
		rest = strings.TrimPrefix(rest, ordinal)
	}
	rest = strings.TrimLeft(rest, " ,")
	year, y := integer(rest, 4)
	if y != 4 {
		return d, 0
	}
	return valid(year, m, day, len(s)-len(rest)+y)
}

const monthNames = "jan feb mar apr may jun jul aug sep oct nov dec "

func monthName(s string) (month, n int) {
	if len(s) < 3 {
		return 0, 0
	}
	i := strings.Index(monthNames, strings.ToLower(s[:3])+" ")
	if i < 0 || i%4 != 0 {
		return 0, 0
	}
	n = 3
	for n < len(s) && letter(s[n]) {
		n++
	}
	if n > 9 {
		return 0, 0
	}
	return i/4 + 1, n
}

// integer reads up to most digits; more digits than that are no integer.
func integer(s string, most int) (v, n int) {
	for n < len(s) && digit(s[n]) {
		if n == most {
			return 0, 0
		}
		v = v*10 + int(s[n]-'0')
		n++
	}
	return v, n
}

func valid(y, m, d, n int) (time.Time, int) {
	t, err := time.Parse("2006-1-2", fmt.Sprintf("%04d-%d-%d", y, m, d))
	if err != nil {
		return time.Time{}, 0
	}
	return t, n
}
