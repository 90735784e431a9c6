package linkify

import (
	"strings"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// sharedNames are local parts that several people read: RFC 2142's, and what companies here call their departments,
// desks and lists.
const sharedNames = " abuse accounting admin all billing bu contact cs customer desk everyone finance group help helpdesk hostmaster hr info " +
	"information inquiry inquiries invoice invoices jobs legal list lists mailinglist marketing members ml news noc office order orders pr press " +
	"postmaster procurement purchase purchasing reception recruit sales security service shop staff support team webmaster " +
	"daihyo eigyo eigyou honsha houmu jimu jimukyoku jinji keiri kobai koubai kouhou madoguchi otoiawase saiyo saiyou shain shisha shiten somu soumu " +
	"toiawase uketsuke zenin zensha "

// readByMany says that an address looks like a list or a shared mailbox: its name begins or ends with such a word. Only
// remarks hang on it, no right.
func readByMany(a mailaddr.Address) bool {
	local, _, _ := strings.Cut(string(a.Key()), "@")
	words := strings.FieldsFunc(local, func(r rune) bool { return strings.ContainsRune(".-_+", r) })
	if len(words) == 0 {
		return false
	}
	for _, w := range []string{words[0], words[len(words)-1]} {
		if w = strings.TrimRight(w, "0123456789"); w != "" && strings.Contains(sharedNames, " "+w+" ") {
			return true
		}
	}
	return false
}
