package system

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/sekisho-mail/sekisho/bench/dlp/corpus"
	"github.com/sekisho-mail/sekisho/bench/dlp/value"
	"github.com/sekisho-mail/sekisho/submission/dlp"
)

// Purview follows the definitions that Microsoft publishes of its sensitive
// information types for Japan, word for word: pattern, check where one is
// stated, keywords within 300 characters. Confidence 85 is high, 75 medium, 65
// low. What the published text leaves open is decided in its favour: digits
// must stand alone, full-width ones count as digits, keywords are compared
// without regard to case.
type Purview struct{ types []purviewType }

// purviewType is one published type.
type purviewType struct {
	id       string
	pattern  *regexp.Regexp
	check    func(digits string) bool
	keywords []string
	with     dlp.Level // pattern and keyword
	alone    dlp.Level // pattern without; 0 is nothing
	branch   *regexp.Regexp
	branches []string
}

// NewPurview prepares the types.
func NewPurview() *Purview {
	social := strings.Fields(`健康保険被保険者番号 健保番号 基礎年金番号 雇用保険被保険者番号 雇用保険番号 保険証番号 社会保険番号 社会保険no. 社会保険
		介護保険 介護保険被保険者番号 健康保険被保険者整理番号 雇用保険被保険者整理番号 厚生年金 厚生年金被保険者整理番号`)
	return &Purview{[]purviewType{
		{id: "jp.my_number", pattern: alone(`\d{4}[ .-]?\d{4}[ .-]?\d{4}`), check: myNumber, with: dlp.High, alone: dlp.Low,
			keywords: append([]string{"my number"}, strings.Fields(`マイナンバー 個人番号 共通番号 マイナンバーカード マイナンバーカード番号 個人番号カード 個人識別番号 個人識別ナンバー 通知カード`)...)},
		{id: "jp.corporate_number", pattern: alone(`[1-9]\d{12}`), check: corporate, with: dlp.High, alone: dlp.Medium,
			keywords: append([]string{"corporate number"}, strings.Fields(`マイナンバー 共通番号 マイナンバーカード マイナンバーカード番号 個人番号カード 個人識別番号 個人識別ナンバー 法人番号 指定通知書`)...)},
		{id: "jp.bank_account", pattern: alone(`\d{7,8}`), with: dlp.Medium, branch: alone(`\d{4}[ -]?\d{3}`), branches: strings.Fields(`支店番号 支店コード 店番号`),
			keywords: strings.Fields(`口座番号 銀行口座 銀行口座番号 総合口座 普通預金口座 普通口座 当座預金口座 当座口座 預金口座 振替口座 銀行 バンク`)},
		{id: "jp.drivers_license", pattern: alone(`\d{12}`), with: dlp.Medium,
			keywords: strings.Fields(`運転免許証 運転免許 免許証 免許 運転免許証番号 運転免許番号 免許証番号 免許番号 運転経歴証明書番号 運転経歴証明書`)},
		{id: "jp.passport", pattern: alone(`[A-Za-z]{2}\d{7}`), with: dlp.Medium, keywords: strings.Fields(`パスポート パスポート番号 パスポートナンバー 旅券番号 旅券ナンバー`)},
		{id: "jp.residence_card", pattern: alone(`[A-Za-z]{2}\d{8}[A-Za-z]{2}`), with: dlp.Medium, keywords: strings.Fields(`在留カード番号 在留カード 在留番号`)},
		{id: socialInsurance, pattern: alone(`\d{4}-?\d{6}`), with: dlp.High, keywords: social},
		{id: socialInsurance, pattern: alone(`\d{7,12}`), with: dlp.Medium, keywords: social},
	}}
}

// socialInsurance is one type of theirs and several of ours: what it finds
// counts for whichever stands there. Numbers of health insurance are neither
// asked of it nor held against it, because its words speak of other numbers
// than 保険者番号 and 記号・番号. Their type for resident registration numbers
// is about the cards that ended in 2012, not about 住民票コード, and is left out.
const socialInsurance = "social insurance"

func severalInOne() []string { return []string{"jp.pension_number", "jp.employment_insurance"} }

func alone(expr string) *regexp.Regexp { return regexp.MustCompile(`\b` + expr + `\b`) }

// Name is how tables call it.
func (p *Purview) Name() string { return "purview" }

// Covers the published types.
func (p *Purview) Covers(detector string) bool {
	for _, t := range p.types {
		if t.id == detector {
			return true
		}
	}
	for _, id := range severalInOne() {
		if id == detector {
			return true
		}
	}
	return false
}

// Search applies every type.
func (p *Purview) Search(d *corpus.Document) ([]Found, error) {
	text, back := narrow(d.Text)
	lower := strings.Map(lowerASCII, text)
	var out []Found
	seen := map[string]bool{}
	for _, t := range p.types {
		for _, at := range t.pattern.FindAllStringIndex(text, -1) {
			v := onlyDigits(text[at[0]:at[1]])
			if t.check != nil && !t.check(v) || seen[t.id+v] {
				continue
			}
			near := lower[back300(lower, at[0]):ahead300(lower, at[1])]
			level := t.level(near, text[at[0]:at[1]])
			if level > 0 {
				seen[t.id+v] = true
				out = append(out, p.found(d, t, level, back[at[0]], back[at[1]])...)
			}
		}
	}
	return out, nil
}

func (t purviewType) level(near, value string) dlp.Level {
	if !anyOf(near, t.keywords) {
		return t.alone
	}
	if t.branch != nil && (anyOf(near, t.branches) || branchBeside(t.branch, near, value)) {
		return dlp.High
	}
	return t.with
}

// branchBeside looks for a branch that is not the account itself.
func branchBeside(re *regexp.Regexp, near, value string) bool {
	for _, m := range re.FindAllString(near, -1) {
		if m != value {
			return true
		}
	}
	return false
}

// found names a social insurance number by what it is where a label says so.
func (p *Purview) found(d *corpus.Document, t purviewType, level dlp.Level, start, end int) []Found {
	f := Found{t.id, level, start, end}
	if t.id != socialInsurance {
		return []Found{f}
	}
	f.Detector = "jp.pension_number"
	for _, l := range d.Labels {
		for _, s := range l.Spans {
			if start >= s.End || s.Start >= end {
				continue
			}
			if l.Detector == "jp.health_insurance" {
				return nil
			}
			if anyOf(l.Detector, severalInOne()) {
				f.Detector = l.Detector
			}
		}
	}
	return []Found{f}
}

func anyOf(s string, of []string) bool {
	for _, k := range of {
		if strings.Contains(s, k) {
			return true
		}
	}
	return false
}

func onlyDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '.' || r == '-' {
			return -1
		}
		return r
	}, s)
}

// narrow turns full-width ASCII into ASCII; back gives the offsets in s.
func narrow(s string) (string, []int) {
	var b strings.Builder
	var back []int
	for i, r := range s {
		if r >= '！' && r <= '～' {
			r = r - '！' + '!'
		}
		for range utf8.RuneLen(r) {
			back = append(back, i)
		}
		b.WriteRune(r)
	}
	return b.String(), append(back, len(s))
}

func lowerASCII(r rune) rune {
	if r >= 'A' && r <= 'Z' {
		r += 'a' - 'A'
	}
	return r
}

func myNumber(s string) bool { return value.MyNumberCheck(s[:11]) == int(s[11]-'0') }

func corporate(s string) bool { return value.CorporateCheck(s[1:]) == int(s[0]-'0') }

func back300(s string, i int) int {
	for n := 0; n < 300 && i > 0; n++ {
		_, size := utf8.DecodeLastRuneInString(s[:i])
		i -= size
	}
	return i
}

func ahead300(s string, i int) int {
	for n := 0; n < 300 && i < len(s); n++ {
		_, size := utf8.DecodeRuneInString(s[i:])
		i += size
	}
	return i
}
