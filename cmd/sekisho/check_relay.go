package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"

	"blitiri.com.ar/go/spf"

	"github.com/sekisho-mail/sekisho/holdqueue/relay"
)

// wayOut is the relay as the service would have it, without its log, counts and keys.
func (c *Config) wayOut() (*relay.Relay, relay.Options, error) {
	o, err := c.relayOptions()
	if err != nil {
		return nil, o, err
	}
	o.Logger = slog.New(slog.DiscardHandler)
	r, err := relay.New(o)
	return r, o, err
}

// checkRelay signs in to every next hop with the very code that delivers.
func checkRelay(ctx context.Context, k *checkup) {
	if !k.c.relayGiven() {
		return // reported with the configuration
	}
	for path, w := range k.c.Relay.ways() {
		if w.MX {
			continue
		}
		paths, hops := w.hops(path)
		for i, h := range hops {
			if h.TLS != "required" {
				k.warn(paths[i]+".tls", "%s: mail may travel in clear to the next hop", h.TLS)
			}
		}
	}
	r, _, err := k.c.wayOut()
	if err != nil {
		k.fail("relay", "%v", err)
		return
	}
	paths, hops := k.c.probed()
	for i, p := range r.Probe(ctx) {
		switch {
		case p.Host == "" && p.Err != nil:
			k.fail(paths[i], "%v", p.Err)
		case p.Host == "":
			k.ok(paths[i], "the DNS server answers")
		case p.Err != nil:
			k.fail(paths[i], "%s: %v", p.Host, p.Err)
		default:
			k.ok(paths[i], "%s answers%s", p.Host, hops[i].shown())
		}
	}
}

func (c *Config) relayGiven() bool {
	for _, w := range c.Relay.ways() {
		if w.Host == "" && len(w.Hosts) == 0 && !w.MX {
			return false
		}
	}
	return true
}

// probed are the ways out in the order in which the relay probes them.
func (c *Config) probed() (paths []string, hops []*HopConf) {
	for path, w := range c.Relay.ways() {
		if w.MX {
			paths, hops = append(paths, path), append(hops, nil)
			continue
		}
		p, h := w.hops(path)
		paths, hops = append(paths, p...), append(hops, h...)
	}
	return paths, hops
}

// shown is what a successful sign-in has proved.
func (h *HopConf) shown() string {
	var shown string
	if h.TLS == "required" {
		shown += ", its certificate is valid"
	}
	switch {
	case h.OAuth != nil:
		shown += ", it accepts the token"
	case h.Username != "":
		shown += ", it accepts the password"
	}
	return shown
}

// wellKnown are domains whose servers are up: when none of them greets us, port 25 is closed on our side.
func wellKnown() []string { return []string{"gmail.com", "outlook.com", "yahoo.co.jp"} }

// checkPort25 tries the way to the world before mail has to.
func checkPort25(ctx context.Context, k *checkup) {
	if !k.c.relayGiven() || !k.c.Relay.usesMX() {
		return
	}
	r, _, err := k.c.wayOut()
	if err != nil {
		return // reported by checkRelay
	}
	answers := make(chan error, len(wellKnown()))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, domain := range wellKnown() {
		go func() { answers <- r.Greets(ctx, domain) }()
	}
	var wrong error
	for range wellKnown() {
		if wrong = <-answers; wrong == nil {
			k.ok("relay.mx", "port 25 is open towards the world")
			return
		}
	}
	k.advise(k.fail, "relay.mx", "25番ポートで外部のメールサーバーに接続できません（"+wrong.Error()+"）。多くのプロバイダーは OP25B で閉じています。開放を申請するか、mx の代わりに中継サーバー（host）を使ってください",
		"no mail server in the world can be reached on port 25 ("+wrong.Error()+"). Most providers close it: ask yours to open it, or use a smart host (host) instead of mx")
}

// advise says something in the company's language: these lines go to whoever keeps the DNS zone.
func (k *checkup) advise(level func(path, format string, args ...any), path, ja, en string) {
	if k.c.Organization.Language == "en" {
		ja = en
	}
	level(path, "%s", ja)
}

// checkRecords looks at what receivers will look at: SPF, DKIM, DMARC, and the name of our address.
func checkRecords(ctx context.Context, k *checkup) {
	dns, err := relay.NewResolver(k.c.Relay.DNS.Servers, false)
	if err != nil {
		k.warn("relay.dns", "%v", err)
		return
	}
	system := dns.System()
	for _, domain := range k.c.Organization.Domains {
		if strings.HasPrefix(domain, ".") {
			continue
		}
		k.checkSPF(ctx, system, domain)
		k.checkDMARC(ctx, system, domain)
	}
	k.checkDKIMRecords(ctx, dns)
	k.checkDNSSEC()
	if k.c.Relay.usesMX() {
		k.checkNames(ctx, system)
	}
}

// unknown says that DNS did not answer, which is nobody's mistake yet.
func (k *checkup) unknown(path, what string, err error) bool {
	var failed *net.DNSError
	if err == nil || errors.As(err, &failed) && failed.IsNotFound {
		return false
	}
	k.warn(path, "%s: DNS does not answer: %v", what, err)
	return true
}

func (k *checkup) checkSPF(ctx context.Context, dns *net.Resolver, domain string) {
	const path = "organization.domains"
	texts, err := dns.LookupTXT(ctx, domain)
	if k.unknown(path, "SPF of "+domain, err) {
		return
	}
	var records []string
	for _, t := range texts {
		if l := strings.ToLower(t); l == "v=spf1" || strings.HasPrefix(l, "v=spf1 ") {
			records = append(records, t)
		}
	}
	switch {
	case len(records) == 0:
		k.advise(k.warn, path, domain+" に SPF レコードがありません。受信側で迷惑メールとして扱われやすくなります。送信に使うサーバーを TXT レコード「v=spf1 … ~all」で公開してください",
			domain+" has no SPF record, and receivers will distrust its mail: publish the servers that send it as TXT \"v=spf1 ... ~all\"")
		return
	case len(records) > 1:
		k.advise(k.fail, path, domain+" に SPF レコードが複数あります。受信側は permerror として扱います。1 つにまとめてください",
			domain+" has several SPF records, which receivers take for none: keep one")
		return
	case strings.HasSuffix(strings.ToLower(records[0]), "+all"):
		k.advise(k.fail, path, domain+" の SPF は「+all」で終わり、誰でも送信できると宣言しています。「~all」か「-all」にしてください",
			"the SPF record of "+domain+" ends in +all: everybody may send as you. Use ~all or -all")
		return
	}
	if !k.c.Relay.MX {
		k.ok(path, "%s has an SPF record; whether it names your smart host only you know", domain)
		return
	}
	k.checkSPFOfOurs(ctx, dns, domain)
}

// checkSPFOfOurs asks the record about the addresses of our own name: by MX, mail leaves from here.
func (k *checkup) checkSPFOfOurs(ctx context.Context, dns *net.Resolver, domain string) {
	const path = "organization.domains"
	name := k.c.Relay.Hostname
	addresses, err := dns.LookupIPAddr(ctx, name)
	if err != nil {
		return // said by checkNames
	}
	for _, a := range addresses {
		result, why := spf.CheckHostWithSender(a.IP, name, "postmaster@"+domain, spf.WithContext(ctx), spf.WithResolver(dns))
		if result == spf.Pass {
			k.ok(path, "SPF of %s lets %s send", domain, a.IP)
			continue
		}
		k.advise(k.fail, path, fmt.Sprintf("%s の SPF は %s からの送信を認めていません（%s）。SPF に「ip4:%s」などを加えてください", domain, a.IP, result, a.IP),
			fmt.Sprintf("SPF of %s does not let %s send (%s: %v): add it, for example as ip4:%s", domain, a.IP, result, why, a.IP))
	}
}

func (k *checkup) checkDMARC(ctx context.Context, dns *net.Resolver, domain string) {
	const path = "organization.domains"
	texts, err := dns.LookupTXT(ctx, "_dmarc."+domain)
	if k.unknown(path, "DMARC of "+domain, err) {
		return
	}
	found := 0
	for _, t := range texts {
		if strings.HasPrefix(strings.ToLower(strings.ReplaceAll(t, " ", "")), "v=dmarc1;") {
			found++
		}
	}
	switch found {
	case 0:
		k.advise(k.warn, path, domain+" に DMARC レコードがありません。Gmail などは大量送信者に必須としています。まず TXT _dmarc."+domain+"「v=DMARC1; p=none; rua=mailto:…」を公開してください",
			domain+" has no DMARC record, which Gmail and others ask of larger senders: begin with TXT _dmarc."+domain+" \"v=DMARC1; p=none; rua=mailto:...\"")
	case 1:
		k.ok(path, "%s has a DMARC record", domain)
	default:
		k.advise(k.fail, path, domain+" に DMARC レコードが複数あります。1 つにまとめてください", domain+" has several DMARC records, which receivers take for none: keep one")
	}
}

func (k *checkup) checkDKIMRecords(ctx context.Context, dns *relay.Resolver) {
	paths, keys := k.c.DKIM.keys()
	for i, conf := range keys {
		key, err := relay.LoadKey(conf.Selector, conf.Domains, conf.KeyFile)
		if err != nil {
			continue // said with the secrets
		}
		for _, domain := range conf.Domains {
			shown, err := key.Published(ctx, dns, domain)
			name := conf.Selector + "._domainkey." + domain
			record, _ := key.Record() // of a key that has just been loaded
			switch {
			case err != nil:
				k.warn(paths[i], "DKIM of %s: %v", domain, err)
			case shown:
				k.ok(paths[i], "%s shows the public key (%s)", name, key.Algorithm())
			case i > 0 || len(keys) > 1:
				k.advise(k.warn, paths[i], name+" に公開鍵がありません。公開されるまで、この鍵では署名しません（ほかに同じ方式の鍵がある場合）。TXT："+record,
					name+" does not show the public key. Until it does, this key is not used where another of its kind is. TXT: "+record)
			default:
				k.advise(k.fail, paths[i], name+" に公開鍵がないため、署名は検証に失敗します。TXT："+record,
					name+" does not show the public key, so every signature fails. TXT: "+record)
			}
		}
	}
}

// checkNames: receivers want an address that has a name, and a name that has the address.
func (k *checkup) checkNames(ctx context.Context, dns *net.Resolver) {
	const path = "relay.hostname"
	name := k.c.Relay.Hostname
	addresses, err := dns.LookupIPAddr(ctx, name)
	if k.unknown(path, name, err) {
		return
	}
	if len(addresses) == 0 {
		k.advise(k.fail, path, name+" に A レコードがありません。EHLO で名乗る名前は、このサーバーの外向きアドレスを指す必要があります",
			name+" has no address: the name said in EHLO must lead to the address that mail leaves from")
		return
	}
	for _, a := range addresses {
		names, err := dns.LookupAddr(ctx, a.IP.String())
		if k.unknown(path, a.IP.String(), err) {
			continue
		}
		matches := false
		for _, n := range names {
			matches = matches || strings.EqualFold(strings.TrimSuffix(n, "."), name)
		}
		if matches {
			k.ok(path, "%s is called %s and back", a.IP, name)
			continue
		}
		k.advise(k.fail, path, fmt.Sprintf("%s の逆引き（PTR）が %s ではありません（%s）。Gmail や携帯電話会社は受信を拒否します。回線の事業者に設定を依頼してください", a.IP, name, strings.Join(names, " ")),
			fmt.Sprintf("the reverse name (PTR) of %s is not %s (%s); Gmail and the carriers refuse such mail. Ask whoever gave you the address", a.IP, name, strings.Join(names, " ")))
	}
}

// checkDNSSEC: the word of a resolver beyond this machine can be forged on the way.
func (k *checkup) checkDNSSEC() {
	d := k.c.Relay.DNS
	if !d.DNSSEC {
		return
	}
	for i, server := range d.Servers {
		host, _, err := net.SplitHostPort(server)
		if err != nil {
			host = strings.Trim(server, "[]")
		}
		if a, err := netip.ParseAddr(host); err == nil && !a.IsLoopback() {
			k.advise(k.warn, fmt.Sprintf("relay.dns.servers[%d]", i), server+" はこの機械の外にあります。途中で応答を偽造できるため、DANE の根拠になりません。検証するリゾルバーをこの機械で動かしてください",
				server+" is not on this machine: its word on DNSSEC can be forged on the way. Run a validating resolver here")
		}
	}
	if len(d.Servers) == 0 {
		k.advise(k.warn, "relay.dns.dnssec", "dnssec: true のときは、servers に、この機械で動く検証リゾルバーを書いてください。/etc/resolv.conf は変わることがあります",
			"with dnssec: true, name the validating resolver of this machine in servers: /etc/resolv.conf may change")
	}
}
