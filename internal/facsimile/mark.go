package facsimile

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"strconv"
	"strings"

	xdraw "golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gomedium"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/f64"
	"golang.org/x/image/math/fixed"
)

// mark draws the lines across the whole picture, again and again, so that no part of it that says anything can be cut
// out without them: a dark letter with a light edge is seen on white paper and in a night photograph.
func mark(img *image.RGBA, lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	size := min(max(float64(img.Rect.Dx())/36, 12), 40)
	stamp, err := stampOf(lines, size)
	if err != nil {
		return err
	}
	w, h := float64(stamp.Rect.Dx()), float64(stamp.Rect.Dy())
	sin, cos := math.Sincos(-math.Pi / 7)
	stepX, stepY := w*0.92, h+3.2*size
	reach := w + float64(img.Rect.Dx()) + float64(img.Rect.Dy())
	for row, y := 0, -reach/2; y < reach; row, y = row+1, y+stepY {
		shift := float64(row%2) * stepX / 2
		for x := -reach; x < reach; x += stepX {
			// The grid is turned as a whole about the corner of the picture.
			ox, oy := (x+shift)*cos-y*sin, (x+shift)*sin+y*cos
			if ox > float64(img.Rect.Dx())+w || oy > float64(img.Rect.Dy())+w || ox < -w || oy < -w-h {
				continue
			}
			xdraw.ApproxBiLinear.Transform(img, f64.Aff3{cos, -sin, ox, sin, cos, oy}, stamp, stamp.Rect, xdraw.Over, nil)
		}
	}
	return nil
}

// stampOf is the lines, one below the other, on nothing.
func stampOf(lines []string, size float64) (*image.RGBA, error) {
	parsed, err := opentype.Parse(gomedium.TTF)
	if err != nil {
		return nil, fmt.Errorf("read font: %w", err)
	}
	face, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingNone})
	if err != nil {
		return nil, fmt.Errorf("read font: %w", err)
	}
	wide := 0
	for i, line := range lines {
		lines[i] = writable(line)
		wide = max(wide, font.MeasureString(face, lines[i]).Ceil())
	}
	high := int(size * 1.3)
	stamp := image.NewRGBA(image.Rect(0, 0, wide+int(2*size), high*len(lines)+int(size/2)))
	for i, line := range lines {
		for _, ink := range []struct {
			off  int
			with color.Color
		}{{1, color.RGBA{R: 70, G: 70, B: 70, A: 70}}, {0, color.RGBA{R: 18, G: 18, B: 24, A: 84}}} {
			d := font.Drawer{Dst: stamp, Src: image.NewUniform(ink.with), Face: face,
				Dot: fixed.P(ink.off+int(size/2), ink.off+high*(i+1)-int(size*0.2))}
			d.DrawString(line)
		}
	}
	return stamp, nil
}

// writable writes what the font does not have by its number: an address must stay the address.
func writable(line string) string {
	quoted := strconv.QuoteToASCII(line)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}
