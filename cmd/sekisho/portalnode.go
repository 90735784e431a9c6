package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/blob"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/facsimile"
	"github.com/sekisho-mail/sekisho/internal/metric"
	"github.com/sekisho-mail/sekisho/internal/node"
	"github.com/sekisho-mail/sekisho/internal/seal"
	"github.com/sekisho-mail/sekisho/linkify"
	"github.com/sekisho-mail/sekisho/web"
	"github.com/sekisho-mail/sekisho/web/words"
)

// outpost is a node that is only a portal. It opens neither queue nor people nor policy: it has no key for them and
// needs no right to their tables.
type outpost struct {
	config *Config
	log    *slog.Logger
	db     *db.DB
	blobs  blob.Store
	keys   *seal.Keys
	links  *linkify.Links
}

// servePortal runs a portal-only node until ctx ends.
func servePortal(ctx context.Context, c *Config, program string, log *slog.Logger, ready func(*reached)) error {
	o, err := openOutpost(ctx, c, log)
	if err != nil {
		return err
	}
	defer o.db.Close()
	d := &doors{at: &reached{}}
	deps, err := o.deps()
	if err != nil {
		return err
	}
	deps.Facsimile = c.press(program)
	handler, err := web.Portal(deps)
	if err != nil {
		return err
	}
	if err := d.open(c.Portal.Listen, c.Portal.TLS, handler, &d.at.Portal, log, func(l net.Listener) net.Listener { return c.behind(l, log) }); err != nil {
		return fmt.Errorf("portal.listen: %w", err)
	}
	counts := metric.New(version())
	counts.Gauge("ready", "1 when links can be answered.", nil, func(set func(float64, ...string)) {
		if o.ready(context.Background()) == nil {
			set(1)
		} else {
			set(0)
		}
	})
	if err := d.openMetrics(c, counts, log); err != nil {
		return err
	}
	loops := append(d.loops(), o.watchKeys)
	if deps.Facsimile != nil {
		loops = append(loops, func(ctx context.Context) error { return o.warmUp(ctx, deps.Facsimile) })
	}
	if heart := c.heart(o.db, "", &node.Heart{Log: log}); heart != nil {
		loops = append(loops, heart.Run)
	}
	log.Info("serving", "version", version(), "roles", c.Roles, "portal", d.at.Portal)
	if ready != nil {
		ready(d.at)
	}
	return runAll(ctx, loops)
}

// warmUp compiles the PDF reader once for each version; until then pages are made more slowly.
func (o *outpost) warmUp(ctx context.Context, p *facsimile.Press) error {
	if err := p.Warm(ctx); err != nil && ctx.Err() == nil {
		o.log.Warn("PDF reader not compiled; it works, only slower", "error", err)
	}
	return nil
}

func openOutpost(ctx context.Context, c *Config, log *slog.Logger) (*outpost, error) {
	o := &outpost{config: c, log: log}
	var err error
	if o.keys, err = seal.LoadPortal(c.Keys.File); err != nil {
		return nil, err
	}
	address, err := c.DatabaseURL()
	if err != nil {
		return nil, err
	}
	if o.db, err = db.Open(ctx, address, db.AsGuest()); err != nil {
		return nil, err
	}
	if err := o.openLinks(ctx); err != nil {
		o.db.Close()
		return nil, err
	}
	return o, nil
}

func (o *outpost) openLinks(ctx context.Context) (err error) {
	c := o.config
	if o.blobs, err = blob.OpenStore(ctx, c.Files.URL, c.DataDir); err != nil {
		return fmt.Errorf("open file store: %w", err)
	}
	zone, err := time.LoadLocation(c.Organization.TimeZone)
	if err != nil {
		return fmt.Errorf("time zone: %w", err)
	}
	scan, err := linkScanner(c)
	if err != nil {
		return err
	}
	o.links, err = linkify.New(linkify.Options{
		DB: o.db, PortalKeys: o.keys, Blobs: o.blobs, Portal: c.Portal.URL, Company: c.Organization.Name, Zone: zone, Staff: c.BaseURL,
		TempDir: filepath.Join(c.DataDir, "spool-links"), Schedule: holdqueue.Announce,
		Receipts: linkify.Receipts(c.Portal.Receipts), Scan: scan, Folders: c.folderLimits(), FolderTypes: c.Folders.Types,
	})
	if err != nil {
		return err
	}
	_, err = o.links.Prove(ctx)
	return err
}

func (o *outpost) deps() (web.Deps, error) {
	c := o.config
	zone, err := time.LoadLocation(c.Organization.TimeZone)
	if err != nil {
		return web.Deps{}, err
	}
	d := web.Deps{DB: o.db, Links: o.links, PortalURL: mustURL(c.Portal.URL), Ready: o.ready, Version: version(), Log: o.log.With("part", "web"),
		Company: web.Company{Name: c.Organization.Name, Domains: c.Organization.Domains, Language: words.Lang(c.Organization.Language), Zone: zone}}
	if d.Accounts, err = c.accounts(o.db, o.keys); err != nil {
		return d, err
	}
	d.Proxies, err = c.proxies()
	return d, err
}

// proxies are the networks of web.trusted_proxies.
func (c *Config) proxies() (all []netip.Prefix, err error) {
	for _, n := range c.Web.TrustedProxies {
		p, err := netip.ParsePrefix(n)
		if err != nil {
			return nil, fmt.Errorf("web.trusted_proxies: %w", err)
		}
		all = append(all, p)
	}
	return all, nil
}

// ready asks for what a download needs. It does not ask the store to take a file: a portal has no right to write mail.
func (o *outpost) ready(ctx context.Context) error {
	if err := o.db.Ready(ctx); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	return nil
}

// watchKeys says when the main keys were rotated: links made since then do not open here.
func (o *outpost) watchKeys(ctx context.Context) error {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for told := false; ; {
		stale, err := o.links.Prove(ctx)
		if err != nil && ctx.Err() == nil {
			o.log.Error("portal keys not compared", "error", err)
		}
		if stale && !told {
			o.log.Error("there are newer keys than this portal has: bring it a new file made by sekisho portal keys")
		}
		told = stale
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
