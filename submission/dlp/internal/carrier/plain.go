package carrier

import (
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/kind"
)

// plain reads text in every charset it may be in.
func (w *Walk) plain(f file, k string) error {
	readings := message.DecodeText(f.body, f.label)
	for i, body := range readings[:min(len(readings), w.limits.ReadingsPerPart)] {
		t := Text{Text: detect.Text{Body: body, Title: f.name}, Where: Attachment, Path: f.path, First: i == 0}
		source := body
		switch k {
		case kind.CSV:
			w.table(t)
			continue
		case kind.Calendar, kind.VCard:
			t.Body = unfoldLines(body)
			source = t.Body
		case kind.XML:
			t.Body = body + "\n" + xmlText(body)
		}
		w.text(t)
		if i == 0 {
			w.blobs(f, source)
			w.scripted(f, body)
		}
	}
	if allGarbled(readings) {
		return errUnreadable
	}
	return nil
}

// scripted says that a picture in SVG runs a script when a browser opens it.
func (w *Walk) scripted(f file, body string) {
	if head := body[:min(len(body), 4096)]; !strings.Contains(head, "<svg") {
		return
	}
	if low := strings.ToLower(body); strings.Contains(low, "<script") || strings.Contains(low, "onload=") {
		w.out.Form(FormMacro, Attachment, f.path, "script")
	}
}

// garbled says that a text is mostly replacement characters: decoding failed.
func garbled(s string) bool {
	bad := strings.Count(s, "\uFFFD")
	return bad > 20 && bad*5 > len(s)/3
}

// allGarbled says that no charset made sense of a text.
func allGarbled(readings []string) bool {
	return !slices.ContainsFunc(readings, func(s string) bool { return !garbled(s) })
}

// table reads CSV and TSV as rows of cells, so that headers name their columns.
func (w *Walk) table(t Text) {
	r := csv.NewReader(strings.NewReader(t.Body))
	r.Comma = comma(t.Body)
	r.FieldsPerRecord = -1
	r.LazyQuotes = true
	r.ReuseRecord = true
	t.Grid = true
	s := newSheet(w, t)
	for row := 0; ; row++ {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || row > maxRows {
			w.text(t) // as it stands: better without columns than not at all
			return
		}
		for col, value := range record {
			s.add(row, col, value)
		}
		if row%512 == 0 && w.over() != nil {
			w.out.Failed(t.Path, TimedOut)
			break
		}
	}
	s.flush()
}

// comma guesses the separator from the first line.
func comma(s string) rune {
	line, _, _ := strings.Cut(s, "\n")
	best, most := ',', 0
	for _, c := range ",\t;|" {
		if n := strings.Count(line, string(c)); n > most {
			best, most = c, n
		}
	}
	return best
}

// unfoldLines joins the continuation lines of iCalendar and vCard (RFC 5545 3.1)
// and undoes quoted-printable of vCard 2.1.
func unfoldLines(s string) string {
	s = strings.NewReplacer("\r\n ", "", "\n ", "", "\r\n\t", "", "\n\t", "").Replace(s)
	if !strings.Contains(strings.ToUpper(s), "QUOTED-PRINTABLE") {
		return strings.NewReplacer(`\n`, "\n", `\,`, ",", `\;`, ";").Replace(s)
	}
	s = strings.NewReplacer("=\r\n", "", "=\n", "").Replace(s)
	var b []byte
	for i := 0; i < len(s); i++ {
		if s[i] == '=' && i+2 < len(s) {
			if hi, lo := hexValue(s[i+1]), hexValue(s[i+2]); hi >= 0 && lo >= 0 {
				b = append(b, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return message.DecodeText(b, "")[0]
}

func hexValue(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}

// minString is the shortest run of letters worth searching in a binary file.
const minString = 6

// strings searches what looks like words in a file nobody can read, as bytes and
// as UTF-16.
func (w *Walk) strings(f file) {
	var b strings.Builder
	limit := w.limits.Text
	body := f.body[:min(len(f.body), 16*limit)]
	run := 0
	for i, c := range body {
		if c >= 0x20 && c < 0x7f || c == '\t' {
			run++
			continue
		}
		if run >= minString {
			b.Write(body[i-run : i])
			b.WriteByte('\n')
		}
		run = 0
	}
	if run >= minString {
		b.Write(body[len(body)-run:])
	}
	b.WriteString(wideStrings(body))
	w.text(Text{Text: detect.Text{Body: b.String()}, Where: Attachment, Path: f.path, First: true})
}

// wideStrings collects runs of UTF-16LE that read as words, CJK included.
func wideStrings(body []byte) string {
	var b strings.Builder
	var run []uint16
	flush := func() {
		if len(run) >= minString {
			b.WriteString(string(utf16.Decode(run)))
			b.WriteByte('\n')
		}
		run = run[:0]
	}
	for i := 0; i+1 < len(body); i += 2 {
		u := uint16(body[i]) | uint16(body[i+1])<<8
		r := rune(u)
		if u >= 0x20 && u < 0x7f || r >= 0x3000 && r < 0x3100 || r >= 0x4E00 && r < 0xA000 || r >= 0xFF00 && r < 0xFFEF && unicode.IsPrint(r) {
			run = append(run, u)
			continue
		}
		flush()
	}
	flush()
	return b.String()
}
