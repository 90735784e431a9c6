package detect

import (
	"strings"
	"unicode/utf8"
)

// group is a run of digits in folded text.
type group struct{ start, end int }

func (g group) size() int { return g.end - g.start }

// number is one or more groups of digits that may be read as one number.
type number struct {
	start, end int
	digits     string
	groups     []group
	sep        byte // what stands between the groups: '-', ' ', '.', '_', 'n' (line wrap), 0
	whole      bool // nothing else is linked to it
	kanji      bool // written in kanji digits: only with a keyword
}

// sizes are the lengths of the groups.
func (n number) sizes(want ...int) bool {
	if len(n.groups) != len(want) {
		return false
	}
	for i, w := range want {
		if n.groups[i].size() != w {
			return false
		}
	}
	return true
}

// plain says that the digits stand together, in equal groups, or in groups of
// four as cards do: how people write a number, unlike a date and a price.
func (n number) plain() bool {
	if len(n.groups) == 1 {
		return true
	}
	if n.sep == 'n' {
		return len(n.groups) == 2
	}
	size := n.groups[0].size()
	if n.sep == '.' && size != 4 {
		return false // an address of the net, a version
	}
	for _, g := range n.groups[:len(n.groups)-1] {
		if g.size() != size {
			return false
		}
	}
	return n.groups[len(n.groups)-1].size() <= size && (size == 1 || size >= 3)
}

// dated says that the number is written as a date: 2025-07-15.
func (n number) dated() bool {
	return len(n.groups) == 3 && n.groups[0].size() == 4 && n.groups[1].size() <= 2 && n.groups[2].size() <= 2 ||
		len(n.groups) == 1 && len(n.digits) == 8 && (n.digits[:2] == "19" || n.digits[:2] == "20") && n.digits[4:6] >= "01" && n.digits[4:6] <= "12" && n.digits[6:] >= "01" && n.digits[6:] <= "31"
}

// Limits of what may be one number.
const (
	maxGroups = 24
	maxDigits = 34
)

// chains splits the digits of s into groups and the groups into chains that are
// linked by the separators people use inside numbers.
func chains(s string) [][]group {
	var out [][]group
	var chain []group
	for i := 0; i < len(s); {
		if !digit(s[i]) {
			i++
			continue
		}
		j := i + 1
		for j < len(s) && digit(s[j]) {
			j++
		}
		g := group{i, j}
		if len(chain) > 0 && (len(chain) >= maxGroups || link(s, chain[len(chain)-1].end, i) == 0) {
			out = append(out, chain)
			chain = nil
		}
		chain = append(chain, g)
		i = j
	}
	if len(chain) > 0 {
		out = append(out, chain)
	}
	return out
}

// link says how the digits that end at a and begin again at b are linked, 0 for
// not at all.
func link(s string, a, b int) byte {
	gap := s[a:b]
	switch gap {
	case "-", " ", ".", "_":
		return gap[0]
	case "の": // 03の1234の5678, as it is read out
		return '-'
	case "(", ")", ") ", " (", ")-", "-(", ") - ":
		return ')'
	}
	if len(gap) > 8 {
		return 0
	}
	switch bare := strings.Trim(gap, " "); bare {
	case "-", "--":
		return '-'
	case "":
		if alone(s, a-1) && alone(s, b) || len(gap) <= 3 && (quartet(s, a-4, a) && (quartet(s, b, b+4) || sized(s, b, 6)) || a-groupStart(s, a) == 6 && sized(s, b, 5)) {
			return ' ' // 9 8 3 2  0 5 6 7, 9832  0567
		}
		return 0
	case "/": // of dates and prices, but 9832/0567/3214 is neither
		if quartet(s, a-4, a) && threeDigits(s, b) || a-groupStart(s, a) == 6 && sized(s, b, 5) || dialledSlash(s, a, b) {
			return '/'
		}
		return 0
	case "|", "│", "][", "] [", "|-|", "|-", "-|", "│-│": // a box for each digit
		if alone(s, a-1) && alone(s, b) {
			return '|'
		}
		return 0
	}
	if !strings.Contains(gap, "\n") {
		return 0
	}
	return wrapped(s, a, gap)
}

// threeDigits says that three digits at least begin at i.
func threeDigits(s string, i int) bool { return i+3 <= len(s) && digits(s[i:i+3]) == 3 }

// sized says that exactly n digits begin at i.
func sized(s string, i, n int) bool {
	return i+n <= len(s) && digits(s[i:i+n]) == n && (i+n == len(s) || !digit(s[i+n]))
}

// dialledSlash says that the slash at a..b stands in a telephone number, 0944/93/6074,
// rather than in a date.
func dialledSlash(s string, a, b int) bool {
	i := groupStart(s, a)
	if i > 1 && s[i-1] == '/' && quartet(s, b, b+4) {
		a, i = i-1, groupStart(s, i-1)
	}
	size := a - i
	return size >= 2 && size <= 5 && s[i] == '0' && (size > 2 || digits(s[b:min(len(s), b+4)]) == 4)
}

// groupStart is where the digits that end at a begin, or seven before it.
func groupStart(s string, a int) int {
	i := a
	for i > 0 && a-i < 7 && digit(s[i-1]) {
		i--
	}
	return i
}

// alone says that the digit at i has no other beside it.
func alone(s string, i int) bool {
	return (i == 0 || !alnum(s[i-1])) && (i+1 == len(s) || !alnum(s[i+1]))
}

// quartet says that exactly four digits stand at from..to.
func quartet(s string, from, to int) bool {
	if from < 0 || to > len(s) || from > 0 && digit(s[from-1]) || to < len(s) && digit(s[to]) {
		return false
	}
	return digits(s[from:to]) == 4
}

// wrapped says whether a line end in the gap broke one number in two: after a
// dash, or where the line was full.
func wrapped(s string, a int, gap string) byte {
	dash := strings.HasPrefix(gap, "-")
	rest := strings.TrimLeft(strings.TrimPrefix(gap, "-"), " ")
	if !strings.HasPrefix(rest, "\n") || strings.Trim(rest[1:], "> |") != "" {
		return 0
	}
	if dash {
		return '-'
	}
	if b := a + len(gap); gap == "\n" && quartet(s, a-4, a) && quartet(s, b, b+4) && (b+4 == len(s) || s[b+4] == '\n') {
		return '|' // one group to a line, as in a narrow cell
	}
	line := s[strings.LastIndexByte(s[:a], '\n')+1 : a]
	if b := a + len(gap); len(line) == 1 && (b+1 == len(s) || s[b+1] == '\n') {
		return '|' // one digit to a line: written downwards
	}
	if columns(line) >= 60 {
		return 'n'
	}
	return 0
}

// columns is the width of s on a terminal, two for CJK.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r >= 0x1100 {
			n++
		}
	}
	return n
}

// numbers reads one chain in every way that makes sense: the whole, runs linked
// by one separator, their first part where a label may cut them, single groups.
// What stands before floor is another cell.
func numbers(s string, chain []group, floor int) []number {
	var out []number
	add := func(from, to int, sep byte) {
		n := number{start: chain[from].start, end: chain[to-1].end, groups: chain[from:to], sep: sep,
			whole: from == 0 && to == len(chain) || apart(s, chain, from, to, sep)}
		for _, g := range n.groups {
			n.digits += s[g.start:g.end]
		}
		if len(n.digits) <= maxDigits && bounded(s, n.start, n.end, floor) {
			out = append(out, n)
		}
	}
	for from := 0; from < len(chain); {
		to, sep := from+1, byte(0)
		for to < len(chain) {
			l := link(s, chain[to-1].end, chain[to].start)
			if sep != 0 && l != sep {
				break
			}
			sep = l
			to++
		}
		if to < len(chain) && sep == ' ' && link(s, chain[to-1].end, chain[to].start) != ' ' && to-from > 1 {
			to-- // the last group belongs to the tighter number that follows
			if to-from == 1 {
				sep = 0
			}
		}
		add(from, to, sep)
		if to-from > 1 && sep == ' ' {
			addParts(s, chain, from, to, add)
		}
		from = to
	}
	if len(out) != 1 || !out[0].whole {
		mixed(chain, add)
	}
	return out
}

// apart says that a run stands by itself though other digits are near: they are
// set off by spaces, and it holds together by a closer separator or is long.
func apart(s string, chain []group, from, to int, sep byte) bool {
	if sep == ' ' || sep == 0 && chain[from].size() < 9 {
		return false
	}
	return (from == 0 || link(s, chain[from-1].end, chain[from].start) == ' ') &&
		(to == len(chain) || link(s, chain[to-1].end, chain[to].start) == ' ')
}

// mixed adds the chain as one number whatever its separators: (03) 1234-5678.
func mixed(chain []group, add func(from, to int, sep byte)) {
	single := true
	for _, g := range chain {
		single = single && g.size() == 1
	}
	if len(chain) > 1 && (len(chain) <= 6 || single) {
		add(0, len(chain), '*')
	}
}

// addParts cuts numbers that stand beside each other with spaces between.
func addParts(s string, chain []group, from, to int, add func(from, to int, sep byte)) {
	for i := from; i < to; i++ {
		if chain[i].size() >= 6 {
			add(i, i+1, 0)
		}
	}
	for i := from; i < to; i++ {
		for _, shape := range spacedShapes {
			if k := len(shape); i+k <= to && to-from > k && sizesOf(chain[i:i+k], shape) {
				add(i, i+k, ' ')
			}
		}
	}
	for _, width := range []int{3, 4} { // 4-4-4 and 4-4-4-4
		if to-from <= width {
			continue
		}
		for i := from; i+width <= to; i += width {
			even := true
			for _, g := range chain[i : i+width] {
				even = even && g.size() == 4
			}
			if !even {
				break
			}
			add(i, i+width, ' ')
		}
	}
}

// spacedShapes are numbers that people write with spaces, and which other numbers
// may follow after one: cards, pensions, telephones.
var spacedShapes = [][]int{{4, 6, 5}, {4, 6, 4}, {4, 6, 1}, {4, 6}, {3, 4, 4}, {2, 4, 4}}

func sizesOf(groups []group, shape []int) bool {
	for i, g := range groups {
		if g.size() != shape[i] {
			return false
		}
	}
	return true
}

// bounded says that the number is not part of a longer token: a code, a
// decimal, an address of the net.
func bounded(s string, start, end, floor int) bool {
	if start > 0 && start != floor {
		c := s[start-1]
		if alnum(c) && !labelled(s[:start]) || c == '%' || c == '$' || c == '\\' {
			return false
		}
		if strings.IndexByte("-_./+=&?:#@~", c) >= 0 && start > 1 && tied(s, start-1) {
			return false
		}
	}
	if end < len(s) {
		c := s[end]
		if letter(c) || c == '%' || c == '@' {
			return false
		}
		if strings.IndexByte("-_/=?#~", c) >= 0 && end+1 < len(s) && letter(s[end+1]) && (c != '/' || !strings.HasPrefix(s[end+1:], "EXP") && !strings.HasPrefix(s[end+1:], "CV")) {
			return false
		}
		if c == '.' && end+2 < len(s) && letter(s[end+1]) && letter(s[end+2]) && s[end+1] >= 'a' {
			return false // file or host name
		}
	}
	return true
}

// tied says whether the separator at i joins the number to letters before it.
// A colon or equals sign after a label does not.
func tied(s string, i int) bool {
	if s[i] == '/' && digit(s[i-1]) {
		return false // two numbers side by side
	}
	if s[i] == '/' && letter(s[i-1]) {
		return slashed(s[:i]) // TEL/03-1234-5678, but not path/of/1234
	}
	if !alnum(s[i-1]) {
		return s[i-1] == '/' || s[i-1] == '=' || s[i-1] == '&'
	}
	switch s[i] {
	case ':', '=', '#', '.':
		return digit(s[i-1])
	}
	return true
}

// slashed says whether the word that ends s is part of a path: a slash, dot or
// equals sign stands before it.
func slashed(s string) bool {
	i := len(s)
	for i > 0 && (alnum(s[i-1]) || s[i-1] == '-' || s[i-1] == '_') {
		i--
	}
	return i > 0 && strings.IndexByte("/.=?&@~\\", s[i-1]) >= 0
}

// labelled says whether letters directly before a number are a usual label.
func labelled(before string) bool {
	i := len(before)
	for i > 0 && letter(before[i-1]) && len(before)-i < 12 {
		i--
	}
	switch strings.ToLower(before[i:]) {
	case "tel", "fax", "no", "mobile", "phone", "cell", "ph", "ssn", "card", "id":
		return i == 0 || !alnum(before[i-1])
	}
	return false
}

// counted says whether a counter or unit follows: 2025年, 300円, 12件.
func counted(s string, end int) bool {
	r, _ := utf8.DecodeRuneInString(s[end:])
	return strings.ContainsRune("年月日時分秒円個件名人台本枚回万億千百%℃度点位歳才", r)
}
