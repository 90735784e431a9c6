package system

import (
	"regexp"

	"github.com/sekisho-mail/sekisho/bench/dlp/corpus"
	"github.com/sekisho-mail/sekisho/submission/dlp"
)

// Patterns are the regular expressions one writes in an afternoon: shapes, no
// check digits, no keywords. Everything is said at medium.
type Patterns struct{ of map[string]*regexp.Regexp }

// NewPatterns compiles them.
func NewPatterns() *Patterns {
	of := map[string]*regexp.Regexp{}
	for id, expr := range map[string]string{
		"jp.my_number":            `\b\d{4}[- ]?\d{4}[- ]?\d{4}\b`,
		"jp.corporate_number":     `\b[1-9]\d{12}\b`,
		"jp.drivers_license":      `\b\d{12}\b`,
		"jp.passport":             `\b[A-Z]{2}\d{7}\b`,
		"jp.residence_card":       `\b[A-Z]{2}\d{8}[A-Z]{2}\b`,
		"jp.health_insurance":     `\b\d{8}\b`,
		"jp.pension_number":       `\b\d{4}-?\d{6}\b`,
		"jp.employment_insurance": `\b\d{4}-?\d{6}-?\d\b`,
		"jp.resident_code":        `\b\d{11}\b`,
		"jp.bank_account":         `(?:普通|当座)[^\d\n]{0,10}\d{7}\b`,
		"jp.phone":                `\b0\d{1,4}[-(]?\d{1,4}[-)]?\d{3,4}\b`,
		"jp.postal_address":       `(?:東京都|北海道|(?:京都|大阪)府|\p{Han}{2,3}県)[^\s\d]+\d+(?:-\d+|丁目|番地?|号)*`,
		"jp.person_name":          `(?:氏名|お名前)[：: 　\t]*\p{Han}{1,4}[ 　]?\p{Han}{1,4}`,
		"payment_card":            `\b(?:\d{4}[- ]?){3}\d{4}\b`,
		"iban":                    `\b[A-Z]{2}\d{2}[A-Z0-9]{11,30}\b`,
		"email_address":           `[\w.+-]+@[\w-]+(?:\.[\w-]+)+`,
		"date_of_birth":           `(?:19|20)\d\d[-/年]\d{1,2}[-/月]\d{1,2}`,
		"us.ssn":                  `\b\d{3}-\d{2}-\d{4}\b`,
		"uk.nino":                 `\b[A-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b`,
	} {
		of[id] = regexp.MustCompile(expr)
	}
	return &Patterns{of}
}

// Name is how tables call it.
func (p *Patterns) Name() string { return "patterns" }

// Covers what there is a pattern for.
func (p *Patterns) Covers(detector string) bool { return p.of[detector] != nil }

// Search finds every match; equal values count once.
func (p *Patterns) Search(d *corpus.Document) ([]Found, error) {
	var out []Found
	for id, re := range p.of {
		out = append(out, distinct(d, id, dlp.Medium, re.FindAllStringIndex(d.Text, -1))...)
	}
	return out, nil
}

// distinct keeps the first place of every value.
func distinct(d *corpus.Document, id string, level dlp.Level, places [][]int) []Found {
	var out []Found
	seen := map[string]bool{}
	for _, at := range places {
		if v := d.Text[at[0]:at[1]]; !seen[v] {
			seen[v] = true
			out = append(out, Found{id, level, at[0], at[1]})
		}
	}
	return out
}
