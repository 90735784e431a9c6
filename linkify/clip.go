package linkify

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"

	"github.com/sekisho-mail/sekisho/internal/message"
)

// clipName is the name of the note. A text file, because mail filters hold HTML files for phishing.
const clipName = "添付ファイルのダウンロード.txt"

// clip attaches the notice as a small file, behind everything else: readers see from the list of their mails that
// there are files. A mail whose outermost part has no end or no header of its own stays without.
func (r *splicing) clip() {
	switch {
	case !r.root.Multipart() || r.root.Close.Len() == 0 || !headed(r.root):
	case r.root.MediaType == "multipart/mixed":
		r.clipLast()
	default:
		r.clipAround()
	}
}

// clipLast puts the note before the last boundary of the mail.
func (r *splicing) clipLast() {
	part := r.clipPart()
	at := r.root.Close.Start
	lead := r.boundary(r.root) + r.eol
	if r.raw[at] != '-' { // the line end before the boundary is the boundary's
		lead, part = r.eol+lead, bytes.TrimSuffix(part, []byte(r.eol))
	}
	r.insert(at, append([]byte(lead), part...))
}

// clipAround makes the mail the first part of a new multipart/mixed: in an alternative or a related part the note
// would be a reading of the text, or belong to its pictures. What described the mail goes down with it.
func (r *splicing) clipAround() {
	boundary := r.newBoundary()
	var down []byte
	for _, f := range r.root.Fields {
		if strings.HasPrefix(strings.ToLower(f.Name), "content-") {
			down = append(down, f.Span.Of(r.raw)...)
			r.edits = append(r.edits, edit{at: f.Span})
		}
	}
	head := r.version() + "Content-Type: multipart/mixed; boundary=\"" + boundary + "\"" + r.eol
	r.insert(r.fieldsEnd(), []byte(head))
	r.edits = append([]edit{{at: message.Span{Start: r.root.Body.Start, End: r.root.Body.Start},
		with: append([]byte("--"+boundary+r.eol), append(down, r.eol...)...)}}, r.edits...)
	tail := r.eol + "--" + boundary + r.eol + string(r.clipPart()) + "--" + boundary + "--" + r.eol
	r.insert(len(r.raw), []byte(tail))
}

// clipped is the notice and the note as the whole of a mail.
func (r *splicing) clipped(head string, body []byte) (string, []byte) {
	boundary := r.newBoundary()
	out := "--" + boundary + r.eol + head + r.eol + string(body) +
		"--" + boundary + r.eol + string(r.clipPart()) + "--" + boundary + "--" + r.eol
	return "Content-Type: multipart/mixed; boundary=\"" + boundary + "\"" + r.eol, []byte(out)
}

// clipPart is the note with its header, ended by a line end.
func (r *splicing) clipPart() []byte {
	// Old programs read the encoded word, new ones the extended parameter. The mark lets Windows see UTF-8.
	head := "Content-Type: text/plain; charset=UTF-8;" + r.eol +
		" name=\"=?UTF-8?B?" + strings.TrimSpace(string(base64Lines([]byte(clipName), ""))) + "?=\"" + r.eol +
		"Content-Disposition: attachment;" + r.eol + " filename*=UTF-8''" + url.PathEscape(clipName) + r.eol +
		"Content-Transfer-Encoding: base64" + r.eol + r.eol
	text := "\ufeff" + strings.ReplaceAll(r.notice.Text, "\n", "\r\n")
	return append([]byte(head), base64Lines([]byte(text), r.eol)...)
}

// newBoundary is the same at every attempt, as the notice is, and no line of the mail.
func (r *splicing) newBoundary() string {
	sum := sha256.Sum256([]byte(r.notice.Text))
	for {
		b := "sekisho-" + hex.EncodeToString(sum[:])[:32]
		if !bytes.Contains(r.raw, []byte(b)) {
			return b
		}
		sum = sha256.Sum256(sum[:])
	}
}
