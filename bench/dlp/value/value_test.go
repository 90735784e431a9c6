package value

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// Published examples of every formula.
func TestFormulaeAgreeWithPublishedExamples(t *testing.T) {
	for _, s := range []string{"983205673214", "123456789018"} {
		if MyNumberCheck(s[:11]) != int(s[11]-'0') {
			t.Errorf("個人番号 %s", s)
		}
	}
	for _, s := range []string{"7000012050002", "5010401067252", "8000012010038"} {
		if CorporateCheck(s[1:]) != int(s[0]-'0') {
			t.Errorf("法人番号 %s", s)
		}
	}
	if LicenceCheck("3090123456") != 2 {
		t.Error("運転免許証")
	}
	for _, s := range append([]string{"123455", "01130012", "06130058"}, TestCards()...) {
		if Luhn(s[:len(s)-1]) != s {
			t.Errorf("Luhn %s", s)
		}
	}
	for _, s := range []string{"GB82WEST12345698765432", "DE89370400440532013000"} {
		if mod97(s[4:]+s[:4]) != 1 {
			t.Errorf("IBAN %s", s)
		}
	}
	if gtin("978030640615") != "9780306406157" {
		t.Error("GTIN")
	}
}

func TestWhatIsMadeObeysItsFormula(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		if s := MyNumber(r); len(s) != 12 || MyNumberCheck(s[:11]) != int(s[11]-'0') {
			t.Fatalf("個人番号 %s", s)
		}
		if s := Broken(r, MyNumber(r), -1); MyNumberCheck(s[:11]) == int(s[11]-'0') {
			t.Fatalf("a near miss hits: %s", s)
		}
		if s := CorporateNumber(r); len(s) != 13 || CorporateCheck(s[1:]) != int(s[0]-'0') {
			t.Fatalf("法人番号 %s", s)
		}
		if s := DriversLicence(r); len(s) != 12 || LicenceCheck(s[:10]) != int(s[10]-'0') {
			t.Fatalf("運転免許証 %s", s)
		}
		if s := strings.Join(Card(r), ""); Luhn(s[:len(s)-1]) != s {
			t.Fatalf("card %s", s)
		}
		if s := strings.Join(IBAN(r), ""); mod97(s[4:]+s[:4]) != 1 {
			t.Fatalf("IBAN %s", s)
		}
		if s := strings.Join(Landline(r), ""); len(s) != 10 {
			t.Fatalf("telephone %s", s)
		}
	}
}
