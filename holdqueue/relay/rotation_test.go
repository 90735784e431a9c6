package relay

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/sekisho-mail/sekisho/internal/testkit"
)

// publish puts a key into DNS as `check` prints it, in strings of at most 255 octets.
func publish(t *testing.T, z *testkit.Zone, k *Key, domain string) {
	t.Helper()
	record, err := k.Record()
	if err != nil {
		t.Fatal(err)
	}
	var parts []string
	for part := range slices.Chunk([]byte(record), 200) {
		parts = append(parts, fmt.Sprintf("%q", part))
	}
	z.Add(t, k.Selector+"._domainkey."+domain+". 0 IN TXT "+strings.Join(parts, " "))
}

// signersOf verifies a mail by what DNS shows and names the selectors whose signatures hold.
func signersOf(t *testing.T, z *testkit.Zone, mail string) (selectors []string) {
	t.Helper()
	dns, err := NewResolver([]string{z.Address}, false)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex // the signatures are looked at side by side
	found, err := dkim.VerifyWithOptions(strings.NewReader(mail), &dkim.VerifyOptions{LookupTXT: func(domain string) ([]string, error) {
		mu.Lock()
		selectors = append(selectors, strings.Split(domain, ".")[0])
		mu.Unlock()
		return dns.texts(t.Context(), domain)
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range found {
		if v.Err != nil {
			t.Errorf("%q: %v", selectors, v.Err)
		}
	}
	slices.Sort(selectors)
	return selectors
}

// TestKeysAreRotatedWhenDNSShowsTheNewOne: one signature for each algorithm, and never one that nobody can verify.
func TestKeysAreRotatedWhenDNSShowsTheNewOne(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys := []*Key{
		{Selector: "r1", Domains: []string{"corp.example"}, Private: rsaKey(t)},
		{Selector: "r2", Domains: []string{"corp.example"}, Private: rsaKey(t)},
		{Selector: "e1", Domains: []string{"corp.example"}, Private: ed},
		{Selector: "other", Domains: []string{"other.example"}, Private: rsaKey(t)},
	}
	s, err := NewSigner(keys...)
	if err != nil {
		t.Fatal(err)
	}
	z := testkit.DNS(t)
	publish(t, z, keys[0], "corp.example")
	publish(t, z, keys[2], "corp.example")
	dns, err := NewResolver([]string{z.Address}, false)
	if err != nil {
		t.Fatal(err)
	}
	look := func() { s.looked = time.Time{}; s.look(t.Context(), dns) }
	want := func(selectors ...string) {
		t.Helper()
		if got := signersOf(t, z, signed(t, s, plainMail)); !slices.Equal(got, selectors) {
			t.Errorf("signed by %q, want %q", got, selectors)
		}
	}
	want("e1", "r1") // before anybody has looked
	look()
	want("e1", "r1")
	publish(t, z, keys[1], "corp.example")
	dns.cache.Purge()
	look()
	want("e1", "r2")
	// DNS that does not answer changes nothing, and a record that goes away takes its key out of use.
	z.Break("r2._domainkey.corp.example")
	dns.cache.Purge()
	look()
	if got := s.inUse("corp.example")[0].Selector; got != "r2" {
		t.Errorf("%s is used because DNS does not answer", got)
	}
	again, err := NewResolver([]string{z.Address}, false)
	if err != nil {
		t.Fatal(err)
	}
	dns = again
	z.Mend("r2._domainkey.corp.example")
	z.Forget("r2._domainkey.corp.example")
	look()
	want("e1", "r1")
	if n := z.Asked("other._domainkey.other.example"); n != 0 {
		t.Errorf("DNS was asked %d times for a key without a rival", n)
	}
	var none *Signer
	none.look(context.Background(), dns)
}

func TestKeyOfAnotherIsNotPublished(t *testing.T) {
	a, b := &Key{Selector: "s", Domains: []string{"corp.example"}, Private: rsaKey(t)}, &Key{Selector: "s", Domains: []string{"corp.example"}, Private: rsaKey(t)}
	z := testkit.DNS(t)
	publish(t, z, a, "corp.example")
	z.Add(t, `s._domainkey.empty.example. 0 IN TXT "v=DKIM1; p="`)
	dns, err := NewResolver([]string{z.Address}, false)
	if err != nil {
		t.Fatal(err)
	}
	for domain, want := range map[string][2]bool{"corp.example": {true, false}, "empty.example": {}, "none.example": {}} {
		for i, k := range []*Key{a, b} {
			if got, err := k.Published(t.Context(), dns, domain); err != nil || got != want[i] {
				t.Errorf("%s, key %d: %v, %v", domain, i, got, err)
			}
		}
	}
}
