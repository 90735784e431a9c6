package carrier

import (
	"strconv"
	"strings"

	"github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"
)

// wordReader follows one part of a Word document: its text, and what in it
// nobody sees.
type wordReader struct {
	t         *wordText
	inText    bool
	inDeleted bool
	run       runLook
	shaded    []bool // an own background, by open paragraph and cell
	grounds   int    // how many of them are coloured
	boxes     int    // text boxes, whose fill lies elsewhere
	far       bool   // the current drawing stands off the page
	drawings  int
	posOffset bool
	page      int64 // width of the page in EMU
	shapes    int   // open VML shapes inside the far one
	vanished  map[string]bool
	paragraph bool // its style hides it
	aside     strings.Builder
	found     []string
}

// runLook is how a run is shown.
type runLook struct {
	open                       bool
	vanish, white, tiny, shade bool
}

// Units of drawings (EMU) and the page that is taken where none is named.
const (
	emuPerTwip  = 635
	emuA3       = 297 * 36000
	emuFarthest = 558 * 36000 // the widest page Word knows
)

// vanishedStyles are the styles that hide what is written in them.
func vanishedStyles(body []byte) map[string]bool {
	out := map[string]bool{}
	style := ""
	x := newXML(body)
	for tok := x.next(); tok != xmlEnd; tok = x.next() {
		switch {
		case tok == xmlChars:
		case x.opens("style"):
			style = x.attr("styleId")
		case x.opens("vanish") && x.attr("val") != "0" && x.attr("val") != "false":
			out[style] = true
		}
	}
	return out
}

// wordPart reads one part of a document; vanished are the styles that hide.
func (o *office) wordPart(place string, x *xmlScanner, vanished map[string]bool) {
	r := &wordReader{t: &wordText{}, page: emuA3, vanished: vanished}
	r.t.b.Grow(o.w.limits.piece(len(x.s)))
	for n := 0; ; n++ {
		if n%4096 == 0 && o.w.over() != nil {
			o.err = errTime
			break
		}
		tok := x.next()
		if tok == xmlEnd {
			break
		}
		if tok == xmlChars {
			r.chars(x.text)
			continue
		}
		r.tag(x)
		if r.t.full(o.w.limits.Text) {
			o.emitWord(place, r.t)
			r.t = &wordText{tables: r.t.tables}
			r.t.b.Grow(o.w.limits.piece(len(x.s) - x.at))
		}
	}
	o.emitWord(place, r.t)
	o.text(place, r.aside.String())
	for _, how := range r.found {
		o.hidden(place, how)
	}
}

// note keeps each way to hide something once.
func (r *wordReader) note(how string) { r.found = once(r.found, how) }

func (r *wordReader) chars(s string) {
	if r.posOffset {
		if n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64); err == nil && (n > r.page || n < -r.page) {
			r.far = true
		}
		return
	}
	if !r.inText {
		return
	}
	r.t.b.WriteString(s)
	if strings.TrimSpace(s) == "" {
		return
	}
	switch {
	case r.inDeleted:
		r.note(trackedDeletion)
	case r.run.vanish, r.paragraph:
		r.note(hiddenText)
	case r.run.tiny:
		r.note(tinyText)
	case r.run.white && !r.run.shade && !r.onColour():
		r.note(whiteText)
	case r.far && r.drawings > 0:
		r.note(offPage)
	}
}

// onColour: white letters on a coloured ground are a heading.
func (r *wordReader) onColour() bool { return r.grounds > 0 || r.boxes > 0 }

func (r *wordReader) tag(x *xmlScanner) {
	switch x.name {
	case "t", "delText", "instrText", "delInstrText":
		r.inText, r.inDeleted = !x.closing && !x.empty, x.name == "delText"
		return
	case "r":
		r.run = runLook{open: !x.closing}
		return
	case "p", "tc":
		r.ground(x)
		r.paragraph = false
	case "shape", "rect", "roundrect", "oval":
		r.shape(x)
	case "txbxContent", "textbox":
		r.boxes += sign(x)
	case "anchor":
		r.drawings += sign(x)
		if x.closing {
			r.far = false
		}
	case "posOffset":
		r.posOffset = !x.closing && !x.empty
	case "pgSz":
		if n, err := strconv.ParseInt(x.attr("w"), 10, 64); err == nil && n > 0 {
			r.page = min(n*emuPerTwip, emuFarthest)
		}
	case "srcRect":
		if !x.closing && cropped(x) {
			r.note(croppedPicture)
		}
	}
	if !x.closing {
		r.look(x)
		if speaking(x.name) {
			x.says(&r.aside, false)
		}
	}
	r.t.structure(x)
}

// speaking elements have attributes that people write: pictures and shapes,
// links, fields, watermarks, choices of forms.
func speaking(name string) bool {
	switch name {
	case "docPr", "cNvPr", "textpath", "fldSimple", "listItem", "hyperlink", "hlinkClick", "shape", "rect", "imagedata", "alias", "tag", "a", "frame":
		return true
	}
	return false
}

// shape follows the drawings of older Word, which say their place in a style.
func (r *wordReader) shape(x *xmlScanner) {
	switch {
	case x.closing && r.shapes > 0:
		if r.shapes--; r.shapes == 0 {
			r.far = false
			r.drawings--
		}
	case x.closing, x.empty:
	case r.shapes > 0:
		r.shapes++
	case r.shapeAway(x.attr("style")):
		r.far, r.shapes = true, 1
		r.drawings++
	}
}

// shapeAway says that a shape stands off the page: CSS with lengths in points.
func (r *wordReader) shapeAway(style string) bool {
	for _, one := range strings.Split(style, ";") {
		name, value, _ := strings.Cut(one, ":")
		if name = strings.TrimSpace(name); name != "margin-left" && name != "margin-top" && name != "left" && name != "top" {
			continue
		}
		n, ok := points(strings.TrimSpace(value))
		if emu := int64(n * 12700); ok && (emu > 2*r.page || emu < -r.page) {
			return true
		}
	}
	return false
}

// ground opens and closes what may have a background of its own.
func (r *wordReader) ground(x *xmlScanner) {
	switch {
	case x.empty:
	case !x.closing:
		r.shaded = append(r.shaded, false)
	case len(r.shaded) > 0:
		if r.shaded[len(r.shaded)-1] {
			r.grounds--
		}
		r.shaded = r.shaded[:len(r.shaded)-1]
	}
}

// shade notes the background of the innermost paragraph or cell.
func (r *wordReader) shade() {
	if n := len(r.shaded); n > 0 && !r.shaded[n-1] {
		r.shaded[n-1] = true
		r.grounds++
	}
}

// look reads the properties of a run, or the background around it.
func (r *wordReader) look(x *xmlScanner) {
	on := func() bool { v := x.attr("val"); return v != "0" && v != "false" && v != "none" }
	switch x.name {
	case "vanish":
		r.run.vanish = r.run.open && on()
	case "rStyle":
		r.run.vanish = r.run.vanish || r.run.open && r.vanished[x.attr("val")]
	case "pStyle":
		r.paragraph = r.vanished[x.attr("val")]
	case "docPr":
		if v := x.attr("hidden"); v == "1" || v == "true" {
			r.note(hiddenText)
		}
	case "color":
		r.run.white = r.run.open && white(x.attr("val"))
	case "sz":
		n, err := strconv.Atoi(x.attr("val")) // half points
		r.run.tiny = r.run.open && err == nil && n < 2*tinyPoints
	case "highlight":
		r.run.shade = r.run.open && on()
	case "shd":
		fill := x.attr("fill")
		plain := (fill == "" || fill == "auto" || white(fill)) && x.attr("themeFill") == ""
		if plain && (x.attr("val") == "clear" || x.attr("val") == "nil" || x.attr("val") == "") {
			return
		}
		if r.run.open {
			r.run.shade = true
		} else {
			r.shade()
		}
	case "background":
		if c := x.attr("color"); c != "" && !white(c) {
			r.grounds++ // the whole page
		}
	}
}

func (o *office) emitWord(place string, t *wordText) {
	p := o.f.path
	if place != "" {
		p += "#" + place
	}
	o.w.text(Text{Text: detect.Text{Body: t.b.String(), Cells: t.cells, Title: o.f.name}, Where: Attachment, Path: p, First: true})
	if strings.HasPrefix(place, "comments") && strings.TrimSpace(t.b.String()) != "" {
		o.hidden(place, aComment)
	}
}
