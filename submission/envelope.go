package submission

import (
	"github.com/emersion/go-smtp"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// Origin of a mail.
type Origin string

const (
	FromPerson  Origin = "submission"
	FromGateway Origin = "gateway"
)

// Envelope is what is known about an accepted mail besides its bytes.
type Envelope struct {
	ID         string
	Origin     Origin
	Source     string           // name of the gateway source
	Person     mailaddr.Address // whose mail it is
	MailFrom   mailaddr.Address // "" is the null reverse path
	Recipients []Recipient

	MessageID          string // without brackets
	Subject            string // decoded
	From               []mailaddr.Address
	HeaderTo, HeaderCc []mailaddr.Address

	Automatic bool     // auto-reply, delivery or disposition report, calendar answer
	Received  [32]byte // SHA-256 of the message as the client sent it
	SMTPUTF8  bool     // it cannot travel without SMTPUTF8
	EightBit  bool     // it cannot travel without 8BITMIME
	Ret       string   // RFC 3461 RET: "", FULL, HDRS
	EnvID     string   // RFC 3461 ENVID, decoded
	Client    string   // IP address
}

// Recipient is one envelope recipient.
type Recipient struct {
	Address mailaddr.Address
	Notify  []smtp.DSNNotify // RFC 3461 NOTIFY
	ORcpt   string           // RFC 3461 ORCPT, "type;address", decoded
}
