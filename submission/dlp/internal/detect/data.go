package detect

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sekisho-mail/sekisho/submission/dlp/internal/index"
)

// Data is a list of rows of the company, Documents a set of its documents.
type (
	Data struct {
		Name string
		Rows *index.Rows
	}
	Documents struct {
		Name string
		Set  *index.Documents
	}
)

// findData looks for values of the registered lists. One value of a row is
// medium when it is rare by itself, else low; two columns of the same row near
// each other are high.
func (p *page) findData(lists []Data) {
	for _, l := range lists {
		s := l.Rows.NewSearch()
		p.tryNumbers(s)
		p.tryCodes(s)
		p.tryMails(s)
		s.Words(p.s)
		for _, m := range s.Matches() {
			level, value := Low, strconv.FormatUint(m.Sum, 36)
			switch {
			case m.Columns > 1:
				level, value = High, fmt.Sprintf("row %d", m.Row)
			case m.Strong:
				level = Medium
			}
			p.add("data."+l.Name, level, value, m.Start, m.End, maskText)
		}
	}
}

// tryNumbers compares the numbers of the text in all their readings.
func (p *page) tryNumbers(s *index.Search) {
	last := -1
	for i := range p.numbers {
		n := &p.numbers[i]
		d := n.digits
		if n.start == last && len(n.groups) == 1 && i > 0 && p.numbers[i-1].digits == d {
			continue
		}
		last = n.start
		if strings.HasPrefix(d, "81") && strings.HasSuffix(p.s[:n.start], "+") {
			d = d[2:]
		}
		if d = strings.TrimLeft(d, "0"); len(d) >= 6 && len(d) <= 48 {
			s.Try([]byte(d), index.Number, n.start, n.end)
		}
	}
}

// tryCodes compares tokens of letters and digits, each by itself and as they are
// joined by dashes.
func (p *page) tryCodes(s *index.Search) {
	var buf [64]byte
	for i := 0; i < len(p.s); {
		if !alnum(p.s[i]) {
			i++
			continue
		}
		b, j, mixed, single := buf[:0], i, 0, 0
		for j < len(p.s) && (alnum(p.s[j]) || single > 0 && strings.IndexByte("-_./", p.s[j]) >= 0 && j+1 < len(p.s) && alnum(p.s[j+1])) {
			c := p.s[j]
			j++
			if !alnum(c) {
				if mixed == 3 && len(b) >= 6 {
					s.Try(b, index.Code, i, j-1)
				}
				continue
			}
			single++
			if digit(c) {
				mixed |= 1
			} else {
				mixed |= 2
				c |= 0x20
			}
			if len(b) < cap(b) {
				b = append(b, c)
			}
		}
		if mixed == 3 && len(b) >= 6 && len(b) <= 48 {
			s.Try(b, index.Code, i, j)
		}
		i = j
	}
}

func (p *page) tryMails(s *index.Search) {
	for at := 0; ; {
		start, end, next := nextEmail(p.s, at)
		if next == 0 {
			return
		}
		at = next
		if end > start {
			s.Try([]byte(strings.ToLower(p.s[start:end])), index.Mail, start, end)
		}
	}
}

// Copy is a fingerprint of a registered document in the text.
type Copy struct {
	Set      string
	Document uint32
	Name     string // of the document
	Of       int    // fingerprints that the document has
	Sum      uint64
	Start    int // in Text.Body
	End      int
}

// copies finds parts of registered documents. How much of a document a mail
// holds is only known when all its texts were seen.
func (p *page) copies(sets []Documents) []Copy {
	var out []Copy
	for _, d := range sets {
		d.Set.Find(p.s, func(document uint32, f index.Print) {
			start, end := p.folded.Origin(f.Start, f.End)
			out = append(out, Copy{Set: d.Name, Document: document, Name: d.Set.Name(document), Of: d.Set.Prints(document),
				Sum: f.Sum(), Start: start, End: end})
		})
	}
	return out
}
