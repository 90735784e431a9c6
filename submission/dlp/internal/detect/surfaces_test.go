package detect

import (
	"strings"
	"testing"
)

// surface writes the groups of a number in one of the ways people do.
var surfaces = map[string]func(groups []string) string{
	"together":             func(g []string) string { return strings.Join(g, "") },
	"hyphens":              func(g []string) string { return strings.Join(g, "-") },
	"spaces":               func(g []string) string { return strings.Join(g, " ") },
	"no-break spaces":      func(g []string) string { return strings.Join(g, "\u00a0") },
	"full width":           func(g []string) string { return wideForm(strings.Join(g, "-")) },
	"full width, together": func(g []string) string { return wideForm(strings.Join(g, "")) },
	"long vowel marks":     func(g []string) string { return wideForm(strings.Join(g, "ー")) },
	"minus signs":          func(g []string) string { return strings.Join(g, "−") },
	"figure dashes":        func(g []string) string { return strings.Join(g, "‒") },
	"spaced dashes":        func(g []string) string { return wideForm(strings.Join(g, " ー ")) },
	"zero width":           func(g []string) string { return strings.Join(g, "\u200b") },
	"a space each":         func(g []string) string { return strings.Join(strings.Split(strings.Join(g, ""), ""), " ") },
	"full width, a space each": func(g []string) string {
		return wideForm(strings.Join(strings.Split(strings.Join(g, ""), ""), " "))
	},
}

// wideForm is the text as a Japanese keyboard writes it.
func wideForm(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '　'
		case r > ' ' && r < 0x7f:
			return r + 0xfee0
		}
		return r
	}, s)
}

// sentence has a place for the label (L) and for the value (V).
var sentences = []string{
	"L：V", "L V", "Lは、Vとなります。", "L\nV", "L\tV", "【L】V", "L=V", "・L　　：　V", "V（L）", "L／V", "L、V", "「L」V",
	"お世話になっております。\n山田様のLですが、Vで登録しております。", "ご依頼のLをお送りします。\n\nV\n\n以上です。", "V が私のLです。",
	"先ほど伺ったL（V）を登録しました。", "備考,L\nなし,V\n", "番\t部署\tL\n1\t営業部\tV\n", "| 部署 | L |\n|---|---|\n| 営業 | V |\n", `{"x":"y","L":"V"}`, "<L>V</L>",
}

// TestEverySurfaceFormIsFound multiplies labels, sentences and surface forms. Each
// of these is written by somebody every day.
func TestEverySurfaceFormIsFound(t *testing.T) {
	s := newSet(t, Options{})
	for _, c := range []struct {
		detector string
		groups   []string
		labels   []string
	}{
		{"jp.my_number", []string{"9832", "0567", "3214"}, []string{"マイナンバー", "個人番号", "個 人 番 号", "マイナン\nバー", "My Number", "通知カードの番号"}},
		{"jp.drivers_license", []string{"3090", "1234", "5620"}, []string{"運転免許証番号", "免許証の番号", "免許証No.", "運 転 免 許 証 番 号"}},
		{"jp.pension_number", []string{"1234", "567890"}, []string{"基礎年金番号", "年金手帳の番号", "基 礎 年 金 番 号"}},
		{"jp.employment_insurance", []string{"1234", "567890", "1"}, []string{"雇用保険被保険者番号", "雇用保険の被保険者番号", "雇用保険番号"}},
		{"jp.health_insurance", []string{"12345678"}, []string{"被保険者番号", "保険証の番号", "健康保険証番号"}},
		{"jp.resident_code", []string{"12345678901"}, []string{"住民票コード"}},
		{"jp.passport", []string{"TK", "1234567"}, []string{"旅券番号", "パスポートの番号", "パスポートNo."}},
		{"jp.residence_card", []string{"AB", "12345678", "CD"}, []string{"在留カード番号", "在留カードの番号"}},
		{"jp.bank_account", []string{"1234567"}, []string{"口座番号", "普通預金口座番号", "口座No.", "振込先口座番号"}},
		{"payment_card", []string{"4980", "1234", "5678", "9011"}, []string{"クレジットカード番号", "カードの番号", "credit card"}},
		{"jp.phone", []string{"090", "1234", "5678"}, []string{"電話番号", "携帯", "ＴＥＬ", "T E L", "ご連絡先電話番号"}},
		{"jp.phone", []string{"03", "3400", "1234"}, []string{"電話番号", "勤務先TEL", "電話（自宅）"}},
	} {
		want := strings.Join(c.groups, "")
		for _, label := range c.labels {
			for _, sentence := range sentences {
				if strings.Contains(label, "\n") && strings.ContainsAny(sentence, "\t|,<\"") {
					continue // nobody breaks a word in a cell
				}
				for name, write := range surfaces {
					text := strings.Replace(strings.ReplaceAll(sentence, "L", label), "V", write(c.groups), 1)
					if !finds(s, c.detector, want, text) {
						t.Errorf("%s, %s: not found in %q", c.detector, name, text)
					}
				}
			}
		}
	}
}

// finds says whether a value is found at medium or surer.
func finds(s *Set, detector, value, text string) bool {
	for _, h := range s.Find(Text{Body: text}).Hits {
		if h.Detector == detector && h.Level >= Medium && h.Value == value {
			return true
		}
	}
	return false
}

// TestOrdinaryNumbersAreNothing: what business mail is full of, beside the words
// that make a number personal.
func TestOrdinaryNumbersAreNothing(t *testing.T) {
	s := newSet(t, Options{Off: func(id string) bool { return id == "jp.corporate_number" }})
	for _, x := range []string{
		"注文番号 983205673214", "ご注文番号：983205673214 の商品を発送しました", "お問い合わせ伝票番号 4980-1234-5678", "請求書番号：INV-2025-1126-01", "JAN 4901234567894",
		"ISBN 978-4-10-101001-4", "追跡番号：1234 5678 9012", "シリアル番号 TK1234567", "品番 AB12345678CD", "型番：TK1234567-A", "会員番号 1234567", "社員番号：1234567",
		"2025-11-26 10:30:15 INFO request 983205673214 done", "202511261030", "20251126103015", "版 1.2.3.4567890", "v2025.11.26", "192.168.100.200:8080", "fe80::9832:0567:3214",
		"合計 1,234,567 円", "¥1,234,567-", "1234567円", "単価 12,345 数量 1,234 金額 15,234,330", "在庫 1234567 個", "https://shop.test/item/983205673214?ref=4980123456789011",
		"commit 9832056732149832056732149832056732149832", "ロット 20251126-001", "FAX送付状　枚数 3枚", "内線 1234", "会議ID: 983 2056 7321", "パスコード 123456", "受付番号：983205673214（マイナンバーの件）",
		"第12345678号", "特許第1234567号", "登録番号 T7000012050002", "郵便局コード 1234567", "座標 35.658581, 139.745433", "for i := 1234567; i < 9832056; i++ {", "const id = 983205673214",
		"保険証の件でご連絡します。会議ID 12345678", "口座の件、在庫は 1234567 です", "旅券の申請には 2025-11-26 までにお越しください", "電話で確認しました。伝票 03-1234-5678-99",
		"横浜市の3施設、2-1で勝利", "生年月日をお知らせください。締切は2025年12月5日です", "2025年11月26日生産", "氏名　住所　電話番号　生年月日", "名前を変更してください",
	} {
		for _, h := range s.Find(Text{Body: x}).Hits {
			if h.Level >= Medium {
				t.Errorf("%s %s in %q", h.Detector, h.Value, x)
			}
		}
	}
}
