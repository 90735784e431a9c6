package detect

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

var prefectures = strings.Fields(`北海道 青森県 岩手県 宮城県 秋田県 山形県 福島県 茨城県 栃木県 群馬県 埼玉県 千葉県 東京都 神奈川県 新潟県
	富山県 石川県 福井県 山梨県 長野県 岐阜県 静岡県 愛知県 三重県 滋賀県 京都府 大阪府 兵庫県 奈良県 和歌山県 鳥取県 島根県 岡山県 広島県 山口県
	徳島県 香川県 愛媛県 高知県 福岡県 佐賀県 長崎県 熊本県 大分県 宮崎県 鹿児島県 沖縄県`)

// findAddresses reports Japanese postal addresses that run down to a number.
// One with its prefecture or with a known city is evidence by itself; one
// without needs 〒 or a label.
func (p *page) findAddresses(own owned) {
	last := 0
	for _, h := range p.hits {
		if h.start < last {
			continue
		}
		a := anchor{start: h.start, at: h.end}
		switch h.kind {
		case kPrefecture:
		case kCity:
			a.city = true
		case kAddress:
			a.at, a.labelled = p.afterLabel(h.end), true
			a.start = a.at
		default:
			continue
		}
		if end := p.readAddress(own, a, p.addressLimit(h.start)); end > 0 {
			last = end
		} else if h.kind == kPrefecture {
			last = max(last, p.addressOverCells(own, a))
		}
	}
	p.findPostalCodes(own)
	p.addressColumn(own)
	p.findRoman(own)
}

// anchor is where an address may begin: start is shown, reading goes on at at.
type anchor struct {
	start, at int
	labelled  bool // 住所 or 〒 stands before it
	city      bool // it begins with a city or ward, at lies behind that
	cells     bool // it may run over cells of one row
}

// readAddress adds the address at a and returns its end, 0 for none.
func (p *page) readAddress(own owned, a anchor, limit int) int {
	b := p.addressEnd(a, limit)
	if b.end == 0 || a.city && !a.labelled && !b.firm() && !(b.groups > 0 && rural(p.s[a.start:b.end])) {
		return 0
	}
	return p.addAddress(own, a, b)
}

// afterLabel skips connectors, 〒 and a postal code.
func (p *page) afterLabel(at int) int {
	s := p.s[:min(len(p.s), at+maxGap)]
	for at < len(s) {
		r, n := utf8.DecodeRuneInString(s[at:])
		if r != '〒' && !digit(s[at]) && !unicode.IsSpace(r) && !strings.ContainsRune(":-=>)】]」・/はが", r) {
			break
		}
		at += n
	}
	return at
}

// addressLimit keeps an address inside its cell or three lines.
func (p *page) addressLimit(start int) int {
	if c := p.cellAt(start); c != nil {
		return c.end
	}
	return min(len(p.s), ahead(p.s, start, 90))
}

// addressEnd reads 市区町村, then a place, then the number. The block's end is 0
// where the text is no address.
func (p *page) addressEnd(a anchor, limit int) block {
	s := p.s[:limit]
	municipality, runes, lines := a.city, 0, 0
	for i := a.at; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '\n':
			if lines++; lines > 2 || runes == 0 && a.labelled {
				return block{}
			}
			n += len(s[i+n:]) - len(strings.TrimLeft(s[i+n:], " "))
		case a.cells && strings.ContainsRune("\t,\"|;", r):
		case stopsAddress(r):
			return block{}
		case strings.ContainsRune("市区町村郡", r) && runes > 0:
			municipality = true
		case municipality && (digit(s[i]) || blockKanji(s[i:])):
			return p.blockAt(i, limit, a)
		case !municipality && runes > 14:
			return block{}
		case digit(s[i]) && a.labelled:
			return block{}
		}
		if runes++; runes > 45 {
			return block{}
		}
		i += n
	}
	return block{}
}

func stopsAddress(r rune) bool {
	return strings.ContainsRune("。、,:;!?「」『』【】()<>@=|\t", r)
}

// addAddress reports an address with its level.
func (p *page) addAddress(own owned, a anchor, b block) int {
	value := compactAddress(p.s[a.start:b.end])
	if own.address(value) || p.silent(a.start) || p.sampled(a.start, b.end) {
		return b.end
	}
	level := Medium
	if !a.labelled && b.groups < 2 && !b.house && !rural(p.s[a.start:b.end]) {
		level = Low // 東京都港区芝5 and 港区芝五丁目 may be a shop, a stage of a race, a bus stop
	}
	p.add("jp.postal_address", level, value, a.start, b.end, maskAddress)
	return b.end
}

// rural addresses and those of Kyoto have one number and no 丁目.
func rural(s string) bool {
	return strings.Contains(s, "字") || strings.Contains(s, "上る") || strings.Contains(s, "下る") || strings.Contains(s, "入") || strings.Contains(s, "条")
}

// compactAddress makes equal what people write in different ways.
func compactAddress(s string) string {
	r := strings.NewReplacer(" ", "", "\n", "", "\t", "", ",", "", ";", "", "|", "", "\"", "", "丁目", "-", "番地の", "-", "番地", "-", "番", "-", "号", "", "一", "1", "二", "2", "三", "3",
		"四", "4", "五", "5", "六", "6", "七", "7", "八", "8", "九", "9", "ヶ", "ケ", "が", "ケ")
	return strings.TrimSuffix(betweenDigits.Replace(r.Replace(s)), "-")
}

// betweenDigits: 1の2 and 1ノ2 are 1-2; a の elsewhere belongs to the name.
var betweenDigits = func() *strings.Replacer {
	var pairs []string
	for _, sep := range []string{"の", "ノ"} {
		for d := '0'; d <= '9'; d++ {
			pairs = append(pairs, string(d)+sep, string(d)+"-")
		}
	}
	return strings.NewReplacer(pairs...)
}()

// findPostalCodes reads 〒123-4567 followed by an address without prefecture.
func (p *page) findPostalCodes(own owned) {
	for at := 0; ; {
		i := strings.Index(p.s[at:], "〒")
		if i < 0 {
			return
		}
		start := at + i
		at = start + len("〒")
		body := p.afterLabel(at)
		if body-at < 7 || p.covered("jp.postal_address", body) {
			continue
		}
		at = max(at, p.readAddress(own, anchor{start: body, at: body, labelled: true}, min(len(p.s), ahead(p.s, body, 60))))
	}
}

// covered says whether one of the last hits of that detector includes at.
func (p *page) covered(detector string, at int) bool {
	for i := len(p.found) - 1; i >= 0 && i > len(p.found)-64 && p.found[i].Detector == detector; i-- {
		if h := p.found[i]; h.from <= at && at < h.to {
			return true
		}
	}
	return false
}

// addressColumn reads the cells under 住所 that hold no prefecture.
func (p *page) addressColumn(own owned) {
	for _, c := range p.cells {
		if c.head != kAddress && c.left != kAddress || c.label != kNone || c.end-c.start < 12 {
			continue
		}
		at := p.afterLabel(c.start)
		if !p.covered("jp.postal_address", at) && !p.prefectureIn(c) {
			p.readAddress(own, anchor{start: at, at: at, labelled: true}, c.end)
		}
	}
}

func (p *page) prefectureIn(c cell) bool {
	for i := p.endingBy(c.start); i < len(p.hits) && p.hits[i].end <= c.end; i++ {
		if k := p.hits[i].kind; k == kPrefecture || k == kCity {
			return true
		}
	}
	return false
}
