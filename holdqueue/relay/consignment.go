package relay

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// consignment is one mail with everybody who is to get it.
type consignment struct {
	relay   *Relay
	out     *holdqueue.Outgoing
	results []holdqueue.Result // each written by the one leg that has the recipient
	prefix  []byte             // what is prepended: signatures, loop mark
	survey  *survey
	bytes   io.ReaderAt

	mu   sync.Mutex
	left int // recipients without a result
}

func newConsignment(r *Relay, out *holdqueue.Outgoing) *consignment {
	return &consignment{relay: r, out: out, results: make([]holdqueue.Result, len(out.Recipients)), bytes: out.Body, left: len(out.Recipients)}
}

// finish writes down the result of some recipients and says whether others have none yet.
func (c *consignment) finish(of []int, with func(*holdqueue.Result)) (others bool) {
	for _, i := range of {
		with(&c.results[i])
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left -= len(of)
	return c.left > 0
}

func (c *consignment) failAll(of []int, err *holdqueue.SendError) {
	c.finish(of, func(r *holdqueue.Result) { r.Err = err })
}

// wireAddress is the mailbox as it stands between angle brackets, checked once more: whatever a database, a
// header or an older version let through, nothing may end the brackets or the line early. A domain in
// Japanese travels as A-labels, which are the same domain and need no SMTPUTF8.
func wireAddress(a mailaddr.Address) (string, error) {
	if a == "" {
		return "", nil
	}
	checked, err := mailaddr.Parse(string(a), true)
	if err != nil {
		return "", err
	}
	if strings.ContainsAny(string(checked), "<>\r\n\x00") {
		return "", errors.New("address with an angle bracket")
	}
	return checked.Local() + "@" + checked.Domain(), nil
}

// checkAddresses gives those who can be sent to.
func (c *consignment) checkAddresses() (good []int) {
	_, badSender := wireAddress(c.out.From)
	for i, r := range c.out.Recipients {
		_, err := wireAddress(r.Address)
		switch {
		case badSender != nil:
			c.failAll([]int{i}, permanent(553, "5.1.7", "the sender's address is malformed"))
		case err != nil || r.Address == "":
			c.failAll([]int{i}, permanent(553, "5.1.3", "the recipient's address is malformed"))
		default:
			good = append(good, i)
		}
	}
	return good
}

// maxReceived is how many servers a mail may have passed: one with more goes in a circle (RFC 5321 section 6.3).
const maxReceived = 100

// prepare reads the mail for what it needs, and signs it.
func (c *consignment) prepare(ctx context.Context) *holdqueue.SendError {
	found, err := look(ctx, c.body())
	if errors.Is(err, errUnsafeLines) {
		// The lines of RFC 5321 section 2.3.8 are all that every server reads alike (SMTP smuggling).
		return permanent(554, "5.6.0", "the mail has a bare CR, a bare LF or a NUL, and cannot be sent safely")
	}
	if err != nil {
		return broken("read the mail", err)
	}
	if found.fields["received"] > maxReceived {
		return permanent(554, "5.4.6", "the mail has passed too many servers; it goes in a circle")
	}
	c.survey = found
	o := &c.relay.o
	if o.Loop != nil {
		c.prefix = []byte(o.Loop(c.out.Message))
	}
	if o.DKIM == nil {
		return nil
	}
	signatures, err := o.DKIM.sign(found, c.out.Message.Meta.From, c.body())
	switch {
	case errors.Is(err, errUnsignable):
		o.Logger.Warn("mail leaves without a signature", "message", c.out.Message.ID, "error", err)
	case err != nil:
		return broken("sign the mail", err)
	}
	c.prefix = append([]byte(signatures), c.prefix...)
	return nil
}

func (c *consignment) body() io.Reader { return io.NewSectionReader(c.bytes, 0, c.out.Size) }

func (c *consignment) size() int64 { return int64(len(c.prefix)) + c.out.Size }

// maxLegs is on how many ways a mail travels at once.
const maxLegs = 8

// goAll sends the mail to everybody, each by the way of his own.
func (c *consignment) goAll(ctx context.Context, everybody []int) {
	legs := c.legs(everybody)
	if len(legs) == 1 {
		legs[0].travel(ctx)
		return
	}
	c.bytes = &oneReader{r: c.out.Body}
	var wait sync.WaitGroup
	places := make(chan struct{}, maxLegs)
	for _, l := range legs {
		places <- struct{}{}
		wait.Go(func() {
			defer func() { <-places }()
			l.travel(ctx)
		})
	}
	wait.Wait()
}

// oneReader lets one leg at a time read from a body: not every store allows more.
type oneReader struct {
	mu sync.Mutex
	r  io.ReaderAt
}

func (o *oneReader) ReadAt(p []byte, at int64) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.r.ReadAt(p, at)
}

// legs puts together who goes the same way: by one route and, where it delivers by MX, to one domain.
func (c *consignment) legs(everybody []int) (legs []*leg) {
	for _, i := range everybody {
		to := c.out.Recipients[i]
		route := c.relay.routeFor(c.out.Message, to)
		if route == nil {
			c.failAll([]int{i}, ours("4.4.0", "no route of the configuration takes this mail"))
			continue
		}
		domain := ""
		if route.MX {
			domain = to.Address.Domain()
		}
		n := slices.IndexFunc(legs, func(l *leg) bool { return l.route == route && l.domain == domain })
		if n < 0 {
			n = len(legs)
			legs = append(legs, &leg{consignment: c, route: route, domain: domain})
		}
		legs[n].open = append(legs[n].open, i)
	}
	return legs
}
