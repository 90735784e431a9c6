// Package pdf reads PDF by PDFium, compiled to WebAssembly, in a process of its
// own: documents made to crash readers may loop for ever or take all memory, and
// only a process can be ended from outside.
package pdf

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	engine "github.com/klippa-app/go-pdfium"
	"github.com/klippa-app/go-pdfium/enums"
	perrors "github.com/klippa-app/go-pdfium/errors"
	"github.com/klippa-app/go-pdfium/references"
	"github.com/klippa-app/go-pdfium/requests"

	"github.com/sekisho-mail/sekisho/internal/pdfium"
)

// order is the first line the child reads: how it shall work.
type order struct {
	Cache  string `json:"cache"`  // directory of compiled code, "" for none
	Memory int64  `json:"memory"` // bytes PDFium may take
	Pages  int    `json:"pages"`
	// Pictures is how many pages without text are drawn.
	Pictures int  `json:"pictures,omitempty"`
	Warm     bool `json:"warm,omitempty"` // compile into the cache, read nothing
}

// frame is one line of the answer; Size bytes follow it.
type frame struct {
	Kind string `json:"kind"` // page, picture (of the page before), file, form, end
	Page int    `json:"page,omitempty"`
	Name string `json:"name,omitempty"`
	Size int    `json:"size"`
	// Blank says that a page shows something but has no text: a scan.
	Blank bool `json:"blank,omitempty"`
	// Hidden lists how text of the page is hidden; Script and Author say of the
	// document that it runs one and who is named in it.
	Hidden []string `json:"hidden,omitempty"`
	Script bool     `json:"script,omitempty"`
	Author string   `json:"author,omitempty"`
	Error  string   `json:"error,omitempty"` // of end: "", encrypted, corrupt, pages
}

// Child reads an order and a document from r and writes frames to w.
func Child(r io.Reader, w io.Writer) error {
	in := bufio.NewReader(r)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read order: %w", err)
	}
	var o order
	if err := json.Unmarshal(line, &o); err != nil {
		return fmt.Errorf("read order: %w", err)
	}
	body, err := io.ReadAll(in) // bounded by the parent, which has it in memory
	if err != nil {
		return fmt.Errorf("read document: %w", err)
	}
	debug.SetMemoryLimit(o.Memory + 256<<20)
	out := &writer{w: bufio.NewWriter(w)}
	err = read(o, body, out)
	out.frame(frame{Kind: "end", Error: cause(err)}, nil)
	return errors.Join(out.err, out.w.Flush())
}

func cause(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, perrors.ErrPassword), strings.Contains(err.Error(), "invalid password"):
		return "encrypted"
	case errors.Is(err, errPages):
		return "pages"
	}
	return "corrupt"
}

var errPages = errors.New("too many pages")

type writer struct {
	w   *bufio.Writer
	err error
}

func (w *writer) frame(f frame, body []byte) {
	if w.err != nil {
		return
	}
	f.Size = len(body)
	line, err := json.Marshal(f)
	if err == nil {
		_, err = w.w.Write(append(line, '\n'))
	}
	if err == nil {
		_, err = w.w.Write(body)
	}
	if err == nil {
		err = w.w.Flush() // what was read stays read when this process is ended
	}
	w.err = err
}

func read(o order, body []byte, out *writer) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("reader gave up: %v", r)
		}
	}()
	pool, err := pdfium.Start(context.Background(), o.Cache, o.Memory)
	if err != nil {
		return fmt.Errorf("start PDFium: %w", err)
	}
	if o.Warm {
		return nil
	}
	instance, err := pool.GetInstance(0)
	if err != nil {
		return fmt.Errorf("start PDFium: %w", err)
	}
	doc, err := instance.OpenDocument(&requests.OpenDocument{File: &body})
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	d := document{p: instance, doc: doc.Document, out: out, pictures: o.Pictures}
	d.properties()
	d.files()
	d.forms()
	return d.pages(o.Pages)
}

type document struct {
	p   engine.Pdfium
	doc references.FPDF_DOCUMENT
	out *writer

	pictures int // that may still be drawn
	objects  int // that were asked how they look
}

// properties hands on title, author and the like as page 0.
func (d *document) properties() {
	meta, err := d.p.GetMetaData(&requests.GetMetaData{Document: d.doc})
	if err != nil {
		return // a document without properties
	}
	var b strings.Builder
	author := ""
	for _, t := range meta.Tags {
		if t.Tag == "Author" {
			author = t.Value[:min(len(t.Value), 200)]
		}
		if !strings.HasSuffix(t.Tag, "Date") && t.Value != "" {
			b.WriteString(t.Value + "\n")
		}
	}
	d.out.frame(frame{Kind: "page", Author: author}, []byte(b.String()))
}

func (d *document) files() {
	all, err := d.p.GetAttachments(&requests.GetAttachments{Document: d.doc})
	if err != nil {
		return // none
	}
	for _, a := range all.Attachments {
		d.out.frame(frame{Kind: "file", Name: a.Name}, a.Content)
	}
}

func (d *document) pages(limit int) error {
	count, err := d.p.FPDF_GetPageCount(&requests.FPDF_GetPageCount{Document: d.doc})
	if err != nil {
		return fmt.Errorf("count pages: %w", err)
	}
	var broken error
	for i := range min(count.PageCount, limit) {
		if err := d.page(i); err != nil {
			broken = err
		}
	}
	if count.PageCount > limit {
		return errPages
	}
	return broken
}

// page reads text, form fields and notes of one page.
func (d *document) page(i int) error {
	ref, err := d.p.FPDF_LoadPage(&requests.FPDF_LoadPage{Document: d.doc, Index: i})
	if err != nil {
		return fmt.Errorf("load page: %w", err)
	}
	defer d.p.FPDF_ClosePage(&requests.FPDF_ClosePage{Page: ref.Page})
	page := requests.Page{ByReference: &ref.Page}
	text, err := d.p.GetPageText(&requests.GetPageText{Page: page})
	if err != nil {
		return fmt.Errorf("read page: %w", err)
	}
	body := text.Text
	blank := strings.TrimSpace(body) == "" && d.shows(page)
	said, comment := d.notes(page)
	body += said + d.fields(page)
	d.out.frame(frame{Kind: "page", Page: i + 1, Blank: blank, Hidden: d.unseen(page, comment)}, []byte(body))
	if blank && d.pictures > 0 {
		d.pictures--
		d.draw(i+1, page)
	}
	return nil
}

// shows says whether a page without text shows a picture or drawing.
func (d *document) shows(page requests.Page) bool {
	n, err := d.p.FPDFPage_CountObjects(&requests.FPDFPage_CountObjects{Page: page})
	if err != nil {
		return true
	}
	for i := range min(n.Count, 64) {
		o, err := d.p.FPDFPage_GetObject(&requests.FPDFPage_GetObject{Page: page, Index: i})
		if err != nil {
			return true
		}
		t, err := d.p.FPDFPageObj_GetType(&requests.FPDFPageObj_GetType{PageObject: o.PageObject})
		if err != nil || t.Type == enums.FPDF_PAGEOBJ_IMAGE || t.Type == enums.FPDF_PAGEOBJ_TEXT || t.Type == enums.FPDF_PAGEOBJ_FORM {
			return true
		}
	}
	return n.Count > 64 // outlines of letters
}

// fields are the names and values of form fields.
func (d *document) fields(page requests.Page) string {
	form, err := d.p.GetForm(&requests.GetForm{Page: page})
	if err != nil {
		return ""
	}
	var b strings.Builder
	for _, f := range form.Fields {
		if f.Value != nil && *f.Value != "" {
			b.WriteString("\n" + f.Name + ": " + *f.Value)
		}
	}
	return b.String()
}
