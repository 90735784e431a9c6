package detect

import "strings"

// kind is what a label says the value beside it is.
type kind uint8

const (
	kNone  kind = iota
	kOther      // names something we do not look for: 注文番号, tracking number
	kMyNumber
	kCorporate
	kLicence
	kPassport
	kResidence
	kInsurer // 保険者番号, with check digit
	kInsured // 記号・番号, without
	kPension
	kEmployment
	kResident
	kAccount  // 口座番号
	kBank     // 銀行: says that an account is near
	kBranch   // 支店
	kDeposit  // 普通, 当座: kind of account
	kCard     // カード番号
	kCardHint // brand names, expiry: says that a card is near
	kPhone
	kAddress
	kBirth
	kEmail
	kName
	kPerson // 申込者, 連帯保証人: says that a full name is near
	kIBAN
	kSSN
	kNINO
	kSample // 見本, 記入例
	kTest   // テストカード, sandbox
	kPrefecture
	kCity
	kRoman      // -ku, -shi: a municipality in Latin letters
	kSecretWord // password, api key
	kinds
)

// labelWords are matched in folded, lower-cased text with the spaces between CJK
// characters taken out. One word per line end or comma.
func labelWords() map[kind]string {
	return map[kind]string{
		kMyNumber: `マイナンバー,個人番号(マイナンバー),マイナンバー(個人番号),personal number,マイナンバー・カード,マイナンバーの番号,マイナンバ,個人番号,共通番号,個人識別番号,個人識別ナンバー,通知カード,マイナンバーカード,マイナンバーカード番号,
			個人番号カード,社会保障・税番号,税番号,マイナ番号,マイナカード,特定個人情報,mynumber,my number,my-number,my_number,my no,individual number,individual no,
			個人no,個人no.,マイナンバーno,kojin bango,kojinbango,kojin_bango`,
		kCorporate: `法人番号,法人マイナンバー,会社法人番号,法人等番号,企業番号,hojin bango,corporate no,company number,国税庁法人番号,会社法人等番号,corporate number,houjin bangou,法人no,法人no.`,
		kLicence: `免許,運転免許証,運転免許,免許証,免許証番号,免許番号,運転免許証番号,運転免許番号,免許証no,免許証no.,免許no,運転経歴証明書,運転経歴証明書番号,
			driver's license,drivers license,driver license,driving licence,driving license,driver's licence,license number,licence number,dl no,driver's license number,drivers license number,driver license number,driver's licence number,driving licence number,driver's license no,drivers license no,運転免許証第,免許証第,license no,licence no,dl number,免許証の番号`,
		kPassport: `パスポート,パスポート番号,パスポートナンバー,パスポートno,パスポートno.,旅券,旅券番号,旅券ナンバー,旅券no,passport,passport number,passport no,passport no.`,
		kResidence: `在留カード,在留カード番号,在留番号,在留カードno,在留カードno.,特別永住者証明書,特別永住者証明書番号,外国人登録証明書番号,外国人登録証,
			residence card,residence card number,residence card no,zairyu card,resident card number`,
		kInsurer: `保険者番号,保険者no,保険者no.,insurer number`,
		kInsured: `健保,国保,社保,被保険者番号,被保険者証番号,健康保険証,健康保険,健康保険被保険者番号,健康保険被保険者証,保険証,保険証番号,保険証記号番号,健保番号,被保険者記号,
			保険証の記号番号,被保険者記号番号,被保険者証記号番号,被保険者証記号・番号,被保険者証,被保険者証の記号番号,被保険者証の記号・番号,被保険者証等記号・番号,保険証の記号・番号,保険証記号・番号,被保険者等記号・番号,資格確認書,資格情報のお知らせ,国民健康保険,後期高齢者医療,介護保険,介護保険被保険者番号,被保険者整理番号,
			健康保険被保険者整理番号,社会保険番号,組合員証,組合員証番号,health insurance,health insurance number,health insurance no,insurance card number,insured number`,
		kPension: `国民年金,厚生年金,ねんきん番号,年金記号番号,年金手帳記号番号,基礎年金番号通知書,基礎年金番号,年金番号,基礎年金,年金手帳,年金手帳番号,厚生年金番号,国民年金番号,年金証書,基礎年金no,年金記号番号,年金コード,課所符号,厚生年金保険被保険者証,厚生年金被保険者証,国民年金手帳,国民年金手帳記号番号,年金手帳の記号番号,年金手帳記号番号,基礎年金番号・年金コード,ねんきん定期便,
			pension number,basic pension number,basic pension no,pension no,pension handbook number,pension handbook no,pension book number,pension book no,national pension number,national pension no,employees' pension number,
			nenkin bango,kiso nenkin bango,kisonenkinbango,nenkinbango,basicpensionnumber`,
		kEmployment: `雇用保険の被保険者番号,被保険者番号(雇用保険),雇用保険被保険者,雇用被保険者番号,雇保番号,雇保被保険者番号,雇用保険加入者番号,雇用保険,雇用保険番号,雇用保険被保険者番号,雇用保険被保険者証,雇用保険被保険者証番号,雇用保険被保険者no,雇用保険no,雇用保険no.,
			employment insurance,employment insurance number,unemployment insurance number`,
		kResident: `住民票コード,住民票番号,住民コード,住民票code,住基コード,住基番号,住基ネット,resident code,resident record code,juminhyo code`,
		kAccount: `口座番号,貯金口座,普通貯金口座,銀行口座,銀行口座番号,総合口座,総合口座番号,普通預金口座,普通口座,普通預金,当座預金,当座預金口座,当座口座,貯蓄預金,貯蓄口座,預金口座,預金口座番号,
			savings account,checking account,current account,ordinary account,deposit account,savings account number,ordinary account number,beneficiary account,beneficiary account number,
			beneficiary a/c,beneficiary's a/c,beneficiary's account,beneficiary's account number,account #,bank account no,bankaccountno,accountnumber,account_number,account_no,口座番,取引口座,登録口座,預貯金口座,口座の番号,種別・口座番号,預金種別・口座番号,
			振込口座,振替口座,振込先口座,給与口座,給与振込口座,給与振込先,返金先口座,返金口座,引落口座,引き落とし口座,入金口座,入金先,振込先,お振込先,お振込み先,振り込み先,
			口座no,口座no.,口座,口座情報,bank account,bank account number,account number,account no,account no.,acct no,acct,a/c no,a/c`,
		kBank: `みずほ,三菱ufj,三井住友,りそな,mufg,smbc,mizuho,bank name,bank code,銀行,バンク,jaバンク,信漁連,信農連,信用金庫,信金,信用組合,信組,労働金庫,ろうきん,農協,農業協同組合,ゆうちょ,漁協,金融機関,金融機関コード,金融機関名,
			銀行名,銀行コード,bank`,
		kBranch:  `支店,支店名,支店番号,支店コード,店番,店番号,本店営業部,本店,出張所,支所,branch,branch code,branch name,branch no`,
		kDeposit: `フツウ,トウザ,フ),普通,当座,貯蓄,普通貯金,通常貯金,(普),(当),(普通),(当座),普),当),ordinary,savings,checking,預金種目,預金種別,口座種別`,
		kCard: `クレジット,クレジットカード,クレジットカード番号,クレジット番号,クレカ,クレカ番号,カード番号,カードno,カードno.,カードナンバー,デビットカード,デビットカード番号,プリペイドカード番号,
			法人カード,カード情報,credit card,creditcard,credit-card,credit_card,credit card number,card number,card no,card no.,cardnumber,card_number,card num,card #,cc number,ccnum,
			debit card,debit card number,visa card,card,cards,cc,cc#,mastercard number,カード,pan,primary account number`,
		kCardHint: `期限,exp,exp.,expires,expiry,visa,mastercard,master card,マスターカード,jcb,american express,amex,アメックス,ダイナース,diners,discover card,銀聯,unionpay,セキュリティコード,cvv,cvc,cvv2,
			カード名義,カード有効期限,valid thru,good thru,expiration date,exp date,expiry date,cardholder,card holder,名義人,有効期限,イシュア`,
		kPhone: `t e l,f a x,t.e.l.,t/f,tel/fax,tel&fax,日中連絡先,連絡先電話,自宅tel,勤務先tel,会社電話,携帯tel,電話,電話番号,tel,tel.,携帯,携帯電話,携帯番号,携帯電話番号,固定電話,自宅電話,自宅電話番号,勤務先電話,勤務先電話番号,連絡先,緊急連絡先,連絡先電話番号,直通,代表,fax,fax.,
			ファックス,ファクス,ファックス番号,fax番号,フリーダイヤル,フリーコール,phone,phone number,phone no,telephone,mobile,mobile phone,mobile no,mobile number,home phone,work phone,cell,cell phone,cellphone,contact number,ph.,
			スマホ,スマートフォン,ケータイ,お電話,お電話番号,ご連絡先,℡,☎,📞,📱,電話no,tel番号,tel no,携帯no,日中の連絡先`,
		kAddress: `住所,ご住所,現住所,自宅住所,自宅,所在地,本籍,本籍地,居所,居住地,送付先,送り先,お届け先,届け先,届出先,配送先,配達先,勤務先住所,連絡先住所,郵便番号,address,home address,
			mailing address,shipping address,street address,住民票所在地,転居先,旧住所,新住所,実家`,
		kBirth: `birth,bday,出生,生年月日(西暦・和暦),生年月日,誕生日,お誕生日,生年,生まれ,誕生年月日,出生日,出生年月日,date of birth,dateofbirth,date_of_birth,d.o.b.,d.o.b,dob,birthday,birth day,birth date,birthdate,birth_date,born,born on,
			生れ,生年月日(西暦),生年月日(和暦)`,
		kEmail: `メールアドレス,メアド,eメール,e-mail,email,mail address,e-mail address,email address,電子メール,アドレス`,
		kName: `kanji name,kana name,display name,holder,account holder,crew,passenger,passenger name,guest name,member name,staff name,first name,last name,given name,family name,surname,利用者名,受取人名,申請者名,申請者氏名,本人氏名,配偶者氏名,保護者名,応募者名,対象者名,ご芳名,芳名,被保険者氏名,従業員氏名,社員氏名,会員氏名,患者氏名,顧客氏名,カード名義人,受取人氏名,氏名,お名前,ご氏名,名前,姓名,フリガナ,ふりがな,カナ氏名,氏名カナ,氏名(カナ),漢字氏名,会員名,顧客名,患者名,生徒名,児童名,従業員名,社員名,契約者名,被保険者名,
			申込者名,代表者名,担当者名,口座名義,口座名義人,名義,full name,customer name,employee name,patient name,name`,
		kIBAN: `iban,international bank account number,国際銀行口座番号,bic,swift,swift code,bic code`,
		kSSN:  `ssn,social security,social security number,social security no,social security #,soc sec,ss#,ssn#,ssns,社会保障番号`,
		kNINO: `national insurance,national insurance number,national insurance no,ni number,ni no,nino,nin,国民保険番号`,
		kSample: `(例,[例,(ex,ex:,見本,記入例,記載例,入力例,サンプル,例示,ダミー,架空,(例),例:,例),たとえば,例えば,sample,example,dummy,placeholder,e.g.,for example,
			xxxx形式,フォーマット例,書式例,表示例,形式:,桁数,テストデータ,test data`,
		kTest: `テストカード,テスト用カード,テスト用の番号,テスト用番号,テスト番号,テストモード,テスト環境,test card,test cards,test number,test numbers,testing,test mode,sandbox,サンドボックス,
			documentation,ドキュメント,stripe,paypal,api reference,fixture,開発環境,検証環境,ステージング,staging,unit test`,
		kSecretWord: `password,passwd,パスワード,暗証番号,パスフレーズ,passphrase,api key,api_key,apikey,secret,secret_key,token,access token,client_secret,credential,credentials,認証情報,
			アクセスキー,シークレット,トークン,private key,秘密鍵`,
		kOther: otherWords,
	}
}

// otherWords name numbers that are none of ours. Everything else that ends in
// 番号, コード, No. or ID is taken for one as well, see genericLabel.
const otherWords = `申請書id,部品,図面,バージョン,受付番号,受付no,送り状,伝票,宅配便,追跡,会員カード番号,メンバーズカード番号,ポイントカード番号,キャッシュカード番号,ギフトカード番号,図書カード番号,icカード番号,社員カード番号,
	診察カード番号,カードキー番号,カードキー,simカード番号,注文番号,ご注文番号,オーダー番号,注文no,発注番号,発注no,受注番号,受注no,伝票番号,お問い合わせ伝票番号,送り状番号,送り状no,追跡番号,荷物番号,配送番号,
	問い合わせ番号,問合せ番号,お問い合わせ番号,お問合せ番号,管理番号,整理番号,照会番号,確認番号,予約番号,契約番号,証券番号,請求番号,請求書番号,請求書no,見積番号,見積書番号,見積no,納品書番号,
	領収書番号,会員番号,会員no,会員カード,ポイントカード,ポイント番号,社員番号,社員no,職員番号,従業員番号,学籍番号,受験番号,患者番号,診察券番号,診察券,顧客番号,お客様番号,お客さま番号,
	製造番号,製品番号,シリアル番号,シリアル,シリアルno,型番,品番,型式,部品番号,商品番号,商品コード,janコード,jan,ean,isbn,issn,バーコード,ロット番号,ロット,資産番号,機器番号,
	登録番号,適格請求書発行事業者登録番号,インボイス番号,インボイス登録番号,取引番号,取引id,決済番号,承認番号,オーソリ番号,参照番号,案件番号,チケット番号,チケット,起票番号,
	文書番号,稟議番号,議事録番号,特許番号,出願番号,許可番号,認可番号,届出番号,工事番号,会議id,ミーティングid,会議番号,ウェビナーid,パスコード,タイムスタンプ,日時,作成日時,更新日時,発行日時,登録日時,
	送信日時,受信日時,実行日時,処理日時,日付,年月日,発行日,納期,期限,ログ,トラッキング番号,トラッキング,ファクトリー番号,ナンバープレート,車台番号,車両番号,物件番号,物件コード,店舗コード,郵便局コード,
	事業所番号,事業所整理記号,労働保険番号,許認可番号,免許取得日,診療報酬,レセプト番号,金額,合計,小計,単価,数量,税込,残高,売上,予算,原価,価格,
	trace no,trace id,correlation id,job id,batch id,event id,record id,row id,device id,store id,order number,order no,order no.,order id,order #,order,invoice number,invoice no,invoice no.,invoice #,invoice id,invoice,tracking number,tracking no,tracking id,tracking #,tracking,waybill,
	reference number,reference no,reference,ref no,ref.,ref,ticket number,ticket no,ticket id,ticket,case number,case no,case id,case,confirmation number,confirmation code,confirmation no,booking reference,
	booking number,transaction id,transaction number,transaction no,transaction,serial number,serial no,serial no.,serial,s/n,part number,part no,p/n,sku,upc,product code,product id,item number,model number,
	lot number,batch number,customer number,customer id,customer no,member number,member id,membership number,employee id,employee number,employee no,student id,user id,userid,session id,
	request id,message id,message-id,meeting id,conference id,webinar id,access code,dial-in,participant code,po number,po no,purchase order,shipment,shipment number,policy number,claim number,quote number,
	timestamp,time stamp,datetime,created at,updated at,date,build,version,revision,commit,uuid,guid,checksum,md5,sha1,sha256,imei,iccid,mac address,ip address,postcode,zip,zip code,
	amount,total,price,balance,quantity,vin,doi,patent,pmid,id`

// variants are the ways to write a label that ends in 番号 or no: 免許証番号 is also
// 免許証の番号, 免許証ナンバー, 免許証No. and 免許証NO.
func variants(k kind, w string) []string {
	out := []string{w}
	if strings.Contains(w, " ") && w[0] < 0x80 {
		// passport_no, passportNo, passport-no: columns of programs
		for _, joint := range []string{"_", "", "-"} {
			out = append(out, strings.ReplaceAll(w, " ", joint))
		}
	}
	if strings.HasSuffix(w, " no") || strings.HasSuffix(w, "#") && len(w) > 2 {
		out = append(out, w+".")
	}
	stem, ok := strings.CutSuffix(w, "番号")
	for _, end := range []string{"カード", "証", "証明書", "手帳", "証書"} {
		if strings.HasSuffix(w, end) && k != kOther && k != kCard {
			stem, ok = w, true
		}
	}
	if !ok || k == kOther || !k.names() || stem == "" || k == kMyNumber && stem == "個人" {
		return out
	}
	for _, end := range []string{"番号", "の番号", "ナンバー", "no", "no.", "№", "#", "コード"} {
		out = append(out, stem+end)
	}
	return out
}

// words splits one list.
func words(list string) []string {
	out := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == '\n' })
	for i := range out {
		out[i] = strings.TrimSpace(out[i])
	}
	return out
}
