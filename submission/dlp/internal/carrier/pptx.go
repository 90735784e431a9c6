package carrier

import "strings"

// pptx reads a presentation: slides, notes, comments.
func (w *Walk) pptx(f file) error {
	o, err := w.openOffice(f)
	if err != nil {
		return err
	}
	for _, name := range o.order {
		dir, place := slidePlace(name)
		if dir == "" {
			continue
		}
		body := o.part(name)
		if dir == "slides" && slideHidden(body) {
			o.hidden(place, "hidden_slide")
		}
		o.slide(dir, place, body)
	}
	return o.rest()
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

func (o *office) slide(dir, place string, body []byte) {
	x := newXML(body)
	t := &wordText{}
	inText := false
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
			if inText {
				t.b.WriteString(x.text)
			}
			continue
		}
		switch x.name {
		case "t", "text", "v":
			inText = !x.closing && !x.empty
			if x.closing && x.name != "t" {
				t.newline()
			}
		default:
			t.structure(x)
		}
	}
	o.emitWord(place, t)
	if strings.TrimSpace(t.b.String()) == "" {
		return
	}
	switch dir {
	case "notesSlides":
		if notes(t.b.String()) {
			o.hidden(place, "speaker_notes")
		}
	case "comments":
		o.hidden(place, "comment")
	}
}

// notes says that somebody wrote more than the page number that the template
// puts there.
func notes(s string) bool {
	return len(strings.Trim(s, " \t\r\n0123456789‹#›")) > 0
}
