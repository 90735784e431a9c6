package carrier

import (
	"strings"

	"github.com/sekisho-mail/sekisho/internal/message"
)

// Label is a sensitivity label of Microsoft Purview: the id of the label in its
// tenant, and its name where the carrier gives it.
type Label struct{ ID, Name string }

// officeLabels reads the labels of a document: properties named
// MSIP_Label_<id>_Name (docProps/custom.xml), or label elements
// (docMetadata/LabelInfo.xml, newer). One that was taken off does not count.
func officeLabels(body []byte) []Label {
	var set labelSet
	property := ""
	x := newXML(body)
	for tok := x.next(); tok != xmlEnd; tok = x.next() {
		switch {
		case tok == xmlChars && property != "":
			set.property(property, strings.TrimSpace(x.text))
		case tok == xmlChars:
		case x.opens("property"):
			property = x.attr("name")
		case x.name == "property":
			property = ""
		case x.opens("label") && x.attr("enabled") != "0" && x.attr("removed") != "1":
			set.at(x.attr("id"))
		}
	}
	return set.all()
}

// headerLabels reads the field msip_labels that Outlook writes.
func headerLabels(value string) []Label {
	var set labelSet
	for _, item := range strings.Split(message.DecodeHeader(value), ";") {
		if name, value, ok := strings.Cut(item, "="); ok {
			set.property(strings.TrimSpace(name), strings.TrimSpace(value))
		}
	}
	return set.all()
}

// maxLabels bounds the labels of one carrier; honest ones have one or two.
const maxLabels = 20

// labelSet collects labels in the order of their appearance.
type labelSet struct {
	labels []*Label
	off    map[string]bool
}

func (s *labelSet) property(name, value string) {
	rest, ok := strings.CutPrefix(name, "MSIP_Label_")
	if !ok {
		return
	}
	id, key, _ := strings.Cut(rest, "_")
	l := s.at(id)
	switch {
	case l == nil:
	case key == "Name" && value != "":
		l.Name = value
	case key == "Enabled" && strings.EqualFold(value, "false"), key == "Removed" && strings.EqualFold(value, "true"):
		if s.off == nil {
			s.off = map[string]bool{}
		}
		s.off[l.ID] = true
	}
}

func (s *labelSet) at(id string) *Label {
	id = strings.ToLower(strings.Trim(id, "{} "))
	if id == "" || len(id) > 64 || len(s.labels) >= maxLabels {
		return nil
	}
	for _, l := range s.labels {
		if l.ID == id {
			return l
		}
	}
	l := &Label{ID: id}
	s.labels = append(s.labels, l)
	return l
}

func (s *labelSet) all() []Label {
	var out []Label
	for _, l := range s.labels {
		if !s.off[l.ID] {
			out = append(out, *l)
		}
	}
	return out
}
