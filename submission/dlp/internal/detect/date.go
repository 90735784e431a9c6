package detect

import (
	"strings"
	"time"
	"unicode/utf8"
)

// eras of Japan by their names, first kanji and letters, with the year before
// their first.
var eras = []struct {
	name string
	base int
}{
	{"明治", 1867}, {"大正", 1911}, {"昭和", 1925}, {"平成", 1988}, {"令和", 2018},
	{"明", 1867}, {"大", 1911}, {"昭", 1925}, {"平", 1988}, {"令", 2018},
	{"M", 1867}, {"T", 1911}, {"S", 1925}, {"H", 1988}, {"R", 2018},
}

// dateAt reads a date at the start of s, the hour behind it included; n is its
// length, 0 for none.
func dateAt(s string, inWord bool) (d time.Time, n int) {
	if d, n = dayAt(s, inWord); n > 0 {
		n += hour(s[n:])
	}
	return d, n
}

// hour is the length of T00:00:00 and 0:00:00, which programs write behind a day.
func hour(s string) int {
	rest := strings.TrimLeft(s, " T")
	if len(rest) == len(s) || len(s)-len(rest) > 2 {
		return 0
	}
	_, k := integer(rest, 2)
	if k == 0 || !strings.HasPrefix(rest[k:], ":") {
		return 0
	}
	for n := k; n < len(rest) && n < 16; n++ {
		if !digit(rest[n]) && strings.IndexByte(":.Z+", rest[n]) < 0 {
			return len(s) - len(rest) + n
		}
	}
	return len(s) - len(rest) + min(len(rest), 16)
}

func dayAt(s string, inWord bool) (d time.Time, n int) {
	if s == "" || s[0]&0xC0 == 0x80 || inWord || strings.IndexByte("0123456789"+"MTSHR"+"JFANODjfmasond"+"\xe6\xe5\xe4\xe3", s[0]) < 0 {
		return d, 0
	}
	if digit(s[0]) {
		return numericDate(s)
	}
	if d, n = eraDate(s); n > 0 {
		return d, n
	}
	if d, n = eraChoice(s); n > 0 {
		return d, n
	}
	if s[0] >= utf8.RuneSelf {
		if year, k := number4(s); k > 0 && strings.HasPrefix(s[k:], "年") {
			return afterYear(s, year, k) // 一九八〇年一月二日
		}
		return d, 0
	}
	return englishDate(s)
}

// eraDate reads 昭和55年1月2日, 昭55.1.2, S55/1/2, S.55.1.2 and S550102.
func eraDate(s string) (d time.Time, n int) {
	for _, e := range eras {
		if !strings.HasPrefix(s, e.name) {
			continue
		}
		at := len(e.name)
		if short := len(e.name) == 1; short && strings.HasPrefix(s[at:], ".") {
			at++
		}
		at += len(s[at:]) - len(strings.TrimLeft(s[at:], " "))
		if v, k := integer(s[at:], 6); k == 6 && len(e.name) < len("昭和") {
			return valid(e.base+v/10000, v/100%100, v%100, at+6)
		}
		y, k := numeral(s[at:])
		if strings.HasPrefix(s[at:], "元") {
			y, k = 1, len("元")
		}
		if k == 0 || y == 0 || y > 64 {
			return d, 0
		}
		return afterYear(s, e.base+y, at+k)
	}
	return d, 0
}

// eraChoice reads the line of a form on which one of the eras is to be marked:
// 明・大・昭・平・令 60年3月5日, ☑昭和 □平成 60年3月5日. Where none is, the last era in
// which somebody living may have been born that year stands for all.
func eraChoice(s string) (d time.Time, n int) {
	marked, at, names := -1, 0, 0
	for at < len(s) && at < 90 {
		r, size := utf8.DecodeRuneInString(s[at:])
		if strings.ContainsRune("☑■●✓✔◉レ", r) {
			marked = names
		} else if e := eraName(s[at:]); e > 0 {
			names, size = names+1, e
		} else if !strings.ContainsRune(" ・/、,.-|□☐○◯()", r) {
			break
		}
		at += size
	}
	if names < 2 {
		return d, 0
	}
	y, k := numeral(s[at:])
	if k == 0 || y == 0 || y > 64 {
		return d, 0
	}
	base := 1925
	if marked >= 0 {
		base = eraBase(s, marked)
	}
	return afterYear(s, base+y, at+k)
}

// eraName is the length of the Japanese name of an era at s.
func eraName(s string) int {
	for _, e := range eras {
		if s[0] >= utf8.RuneSelf && strings.HasPrefix(s, e.name) {
			return len(e.name)
		}
	}
	return 0
}

// eraBase is the year before the first of the era that is named as the i-th in s.
func eraBase(s string, i int) int {
	for at := 0; at < len(s); {
		_, size := utf8.DecodeRuneInString(s[at:])
		if n := eraName(s[at:]); n > 0 {
			if i == 0 {
				for _, e := range eras {
					if e.name == s[at:at+n] {
						return e.base
					}
				}
			}
			i, size = i-1, n
		}
		at += size
	}
	return 1925
}

// afterYear reads month and day behind a year that ends at at, the same year in
// another calendar aside: 昭和55年(1980年)1月2日.
func afterYear(s string, year, at int) (time.Time, int) {
	rest := s[at:]
	bare := strings.TrimLeft(rest, " ")
	inner := strings.TrimLeft(strings.TrimPrefix(bare, "年"), " ")
	if end := strings.IndexByte(inner[:min(len(inner), 24)], ')'); strings.HasPrefix(inner, "(") && end > 0 {
		after := inner[end+1:]
		if strings.HasPrefix(bare, "年") {
			m, day, k := monthDay("年" + after)
			if k == 0 {
				return time.Time{}, 0
			}
			return valid(year, m, day, len(s)-len(after)+k-len("年"))
		}
		rest = after
	}
	if m, day, k := monthDay(rest); k > 0 {
		return valid(year, m, day, len(s)-len(rest)+k)
	}
	return time.Time{}, 0
}

// numericDate reads 1980-01-02, 1980年1月2日, 1980/1/2, 19800102, 2/1/1980, 80/1/2
// and 2 January 1980.
func numericDate(s string) (d time.Time, n int) {
	first, k := integer(s, 8)
	switch k {
	case 8:
		return valid(first/10000, first/100%100, first%100, 8)
	case 4:
		return afterYear(s, first, 4)
	case 1, 2:
		if len(s) > k && strings.IndexByte("/-.", s[k]) >= 0 {
			if d, n = threeNumbers(s, first, k); n > 0 {
				return d, n
			}
		}
		if k == 2 && first > 19 && strings.HasPrefix(s[k:], "年") {
			return afterYear(s, 1900+first, k)
		}
		return dayFirst(s, first, k)
	}
	return d, 0
}

// threeNumbers reads 2/1/1980, 13/2/1980 and 80/1/2.
func threeNumbers(s string, first, k int) (d time.Time, n int) {
	second, l := integer(s[k+1:], 2)
	at := k + 1 + l
	if l == 0 || len(s) <= at || s[at] != s[k] {
		return d, 0
	}
	third, y := integer(s[at+1:], 4)
	switch {
	case y == 4 && first > 12:
		return valid(third, second, first, at+1+y)
	case y == 4:
		return valid(third, first, second, at+1+y)
	case (y == 1 || y == 2) && k == 2 && first > 31:
		return valid(1900+first, second, third, at+1+y)
	}
	return d, 0
}

// dayFirst reads 2 January 1980, 2nd Jan, 1980 and 02-Jan-1980.
func dayFirst(s string, day, k int) (d time.Time, n int) {
	rest := s[k:]
	for _, ordinal := range []string{"st", "nd", "rd", "th"} {
		rest = strings.TrimPrefix(rest, ordinal)
	}
	rest = strings.TrimPrefix(strings.TrimLeft(rest, " -/"), "of ")
	m, l := monthName(rest)
	if l == 0 {
		return d, 0
	}
	rest = strings.TrimLeft(rest[l:], " ,.-/")
	if year, y := integer(rest, 4); y == 4 {
		return valid(year, m, day, len(s)-len(rest)+y)
	}
	return d, 0
}

// monthDay reads what follows the year: 年1月2日, 年一月二日, /1/2, -01-02, .1.2.
func monthDay(s string) (month, day, n int) {
	rest := strings.TrimLeft(s, " ")
	sep := ""
	for _, candidate := range []string{"年", "/", "-", ".", ":", ","} {
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
	month, k := numeral(rest)
	rest = strings.TrimLeft(rest[k:], " ")
	if k == 0 || !strings.HasPrefix(rest, closing) {
		return 0, 0, 0
	}
	rest = strings.TrimLeft(rest[len(closing):], " ")
	day, k = numeral(rest)
	if k == 0 {
		return 0, 0, 0
	}
	rest = rest[k:]
	if trimmed := strings.TrimPrefix(strings.TrimLeft(rest, " "), "日"); sep == "年" && len(trimmed) < len(strings.TrimLeft(rest, " ")) {
		rest = trimmed
	}
	return month, day, len(s) - len(rest)
}

// numeral reads one or two digits, or kanji numerals below a hundred: 五, 十二,
// 五十五, 二一.
func numeral(s string) (v, n int) {
	if s != "" && digit(s[0]) {
		return integer(s, 2)
	}
	tens, ones, seen := -1, 0, 0
	for n < len(s) && seen < 4 {
		r, size := utf8.DecodeRuneInString(s[n:])
		d := strings.IndexRune(kanjiOnes, r) / len("一")
		switch {
		case r == '十' && tens < 0:
			tens, ones = max(ones, 1), 0
		case strings.ContainsRune(kanjiOnes, r) && tens < 0:
			ones = ones*10 + d
		case strings.ContainsRune(kanjiOnes, r):
			ones = d
		default:
			seen = 4
			continue
		}
		n += size
		seen++
	}
	return max(tens, 0)*10 + ones, n
}

const kanjiOnes = "〇一二三四五六七八九"

// number4 reads a year of four kanji digits.
func number4(s string) (v, n int) {
	for range 4 {
		r, size := utf8.DecodeRuneInString(s[n:])
		i := strings.IndexRune(kanjiOnes, r)
		if i < 0 || size == 0 {
			return 0, 0
		}
		v, n = v*10+i/len("一"), n+size
	}
	return v, n
}

// englishDate reads January 2, 1980.
func englishDate(s string) (d time.Time, n int) {
	m, k := monthName(s)
	if k == 0 {
		return d, 0
	}
	rest := strings.TrimLeft(s[k:], " .-")
	day, l := integer(rest, 2)
	if l == 0 {
		return d, 0
	}
	rest = rest[l:]
	for _, ordinal := range []string{"st", "nd", "rd", "th"} {
		rest = strings.TrimPrefix(rest, ordinal)
	}
	rest = strings.TrimLeft(rest, " ,-")
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

// valid gives the date, or n = 0 where the calendar has none.
func valid(y, m, d, n int) (time.Time, int) {
	t := time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC)
	if y < 1 || m < 1 || m > 12 || d < 1 || t.Day() != d {
		return time.Time{}, 0
	}
	return t, n
}
