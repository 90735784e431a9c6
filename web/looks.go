package web

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/web/words"
)

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed assets/*
var assetFiles embed.FS

// looks holds the parsed pages and the words they speak.
type looks struct {
	pages map[string]*template.Template
	words *words.Catalogue
	zone  *time.Location
	stamp string // changes with the assets, so that browsers may keep them for ever
}

// newLooks parses every page together with the frame around it and the parts
// that several pages share (files whose names begin with an underscore).
func newLooks(c *words.Catalogue, zone *time.Location) (*looks, error) {
	l := &looks{pages: make(map[string]*template.Template), words: c, zone: zone}
	shared, err := template.New("").Funcs(template.FuncMap{"plus": plus, "join": strings.Join}).ParseFS(pageFiles, "pages/_*.html")
	if err != nil {
		return nil, fmt.Errorf("parse shared parts: %w", err)
	}
	names, err := fs.Glob(pageFiles, "pages/[a-z]*.html")
	if err != nil {
		return nil, fmt.Errorf("list pages: %w", err)
	}
	for _, file := range names {
		base, err := shared.Clone()
		if err != nil {
			return nil, fmt.Errorf("parse %s: %w", file, err)
		}
		t, err := base.ParseFS(pageFiles, file)
		if err != nil {
			return nil, fmt.Errorf("parse %s: %w", file, err)
		}
		l.pages[strings.TrimSuffix(path.Base(file), ".html")] = t
	}
	l.stamp, err = assetStamp()
	return l, err
}

func assetStamp() (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(assetFiles, "assets", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := assetFiles.ReadFile(name)
		sum.Write(b)
		return err
	})
	return hex.EncodeToString(sum.Sum(nil))[:10], err
}

func (l *looks) render(w io.Writer, name string, s sheet) error {
	t, ok := l.pages[name]
	if !ok {
		return fmt.Errorf("no page %q", name)
	}
	return t.ExecuteTemplate(w, "frame", s)
}

// frame is what stands around every page.
type frame struct {
	Title    string
	Company  string
	Version  string
	Name     string // of who is signed in; empty: nobody
	Nav      []navItem
	Paused   *pausedBanner
	Overage  bool // the provider left the groups out
	Back     string
	Portal   bool
	Done     string           // key of what has just been done, shown on top
	DoneAt   time.Time        // what it speaks of, such as when the mail leaves
	Me       mailaddr.Address // of who is signed in, as the people file has it
	Now      time.Time
	Here     string // the page of the navigation we are on
	Overseer bool   // sees the pages over everybody
	Script   string // of a page of the portal that cannot do without
	Narrow   bool   // one column of text: errors, cancel page, landing page
}

// navItem is one entry of the navigation.
type navItem struct {
	Key     string
	Href    string
	Current bool
	Count   int  // open questions; 0 shows nothing
	More    bool // there are more than Count
}

// pausedBanner says that an administrator has stopped all sending.
type pausedBanner struct {
	Since  time.Time
	Reason string
}

// sheet is what templates see: the frame, the page's own struct, and the
// reader's language and time in its methods.
type sheet struct {
	Frame frame
	Page  any
	looks *looks
	lang  words.Lang
	now   time.Time
}

// part is what a shared part of a page gets: its value and the sheet.
type part struct {
	V any
	S sheet
}

// With hands a value to a shared part, together with the sheet.
func (s sheet) With(v any) part { return part{V: v, S: s} }

func plus(a, b int) int { return a + b }

// T is a text of the catalogue.
func (s sheet) T(key string, pairs ...any) string { return s.looks.words.Text(s.lang, key, pairs...) }

// And stands between the items of a list.
func (s sheet) And() string {
	if s.lang == words.Japanese {
		return "、"
	}
	return ", "
}

// Lies names with whom a mail lies. Administrators who are asked as a body are
// one party, by name where they are few; the reader is "you".
func (s sheet) Lies(holders []approval.Holder) []string {
	var out, admins []string
	body := slices.ContainsFunc(holders, func(h approval.Holder) bool { return h.Address == "" })
	for _, h := range holders {
		name := cmp.Or(h.Name, h.Address.String())
		switch {
		case h.Address == "":
		case h.Address.Key() == s.Frame.Me:
			out = append(out, s.T("holder.you"))
		case body && h.As == string(approval.AsAdmin):
			admins = append(admins, name)
		default:
			out = append(out, name)
		}
	}
	switch {
	case len(admins) > 0 && len(admins) <= 3:
		out = append(out, s.T("holder.admins_named", "names", strings.Join(admins, s.And())))
	case body:
		out = append(out, s.T("holder.admins"))
	}
	return out
}

// Over says how a mail ended.
func (s sheet) Over(e endingView) string {
	return s.T(e.key(s.Frame.Me), "who", e.Who, "at", s.When(e.At))
}

// Asked names whom a rule asks, as rules write it.
func (s sheet) Asked(who string) string {
	group, isGroup := strings.CutPrefix(who, "group:")
	switch {
	case isGroup:
		return s.T("asked.group", "name", group)
	case s.Has("asked." + who):
		return s.T("asked." + who)
	}
	return who
}

// Actor names who did something, from the form of the log: "person:a@b",
// "token:ID:a@b", "os:root", "system".
func (s sheet) Actor(actor string) string {
	kind, name, _ := strings.Cut(actor, ":")
	if kind == "token" {
		_, name, _ = strings.Cut(name, ":")
	}
	switch {
	case kind == "person" && name != "":
		return name
	case s.Has("who." + kind):
		return s.T("who."+kind, "name", name)
	}
	return actor
}

// Detector is what people call a kind of finding.
func (s sheet) Detector(name string) string {
	if s.Has("detector." + name) {
		return s.T("detector." + name)
	}
	family, own, _ := strings.Cut(name, ".")
	if s.Has("detector." + family + ".*") {
		return s.T("detector."+family+".*", "name", own)
	}
	return name
}

// Has says whether the catalogue has such a text, for codes that may be new.
func (s sheet) Has(key string) bool { return s.looks.words.Has(key) }

// Lang is the reader's language tag.
func (s sheet) Lang() string { return string(s.lang) }

// Other is the language to switch to.
func (s sheet) Other() string {
	if s.lang == words.Japanese {
		return string(words.English)
	}
	return string(words.Japanese)
}

// Asset is the address of a file of assets/, which changes when any of them does.
func (s sheet) Asset(name string) string { return "/assets/" + s.looks.stamp + "/" + name }

// When writes a time to the minute, Exactly to the second, Day the day only.
func (s sheet) When(t time.Time) string { return words.Minute(s.lang, t.In(s.looks.zone), s.now) }

// Exactly writes a time to the second.
func (s sheet) Exactly(t time.Time) string { return words.Second(s.lang, t.In(s.looks.zone), s.now) }

// Stamp writes a time as logs have it.
func (s sheet) Stamp(t time.Time) string { return words.Stamp(t.In(s.looks.zone)) }

// Day writes the day of a time.
func (s sheet) Day(t time.Time) string { return words.Day(s.lang, t.In(s.looks.zone), s.now) }

// Date writes a day as date fields have it.
func (s sheet) Date(t time.Time) string { return t.In(s.looks.zone).Format(time.DateOnly) }

// ISO writes a time for the datetime attribute and the script.
func (s sheet) ISO(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Left writes how long it is until t.
func (s sheet) Left(t time.Time) string { return words.Left(s.lang, t.Sub(s.now)) }

// Lasting writes a duration.
func (s sheet) Lasting(d time.Duration) string { return words.Left(s.lang, d) }

// Passed says whether t lies behind.
func (s sheet) Passed(t time.Time) bool { return !t.After(s.now) }

// Size writes a number of bytes.
func (s sheet) Size(n int64) string { return words.Size(n) }

// Local and Domain split an address, so that pages can set the domain apart:
// it is the domain that people get wrong.
func (s sheet) Local(a mailaddr.Address) string { return a.Local() }

// Domain is the part after the @, as written.
func (s sheet) Domain(a mailaddr.Address) string {
	if i := strings.LastIndexByte(string(a), '@'); i >= 0 {
		return string(a)[i+1:]
	}
	return ""
}
