package submission

import "testing"

// TestNobodyIsHiddenFromUsInTheHeader: a field that other readers see and we do not would let a person write in
// anybody's name, or show a blind copy to all.
func TestNobodyIsHiddenFromUsInTheHeader(t *testing.T) {
	r := serve(t)
	c := r.signed("alice@corp.example")
	for name, header := range map[string]string{
		"blank before the colon of the first line": "From : boss@corp.example\r\nFrom: alice@corp.example\r\n",
		"behind a line like a boundary":            "From: alice@corp.example\r\n--x\r\nFrom: boss@corp.example\r\n",
		"Sender behind a line like a boundary":     "From: alice@corp.example\r\n--\r\nSender: boss@corp.example\r\n",
		"Bcc behind a line like a boundary":        "From: alice@corp.example\r\n--x\r\nBCC : hidden@other.example\r\n",
	} {
		c.begin("b@other.example")
		c.do("DATA", "354")
		if got := c.do(header+"Subject: x\r\n\r\nFrom: the body may say so\r\n.", "554 5.6.0"); len(r.shelf.all()) != 0 {
			t.Errorf("%s: %q", name, got)
		}
	}
	c.mail("From: alice@corp.example\r\nSubject: x\r\n\r\n--x\r\nFrom: boss@corp.example\r\nBcc: y\r\n")
}
