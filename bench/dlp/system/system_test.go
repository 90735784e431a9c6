package system

import (
	"testing"

	"github.com/sekisho-mail/sekisho/bench/dlp/corpus"
	"github.com/sekisho-mail/sekisho/submission/dlp"
)

// TestPurviewAsPublished: one line for each clause of the definitions.
func TestPurviewAsPublished(t *testing.T) {
	p := NewPurview()
	for _, c := range []struct {
		text, id string
		level    dlp.Level
	}{
		{"個人番号 983205673214", "jp.my_number", dlp.High},
		{"個人番号 ９８３２ ０５６７ ３２１４", "jp.my_number", dlp.High},
		{"9832-0567-3214", "jp.my_number", dlp.Low},
		{"個人番号 983205673210", "jp.my_number", 0},
		{"7000012050002", "jp.corporate_number", dlp.Medium},
		{"法人番号 7000012050002", "jp.corporate_number", dlp.High},
		{"口座番号 1234567", "jp.bank_account", dlp.Medium},
		{"口座番号 1234567 支店コード", "jp.bank_account", dlp.High},
		{"1234567", "jp.bank_account", 0},
		{"免許証 123456789012", "jp.drivers_license", dlp.Medium},
		{"旅券番号 TK1234567", "jp.passport", dlp.Medium},
		{"在留カード AB12345678CD", "jp.residence_card", dlp.Medium},
		{"雇用保険番号 1234-567890-1", "jp.employment_insurance", 0}, // no published pattern has this shape
		{"基礎年金番号 1234-567890", "jp.pension_number", dlp.High},
	} {
		d := &corpus.Document{Text: c.text}
		found, err := p.Search(d)
		if err != nil {
			t.Fatal(err)
		}
		var got dlp.Level
		for _, f := range found {
			if f.Detector == c.id {
				got = max(got, f.Level)
			}
		}
		if got != c.level {
			t.Errorf("%s: %s, want %s (%v)", c.text, got, c.level, found)
		}
	}
}

// TestPlacesAreInTheText: what the product says of a body is where the text has it.
func TestPlacesAreInTheText(t *testing.T) {
	s, err := NewSekisho(nil, "")
	if err != nil {
		t.Fatal(err)
	}
	d := &corpus.Document{Subject: "件名", Text: "総務部御中\n\n個人番号：983205673214\n以上\n"}
	found, err := s.Search(d)
	if err != nil || len(found) != 1 || d.Text[found[0].Start:found[0].End] != "983205673214" || found[0].Level != dlp.High {
		t.Errorf("%v %v", found, err)
	}
}
