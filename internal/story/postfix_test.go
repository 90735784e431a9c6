package story

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/internal/testkit"
)

// mailboxes is Debian's Postfix as the next hop: what it delivered lies in one mailbox, one file for each recipient.
type mailboxes struct{ *testkit.NextHop }

func startPostfix(t testing.TB, settings ...string) *mailboxes {
	return &mailboxes{testkit.Postfix(t, settings...)}
}

func (p *mailboxes) address() string { return p.Address }
func (p *mailboxes) caFile() string  { return p.CAFile }

func (p *mailboxes) deliveries(t testing.TB) (all []delivery) {
	for _, mail := range p.Delivered(t, 0) {
		all = append(all, ofMailbox(mail))
	}
	return all
}

// ofMailbox takes off what Postfix puts above a mail when it delivers: Return-Path, X-Original-To, Delivered-To, and
// one Received of its own.
func ofMailbox(raw []byte) (d delivery) {
	taken := []string{"return-path", "x-original-to", "delivered-to", "received"}
	for len(taken) > 0 {
		name, value, _ := bytes.Cut(raw[:bytes.IndexByte(raw, '\n')], []byte(":"))
		i := slices.Index(taken, strings.ToLower(string(name)))
		if i < 0 {
			break
		}
		at := strings.Trim(string(bytes.TrimSpace(value)), "<>")
		switch taken[i] {
		case "return-path":
			d.from = at
		case "delivered-to":
			d.to = []string{at}
		}
		taken = slices.Delete(taken, i, i+1)
		raw = afterField(raw)
	}
	d.raw = raw
	return d
}

// afterField is what stands below the first field and its continuation lines.
func afterField(raw []byte) []byte {
	for {
		raw = raw[bytes.IndexByte(raw, '\n')+1:]
		if len(raw) == 0 || raw[0] != ' ' && raw[0] != '\t' {
			return raw
		}
	}
}

func keyFile(t testing.TB, name string, text []byte) string {
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
