package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
	"github.com/sekisho-mail/sekisho/internal/testkit"
	"github.com/sekisho-mail/sekisho/linkify"
)

const linkedEveryWay = `version: 1
rules:
  - {name: account, when: {recipient_domains: [account.example]}, then: {delay: 0s, link: {over: 0, access: account, preview: true}}}
  - {name: password, when: {recipient_domains: [password.example]}, then: {delay: 0s, link: {over: 0, access: password}}}
  - {name: open, when: {recipient_domains: [open.example, bad.example, gone.example]}, then: {delay: 0s, link: {over: 0, access: open}}}
`

// TestAPortalsUserMayDoAllThatVisitorsAsk runs every verb of a portal as its database user: what portalgrants.sql does
// not list fails here and not at a customer's.
func TestAPortalsUserMayDoAllThatVisitorsAsk(t *testing.T) {
	database := dbtest.PostgresURL(t)
	h := testHouse(t, linkedEveryWay, fmt.Sprintf("database: {url: %q}", database), `portal: {listen: "127.0.0.1:0", url: "http://files.corp.example"}`)
	if _, err := h.links.Prove(t.Context()); err != nil {
		t.Fatal(err)
	}
	tokens := map[string]string{}
	for domain, content := range map[string]string{"account": "for the account", "password": "for the password", "open": "for all", "bad": string(testkit.EICAR()), "gone": "gone"} {
		tokens[domain] = h.linkTo("x@"+domain+".example", content)
	}
	clamd, _ := testkit.Clamd(t)
	s := putOutside(t, h, database, fmt.Sprintf("scanners: {clamd: %q}", clamd))
	o, err := openOutpost(t.Context(), s.config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer o.db.Close()
	v := &caller{t: t, links: o.links, who: linkify.Visitor{Browser: linkify.NewBrowser(), Address: "198.51.100.7", Agent: "Browser"}}
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	must("account", o.links.EnterAccount(t.Context(), tokens["account"], v.who, "x@account.example"))
	must("take", v.take(tokens["account"]))
	must("look", v.look(tokens["account"]))
	must("bundle", v.bundle(tokens["open"]))
	if err := o.links.EnterPassword(t.Context(), tokens["password"], v.who, "wrong"); !errors.Is(err, linkify.ErrWrongCode) {
		t.Errorf("password: %v", err)
	}
	owner := openSQL(t, database)
	// Stored long ago, so that it is searched once more before it is handed out.
	if _, err := owner.Exec(`UPDATE link_blob SET stored_at = 1`); err != nil {
		t.Fatal(err)
	}
	must("take what was searched again", v.take(tokens["open"]))
	if err := v.take(tokens["bad"]); !errors.Is(err, linkify.ErrMalware) {
		t.Errorf("malware: %v", err)
	}
	var object string
	if err := owner.QueryRow(`SELECT object FROM link_blob WHERE message = (SELECT message FROM recipient WHERE address LIKE '%gone%')`).Scan(&object); err != nil {
		t.Fatal(err)
	}
	must("lose a file", h.blobs.Delete(t.Context(), object))
	if err := v.take(tokens["gone"]); !errors.Is(err, linkify.ErrDamaged) {
		t.Errorf("damage: %v", err)
	}
	if _, err := owner.Exec(`UPDATE link SET expires_at = 1 WHERE recipient IN (SELECT id FROM recipient WHERE address LIKE '%password%')`); err != nil {
		t.Fatal(err)
	}
	must("ask again", o.links.AskAgain(t.Context(), tokens["password"], v.who))
	v.putIn(h)
	h.until("the work left to this node is done", func() bool {
		var left int64
		err := h.db.Read(t.Context(), func(tx *db.Tx) error {
			return tx.QueryRow(`SELECT count(*) FROM work WHERE kind IN ('link.ask', 'link.malware', 'link.damage', 'folder.check')`).Scan(&left)
		})
		return err == nil && left == 0
	})
	if kept, err := folderParts(h); err != nil || kept != 1 {
		t.Errorf("%d pieces are kept of one file that was put in and one that was taken back, %v", kept, err)
	}
	if r, err := h.audit.Verify(t.Context()); err != nil || !r.Untouched() {
		t.Errorf("%+v %v", r, err)
	}
}

func folderParts(h *openedHouse) (n int64, err error) {
	err = h.db.Read(h.t.Context(), func(tx *db.Tx) error { return tx.QueryRow(`SELECT count(*) FROM folder_part`).Scan(&n) })
	return n, err
}

// linkTo sends a mail with a file and gives the token of its link.
func (h *openedHouse) linkTo(to, content string) string {
	h.t.Helper()
	h.submit("alice@corp.example", "subject", withFile(content), to)
	var path string
	h.until("the mail to "+to, func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, a := range h.sent {
			if a.kind == "" && a.to == to {
				path = linkOf(h.t, a.raw)
			}
		}
		return path != ""
	})
	return strings.TrimPrefix(path, "/d/")
}

// caller is a visitor who calls what the portal's pages call.
type caller struct {
	t     *testing.T
	links *linkify.Links
	who   linkify.Visitor
}

func (c *caller) file(token string) (string, error) {
	l, err := c.links.Open(c.t.Context(), token, c.who)
	if err != nil {
		return "", err
	}
	if len(l.Files) != 1 {
		return "", fmt.Errorf("%d files", len(l.Files))
	}
	return l.Files[0].ID, nil
}

func (c *caller) take(token string) error {
	file, err := c.file(token)
	if err != nil {
		return err
	}
	ticket, err := c.links.Ticket(c.t.Context(), token, c.who, file)
	if err != nil {
		return err
	}
	content, err := c.links.Download(c.t.Context(), token, c.who, file, ticket)
	if err != nil {
		return err
	}
	return c.finish(content)
}

func (c *caller) finish(content *linkify.Content) error {
	n, err := io.Copy(io.Discard, io.NewSectionReader(content, 0, content.Size))
	content.Delivered(n)
	return errors.Join(err, content.Finish(c.t.Context(), true), content.Close())
}

func (c *caller) look(token string) error {
	file, err := c.file(token)
	if err != nil {
		return err
	}
	ticket, err := c.links.LookTicket(c.t.Context(), token, c.who, file)
	if err != nil {
		return err
	}
	look, err := c.links.Look(c.t.Context(), token, c.who, file, ticket)
	if err != nil {
		return err
	}
	return errors.Join(look.Seen(c.t.Context()), look.Close())
}

func (c *caller) bundle(token string) error {
	file, err := c.file(token)
	if err != nil {
		return err
	}
	b, err := c.links.Bundle(c.t.Context(), token, c.who, file)
	if err != nil {
		return err
	}
	content, err := b.Open(c.t.Context(), file)
	if err != nil {
		return err
	}
	return c.finish(content)
}

// putIn puts files into a folder, takes one back, and says that this was all.
func (c *caller) putIn(h *openedHouse) {
	t := c.t
	t.Helper()
	f, err := h.links.NewFolder(t.Context(), linkify.FolderTerms{Person: "alice@corp.example", Name: "佐藤", Title: "files", Until: time.Now().Add(48 * time.Hour)}, "person:alice@corp.example")
	if err != nil {
		t.Fatal(err)
	}
	token := f.Address[strings.LastIndexByte(f.Address, '/')+1:]
	for name, whole := range map[string]bool{"kept.txt": true, "empty.txt": true, "dropped.txt": false} {
		content := strings.TrimPrefix(name, "empty.txt")
		u, err := c.links.BeginUpload(t.Context(), token, c.who, name, int64(len(content)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !whole {
			if _, err := c.links.Append(t.Context(), token, c.who, u.ID, 0, strings.NewReader(content[:3])); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := c.links.DropUpload(t.Context(), token, c.who, u.ID); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if content != "" {
			if _, err := c.links.Append(t.Context(), token, c.who, u.ID, 0, strings.NewReader(content)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := c.links.UploadOf(t.Context(), token, c.who, u.ID); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	p, err := c.links.OpenFolder(t.Context(), token, c.who)
	if there := slices.DeleteFunc(p.Files, func(u linkify.Upload) bool { return u.State == linkify.Dropped }); err != nil || len(there) != 2 {
		t.Errorf("%d files in the folder, %v", len(there), err)
	}
	if err := c.links.Done(t.Context(), token, c.who); err != nil {
		t.Errorf("done: %v", err)
	}
}
