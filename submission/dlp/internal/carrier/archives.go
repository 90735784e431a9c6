package carrier

import (
	"archive/tar"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"io"
	"strings"

	"github.com/bodgit/sevenzip"
	"github.com/klauspost/compress/zstd"
	"github.com/nwaples/rardecode/v2"
	"github.com/ulikunitz/xz"

	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/kind"
)

// compressed opens a file that holds one packed stream.
func (w *Walk) compressed(f file, k string) error {
	src := newReader(w, f.body)
	var r io.Reader
	var err error
	name := innerName(f.name)
	switch k {
	case kind.Gzip:
		var z *gzip.Reader
		if z, err = gzip.NewReader(src); err == nil {
			r = z
			if z.Name != "" {
				name = message.DecodeText([]byte(latinBytes(z.Name)), "")[0]
			}
		}
	case kind.Bzip2:
		r = bzip2.NewReader(src)
	case kind.XZ:
		if err = xzClaims(f.body); err == nil {
			r, err = xz.NewReader(src)
		}
	case kind.Zstd:
		var z *zstd.Decoder
		if z, err = zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20)); err == nil {
			defer z.Close()
			r = z
		}
	}
	if err != nil {
		return err
	}
	b, err := w.expand(r, int64(len(f.body)))
	if len(b) > 0 || err == nil {
		w.file(f.in(name, b))
	}
	return err
}

// innerName drops the extension of the packer: a.tar.gz holds a.tar.
func innerName(name string) string {
	ext := kind.Ext(name)
	if ext == "tgz" || ext == "tbz" || ext == "txz" {
		return name[:len(name)-len(ext)] + "tar"
	}
	if ext != "" && len(name) > len(ext)+1 {
		return name[:len(name)-len(ext)-1]
	}
	return "content"
}

// latinBytes undoes the Latin-1 decoding of compress/gzip.
func latinBytes(s string) []byte {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xff {
			return []byte(s)
		}
		b = append(b, byte(r))
	}
	return b
}

func (w *Walk) tar(f file) error {
	src := newReader(w, f.body)
	r := tar.NewReader(src)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			if rest := bytes.Trim(f.body[len(f.body)-src.Len():], "\x00"); len(rest) > 0 {
				w.out.Form(FormHidden, Attachment, f.path+"#after", aroundArchive)
				w.file(f.in("after", rest)) // some programs read on behind the end
			}
			return nil
		}
		if err != nil {
			return err
		}
		name := message.DecodeText([]byte(h.Name), "")[0]
		if h.Size == 0 { // links and directories; all else has content, whatever its type is called
			w.label(f.in(name, nil))
			continue
		}
		b, err := w.expand(r, 0)
		w.file(f.in(name, b))
		if err != nil {
			return err
		}
	}
}

func (w *Walk) sevenZip(f file) error {
	if err := sevenClaims(f.body); err != nil {
		return err
	}
	r, err := sevenzip.NewReader(newReader(w, f.body), int64(len(f.body)))
	if err != nil {
		return cryptic(err)
	}
	locked := false
	for _, e := range r.File {
		if e.FileInfo().IsDir() || e.UncompressedSize == 0 {
			w.label(f.in(e.Name, nil))
			continue
		}
		if err := w.over(); err != nil {
			return err
		}
		b, err := w.sevenEntry(e, int64(len(f.body)))
		inner := f.in(e.Name, b)
		switch err = cryptic(err); {
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
		if errors.Is(err, ErrLarge) {
			return err
		}
	}
	if locked {
		return ErrEncrypted
	}
	return nil
}

func (w *Walk) sevenEntry(e *sevenzip.File, packed int64) ([]byte, error) {
	if e.UncompressedSize > uint64(w.limits.Part) {
		return nil, ErrLarge
	}
	r, err := e.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return w.expand(r, packed)
}

// cryptic recognises what the libraries say of encrypted archives.
func cryptic(err error) error {
	if err == nil {
		return nil
	}
	var read *sevenzip.ReadError
	if errors.As(err, &read) && read.Encrypted {
		return ErrEncrypted
	}
	if errors.Is(err, rardecode.ErrArchiveEncrypted) || errors.Is(err, rardecode.ErrArchivedFileEncrypted) || errors.Is(err, rardecode.ErrBadPassword) {
		return ErrEncrypted
	}
	text := strings.ToLower(err.Error())
	if strings.Contains(text, "password") || strings.Contains(text, "encrypted") {
		return ErrEncrypted
	}
	return err
}

func (w *Walk) rar(f file) error {
	r, err := rardecode.NewReader(newReader(w, f.body), rardecode.MaxDictionarySize(64<<20))
	if err != nil {
		return cryptic(err)
	}
	locked := false
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return cryptic(err)
		}
		if h.IsDir {
			w.label(f.in(h.Name, nil))
			continue
		}
		if h.Encrypted || h.HeaderEncrypted {
			locked = true
			w.label(f.in(h.Name, nil))
			continue
		}
		b, err := w.expand(r, int64(len(f.body)))
		if err = cryptic(err); errors.Is(err, ErrEncrypted) {
			locked = true
			continue
		}
		w.file(f.in(h.Name, b))
		if err != nil {
			w.failed(f.in(h.Name, nil), err)
			return err
		}
	}
	if locked {
		return ErrEncrypted
	}
	return nil
}
