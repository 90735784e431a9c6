package web

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/facsimile"
	"github.com/sekisho-mail/sekisho/linkify"
)

// landingPage is what the holder of a link sees: who sent it, what, until when.
type landingPage struct {
	linkify.Landing
	Rows     []landingFile
	Path     string    // of the link, for the forms
	Lang     string    // chosen on the address line, carried along
	Accounts []string  // names of providers
	Asked    bool      // the sender was asked to open it again
	Enter    bool      // a code was sent: show the field for it
	Left     int       // tries, after a wrong code
	Problem  string    // key of what went wrong with the step before
	Until    time.Time // when too many tries are forgotten
	Total    int64
}

// landingFile is one file with what can be done with it.
type landingFile struct {
	linkify.File
	Shown bool // it can be looked at
}

// landing shows the page of a link. It changes nothing: every scanner between
// the sender and the recipient opens it.
func (p *portal) landing(ctx context.Context, r *Request) (Response, error) {
	return p.landingTelling(ctx, r, func(*landingPage) {})
}

func (p *portal) landingTelling(ctx context.Context, r *Request, more func(*landingPage)) (*page, error) {
	l, err := p.Links.Open(ctx, r.Param("token"), p.who(r))
	if err != nil {
		return nil, err
	}
	body := landingPage{Landing: l, Path: "/d/" + r.Param("token"), Enter: r.Query("step") == "enter", Asked: r.Query("step") == "asked"}
	if r.Query("lang") != "" {
		body.Lang = string(r.Lang)
	}
	// What a provider said travels on the address line; only words we know are shown.
	if q := r.Query("problem"); q != "" && p.words.Has("portal."+q) && slices.Contains([]string{"other_account", "not_vouched", "declined"}, q) {
		body.Problem = q
	}
	for _, a := range p.Accounts {
		body.Accounts = append(body.Accounts, a.Name)
	}
	for _, f := range l.Files {
		body.Total += f.Size
		body.Rows = append(body.Rows, landingFile{File: f, Shown: !f.Malware && l.Preview && p.Facsimile != nil && facsimile.Shows(f.Name, f.Size)})
	}
	more(&body)
	pg := &page{name: "landing", body: body, frame: frame{
		Title: p.words.Text(r.Lang, "title.landing"), Company: p.Company.Name, Portal: true, Narrow: true, Now: r.Now, Back: body.Path,
	}}
	switch l.State {
	case linkify.Unknown:
		// Company and state would tell a guesser that the address has the right form.
		return nil, linkify.ErrNotFound
	case linkify.Inactive:
		pg.code = codeNotFound
	case linkify.Revoked, linkify.Expired:
		pg.code = codeGone
	}
	return pg, nil
}

// who is what the portal knows of a visitor: an address, a program's name, and
// the cookie that binds a code to this browser. No staff cookie is read.
func (p *portal) who(r *Request) linkify.Visitor {
	v := linkify.Visitor{Address: r.IP.String(), Agent: firstBytes(strings.ToValidUTF8(r.UserAgent(), "?"), 300)}
	if c, err := r.Cookie(p.browserCookie()); err == nil {
		v.Browser = c.Value
	}
	return v
}

func (p *portal) browserCookie() string {
	if p.PortalURL.Scheme == "https" {
		return "__Host-sekisho-files"
	}
	return "sekisho-files"
}

// known gives the visitor, and the cookie to set when the browser has none.
// It is called for POST only: a page that is looked at leaves no trace.
func (p *portal) known(r *Request) (linkify.Visitor, []*http.Cookie) {
	v := p.who(r)
	if v.Browser != "" {
		return v, nil
	}
	v.Browser = linkify.NewBrowser()
	return v, []*http.Cookie{{
		Name: p.browserCookie(), Value: v.Browser, Path: "/", MaxAge: 30 * 24 * 3600,
		Secure: p.PortalURL.Scheme == "https", HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}}
}

// step is the address of the landing page after a POST.
func (p *portal) step(r *Request, step string) string {
	q := ""
	if step != "" {
		q = "?step=" + step
	}
	if l := r.Form("lang"); l == "ja" || l == "en" {
		if q == "" {
			return "/d/" + r.Param("token") + "?lang=" + l
		}
		q += "&lang=" + l
	}
	return "/d/" + r.Param("token") + q
}

// firstBytes cuts s to at most n bytes without leaving half a character.
func firstBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
