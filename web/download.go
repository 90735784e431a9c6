package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/sekisho-mail/sekisho/linkify"
)

// take is the button under a file: it gives this browser a ticket and sends it
// to the address the file can be fetched from, again and in ranges, for a while.
func (p *portal) take(ctx context.Context, r *Request) (Response, error) {
	who, cookies := p.known(r)
	file := r.Form("file")
	ticket, err := p.Links.Ticket(ctx, r.Param("token"), who, file)
	if err != nil {
		return p.again(ctx, r, err)
	}
	to := "/d/" + url.PathEscape(r.Param("token")) + "/" + url.PathEscape(file) + "/" + url.PathEscape(ticket)
	return &seeOther{to: to, cookies: cookies}, nil
}

// download streams one file to a browser that has a ticket.
func (p *portal) download(ctx context.Context, r *Request) (Response, error) {
	if looksAhead(r) {
		return nil, linkify.ErrTicket
	}
	c, err := p.Links.Download(ctx, r.Param("token"), p.who(r), r.Param("file"), r.Param("ticket"))
	if errors.Is(err, linkify.ErrNeedCode) {
		return nil, linkify.ErrTicket // a ticket in a browser it was not made for, or cookies are off
	}
	if err != nil {
		return nil, err
	}
	return &stream{content: c}, nil
}

// looksAhead says whether a browser asks for a page that its user may open next. Nobody has taken a file by that.
func looksAhead(r *Request) bool {
	for _, sign := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		if v := strings.ToLower(r.Header.Get(sign)); strings.Contains(v, "prefetch") || strings.Contains(v, "preview") || strings.Contains(v, "prerender") {
			return true
		}
	}
	return false
}

// stream is a stored file on its way out.
type stream struct{ content *linkify.Content }

// setSaved sets the headers of a file that may only ever be saved: never shown, sniffed, or run in our origin.
func setSaved(h http.Header, name string) {
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", disposition(name))
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "private, no-store")
}

// write lets net/http answer ranges and conditions (RFC 9110 sections 13, 14).
func (d *stream) write(s *site, w http.ResponseWriter, r *Request) error {
	setSaved(w.Header(), d.content.Name)
	w.Header().Set("ETag", `"`+d.content.SHA256+`"`)
	out := s.newPatient(w, d.content.Delivered)
	http.ServeContent(out, oneRange(r.Request), "", d.content.Stored, io.NewSectionReader(d.content, 0, d.content.Size))
	// The browser may be gone by now: what it took is recorded all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), answerWithin)
	defer cancel()
	// HEAD delivers nothing, which is also all there is of an empty file.
	err := d.content.Finish(ctx, r.Method == http.MethodGet && out.failed == nil && r.Context().Err() == nil)
	switch {
	case errors.Is(err, linkify.ErrDamaged):
		s.Log.Error("download broken off: the stored file is damaged", "file", d.content.ID)
	case err != nil:
		s.Log.Error("download not recorded", "file", d.content.ID, "error", err)
	}
	return errors.Join(err, d.content.Close(), out.failed)
}
