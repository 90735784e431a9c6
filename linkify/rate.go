package linkify

import (
	"encoding/hex"
	"net/netip"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// limitOf is how often something may happen within a window.
type limitOf struct {
	window time.Duration
	most   int64
}

// Code mails reach somebody else's mailbox, so they are few: an annoyance is limited by link, address and
// network, each for itself. Twenty codes of five tries a day are a hundred guesses at a hundred million.
func limitsOf(what string) []limitOf {
	switch what {
	case codeOfLink:
		return []limitOf{{15 * time.Minute, 5}, {24 * time.Hour, 20}}
	case codeToAddress:
		return []limitOf{{15 * time.Minute, 5}, {24 * time.Hour, 30}}
	case codeFromNetwork:
		return []limitOf{{time.Hour, 30}}
	case damageOfFile:
		return []limitOf{{24 * time.Hour, 1}}
	case askOfLink:
		return []limitOf{{24 * time.Hour, 1}}
	case anewOfLink:
		return []limitOf{{24 * time.Hour, 5}}
	case askFromNetwork:
		return []limitOf{{time.Hour, 20}}
	case askLetter:
		return []limitOf{{24 * time.Hour, 2}}
	case tryOfLink:
		return []limitOf{{15 * time.Minute, 10}, {24 * time.Hour, 50}}
	case tryFromNetwork:
		return []limitOf{{time.Hour, 60}}
	case uploadsFromNetwork:
		return []limitOf{{time.Hour, 1000}}
	default:
		return []limitOf{{time.Hour, 120}}
	}
}

const (
	codeOfLink      = "code.link"
	codeToAddress   = "code.address"
	codeFromNetwork = "code.network"
	openOfLink      = "open.link" // browsers let in by pressing the button, per link and network

	tryOfLink      = "try.link" // passwords, per link and per network
	tryFromNetwork = "try.network"
	askOfLink      = "ask.link"
	askFromNetwork = "ask.network"
	askLetter      = "ask.letter"
	anewOfLink     = "anew.link"

	damageOfFile = "damage.file" // alarms

	foldersOfPerson    = "folder.person"
	invitesOfPerson    = "invite.person"
	uploadsFromNetwork = "upload.network" // files begun, per folder and network
	doneOfFolder       = "done.folder"    // letters asked for, per folder and network
)

// limit counts one more occurrence for the subject, or gives a *WaitError and counts nothing.
func (l *Links) limit(tx *db.Tx, what string, subject ...string) error {
	now := tx.Now()
	for _, each := range limitsOf(what) {
		opened := now.Truncate(each.window)
		key := hex.EncodeToString(l.keys.MAC("linkify.rate", append([]string{what, each.window.String()}, subject...)...))[:40]
		var count int64
		err := tx.QueryRow(`SELECT count FROM link_rate WHERE subject = $1 AND opened_at = $2`, key, db.Micros(opened)).Scan(&count)
		if err != nil && !db.IsNoRows(err) {
			return err
		}
		if count >= each.most {
			return &WaitError{Until: opened.Add(each.window)}
		}
		if _, err := tx.Exec(`INSERT INTO link_rate (subject, opened_at, ends_at, count) VALUES ($1, $2, $3, 1)
			ON CONFLICT (subject, opened_at) DO UPDATE SET count = link_rate.count + 1`,
			key, db.Micros(opened), db.Micros(opened.Add(each.window))); err != nil {
			return err
		}
	}
	return nil
}

// network is what one visitor can change at will without becoming another: nothing of an IPv4 address, the
// lower half of an IPv6 one.
func network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return "unknown"
	}
	if ip = ip.Unmap(); ip.Is6() {
		if p, err := ip.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return ip.String()
}
