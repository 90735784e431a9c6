package carrier

import (
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/kind"
)

// office is an open Office package (OOXML, ODF): its entries by name.
type office struct {
	w     *Walk
	f     file
	parts map[string]entry
	order []string
	read  map[string]bool
	torn  bool
	err   error // first part that could not be read
}

func (w *Walk) openOffice(f file) (*office, error) {
	a, err := openZip(w, f.body)
	if err != nil {
		return nil, err
	}
	w.around(f, a)
	o := &office{w: w, f: f, parts: map[string]entry{}, read: map[string]bool{}, torn: a.torn}
	for _, e := range a.entries {
		name := strings.TrimPrefix(e.name, "/")
		if _, twice := o.parts[name]; twice {
			o.torn = true // Office and we may take different ones
			o.stray(e)
			continue
		}
		o.parts[name] = e
		o.order = append(o.order, name)
	}
	return o, nil
}

// part unpacks a part, nil where there is none.
func (o *office) part(name string) []byte {
	e, ok := o.parts[name]
	if !ok {
		return nil
	}
	o.read[name] = true
	b, err := o.w.read(e)
	if err != nil && o.err == nil {
		o.err = err
	}
	return b
}

// xml opens a part, an empty one where there is none.
func (o *office) xml(name string) *xmlScanner {
	e, ok := o.parts[name]
	if !ok {
		return &xmlScanner{}
	}
	o.read[name] = true
	s, err := o.w.readText(e)
	if err != nil && o.err == nil {
		o.err = err
	}
	return xmlOf(s)
}

// peek unpacks a part that is still to be read as itself.
func (o *office) peek(name string) []byte {
	read := o.read[name]
	b := o.part(name)
	o.read[name] = read
	return b
}

// like lists the parts whose names begin and end so.
func (o *office) like(prefix, suffix string) []string {
	var out []string
	for _, name := range o.order {
		if strings.HasPrefix(name, prefix) && strings.HasSuffix(name, suffix) {
			out = append(out, name)
		}
	}
	return out
}

// stray searches an entry outside the structure as a file of its own.
func (o *office) stray(e entry) {
	if b, err := o.w.read(e); len(b) > 0 {
		o.w.file(o.f.in(e.name, b))
	} else if err != nil && o.err == nil {
		o.err = err
	}
}

// text hands on one text of the document.
func (o *office) text(place, body string) {
	p := o.f.path
	if place != "" {
		p += "#" + place
	}
	o.w.text(Text{Text: detect.Text{Body: body, Title: o.f.name}, Where: Attachment, Path: p, First: true})
}

func (o *office) hidden(place, detail string) {
	p := o.f.path
	if place != "" {
		p += "#" + place
	}
	o.w.out.Form(FormHidden, Attachment, p, detail)
}

// rest looks at everything that was not read as part of the document: embedded
// files, macros, properties, drawings, and what does not belong.
func (o *office) rest() error {
	for _, name := range o.order {
		if o.read[name] || o.parts[name].directory {
			continue
		}
		if err := o.w.over(); err != nil {
			return err
		}
		base := path.Base(name)
		switch {
		case strings.EqualFold(base, "vbaProject.bin"), strings.Contains(name, "macrosheets/"), strings.HasPrefix(name, "Basic/") && strings.HasSuffix(name, ".xml"):
			if base != "script-lc.xml" && base != "script-lb.xml" {
				o.w.out.Form(FormMacro, Attachment, o.f.path, base)
			}
		}
		switch {
		case strings.HasSuffix(name, ".xml"), strings.HasSuffix(name, ".rels"), strings.HasSuffix(name, ".vml"):
			o.properties(name)
		default:
			o.embedded(name)
		}
	}
	if o.err != nil {
		return o.err
	}
	if o.torn {
		return errors.New("directory and entries differ")
	}
	return nil
}

// embedded opens a file inside the package. What programs keep there for
// themselves (settings of a printer, thumbnails, compiled macros) is of no known
// type and is searched for words; what is, was put there.
func (o *office) embedded(name string) {
	b := o.part(name)
	if len(b) == 0 || name == "mimetype" && strings.HasPrefix(string(b), "application/") {
		return
	}
	k := kind.Of(name, b)
	behind, _ := kind.Behind(b, k)
	switch {
	case kind.Silent(k) && o.w.readers.OCR == nil && behind < 0 && !kind.IsText(b):
	case k == kind.Unknown && ownPart(name):
		o.w.strings(file{path: o.f.path + "#" + name, body: b})
	default:
		o.w.file(o.f.in(name, b))
	}
}

// ownPart says that programs write a part for themselves.
func ownPart(name string) bool {
	for _, dir := range []string{"ObjectReplacements/", "Thumbnails/", "Configurations2/", "layout-cache", "docProps/thumbnail"} {
		if strings.HasPrefix(name, dir) {
			return true
		}
	}
	return strings.HasSuffix(name, ".bin") && !strings.Contains(name, "embeddings/")
}

// properties searches the text and the attributes of the smaller parts.
func (o *office) properties(name string) {
	body := o.part(name)
	if skipped(name) {
		if text := strings.TrimSpace(loose(body)); text != "" {
			o.text(propertyPlace(name), text)
		}
		return
	}
	o.about(name, body)
	x := newXML(body)
	var b strings.Builder
	custom := strings.HasPrefix(name, "customXml/")
	for {
		switch x.next() {
		case xmlEnd:
			o.text(propertyPlace(name), b.String())
			return
		case xmlChars:
			if s := strings.TrimSpace(x.text); s != "" {
				b.WriteString(s + "\n")
			}
		case xmlTag:
			x.says(&b, custom)
			if x.name == "p" && x.closing {
				b.WriteByte('\n')
			}
			if x.opens("srcRect") && cropped(x) {
				o.hidden(strings.TrimSuffix(path.Base(name), ".xml"), croppedPicture)
			}
		}
	}
}

// says writes the attributes of the current tag that hold what people wrote:
// texts for those who cannot see, targets of links, questions and choices of
// forms, letters of a watermark, variables, commands to a database. all: of data
// in a form of its own every attribute.
func (x *xmlScanner) says(b *strings.Builder, all bool) {
	if x.closing || strings.IndexByte(x.tag, '=') < 0 {
		return
	}
	for rest := x.tag; ; {
		name, value, more, ok := nextAttribute(rest)
		if !ok {
			return
		}
		rest = more
		switch name {
		case "descr", "title", "alt", "tooltip", "display", "prompt", "promptTitle", "error", "errorTitle", "caption", "connection", "command", "displayText",
			"string", "instr", "placeholder":
		case "Target", "href":
			if strings.HasSuffix(value, ".xml") || !strings.ContainsAny(value, ":@") {
				continue
			}
		case "name", "author", "value":
			if x.name != "listItem" && !strings.ContainsAny(value, "@0123456789") {
				continue
			}
		case "val":
			if x.name != "docVar" && x.name != "tag" && x.name != "alias" {
				continue
			}
		default:
			if !all || strings.HasPrefix(name, "xmlns") {
				continue
			}
		}
		if value != "" {
			b.WriteString(unescape(value) + "\n")
		}
	}
}

// loose is the text of a part that describes formatting: there should be none,
// but for the variables of a document.
func loose(body []byte) string {
	var b strings.Builder
	x := newXML(body)
	for tok := x.next(); tok != xmlEnd; tok = x.next() {
		switch {
		case tok == xmlChars:
			if s := strings.TrimSpace(x.text); s != "" {
				b.WriteString(s + "\n")
			}
		case x.name == "docVar":
			x.says(&b, false)
		}
	}
	return b.String()
}

// about reads what the properties say of people and of labels.
func (o *office) about(name string, body []byte) {
	switch name {
	case "docProps/custom.xml", "docMetadata/LabelInfo.xml":
		for _, l := range officeLabels(body) {
			o.w.out.Label(Attachment, o.f.path+"#"+propertyPlace(name), l)
		}
	case "docProps/core.xml", "docProps/app.xml", "meta.xml":
		if hasPerson(body) {
			o.hidden(propertyPlace(name), namedPerson)
		}
	}
}

// propertyPlace names the part of a package as people know it.
func propertyPlace(name string) string {
	if strings.HasPrefix(name, "docProps/") || strings.HasPrefix(name, "docMetadata/") || name == "meta.xml" {
		return "properties"
	}
	return name
}

// hasPerson says that the properties name who wrote, changed or manages the
// document. Programs that put themselves there are no person.
func hasPerson(body []byte) bool {
	x := newXML(body)
	inside := false
	for tok := x.next(); tok != xmlEnd; tok = x.next() {
		if tok == xmlChars {
			s := strings.TrimSpace(x.text)
			if inside && person(s) {
				return true
			}
			continue
		}
		switch x.name {
		case "creator", "lastModifiedBy", "Manager", "initial-creator", "printed-by":
			inside = !x.closing && !x.empty
		}
	}
	return false
}

// person says that a name is not one that programs put there.
func person(name string) bool {
	name = strings.TrimSpace(name)
	return name != "" && !slices.Contains(programs, strings.ToLower(name))
}

// programs write such names where nobody gave one.
var programs = []string{"openpyxl", "python-docx", "python-pptx", "apache poi", "xlsxwriter", "microsoft office user", "user", "admin", "administrator", "windows ユーザー", "unknown"}

// skipped parts describe formatting; what they say by attributes is no text.
func skipped(name string) bool {
	for _, s := range []string{"theme/", "styles.xml", "fontTable.xml", "webSettings.xml", "settings.xml", "calcChain.xml", "presProps.xml", "viewProps.xml",
		"tableStyles.xml", "[Content_Types].xml", "numbering.xml", "workbook.xml", "META-INF/", "manifest.rdf"} {
		if strings.Contains(name, s) {
			return true
		}
	}
	return false
}
