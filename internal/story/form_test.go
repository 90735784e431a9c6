package story

import (
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// form gives what a browser would send of the form with that action if somebody pressed its button now. It is nil
// when the page has no such form.
func (p page) form(action string) url.Values {
	root, err := html.Parse(strings.NewReader(p.body))
	if err != nil {
		return nil
	}
	for n := range root.Descendants() {
		if n.Data == "form" && n.Type == html.ElementNode && attribute(n, "action") == action {
			return filled(n)
		}
	}
	return nil
}

func filled(form *html.Node) url.Values {
	values := url.Values{}
	for n := range form.Descendants() {
		name := attribute(n, "name")
		if n.Type != html.ElementNode || name == "" || has(n, "disabled") {
			continue
		}
		switch n.Data {
		case "input":
			kind := attribute(n, "type")
			if kind != "checkbox" && kind != "radio" || has(n, "checked") {
				values.Add(name, attribute(n, "value"))
			}
		case "textarea", "select": // left as they are: empty, and the first choice
			values.Add(name, "")
		}
	}
	return values
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}
