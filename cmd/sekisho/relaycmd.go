package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue/relay"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// RelayCmd shows the ways out.
type RelayCmd struct {
	Show RelayShowCmd `cmd:"" help:"Which way mail to an address takes, and whether TLS is proved."`
	TLS  RelayTLSCmd  `cmd:"" name:"tls" help:"How TLS with recipients' servers went, by day and domain."`
}

// RelayShowCmd asks the relay about one address.
type RelayShowCmd struct {
	Config  string `short:"c" required:"" placeholder:"FILE" help:"Configuration file."`
	From    string `placeholder:"ADDRESS" help:"Who writes; default nobody in particular."`
	JSON    bool   `name:"json" help:"Print one JSON object."`
	Address string `arg:"" help:"Recipient."`
}

// Run prints the way.
func (c *RelayShowCmd) Run(ctx context.Context, out *Streams) error {
	config, err := LoadConfig(c.Config)
	if err != nil {
		return err
	}
	to, err := mailaddr.Parse(c.Address, true)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Address, err)
	}
	from := mailaddr.Address("")
	if c.From != "" {
		if from, err = mailaddr.Parse(c.From, true); err != nil {
			return fmt.Errorf("%s: %w", c.From, err)
		}
	}
	r, _, err := config.wayOut()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, networkPatience)
	defer cancel()
	shown := r.Show(ctx, from, to)
	if c.JSON {
		return json.NewEncoder(out.Out).Encode(shown)
	}
	fmt.Fprintf(out.Out, "route:      %s\n", shown.Route)
	for _, h := range shown.Hosts {
		fmt.Fprintf(out.Out, "server:     %s\n", printable(h))
	}
	if shown.Error != "" {
		fmt.Fprintf(out.Out, "error:      %s\n", printable(shown.Error))
	}
	proved := "no"
	if shown.TLSProved {
		proved = "yes"
	}
	_, err = fmt.Fprintf(out.Out, "TLS proved: %s (%s)\n", proved, printable(shown.Why))
	return err
}

// RelayTLSCmd lists the counts.
type RelayTLSCmd struct {
	Config string `short:"c" required:"" placeholder:"FILE" help:"Configuration file."`
	Since  string `placeholder:"2026-11-21" help:"First day (UTC); default seven days ago."`
	JSON   bool   `name:"json" help:"Print one JSON object per line, in the words of RFC 8460."`
}

// maxListed bounds one listing.
const maxListed = 10_000

// Run prints them.
func (c *RelayTLSCmd) Run(ctx context.Context, out *Streams) error {
	since := c.Since
	if since == "" {
		since = time.Now().Add(-7 * 24 * time.Hour).UTC().Format(time.DateOnly)
	} else if _, err := time.Parse(time.DateOnly, since); err != nil {
		return fmt.Errorf("%q is no day; write for example 2026-11-21", since)
	}
	config, err := LoadConfig(c.Config)
	if err != nil {
		return err
	}
	address, err := config.DatabaseURL()
	if err != nil {
		return err
	}
	d, err := db.Open(ctx, address)
	if err != nil {
		return err
	}
	defer d.Close()
	counts, err := relay.TLSCounts(ctx, d, since, maxListed)
	if err != nil {
		return err
	}
	if c.JSON {
		e := json.NewEncoder(out.Out)
		for _, n := range counts {
			if err := e.Encode(n); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(out.Out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join([]string{"day", "domain", "policy", "server", "result", "sessions"}, "\t"))
	for _, n := range counts {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\n", n.Day, printable(n.Domain), n.Policy, printable(n.Host), n.Result, n.Count)
	}
	return w.Flush()
}
