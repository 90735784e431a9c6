package facsimile

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"math"

	"golang.org/x/image/bmp"
	xdraw "golang.org/x/image/draw"
	"golang.org/x/image/math/f64"
	"golang.org/x/image/webp"
)

// decoder is one kind of picture.
type decoder struct {
	magic  string // '?' stands for any byte
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
}

func decoders() map[string]decoder {
	return map[string]decoder{
		"jpeg": {"\xff\xd8\xff", jpeg.DecodeConfig, jpeg.Decode},
		"png":  {"\x89PNG\r\n\x1a\n", png.DecodeConfig, png.Decode},
		"gif":  {"GIF8?a", gif.DecodeConfig, gif.Decode}, // its first frame
		"webp": {"RIFF????WEBPVP8", webp.DecodeConfig, webp.Decode},
		"bmp":  {"BM????\x00\x00\x00\x00", bmp.DecodeConfig, bmp.Decode},
	}
}

// pictureKind finds a picture by its first bytes, "" for what is none, and refuses one that would unpack to too much:
// a few bytes may promise a picture of gigabytes.
func pictureKind(body []byte) (string, error) {
	for kind, d := range decoders() {
		if !begins(body, d.magic) {
			continue
		}
		c, err := d.config(bytes.NewReader(body))
		if err != nil || c.Width < 1 || c.Height < 1 {
			return "", ErrDamaged
		}
		if int64(c.Width)*int64(c.Height) > maxPixels {
			return "", ErrLarge
		}
		return kind, nil
	}
	return "", nil
}

func begins(body []byte, magic string) bool {
	if len(body) < len(magic) {
		return false
	}
	for i := range len(magic) {
		if magic[i] != '?' && magic[i] != body[i] {
			return false
		}
	}
	return true
}

func picturePage(o work, body []byte, kind string) (*Page, error) {
	if o.Page != 1 {
		return nil, ErrNoPage
	}
	img, err := decoders()[kind].decode(bytes.NewReader(body))
	if err != nil {
		return nil, ErrDamaged
	}
	turn := 1
	if kind == "jpeg" {
		turn = orientation(body)
	}
	return finished(o, upright(img, turn), 1)
}

// upright gives the picture as its camera was held, no larger than a page, on white.
func upright(img image.Image, turn int) *image.RGBA {
	b := img.Bounds()
	w, h := float64(b.Dx()), float64(b.Dy())
	// What is at (x, y) goes to (a·x + b·y + c, d·x + e·y + f); Exif numbers the eight ways.
	ways := map[int]f64.Aff3{
		2: {-1, 0, w, 0, 1, 0}, 3: {-1, 0, w, 0, -1, h}, 4: {1, 0, 0, 0, -1, h},
		5: {0, 1, 0, 1, 0, 0}, 6: {0, -1, h, 1, 0, 0}, 7: {0, -1, h, -1, 0, w}, 8: {0, 1, 0, -1, 0, w},
	}
	way, known := ways[turn]
	if !known {
		way = f64.Aff3{1, 0, 0, 0, 1, 0}
	}
	if turn >= 5 && known {
		w, h = h, w
	}
	scale := min(1, maxWidth/w, maxHeight/h)
	paper := whitePaper(image.Pt(max(1, int(math.Round(w*scale))), max(1, int(math.Round(h*scale)))))
	for i := range way {
		way[i] *= scale
	}
	x, y := float64(b.Min.X), float64(b.Min.Y)
	way[2] -= way[0]*x + way[1]*y
	way[5] -= way[3]*x + way[4]*y
	xdraw.ApproxBiLinear.Transform(paper, way, img, b, xdraw.Over, nil)
	return paper
}

// orientation reads the one tag of Exif that changes how a photograph is seen; 1 where there is none. Everything else
// in there, such as where it was taken, ends here.
func orientation(body []byte) int {
	for at := 2; at+4 <= len(body) && body[at] == 0xff; {
		size := int(binary.BigEndian.Uint16(body[at+2:]))
		if body[at+1] == 0xda || size < 2 || at+2+size > len(body) {
			return 1
		}
		segment := body[at+4 : at+2+size]
		if body[at+1] == 0xe1 && bytes.HasPrefix(segment, []byte("Exif\x00\x00")) {
			return tiffOrientation(segment[6:])
		}
		at += 2 + size
	}
	return 1
}

func tiffOrientation(t []byte) int {
	var order binary.ByteOrder = binary.LittleEndian
	switch {
	case len(t) < 8:
		return 1
	case t[0] == 'M':
		order = binary.BigEndian
	}
	at := int64(order.Uint32(t[4:]))
	if at < 8 || at+2 > int64(len(t)) {
		return 1
	}
	n := int(order.Uint16(t[at:]))
	for i := range n {
		entry := at + 2 + int64(i)*12
		if entry+12 > int64(len(t)) {
			return 1
		}
		if order.Uint16(t[entry:]) == 0x0112 {
			return int(order.Uint16(t[entry+8:]))
		}
	}
	return 1
}
