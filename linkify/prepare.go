package linkify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/failpoint"
	"github.com/sekisho-mail/sekisho/internal/message"
)

// Prepare writes the mail as r gets it to w: the same bytes at every call for that mail and recipient. The
// first call stores the files and fixes notice, dates and link; the link stays inactive. After an error
// what was written to w is worthless.
func (l *Links) Prepare(ctx context.Context, w io.Writer, m Mail, r Recipient) error {
	msg, err := message.Parse(m.Raw)
	if err != nil {
		return fmt.Errorf("prepare %s: %w", m.ID, err)
	}
	var found row
	err = l.o.DB.Read(ctx, func(tx *db.Tx) (err error) {
		found, err = rowOf(tx, r.ID)
		return err
	})
	switch {
	case err == nil:
		err = l.again(ctx, w, msg, found)
	case errors.Is(err, ErrNotFound):
		err = l.first(ctx, w, msg, m, r)
	}
	if err != nil {
		return fmt.Errorf("prepare %s for %s: %w", m.ID, r.ID, err)
	}
	return nil
}

// first stores the files, then writes the mail, then commits the link. A crash anywhere before the commit
// leaves a mail that was never sent, and the next call begins anew with the same objects.
func (l *Links) first(ctx context.Context, w io.Writer, msg *message.Message, m Mail, r Recipient) error {
	s, err := r.choose(msg)
	if err != nil {
		return err
	}
	whole := len(s.Links) == 0
	if !whole {
		whole, err = l.stays(ctx, m, r)
	}
	if err != nil {
		return err
	}
	if whole {
		_, err := w.Write(m.Raw)
		return err
	}
	now, err := l.o.DB.Now(ctx)
	if err != nil {
		return err
	}
	expires := l.o.expiry(now, r.Terms)
	digests, err := l.storeAll(ctx, m.ID, s, expires.Add(l.o.Keep))
	if err != nil {
		return err
	}
	files := filesOf(s)
	failpoint.At("prepare.stored", m.ID)
	if files, err = l.nameFiles(ctx, m.ID, s, files, digests); err != nil {
		return err
	}
	p := plan{Portal: l.o.Portal, Files: make([]plannedFile, len(files)), Preview: r.Terms.Preview, ViewOnly: r.Terms.ViewOnly}
	p.Version = p.version()
	for i, f := range files {
		p.Files[i] = plannedFile{Path: s.Links[i].Path, File: f}
	}
	p.Notice = letterhead{files: files, access: r.Terms.access(), expires: expires, viewOnly: p.ViewOnly}.notice()
	p.Notice.Paperclip = r.Terms.Paperclip
	n := row{id: db.NewID(), message: m.ID, recipient: r.ID, generation: 1, keyID: l.o.Keys.CurrentID(), expires: expires}
	if n.body, err = l.render(w, msg, s, n, p); err != nil {
		return err
	}
	failpoint.At("prepare.rendered", m.ID)
	err = l.o.DB.Write(ctx, func(tx *db.Tx) error {
		err := l.insert(tx, n, m, r, p)
		failpoint.At("prepare.fixing", m.ID)
		return err
	})
	failpoint.At("prepare.fixed", m.ID)
	return err
}

// again writes the mail as the first call fixed it.
func (l *Links) again(ctx context.Context, w io.Writer, msg *message.Message, r row) error {
	p, err := l.plan(r)
	if err != nil {
		return err
	}
	var s Splice
	if !p.Anew {
		if s, err = p.choose(msg); err != nil {
			return err
		}
	}
	body, err := l.render(w, msg, s, r, p)
	if err != nil || body == r.body {
		return err
	}
	if !r.activated.IsZero() {
		return ErrChanged // a copy may have arrived: another one must be the same
	}
	// A newer program splices differently, and no byte has left yet: what leaves now is what counts.
	return l.o.DB.Write(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(`UPDATE link SET body = $1, version = version + 1 WHERE id = $2 AND version = $3 AND activated_at = 0`,
			body, r.id, r.version)
		if err == nil && n == 0 {
			err = ErrChanged
		}
		return err
	})
}

// choose finds the planned parts again and insists that each still is what was stored.
func (p plan) choose(msg *message.Message) (Splice, error) {
	want := map[string]File{}
	for _, f := range p.Files {
		want[f.Path] = f.File
	}
	s, err := Plan(msg, func(a Attachment) bool { _, ok := want[a.Path]; return ok })
	if err != nil {
		return Splice{}, fmt.Errorf("plan links: %w", err)
	}
	if len(s.Links) != len(p.Files) {
		return Splice{}, ErrChanged
	}
	for _, a := range s.Links {
		if want[a.Path].SHA256 != a.SHA256 {
			return Splice{}, ErrChanged
		}
	}
	return s, nil
}

// render writes the mail with its links and returns the SHA-256 of what it wrote.
func (l *Links) render(w io.Writer, msg *message.Message, s Splice, r row, p plan) (string, error) {
	token, err := l.token(r.keyID, r.id, r.generation)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	write := Render
	if p.Anew {
		write = RenderNotice
	}
	if err := write(io.MultiWriter(w, sum), msg, s, p.Notice.fill(pageAddress(p.Portal, token))); err != nil {
		return "", fmt.Errorf("write mail with links: %w", err)
	}
	return hexSum(sum), nil
}

func hexSum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

func pageAddress(portal, token string) string { return portal + "/d/" + token }

func (o Options) address(token string) string { return pageAddress(o.Portal, token) }

func (o Options) expiry(from time.Time, t Terms) time.Time {
	life := t.Life
	if life <= 0 {
		life = o.Life
	}
	return lastMinute(from, min(life, maxLife), o.Zone)
}

// storeAll puts every content of the plan into the store, once each, and returns their digests in its order.
func (l *Links) storeAll(ctx context.Context, mail string, s Splice, sweep time.Time) ([]string, error) {
	digests := make([]string, len(s.Links))
	var want []stored
	parts := map[string]Attachment{}
	for i, a := range s.Links {
		d := l.digest(mail, a.SHA256)
		digests[i] = d
		if _, again := parts[d]; !again {
			parts[d] = a
			want = append(want, stored{message: mail, digest: d, size: a.Size, keyID: l.keys.CurrentID(),
				object: objectPrefix + strings.ToLower(mail) + "." + d})
		}
	}
	var rows []stored
	err := l.o.DB.Write(ctx, func(tx *db.Tx) (err error) {
		rows, err = l.announce(tx, mail, want, sweep)
		return err
	})
	if err != nil {
		return nil, err
	}
	failpoint.At("prepare.announced", mail)
	for _, each := range rows {
		if each.state == blobStored {
			continue
		}
		if err := l.storePart(ctx, each, parts[each.digest]); err != nil {
			return nil, err
		}
	}
	return digests, nil
}

func (l *Links) storePart(ctx context.Context, s stored, a Attachment) error {
	return l.put(ctx, s, a.Content(), a.SHA256)
}
