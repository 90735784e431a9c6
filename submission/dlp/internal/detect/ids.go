package detect

import (
	"strings"
	"unicode/utf8"

	"github.com/sekisho-mail/sekisho/submission/dlp/internal/fold"
)

// readNumbers collects every reading of every chain of digits with its label.
func (p *page) readNumbers() {
	for _, chain := range chains(p.s) {
		for _, part := range p.uncounted(chain) {
			text, floor := p.s, -1
			if c := p.cellAt(part[0].start); c != nil {
				text, floor = p.s[:max(c.end, part[len(part)-1].end)], c.start
			}
			for _, n := range numbers(text, part, floor) {
				if len(n.digits) >= 6 && !p.inURL(n.start) {
					p.numbers = append(p.numbers, n)
				}
			}
		}
	}
	p.readKanji()
	p.owners = make([]hit, len(p.numbers))
	for i, n := range p.numbers {
		p.owners[i] = p.ownLabel(n.start, n.end)
		if p.owners[i].kind == kNone {
			p.owners[i] = p.inherit(i)
		}
	}
}

// readKanji adds the runs of kanji digits, and what a space or dash divides.
func (p *page) readKanji() {
	runs := p.folded.Kanji
	for i := 0; i < len(runs); i++ {
		run := p.wholeKanji(runs[i])
		for i+1 < len(runs) && runs[i+1].Start < run.End {
			i++
		}
		p.numbers = append(p.numbers, number{start: run.Start, end: run.End, whole: true, kanji: true,
			digits: fold.KanjiDigits(p.s[run.Start:run.End]), groups: []group{{run.Start, run.End}}})
	}
}

// wholeKanji extends a run of kanji digits over a space or dash to shorter runs on
// both sides: 〇三 一二三四 五六七八.
func (p *page) wholeKanji(run fold.Span) fold.Span {
	for range maxGroups {
		rest := p.s[run.End:]
		next := rest[kanjiGap(rest):]
		n := kanjiRun(next)
		if len(next) == len(rest) || n == 0 {
			break
		}
		run.End = len(p.s) - len(next) + n
	}
	for range maxGroups {
		before := p.s[:run.Start]
		trimmed := before[:len(before)-kanjiGapBefore(before)]
		n := kanjiRunBefore(trimmed)
		if len(trimmed) == len(before) || n == 0 {
			break
		}
		run.Start = len(trimmed) - n
	}
	return run
}

// kanjiGap is the length of the one separator that begins s, kanjiGapBefore of
// the one that ends it.
func kanjiGap(s string) int {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 || !strings.ContainsRune(" -ー・‐―−–—の", r) {
		return 0
	}
	return n
}

func kanjiGapBefore(s string) int {
	r, n := utf8.DecodeLastRuneInString(s)
	if n == 0 || !strings.ContainsRune(" -ー・‐―−–—の", r) {
		return 0
	}
	return n
}

// kanjiRun is the length of the kanji digits that begin s.
func kanjiRun(s string) int {
	n := 0
	for n < len(s) {
		r, size := utf8.DecodeRuneInString(s[n:])
		if fold.KanjiDigits(string(r)) == "" {
			break
		}
		n += size
	}
	return n
}

func kanjiRunBefore(s string) int {
	n := 0
	for n < len(s) && n < 60 {
		r, size := utf8.DecodeLastRuneInString(s[:len(s)-n])
		if fold.KanjiDigits(string(r)) == "" {
			break
		}
		n += size
	}
	return n
}

// uncounted cuts a chain at groups that a counter follows (years, prices, sizes)
// and where a row of a table ends.
func (p *page) uncounted(chain []group) [][]group {
	var out [][]group
	from := 0
	for i, g := range chain {
		if i > from && len(p.cells) > 0 && p.setApart(chain[i-1], g) {
			out = append(out, chain[from:i])
			from = i
		}
		if counted(p.s, g.end) {
			if i > from {
				out = append(out, chain[from:i])
			}
			from = i + 1
		}
	}
	if from == 0 {
		return [][]group{chain}
	}
	if from < len(chain) {
		out = append(out, chain[from:])
	}
	return out
}

// setApart says that two groups of digits stand in different cells, and not in boxes
// of one digit each.
func (p *page) setApart(a, b group) bool {
	if p.cellAt(a.start) == p.cellAt(b.start) {
		return false
	}
	return strings.IndexByte(p.s[a.end:b.start], '\n') >= 0 || link(p.s, a.end, b.start) != '|'
}

// inherit gives a number in a list the label of the one before it: 個人番号: A, B, C.
func (p *page) inherit(i int) hit {
	n := p.numbers[i]
	for j := i - 1; j >= 0 && j >= i-6; j-- {
		before := p.numbers[j]
		if before.end > n.start || len(before.digits) != len(n.digits) || p.owners[j].kind == kNone {
			continue
		}
		if p.cellAt(before.start) != p.cellAt(n.start) {
			return hit{}
		}
		gap := withoutNotes(p.s[before.end:n.start])
		if p.nextInList(gap, before.end, n.start) {
			return p.owners[j]
		}
		if len(gap) <= 16 && strings.Trim(gap, " \t\r\n,、;/・&|-*•") == "" || gap == "と" || gap == "及び" || gap == "および" {
			return p.owners[j]
		}
	}
	return hit{}
}

// withoutNotes leaves the remarks in brackets out: 1234567(山田)、7654321.
func withoutNotes(gap string) string {
	if i := strings.IndexByte(gap, '('); i >= 0 {
		if n := note(gap[i:]); n > 0 && digits(gap[i:i+n]) == 0 {
			return gap[:i] + gap[i+n:]
		}
	}
	return gap
}

// nextInList says that the gap leads to the next line of a list: a line end, a
// bullet, a name of a few characters, and no label.
func (p *page) nextInList(gap string, from, to int) bool {
	if len(gap) > 60 || strings.Count(gap, "\n") != 1 || digits(gap) > 2 || p.labelWithin(from, to) {
		return false
	}
	_, line, _ := strings.Cut(gap, "\n")
	return !strings.ContainsAny(line, ":=") && listItem(line)
}

// listItem says that a line holds no more than a bullet and a name up to its value.
func listItem(line string) bool {
	line = strings.Trim(line, " \t・*-●○■□◆◇:.,)(0123456789→>")
	for _, t := range titles {
		line = strings.TrimSuffix(line, t)
	}
	n := 0
	for _, r := range line {
		if !nameRune(r) && r != ' ' && !letterRune(r) && r != '.' {
			return false
		}
		n++
	}
	return n >= 2 && n <= 14 && !office(line) && !strings.ContainsAny(line, "はがをにで")
}

// number12 and the like: the types that are told by their digits.
type idType struct {
	detector string
	kind     kind
	sizes    []int
	check    func(string) bool
	groups   [][]int // usual groupings; nil for number.plain
	pad      int     // digits after restoring zeros that a spreadsheet lost
	shape    bool    // low without label when grouped as usual
}

// idTypes are tried on every number in this order.
var idTypes = []idType{
	{detector: "jp.my_number", kind: kMyNumber, sizes: []int{12}, check: myNumber, pad: 12},
	{detector: "jp.drivers_license", kind: kLicence, sizes: []int{12}, check: driversLicence},
	{detector: "jp.corporate_number", kind: kCorporate, sizes: []int{13}, check: corporateNumber},
	{detector: "jp.health_insurance", kind: kInsurer, sizes: []int{6, 8}, check: luhn, pad: 8},
	{detector: "jp.health_insurance", kind: kInsured, sizes: []int{6, 7, 8, 9, 10, 11, 12}},
	{detector: "jp.pension_number", kind: kPension, sizes: []int{10}, groups: [][]int{{10}, {4, 6}}, pad: 10, shape: true},
	{detector: "jp.employment_insurance", kind: kEmployment, sizes: []int{11}, groups: [][]int{{11}, {4, 6, 1}}, pad: 11, shape: true},
	{detector: "jp.resident_code", kind: kResident, sizes: []int{11}, pad: 11},
	{detector: "us.ssn", kind: kSSN, sizes: []int{9}, check: socialSecurity, groups: [][]int{{9}, {3, 2, 4}}, pad: 9, shape: true},
}

// identify reports a number as what it is.
func (p *page) identify(n *number, own hit) {
	if trivial(n.digits) {
		return
	}
	for i := range idTypes {
		p.tryID(&idTypes[i], n, own)
	}
	p.tryCard(n, own)
}

func (p *page) tryID(t *idType, n *number, own hit) {
	d := n.digits
	if own.kind != t.kind && own.kind.specific() && p.alsoNamed(t.kind, own, n.start) {
		own.kind = t.kind
	}
	if t.pad > 0 && len(d) < t.pad && own.kind == t.kind && p.cellAt(n.start) != nil && len(d) >= t.pad-2 && len(n.groups) == 1 && len(t.sizes) == 1 {
		d = strings.Repeat("0", t.pad-len(d)) + d
	}
	if t.kind == kPension && own.kind == kPension && len(d) == 14 && (n.sizes(4, 6, 4) || n.sizes(10, 4) || n.groups[0].size() == 1) {
		p.addPension(n) // with the code of the pension behind it
		return
	}
	if !fits(t, d, n, own) {
		return
	}
	if (t.kind == kInsured || t.kind == kInsurer && len(n.groups) > 1) && n.dated() {
		return
	}
	checked := t.check != nil && t.detector != "us.ssn"
	if t.check != nil && !t.check(d) {
		return
	}
	level := p.idLevel(t, n, own, checked, d)
	if level == 0 || p.sampled(n.start, n.end) || n.kanji && level == Low {
		return
	}
	p.add(t.detector, p.amid(level, n.start), d, n.start, n.end, maskDigits)
}

// addPension reports the ten digits of a number with the code of the pension behind
// it: 1234-567890-1150.
func (p *page) addPension(n *number) {
	if !p.sampled(n.start, n.end) {
		p.add("jp.pension_number", p.amid(Medium, n.start), n.digits[:10], n.start, n.end, maskDigits)
	}
}

// idLevel applies the definition of the levels.
func (p *page) idLevel(t *idType, n *number, own hit, checked bool, d string) Level {
	likely := checked || own.kind != kNone || p.plausible(t, n)
	if own.kind == kNone && p.strange(n.start) {
		likely = false
	}
	if likely && p.named(t.kind, own, n.start, n.end) {
		switch {
		case own.kind == kNone && (timeStamp(d) || !n.whole && !n.plain()):
			return 0
		case checked:
			return High
		}
		return Medium
	}
	if own.kind != kNone || !n.whole || p.foreign(n) {
		return 0
	}
	switch {
	case checked && t.kind != kInsurer && !timeStamp(d):
		return Low
	case t.shape && len(n.groups) > 1:
		return Low
	}
	return 0
}

// strange says that a word which nobody foresaw names the value, 控え：9832 or
// Locker: 9832: whatever it is, it is not what the paragraph speaks of. Whose
// number it is (山田：, 本人) and words that only lead to it are none.
func (p *page) strange(at int) bool {
	from := back(p.s, at, 24)
	if c := p.cellAt(at); c != nil {
		from = max(from, c.start)
	}
	before := strings.TrimRight(p.s[from:at], " 「『\"([#")
	label := strings.TrimRight(strings.TrimRight(before, ":"), " ")
	if len(label) == len(before) {
		return false
	}
	start := len(label)
	for start > 0 {
		r, n := utf8.DecodeLastRuneInString(label[:start])
		if !ideograph(r) && !letterRune(r) && !nameRune(r) {
			break
		}
		start -= n
	}
	label = label[start:]
	n := utf8.RuneCountInString(label)
	if n < 2 || n > 14 || connects(label) || role(label) || leading[label] || p.labelWithin(at-(len(p.s[from:at])-start), at) {
		return false
	}
	if label[0] < utf8.RuneSelf {
		low := strings.ToLower(label)
		return len(label) > 2 && low != "value" && low != "san"
	}
	return !p.person(label)
}

// person says that a word is somebody's name or a part of one.
func (p *page) person(word string) bool {
	for _, t := range titles {
		word = strings.TrimSuffix(word, t)
	}
	return word == "" || p.names.surnames[word] || p.names.given[word] || p.names.fullName(word) || likeGiven(word) && endsGiven(word) && !office(word)
}

// leading words stand before a value of any sort.
var leading = map[string]bool{
	"番号": true, "回答": true, "返信": true, "内容": true, "詳細": true, "入力": true, "記入": true, "提出": true, "結果": true, "該当": true, "変更後": true, "変更前": true, "訂正後": true, "訂正前": true,
	"現在": true, "備考": true, "メモ": true, "追記": true, "追伸": true, "以下": true, "下記": true, "個人": true, "ご本人": true, "本人分": true, "配偶者分": true, "データ": true, "数字": true, "登録内容": true,
	"です": true, "ですが": true, "こちら": true, "こちらです": true, "通り": true, "とおり": true, "とおりです": true, "通りです": true, "お知らせ": true, "ご連絡": true, "数字のみ": true, "ハイフンなし": true, "ハイフンあり": true,
}

// plausible: a number without check digit that only stands near its keyword
// must be written as its type is.
func (p *page) plausible(t *idType, n *number) bool {
	if t.kind == kInsured {
		return false
	}
	if t.shape {
		return len(n.groups) > 1 || p.justNumber(n.start)
	}
	return n.whole && n.plain() && !timeStamp(n.digits) && !mobile(n.digits)
}

// justNumber says that the value's own label says no more than 番号: the line above, or
// the subject, says which.
func (p *page) justNumber(at int) bool {
	before := strings.TrimRight(p.s[back(p.s, at, 12):at], " :=>\t】])")
	word := strings.TrimSuffix(strings.TrimSuffix(before, "番号"), "No.")
	if len(word) == len(before) {
		return false
	}
	r, _ := utf8.DecodeLastRuneInString(word)
	return !ideograph(r) && !nameRune(r)
}

// foreign says that the nearest label before the number, within 40 characters,
// names something else.
func (p *page) foreign(n *number) bool {
	from := back(p.s, n.start, 40)
	for i := p.endingBy(n.start) - 1; i >= 0 && p.hits[i].end > from; i-- {
		if h := p.hits[i]; h.kind.names() {
			return h.kind == kOther && !strings.ContainsAny(p.s[h.end:n.start], "0123456789")
		}
	}
	return false
}

// alsoNamed says that the label of the value is half of a double one whose other half
// is of kind k: 個人番号（基礎年金番号）, 基礎年金番号又は個人番号.
func (p *page) alsoNamed(k kind, own hit, start int) bool {
	if !p.present[k] {
		return false
	}
	if c := p.cellAt(start); c != nil && c.head == own.kind && c.above >= 0 && p.holds(k, &p.cells[c.above]) {
		return true
	}
	for i := p.endingBy(start) - 1; i >= 0 && p.hits[i].end > own.start-30; i-- {
		h := p.hits[i]
		if h.kind != k {
			continue
		}
		gap := ""
		switch {
		case h.end <= own.start:
			gap = p.s[h.end:own.start]
		case h.start >= own.end:
			gap = p.s[own.end:h.start]
		}
		switch strings.Trim(gap, " ") {
		case "又は", "または", "もしくは", "及び", "・", "/", "、", "(", "or", "と", "か":
			return true
		}
	}
	return false
}

func fits(t *idType, d string, n *number, own hit) bool {
	if t.kind == kInsured && own.kind == kInsured && len(n.groups) == 2 && n.groups[0].size() <= 8 && n.groups[1].size() <= 8 {
		return true
	}
	size := false
	for _, s := range t.sizes {
		size = size || len(d) == s
	}
	if !size {
		return false
	}
	if t.groups == nil {
		return n.plain() || own.kind == t.kind && len(n.groups) <= 6
	}
	for _, g := range t.groups {
		if n.sizes(g...) || len(g) == 1 && len(n.groups) == 1 {
			return true
		}
	}
	return own.kind == t.kind && n.plain() && n.groups[0].size() == 1
}

// socialSecurity: areas 000, 666 and 9xx, group 00 and serial 0000 are never issued.
func socialSecurity(d string) bool {
	return d[:3] != "000" && d[:3] != "666" && d[0] != '9' && d[3:5] != "00" && d[5:] != "0000" &&
		d != "123456789" && d != "078051120" && d != "219099999"
}

// tryCard: cards are high with a keyword, low by Luhn and brand alone.
func (p *page) tryCard(n *number, own hit) {
	d := n.digits
	if len(d) < 12 || !luhn(d) || !issuer(d) && !elderIssuer(d) || !cardGroups(n) || p.sampled(n.start, n.end) {
		return
	}
	if testCard(d) && (p.close(kTest, n.start, proximity) || p.close(kSample, n.start, proximity)) {
		return
	}
	level := Low
	switch {
	case p.cardNamed(n, own):
		level = High
	case own.kind != kNone || p.foreign(n) || timeStamp(d) || !issuer(d) || n.kanji:
		return
	}
	p.add("payment_card", p.amid(level, n.start), d, n.start, n.end, maskDigits)
}

// cardNamed: a label, a brand or an expiry date says that the number is a card's.
func (p *page) cardNamed(n *number, own hit) bool {
	if p.named(kCard, own, n.start, n.end) {
		return true
	}
	if own.kind == kOther && p.memberNumber(own) && issuer(n.digits) {
		own.kind = kNone // what the card companies themselves call it
	}
	if own.kind == kNone && issuer(n.digits) && p.expiresAfter(n.end) {
		return true
	}
	return own.kind == kNone && (p.near(kCardHint, n.start, n.end) || p.close(kCardHint, n.start, proximity) || p.hintAfter(n.end))
}

// memberNumber says that the label is 会員番号.
func (p *page) memberNumber(own hit) bool {
	return strings.HasSuffix(p.s[:own.end], "会員番号") || strings.HasSuffix(p.s[:own.end], "会員no")
}

// expiresAfter reads the month and year behind a number: 12/27, (12/27).
func (p *page) expiresAfter(end int) bool {
	rest := strings.TrimLeft(p.s[end:min(len(p.s), end+12)], " ,;\t(\"")
	if len(rest) < 5 || rest[2] != '/' || digits(rest[:5]) != 4 || len(rest) > 5 && (digit(rest[5]) || rest[5] == '/') {
		return false
	}
	month, year := rest[:2], rest[3:5]
	return month >= "01" && month <= "12" && year >= "20" && year <= "49"
}

// hintAfter looks for an expiry date or security code behind the number.
func (p *page) hintAfter(end int) bool {
	to := ahead(p.s, end, 100)
	for i := p.endingBy(end); i < len(p.hits) && p.hits[i].end <= to; i++ {
		if p.hits[i].kind == kCardHint || p.hits[i].kind == kCard {
			return true
		}
	}
	return false
}

// cardGroups: 4-4-4-4(-3), 4-6-5, 4-6-4, together, or one box per digit.
func cardGroups(n *number) bool {
	return n.plain() || n.sizes(4, 6, 5) || n.sizes(4, 6, 4) || n.sizes(6, 10) || n.sizes(6, 13)
}
