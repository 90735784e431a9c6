package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"unicode"
)

// Response is what a handler gives back: a page, a redirect, a document of the
// API, or bytes.
type Response interface {
	write(s *site, w http.ResponseWriter, r *Request) error
}

// page is one HTML page: the file pages/NAME.html filled with its own struct.
type page struct {
	code    int // 0 is 200
	name    string
	frame   frame
	body    any
	cookies []*http.Cookie
	script  bool // a page of the portal that needs one
	// pictures: it shows a page of a stranger's file, drawn by us
	pictures bool
	onward   string // where the browser goes by itself
	retry    int    // seconds after which it makes sense to ask again; 0 says nothing
}

func (p *page) write(s *site, w http.ResponseWriter, r *Request) error {
	var b bytes.Buffer // rendered whole first: half a page must never look like a page
	if err := s.looks.render(&b, p.name, sheet{Frame: p.frame, Page: p.body, looks: s.looks, lang: r.Lang, now: r.Now}); err != nil {
		s.Log.Error("page not rendered", "page", p.name, "error", err)
		http.Error(w, "Internal error", codeBroken)
		return err
	}
	for _, c := range p.cookies {
		http.SetCookie(w, c)
	}
	if p.script {
		allowScript(w.Header())
	}
	if p.onward != "" {
		w.Header().Set("Refresh", "0; url="+p.onward)
	}
	if p.pictures {
		allowPictures(w.Header())
	}
	if p.retry > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(p.retry))
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", string(r.Lang))
	return send(w, r, p.code, bytes.Map(oneDirection, b.Bytes()))
}

// oneDirection shows the characters that turn the reading direction instead of obeying them. Subjects, names of
// people and of files come from mails onto every page, and ours are in languages that need none of them.
func oneDirection(c rune) rune {
	if unicode.Is(unicode.Bidi_Control, c) {
		return '\uFFFD'
	}
	return c
}

func send(w http.ResponseWriter, r *Request, code int, body []byte) error {
	if code == 0 {
		code = codeOK
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(code)
	if r.Method == http.MethodHead {
		return nil
	}
	_, err := w.Write(body)
	return err
}

// seeOther sends the browser to another page, by GET.
type seeOther struct {
	to      string
	cookies []*http.Cookie
}

func (o *seeOther) write(_ *site, w http.ResponseWriter, r *Request) error {
	for _, c := range o.cookies {
		http.SetCookie(w, c)
	}
	w.Header().Set("Location", o.to)
	return send(w, r, codeSeeOther, nil)
}

// document is an answer of the API.
type document struct {
	code  int
	kind  string // media type, application/json when empty
	body  any
	retry int // seconds; 0 says nothing
}

func (d *document) write(_ *site, w http.ResponseWriter, r *Request) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(true) // a browser that sniffs all the same finds no tag
	enc.SetIndent("", "  ")
	if err := enc.Encode(d.body); err != nil {
		http.Error(w, "Internal error", codeBroken)
		return fmt.Errorf("encode answer: %w", err)
	}
	kind := d.kind
	if kind == "" {
		kind = "application/json"
	}
	w.Header().Set("Content-Type", kind)
	if d.retry > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(d.retry))
	}
	return send(w, r, d.code, b.Bytes())
}

// plain is a short text or an asset: bytes with a type and headers of its own.
type plain struct {
	code   int
	kind   string
	header map[string]string
	body   []byte
}

func (p *plain) write(_ *site, w http.ResponseWriter, r *Request) error {
	w.Header().Set("Content-Type", p.kind)
	for name, value := range p.header {
		w.Header().Set(name, value)
	}
	return send(w, r, p.code, p.body)
}
