package policy

import "strings"

// kind is what a detector's findings are called in reasons.
type kind struct {
	ja, en string
	// contact: names, numbers and addresses that stand in every signature.
	// They make a link ask for a code only when they lie in an attachment.
	contact bool
	// public: never a reason for a code by itself.
	public bool
	// A finding about the form of the mail is told in a sentence of its own,
	// with its count.
	sentenceJA, sentenceEN string
}

// kinds are the detectors of the contract that have a fixed name.
var kinds = map[string]kind{
	"jp.my_number":            {ja: "個人番号", en: "My Number"},
	"jp.corporate_number":     {ja: "法人番号", en: "corporate number", public: true},
	"jp.drivers_license":      {ja: "運転免許証番号", en: "driver's licence number"},
	"jp.passport":             {ja: "旅券番号", en: "passport number"},
	"jp.residence_card":       {ja: "在留カード番号", en: "residence card number"},
	"jp.health_insurance":     {ja: "健康保険の番号", en: "health insurance number"},
	"jp.pension_number":       {ja: "基礎年金番号", en: "pension number"},
	"jp.employment_insurance": {ja: "雇用保険被保険者番号", en: "employment insurance number"},
	"jp.resident_code":        {ja: "住民票コード", en: "resident code"},
	"jp.bank_account":         {ja: "銀行口座", en: "bank account"},
	"jp.phone":                {ja: "電話番号", en: "phone number", contact: true},
	"jp.postal_address":       {ja: "住所", en: "postal address", contact: true},
	"jp.person_name":          {ja: "氏名", en: "personal name", public: true},
	"payment_card":            {ja: "クレジットカード番号", en: "payment card number"},
	"iban":                    {ja: "IBAN（国際銀行口座番号）", en: "IBAN"},
	"email_address":           {ja: "メールアドレス", en: "e-mail address", public: true},
	"date_of_birth":           {ja: "生年月日", en: "date of birth"},
	"us.ssn":                  {ja: "米国社会保障番号", en: "US social security number"},
	"uk.nino":                 {ja: "英国国民保険番号", en: "UK national insurance number"},
	"encrypted": {ja: "暗号化", en: "encrypted",
		sentenceJA: "暗号化されていて中を確認できないものが %d 件あります",
		sentenceEN: "%d encrypted part(s) could not be looked into"},
	"executable": {ja: "実行ファイル", en: "executable",
		sentenceJA: "実行できるファイルが %d 件あります",
		sentenceEN: "%d executable file(s)"},
	"macro": {ja: "マクロ", en: "macro",
		sentenceJA: "マクロを含むファイルが %d 件あります",
		sentenceEN: "%d file(s) with macros"},
	"mismatched_type": {ja: "拡張子と中身の不一致", en: "type and content differ",
		sentenceJA: "拡張子と中身が合わないファイルが %d 件あります",
		sentenceEN: "%d file(s) whose extension does not fit the content"},
	"ambiguous_mime": {ja: "二通りに読める構造", en: "ambiguous structure",
		sentenceJA: "メールの構造が二通りに読めるため、受け取る人に見えるものを確認しきれません（%d 箇所）",
		sentenceEN: "the structure can be read in two ways, so what the recipient sees could not be checked (%d place(s))"},
	"uninspectable": {ja: "確認できないもの", en: "not inspected",
		sentenceJA: "中を確認できないものが %d 件あります",
		sentenceEN: "%d part(s) could not be inspected"},
	"hidden_content": {ja: "隠れた内容", en: "hidden content",
		sentenceJA: "隠れた内容（非表示のシートやコメントなど）が %d 件あります",
		sentenceEN: "%d place(s) with hidden content"},
	"tnef": {ja: "winmail.dat", en: "winmail.dat",
		sentenceJA: "Outlook 独自形式（winmail.dat）が %d 件あります",
		sentenceEN: "%d winmail.dat part(s)"},
	"url.listed": {ja: "リストにあるリンク先", en: "listed link", public: true},
	"malware": {ja: "ウイルス", en: "malware",
		sentenceJA: "ウイルスとみられるファイルが %d 件あります",
		sentenceEN: "%d file(s) that look like malware"},
}

// families are the detectors named by the company or by gitleaks.
var families = map[string]kind{
	"secret.":   {ja: "秘密情報", en: "secret"},
	"keyword.":  {ja: "キーワード", en: "keyword"},
	"pattern.":  {ja: "パターン", en: "pattern"},
	"label.":    {ja: "秘密度ラベル", en: "sensitivity label", public: true}, // says nothing of the content itself
	"data.":     {ja: "登録データ", en: "registered data"},
	"document.": {ja: "登録文書", en: "registered document"},
}

// knownDetector reports whether a rule may name it: a detector, or a prefix
// of detectors followed by *.
func knownDetector(name string) bool {
	prefix, wild := strings.CutSuffix(name, "*")
	if !wild {
		if _, ok := kinds[name]; ok {
			return true
		}
		for family := range families {
			if strings.HasPrefix(name, family) && len(name) > len(family) {
				return true
			}
		}
		return false
	}
	if prefix == "" {
		return true
	}
	if !strings.HasSuffix(prefix, ".") {
		return false
	}
	for family := range families {
		if strings.HasPrefix(prefix, family) {
			return true
		}
	}
	for detector := range kinds {
		if strings.HasPrefix(detector, prefix) {
			return true
		}
	}
	return false
}

// kindOf is how a finding is called; an unknown detector goes by its id.
func kindOf(detector string) kind {
	if k, ok := kinds[detector]; ok {
		return k
	}
	for family, k := range families {
		if name, ok := strings.CutPrefix(detector, family); ok {
			k.ja, k.en = k.ja+"「"+name+"」", k.en+" \""+name+"\""
			return k
		}
	}
	return kind{ja: detector, en: detector}
}

// sensitive reports whether a finding makes a link ask for a one-time code.
func sensitive(f Finding) bool {
	k := kindOf(f.Detector)
	return f.Count > 0 && f.Level.AtLeast(Medium) && !k.public && k.sentenceJA == "" && (!k.contact || f.InAttachment)
}

// DetectorName is what people call a detector, in "ja" or "en".
func DetectorName(detector, language string) string {
	if language == "en" {
		return kindOf(detector).en
	}
	return kindOf(detector).ja
}
