package submission

import "testing"

// TestPostfixSendsToInternationalAddresses: Postfix calls the original recipient rfc822 whatever its letters are.
func TestPostfixSendsToInternationalAddresses(t *testing.T) {
	for given, want := range map[string]string{
		"ORCPT=rfc822;+E9+88+B4+E6+9C+A8@other.example":      "UTF-8;鈴木@other.example",
		"ORCPT=rfc822;鈴木@other.example":                      "UTF-8;鈴木@other.example",
		"ORCPT=rfc822;+E9+88+B4+2Bx@other.example":           "UTF-8;鈴+x@other.example",
		"NOTIFY=NEVER ORCPT=rfc822;suzuki+2Bx@other.example": "RFC822;suzuki+x@other.example",
		"ORCPT=utf-8;鈴木@other.example":                       "UTF-8;鈴木@other.example",
	} {
		r := serve(t)
		c := r.signed("alice@corp.example")
		c.do("MAIL FROM:<alice@corp.example> SMTPUTF8", "250")
		c.do("RCPT TO:<鈴木@other.example> "+given, "250 2.1.5")
		c.data(someMail)
		if got := r.shelf.only(t).Recipients[0].ORcpt; got != want {
			t.Errorf("%s: %q", given, got)
		}
	}
	c := serve(t).signed("alice@corp.example")
	c.begin()
	c.do("RCPT TO:<b@other.example> ORCPT=rfc822;+E9+88+B4@other.example", "501 5.5.4")
}
