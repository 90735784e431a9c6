package carrier

import (
	"strings"
)

// pptx reads a presentation: slides, notes, comments.
func (w *Walk) pptx(f file) error {
	o, err := w.openOffice(f)
	if err != nil {
		return err
	}
	deck := o.deck()
	for _, name := range o.order {
		dir, place := slidePlace(name)
		if dir == "" {
			continue
		}
		body := o.part(name)
		if dir == "slides" && slideHidden(body) {
			o.hidden(place, hiddenSlide)
		}
		o.slide(dir, place, body, deck)
	}
	return o.rest()
}

// deck is what slides share: their size in EMU, and whether they are white.
type deck struct {
	width, height int64
	white         bool
}

// deck reads the size of the slides, and whether all masters have a white ground
// and no pictures: white text is shown on anything else.
func (o *office) deck() deck {
	d := deck{white: true}
	x := newXML(o.part("ppt/presentation.xml"))
	for tok := x.next(); tok != xmlEnd; tok = x.next() {
		if tok == xmlTag && x.opens("sldSz") {
			d.width, d.height = x.number("cx"), x.number("cy")
		}
	}
	for _, dir := range []string{"ppt/slideMasters/", "ppt/slideLayouts/"} {
		for _, name := range o.like(dir, ".xml") {
			if !strings.Contains(name, "/_rels/") && onColour(o.peek(name)) {
				d.white = false
			}
		}
	}
	return d
}

// onColour says that a slide or master has a ground, picture or filled shape
// that is not white.
func onColour(body []byte) bool {
	x := newXML(body)
	text := 0
	for tok := x.next(); tok != xmlEnd; tok = x.next() {
		if tok != xmlTag {
			continue
		}
		switch x.name {
		case "rPr", "defRPr", "endParaRPr", "ln", "txStyles", "lstStyle":
			text += sign(x)
		case "pic", "blipFill", "gradFill", "pattFill", "grpFill", "graphicFrame":
			return true
		case "srgbClr":
			if text == 0 && !white(x.attr("val")) {
				return true
			}
		case "schemeClr":
			if v := x.attr("val"); text == 0 && v != "bg1" && v != "lt1" && v != "phClr" {
				return true
			}
		}
	}
	return false
}

// slidePlace names what people see: slide3, notesSlide3, comment1.
func slidePlace(name string) (dir, place string) {
	for _, d := range []string{"slides", "notesSlides", "comments", "slideMasters", "slideLayouts", "notesMasters", "handoutMasters", "diagrams", "charts"} {
		prefix := "ppt/" + d + "/"
		if strings.HasPrefix(name, prefix) && strings.HasSuffix(name, ".xml") && !strings.Contains(name, "/_rels/") {
			return d, strings.TrimSuffix(strings.TrimPrefix(name, prefix), ".xml")
		}
	}
	return "", ""
}

func slideHidden(body []byte) bool {
	x := newXML(body[:min(len(body), 4096)])
	for tok := x.next(); tok != xmlEnd; tok = x.next() {
		if tok == xmlTag && x.opens("sld") {
			return x.attr("show") == "0"
		}
	}
	return false
}

// slideReader follows one slide.
type slideReader struct {
	t      *wordText
	deck   deck
	inText bool
	props  int  // inside the properties of a run
	groups int  // inside a group, whose shapes have coordinates of its own
	off    bool // the current shape lies outside the slide
	x, y   int64
	white  bool
	tiny   bool
	gone   bool // the current shape is switched off
	aside  strings.Builder
	found  []string
}

func (o *office) slide(dir, place string, body []byte, d deck) {
	d.white = d.white && dir == "slides" && !onColour(body)
	x := newXML(body)
	r := &slideReader{t: &wordText{}, deck: d}
	for n := 0; ; n++ {
		if n%4096 == 0 && o.w.over() != nil {
			o.err = errTime
			break
		}
		tok := x.next()
		if tok == xmlEnd {
			break
		}
		if tok == xmlTag {
			r.tag(x)
		} else if r.inText {
			r.chars(x.text)
		}
	}
	o.emitWord(place, r.t)
	o.text(place, r.aside.String())
	if strings.TrimSpace(r.t.b.String()) == "" {
		return
	}
	switch dir {
	case "slides":
		for _, how := range r.found {
			o.hidden(place, how)
		}
	case "notesSlides":
		if notes(r.t.b.String()) {
			o.hidden(place, speakerNotes)
		}
	case "comments":
		o.hidden(place, aComment)
	}
}

func (r *slideReader) chars(s string) {
	r.t.b.WriteString(s)
	if strings.TrimSpace(s) == "" {
		return
	}
	switch {
	case r.gone:
		r.found = once(r.found, hiddenText)
	case r.off:
		r.found = once(r.found, offPage)
	case r.tiny:
		r.found = once(r.found, tinyText)
	case r.white && r.deck.white:
		r.found = once(r.found, whiteText)
	}
}

func (r *slideReader) tag(x *xmlScanner) {
	switch x.name {
	case "t", "text", "v":
		r.inText = !x.closing && !x.empty
		if x.closing && x.name != "t" {
			r.t.newline()
		}
		return
	case "grpSp":
		r.groups += sign(x)
	case "sp", "graphicFrame", "pic":
		r.off, r.gone = false, false
	case "cNvPr":
		if v := x.attr("hidden"); !x.closing && r.groups == 0 {
			r.gone = v == "1" || v == "true"
		}
	case "off":
		if !x.closing {
			r.x, r.y = x.number("x"), x.number("y")
		}
	case "ext":
		if cx := x.attr("cx"); !x.closing && cx != "" && r.groups == 0 && r.deck.width > 0 {
			r.off = r.x >= r.deck.width || r.y >= r.deck.height || r.x+x.number("cx") <= 0 || r.y+x.number("cy") <= 0
		}
	case "r":
		r.white, r.tiny = false, false
	case "rPr":
		r.props += sign(x)
		if n := x.number("sz"); !x.closing && n > 0 {
			r.tiny = n < 100*tinyPoints
		}
	case "srgbClr", "schemeClr":
		if r.props > 0 && !x.closing {
			r.white = white(x.attr("val")) || x.attr("val") == "bg1"
		}
	case "srcRect":
		if !x.closing && cropped(x) {
			r.found = once(r.found, croppedPicture)
		}
	}
	if speaking(x.name) {
		x.says(&r.aside, false)
	}
	r.t.structure(x)
}

// notes says that somebody wrote more than the page number that the template
// puts there.
func notes(s string) bool {
	return len(strings.Trim(s, " \t\r\n0123456789*‹#›")) > 0
}

// number is a whole number in an attribute, 0 where it is none.
func (x *xmlScanner) number(name string) int64 {
	return int64(atoi(x.attr(name)))
}
