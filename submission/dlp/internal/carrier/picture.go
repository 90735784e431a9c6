package carrier

import (
	"bytes"
	"context"
	"image"
	_ "image/gif" // the formats whose size is known before they are decoded
	_ "image/jpeg"
	_ "image/png"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"
)

// OCR reads the text of a picture.
type OCR func(ctx context.Context, picture []byte) (string, error)

// Why a file was looked at and not read; none of them is a reason to hold a mail.
const (
	SkippedMedia    = "media"          // sound, film, fonts: no text
	SkippedPicture  = "picture"        // nobody reads pictures here
	SkippedSmall    = "small_picture"  // an icon or a line
	SkippedPictures = "picture_limit"  // enough pictures were read in this mail
	SkippedFailed   = "picture_failed" // the reader of pictures could not
)

// Skips are all of them.
func Skips() []string {
	return []string{SkippedMedia, SkippedPicture, SkippedSmall, SkippedPictures, SkippedFailed}
}

// Sizes of pictures that may hold text worth reading.
const (
	minWidth   = 160
	minHeight  = 48
	maxPixels  = 80 << 20
	minUnknown = 8 << 10 // bytes, where the size in pixels is not known
)

// picture reads a picture where there is a reader. Pictures are read as a help,
// in the number and time that Limits allow: a picture that was not read is told
// and does not hold the mail, as where there is no reader.
func (w *Walk) picture(f file, k string) {
	switch {
	case !strings.HasPrefix(k, "image/"):
		w.out.Skipped(f.path, SkippedMedia)
	case w.readers.OCR == nil:
		w.out.Skipped(f.path, SkippedPicture)
	case !worthReading(f.body, k):
		w.out.Skipped(f.path, SkippedSmall)
	default:
		if _, why := w.readPicture(f.path, f.name, f.body); why != "" {
			w.out.Skipped(f.path, why)
		}
	}
}

// readPicture searches the text of a picture; why says that it was not read.
func (w *Walk) readPicture(path, title string, body []byte) (text bool, why string) {
	if w.pictures >= w.limits.Pictures || w.spent >= w.limits.PictureTime || w.over() != nil {
		return false, SkippedPictures
	}
	w.pictures++
	began := time.Now()
	s, err := w.readers.OCR(w.ctx, body)
	took := time.Since(began)
	w.spent += took
	if !w.deadline.IsZero() {
		w.deadline = w.deadline.Add(took) // pictures have a time of their own
	}
	if err != nil {
		return false, SkippedFailed
	}
	if s = unspaced(s); strings.TrimSpace(s) == "" {
		return false, ""
	}
	w.text(Text{Text: detect.Text{Body: s, Title: title}, Where: Attachment, Path: path, First: true})
	return true, ""
}

// unspaced takes out the spaces that OCR puts between Japanese characters.
func unspaced(s string) string {
	var b strings.Builder
	r := []rune(s)
	for i, c := range r {
		if c == ' ' && i > 0 && i+1 < len(r) && wideRune(r[i-1]) && wideRune(r[i+1]) {
			continue
		}
		b.WriteRune(c)
	}
	return b.String()
}

func wideRune(r rune) bool {
	return r >= 0x3000 && r < 0x3100 || r >= 0x3400 && r < 0xA000 || r >= 0xFF00 && r < 0xFFF0
}

// worthReading says by the header of a picture whether text may be in it.
func worthReading(body []byte, k string) bool {
	switch k {
	case "image/png", "image/jpeg", "image/gif":
		c, _, err := image.DecodeConfig(bytes.NewReader(body))
		return err == nil && c.Width >= minWidth && c.Height >= minHeight && int64(c.Width)*int64(c.Height) <= maxPixels
	case "image/tiff", "image/bmp", "image/webp", "image/jp2", "image/x-portable-bitmap", "image/x-portable-graymap", "image/x-portable-pixmap":
		return len(body) >= minUnknown
	}
	return false
}
