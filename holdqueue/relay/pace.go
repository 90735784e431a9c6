package relay

import "strings"

// Pace is how much a destination is given at a time. Zero fields are the general ones.
type Pace struct {
	// Match names who it is about: hosts ("smtp.office365.com", "*.google.com" for everything below) and recipients'
	// domains. The first that matches a host, or else the domain, holds.
	Match              []string
	Connections        int // open at a time
	PerMinute          int // transactions; 0 is no limit
	MailsPerConnection int
	Recipients         int // of one transaction
}

// The general paces. 100 recipients are what RFC 5321 section 4.5.3.1.8 obliges every server to take.
var (
	smartPace = Pace{Connections: 8, MailsPerConnection: 100, Recipients: 100}
	mxPace    = Pace{Connections: 4, MailsPerConnection: 50, Recipients: 100}
)

// knownPaces are what providers publish, and where they publish nothing but "be gentle", what is gentle. What the
// company configures comes first.
func knownPaces() []Pace {
	return []Pace{
		// SMTP AUTH of Exchange Online: 3 connections and 30 messages a minute for each mailbox.
		{Match: []string{"smtp.office365.com", "smtp-mail.outlook.com"}, Connections: 3, PerMinute: 30},
		// Gmail takes 100 recipients by SMTP; its daily limits are counted there and answered by 4xx.
		{Match: []string{"smtp.gmail.com", "smtp-relay.gmail.com"}, Connections: 5},
		{Match: []string{"*.google.com", "*.googlemail.com"}, Connections: 8},
		{Match: []string{"*.mail.protection.outlook.com", "*.mx.microsoft", "*.olc.protection.outlook.com"}, Connections: 8},
		// Yahoo closes a connection after 20 messages.
		{Match: []string{"*.yahoodns.net", "*.yahoo.co.jp", "yahoo.co.jp"}, Connections: 3, MailsPerConnection: 20},
		// The carriers ask for few sessions, and docomo for at most 100 recipients in one.
		{Match: []string{"docomo.ne.jp", "*.docomo.ne.jp"}, Connections: 2, MailsPerConnection: 20},
		{Match: []string{"au.com", "ezweb.ne.jp", "*.ezweb.ne.jp", "*.au.com"}, Connections: 2, MailsPerConnection: 20},
		{Match: []string{"softbank.ne.jp", "*.softbank.ne.jp", "i.softbank.jp", "*.softbank.jp"}, Connections: 2, MailsPerConnection: 20},
	}
}

// paceOf finds the pace of the first name that one is made for, and what it is called.
func (r *Relay) paceOf(general Pace, names ...string) (pace Pace, called string) {
	for _, name := range names {
		for _, p := range r.paces {
			for _, pattern := range p.Match {
				if matches(pattern, name) {
					return p.over(general), p.Match[0]
				}
			}
		}
	}
	return general, ""
}

func matches(pattern, name string) bool {
	if below, ok := strings.CutPrefix(pattern, "*"); ok {
		return strings.HasSuffix(name, below)
	}
	return pattern == name
}

func (p Pace) over(general Pace) Pace {
	for _, field := range []struct{ mine, theirs *int }{
		{&p.Connections, &general.Connections}, {&p.PerMinute, &general.PerMinute},
		{&p.MailsPerConnection, &general.MailsPerConnection}, {&p.Recipients, &general.Recipients},
	} {
		if *field.mine <= 0 {
			*field.mine = *field.theirs
		}
	}
	return p
}
