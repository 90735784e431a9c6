package detect

import (
	"regexp"
	"strings"
	"testing"
)

// mailText is prose as people write it, with a number now and then.
const mailText = `お世話になっております。株式会社山田商事の佐藤です。
先日お打ち合わせいただいた件につきまして、資料をお送りいたします。ご確認のほどよろしくお願いいたします。
次回は12月5日（金）14:00から、本社3階の会議室にて予定しております。ご都合はいかがでしょうか。
Please find the minutes of our meeting attached. The invoice no. 20251126-01 was sent yesterday, total 123,456 JPY.
ご不明な点がございましたら、03-1234-5678 までご連絡ください。https://www.example.jp/item/123456789012?x=1
`

func BenchmarkFind(b *testing.B) {
	s := newSet(b, Options{})
	text := strings.Repeat(mailText, 1000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		s.Find(Text{Body: text})
	}
}

// BenchmarkStandardRegexp is what the same words and shapes cost as regular
// expressions, one after the other.
func BenchmarkStandardRegexp(b *testing.B) {
	var exprs []*regexp.Regexp
	for _, list := range labelWords() {
		var quoted []string
		for _, w := range words(list) {
			quoted = append(quoted, regexp.QuoteMeta(w))
		}
		exprs = append(exprs, regexp.MustCompile(`(?i)`+strings.Join(quoted, "|")))
	}
	for _, r := range secretRules() {
		exprs = append(exprs, regexp.MustCompile(strings.TrimPrefix(r.expr.String(), `\A`)))
	}
	exprs = append(exprs, regexp.MustCompile(`\d[\d -]{8,24}\d`))
	text := strings.Repeat(mailText, 20)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		for _, re := range exprs {
			re.FindAllStringIndex(text, -1)
		}
	}
}
