package corpus

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sekisho-mail/sekisho/bench/dlp/value"
)

// filler is text that no detector has to find.
func (w *writer) filler(p slot) string {
	r := w.r
	switch p.kind {
	case "n": // so many digits
		n, _ := strconv.Atoi(p.form)
		return string(rune('1'+r.IntN(9))) + value.Digits(r, n-1)
	case "code": // A is a letter, 9 a digit
		return strings.Map(func(c rune) rune {
			switch c {
			case 'A':
				return rune(value.Letters(r, 1)[0])
			case '9':
				return rune('0' + r.IntN(10))
			case 'h':
				return rune("0123456789abcdef"[r.IntN(16)])
			}
			return c
		}, p.form)
	case "int":
		from, to, _ := strings.Cut(p.form, "-")
		a, _ := strconv.Atoi(from)
		b, _ := strconv.Atoi(to)
		return strconv.Itoa(a + r.IntN(b-a+1))
	case "amount":
		return thousands((1 + r.IntN(9999)) * []int{1, 10, 100, 500, 1000}[r.IntN(5)])
	case "date":
		return w.form(p, kind{}).show(dateParts(2023+r.IntN(4), 1+r.IntN(12), 1+r.IntN(28)))
	case "day":
		return fmt.Sprintf("%d月%d日（%s）", 1+r.IntN(12), 1+r.IntN(28), []string{"月", "火", "水", "木", "金"}[r.IntN(5)])
	case "time":
		return fmt.Sprintf("%d:%02d", 9+r.IntN(10), 15*r.IntN(4))
	case "stamp": // YYYYMMDDhhmm, and seconds with :s
		s := fmt.Sprintf("20%02d%02d%02d%02d%02d", 21+r.IntN(6), 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60))
		if p.form == "s" {
			s += fmt.Sprintf("%02d", r.IntN(60))
		}
		return s
	case "jan":
		return value.JAN(r)
	case "isbn":
		return value.ISBN(r)
	case "testcard":
		all := value.TestCards()
		c := all[r.IntN(len(all))]
		if p.form == "-" && len(c) == 16 {
			return c[:4] + "-" + c[4:8] + "-" + c[8:12] + "-" + c[12:]
		}
		return c
	case "surname", "given":
		return w.nameOf(p)
	}
	return strings.SplitN(w.set.word(r, p.kind), "/", 2)[0]
}

// nameOf shows a part of a name that stands elsewhere, or of a new one.
func (w *writer) nameOf(p slot) string {
	v, ok := w.named[w.scope+p.name]
	if p.name == "" || !ok {
		v = w.set.person(w.r)
		if p.name != "" {
			w.named[w.scope+p.name] = v
		}
	}
	if p.kind == "surname" {
		return v.groups[0]
	}
	return v.groups[1]
}

func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
