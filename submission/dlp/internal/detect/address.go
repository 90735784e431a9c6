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
// One with its prefecture is evidence by itself; one without needs 〒 or a label.
func (p *page) findAddresses(own owned) {
	last := 0
	for _, h := range p.hits {
		if h.start < last {
			continue
		}
		at, labelled := 0, false
		switch h.kind {
		case kPrefecture:
			at = h.end
		case kAddress:
			at, labelled = p.afterLabel(h.end), true
		default:
			continue
		}
		start := h.start
		if labelled {
			start = at
		}
		if end := p.addressEnd(at, p.addressLimit(h.start), labelled); end > 0 {
			last = p.addAddress(own, start, end, labelled)
		}
	}
	p.findPostalCodes(own, last)
	p.addressColumn(own)
}

// afterLabel skips connectors, 〒 and a postal code.
func (p *page) afterLabel(at int) int {
	s := p.s
	for at < len(s) {
		r, n := utf8.DecodeRuneInString(s[at:])
		if r != '〒' && !digit(s[at]) && !unicode.IsSpace(r) && !strings.ContainsRune(":-=>)】]」・", r) {
			break
		}
		at += n
	}
	return at
}

// addressLimit keeps an address inside its cell or two lines.
func (p *page) addressLimit(start int) int {
	if c := p.cellAt(start); c != nil {
		return c.end
	}
	return min(len(p.s), ahead(p.s, start, 90))
}

// addressEnd reads 市区町村, then a place, then the number, from at. It returns
// 0 where the text is no address.
func (p *page) addressEnd(at, limit int, strict bool) int {
	s := p.s[:limit]
	municipality, runes, lines := false, 0, 0
	for i := at; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '\n':
			if lines++; lines > 1 || runes == 0 {
				return 0
			}
		case stopsAddress(r):
			return 0
		case strings.ContainsRune("市区町村郡", r) && runes > 0:
			municipality = true
		case municipality && (digit(s[i]) || blockKanji(s[i:])):
			return p.blockEnd(i, limit)
		case !municipality && runes > 14:
			return 0
		case digit(s[i]) && strict:
			return 0
		}
		if runes++; runes > 45 {
			return 0
		}
		i += n
	}
	return 0
}

func stopsAddress(r rune) bool {
	return strings.ContainsRune("。、,:;!?「」『』【】()<>@=|\t", r)
}

// blockKanji says whether kanji numerals before 丁目, 番 or 号 begin at s.
func blockKanji(s string) bool {
	n := 0
	for _, r := range s {
		if strings.ContainsRune("一二三四五六七八九十", r) {
			n++
			continue
		}
		return n > 0 && n < 5 && strings.ContainsRune("丁番", r)
	}
	return false
}

// blockEnd is the end of 1-2-3 or 一丁目2番3号 that begins at i; 0 where the
// digits are a year, a count or a single number without 丁目, 番, 号 or dash.
func (p *page) blockEnd(i, limit int) int {
	end, marks, groups, inDigits := i, 0, 0, false
	for j := i; j < limit; {
		r, n := utf8.DecodeRuneInString(p.s[j:])
		switch {
		case digit(p.s[j]):
			if !inDigits {
				groups++
			}
			inDigits = true
			end = j + n
		case strings.ContainsRune("一二三四五六七八九十", r):
			inDigits = false
			end = j + n
		case r == '-' || r == 'の' || r == 'ノ' || r == '−' || r == 'ー':
			inDigits = false
			marks++
		case strings.ContainsRune("丁目番地号", r):
			inDigits = false
			marks++
			end = j + n
		case strings.ContainsRune("条線東西南北", r): // 北1条西2丁目
			inDigits = false
			marks++
		default:
			return p.validBlock(i, end, marks, groups, r)
		}
		j += n
	}
	return p.validBlock(i, end, marks, groups, 0)
}

func (p *page) validBlock(i, end, marks, groups int, next rune) int {
	if strings.ContainsRune("年月日時円件名人万億個%歳周", next) && next != 0 {
		return 0
	}
	if marks == 0 {
		before, _ := utf8.DecodeLastRuneInString(p.s[:i])
		if groups != 1 || end-i > 5 || strings.ContainsRune("のでにはがとも第約計全", before) {
			return 0 // 横浜市の3施設
		}
	}
	return end
}

func (p *page) addAddress(own owned, start, end int, labelled bool) int {
	value := compactAddress(p.s[start:end])
	if own.address(value) || p.silent(start) || p.sampled(start, end) {
		return end
	}
	level := Medium
	if !labelled && !strings.ContainsAny(value, "-条") {
		level = Low // 東京都港区芝5 may be a shop, a stage of a race, a bus stop
	}
	p.add("jp.postal_address", level, value, start, end, maskAddress)
	return end
}

// compactAddress makes equal what people write in different ways.
func compactAddress(s string) string {
	r := strings.NewReplacer(" ", "", "\n", "", "丁目", "-", "番地の", "-", "番地", "-", "番", "-", "号", "", "一", "1", "二", "2", "三", "3",
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
func (p *page) findPostalCodes(own owned, _ int) {
	for at := 0; ; {
		i := strings.Index(p.s[at:], "〒")
		if i < 0 {
			return
		}
		start := at + i
		at = start + len("〒")
		body := p.afterLabel(at)
		if body-at < 7 {
			continue
		}
		if end := p.addressEnd(body, min(len(p.s), ahead(p.s, body, 60)), true); end > 0 && !p.covered("jp.postal_address", body) {
			at = p.addAddress(own, body, end, true)
		}
	}
}

// covered says whether one of the last hits of that detector includes at.
func (p *page) covered(detector string, at int) bool {
	for i := len(p.found) - 1; i >= 0 && p.found[i].Detector == detector; i-- {
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
		if end := p.addressEnd(at, c.end, true); end > 0 && !p.covered("jp.postal_address", at) && !p.prefectureIn(c) {
			p.addAddress(own, at, end, true)
		}
	}
}

func (p *page) prefectureIn(c cell) bool {
	for i := p.endingBy(c.start); i < len(p.hits) && p.hits[i].end <= c.end; i++ {
		if p.hits[i].kind == kPrefecture {
			return true
		}
	}
	return false
}
