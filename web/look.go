package web

import (
	"context"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/sekisho-mail/sekisho/internal/facsimile"
	"github.com/sekisho-mail/sekisho/linkify"
)

// view is the button under a file that can be looked at: it gives this browser a ticket and sends it to the first page.
func (p *portal) view(ctx context.Context, r *Request) (Response, error) {
	who, cookies := p.known(r)
	file := r.Form("file")
	ticket, err := p.Links.LookTicket(ctx, r.Param("token"), who, file)
	if err != nil {
		return p.again(ctx, r, err)
	}
	return &seeOther{to: lookPath(r.Param("token"), file, ticket, 1) + langQuery(r.Form("lang")), cookies: cookies}, nil
}

func lookPath(token, file, ticket string, page int) string {
	return "/d/" + url.PathEscape(token) + "/" + url.PathEscape(file) + "/" + url.PathEscape(ticket) + "/look/" + strconv.Itoa(page)
}

// langQuery carries the portal's switch of the language along.
func langQuery(chosen string) string {
	if chosen != "ja" && chosen != "en" {
		return ""
	}
	return "?lang=" + chosen
}

// lookPage is one page of a file, made anew to be looked at.
type lookPage struct {
	File     linkify.File
	ViewOnly bool
	Number   int
	Of       int
	Picture  template.URL // a data: URL
	Width    int
	Height   int
	Text     string
	Cut      bool
	Mark     []string // what stands across pictures stands above and below a text
	Problem  string   // key of why nothing is shown
	Link     string   // path of the link, for the way back and the form
	Before   string   // path of the page before, "" on the first
	After    string
	Lang     string // chosen on the address line, carried along
}

// look shows one page of one file to a browser that has a ticket. HEAD and what loads ahead make and record nothing.
func (p *portal) look(ctx context.Context, r *Request) (Response, error) {
	if loadsAhead(r.Request) {
		return &plain{code: codeUnavailable, kind: "text/plain"}, nil
	}
	n, err := strconv.Atoi(r.Param("page"))
	if err != nil || n < 1 || p.Facsimile == nil {
		return nil, errNotFound
	}
	k, err := p.Links.Look(ctx, r.Param("token"), p.who(r), r.Param("file"), r.Param("ticket"))
	if errors.Is(err, linkify.ErrNeedCode) {
		return nil, linkify.ErrTicket // as with a download
	}
	if err != nil {
		return nil, err
	}
	defer k.Close()
	body := lookPage{File: k.File, ViewOnly: k.ViewOnly, Link: "/d/" + r.Param("token")}
	if r.Query("lang") != "" {
		body.Lang = string(r.Lang)
	}
	if r.Method != http.MethodHead {
		if err := p.fillLook(ctx, r, k, n, &body); err != nil {
			return nil, err
		}
	}
	return &page{name: "look", body: body, pictures: true, frame: frame{
		Title: p.words.Text(r.Lang, "title.look"), Company: p.Company.Name, Portal: true, Now: r.Now,
		Back: lookPath(r.Param("token"), r.Param("file"), r.Param("ticket"), n),
	}}, nil
}

// loadsAhead recognises a browser that fetches what nobody has asked to see yet.
func loadsAhead(r *http.Request) bool {
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Moz"} {
		if strings.Contains(strings.ToLower(r.Header.Get(name)), "pre") { // prefetch, prerender, preview
			return true
		}
	}
	return false
}

// fillLook makes the page. The look is recorded when there is something to see.
func (p *portal) fillLook(ctx context.Context, r *Request, k *linkify.Look, n int, body *lookPage) error {
	order := facsimile.Order{Page: n}
	if k.ViewOnly {
		body.Mark = []string{string(k.Reader), k.At.Format("2006-01-02 15:04 -0700")}
		order.Mark = append(order.Mark, body.Mark...)
	}
	made, err := p.Facsimile.Page(ctx, order, k.Content(), k.Size)
	switch {
	case errors.Is(err, facsimile.ErrNoPage):
		return errNotFound
	case errors.Is(err, facsimile.ErrEncrypted):
		body.Problem = "encrypted"
	case errors.Is(err, facsimile.ErrLarge), errors.Is(err, facsimile.ErrTime):
		body.Problem = "large"
	case errors.Is(err, facsimile.ErrKind), errors.Is(err, facsimile.ErrDamaged):
		body.Problem = "kind"
	case err != nil:
		return err
	}
	if body.Problem != "" {
		return nil
	}
	body.Number, body.Of, body.Width, body.Height, body.Text, body.Cut = made.Number, made.Of, made.Width, made.Height, visible(made.Text), made.Cut
	if made.Picture != nil {
		body.Picture = template.URL("data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(made.Picture))
	}
	path := func(page int) string {
		return lookPath(r.Param("token"), r.Param("file"), r.Param("ticket"), page) + langQuery(body.Lang)
	}
	if made.Number > 1 {
		body.Before = path(made.Number - 1)
	}
	if made.Number < made.Of {
		body.After = path(made.Number + 1)
	}
	return k.Seen(ctx)
}
