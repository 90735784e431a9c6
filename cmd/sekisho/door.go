package main

import (
	"time"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/submission/policy"
)

// Refuses says whether a rule refuses the recipient whatever the mail will say.
// A person not known yet is the empty address.
func (i *Inspector) Refuses(e Envelope, to mailaddr.Address) (policy.Reason, bool) {
	return i.Policy.Refuses(i.envelopeFacts(e, nil), policy.Recipient{Address: string(to), External: i.outside(to)})
}

// refuseRecipient is the submission server's RefuseRecipient. It answers by the policy and the people of this moment,
// and nothing of it is kept: there is no mail yet whose state could change.
func (h *house) refuseRecipient(person mailaddr.Address, source string, to mailaddr.Address) string {
	why, refused := h.eyes().Refuses(Envelope{Person: person, Source: source, At: time.Now()}, to)
	if !refused {
		return ""
	}
	h.log.Info("recipient refused at the door", "rule", why.Rule, "source", source)
	return why.EN
}
