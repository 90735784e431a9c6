package detect

import (
	"strings"

	"github.com/sekisho-mail/sekisho/submission/dlp/internal/fold"
)

// owned holds the company's own values in the form the detectors produce.
type owned struct {
	phones, accounts, emails map[string]bool
	addresses                []string
}

func newOwned(o Own) owned {
	out := owned{phones: map[string]bool{}, accounts: map[string]bool{}, emails: map[string]bool{}}
	for _, v := range o.Phones {
		d := onlyDigits(v)
		if n := international(d); strings.HasPrefix(strings.TrimSpace(v), "+") && n != "" {
			d = n
		}
		out.phones[d] = true
	}
	for _, v := range o.Accounts {
		out.accounts[pad7(onlyDigits(v))] = true
	}
	for _, v := range o.Addresses {
		if strings.Contains(v, "@") {
			out.emails[strings.ToLower(strings.TrimSpace(v))] = true
		} else if a := compactAddress(fold.Fold(v).S); a != "" {
			out.addresses = append(out.addresses, a)
		}
	}
	return out
}

func (o owned) phone(d string) bool   { return o.phones[d] }
func (o owned) account(d string) bool { return o.accounts[d] }
func (o owned) email(a string) bool   { return o.emails[a] }

// address: the own address may be written with or without its prefecture, and
// the building may follow.
func (o owned) address(a string) bool {
	for _, own := range o.addresses {
		if strings.HasSuffix(own, a) || strings.HasSuffix(a, own) || strings.HasPrefix(own, a) || strings.HasPrefix(a, own) {
			return true
		}
	}
	return false
}

func onlyDigits(s string) string {
	var b strings.Builder
	for _, c := range []byte(fold.Fold(s).S) {
		if digit(c) {
			b.WriteByte(c)
		}
	}
	return b.String()
}
