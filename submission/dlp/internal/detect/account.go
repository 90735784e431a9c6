package detect

import (
	"strings"
	"unicode/utf8"
)

// findAccounts reports Japanese bank accounts: seven digits (ゆうちょ up to
// eight) under a label. Bank, branch and account together are proof of
// structure.
func (p *page) findAccounts(own owned) {
	for i, n := range p.numbers {
		d, level := p.account(&n, p.owners[i])
		if level == 0 || own.account(d) || trivial(d) || p.sampled(n.start, n.end) {
			continue
		}
		p.add("jp.bank_account", p.amid(level, n.start), d, n.start, n.end, maskDigits)
	}
}

func (p *page) account(n *number, own hit) (string, Level) {
	d := n.digits
	if pair, level := p.postPair(n); level > 0 {
		return pair, level
	}
	if n.sizes(3, 7) && (own.kind == kAccount || own.kind == kBank || own.kind == kBranch || own.kind == kDeposit) {
		return d, Medium // branch and account in one
	}
	if n.sizes(4, 3, 7) && (own.kind == kAccount || own.kind == kBank || own.kind == kDeposit) {
		return d, High // bank, branch and account in one
	}
	boxes := len(n.groups) == len(d) // one box per digit
	if len(n.groups) > 2 && !boxes || len(d) < 6 || len(d) > 8 {
		return "", 0
	}
	switch own.kind {
	case kAccount, kDeposit:
		if bank, branch := p.branch(n.start); bank && branch {
			return pad7(d), High
		}
		return pad7(d), Medium
	case kBank, kBranch:
		if own.start >= n.end && len(d) == 7 { // 1234567(みずほ銀行 新宿支店 普通)
			if h, ok := p.labelFrom(own.end, ahead(p.s, own.end, 30)); ok && (h.kind.supports() || h.kind == kAccount) {
				return d, Medium
			}
		}
		if bank, branch := p.branch(n.start); len(d) == 7 && bank && branch {
			return d, Medium
		}
	case kNone:
		if len(d) == 7 && (len(n.groups) == 1 || boxes) && p.depositMark(n.start) {
			if bank, branch := p.branch(n.start); bank && branch {
				return d, High
			}
		}
		if len(d) == 7 && n.whole && len(n.groups) == 1 && p.close(kDeposit, n.start, 20) && !counted(p.s, n.end) {
			if bank, branch := p.branch(n.start); bank && branch {
				return d, Medium // 普通 ヤマダタロウ 1234567
			}
		}
		if len(d) == 7 && n.whole && len(n.groups) == 1 && p.near(kAccount, n.start, n.end) {
			if bank, branch := p.branch(n.start); bank || branch || p.close(kDeposit, n.start, 20) {
				return d, Medium
			}
		}
	}
	if (own.kind == kNone || own.kind == kOther) && p.post(n) {
		return d, High
	}
	return "", 0
}

// depositMark says that 普 or 当 stands by itself before the number: みずほ/新宿/普/1234567.
func (p *page) depositMark(at int) bool {
	before := strings.TrimRight(p.s[back(p.s, at, 6):at], " /・:|│,\t.No")
	if !strings.HasSuffix(before, "普") && !strings.HasSuffix(before, "当") {
		return false
	}
	r, _ := utf8.DecodeLastRuneInString(before[:len(before)-len("普")])
	return !ideograph(r)
}

// postPair reads the symbol and number of a ゆうちょ account written as one:
// 13080-67041061. The symbol has five digits and begins with 0 or 1, the number of
// an ordinary account ends in 1.
func (p *page) postPair(n *number) (string, Level) {
	if !n.sizes(5, 8) && !n.sizes(5, 7) && !n.sizes(5, 6) && !n.sizes(5, 1, 8) && !n.sizes(5, 1, 7) || n.digits[0] > '1' {
		return "", 0
	}
	before := p.s[back(p.s, n.start, 80):n.start]
	switch symbol := strings.Contains(before, "記号"); {
	case strings.Contains(before, "ゆうちょ"), symbol && strings.Contains(before, "貯金"):
		return n.digits, High
	case symbol && p.close(kAccount, n.start, 60):
		return n.digits, Medium
	}
	return "", 0
}

// branch says whether a bank and a branch are named before the number or in its
// row.
func (p *page) branch(at int) (bank, branch bool) {
	bank, branch = p.close(kBank, at, 80), p.close(kBranch, at, 60)
	branch = branch || bank && strings.Contains(p.s[back(p.s, at, 30):at], "店") // 〇一八店
	if p.cellAt(at) != nil {
		bank, branch = bank || p.tableHas(at, kBank), branch || p.tableHas(at, kBranch)
	}
	return bank, branch
}

// post: the number of a ゆうちょ account, labelled 番号 after its 記号.
func (p *page) post(n *number) bool {
	before := p.s[back(p.s, n.start, 60):n.start]
	return strings.Contains(before, "ゆうちょ") && strings.Contains(before, "記号") && len(n.digits) >= 6
}

func pad7(d string) string {
	if len(d) < 7 {
		return strings.Repeat("0", 7-len(d)) + d
	}
	return d
}

// tableHas says whether a column of the value's row lies under a header of kind k.
func (p *page) tableHas(at int, k kind) bool {
	c := p.cellAt(at)
	for i := range p.cellsOfRow(c) {
		if o := p.cellsOfRow(c)[i]; o.head == k || o.left == k {
			return true
		}
	}
	return false
}

// cellsOfRow are the cells beside c.
func (p *page) cellsOfRow(c *cell) []cell {
	i := 0
	for lo, hi := 0, len(p.cells); lo < hi; {
		mid := (lo + hi) / 2
		if p.cells[mid].end <= c.start {
			lo = mid + 1
		} else {
			hi = mid
		}
		i = lo
	}
	from, to := i, i
	for from > 0 && p.cells[from-1].Table == c.Table && p.cells[from-1].Row == c.Row {
		from--
	}
	for to < len(p.cells) && p.cells[to].Table == c.Table && p.cells[to].Row == c.Row {
		to++
	}
	return p.cells[from:to]
}
