package carrier

import (
	"archive/zip"
	"bytes"
	"compress/bzip2"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"

	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/kind"
)

// archive is a ZIP file read in both ways readers read them: by its central
// directory and by the headers before the entries. Where the two differ, one
// program shows what another hides, so both are searched and the file counts as
// damaged.
type archive struct {
	body    []byte
	entries []entry
	torn    bool // the two lists differ, or there is no directory
	comment string
	before  []byte // in front of the first entry
	after   []byte // behind the directory
}

// entry is one file of an archive.
type entry struct {
	name      string
	method    uint16
	encrypted bool
	packed    []byte
	size      int64 // as declared, 0 when unknown
	crc       uint32
	directory bool
}

// localHeader is the fixed part before each entry.
const (
	localMagic  = "PK\x03\x04"
	localHeader = 30
	flagCrypt   = 1
	flagLater   = 8 // sizes follow the data
	flagUTF8    = 0x800
	methodAES   = 99
)

func openZip(w *Walk, b []byte) (*archive, error) {
	a := &archive{body: b}
	r, err := zip.NewReader(newReader(w, b), int64(len(b)))
	if r == nil || err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		a.torn = true
		a.scanLocal(nil)
		if len(a.entries) == 0 {
			return nil, fmt.Errorf("read directory: %w: %w", errNoArchive, err)
		}
		return a, nil
	}
	if len(r.File) > w.limits.Entries {
		return nil, ErrMany
	}
	a.comment = r.Comment
	covered := make([][2]int, 0, len(r.File))
	for _, f := range r.File {
		span, ok := a.central(f)
		if !ok {
			a.torn = true
			continue
		}
		covered = append(covered, span)
	}
	a.scanLocal(covered)
	a.margins(covered)
	return a, nil
}

// margins finds what stands around the archive: programs that unpack themselves
// begin so, and so do files hidden behind a picture. covered is sorted.
func (a *archive) margins(covered [][2]int) {
	if len(covered) > 0 && covered[0][0] > 0 && !bytes.HasPrefix(a.body, []byte(localMagic)) {
		a.before = a.body[:covered[0][0]]
	}
	end := endOfDirectory(a.body)
	if end < 0 {
		return
	}
	if end += 22 + len(a.comment); end < len(a.body) {
		a.after = a.body[end:]
	}
}

// endOfDirectory is where the last record of the archive stands, -1 for nowhere.
func endOfDirectory(b []byte) int {
	from := max(0, len(b)-22-1<<16)
	if i := bytes.LastIndex(b[from:], []byte("PK\x05\x06")); i >= 0 && len(b)-from-i >= 22 {
		return from + i
	}
	return -1
}

// around searches the comment of an archive and what stands before and behind it.
func (w *Walk) around(f file, a *archive) {
	if text := message.DecodeText([]byte(a.comment), "")[0]; strings.TrimSpace(text) != "" {
		w.text(Text{Text: detect.Text{Body: text}, Where: Attachment, Path: f.path + "#comment", First: true})
		w.out.Form(FormHidden, Attachment, f.path+"#comment", archiveComment)
	}
	for i, b := range [][]byte{a.before, a.after} {
		if len(bytes.Trim(b, "\x00\r\n\t ")) == 0 {
			continue
		}
		name := []string{"before", "after"}[i]
		if k := kind.Of("", b); k != kind.Unknown && k != kind.PE && k != kind.ELF {
			w.file(f.in(name, b))
		} else {
			w.strings(file{path: f.path + "#" + name, body: b})
		}
		w.out.Form(FormHidden, Attachment, f.path+"#"+name, aroundArchive)
	}
}

// central adds an entry of the directory and compares it with its local header.
func (a *archive) central(f *zip.File) ([2]int, bool) {
	at, err := f.DataOffset()
	if err != nil || at < localHeader || at > int64(len(a.body)) {
		return [2]int{}, false
	}
	end := at + int64(f.CompressedSize64)
	if end > int64(len(a.body)) || end < at {
		a.torn = true
		end = int64(len(a.body))
	}
	e := entry{
		name: zipName(f.Name, f.Flags&flagUTF8 != 0), method: f.Method, encrypted: f.Flags&flagCrypt != 0 || f.Method == methodAES,
		packed: a.body[at:end], size: int64(f.UncompressedSize64), crc: f.CRC32, directory: strings.HasSuffix(f.Name, "/") && f.UncompressedSize64 == 0,
	}
	a.entries = append(a.entries, e)
	start, ok := a.localOf(int(at), f)
	if !ok {
		a.torn = true
	}
	return [2]int{start, int(end)}, true
}

// localOf finds the local header that ends at data and says whether it agrees
// with the directory. Other names and methods there are what a streaming reader
// would show.
func (a *archive) localOf(data int, f *zip.File) (int, bool) {
	from := max(0, data-localHeader-len(f.Name)-(70<<10))
	for at := data - localHeader; at >= from; at-- {
		if string(a.body[at:at+4]) != localMagic {
			continue
		}
		h := a.body[at:]
		n, m := int(binary.LittleEndian.Uint16(h[26:])), int(binary.LittleEndian.Uint16(h[28:]))
		if at+localHeader+n+m != data {
			continue
		}
		name := string(h[localHeader : localHeader+n])
		flags, method := binary.LittleEndian.Uint16(h[6:]), binary.LittleEndian.Uint16(h[8:])
		if name != f.Name {
			a.entries = append(a.entries, entry{name: zipName(name, flags&flagUTF8 != 0), method: method, encrypted: flags&flagCrypt != 0, packed: a.entries[len(a.entries)-1].packed})
			return at, false
		}
		return at, method == f.Method && flags&flagCrypt == f.Flags&flagCrypt
	}
	return data, false
}

// scanLocal adds the entries that no directory entry covers.
func (a *archive) scanLocal(covered [][2]int) {
	slices.SortFunc(covered, func(x, y [2]int) int { return x[0] - y[0] })
	at := 0
	for _, c := range append(covered, [2]int{len(a.body), len(a.body)}) {
		for at < c[0] {
			i := bytes.Index(a.body[at:c[0]], []byte(localMagic))
			if i < 0 {
				break
			}
			at += i
			end, ok := a.local(at)
			if !ok {
				at += 4
				continue
			}
			at = end
		}
		at = max(at, c[1])
	}
}

// local reads the entry whose header stands at at.
func (a *archive) local(at int) (end int, ok bool) {
	h := a.body[at:]
	if len(h) < localHeader || len(a.entries) > 1<<16 {
		return at, false
	}
	n, m := int(binary.LittleEndian.Uint16(h[26:])), int(binary.LittleEndian.Uint16(h[28:]))
	flags, method := binary.LittleEndian.Uint16(h[6:]), binary.LittleEndian.Uint16(h[8:])
	data := localHeader + n + m
	if data > len(h) || n == 0 || method > 100 {
		return at, false
	}
	e := entry{name: zipName(string(h[localHeader:localHeader+n]), flags&flagUTF8 != 0), method: method, encrypted: flags&flagCrypt != 0 || method == methodAES,
		size: int64(binary.LittleEndian.Uint32(h[22:])), crc: binary.LittleEndian.Uint32(h[14:])}
	packed := int64(binary.LittleEndian.Uint32(h[18:]))
	if flags&flagLater != 0 && packed == 0 || int64(data)+packed > int64(len(h)) {
		next := bytes.Index(h[data:], []byte("PK"+"\x01\x02"))
		if local := bytes.Index(h[data:], []byte(localMagic)); local >= 0 && (next < 0 || local < next) {
			next = local
		}
		if next < 0 {
			next = len(h) - data
		}
		packed, e.size, e.crc = int64(next), 0, 0
	}
	e.packed = h[data : data+int(packed)]
	e.directory = strings.HasSuffix(e.name, "/") && len(e.packed) == 0
	a.entries = append(a.entries, e)
	a.torn = true
	return at + data + int(packed), true
}

// zipName decodes names that old Japanese Windows wrote in Shift_JIS.
func zipName(name string, utf8 bool) string {
	if utf8 {
		return strings.ToValidUTF8(name, "\uFFFD")
	}
	name = message.DecodeText([]byte(name), "")[0]
	return strings.ReplaceAll(name, `\`, "/")
}

// read unpacks an entry.
func (w *Walk) read(e entry) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(w.room(e))
	err := w.unpack(&b, e)
	return b.Bytes(), err
}

// readText unpacks an entry that will be read as text, without a second copy.
func (w *Walk) readText(e entry) (string, error) {
	var b strings.Builder
	b.Grow(w.room(e))
	err := w.unpack(&b, e)
	return b.String(), err
}

// room is what an entry says it needs, as far as that is believed: text packs to
// a tenth, and the rest grows as it comes.
func (w *Walk) room(e entry) int {
	return int(max(0, min(e.size, 24*int64(len(e.packed)), w.limits.Part)))
}

func (w *Walk) unpack(to pot, e entry) error {
	if e.encrypted {
		return ErrEncrypted
	}
	r, err := w.unpacker(e)
	if err != nil {
		return err
	}
	sum := crc32.NewIEEE()
	err = w.pour(to, io.TeeReader(r, sum), int64(len(e.packed)))
	if err == nil && e.crc != 0 && e.size > 0 && (int64(to.Len()) != e.size || sum.Sum32() != e.crc) {
		err = errors.New("checksum differs")
	}
	return err
}

func (w *Walk) unpacker(e entry) (io.Reader, error) {
	src := bytes.NewReader(e.packed)
	switch e.method {
	case zip.Store:
		return src, nil
	case zip.Deflate:
		if w.inflate == nil {
			w.inflate = flate.NewReader(src)
			return w.inflate, nil
		}
		return w.inflate, w.inflate.(flate.Resetter).Reset(src, nil)
	case 12:
		return bzip2.NewReader(src), nil
	case 14:
		return lzmaEntry(e)
	case 93:
		return zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
	case 95:
		if err := xzClaims(e.packed); err != nil {
			return nil, err
		}
		return xz.NewReader(src)
	}
	return nil, errUnsupported
}

// lzmaEntry puts the classic header before the raw stream of method 14.
func lzmaEntry(e entry) (io.Reader, error) {
	if len(e.packed) < 9 {
		return nil, io.ErrUnexpectedEOF
	}
	if binary.LittleEndian.Uint32(e.packed[5:]) > 64<<20 {
		return nil, ErrLarge
	}
	head := append([]byte{}, e.packed[4:9]...)
	head = binary.LittleEndian.AppendUint64(head, uint64(e.size))
	return lzma.NewReader(io.MultiReader(bytes.NewReader(head), bytes.NewReader(e.packed[9:])))
}

// zip searches every entry.
func (w *Walk) zip(f file, k string) error {
	a, err := openZip(w, f.body)
	if err != nil {
		return err
	}
	w.around(f, a)
	locked := false
	for _, e := range a.entries {
		if e.directory {
			w.name(f.in(e.name, nil))
			continue
		}
		if err := w.over(); err != nil {
			return err
		}
		b, err := w.read(e)
		inner := f.in(e.name, b)
		switch {
		case errors.Is(err, ErrEncrypted):
			locked = true
			w.label(inner)
		case err != nil && len(b) == 0:
			w.closed(inner, err)
		default:
			w.file(inner)
			if err != nil {
				w.failed(inner, err)
			}
		}
		if errors.Is(err, ErrLarge) && w.expanded > w.limits.Expanded {
			return ErrLarge
		}
	}
	switch {
	case locked:
		return ErrEncrypted
	case a.torn:
		return errors.New("directory and entries differ")
	case k == kind.AppleIWork:
		return errUnsupported // binary tables inside; their strings were searched
	}
	return nil
}
