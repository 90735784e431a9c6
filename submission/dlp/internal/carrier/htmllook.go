package carrier

import (
	"bytes"
	"strconv"
	"strings"
)

// htmlLook is what an element says by itself of how its text looks.
type htmlLook struct {
	name          string
	how           string // why nothing in it is seen
	letters, back string // colours, "" where the element names none
}

// htmlLooks follows the open elements of a page. Style sheets are not followed:
// only what stands at the element counts.
type htmlLooks struct {
	stack   []htmlLook
	hidden  int // open elements that hide their text
	colours int // open elements that colour their letters
	painted bool
	found   []string
}

// maxLooks bounds the elements that are open at once; deeper ones are taken for
// shown.
const maxLooks = 512

// void elements have no end.
func void(name string) bool {
	switch name {
	case "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr":
		return true
	}
	return false
}

// ended says that an element ends where its like begins, without a mark.
func ended(open, next string) bool {
	switch next {
	case "p", "li", "tr", "option", "dt", "dd":
		return open == next
	case "td", "th":
		return open == "td" || open == "th"
	}
	return false
}

func (l *htmlLooks) open(name string, look htmlLook) {
	if n := len(l.stack); n > 0 && ended(l.stack[n-1].name, name) {
		l.pop()
	}
	if void(name) || len(l.stack) >= maxLooks {
		return
	}
	look.name = name
	if look.how != "" {
		l.hidden++
	}
	if look.letters != "" {
		l.colours++
	}
	l.stack = append(l.stack, look)
}

func (l *htmlLooks) pop() {
	n := len(l.stack) - 1
	if l.stack[n].how != "" {
		l.hidden--
	}
	if l.stack[n].letters != "" {
		l.colours--
	}
	l.stack = l.stack[:n]
}

// close ends the innermost element of that name, and what was left open in it.
func (l *htmlLooks) close(name string) {
	for i := len(l.stack) - 1; i >= max(0, len(l.stack)-64); i-- {
		if l.stack[i].name == name {
			for len(l.stack) > i {
				l.pop()
			}
			return
		}
	}
}

// unseen says that the next text is not shown, and notes why. White letters on a
// white ground are noted and stay: who can say what a style sheet paints.
func (l *htmlLooks) unseen() bool {
	if l.hidden == 0 {
		if l.colours > 0 && l.white() {
			l.found = once(l.found, whiteText)
		}
		return false
	}
	for _, look := range l.stack {
		if look.how != "" {
			l.found = once(l.found, look.how)
			break
		}
	}
	return true
}

// white says that letters and ground have one colour, as far as elements say.
func (l *htmlLooks) white() bool {
	letters, back := "", ""
	for i := len(l.stack) - 1; i >= 0 && (letters == "" || back == ""); i-- {
		if letters == "" {
			letters = l.stack[i].letters
		}
		if back == "" {
			back = l.stack[i].back
		}
	}
	switch {
	case letters == "":
		return false
	case back == "":
		return letters == paper && !l.painted
	}
	return letters == back
}

// paper is the colour of a page that has none.
const paper = "#ffffff"

// paints says that a style sheet of the page colours grounds.
func paints(s string) bool {
	for rest := s; ; {
		i := strings.Index(rest, "<style")
		if i < 0 {
			i = strings.Index(rest, "<STYLE")
		}
		if i < 0 {
			return false
		}
		rest = rest[i:]
		end := strings.Index(rest, "</")
		if end < 0 {
			end = len(rest)
		}
		if strings.Contains(rest[:end], "background") {
			return true
		}
		rest = rest[max(end, 1):]
	}
}

// attribute reads what one attribute says of the look.
func (l *htmlLook) attribute(key string, v []byte) {
	switch key {
	case "hidden":
		l.how = hiddenText
	case "bgcolor":
		l.back = htmlColour(string(v))
	case "background":
		l.back = "picture"
	case "color":
		l.letters = htmlColour(string(v))
	case "style":
		l.styles(v[:min(len(v), 4096)])
	}
}

// styles reads the style of an element, in place: pages are full of them.
func (l *htmlLook) styles(v []byte) {
	for i, c := range v {
		if c >= 'A' && c <= 'Z' {
			v[i] = c + 'a' - 'A'
		}
	}
	for len(v) > 0 {
		var one []byte
		one, v, _ = bytes.Cut(v, []byte(";"))
		name, value, _ := bytes.Cut(one, []byte(":"))
		name = bytes.TrimSpace(name)
		switch string(name) {
		case "display", "mso-hide", "visibility", "opacity", "font-size", "left", "right", "top", "text-indent", "margin-left", "margin-top", "color",
			"background", "background-color", "background-image":
			value, _, _ = bytes.Cut(value, []byte("!"))
			l.style(string(name), string(bytes.TrimSpace(value)))
		}
	}
}

func (l *htmlLook) style(name, value string) {
	switch name {
	case "display", "mso-hide":
		if value == "none" || value == "all" {
			l.how = hiddenText
		}
	case "visibility":
		if value == "hidden" || value == "collapse" {
			l.how = hiddenText
		}
	case "opacity":
		if n, err := strconv.ParseFloat(value, 64); err == nil && n < 0.05 {
			l.how = hiddenText
		}
	case "font-size":
		if n, ok := points(value); ok && n < 2 { // smaller than Office's limit: mails space with small letters
			l.how = tinyText
		}
	case "left", "right", "top", "text-indent", "margin-left", "margin-top":
		if n, ok := points(value); ok && n <= -700 {
			l.how = offPage
		}
	case "color":
		if value == "transparent" {
			l.how = hiddenText
		}
		l.letters = htmlColour(value)
	case "background", "background-color", "background-image":
		l.back = htmlColour(value)
	}
}

// points is a length in points, as far as it is one; em and per cent count as
// parts of the usual letters.
func points(s string) (float64, bool) {
	end := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' && r != '-' })
	unit := ""
	if end >= 0 {
		s, unit = s[:end], strings.TrimSpace(s[end:])
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, false
	}
	switch unit {
	case "px", "":
		n *= 0.75
	case "em", "rem":
		n *= 12
	case "%":
		n *= 0.12
	case "pt":
	default:
		return 0, false
	}
	return n, true
}

// htmlColour brings the usual ways to write a colour into one; what it does not
// know stays as it is.
func htmlColour(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	if i := strings.IndexByte(s, ' '); i > 0 && !strings.HasPrefix(s, "rgb") {
		s = s[:i] // background: #fff url(...)
	}
	switch {
	case s == "white", s == "ffffff", s == "#fff", s == "#fefefe", s == "#fdfdfd":
		return paper
	case s == "transparent", s == "none", s == "inherit", s == "initial", s == "auto", s == "windowtext":
		return ""
	case len(s) == 4 && s[0] == '#':
		return "#" + strings.Repeat(s[1:2], 2) + strings.Repeat(s[2:3], 2) + strings.Repeat(s[3:4], 2)
	case strings.HasPrefix(s, "rgb"):
		if strings.ReplaceAll(strings.TrimSuffix(s[strings.IndexByte(s+"(", '('):], ")"), " ", "") == "(255,255,255" {
			return paper
		}
	}
	return s
}
