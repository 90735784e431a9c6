package linkify

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
)

// proof is what the relay would say, and how often it was asked.
type proof struct {
	yes   bool
	asked []string
}

func (p *proof) TLSProved(_ context.Context, domain string) (bool, string) {
	p.asked = append(p.asked, domain)
	return p.yes, domain + " by DANE"
}

func unlessTLS(d *desk, yes bool) (*proof, Mail, Recipient) {
	p := &proof{yes: yes}
	d.Links.o.TLSProved = p.TLSProved
	r := to(bob, AccessOpen)
	r.Terms.UnlessTLS = true
	return p, d.mail(letterTo(pdf(5000))), r
}

func TestFilesStayWhereTLSIsProvedAndBecomeLinksElsewhere(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		_, m, r := unlessTLS(d, true)
		if got := d.prepare(m, r); !bytes.Equal(got, m.Raw) {
			t.Error("proved, and the mail is not as it was")
		}
		if n := d.audited("link.attach"); n != 1 {
			t.Errorf("%d audit entries", n)
		}
		p, m, r := unlessTLS(d, false)
		tokenIn(t, d.prepare(m, r))
		if len(p.asked) != 1 || p.asked[0] != "other.example" {
			t.Errorf("asked %v", p.asked)
		}
		p.yes = true // a link that was made stays one
		tokenIn(t, d.prepare(m, r))
	})
}

func TestARuleThatDoesNotAskForItLinksWhateverTLSSays(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		p, m, r := unlessTLS(d, true)
		r.Terms.UnlessTLS = false
		tokenIn(t, d.prepare(m, r))
		if len(p.asked) != 0 {
			t.Errorf("asked %v", p.asked)
		}
	})
}

func TestFilesLeaveOnlyWhileTLSIsProved(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		p, m, r := unlessTLS(d, true)
		d.prepare(m, r)
		p.yes = false // before anything left: a link after all
		tokenIn(t, d.prepare(m, r))

		p, m, r = unlessTLS(d, true)
		d.prepare(m, r)
		d.leave(m, r)
		p.yes = false // a copy may have left: another one must be the same, and may not leave like this
		var out bytes.Buffer
		if err := d.Prepare(t.Context(), &out, m, r); !errors.Is(err, errUnproved) || out.Len() > 0 {
			t.Errorf("%d bytes, %v", out.Len(), err)
		}
		p.yes = true
		if got := d.prepare(m, r); !bytes.Equal(got, m.Raw) {
			t.Error("proved again, and another mail")
		}
	})
}

func TestThePaperclipIsFixedWithTheFirstAttempt(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		m, r := d.mail(letterTo(pdf(5000))), to(bob, AccessOpen)
		r.Terms.Paperclip = true
		first := d.prepare(m, r)
		r.Terms.Paperclip = false // the policy has changed meanwhile
		if again := d.prepare(m, r); !bytes.Equal(first, again) {
			t.Error("the second attempt differs")
		}
		if !bytes.Contains(first, []byte("filename*=UTF-8''")) {
			t.Errorf("no note:\n%s", first)
		}
	})
}

func TestOnlyTheFilesOfTheRuleLeave(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		m, r := d.mail(letterTo(pdf(5000))), to(bob, AccessOpen)
		r.Terms.Only = func(a Attachment) bool { return a.Type == "text/csv" }
		out := d.prepare(m, r)
		if l := d.only(m); len(l.Files) != 1 || l.Files[0].Name != "list.csv" {
			t.Errorf("linked %+v", l.Files)
		}
		if strings.Count(string(out), "application/pdf") != 2 {
			t.Error("a file left that no rule names")
		}
	})
}
