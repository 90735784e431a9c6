package pdf

import (
	"strings"

	"github.com/klippa-app/go-pdfium/enums"
	"github.com/klippa-app/go-pdfium/references"
	"github.com/klippa-app/go-pdfium/requests"

	"github.com/sekisho-mail/sekisho/submission/dlp/internal/carrier"
)

// maxAnnotations bounds the notes read from one page.
const maxAnnotations = 2000

// notes are the contents of annotations, the targets of links and the files that
// are pinned to the page; comment says that somebody wrote one.
func (d *document) notes(page requests.Page) (text string, comment bool) {
	n, err := d.p.FPDFPage_GetAnnotCount(&requests.FPDFPage_GetAnnotCount{Page: page})
	if err != nil {
		return "", false
	}
	var b strings.Builder
	for i := range min(n.Count, maxAnnotations) {
		a, err := d.p.FPDFPage_GetAnnot(&requests.FPDFPage_GetAnnot{Page: page, Index: i})
		if err != nil {
			continue
		}
		comment = d.note(&b, a.Annotation) || comment
		d.p.FPDFPage_CloseAnnot(&requests.FPDFPage_CloseAnnot{Annotation: a.Annotation})
	}
	return b.String(), comment
}

func (d *document) note(b *strings.Builder, a references.FPDF_ANNOTATION) (comment bool) {
	said := false
	for _, key := range []string{"Contents", "V", "RC"} {
		if v, err := d.p.FPDFAnnot_GetStringValue(&requests.FPDFAnnot_GetStringValue{Annotation: a, Key: key}); err == nil && v.Value != "" {
			b.WriteString("\n" + v.Value)
			said = said || key == "Contents"
		}
	}
	kind, err := d.p.FPDFAnnot_GetSubtype(&requests.FPDFAnnot_GetSubtype{Annotation: a})
	if err != nil {
		return false
	}
	switch kind.Subtype {
	case enums.FPDF_ANNOT_SUBTYPE_LINK:
		d.link(b, a)
	case enums.FPDF_ANNOT_SUBTYPE_FILEATTACHMENT:
		d.pinned(a)
	case enums.FPDF_ANNOT_SUBTYPE_TEXT, enums.FPDF_ANNOT_SUBTYPE_HIGHLIGHT, enums.FPDF_ANNOT_SUBTYPE_UNDERLINE, enums.FPDF_ANNOT_SUBTYPE_STRIKEOUT,
		enums.FPDF_ANNOT_SUBTYPE_SQUIGGLY, enums.FPDF_ANNOT_SUBTYPE_CARET, enums.FPDF_ANNOT_SUBTYPE_POPUP:
		return said
	}
	return false
}

func (d *document) link(b *strings.Builder, a references.FPDF_ANNOTATION) {
	link, err := d.p.FPDFAnnot_GetLink(&requests.FPDFAnnot_GetLink{Annotation: a})
	if err != nil {
		return
	}
	action, err := d.p.FPDFLink_GetAction(&requests.FPDFLink_GetAction{Link: link.Link})
	if err != nil || action.Action == nil {
		return
	}
	if to, err := d.p.FPDFAction_GetURIPath(&requests.FPDFAction_GetURIPath{Document: d.doc, Action: *action.Action}); err == nil && to.URIPath != nil {
		b.WriteString("\n" + *to.URIPath)
	}
}

// pinned hands on a file that an annotation carries.
func (d *document) pinned(a references.FPDF_ANNOTATION) {
	file, err := d.p.FPDFAnnot_GetFileAttachment(&requests.FPDFAnnot_GetFileAttachment{Document: d.doc, Annotation: a})
	if err != nil {
		return
	}
	name, err := d.p.FPDFAttachment_GetName(&requests.FPDFAttachment_GetName{Attachment: file.Attachment})
	if err != nil {
		return
	}
	if body, err := d.p.FPDFAttachment_GetFile(&requests.FPDFAttachment_GetFile{Attachment: file.Attachment}); err == nil {
		d.out.frame(frame{Kind: "file", Name: name.Name}, body.Contents)
	}
}

// forms hands on what forms of the newer kind (XFA) hold, and scripts.
func (d *document) forms() {
	count, err := d.p.FPDF_GetXFAPacketCount(&requests.FPDF_GetXFAPacketCount{Document: d.doc})
	if err == nil {
		for i := range min(count.Count, maxPackets) {
			packet, err := d.p.FPDF_GetXFAPacketContent(&requests.FPDF_GetXFAPacketContent{Document: d.doc, Index: i})
			if err == nil && len(packet.Content) > 0 {
				d.out.frame(frame{Kind: "form"}, packet.Content)
			}
		}
	}
	if s, err := d.p.GetJavaScriptActions(&requests.GetJavaScriptActions{Document: d.doc}); err == nil && len(s.JavaScriptActions) > 0 {
		d.out.frame(frame{Kind: "page", Script: true}, nil)
	}
}

// maxPackets bounds the parts of a form; there are about ten.
const maxPackets = 100

// unseen lists how text of a page is hidden, comments included.
func (d *document) unseen(page requests.Page, comment bool) []string {
	found := d.hides(page)
	if comment {
		found = append(found, carrier.Comment)
	}
	return found
}
