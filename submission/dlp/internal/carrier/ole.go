package carrier

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/richardlehane/mscfb"

	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/internal/rtf"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/kind"
)

// compound is an OLE 2 file: streams by their path. Control characters before a
// name (\x05SummaryInformation) are left out.
type compound struct {
	streams map[string][]byte
	order   []string
	broken  error
}

// maxStreams bounds the directory of one compound file.
const maxStreams = 10_000

func (w *Walk) openCompound(b []byte) (*compound, error) {
	r, err := mscfb.New(newReader(w, b))
	if err != nil {
		return nil, fmt.Errorf("open compound file: %w", err)
	}
	c := &compound{streams: map[string][]byte{}}
	for len(c.order) < maxStreams {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return c, nil
		}
		if err != nil {
			c.broken = err
			return c, nil
		}
		name := path.Join(append(slices.Clone(e.Path), e.Name)...)
		if e.FileInfo().IsDir() {
			c.order = append(c.order, name+"/")
			continue
		}
		if e.Size > int64(len(b)) {
			c.broken = errors.New("stream larger than the file")
			continue
		}
		body, err := w.expand(io.LimitReader(e, e.Size), 0)
		if err != nil {
			c.broken = err
		}
		c.order = append(c.order, name)
		c.streams[name] = body
	}
	return c, ErrMany
}

// ole reads an old Office document, an Outlook message or an encrypted new one.
func (w *Walk) ole(f file) error {
	c, err := w.openCompound(f.body)
	if err != nil {
		return err
	}
	if _, ok := c.streams["EncryptedPackage"]; ok {
		return ErrEncrypted
	}
	for _, name := range c.order {
		if strings.Contains(name, "DRMEncryptedTransform") || strings.Contains(name, "DRMContent") {
			return ErrEncrypted
		}
	}
	known := false
	for _, dir := range c.storages() {
		did, err := w.storage(f, c, dir)
		known = known || did
		if err != nil {
			return err
		}
	}
	w.oleForms(f, c)
	if !known {
		w.strings(f)
		if kind.Executable(f.name, kind.OLE) != "" {
			return nil
		}
		return errUnsupported
	}
	return c.broken
}

// storages lists the root and every storage, "" first.
func (c *compound) storages() []string {
	out := []string{""}
	for _, name := range c.order {
		if strings.HasSuffix(name, "/") {
			out = append(out, name)
		}
	}
	return out
}

func (c *compound) stream(dir, name string) []byte { return c.streams[dir+name] }

// storage reads the document that one storage holds, if it is one.
func (w *Walk) storage(f file, c *compound, dir string) (bool, error) {
	g := f
	if dir != "" {
		g = f.in(strings.TrimSuffix(dir, "/"), nil)
	}
	switch {
	case c.stream(dir, "WordDocument") != nil:
		return true, w.wordBinary(g, c, dir)
	case c.stream(dir, "Workbook") != nil:
		return true, w.biff(g, c.stream(dir, "Workbook"))
	case c.stream(dir, "Book") != nil:
		return true, w.biff(g, c.stream(dir, "Book"))
	case c.stream(dir, "PowerPoint Document") != nil:
		return true, w.pptBinary(g, c, dir)
	case c.stream(dir, "__properties_version1.0") != nil && !strings.Contains(dir, "__"):
		return true, w.msg(g, c, dir)
	case c.stream(dir, "Ole10Native") != nil:
		w.packaged(g, c.stream(dir, "Ole10Native"))
		return true, nil
	case c.stream(dir, "Package") != nil:
		w.file(g.in("package", c.stream(dir, "Package")))
		return true, nil
	case c.stream(dir, "CONTENTS") != nil && kind.Of("", c.stream(dir, "CONTENTS")) != kind.Unknown:
		w.file(g.in("contents", c.stream(dir, "CONTENTS")))
		return true, nil
	}
	return false, nil
}

// oleForms reports macros and searches the document properties.
func (w *Walk) oleForms(f file, c *compound) {
	for _, name := range c.order {
		base := path.Base(strings.TrimSuffix(name, "/"))
		switch base {
		case "VBA", "_VBA_PROJECT_CUR", "_VBA_PROJECT":
			w.out.Form(FormMacro, Attachment, f.path, "VBA")
		case "SummaryInformation", "DocumentSummaryInformation":
			w.text(Text{Text: detect.Text{Body: summary(c.streams[name])}, Where: Attachment, Path: f.path + "#properties", First: true})
		}
	}
}

// summary reads the strings of a property set (MS-OLEPS): the sections are not
// followed, every string of it is.
func summary(b []byte) string {
	var out strings.Builder
	page := "windows-1252"
	for i := 48; i+8 <= len(b); i += 4 {
		t, n := binary.LittleEndian.Uint32(b[i:]), binary.LittleEndian.Uint32(b[i+4:])
		switch {
		case t == 2 && i == 48+16: // the code page often stands first
			page = rtf.CodePage(int(n & 0xffff))
		case t == 0x1e && n > 1 && int64(n) <= int64(len(b)-i-8):
			out.WriteString(message.DecodeText(bytes.TrimRight(b[i+8:i+8+int(n)], "\x00"), page)[0] + "\n")
		case t == 0x1f && n > 1 && int64(n)*2 <= int64(len(b)-i-8):
			out.WriteString(wideText(b[i+8:i+8+int(n)*2]) + "\n")
		}
	}
	return out.String()
}

// packaged reads the file that the Packager wraps: size, two names, two paths,
// then the bytes.
func (w *Walk) packaged(f file, b []byte) {
	if len(b) < 8 {
		return
	}
	rest := b[6:]
	name, rest, ok := bytes.Cut(rest, []byte{0})
	if !ok {
		return
	}
	if _, rest, ok = bytes.Cut(rest, []byte{0}); !ok || len(rest) < 8 {
		return
	}
	n := binary.LittleEndian.Uint32(rest[4:])
	if int64(n) > int64(len(rest)-12) {
		w.strings(file{path: f.path, body: b})
		return
	}
	rest = rest[8+n:]
	size := binary.LittleEndian.Uint32(rest)
	body := rest[4:min(len(rest), 4+int(size))]
	w.file(f.in(message.DecodeText(name, "shift_jis")[0], body))
}

// wideText decodes UTF-16LE up to the first NUL.
func wideText(b []byte) string {
	for i := 0; i+1 < len(b); i += 2 {
		if b[i] == 0 && b[i+1] == 0 {
			b = b[:i]
			break
		}
	}
	return utf16LE(b)
}
