package approval

import "strings"

// Place is where something a reason speaks of was found: a file and a cell,
// never a value. Names are as the mail has them; notices mask them.
type Place struct {
	Code  string    `json:"code"` // of the reason
	Part  PlacePart `json:"part"`
	Outer string    `json:"outer,omitempty"` // the archive or mail the file lies in
	File  string    `json:"file,omitempty"`  // for the header, the name of the field
	Sheet string    `json:"sheet,omitempty"`
	Cell  string    `json:"cell,omitempty"` // C12
	Page  string    `json:"page,omitempty"` // 3
	More  bool      `json:"more,omitempty"` // the last one named, and not the last there is
}

// PlacePart is the part of a mail that a place lies in.
type PlacePart string

// The parts.
const (
	PlaceHeader PlacePart = "header"
	PlaceBody   PlacePart = "body"
	PlaceFile   PlacePart = "file"
)

// line is a reason in the reader's language with where it was found, as far as
// a notice may say.
func (r Reason) line(places []Place, language string) string {
	text := oneLine(r.In(language))
	var found []Place
	for _, p := range places {
		if p.Code == r.Code {
			found = append(found, p)
		}
	}
	if len(found) == 0 {
		return text
	}
	w := wordsOfPlaces(language)
	return text + w.open + strings.Join(spots(found, w), w.between) + w.end(found[len(found)-1].More)
}

// placeWords is how places are put into a sentence.
type placeWords struct {
	open, between, more, close string
	body, subject, field       string
	sheet, page                [2]string // before and after
	cells                      string    // between two cells of a sheet
}

func wordsOfPlaces(language string) placeWords {
	if language == langEN {
		return placeWords{open: " (", between: "; ", more: " and elsewhere", close: ")", body: "the text", subject: "the subject", field: "the field ",
			sheet: [2]string{"sheet ", ""}, page: [2]string{"page ", ""}, cells: ", "}
	}
	return placeWords{open: "（", between: "、", more: " ほか", close: "）", body: "本文", subject: "件名", field: "ヘッダー ",
		sheet: [2]string{"", "シート"}, page: [2]string{"", "ページ"}, cells: "・"}
}

func (w placeWords) end(more bool) string {
	if more {
		return w.more + w.close
	}
	return w.close
}

// spots names the places, the cells of one sheet together.
func spots(places []Place, w placeWords) []string {
	var out []string
	var last Place
	for _, p := range places {
		same := p
		same.Cell, same.Page, same.More = "", "", false
		switch {
		case len(out) > 0 && same == last && p.Cell+p.Page != "":
			out[len(out)-1] += w.cells + p.inFile(w)
		case len(out) == 0 || same != last:
			out = append(out, p.spot(w))
		}
		last = same
	}
	return out
}

func (p Place) spot(w placeWords) string {
	switch {
	case p.Part == PlaceBody:
		return w.body
	case p.Part == PlaceHeader && strings.EqualFold(p.File, "Subject"):
		return w.subject
	case p.Part == PlaceHeader:
		return w.field + quotable(p.File)
	}
	parts := []string{quotable(p.File)}
	if p.Outer != "" {
		parts = []string{quotable(p.Outer), "›", quotable(p.File)}
	}
	if p.Sheet != "" {
		parts = append(parts, w.sheet[0]+quotable(p.Sheet)+w.sheet[1])
	}
	if at := p.inFile(w); at != "" {
		parts = append(parts, at)
	}
	return strings.Join(parts, " ")
}

func (p Place) inFile(w placeWords) string {
	if p.Page != "" {
		return w.page[0] + p.Page + w.page[1]
	}
	return p.Cell
}
