package corpus

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/sekisho-mail/sekisho/bench/dlp/value"
	"github.com/sekisho-mail/sekisho/submission/dlp"
)

// kind is what a slot may hold: values that are labelled.
type kind struct {
	detector string
	level    dlp.Level
	optional bool // unless the slot says +
	forms    string
	make     func(s *Set, r *rand.Rand) written
	miss     func(r *rand.Rand, digits string) string // spoils the check
}

func last(r *rand.Rand, d string) string { return value.Broken(r, d, -1) }

// digitKinds are made of digits and letters in groups of fixed lengths.
func digitKinds() map[string]kind {
	plain := func(sizes ...int) func(func(*rand.Rand) string) func(*Set, *rand.Rand) written {
		return func(of func(*rand.Rand) string) func(*Set, *rand.Rand) written {
			return func(_ *Set, r *rand.Rand) written { return grouped(of(r), sizes...) }
		}
	}
	groups := func(of func(*rand.Rand) []string) func(*Set, *rand.Rand) written {
		return func(_ *Set, r *rand.Rand) written {
			g := of(r)
			return written{canon: strings.Join(g, ""), groups: g}
		}
	}
	return map[string]kind{
		"my_number":        {detector: "jp.my_number", level: dlp.High, make: plain(4, 4, 4)(value.MyNumber), miss: last},
		"corporate_number": {detector: "jp.corporate_number", level: dlp.High, make: plain(1, 4, 4, 4)(value.CorporateNumber), miss: last},
		"licence": {detector: "jp.drivers_license", level: dlp.High, make: plain(4, 4, 4)(value.DriversLicence),
			miss: func(r *rand.Rand, d string) string { return value.Broken(r, d, 10) }},
		"passport": {detector: "jp.passport", level: dlp.Medium, make: plain(2, 7)(func(r *rand.Rand) string {
			return []string{"M", "T"}[r.IntN(2)] + value.Letters(r, 1) + value.Digits(r, 7)
		})},
		"residence": {detector: "jp.residence_card", level: dlp.Medium, make: plain(2, 8, 2)(func(r *rand.Rand) string {
			return value.Letters(r, 2) + value.Digits(r, 8) + value.Letters(r, 2)
		})},
		"insurer":      {detector: "jp.health_insurance", level: dlp.High, make: plain(4, 4)(value.Insurer), miss: last},
		"city_insurer": {detector: "jp.health_insurance", level: dlp.High, make: plain(6)(value.CityInsurer), miss: last},
		"insured": {detector: "jp.health_insurance", level: dlp.Medium, make: plain(8)(func(r *rand.Rand) string {
			return string(rune('1'+r.IntN(9))) + value.Digits(r, 7)
		})},
		"symbol_number": {detector: "jp.health_insurance", level: dlp.Medium, make: symbolNumber},
		"pension": {detector: "jp.pension_number", level: dlp.Medium, make: plain(4, 6)(func(r *rand.Rand) string {
			return string(rune('1'+r.IntN(9))) + value.Digits(r, 9)
		})},
		"employment": {detector: "jp.employment_insurance", level: dlp.Medium, make: plain(4, 6, 1)(func(r *rand.Rand) string {
			return string(rune('1'+r.IntN(9))) + value.Digits(r, 10)
		})},
		"resident_code": {detector: "jp.resident_code", level: dlp.Medium, make: plain(4, 4, 3)(func(r *rand.Rand) string {
			return string(rune('1'+r.IntN(9))) + value.Digits(r, 10)
		})},
		"account": {detector: "jp.bank_account", level: dlp.Medium, make: plain(7)(func(r *rand.Rand) string { return value.Digits(r, 7) })},
		"post_account": {detector: "jp.bank_account", level: dlp.Medium, make: plain(5, 8)(func(r *rand.Rand) string {
			return "1" + value.Digits(r, 3) + "0" + value.Digits(r, 7) + "1"
		})},
		"landline": {detector: "jp.phone", level: dlp.Medium, forms: "phone", make: groups(value.Landline)},
		"mobile":   {detector: "jp.phone", level: dlp.Medium, forms: "phone", make: groups(value.Mobile)},
		"ipphone":  {detector: "jp.phone", level: dlp.Medium, forms: "phone", make: groups(value.IPPhone)},
		"tollfree": {detector: "jp.phone", level: dlp.Medium, forms: "phone", optional: true, make: groups(value.TollFree)},
		"card":     {detector: "payment_card", level: dlp.High, make: groups(value.Card), miss: last},
		"iban":     {detector: "iban", level: dlp.High, make: groups(value.IBAN)},
		"ssn":      {detector: "us.ssn", level: dlp.Medium, make: groups(value.SSN)},
		"nino":     {detector: "uk.nino", level: dlp.Medium, make: groups(value.NINO)},
	}
}

// kinds are all labelled ones.
func kinds() map[string]kind {
	all := digitKinds()
	all["name"] = kind{detector: "jp.person_name", level: dlp.Medium, optional: true, make: (*Set).person}
	all["kana"] = kind{detector: "jp.person_name", level: dlp.Medium, optional: true, make: (*Set).person}
	all["name_en"] = kind{detector: "jp.person_name", level: dlp.Medium, optional: true, make: (*Set).foreigner}
	all["address"] = kind{detector: "jp.postal_address", level: dlp.Medium, make: (*Set).address}
	all["email"] = kind{detector: "email_address", level: dlp.Medium, make: (*Set).email}
	all["birth"] = kind{detector: "date_of_birth", level: dlp.Medium, make: (*Set).birth}
	return all
}

func grouped(s string, sizes ...int) written {
	w := written{canon: s}
	for _, n := range sizes {
		w.groups = append(w.groups, s[:n])
		s = s[n:]
	}
	return w
}

// symbolNumber is the pair of 記号 and 番号 on a health insurance card.
func symbolNumber(_ *Set, r *rand.Rand) written {
	g := []string{string(rune('1'+r.IntN(9))) + value.Digits(r, 3+r.IntN(5)), string(rune('1'+r.IntN(9))) + value.Digits(r, 1+r.IntN(5))}
	return written{canon: strings.Join(g, "-"), groups: g}
}

func (s *Set) word(r *rand.Rand, list string) string {
	words := s.words[list]
	if len(words) == 0 {
		return "?" + list + "?"
	}
	return words[r.IntN(len(words))]
}

func (s *Set) person(r *rand.Rand) written {
	surname, kanaSurname, _ := strings.Cut(s.word(r, "surname"), "/")
	given, kanaGiven, _ := strings.Cut(s.word(r, "given"), "/")
	return written{canon: surname + given, groups: []string{surname, given}, parts: map[string]string{"kana": kanaSurname + " " + kanaGiven}}
}

// foreigner is a name in Latin letters.
func (s *Set) foreigner(r *rand.Rand) written {
	n := s.word(r, "name_en")
	return written{canon: n, groups: []string{n}}
}

// address is a place of the list, "prefecture city town zip", with a number.
func (s *Set) address(r *rand.Rand) written {
	f := strings.Fields(s.word(r, "place"))
	chome, ban, house := 1+r.IntN(6), 1+r.IntN(40), 1+r.IntN(25)
	room := fmt.Sprint(100*(1+r.IntN(12)) + 1 + r.IntN(9))
	zip := f[3] + fmt.Sprintf("%04d", r.IntN(100))
	return written{
		canon:  fmt.Sprintf("%s%s%s%d-%d-%d", f[0], f[1], f[2], chome, ban, house),
		groups: []string{f[0], f[1], f[2]},
		parts: map[string]string{
			"pref": f[0], "city": f[1], "town": f[2], "chome": fmt.Sprint(chome), "ban": fmt.Sprint(ban), "go": fmt.Sprint(house),
			"kchome": inWidth(fmt.Sprint(chome), "kanji"), "zip3": zip[:3], "zip4": zip[3:], "bldg": s.word(r, "building"), "room": room,
		},
	}
}

func (s *Set) email(r *rand.Rand) written {
	local := s.word(r, "local")
	switch r.IntN(4) {
	case 0:
		local += "." + s.word(r, "local")
	case 1:
		local += fmt.Sprint(10 + r.IntN(1990))
	case 2:
		local = string(local[0]) + "-" + s.word(r, "local")
	}
	a := local + "@" + s.word(r, "domain")
	return written{canon: strings.ToLower(a), groups: []string{a}}
}

func (s *Set) birth(r *rand.Rand) written {
	return dateParts(1935+r.IntN(72), 1+r.IntN(12), 1+r.IntN(28))
}

// dateParts are what forms write dates with.
func dateParts(y, m, d int) written {
	era, letter, since := "昭和", "S", 1925
	switch {
	case y > 2019 || y == 2019 && m >= 5:
		era, letter, since = "令和", "R", 2018
	case y > 1989 || y == 1989 && (m > 1 || d >= 8):
		era, letter, since = "平成", "H", 1988
	}
	n := fmt.Sprint(y - since)
	year := n
	if n == "1" {
		year = "元"
	}
	return written{
		canon:  fmt.Sprintf("%04d-%02d-%02d", y, m, d),
		groups: []string{fmt.Sprint(y), fmt.Sprintf("%02d", m), fmt.Sprintf("%02d", d)},
		parts: map[string]string{"Y": fmt.Sprint(y), "M": fmt.Sprint(m), "D": fmt.Sprint(d), "MM": fmt.Sprintf("%02d", m), "DD": fmt.Sprintf("%02d", d),
			"era": era, "e": letter, "n": n, "nn": fmt.Sprintf("%02d", y-since), "year": year, "eras": string([]rune(era)[:1]),
			"kyear": kanjiCount(y - since), "kM": kanjiCount(m), "kD": kanjiCount(d), "kY": inWidth(fmt.Sprint(y), "kanji"), "mon": [...]string{"January", "February", "March", "April",
				"May", "June", "July", "August", "September", "October", "November", "December"}[m-1]},
	}
}

// kanjiCount writes a number below a hundred as people count: 五十五.
func kanjiCount(n int) string {
	const ones = "一二三四五六七八九"
	one := ""
	if n%10 > 0 {
		one = string([]rune(ones)[n%10-1])
	}
	switch {
	case n < 10:
		return one
	case n < 20:
		return "十" + one
	}
	return string([]rune(ones)[n/10-1]) + "十" + one
}
