package detect

import (
	"strings"
)

// findPhones reports Japanese phone numbers by the number plan (総務省).
func (p *page) findPhones(own owned) {
	for i, n := range p.numbers {
		if n.sep == 'n' {
			continue
		}
		d, sure := p.phone(&n, p.owners[i])
		if d == "" || n.kanji && !sure || own.phone(d) || p.silent(n.start) || p.sampled(n.start, n.end) || p.instructed(n.start, n.end) {
			continue
		}
		start := n.start
		if strings.HasSuffix(p.s[:start], "+") || strings.HasSuffix(p.s[:start], "(") {
			start--
		}
		level := Medium
		if !sure {
			level = Low
		}
		p.add("jp.phone", level, d, start, n.end, maskDigits)
	}
	p.findExtendedPhones(own)
}

// phone returns the national number ("" when it is none) and whether its form
// or its label makes it evidence.
func (p *page) phone(n *number, label hit) (string, bool) {
	if label.kind != kNone && label.kind != kPhone {
		return "", false
	}
	d := n.digits
	named := label.kind == kPhone || label.kind == kNone && p.homeColumn(n.start)
	if n.kanji {
		return d, named && national(d) && !trivialPhone(d)
	}
	if named && n.groups[0].size() == 1 && len(n.groups) == len(d) && national(d) {
		return d, !trivialPhone(d) // one box per digit
	}
	if strings.HasSuffix(p.s[:n.start], "+") || named && strings.HasPrefix(d, "0081") {
		return international(d), true
	}
	if named && (len(d) == 9 || len(d) == 10) && d[0] != '0' && len(n.groups) == 1 && p.cellAt(n.start) != nil {
		d = "0" + d // the spreadsheet took it for a number
	}
	if len(n.groups) > 2 && (strings.HasPrefix(d, "81") && n.groups[0].size() == 2 || strings.HasPrefix(d, "0081") && n.groups[0].size() == 4) && !n.kanji {
		return international(d), true // 81-3-3400-1234
	}
	if !national(d) || trivialPhone(d) {
		return "", false
	}
	if len(n.groups) > 1 {
		if !dialled(n) && !named {
			return "", false
		}
		return d, dialled(n) && (named || n.whole && (len(n.groups) > 2 || mobile(d)))
	}
	return d, named || mobile(d) && n.whole && !p.foreign(n)
}

// homeColumn: a column called 自宅 or 連絡先住所 holds telephones where numbers of
// that form stand in it.
func (p *page) homeColumn(at int) bool {
	c := p.cellAt(at)
	return c != nil && (c.head == kAddress || c.left == kAddress) && !c.prose(p.s) && digits(p.s[c.start:c.end])*2 > c.end-c.start
}

// international strips +81 and the trunk zero that people keep after it.
func international(d string) string {
	d = strings.TrimPrefix(d, "00")
	if !strings.HasPrefix(d, "81") {
		return ""
	}
	d = "0" + strings.TrimPrefix(d[2:], "0")
	if !national(d) || trivialPhone(d) {
		return ""
	}
	return d
}

// national: 0AB-J with ten digits, 050 and mobile with eleven, the free and
// shared-cost services.
func national(d string) bool {
	if len(d) < 10 || len(d) > 11 || d[0] != '0' {
		return false
	}
	switch {
	case strings.HasPrefix(d, "0120"), strings.HasPrefix(d, "0570"), strings.HasPrefix(d, "0990"):
		return len(d) == 10
	case strings.HasPrefix(d, "0800"):
		return len(d) == 11
	}
	if len(d) == 11 {
		return mobile(d)
	}
	return d[1] != '0' && d[2] != '0'
}

// mobile: 050, 060, 070, 080 and 090 numbers.
func mobile(d string) bool {
	return len(d) == 11 && d[0] == '0' && strings.IndexByte("56789", d[1]) >= 0 && d[2] == '0' && d[3] != '0'
}

// dialled says that the groups are those of a phone number: the last has four
// digits (or three after 0120 and 0570), the first is an area code.
func dialled(n *number) bool {
	d, groups := n.digits, n.groups
	first, last := groups[0].size(), groups[len(groups)-1].size()
	if strings.HasPrefix(d, "0120") || strings.HasPrefix(d, "0570") {
		return first == 4
	}
	if len(groups) == 2 {
		return last == 4 && mobile(d) || first == areaSize(d) || first == 3 && mobile(d)
	}
	if len(groups) != 3 || last != 4 && !(mobile(d) && last == 3) {
		return false
	}
	if mobile(d) || strings.HasPrefix(d, "0800") {
		return first == 3 || first == 4
	}
	return first == areaSize(d) || first >= 3 && first <= 5 && areaSize(d) != 2
}

// areaSize is the length of the area code with its zero, where two or three
// digits decide; 4 stands for four or five.
func areaSize(d string) int {
	if d[1] == '3' || d[1] == '6' {
		return 2
	}
	if d[1] == '4' && (d[2] == '2' || d[2] >= '3') || strings.Contains(threeDigitAreas, " "+d[:3]+" ") {
		return 3
	}
	return 4
}

const threeDigitAreas = " 011 015 017 018 019 022 023 024 025 026 027 028 029 042 043 044 045 046 047 048 049 052 053 054 055 " +
	"058 059 072 073 075 076 077 078 079 082 083 084 086 087 088 089 092 093 095 096 097 098 099 "

// trivialPhone: placeholders such as 000-0000-0000, 090-1111-1111 or 03-0000-0000.
func trivialPhone(d string) bool {
	tail := d[len(d)-8:]
	return trivial(tail)
}

// findExtendedPhones reads +81 numbers whose trunk zero stands in brackets:
// +81 (0)3-1234-5678.
func (p *page) findExtendedPhones(own owned) {
	for at := 0; ; {
		i := strings.Index(p.s[at:], "+81")
		if i < 0 {
			return
		}
		start := at + i
		at = start + 3
		end, d := at, ""
		for end < len(p.s) && end < at+24 && (digit(p.s[end]) || strings.IndexByte(" -().", p.s[end]) >= 0) {
			if digit(p.s[end]) {
				d += p.s[end : end+1]
			}
			end++
			if n := international("81" + d); n != "" && (end >= len(p.s) || !digit(p.s[end])) {
				p.addExtended(own, n, start, end)
				at = end
				break
			}
		}
	}
}

func (p *page) addExtended(own owned, d string, start, end int) {
	if !own.phone(d) && !p.silent(start) {
		p.add("jp.phone", Medium, d, start, end, maskDigits)
	}
}
