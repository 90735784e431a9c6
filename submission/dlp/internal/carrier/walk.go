// Package carrier takes text out of whatever carries it: mails, Office files,
// archives, PDF. It knows formats, not what their text means. Everything is
// bounded, and what could not be read is said, never passed over.
package carrier

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/kind"
)

// Reason says why something was not read. The values are those of package dlp.
type Reason string

// Reasons.
const (
	Encrypted   Reason = "encrypted"
	Corrupt     Reason = "corrupt"
	TooDeep     Reason = "too_deep"
	TooMany     Reason = "too_many_entries"
	TooLarge    Reason = "too_large"
	TimedOut    Reason = "time"
	Unsupported Reason = "unsupported"
	Unreadable  Reason = "unreadable"
	Scanner     Reason = "scanner"
)

// Form is a fact about a file that is no text.
type Form string

// Forms. The values are detector ids.
const (
	FormEncrypted  Form = "encrypted"
	FormExecutable Form = "executable"
	FormMacro      Form = "macro"
	FormMismatch   Form = "mismatched_type"
	FormAmbiguous  Form = "ambiguous_mime"
	FormHidden     Form = "hidden_content"
	FormTNEF       Form = "tnef"
	FormMalware    Form = "malware"
)

// Where text stands in a mail.
type Where string

// Places.
const (
	Header     Where = "header"
	Body       Where = "body"
	Attachment Where = "attachment"
)

// Text is extracted text with its place.
type Text struct {
	detect.Text
	Where Where
	Path  string
	Sheet string // cells are named Path#Sheet!B7
	Grid  bool   // cells have addresses: Path#B7 where there is no sheet
	First bool   // the first reading of several charsets; others only add values
}

// Output takes what a walk finds, in the order of the input.
type Output interface {
	Text(Text)
	Form(f Form, where Where, path, detail string)
	Label(where Where, path string, l Label)
	Failed(path string, r Reason)
	Seen(path, kind string, size int64)
	Skipped(path, why string) // seen, and not read
}

// Limits bound a walk; all are positive.
type Limits struct {
	Depth, Entries  int
	Part, Expanded  int64
	Ratio           int64
	PartTime        time.Duration
	Text            int // bytes of one Text; longer ones are cut at line ends
	ReadingsPerPart int
	Pictures        int           // that OCR reads
	PictureTime     time.Duration // of all of them together; the one that is over it is finished
}

// PDF reads a document in another process and hands on its parts; of pages
// without text it draws at most so many pictures.
type PDF func(ctx context.Context, body []byte, pictures int, each func(PDFPart) error) error

// PDFPart is a page (0 for the properties), the picture of a page, an embedded
// file, or a part of a form.
type PDFPart struct {
	Page    int
	Text    string
	Blank   bool // shows something, but no text: a scan
	Picture []byte
	Name    string
	Body    []byte
	Form    []byte   // XML of a form
	Hidden  []string // how text of the page is hidden
	Script  bool     // the document runs one
	Author  string
}

// Virus says which malware r holds, "" for none.
type Virus func(ctx context.Context, name string, r io.Reader) (string, error)

// Walk is the state of one scan. It is not safe for concurrent use.
type Walk struct {
	ctx      context.Context
	limits   Limits
	out      Output
	readers  Readers
	entries  int
	expanded int64
	pictures int
	spent    time.Duration // on pictures
	deadline time.Time     // of the current file

	// Entries are unpacked one after the other, thousands in one document: what
	// that needs is used again.
	buffer  []byte
	inflate io.ReadCloser
}

// Readers are the programs that help a walk; each may be nil.
type Readers struct {
	PDF   PDF
	OCR   OCR
	Virus Virus
}

// New begins a walk.
func New(ctx context.Context, limits Limits, out Output, readers Readers) *Walk {
	return &Walk{ctx: ctx, limits: limits, out: out, readers: readers}
}

// file is one carrier.
type file struct {
	name  string // its own name
	path  string // where it lies: data.zip!/名簿.xlsx
	body  []byte
	depth int
	label string // charset, where the carrier named one
	media string // type the mail claimed, "" inside archives
	// apart: scanners of malware do not unpack what it lay in.
	apart bool
}

// in is a file inside f.
func (f file) in(name string, body []byte) file {
	return file{name: name, path: f.path + "!/" + name, body: body, depth: f.depth + 1}
}

// File inspects a bare document.
func (w *Walk) File(name string, body []byte) {
	f := file{name: name, path: name, body: body}
	if kind.Ext(name) == "eml" || kind.Of(name, body) == kind.Mail {
		if m, err := message.Parse(body); err == nil {
			w.out.Seen(name, kind.Mail, int64(len(body)))
			w.message(m, file{path: "", name: name})
			return
		}
	}
	w.file(f)
}

// Errors that say why a reading ended. The exported ones are for the PDF reader.
var (
	ErrEncrypted   = errors.New("encrypted")
	ErrLarge       = errors.New("too large")
	ErrMany        = errors.New("too many entries")
	errDeep        = errors.New("nested too deep")
	errTime        = errors.New("out of time")
	errUnsupported = errors.New("unsupported")
	errUnreadable  = errors.New("no text")
	errNoArchive   = errors.New("no archive")
)

// reasonOf maps an error to what the report says.
func reasonOf(err error) Reason {
	switch {
	case errors.Is(err, errDeep):
		return TooDeep
	case errors.Is(err, ErrMany):
		return TooMany
	case errors.Is(err, ErrLarge):
		return TooLarge
	case errors.Is(err, errTime), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return TimedOut
	case errors.Is(err, ErrEncrypted):
		return Encrypted
	case errors.Is(err, errUnreadable):
		return Unreadable
	case errors.Is(err, errUnsupported):
		return Unsupported
	}
	return Corrupt
}

// failed reports what could not be read; encryption is also a form of its own.
func (w *Walk) failed(f file, err error) {
	r := reasonOf(err)
	if r == Encrypted {
		w.out.Form(FormEncrypted, Attachment, f.path, "")
	}
	w.out.Failed(f.path, r)
}

// over says whether the time of this file or of the scan is used up.
func (w *Walk) over() error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if !w.deadline.IsZero() && time.Now().After(w.deadline) {
		return errTime
	}
	return nil
}

// file looks at one carrier: its form, then its text.
func (w *Walk) file(f file) {
	if err := w.enter(f); err != nil {
		w.failed(f, err)
		return
	}
	k := kind.Of(f.name, f.body)
	w.out.Seen(f.path, k, int64(len(f.body)))
	w.forms(f, k)
	w.scan(f)
	outer := w.deadline
	if limit := time.Now().Add(w.limits.PartTime); outer.IsZero() || f.depth == 0 {
		w.deadline = limit
	}
	defer func() { w.deadline = outer }()
	w.name(f)
	if err := w.open(f, k); err != nil {
		w.failed(f, err)
	}
	if err := w.behind(f, k); err != nil {
		w.failed(f, err)
	}
}

func (w *Walk) enter(f file) error {
	if err := w.over(); err != nil {
		return err
	}
	if f.depth > w.limits.Depth {
		return errDeep
	}
	if w.entries++; w.entries > w.limits.Entries {
		return ErrMany
	}
	return nil
}

// name searches the file name like any other text.
func (w *Walk) name(f file) {
	body := f.name
	if i := strings.LastIndexByte(body, '.'); i > 0 {
		body = body[:i] + " " + body[i+1:] // or the extension makes a token of the number before it
	}
	if body != "" {
		w.text(Text{Text: detect.Text{Body: body}, Where: Attachment, Path: f.path, First: true})
	}
}

// label looks at the name of an entry that has no content for us.
func (w *Walk) label(f file) {
	w.name(f)
	w.forms(f, kind.Text)
}

// closed reports an entry that could not be unpacked at all.
func (w *Walk) closed(f file, err error) {
	w.label(f)
	w.failed(f, err)
}

// forms reports what name and type say by themselves.
func (w *Walk) forms(f file, k string) {
	if why := kind.Executable(f.name, k); why != "" {
		w.out.Form(FormExecutable, Attachment, f.path, why)
	} else if why := kind.Deceptive(f.name); why != "" {
		w.out.Form(FormExecutable, Attachment, f.path, why)
	}
	if kind.Mismatch(f.name, k) {
		w.out.Form(FormMismatch, Attachment, f.path, k)
	}
	if kind.MacroName(f.name) {
		w.out.Form(FormMacro, Attachment, f.path, "")
	}
}

// outOf is a file inside f, which is of a form that scanners of malware do not
// unpack by themselves.
func (f file) outOf(name string, body []byte) file {
	g := f.in(name, body)
	g.apart = true
	return g
}

// scan gives the outermost files to the malware scanner, which unpacks by itself,
// and those that lay in something it does not know.
func (w *Walk) scan(f file) {
	if w.readers.Virus == nil || f.depth > 1 && !f.apart || len(f.body) == 0 {
		return
	}
	name, err := w.readers.Virus(w.ctx, f.name, newReader(w, f.body))
	if err != nil {
		w.out.Failed(f.path, Scanner)
		return
	}
	if name != "" {
		w.out.Form(FormMalware, Attachment, f.path, name)
	}
}

// open reads the text of f by its type. A parser that panics on hostile input
// has not read it.
func (w *Walk) open(f file, k string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("reader of %s gave up", k)
		}
	}()
	switch k {
	case kind.Text, kind.CSV, kind.Calendar, kind.VCard, kind.Script, kind.XML:
		return w.plain(f, k)
	case kind.HTML:
		return w.htmlFile(f)
	case kind.Mail:
		return w.nested(f)
	case kind.DOCX:
		return w.docx(f)
	case kind.XLSX:
		return w.xlsx(f)
	case kind.PPTX:
		return w.pptx(f)
	case kind.ODT, kind.ODS, kind.ODP:
		return w.openDocument(f)
	case kind.XLSB:
		return w.xlsb(f)
	case kind.Zip, kind.Java, kind.AppleIWork, "application/epub+zip", "application/oxps":
		return w.zip(f, k)
	case kind.Gzip, kind.Bzip2, kind.XZ, kind.Zstd:
		return w.compressed(f, k)
	case kind.Tar:
		return w.tar(f)
	case kind.SevenZip:
		return w.sevenZip(f)
	case kind.RAR:
		return w.rar(f)
	case kind.LZH:
		return w.lzh(f)
	case kind.Cab:
		return w.cab(f)
	case kind.BinHex:
		return w.binhex(f)
	case kind.RTF:
		return w.rtf(f)
	case kind.PDF:
		return w.portable(f)
	case kind.OLE:
		return w.ole(f)
	case kind.PGP, kind.PKCS7, kind.RightsMail, kind.RightsFile:
		return ErrEncrypted
	case kind.PKCS7Sig:
		return w.signed(f)
	case kind.TNEF:
		w.out.Form(FormTNEF, Attachment, f.path, "")
		return w.tnef(f)
	}
	return w.other(f, k)
}

// other is everything without a reader. Programs, pictures, sound and film are
// not read; what nobody knows is searched for words, and said to be unread.
func (w *Walk) other(f file, k string) error {
	if kind.Silent(k) {
		w.quiet(f, k)
		return nil
	}
	w.strings(f)
	if kind.Executable(f.name, k) != "" {
		return nil // a finding of its own already
	}
	return errUnsupported
}

// text hands text on, cut at line ends when it is long.
func (w *Walk) text(t Text) {
	if t.Body == "" {
		return
	}
	if len(t.Body) <= w.limits.Text || len(t.Cells) > 0 {
		w.out.Text(t)
		return
	}
	body := t.Body
	for len(body) > w.limits.Text {
		if w.over() != nil {
			w.out.Failed(t.Path, TimedOut)
			return
		}
		end := cutPoint(body, w.limits.Text)
		t.Body = body[:end]
		w.out.Text(t)
		body = body[max(end-overlap, 1):]
		body = body[runeStart(body):]
	}
	t.Body = body
	w.out.Text(t)
}

// overlap keeps a label and its value together across a cut. Values found twice
// count once.
const overlap = 2 << 10
