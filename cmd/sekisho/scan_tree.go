package main

import (
	"fmt"
	"strings"

	"github.com/sekisho-mail/sekisho/submission/dlp"
	"github.com/sekisho-mail/sekisho/web/words"
)

// shownCarriers is how many files of one mail a person is shown.
const shownCarriers = 60

// carriers prints what was looked into as a tree, with the type by content, the
// size, and why there is no more below it.
func (s *sheet) carriers() {
	all := s.report.Carriers
	if len(all) == 0 || len(all) == 1 && all[0].Path == s.file {
		return
	}
	fmt.Fprintf(&s.b, "  %s\n", s.say("scan.files"))
	unread := map[string][]string{}
	for _, u := range s.report.Uninspectable {
		unread[u.Path] = append(unread[u.Path], s.or("unread.", string(u.Reason)))
	}
	for i, c := range all {
		if i == shownCarriers {
			fmt.Fprintf(&s.b, "    %s\n", s.faint(s.say("scan.files_more", "n", len(all)-i)))
			return
		}
		s.carrier(c, unread[c.Path])
	}
}

// carrier is one line, further in for each file around it.
func (s *sheet) carrier(c dlp.Carrier, unread []string) {
	depth := strings.Count(c.Path, "!/")
	name, mark := c.Path, ""
	if depth > 0 {
		name = c.Path[strings.LastIndex(c.Path, "!/")+2:]
		mark = strings.Repeat("  ", depth-1) + "└ "
	}
	fmt.Fprintf(&s.b, "    %s%s  %s", s.faint(mark), printable(name), s.faint(typeName(c.Type)+", "+words.Size(c.Size)))
	switch {
	case len(unread) > 0:
		s.b.WriteString("  " + s.yellow(strings.Join(unread, ", ")))
	case c.Skipped != "":
		s.b.WriteString("  " + s.faint(s.or("skipped.", c.Skipped)))
	}
	s.b.WriteByte('\n')
}

// typeName is what people call a type, in any language; else the media type.
func typeName(kind string) string {
	for name, kinds := range map[string][]string{
		"Word": {"wordprocessingml.document", "ms-word"}, "Excel": {"spreadsheetml.sheet", "excel.sheet.binary"},
		"ODF": {"oasis.opendocument"}, "PowerPoint": {"presentationml.presentation"}, "Office": {"x-ole-storage"}, "PDF": {"application/pdf"}, "ZIP": {"application/zip"},
		"7z": {"7z-compressed"}, "RAR": {"vnd.rar"}, "LZH": {"lzh-compressed"}, "CAB": {"cab-compressed"}, "gzip": {"application/gzip"}, "tar": {"x-tar"},
		"RTF": {"application/rtf"}, "CSV": {"text/csv"}, "HTML": {"text/html"}, "winmail.dat": {"ms-tnef"},
		"PNG": {"image/png"}, "JPEG": {"image/jpeg"}, "GIF": {"image/gif"}, "TIFF": {"image/tiff"},
	} {
		for _, k := range kinds {
			if strings.Contains(kind, k) {
				return name
			}
		}
	}
	return printable(kind)
}
