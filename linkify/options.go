package linkify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/blob"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/seal"
)

// Defaults and bounds.
const (
	defaultLife = 14 * 24 * time.Hour
	defaultKeep = 7 * 24 * time.Hour
	maxLife     = 93 * 24 * time.Hour
)

// Options are what cmd gives. The zero value of what is not marked optional is refused by New.
type Options struct {
	DB *db.DB
	// Keys are the main ones. A node that is only a portal has none, and PortalKeys instead.
	Keys, PortalKeys *seal.Keys
	Blobs            blob.Store
	Portal           string         // what links start with: "https://files.corp.example"
	Company          string         // optional: organization.name
	Zone             *time.Location // organization.time_zone
	Life             time.Duration  // optional: how long a link answers, 14 days
	Keep             time.Duration  // optional: how long files outlive their last link, so that it can be extended, 7 days
	// TempDir is where a file is encrypted before the store takes it over: best on the store's file system,
	// where taking over is a rename. It is made when missing.
	TempDir string
	// FreeMail are further domains where neighbours are no colleagues. Optional.
	FreeMail []string
	// Post hands a mail of our own to the queue, in the transaction of its cause. A portal, which cannot write mail,
	// leaves its codes to the other nodes.
	Post func(tx *db.Tx, letter Letter) error
	// Schedule puts work into the queue's one table of due work; the same kind and ref again moves its time.
	Schedule func(tx *db.Tx, kind, ref string, due time.Time) error
	// Remind is how long before the end of a link its recipient hears of files that nobody took; 0 is never.
	Remind time.Duration
	// Receipts says how owners hear of downloads; "" is NoReceipts.
	Receipts Receipts
	// Staff is what links to the pages of the company's people start with: "https://hold.corp.example".
	Staff string
	// Folders bound what strangers can put into one folder; zero is 2 GiB a file, 10 GiB and 200 files in all.
	Folders FolderLimits
	// FolderTypes are the endings of names that folders take, in lower case and without a dot; none is all.
	FolderTypes []string
	// Check looks into a file that a stranger put into a folder. Optional: without it files are unchecked.
	Check func(ctx context.Context, u Upload, content io.ReaderAt) (Checked, error)
	// Scan looks for malware before a download; it gives its name, "" for none. Optional.
	Scan func(ctx context.Context, content io.Reader) (malware string, err error)
	// Alarm tells the administrators of malware in a file that was sent. Optional.
	Alarm func(tx *db.Tx, line string) error
	// DamageAlarm tells the administrators of a stored file that is not what was stored. Optional.
	DamageAlarm func(tx *db.Tx, line string) error
	// TLSProved says whether mail to a domain can only travel over TLS with servers that prove whose they are, and
	// by what. It may ask DNS. Optional: without it nothing is proved.
	TLSProved func(ctx context.Context, domain string) (proved bool, why string)
	// Report is told of each stored object that nothing refers to. Optional.
	Report func(Orphan)
}

// Links is the whole of the package: stored files, links and their log. It is safe for concurrent use.
type Links struct {
	o    Options
	keys *seal.Keys // of what portals may open
	free map[string]bool
}

// New checks the options and starts nothing.
func New(o Options) (*Links, error) {
	portal := o.PortalKeys != nil
	if portal == (o.Keys != nil) || portal == (o.Post != nil) {
		return nil, errors.New("linkify: needs the main keys and a post, or a portal's keys and none")
	}
	if o.DB == nil || o.Blobs == nil || o.Schedule == nil || o.TempDir == "" {
		return nil, errors.New("linkify: database, store, temporary directory and schedule are all needed")
	}
	if err := o.settle(); err != nil {
		return nil, err
	}
	l := &Links{o: o, keys: o.PortalKeys, free: freeSet(o.FreeMail)}
	if !portal {
		l.keys = o.Keys.Portal()
	}
	return l, nil
}

// settle checks and completes what Prepare and Preview share.
func (o *Options) settle() error {
	u, err := url.Parse(o.Portal)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return errors.New("linkify: portal is not a plain http(s) URL")
	}
	o.Portal = strings.TrimRight(o.Portal, "/")
	if o.Zone == nil {
		return errors.New("linkify: no time zone")
	}
	if o.Life == 0 {
		o.Life = defaultLife
	}
	if o.Keep == 0 {
		o.Keep = defaultKeep
	}
	o.Folders.File = cmp.Or(o.Folders.File, 2<<30)
	o.Folders.Bytes = cmp.Or(o.Folders.Bytes, 10<<30)
	o.Folders.Files = cmp.Or(o.Folders.Files, 200)
	if o.Life < 0 || o.Life > maxLife || o.Keep < 0 {
		return fmt.Errorf("linkify: a link lives between one and %d days", maxLife/(24*time.Hour))
	}
	return nil
}

// Handlers are the kinds of due work of this package, with what carries them out.
func (l *Links) Handlers() map[string]func(ctx context.Context, ref string) (again time.Time, err error) {
	return map[string]func(context.Context, string) (time.Time, error){
		WorkExpire: l.Expire, WorkSweep: l.Sweep, WorkLetter: l.Letter, WorkRemind: l.Remind, WorkAsk: l.Asked, WorkDigest: l.Digest, WorkMalware: l.Infected,
		WorkDamage:    l.Damaged,
		WorkFolderEnd: l.EndFolder, WorkCheck: l.CheckUpload, WorkTell: l.TellFolder,
	}
}
