package carrier

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/kind"
)

// behind opens the file that stands behind another: an archive appended to a
// picture or to a program that unpacks itself.
func (w *Walk) behind(f file, k string) error {
	at, zip := kind.Behind(f.body, k)
	if at < 0 {
		return nil
	}
	if zip {
		if err := w.zip(f, kind.Zip); !errors.Is(err, errNoArchive) {
			return err
		}
		return nil
	}
	w.out.Form(FormHidden, Attachment, f.path+"#after", aroundArchive)
	w.file(f.outOf("after", f.body[at:]))
	return nil
}

// quiet looks at a picture, sound or film. One that is none, or one with a file
// behind it, is how a list leaves the house as holiday.jpg.
func (w *Walk) quiet(f file, k string) {
	switch {
	case kind.IsText(f.body), len(f.body) > disguise && kind.IsText(f.body[disguise:]):
		for i, s := range w.readings(f) {
			w.text(Text{Text: detect.Text{Body: s, Title: f.name}, Where: Attachment, Path: f.path, First: i == 0})
		}
	case k == "image/png" || k == "image/jpeg" || k == "image/gif":
		if s := pictureText(f.body, k); s != "" {
			w.text(Text{Text: detect.Text{Body: s, Title: f.name}, Where: Attachment, Path: f.path + "#properties", First: true})
		}
	}
	w.picture(f, k)
}

// disguise is how long a borrowed header may be.
const disguise = 64

func (w *Walk) readings(f file) []string {
	all := message.DecodeText(f.body, f.label)
	return all[:min(len(all), w.limits.ReadingsPerPart)]
}

// Files in base64 inside texts: how many letters the shortest has, how many are
// looked for, and how long a line is that the next continues.
const (
	minBlob   = 240
	maxBlobs  = 50
	blobLine  = 40
	blobSniff = 4096
	// maxUnknown is how much a page may hold that is no known file, before it
	// counts as sealed where it also decrypts.
	maxUnknown = 1024
)

// blobs opens the files that a text carries in base64: pasted into a mail, in a
// data: address, or in a script that puts them on the reader's disk. unknown is
// the size of the largest that is no file anybody knows.
func (w *Walk) blobs(f file, s string) (unknown int) {
	found := 0
	for at := 0; found < maxBlobs; {
		from, to := nextBlob(s, at)
		if from < 0 || w.over() != nil {
			return unknown
		}
		at = to
		body := unbase64(s[from:min(to, from+blobSniff)])
		k := kind.Of("", body)
		if k == kind.Unknown || len(body) < minBlob/2 || strings.HasPrefix(k, "text/") && !wording(body) {
			unknown = max(unknown, (to-from)*3/4)
			continue
		}
		if kind.Silent(k) && w.readers.OCR == nil && to-from < blobSniff {
			continue
		}
		found++
		body = unbase64(s[from:to])
		if at, _ := kind.Behind(body, k); kind.Silent(k) && w.readers.OCR == nil && at < 0 {
			continue // the pictures of a page
		}
		w.expanded += int64(len(body))
		w.file(f.outOf("base64-"+itoa(found), body))
	}
	return unknown
}

// wording says that bytes which may be a text are one: a line of dashes decodes
// to letters too.
func wording(b []byte) bool {
	var seen [256]bool
	distinct := 0
	for _, c := range b {
		if !seen[c] {
			seen[c] = true
			distinct++
		}
	}
	if distinct < 16 {
		return false
	}
	// The end may be cut inside a character.
	return bytes.IndexByte(b, 0) >= 0 || strings.Count(strings.ToValidUTF8(string(b), "\uFFFD"), "\uFFFD") < 2 ||
		strings.Count(message.DecodeText(b, "shift_jis")[0], "\uFFFD") < utf8.UTFMax
}

// nextBlob finds the next long run of base64. Line ends may stand in it where
// lines are long, as programs and people wrap them.
func nextBlob(s string, at int) (from, to int) {
	for {
		from = nextLine64(s, at)
		if from < 0 {
			return -1, -1
		}
		letters, lineStart := 0, from
		for at = from; at < len(s); {
			if letter64[s[at]] {
				at++
				letters++
				continue
			}
			next := afterBreak(s, at)
			if at-lineStart < blobLine || next == at {
				break
			}
			at, lineStart = next, next
		}
		if letters >= minBlob {
			return from, at
		}
	}
}

// nextLine64 finds the next line's worth of letters, -1 for none. Of each stretch
// that long the last letter decides first, so that prose is passed in leaps.
func nextLine64(s string, at int) int {
	for at+blobLine <= len(s) {
		i := at + blobLine - 1
		for i >= at && letter64[s[i]] {
			i--
		}
		if i < at {
			return at
		}
		at = i + 1
	}
	return -1
}

// afterBreak is where the next line of base64 goes on, at where it does not:
// behind a line end, or where a script joins one string to the next.
func afterBreak(s string, at int) int {
	i, quotes, ended := at, 0, false
	for i < len(s) && i < at+16 && strings.IndexByte("\r\n \t>\"'`,+", s[i]) >= 0 {
		switch s[i] {
		case '\n':
			ended = true
		case '"', '\'', '`':
			quotes++
		case '+', ',':
			if quotes != 1 {
				return at
			}
		}
		i++
	}
	if strings.HasPrefix(s[at:], `\n`) || strings.HasPrefix(s[at:], `\r\n`) { // inside a string of a script
		i, ended = at+2+2*strings.Count(s[at:at+2], "r"), true
	}
	if !ended && quotes != 2 || quotes == 1 || i >= len(s) || !letter64[s[i]] {
		return at
	}
	return i
}

// letter64 are the letters of both alphabets, and the padding.
var letter64 = func() (set [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=") {
		set[c] = true
	}
	return set
}()

// unbase64 decodes what it can.
func unbase64(s string) []byte {
	clean := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '-':
			clean = append(clean, '+')
		case '_':
			clean = append(clean, '/')
		case '=':
		case '\\': // the n of \n is no letter of it
			i++
		case '"', '\'', '`': // up to where the next string begins
			if end := strings.IndexByte(s[i+1:min(len(s), i+16)], c); end >= 0 {
				i += end + 1
			}
		default:
			if letter64[c] {
				clean = append(clean, c)
			}
		}
	}
	if len(clean)%4 == 1 {
		clean = clean[:len(clean)-1]
	}
	n, err := base64.RawStdEncoding.Decode(clean, clean)
	if err != nil {
		return nil
	}
	return clean[:n]
}

// sealed says that a page decrypts by script what it carries: what people send
// who want no archive to be looked into.
func sealed(s string, unknown int) bool {
	if unknown < maxUnknown {
		return false
	}
	for _, mark := range []string{"crypto.subtle", "CryptoJS", "sjcl.", "decrypt(", "forge.cipher"} {
		if strings.Contains(s, mark) {
			return true
		}
	}
	return false
}

// pictureText is what the properties of a picture say: comments, captions, the
// names and places that cameras and programs write. Their length is bounded by
// the picture's.
func pictureText(b []byte, k string) string {
	var out strings.Builder
	switch k {
	case "image/png":
		for at := 8; at+12 <= len(b); {
			n := int(uint32(b[at])<<24 | uint32(b[at+1])<<16 | uint32(b[at+2])<<8 | uint32(b[at+3]))
			if n < 0 || n > len(b)-at-12 {
				break
			}
			switch string(b[at+4 : at+8]) {
			case "tEXt", "iTXt":
				out.WriteString(readable8(b[at+8:at+8+n]) + "\n")
			}
			at += 12 + n
		}
	case "image/jpeg":
		for at := 2; at+4 <= len(b) && b[at] == 0xff && b[at+1] != 0xda; {
			n := int(b[at+2])<<8 | int(b[at+3])
			if n < 2 || at+2+n > len(b) {
				break
			}
			body := b[at+4 : at+2+n]
			switch {
			case b[at+1] == 0xfe:
				out.WriteString(readable8(body) + "\n")
			case b[at+1] == 0xe1 && strings.HasPrefix(string(body[:min(len(body), 28)]), "http://ns.adobe.com/xap/"):
				out.WriteString(xmlText(readable8(body)))
			}
			at += 2 + n
		}
	}
	return out.String()
}

// readable8 is a text in UTF-8 or Shift_JIS, its NULs turned into line ends.
func readable8(b []byte) string {
	s := strings.ReplaceAll(string(b), "\x00", "\n")
	if !utf8.ValidString(s) {
		s = message.DecodeText([]byte(s), "")[0]
	}
	return s
}
