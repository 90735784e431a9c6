package detect

import (
	"strings"
	"unicode/utf8"
)

// layout finds what the header above a cell and its neighbour at the left say of it.
type layout struct {
	p     *page
	heads map[column]int  // index + 1 of the header cell
	shown map[column]bool // columns of examples: 記入例
	above []cell          // the row before
	named bool            // and it is a header
}

type column struct{ table, col int }

// layOut maps the cells and finds what header and neighbour say of each.
func (p *page) layOut(book *nameBook) {
	given := p.text.Cells
	if len(given) == 0 {
		given = gridOf(p.text.Body)
	}
	p.cells = make([]cell, 0, len(given))
	for _, g := range given {
		c := cell{Cell: g, start: p.folded.Folded(g.Start), end: p.folded.Folded(g.End), above: -1}
		c.label = p.cellLabel(c.start, c.end)
		p.cells = append(p.cells, c)
	}
	if len(p.text.Cells) == 0 {
		p.cells = p.looseTables(p.cells)
	}
	if len(p.cells) == 0 {
		return
	}
	l := layout{p: p, heads: map[column]int{}, shown: map[column]bool{}}
	for from := 0; from < len(p.cells); {
		to := rowEnd(p.cells, from)
		l.row(book, from, to)
		from = to
	}
}

// rowEnd is the index behind the last cell of the row that begins at from.
func rowEnd(cells []cell, from int) int {
	to := from + 1
	for to < len(cells) && cells[to].Row == cells[from].Row && cells[to].Table == cells[from].Table {
		to++
	}
	return to
}

// row reads the row of cells from..to: a header names the columns from here on, in
// any other row a label names its neighbour.
func (l *layout) row(book *nameBook, from, to int) {
	cells := l.p.cells
	row := cells[from:to]
	if len(l.above) > 0 && l.above[0].Table != row[0].Table {
		l.above = nil
	}
	header := l.header(book, row, to)
	l.examples(row)
	for i := range row {
		c := &row[i]
		key := column{c.Table, c.Col}
		if header {
			l.under(c)
			if c.label != kNone {
				l.heads[key] = from + i + 1
			}
			continue
		}
		c.example = l.shown[key]
		if c.above = l.heads[key] - 1; c.above >= 0 {
			c.head = cells[c.above].label
		}
		if i > 0 {
			l.beside(&row[i-1], c)
		}
	}
	l.above, l.named = row, header
}

// examples notes the columns whose name says that they show how to fill in a form.
func (l *layout) examples(row []cell) {
	if !l.p.present[kSample] {
		return
	}
	for i := range row {
		c := &row[i]
		if text := l.p.cellText(c); digits(text) == 0 && utf8.RuneCountInString(text) <= 12 && l.p.holds(kSample, c) {
			l.shown[column{c.Table, c.Col}] = true
		}
	}
}

// beside lets a label at the left name the cell. In a table whose headers stand at
// the left it names all of the row.
func (l *layout) beside(left, c *cell) {
	switch {
	case left.label != kNone:
		c.left = left.label
	case c.head == kNone || c.head == kPerson:
		c.left = left.left
	}
}

// header says that a row names columns: it has labels and no values, and what
// stands below its only label is not the next label of a form.
func (l *layout) header(book *nameBook, row []cell, next int) bool {
	labels, filled, first := 0, 0, -1
	for i := range row {
		c := &row[i]
		if l.p.blank(c) {
			continue
		}
		filled++
		if c.label != kNone {
			if labels++; first < 0 {
				first = i
			}
		} else if l.p.valued(book, c) {
			return false
		}
	}
	if labels == 0 || labels*4 < filled {
		return false
	}
	if labels > 1 {
		return labels*2 > filled || !l.formBelow(row, next)
	}
	return !l.formBelow(row[first:], next)
}

// formRows is how far below a label the next one of a form is looked for.
const formRows = 6

// formBelow says that a cell below the first of row is a label as well.
func (l *layout) formBelow(row []cell, next int) bool {
	cells := l.p.cells
	for range formRows {
		if next >= len(cells) || cells[next].Table != row[0].Table {
			return false
		}
		end := rowEnd(cells, next)
		for _, c := range cells[next:end] {
			if c.Col == row[0].Col && c.label != kNone {
				return true
			}
		}
		next = end
	}
	return false
}

// under reads 番号 below a header that spans several columns: 振込先, 年金.
func (l *layout) under(c *cell) {
	if !l.named || c.label.specific() || !neutralHead(strings.Trim(l.p.s[c.start:c.end], " \"\n\t")) {
		return
	}
	for i := len(l.above) - 1; i >= 0; i-- {
		if o := &l.above[i]; o.Col <= c.Col && !l.p.blank(o) {
			if o.label.specific() {
				c.label = o.label
			}
			return
		}
	}
}

// specific kinds are those of values that we look for.
func (k kind) specific() bool { return k.names() && k != kOther }

func neutralHead(text string) bool {
	switch text {
	case "番号", "No", "No.", "NO", "NO.", "no", "no.", "記号番号", "記号・番号", "#", "Number", "number":
		return true
	}
	return false
}

func (p *page) blank(c *cell) bool { return strings.Trim(p.s[c.start:c.end], " \"\n") == "" }

// valued says that a cell without a label holds a value rather than the name of a
// column: a number, an address, somebody's name.
func (p *page) valued(book *nameBook, c *cell) bool {
	text := strings.Trim(p.s[c.start:c.end], " \"\n\t")
	n := digits(text)
	switch {
	case n >= 4: // but 2025年度 is a column
		last := lastRune(text)
		return n >= 7 || last != '年' && last != '度' && last != '月' && last != '期'
	case n > 0 && n == len(text):
		return true
	}
	if _, n := dayAt(text, false); n > 0 {
		return true
	}
	return strings.Contains(text, "@") || book.person(text)
}

func lastRune(s string) rune {
	r, _ := utf8.DecodeLastRuneInString(s)
	return r
}

// cellLabel is what a cell says when it is a header: short, without a number,
// and mostly a label.
func (p *page) cellLabel(start, end int) kind {
	text := strings.TrimSpace(p.s[start:end])
	if text == "" || utf8.RuneCountInString(text) > 30 || digits(text) > 3 {
		return kNone
	}
	note := strings.IndexAny(text, "([")
	if note <= 0 {
		return p.labelIn(start, end)
	}
	at := start + strings.Index(p.s[start:end], text) + note
	first := p.labelIn(start, at)
	if first != kNone && first != kOther {
		return first
	}
	if k := p.labelIn(at, end); k != kNone && k != kOther {
		return k // 本人確認書類(運転免許証), 一連番号(基礎年金番号)
	}
	return first
}

// labelIn is what the words in start..end say: the longest label, when it is most
// of them or, as in 勤務先TEL, their last.
func (p *page) labelIn(start, end int) kind {
	text := strings.Trim(p.s[start:end], " \"\n\t")
	var best hit
	for i := p.endingBy(start); i < len(p.hits) && p.hits[i].end <= end; i++ {
		h := p.hits[i]
		if h.start < start || h.kind == kSample || h.kind == kTest || h.kind == kPrefecture || h.kind == kCity || h.kind == kRoman || h.kind == kNone {
			continue
		}
		if best.kind != kNone && best.start <= h.start && best.end >= h.end {
			continue // name in bank_name
		}
		last := strings.Trim(p.s[h.end:end], " :*※)]】>\"") == "" // 保護者電話 is a telephone
		if best.kind == kNone || last && h.kind != kOther || h.end-h.start >= best.end-best.start {
			best = h
		}
	}
	if (best.kind == kBank || best.kind == kBranch) && properName(p.s[start:best.start]) {
		return kNone
	}
	if best.kind != kNone && best.end < end {
		rest := strings.Trim(p.s[best.end:end], " :*※\"\n\t")
		switch {
		case best.kind.specific() && connects(rest):
			return best.kind // 健保記号番号
		case namesElse(rest):
			return kOther // マイナンバー受付番号, 生年月日登録日
		}
	}
	if best.kind != kNone && ((best.end-best.start)*5 >= (end-start)*2 || strings.Trim(p.s[best.end:end], " :*※)]】>\"") == "") {
		return best.kind
	}
	if short, ok := shortHeads[text]; ok {
		return short
	}
	if _, _, ok := genericLabel(p.s[start:end]); ok {
		return kOther
	}
	if role(text) {
		return kPerson
	}
	return kNone
}

// namesElse says that what follows a label in a header makes it the name of something
// else: the last noun says what a column holds.
func namesElse(rest string) bool {
	if utf8.RuneCountInString(rest) < 2 && rest != "日" || !ideographs(strings.TrimLeft(rest, "の"), 8) && !ends(rest, genericEnds) {
		return false
	}
	return ends(rest, genericEnds) || ends(rest, elseEnds)
}

// elseEnds are the last characters of what a record says about a number or a person.
var elseEnds = []string{"日", "期限", "区分", "有無", "状況", "残高", "額", "数", "種別", "理由", "結果", "券", "会", "回", "休暇", "特典", "時期", "年度", "方法", "済", "予定", "対応", "担当", "申請", "確認"}

func ends(s string, list []string) bool {
	low := strings.ToLower(s)
	for _, end := range list {
		if strings.HasSuffix(low, end) {
			return true
		}
	}
	return false
}

// properName says that what stands before 銀行 or 支店 makes it a certain one.
func properName(before string) bool {
	switch strings.Trim(before, " \"お先") {
	case "", "振込", "取引", "引落", "受取", "仕向", "被仕向", "指定", "利用", "入金", "本", "本・", "本/":
		return false
	}
	return true
}

// shortHeads are headers too short to be looked for in running text.
var shortHeads = map[string]kind{
	"姓": kName, "名": kName, "セイ": kName, "メイ": kName, "性": kName, "no": kOther, "No": kOther, "NO": kOther, "No.": kOther,
	"カナ": kName, "かな": kName, "番地": kAddress, "市区町村": kAddress, "市区郡": kAddress, "町名": kAddress, "町域": kAddress, "丁目": kAddress, "番地以下": kAddress, "丁目番地": kAddress, "町名番地": kAddress, "建物名": kAddress, "住所1": kAddress, "住所2": kAddress, "都道府県": kAddress,
	"誕生": kBirth, "生誕": kBirth, "LastName": kName, "FirstName": kName, "lastName": kName, "firstName": kName,
	"メール": kEmail, "Mail": kEmail, "mail": kEmail, "MAIL": kEmail,
}
