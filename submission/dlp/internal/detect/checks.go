package detect

import "strings"

// Check digits. Every function takes digits only. Random digits pass about one
// time in ten, so a check alone is never more than a low finding.

// myNumber: 個人番号, 総務省令第85号 (平成26年) 第5条.
func myNumber(d string) bool {
	if len(d) != 12 || trivial(d) {
		return false
	}
	sum := 0
	for n := 1; n <= 11; n++ {
		q := n + 1
		if n > 6 {
			q = n - 5
		}
		sum += int(d[11-n]-'0') * q
	}
	check := 0
	if r := sum % 11; r > 1 {
		check = 11 - r
	}
	return int(d[11]-'0') == check
}

// corporateNumber: 法人番号, 財務省令第70号 (平成26年) 第2条; the check digit comes first.
func corporateNumber(d string) bool {
	if len(d) != 13 || d[0] == '0' || trivial(d) {
		return false
	}
	sum := 0
	for n := 1; n <= 12; n++ {
		sum += int(d[13-n]-'0') * (2 - n%2)
	}
	return int(d[0]-'0') == 9-sum%9
}

// licencePrefixes are the codes of the 51 public safety commissions.
const licencePrefixes = "10 11 12 13 14 20 21 22 23 24 25 30 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 " +
	"60 61 62 63 64 65 70 71 72 73 74 80 81 82 83 90 91 92 93 94 95 96 97"

// driversLicence: 運転免許証番号: commission, year, serial, check, re-issue.
func driversLicence(d string) bool {
	if len(d) != 12 || trivial(d) || !strings.Contains(licencePrefixes, d[:2]) || d[0] == '0' {
		return false
	}
	weights := [10]int{5, 4, 3, 2, 7, 6, 5, 4, 3, 2}
	sum := 0
	for i, w := range weights {
		sum += int(d[i]-'0') * w
	}
	return int(d[10]-'0') == (11-sum%11)%10
}

// luhn: ISO/IEC 7812-1; also 保険者番号.
func luhn(d string) bool {
	sum := 0
	for i := range len(d) {
		v := int(d[len(d)-1-i] - '0')
		if i%2 == 1 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return sum%10 == 0
}

// issuer says whether a card number's first digits and length are those of a
// card brand.
func issuer(d string) bool {
	n := len(d)
	in := func(digits, low, high int) bool {
		v := 0
		for i := range digits {
			v = v*10 + int(d[i]-'0')
		}
		return v >= low && v <= high
	}
	switch {
	case n < 13 || n > 19:
		return false
	case d[0] == '4':
		return n == 13 || n == 16 || n == 19
	case in(2, 51, 55), in(4, 2221, 2720):
		return n == 16
	case in(2, 34, 34), in(2, 37, 37):
		return n == 15
	case in(4, 3528, 3589):
		return n >= 16
	case in(3, 300, 305), in(4, 3095, 3095), in(2, 36, 36), in(2, 38, 39):
		return n >= 14
	case in(4, 6011, 6011), in(3, 644, 649), in(2, 65, 65), in(2, 62, 62):
		return n >= 16
	}
	return false
}

// elderIssuer: Maestro and the JCB cards of fifteen digits. Their ranges are too
// wide to mean anything without a label.
func elderIssuer(d string) bool {
	switch {
	case len(d) == 15 && (strings.HasPrefix(d, "2131") || strings.HasPrefix(d, "1800")), len(d) == 16 && d[:2] == "35":
		return true
	case len(d) < 12 || len(d) > 19:
		return false
	}
	return d[:2] == "50" || d[0] == '5' && d[1] >= '6' && d[1] <= '8' || d[0] == '6'
}

// testCards are the numbers card companies and payment services publish for tests.
const testCards = "4111111111111111 4242424242424242 4000056655665556 4012888888881881 4222222222222 4000000000000002 " +
	"4000000000009995 4005519200000004 4009348888881881 4012000033330026 4012000077777777 4217651111111119 4500600000000061 " +
	"4000000000000077 4000000000003220 4917610000000000 4988438843884305 4166676667666746 4646464646464644 4444333322221111 " +
	"5555555555554444 5200828282828210 5105105105105100 5555341244441115 5431111111111111 2223003122003222 2223000048400011 " +
	"2222400070000005 5454545454545454 5577000055770004 5555444433331111 5136333333333335 2222410740360010 " +
	"378282246310005 371449635398431 378734493671000 341111111111111 370000000000002 " +
	"3530111333300000 3566002020360505 3566111111111113 3569990010095841 3538684728624673 " +
	"30569309025904 38520000023237 36227206271667 36006666333344 3056930009020004 " +
	"6011111111111117 6011000990139424 6011000400000000 6011601160116611 6445644564456445 " +
	"6200000000000005 6205500000000000004 6250941006528599 6250947000000014 6243030000000001 8171999927660000"

func testCard(d string) bool {
	i := strings.Index(testCards, d)
	return i >= 0 && (i == 0 || testCards[i-1] == ' ') && (i+len(d) == len(testCards) || testCards[i+len(d)] == ' ')
}

// trivial numbers are placeholders: one digit repeated, or a repeated pair or
// quartet of zeros and ones.
func trivial(d string) bool {
	return strings.Count(d, d[:1]) == len(d)
}

// timeStamp says whether d reads as YYYYMMDDHHMM(SS): ten in a hundred of them
// pass the check of a My Number.
func timeStamp(d string) bool {
	if len(d) != 12 && len(d) != 14 {
		return false
	}
	num := func(from, to int) int {
		v := 0
		for _, c := range d[from:to] {
			v = v*10 + int(c-'0')
		}
		return v
	}
	year, month, day := num(0, 4), num(4, 6), num(6, 8)
	return year >= 1970 && year <= 2049 && month >= 1 && month <= 12 && day >= 1 && day <= 31 &&
		num(8, 10) < 24 && num(10, 12) < 60
}

// ibanLengths: ISO 13616 registry, country and total length.
const ibanLengths = "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 " +
	"ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 " +
	"LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 " +
	"SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30"

// iban checks country, length and ISO 7064 mod 97. s has no spaces, upper case.
func iban(s string) bool {
	if len(s) < 15 || len(s) > 34 || !digit(s[2]) || !digit(s[3]) {
		return false
	}
	i := strings.Index(ibanLengths, s[:2])
	if i < 0 || i%5 != 0 || int(ibanLengths[i+2]-'0')*10+int(ibanLengths[i+3]-'0') != len(s) {
		return false
	}
	rest := 0
	for _, c := range s[4:] + s[:4] {
		switch {
		case c >= '0' && c <= '9':
			rest = (rest*10 + int(c-'0')) % 97
		case c >= 'A' && c <= 'Z':
			rest = (rest*100 + int(c-'A') + 10) % 97
		default:
			return false
		}
	}
	return rest == 1
}
