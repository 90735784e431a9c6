package carrier

import (
	"errors"
	"strconv"
	"strings"

	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/kind"
)

// Message inspects a mail: headers, every text, every attachment, and what only
// a careless reader would see.
func (w *Walk) Message(m *message.Message) { w.message(m, file{}) }

// nested inspects a mail inside f.
func (w *Walk) nested(f file) error {
	m, err := message.Parse(f.body)
	if err != nil {
		return w.plain(f, kind.Text) // called a mail, but none
	}
	w.message(m, f)
	return nil
}

// message walks the parts of m, which lies in f (the zero file for the mail that
// is being sent).
func (w *Walk) message(m *message.Message, f file) {
	for _, a := range m.Anomalies {
		switch {
		case a.Code == "too_deep":
			w.out.Failed(f.path, TooDeep)
		case a.Code == "too_many_parts":
			w.out.Failed(f.path, TooMany)
		case a.Code == "too_much_encoded", a.Code == "header_too_large":
			w.out.Failed(f.path, TooLarge)
		case a.Ambiguous:
			w.out.Form(FormAmbiguous, Body, f.path, a.Code)
		}
	}
	shown := map[*message.Part]bool{}
	for _, p := range m.TextParts() {
		shown[p] = true
	}
	for p := range m.Parts() {
		if err := w.over(); err != nil {
			w.out.Failed(f.path, reasonOf(err))
			return
		}
		w.part(p, f, shown[p])
	}
}

// part looks at one node of the tree.
func (w *Walk) part(p *message.Part, f file, shown bool) {
	outermost := f.path == "" && !inside(p)
	if p.Parent == nil || p.Nested {
		w.fields(p, f, outermost)
	} else {
		w.partFields(p, f)
	}
	if p.Multipart() {
		w.gaps(p, f, outermost)
		return
	}
	if len(p.Children) > 0 {
		return // message/rfc822: its parts follow
	}
	if encrypted(p) {
		w.out.Form(FormEncrypted, Attachment, partPath(p, f), p.MediaType)
		w.out.Failed(partPath(p, f), Encrypted)
		return
	}
	if shown {
		w.bodyText(p, f, outermost)
	} else {
		w.attached(p, f)
	}
	w.alternatives(p, f)
}

// inside says whether p belongs to a message inside the message.
func inside(p *message.Part) bool {
	for ; p != nil; p = p.Parent {
		if p.Nested {
			return true
		}
	}
	return false
}

// partPath names a part: its number, below the file that holds the mail.
func partPath(p *message.Part, f file) string {
	number := p.Path()
	if f.path == "" {
		return number
	}
	return f.path + "!/" + number
}

// fields searches the header of a message. What programs write (Received,
// signatures) says nothing of people.
func (w *Walk) fields(p *message.Part, f file, outermost bool) {
	where := Header
	if !outermost {
		where = Attachment
	}
	for _, field := range p.Fields {
		name := strings.ToLower(field.Name)
		if technical(name) || strings.HasPrefix(name, "content-") {
			continue
		}
		value := string(field.Value.Of(p.Source()))
		if name == "msip_labels" {
			for _, l := range headerLabels(message.Unfold([]byte(value))) {
				w.out.Label(where, w.fieldPath(p, f, field.Name, outermost), l)
			}
			continue
		}
		for i, reading := range message.DecodeHeaders(message.Unfold([]byte(value))) {
			w.text(Text{Text: detect.Text{Body: reading}, Where: where, Path: w.fieldPath(p, f, field.Name, outermost), First: i == 0})
		}
	}
	w.partFields(p, f)
}

// fieldPath names a header field: below the file or part that holds the mail.
func (w *Walk) fieldPath(p *message.Part, f file, name string, outermost bool) string {
	switch {
	case f.path != "":
		return f.path + "!/" + name
	case !outermost:
		return p.Path() + "/" + name
	}
	return name
}

// technical fields are written by programs.
func technical(name string) bool {
	switch name {
	case "received", "dkim-signature", "arc-seal", "arc-message-signature", "arc-authentication-results", "authentication-results", "received-spf",
		"message-id", "in-reply-to", "references", "date", "return-path", "mime-version", "delivered-to", "x-originating-ip", "thread-index",
		"x-received", "x-google-dkim-signature", "x-gm-message-state", "x-google-smtp-source", "domainkey-signature", "x-mailer", "user-agent",
		"from", "to", "cc", "bcc", "reply-to", "sender", "resent-from", "resent-to", "resent-cc", "errors-to", "list-id", "list-unsubscribe",
		"x-ms-exchange-antispam-messagedata-0", "x-ms-exchange-crosstenant-id", "x-forefront-antispam-report", "x-microsoft-antispam",
		"x-ms-exchange-organization-messagedirectionality", "x-spam-status", "x-spam-report", "x-virus-scanned", "x-face", "face", "autocrypt", "feedback-id":
		return true
	}
	return strings.HasPrefix(name, "x-ms-exchange-") || strings.HasPrefix(name, "x-microsoft-antispam") || strings.HasPrefix(name, "x-spam") || strings.HasPrefix(name, "arc-")
}

// partFields searches what the header of a part says for people.
func (w *Walk) partFields(p *message.Part, f file) {
	if d := p.Get("Content-Description"); d != "" {
		w.text(Text{Text: detect.Text{Body: message.DecodeHeader(d)}, Where: Attachment, Path: partPath(p, f), First: true})
	}
}

// bodyText searches a text that readers show, in every plausible charset.
func (w *Walk) bodyText(p *message.Part, f file, outermost bool) {
	where := Body
	if !outermost {
		where = Attachment
	}
	raw, err := p.Decode(w.limits.Part)
	if err != nil {
		w.out.Failed(partPath(p, f), TooLarge)
	}
	if k := kind.Of(p.Filename, raw); !readable(k) {
		w.attached(p, f) // called a text, but none
		return
	}
	readings := p.Texts(w.limits.Part)
	for i, s := range readings[:min(len(readings), w.limits.ReadingsPerPart)] {
		t := Text{Text: detect.Text{Body: s, Mail: true, Title: p.Message().Text("Subject")}, Where: where, Path: partPath(p, f), First: i == 0}
		if p.MediaType == "text/html" {
			h, hidden := htmlText(s)
			t.Body, t.Cells = h.b.String(), h.cells
			if i == 0 {
				w.unseen(hidden, where, t.Path)
			}
		}
		w.text(t)
	}
	w.blobs(file{name: p.Filename, path: partPath(p, f), depth: f.depth, label: p.Charset}, readings[0])
	switch {
	case strings.Contains(readings[0], "-----BEGIN PGP MESSAGE-----"):
		w.out.Form(FormEncrypted, where, partPath(p, f), "pgp")
		w.out.Failed(partPath(p, f), Encrypted)
	case allGarbled(readings):
		w.out.Failed(partPath(p, f), Unreadable)
	}
}

// readable types may be shown as text whatever they are called.
func readable(k string) bool {
	switch k {
	case kind.Text, kind.HTML, kind.CSV, kind.XML, kind.Calendar, kind.VCard, kind.Script, kind.Mail, kind.PGP, kind.PGPKeys:
		return true
	}
	return false
}

// attached searches a part that people see as a file.
func (w *Walk) attached(p *message.Part, f file) {
	if machinery(p) {
		return
	}
	names := p.Names()
	name := p.Filename
	if name == "" {
		name = defaultName(p)
	}
	inner := file{name: name, path: name, depth: f.depth + 1, label: p.Charset, media: p.MediaType}
	if f.path != "" {
		inner.path = f.path + "!/" + name
	}
	body, err := p.Decode(w.limits.Part)
	inner.body = body
	if err != nil && !errors.Is(err, message.ErrTooLarge) {
		w.failed(inner, err)
	}
	w.expanded += int64(len(body))
	for _, other := range names {
		if other != name {
			w.forms(file{name: other, path: inner.path}, kind.Of(other, body))
			w.text(Text{Text: detect.Text{Body: other}, Where: Attachment, Path: inner.path})
		}
	}
	w.file(inner)
	if errors.Is(err, message.ErrTooLarge) {
		w.failed(inner, ErrLarge)
	}
}

// machinery: signatures and control parts that no person reads.
func machinery(p *message.Part) bool {
	switch p.MediaType {
	case "application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature":
		return true
	case "application/pgp-encrypted":
		return p.Parent != nil && p.Parent.MediaType == "multipart/encrypted"
	}
	return false
}

func defaultName(p *message.Part) string {
	switch p.MediaType {
	case "text/calendar":
		return "invite.ics"
	case "message/delivery-status", "message/disposition-notification", "text/rfc822-headers":
		return "report-" + p.Path() + ".txt"
	}
	if p.MediaType == "text/html" {
		return "part-" + p.Path() + ".html"
	}
	return "part-" + p.Path()
}

// encrypted parts are S/MIME enveloped data and the body of PGP/MIME.
func encrypted(p *message.Part) bool {
	switch p.MediaType {
	case "application/pkcs7-mime", "application/x-pkcs7-mime":
		t := strings.ToLower(p.Params["smime-type"])
		if t == "signed-data" || t == "certs-only" || t == "compressed-data" {
			return false
		}
		b, _ := p.Decode(1024) // the beginning is enough
		return t == "enveloped-data" || t == "authenveloped-data" || kind.Of("", b) == kind.PKCS7
	case "application/octet-stream":
		return p.Parent != nil && p.Parent.MediaType == "multipart/encrypted"
	}
	return false
}

// gaps searches what stands before the first and after the last part, which no
// modern reader shows and an old one does.
func (w *Walk) gaps(p *message.Part, f file, outermost bool) {
	where := Body
	if !outermost {
		where = Attachment
	}
	for _, span := range []message.Span{p.Preamble, p.Epilogue} {
		if span.Len() < 8 {
			continue
		}
		text := message.DecodeText(span.Of(p.Source()), p.Charset)[0]
		if strings.TrimSpace(text) != "" {
			w.text(Text{Text: detect.Text{Body: text, Mail: true}, Where: where, Path: partPath(p, f) + "#gap", First: true})
		}
	}
}

// alternatives searches the other readings of a leaf: uuencoded files in text,
// encodings that the header does not name.
func (w *Walk) alternatives(p *message.Part, f file) {
	for i, r := range p.Alternatives(w.limits.Part) {
		name := r.Name
		if name == "" {
			name = r.How + "-" + strconv.Itoa(i+1)
		}
		inner := file{name: name, path: partPath(p, f) + "!/" + name, body: r.Data, depth: f.depth + 1, label: p.Charset}
		w.expanded += int64(len(r.Data))
		w.file(inner)
	}
}
