package submission

import (
	"net/netip"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// Source is one who may submit on the gateway listener.
type Source struct {
	Name     string
	Kind     Kind
	Networks []netip.Prefix // empty: any address, when Header is secret
	Header   *RequiredHeader
	// Senders are domains ("corp.example", ".corp.example" for those below it) and addresses that may stand
	// in MAIL FROM and From.
	Senders []string
	// Owner answers for mail whose From is no person's.
	Owner mailaddr.Address
}

// RequiredHeader is a field every mail of a source carries.
type RequiredHeader struct {
	Name  string
	Value string
	// Public is a value everybody may know, such as a tenant id that only the sender's own servers can set. A
	// secret one is taken out of the mail; a public one stays and proves something only together with Networks.
	Public bool
}
