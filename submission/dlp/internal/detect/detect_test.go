package detect

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// newSet compiles the default set once per test.
func newSet(t testing.TB, o Options) *Set {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// found lists hits as "detector:level:value", person names aside.
func found(g *Page) []string {
	var out []string
	for _, h := range g.Hits {
		if h.Detector != "jp.person_name" {
			out = append(out, fmt.Sprintf("%s:%s:%s", h.Detector, []string{"", "low", "medium", "high"}[h.Level], h.Value))
		}
	}
	return out
}

func TestNumbersAreNamedByTheirLabels(t *testing.T) {
	s := newSet(t, Options{})
	for _, c := range []struct{ name, text, want string }{
		{"label and colon", "マイナンバー：9832-0567-3214", "jp.my_number:high:983205673214"},
		{"no separator", "個人番号は983205673214です", "jp.my_number:high:983205673214"},
		{"fullwidth", "個人番号　９８３２－０５６７－３２１４", "jp.my_number:high:983205673214"},
		{"spaces", "My Number: 9832 0567 3214", "jp.my_number:high:983205673214"},
		{"zero-width characters", "マイ\u200bナンバー 9832\u200b0567\u200b3214", "jp.my_number:high:983205673214"},
		{"spaced keyword", "個 人 番 号 : 9832-0567-3214", "jp.my_number:high:983205673214"},
		{"keyword over two lines", "マイナ\nンバー 983205673214", "jp.my_number:high:983205673214"},
		{"kanji digits beside the keyword", "個人番号：九八三二〇五六七三二一四", "jp.my_number:high:983205673214"},
		{"one box per digit", "個人番号 9 8 3 2 0 5 6 7 3 2 1 4", "jp.my_number:high:983205673214"},
		{"wrapped after a dash", "個人番号：9832-0567-\n3214", "jp.my_number:high:983205673214"},
		{"label behind", "983205673214（個人番号）", "jp.my_number:high:983205673214"},
		{"keyword in the paragraph", "マイナンバーをお送りします。取り扱いにご注意ください。\n\n山田花子 983205673214", "jp.my_number:high:983205673214"},
		{"note in brackets", "個人番号（12桁）：983205673214", "jp.my_number:high:983205673214"},
		{"list under one label", "個人番号：983205673214、123456789018", "jp.my_number:high:983205673214 jp.my_number:high:123456789018"},
		{"label on the line above", "個人番号\n983205673214\n", "jp.my_number:high:983205673214"},
		{"without keyword", "山田 983205673214 以上", "jp.my_number:low:983205673214"},
		{"year behind the number", "個人番号 9832 0567 3214 2025年", "jp.my_number:high:983205673214"},

		{"wrong check digit", "マイナンバー：983205673215", ""},
		{"own label says otherwise", "マイナンバーの件です。受付番号：983205673214", ""},
		{"generic label says otherwise", "マイナンバー制度のご案内　加盟店管理番号 983205673214", ""},
		{"English generic label", "My Number form attached. Batch No. 983205673214", ""},
		{"circled digits", "個人番号 ⑨⑧③②-⓪⑤⑥⑦-③②①④", ""},
		{"time stamp", "マイナンバー提出のログ 202511261030", ""},
		{"masked sample", "マイナンバー：9832-****-****", ""},
		{"in a code", "マイナンバー ABC-983205673214-X", ""},
		{"in a URL", "マイナンバー https://corp.example/item/983205673214/x", ""},
		{"example", "マイナンバー（記入例：983205673214）", ""},
		{"same digit", "マイナンバー 000000000000", ""},

		{"licence", "運転免許証番号 309012345620", "jp.drivers_license:high:309012345620"},
		{"licence with wrong check", "運転免許証番号 309012345610", ""},
		{"pension", "基礎年金番号：1234-567890", "jp.pension_number:medium:1234567890"},
		{"employment insurance", "雇用保険被保険者番号 1234-567890-1", "jp.employment_insurance:medium:12345678901"},
		{"resident code", "住民票コード 12345678901", "jp.resident_code:medium:12345678901"},
		{"mobile is no resident code", "住民票コードの件、山田 09012345678 まで", "jp.phone:medium:09012345678"},
		{"insurer", "保険者番号 01130012", "jp.health_insurance:high:01130012"},
		{"insurer with wrong check", "保険者番号 01130013", ""},
		{"insured", "被保険者番号：12345678", "jp.health_insurance:medium:12345678"},
		{"passport", "旅券番号 TK1234567", "jp.passport:medium:TK1234567"},
		{"passport shape alone", "型 TK1234567 です", "jp.passport:low:TK1234567"},
		{"product code", "品番：TK1234567", ""},
		{"residence card", "在留カード番号：AB12345678CD", "jp.residence_card:medium:AB12345678CD"},
		{"ssn", "SSN: 536-22-8726", "us.ssn:medium:536228726"},
		{"ssn of an unissued area", "SSN: 666-22-8726", ""},
		{"nino", "National Insurance number QQ123456C", ""},
		{"nino valid", "National Insurance number: AB 12 34 56 C", "uk.nino:medium:AB123456C"},
		{"iban", "IBAN: GB82 WEST 1234 5698 7654 32", "iban:high:GB82WEST12345698765432"},
		{"iban alone", "pay to DE89370400440532013000 please", "iban:medium:DE89370400440532013000"},
		{"iban of wrong length", "IBAN GB82WEST1234569876543", ""},

		{"card with label", "カード番号：4012-8888-8888-1881", "payment_card:high:4012888888881881"},
		{"card with expiry", "4012888888881881 有効期限 12/27", "payment_card:high:4012888888881881"},
		{"card alone", "please use 4012888888881881 now", "payment_card:low:4012888888881881"},
		{"card without brand", "カード番号 1234567890123452", ""},
		{"test card in documentation", "テストカードの番号は 4242 4242 4242 4242 です", ""},
		{"amex", "credit card 3782 822463 10005", "payment_card:high:378282246310005"},
	} {
		if got := strings.Join(found(s.Find(Text{Body: c.text})), " "); got != c.want {
			t.Errorf("%s: %q\n got %s\nwant %s", c.name, c.text, got, c.want)
		}
	}
}

// The word 見本 excuses the value that it names, and no other: a real number in the
// same row or paragraph is found, at most one level lower and never below the level rules act on.
func TestOnlyWhatIsCalledAnExampleIsOne(t *testing.T) {
	s := newSet(t, Options{})
	const (
		high   = "jp.my_number:high:983205673214"
		medium = "jp.my_number:medium:983205673214"
	)
	for _, c := range []struct{ text, want string }{
		{"見本: 983205673214", ""},
		{"個人番号（見本）：983205673214", ""},
		{"個人番号の記入例：9832-0567-3214", ""},
		{"記入例：個人番号 983205673214", ""},
		{"マイナンバー（記入例：983205673214）", ""},
		{"個人番号 983205673214（見本）", ""},
		{"個人番号：983205673214 ← 記入例", ""},
		{"個人番号のサンプル番号は 983205673214 です", ""},
		{"sample my number: 983205673214", ""},
		{"氏名\t個人番号（記入例）\n青木\t983205673214\n", ""},
		{"個人番号（見本）\t983205673214\n氏名\t青木\n", ""},
		{"No.\t個人番号\n1\t見本 983205673214\n", ""},

		{"サンプル株式会社 個人番号：983205673214", medium},
		{"サンプルを送ります。個人番号：983205673214", medium},
		{"見本のとおり送ります。青木一郎の個人番号は 983205673214 です", high},
		{"見本市のご案内です。参加される方の個人番号 983205673214", high},
		{"サンプル\n個人番号 983205673214", high},
		{"個人番号 983205673214 はサンプルではありません", high},
		{"個人番号：983205673214\n備考：サンプル送付済み（見本）", high},
		{"氏名\t備考\t個人番号\n青木\tサンプル送付済\t983205673214\n", medium},
		{"氏名\t個人番号\t備考\n青木\t983205673214\t見本\n", high},
		{"サンプル\t個人番号\nあり\t983205673214\n", high},
		{"見本：123456789018\n個人番号：983205673214", high},
		{"見本：123456789018、983205673214", "jp.my_number:low:983205673214"},

		{"見本 口座番号：1234567", ""},
		{"サンプル送付先　みずほ銀行 本店 普通預金 口座番号：1234567", "jp.bank_account:high:1234567"},
		{"サンプル商事 基礎年金番号：1234-567890", "jp.pension_number:medium:1234567890"},
		{"サンプル代の旅券番号 TK1234567", "jp.passport:medium:TK1234567"},
		{"例：カード番号 4012-8888-8888-1881", ""},
		{"入力例として、カード番号は 4242 4242 4242 4242 をお使いください", ""},                              // published for tests
		{"サンプル代のカード番号は 4980-1234-5678-9011 です", "payment_card:medium:4980123456789011"}, // nobody publishes it
	} {
		if got := strings.Join(found(s.Find(Text{Body: c.text})), " "); got != c.want {
			t.Errorf("%q\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}

func TestPhonesFollowTheNumberPlan(t *testing.T) {
	s := newSet(t, Options{Own: Own{Phones: []string{"03-9999-8888", "+81 3 9999 7777"}}})
	for _, c := range []struct{ name, text, want string }{
		{"Tokyo", "電話 03-1234-5678", "jp.phone:medium:0312345678"},
		{"without label", "山田 03-1234-5678", "jp.phone:medium:0312345678"},
		{"directly after TEL", "TEL03-1234-5678", "jp.phone:medium:0312345678"},
		{"brackets", "(03)1234-5678", "jp.phone:medium:0312345678"},
		{"brackets in the middle", "03(1234)5678", "jp.phone:medium:0312345678"},
		{"mobile", "090-1234-5678", "jp.phone:medium:09012345678"},
		{"mobile together", "携帯は09012345678です", "jp.phone:medium:09012345678"},
		{"five-digit area", "01267-2-3456", "jp.phone:medium:0126723456"},
		{"free dial", "0120-123-456", "jp.phone:medium:0120123456"},
		{"international", "+81-3-1234-5678", "jp.phone:medium:0312345678"},
		{"international with trunk zero", "+81 (0)90-1234-5678", "jp.phone:medium:09012345678"},
		{"fullwidth and long vowel", "０３ー１２３４ー５６７８", "jp.phone:medium:0312345678"},
		{"dots", "Tel. 03.1234.5678", "jp.phone:medium:0312345678"},
		{"together without label", "番号 0312345678", "jp.phone:low:0312345678"},
		{"order number", "注文番号：090-1234-5678", ""},
		{"wrong groups", "03-12345-678", ""},
		{"placeholder", "03-0000-0000", ""},
		{"own", "代表 03-9999-8888 / +81-3-9999-7777", ""},
		{"date and time", "2025-11-26 10:30", ""},
	} {
		if got := strings.Join(found(s.Find(Text{Body: c.text})), " "); got != c.want {
			t.Errorf("%s: %q\n got %s\nwant %s", c.name, c.text, got, c.want)
		}
	}
}

func TestAddressesRunFromPrefectureToNumber(t *testing.T) {
	s := newSet(t, Options{Own: Own{Addresses: []string{"東京都千代田区丸の内9-9-9"}}})
	for _, c := range []struct {
		name, text string
		count      int
	}{
		{"usual", "東京都港区芝公園4丁目2番8号", 1},
		{"dashes", "神奈川県横浜市西区みなとみらい2-2-1", 1},
		{"fullwidth", "大阪府大阪市北区梅田３－１－１", 1},
		{"county", "北海道虻田郡倶知安町北一条西3-1", 1},
		{"kanji numerals", "京都府京都市中京区寺町通三丁目五番地", 1},
		{"postal code without prefecture", "〒231-0005 横浜市中区本町6-50-10", 1},
		{"label without prefecture", "住所：横浜市中区本町6-50-10", 1},
		{"two", "東京都港区芝公園4-2-8、大阪府大阪市北区梅田3-1-1", 2},
		{"prefecture only", "東京都の人口は1400万人です", 0},
		{"population of a ward", "東京都港区の人口は26万人", 0},
		{"year", "東京都港区で2025年に", 0},
		{"own", "東京都千代田区丸の内9-9-9", 0},
	} {
		got := 0
		for _, h := range s.Find(Text{Body: c.text}).Hits {
			if h.Detector == "jp.postal_address" && h.Level >= Medium {
				got++
			}
		}
		if got != c.count {
			t.Errorf("%s: %q: %d addresses, want %d", c.name, c.text, got, c.count)
		}
	}
}

func TestBirthDatesNeedTheirName(t *testing.T) {
	s := newSet(t, Options{})
	for _, c := range []struct{ name, text, want string }{
		{"western", "生年月日：1980年1月2日", "1980-01-02"},
		{"slashes", "生年月日 1980/01/02", "1980-01-02"},
		{"era", "生年月日：昭和55年1月2日", "1980-01-02"},
		{"era letter", "誕生日 S55.1.2", "1980-01-02"},
		{"first year", "生年月日 令和元年5月1日", "2019-05-01"},
		{"together", "生年月日：19800102", "1980-01-02"},
		{"born behind", "山田太郎（1980年1月2日生まれ）", "1980-01-02"},
		{"English", "Date of birth: January 2, 1980", "1980-01-02"},
		{"English day first", "DOB 13/02/1980", "1980-02-13"},
		{"no label", "1980年1月2日に設立", ""},
		{"impossible", "生年月日：1980年13月2日", ""},
		{"another date nearby", "生年月日をお知らせください。締切は2025年1月2日です", ""},
	} {
		got := ""
		for _, h := range s.Find(Text{Body: c.text}).Hits {
			if h.Detector == "date_of_birth" {
				got += h.Value
			}
		}
		if got != c.want {
			t.Errorf("%s: %q: %q, want %q", c.name, c.text, got, c.want)
		}
	}
}

func TestAccountsNeedBankAndBranchForHigh(t *testing.T) {
	s := newSet(t, Options{Own: Own{Accounts: []string{"9999999"}}})
	for _, c := range []struct{ name, text, want string }{
		{"bank, branch, account", "みずほ銀行 丸の内支店 普通 1234567", "jp.bank_account:high:1234567"},
		{"over lines", "振込先：\n三井住友銀行\n渋谷支店\n普通預金　１２３４５６７", "jp.bank_account:high:1234567"},
		{"label only", "口座番号：1234567", "jp.bank_account:medium:1234567"},
		{"post bank", "ゆうちょ銀行 記号 12340 番号 12345671", "jp.bank_account:high:12345671"},
		{"own", "みずほ銀行 丸の内支店 普通 9999999", ""},
		{"seven digits alone", "在庫は 1234567 です", ""},
		{"another label", "会員番号：1234567", ""},
	} {
		if got := strings.Join(found(s.Find(Text{Body: c.text})), " "); got != c.want {
			t.Errorf("%s: %q\n got %s\nwant %s", c.name, c.text, got, c.want)
		}
	}
}

func TestColumnHeadersNameTheCellsBelow(t *testing.T) {
	s := newSet(t, Options{})
	text := "氏名\t個人番号\t受付番号\t電話番号\t生年月日\n" +
		"山田花子\t983205673214\t123456789018\t9012345678\t29221\n" +
		"佐藤太郎\t123456789018\t983205673214\t0312345678\t1980/01/02\n"
	got := found(s.Find(Text{Body: text}))
	want := []string{
		"jp.my_number:high:983205673214", "jp.phone:medium:09012345678", "date_of_birth:medium:1980-01-01",
		"jp.my_number:high:123456789018", "jp.phone:medium:0312345678", "date_of_birth:medium:1980-01-02",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestKeywordListsAndPatterns(t *testing.T) {
	s := newSet(t, Options{
		Lists:    []List{{Name: "secret", Words: []string{"社外秘", "Project Falcon", "㊙"}}},
		Patterns: []Pattern{{Name: "case", Expr: `CASE-\d{4}`}},
	})
	text := "社 外\n秘 です。project falcon と CASE-1234、Project Falconry、（秘）"
	got := found(s.Find(Text{Body: text}))
	want := []string{"keyword.secret:medium:社外秘", "keyword.secret:medium:project falcon", "pattern.case:medium:CASE-1234", "keyword.secret:medium:秘"}
	slices.Sort(got)
	slices.Sort(want)
	got = slices.Compact(got)
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("%s is missing in %q", w, got)
		}
	}
}

func TestBadPatternsAreNamed(t *testing.T) {
	_, err := New(Options{Patterns: []Pattern{{Name: "one", Expr: "("}, {Name: "two", Expr: "["}}})
	if err == nil || !strings.Contains(err.Error(), "one") || !strings.Contains(err.Error(), "two") {
		t.Errorf("error = %v, want both patterns named", err)
	}
}

func TestQuotationsAndSignaturesDoNotCount(t *testing.T) {
	s := newSet(t, Options{})
	for _, c := range []struct {
		name, text string
		phones     int
	}{
		{"own text", "山田様 090-1234-5678 です", 1},
		{"signature after dashes", "本文です。\n-- \n山田商事 佐藤\nTEL 03-1234-5678", 0},
		{"Japanese signature", "よろしくお願いいたします。\n\n━━━━━━━━━━\n株式会社山田商事\n佐藤 花子\n〒100-0001 東京都千代田区千代田1-1\nTEL: 03-1234-5678 FAX: 03-1234-5679\n━━━━━━━━━━\n", 0},
		{"closing phrase", "資料を送ります。\nよろしくお願いいたします。\n\n山田商事株式会社\n営業部 佐藤\n電話 03-1234-5678", 0},
		{"quoted lines", "了解です。\n> 電話は 03-1234-5678\n> です", 0},
		{"Outlook reply", "了解です。\n\n-----Original Message-----\nFrom: a@b.jp\nTEL 03-1234-5678", 0},
		{"Outlook reply in Japanese", "了解です。\n\n差出人: 山田 <y@b.jp>\n送信日時: 2025年11月26日 10:30\n宛先: 佐藤\n件名: RE: 件\n\n電話 03-1234-5678", 0},
		{"introduction over two lines", "Thanks!\n\nOn Wed, Nov 26, 2025 at 10:30 AM Taro Yamada <taro@other.test>\nwrote:\n\n> call 03-3400-1234\n", 0},
		{"dated introduction, nothing marked", "了解です。\n\nOn Wed, Nov 26, 2025 at 10:30 AM Taro Yamada <taro@other.test> wrote:\n\n電話 03-3400-1234", 0},
		{"full-width marks", "了解です。\n＞ 電話 03-3400-1234\n＞＞ 090-1234-5678\n", 0},
		{"rule with the company in it", "資料です。\n\n------- 山田商事 -------\n佐藤花子\nTEL:03-3400-1234\n------------------------", 0},
		{"no rule at all", "資料を送ります。\n\n山田商事株式会社\n営業部 佐藤 花子\nTEL 03-3400-1234\nFAX 03-3400-1235\n", 0},
		{"no rule, English", "Hi,\n\nplease find it attached.\n\nTaro Yamada\nSales Manager, Corp Ltd.\nPhone: +81-3-3400-1234\n", 0},
		{"two offices", "以上です。\n\n==========\n株式会社山田商事\n【本社】TEL 03-3400-1234 FAX 03-3400-1235\n【大阪】TEL 06-6400-1234 FAX 06-6400-1235\n携帯 090-1234-5678\n==========", 0},
		{"a customer at the end", "次のお客様に連絡してください。\n\n鈴木花子様\n携帯：090-1234-5678\n株式会社スズキ商会\n", 1},
		{"several companies at the end", "名簿です。\n\n株式会社A 佐藤 03-3400-1234\n株式会社B 鈴木 03-3400-1235\n株式会社C 田中 03-3400-1236\n", 3},
		{"forwarded", "回します。\n---------- Forwarded message ---------\nFrom: a@b.jp\nDate: x\nSubject: y\nTo: z\n\n電話 03-1234-5678", 1},
		{"list between rules", "名簿です\n-------\n" + strings.Repeat("山田 03-1234-5678 ", 1) + "\n佐藤 03-1234-5671\n鈴木 03-1234-5672\n田中 03-1234-5673\n伊藤 03-1234-5674\n高橋 03-1234-5675\n部 03-1234-5676\n-------", 7},
	} {
		got := 0
		for _, h := range s.Find(Text{Body: c.text, Mail: true}).Hits {
			if h.Detector == "jp.phone" {
				got++
			}
		}
		if got != c.phones {
			t.Errorf("%s: %d phones, want %d", c.name, got, c.phones)
		}
	}
}

func TestSecretsAreFoundByTheirPrefix(t *testing.T) {
	s := newSet(t, Options{})
	key := "-----BEGIN RSA PRIVATE KEY-----\n" + strings.Repeat("MIIEpAIBAAKCAQEA7x9Qw2\n", 8) + "-----END RSA PRIVATE KEY-----"
	for _, c := range []struct{ name, text, want string }{
		{"aws", "key AKIA" + "Q3EGRZB7WYN2KTUV here", "secret.aws-access-token"},
		{"aws example", "AKIAIOSFODNN7EXAMPLE", ""},
		{"github", "token=ghp_" + "a8Fk2Lw9Qx7Zr4Tb6Yn1Mc3Vd5Hj0PsUeGi2", "secret.github-pat"},
		{"low entropy", "ghp_" + strings.Repeat("a", 36), ""},
		{"stripe", "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc", "secret.stripe-access-token"},
		{"private key", "see\n" + key + "\n", "secret.private-key"},
		{"public key", strings.ReplaceAll(key, "PRIVATE", "PUBLIC"), ""},
		{"jwt", "eyJhbGciOiJIUzI1NiIsInR5cCI6.eyJzdWIiOiJxcDkzODQ3NWFiIn0.dozjgNryP4J3jVmNHl0w5N_XgL0", "secret.jwt"},
		{"word with sk", "ask SKIP desk-bound", ""},
	} {
		got := ""
		for _, h := range s.Find(Text{Body: c.text}).Hits {
			got += h.Detector
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestExcerptsHideValues(t *testing.T) {
	s := newSet(t, Options{})
	for _, c := range []struct{ text, want string }{
		{"個人番号 9832-0567-3214 です", "個人番号 9832-****-**** です"},
		{"社員 123456 個人番号：983205673214", "社員 ****** 個人番号:9832********"},
	} {
		g := s.Find(Text{Body: c.text})
		if len(g.Hits) != 1 {
			t.Fatalf("%q: %d hits", c.text, len(g.Hits))
		}
		if got := g.Excerpt(g.Hits[0]); got != c.want {
			t.Errorf("excerpt of %q = %q, want %q", c.text, got, c.want)
		}
		h := g.Hits[0]
		if got := onlyDigits(c.text[h.Start:h.End]); got != "983205673214" {
			t.Errorf("offsets of %q cover %q", c.text, c.text[h.Start:h.End])
		}
	}
}

func FuzzFind(f *testing.F) {
	s, err := New(Options{Lists: []List{{Name: "k", Words: []string{"社外秘"}}}, Patterns: []Pattern{{Name: "p", Expr: `X\d+`}}})
	if err != nil {
		f.Fatal(err)
	}
	for _, t := range []string{"個人番号 9832-0567-3214", "東京都港区芝1-2-3", "+81 (0)3-1234-5678", "a,b,c\n氏名,電話,住所\n", "-----BEGIN RSA PRIVATE KEY-----", "S55.1.2生まれ", "GB82 WEST"} {
		f.Add(t)
	}
	f.Fuzz(func(t *testing.T, text string) {
		g := s.Find(Text{Body: text, Mail: true})
		for _, h := range g.Hits {
			if h.Start < 0 || h.End < h.Start || h.End > len(text) {
				t.Fatalf("%s at %d..%d of %d", h.Detector, h.Start, h.End, len(text))
			}
			g.Excerpt(h)
		}
	})
}

// TestFormsOfBusinessMail holds texts as people write them, each with all that
// must be found in it and nothing else: "=> detector:level:value ...".
func TestFormsOfBusinessMail(t *testing.T) {
	b, err := os.ReadFile("testdata/forms.txt")
	if err != nil {
		t.Fatal(err)
	}
	s := newSet(t, Options{Off: func(id string) bool { return id == "jp.corporate_number" }})
	for _, c := range strings.Split(string(b), "\n%%\n") {
		text, want, ok := strings.Cut(c, "\n=> ")
		if !ok {
			t.Fatalf("no expectation: %q", c)
		}
		if got := strings.Join(found(s.Find(Text{Body: text, Mail: true})), " "); got != strings.TrimSpace(want) {
			t.Errorf("%s\n got %s\nwant %s", text, got, strings.TrimSpace(want))
		}
	}
}

// TestALongThreadCountsNothingOfItsSignatures: ten replies, five people.
func TestALongThreadCountsNothingOfItsSignatures(t *testing.T) {
	s := newSet(t, Options{})
	sign := func(i int) string {
		return fmt.Sprintf("\n\nよろしくお願いいたします。\n\n==============================\n株式会社会社%d 営業部\n山田 花子\n〒100-000%d 東京都千代田区丸の内%d-1-1\nTEL: 03-3400-12%d0 FAX: 03-3400-12%d1\nMobile: 090-1234-56%d0\n==============================\n", i, i, i, i, i, i)
	}
	for _, c := range []struct {
		name  string
		reply func(depth, who int) string
	}{
		{"Outlook", func(_, who int) string {
			return fmt.Sprintf("\n-----Original Message-----\nFrom: person%d@other.test\nSent: Wednesday, November 26, 2025 10:30 AM\nTo: a@corp.test\nSubject: RE: x\n\n承知しました。", who) + sign(who)
		}},
		{"Gmail", func(depth, who int) string {
			mark := strings.Repeat("> ", depth)
			return fmt.Sprintf("\n2025年11月26日(水) 10:30 山田 <person%d@other.test>:\n\n", who) + mark + strings.ReplaceAll("承知しました。"+sign(who), "\n", "\n"+mark)
		}},
		{"Outlook in Japanese", func(_, who int) string {
			return fmt.Sprintf("\n________________________________\n差出人: 山田 <person%d@other.test>\n送信日時: 2025年11月26日 10:30\n宛先: 佐藤\n件名: RE: x\n\n承知しました。", who) + sign(who)
		}},
	} {
		text := "了解しました。資料を確認します。" + sign(9)
		for i := range 10 {
			text += c.reply(i+1, i%5)
		}
		for _, h := range s.Find(Text{Body: text, Mail: true}).Hits {
			if h.Detector == "jp.phone" || h.Detector == "jp.postal_address" {
				t.Errorf("%s: %s counts %q", c.name, h.Detector, h.Value)
			}
		}
	}
}
