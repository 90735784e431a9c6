// Package value makes the numbers of the benchmark by the formulae that real
// ones obey, and their near misses. It knows nothing of detectors: what is
// written here comes from ordinances and standards, not from our own code.
package value

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// Digits are n random digits.
func Digits(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('0' + r.IntN(10))
	}
	return string(b)
}

// Letters are n random capitals; I and O are left out, as issuers do.
func Letters(r *rand.Rand, n int) string {
	const from = "ABCDEFGHJKLMNPQRSTUVWXYZ"
	b := make([]byte, n)
	for i := range b {
		b[i] = from[r.IntN(len(from))]
	}
	return string(b)
}

// Broken replaces the digit at i (from the end when negative) by another one.
func Broken(r *rand.Rand, s string, i int) string {
	if i < 0 {
		i += len(s)
	}
	d := (int(s[i]-'0') + 1 + r.IntN(9)) % 10
	return s[:i] + strconv.Itoa(d) + s[i+1:]
}

// MyNumberCheck is the check digit of eleven digits (総務省令第85号 第5条).
func MyNumberCheck(eleven string) int {
	sum := 0
	for i := range 11 {
		n := 11 - i // from the right, the last being 1
		q := n + 1
		if n > 6 {
			q = n - 5
		}
		sum += int(eleven[i]-'0') * q
	}
	if rest := sum % 11; rest > 1 {
		return 11 - rest
	}
	return 0
}

// MyNumber is a 個人番号.
func MyNumber(r *rand.Rand) string {
	d := Digits(r, 11)
	return d + strconv.Itoa(MyNumberCheck(d))
}

// CorporateCheck is the leading check digit of twelve digits.
func CorporateCheck(twelve string) int {
	sum := 0
	for i := range 12 {
		weight := 1
		if (12-i)%2 == 0 {
			weight = 2
		}
		sum += int(twelve[i]-'0') * weight
	}
	return 9 - sum%9
}

// CorporateNumber is a 法人番号 of a company.
func CorporateNumber(r *rand.Rand) string {
	office := fmt.Sprintf("%02d%02d", 1+r.IntN(49), r.IntN(6)) // of registration
	d := office + "01" + Digits(r, 6)
	return strconv.Itoa(CorporateCheck(d)) + d
}

// LicenceCheck is the eleventh digit of a 運転免許証 over the first ten.
func LicenceCheck(ten string) int {
	sum := 0
	for i, w := range [10]int{5, 4, 3, 2, 7, 6, 5, 4, 3, 2} {
		sum += int(ten[i]-'0') * w
	}
	return (11 - sum%11) % 10
}

// DriversLicence is a 運転免許証番号 of one of the commissions.
func DriversLicence(r *rand.Rand) string {
	commissions := "10 20 22 25 30 42 43 44 45 46 50 52 54 55 60 61 62 63 64 70 72 73 74 80 82 90 92 95 97"
	ten := pick(r, strings.Fields(commissions)...) + fmt.Sprintf("%02d", (70+r.IntN(55))%100) + Digits(r, 6)
	return ten + strconv.Itoa(LicenceCheck(ten)) + pick(r, "0", "0", "0", "0", "1", "2")
}

// LuhnCheck is the digit that completes s (ISO/IEC 7812-1).
func LuhnCheck(s string) int {
	sum := 0
	for i := range len(s) {
		d := int(s[len(s)-1-i] - '0')
		if i%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return (10 - sum%10) % 10
}

// Luhn completes s.
func Luhn(s string) string { return s + strconv.Itoa(LuhnCheck(s)) }

// Card is a payment card in the groups in which it is embossed.
func Card(r *rand.Rand) []string {
	n, prefix := 16, ""
	switch r.IntN(6) {
	case 0, 1:
		prefix = "4" + Digits(r, 5)
	case 2:
		prefix = strconv.Itoa(51+r.IntN(5)) + Digits(r, 4)
	case 3:
		prefix = strconv.Itoa(2221+r.IntN(499)) + Digits(r, 2)
	case 4:
		prefix = strconv.Itoa(3528+r.IntN(61)) + Digits(r, 2)
	case 5:
		n, prefix = 15, pick(r, "34", "37")+Digits(r, 4)
	}
	s := Luhn(prefix + Digits(r, n-1-len(prefix)))
	if n == 15 {
		return []string{s[:4], s[4:10], s[10:]}
	}
	return []string{s[:4], s[4:8], s[8:12], s[12:]}
}

// TestCards are printed in manuals of payment providers.
func TestCards() []string {
	return []string{"4111111111111111", "5555555555554444", "378282246310005", "3530111333300000", "4242424242424242", "4012888888881881"}
}

// Insurer is a 保険者番号 of eight digits: kind of law, prefecture, serial, check.
func Insurer(r *rand.Rand) string {
	return Luhn(pick(r, "01", "06", "31", "34", "39", "63") + fmt.Sprintf("%02d", 1+r.IntN(47)) + Digits(r, 3))
}

// CityInsurer is a 保険者番号 of the national health insurance: six digits.
func CityInsurer(r *rand.Rand) string { return Luhn(fmt.Sprintf("%02d", 1+r.IntN(47)) + Digits(r, 3)) }

// IBAN of a country whose account number has a fixed shape.
func IBAN(r *rand.Rand) []string {
	country, account := "DE", Digits(r, 18)
	switch r.IntN(4) {
	case 1:
		country, account = "GB", Letters(r, 4)+Digits(r, 14)
	case 2:
		country, account = "FR", Digits(r, 23)
	case 3:
		country, account = "NL", Letters(r, 4)+Digits(r, 10)
	}
	s := country + fmt.Sprintf("%02d", 98-mod97(account+country+"00")) + account
	var groups []string
	for len(s) > 4 {
		groups, s = append(groups, s[:4]), s[4:]
	}
	return append(groups, s)
}

func mod97(s string) int {
	n := 0
	for _, c := range s {
		if c >= 'A' && c <= 'Z' {
			n = (n*100 + int(c-'A') + 10) % 97
		} else {
			n = (n*10 + int(c-'0')) % 97
		}
	}
	return n
}

// JAN is an article number of Japan (GTIN-13).
func JAN(r *rand.Rand) string { return gtin(pick(r, "45", "49") + Digits(r, 10)) }

// ISBN is a book of Japan.
func ISBN(r *rand.Rand) string { return gtin("9784" + Digits(r, 8)) }

func gtin(s string) string {
	sum := 0
	for i, c := range s {
		weight := 1
		if i%2 == 1 {
			weight = 3
		}
		sum += int(c-'0') * weight
	}
	return s + strconv.Itoa((10-sum%10)%10)
}

// SSN is an American social security number in its three groups.
func SSN(r *rand.Rand) []string {
	area := 1 + r.IntN(898)
	if area == 666 {
		area = 667
	}
	return []string{fmt.Sprintf("%03d", area), fmt.Sprintf("%02d", 1+r.IntN(99)), fmt.Sprintf("%04d", 1+r.IntN(9998))}
}

// NINO is a British national insurance number.
func NINO(r *rand.Rand) []string {
	d := Digits(r, 6)
	return []string{pick(r, "AB", "CE", "HK", "JM", "LY", "PR", "SW", "WX", "YZ"), d[:2], d[2:4], d[4:], pick(r, "A", "B", "C", "D")}
}

func pick(r *rand.Rand, from ...string) string { return from[r.IntN(len(from))] }
