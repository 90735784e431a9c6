package submission

import (
	"fmt"
	"strings"
	"time"
)

// dateLayout is RFC 5322's date-time.
const dateLayout = "Mon, 2 Jan 2006 15:04:05 -0700"

// prepend is the block we put in front of a mail: Received, and Date and Message-ID where the mail has none (RFC 6409
// section 8). Nothing that is there is changed.
func (s *session) prepend(h *header, id string, at time.Time) string {
	at = at.In(s.w.srv.zone)
	block := s.received(id, at)
	if !h.has("Date") {
		block += "Date: " + at.Format(dateLayout) + "\r\n"
	}
	if !h.has("Message-ID") {
		block += "Message-ID: " + s.madeID(id) + "\r\n"
	}
	return block
}

func (s *session) madeID(id string) string { return "<" + id + "@" + s.w.srv.o.Hostname + ">" }

// received is our Received field (RFC 5321 section 4.4). It has no "for" clause, which would show one blind copy to
// the others, and unless configured names neither the person's address nor their computer: EHLO carries both.
func (s *session) received(id string, at time.Time) string {
	return fmt.Sprintf("Received: from %s\r\n by %s (Sekisho) with %s id %s;\r\n %s\r\n",
		s.from(), s.w.srv.o.Hostname, s.protocol(), id, at.Format(dateLayout))
}

func (s *session) from() string {
	name := s.w.helo
	if !isDomain(name) {
		name = "localhost"
	}
	switch {
	case s.w.srv.o.ClientInReceived:
		literal := s.w.remote.String()
		if s.w.remote.Is6() {
			literal = "IPv6:" + literal
		}
		return fmt.Sprintf("%s ([%s])", name, literal)
	case s.w.port == portGateway:
		return name // a server's name is nobody's secret
	}
	return "localhost"
}

// isDomain says whether a greeting is a host name with a dot, so that it can be no address literal and no bare name of
// somebody's computer.
func isDomain(name string) bool {
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	for _, l := range labels {
		if l == "" || strings.Trim(strings.ToLower(l), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	top := labels[len(labels)-1]
	return len(labels) > 1 && strings.Trim(top, "0123456789") != ""
}

// protocol is the word of RFC 3848 and RFC 6531 for how the mail came.
func (s *session) protocol() string {
	word := "ESMTP"
	switch {
	case s.tx.utf8:
		word = "UTF8SMTP"
	case !s.w.extended:
		return "SMTP"
	}
	if s.w.secure {
		word += "S"
	}
	if s.w.signed {
		word += "A"
	}
	return word
}
