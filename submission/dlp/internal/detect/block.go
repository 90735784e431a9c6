package detect

import (
	"strings"
	"unicode/utf8"
)

// block is the number at the end of an address: 1-2-3, 一丁目2番3号, 123番地の4.
type block struct {
	end           int
	marks, groups int  // dashes and words between the numbers; the numbers
	named         bool // by 丁目, 番 or 番地
	house         bool // by 番 or 番地: down to the house
}

// firm says that the block is one by itself: nobody writes 1丁目2番 about
// anything but a place, and a score or a date is not 1-2-3.
func (b block) firm() bool {
	return b.house || b.named && b.groups >= 2 || b.marks >= 2 && b.groups >= 2 || b.marks >= 1 && b.groups == 2
}

const blockNumerals = "〇一二三四五六七八九十"

// blockKanji says whether kanji numerals before 丁目, 番 or a dash begin at s. A
// town may be called 二番町.
func blockKanji(s string) bool {
	n := 0
	for i, r := range s {
		if strings.ContainsRune(blockNumerals, r) {
			n++
			continue
		}
		if n == 0 || n >= 5 {
			return false
		}
		next, _ := utf8.DecodeRuneInString(s[i+utf8.RuneLen(r):])
		switch {
		case r == '丁':
			return next == '目'
		case r == '番':
			return next != '町'
		}
		return blockDash(r) && (strings.ContainsRune(blockNumerals, next) || next >= '0' && next <= '9')
	}
	return false
}

func blockDash(r rune) bool { return strings.ContainsRune("-のノ−ー‐–—―", r) }

// blockAt reads the block that begins at i.
func (p *page) blockAt(i, limit int, a anchor) block {
	b := block{end: i}
	inDigits, last := false, rune(0)
	j := i
	for j < limit {
		r, n := utf8.DecodeRuneInString(p.s[j:])
		switch {
		case digit(p.s[j]):
			if !inDigits {
				b.groups++
			}
			inDigits, b.end = true, j+n
		case strings.ContainsRune(blockNumerals, r):
			if !strings.ContainsRune(blockNumerals, last) {
				b.groups++
			}
			inDigits, b.end = false, j+n
		case blockDash(r):
			inDigits = false
			b.marks++
		case strings.ContainsRune("丁目番地号", r):
			inDigits = false
			b.marks++
			b.house = b.house || r == '番' || r == '地'
			b.named = b.named || r == '丁' || r == '番' || r == '地'
			b.end = j + n
		case strings.ContainsRune("条線東西南北通", r) && (b.groups > 0 && j+n < limit && (digit(p.s[j+n]) || strings.ContainsRune("条線東西南北通"+blockNumerals, runeAt(p.s, j+n)))): // 北1条西2丁目
			inDigits = false
			b.marks++
		case (r == ' ' || r == '\n') && p.blockGoesOn(j+n, limit, last):
			inDigits = false
			r = last
		default:
			return p.validBlock(i, b, r, a)
		}
		last = r
		j += n
	}
	return p.validBlock(i, b, 0, a)
}

func runeAt(s string, at int) rune {
	r, _ := utf8.DecodeRuneInString(s[at:])
	return r
}

// blockGoesOn says whether a space inside a block is no end: 1 - 2 - 3, 1丁目 2番.
func (p *page) blockGoesOn(at, limit int, last rune) bool {
	if at >= limit {
		return false
	}
	next := runeAt(p.s, at)
	if strings.ContainsRune("-−ー丁番号", next) {
		return true
	}
	return (next >= '0' && next <= '9' || strings.ContainsRune(blockNumerals, next)) && (blockDash(last) || last == '目' || last == '番' || last == '地')
}

// validBlock refuses years, counts, dates, phone numbers and lone numbers after a
// particle (横浜市の3施設).
func (p *page) validBlock(i int, b block, next rune, a anchor) block {
	text := p.s[i:b.end]
	if strings.ContainsRune("年月日時分秒円件名人万億個%歳周回度便点位:/", next) && next != 0 && !(b.named && b.groups > 1) && b.marks < 2 {
		return block{}
	}
	if text[0] == '0' || len(text) > 4 && digits(text[:4]) == 4 && !b.named && b.marks > 0 && (text[:2] == "19" || text[:2] == "20") {
		return block{} // 03-..., 2025-11-26
	}
	before, _ := utf8.DecodeLastRuneInString(strings.TrimRight(p.s[:i], " "))
	if !b.named && strings.ContainsRune("でにはがをとも約計全第", before) {
		return block{}
	}
	if b.marks == 0 && (b.groups != 1 || b.end-i > 5 || before == 'の') {
		return block{}
	}
	if !a.labelled && strings.Contains(p.s[a.at:i], "番号") {
		return block{}
	}
	return b
}
