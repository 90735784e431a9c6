package carrier

import (
	"bytes"
	"errors"
)

// signedContent takes the content out of a CMS SignedData (RFC 5652 5.1), in DER
// or in BER with indefinite lengths, as mail programs write it.
func signedContent(b []byte) ([]byte, error) {
	data := []byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01}
	i := bytes.Index(b[:min(len(b), 4096)], data)
	if i < 0 {
		return nil, errors.New("no content")
	}
	r := &berReader{b: b, at: i + len(data)}
	tag, length, ok := r.head()
	if !ok || tag != 0xa0 {
		return nil, nil // detached, or certificates only
	}
	if length >= 0 {
		r.b = r.b[:min(len(r.b), r.at+length)]
	}
	var out []byte
	if err := r.octets(&out, 0); err != nil {
		return nil, err
	}
	return out, nil
}

// berReader reads tag, length and value.
type berReader struct {
	b  []byte
	at int
}

// head reads a tag and a length, -1 for indefinite.
func (r *berReader) head() (tag byte, length int, ok bool) {
	if r.at+2 > len(r.b) {
		return 0, 0, false
	}
	tag = r.b[r.at]
	first := r.b[r.at+1]
	r.at += 2
	if first < 0x80 {
		return tag, int(first), int(first) <= len(r.b)-r.at
	}
	if first == 0x80 {
		return tag, -1, true
	}
	n := int(first & 0x7f)
	if n > 4 || r.at+n > len(r.b) {
		return 0, 0, false
	}
	for range n {
		length = length<<8 | int(r.b[r.at])
		r.at++
	}
	return tag, length, length >= 0 && length <= len(r.b)-r.at
}

// maxBER bounds the nesting of constructed strings.
const maxBER = 8

// octets collects an octet string, which may be made of pieces.
func (r *berReader) octets(out *[]byte, depth int) error {
	if depth > maxBER {
		return errDeep
	}
	tag, length, ok := r.head()
	if !ok {
		return errors.New("damaged signature")
	}
	switch tag {
	case 0x04:
		if length < 0 {
			return errors.New("damaged signature")
		}
		*out = append(*out, r.b[r.at:r.at+length]...)
		r.at += length
		return nil
	case 0x24:
		end := len(r.b)
		if length >= 0 {
			end = r.at + length
		}
		for r.at+2 <= end {
			if length < 0 && r.b[r.at] == 0 && r.b[r.at+1] == 0 {
				r.at += 2
				return nil
			}
			if err := r.octets(out, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return errors.New("no octets")
}

// signed inspects what an opaque signature holds: a MIME entity in mails, any
// file in .p7m attachments. A detached signature holds nothing.
func (w *Walk) signed(f file) error {
	content, err := signedContent(f.body)
	if err != nil {
		return err
	}
	if len(content) == 0 {
		return nil
	}
	w.expanded += int64(len(content))
	head := bytes.ToLower(content[:min(len(content), 1024)])
	if bytes.Contains(head, []byte("content-type:")) || bytes.Contains(head, []byte("mime-version:")) {
		w.file(f.in("signed.eml", content))
		return nil
	}
	w.file(f.in("signed", content))
	return nil
}
