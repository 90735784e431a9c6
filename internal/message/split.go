package message

import (
	"bytes"
	"errors"
)

// ErrNotMail: the input has no header field at all.
var ErrNotMail = errors.New("no header fields: not a mail")

// Parse splits raw into its parts. The only error is an input that is no mail
// at all (ErrNotMail); everything else is listed in Anomalies.
func Parse(raw []byte) (*Message, error) {
	m := &Message{Raw: raw, budget: 2*int64(len(raw)) + 1<<20}
	m.Root = &Part{source: raw}
	m.parts = 1
	split(m, m.Root, 0)
	if len(m.Root.Fields) == 0 {
		return nil, ErrNotMail
	}
	m.splitEncoded()
	m.examine()
	return m, nil
}

// splitter walks the lines of one source once, with the multiparts that are open
// at that point on a stack.
type splitter struct {
	m    *Message
	src  []byte
	base int // depth at which src itself lies
	path []*Part
	open map[string]*Part // boundary -> innermost open multipart that has it
	shut map[string]*Part // boundary -> last multipart with it that has ended
}

// delimiter is one boundary line, with the line end before it.
type delimiter struct {
	of    *Part
	span  Span
	final bool
}

func split(m *Message, root *Part, depth int) {
	s := &splitter{
		m: m, src: root.source, base: depth,
		path: []*Part{root},
		open: map[string]*Part{}, shut: map[string]*Part{},
	}
	pos := s.head(root, 0)
	for {
		d, found := s.next(pos)
		if !found {
			s.end(0, len(s.src))
			return
		}
		pos = d.span.End
		if d.final {
			s.close(d)
			continue
		}
		if p := s.part(d); p != nil {
			pos = s.head(p, pos)
		}
	}
}

// head reads the header block at pos and opens what it announces: a multipart,
// or the message inside a message part, whose own header follows at once.
func (s *splitter) head(p *Part, pos int) int {
	for {
		pos = s.m.block(s, p, pos)
		p.Body.Start = pos
		p.describe(s.m)
		if p.boundary != "" {
			s.push(p)
		}
		if p.dashes > 0 && !s.boundaryAt(p.dashes) {
			more := looksLikeParts(s.src[pos:min(len(s.src), pos+4096)])
			s.m.note(p.anomaly("header_ends_in_dashes", "a header ends at dashes that are no boundary", more))
		}
		switch {
		case p.boundary != "":
			return pos
		case !p.isMessage() || !identity(p.Encoding):
			return pos
		case s.full(p):
			return pos
		}
		child := &Part{Parent: p, source: s.src, Nested: true, Embedded: p.Embedded}
		p.Children = []*Part{child}
		s.m.parts++
		s.path = append(s.path, child)
		p = child
	}
}

// full says whether p may not get children any more.
func (s *splitter) full(p *Part) bool {
	switch {
	case s.base+len(s.path) >= MaxDepth:
		s.m.note(p.anomaly("too_deep", "parts are nested deeper than the limit", true))
	case s.m.parts >= MaxParts:
		s.m.note(p.anomaly("too_many_parts", "more parts than the limit", true))
	default:
		return false
	}
	return true
}

func (s *splitter) push(p *Part) {
	if s.full(p) {
		p.boundary = ""
		return
	}
	s.checkBoundary(p)
	s.open[p.boundary] = p
}

// checkBoundary lists boundaries that some readers confuse with one around them.
func (s *splitter) checkBoundary(p *Part) {
	b := p.boundary
	if o := s.open[b]; o != nil {
		s.m.note(p.anomaly("boundary_reused", "two multiparts share a boundary", true))
	}
	// One that has ended properly may come again: the same mail attached twice.
	delete(s.shut, b)
	for _, o := range s.path[:len(s.path)-1] {
		if o.boundary == "" || o.boundary == b {
			continue
		}
		switch {
		case b == o.boundary+"--" || o.boundary == b+"--":
			s.m.note(p.anomaly("boundary_is_terminator", "a boundary looks like the end of another", true))
		case len(b) > len(o.boundary) && b[:len(o.boundary)] == o.boundary,
			len(b) < len(o.boundary) && o.boundary[:len(b)] == b:
			s.m.note(p.anomaly("boundary_prefix", "a boundary begins with another one", false))
		}
	}
}

// part begins a new child of d.of, or lets the current one go on when there are
// too many.
func (s *splitter) part(d delimiter) *Part {
	depth := s.index(d.of)
	if s.m.parts >= MaxParts {
		s.m.note(d.of.anomaly("too_many_parts", "more parts than the limit", true))
		return nil
	}
	s.end(depth+1, d.span.Start)
	mp := d.of
	if len(mp.Children) == 0 {
		mp.Preamble = Span{mp.Body.Start, d.span.Start}
	}
	p := &Part{
		Parent: mp, source: s.src, Embedded: mp.Embedded,
		Delimiter: d.span, index: len(mp.Children),
	}
	mp.Children = append(mp.Children, p)
	s.m.parts++
	s.path = append(s.path, p)
	return p
}

// close ends a multipart. What follows, up to the delimiter of a multipart around
// it, is its epilogue.
func (s *splitter) close(d delimiter) {
	depth := s.index(d.of)
	s.end(depth+1, d.span.Start)
	if len(d.of.Children) == 0 {
		d.of.Preamble = Span{d.of.Body.Start, d.span.Start}
		s.m.note(d.of.anomaly("empty_multipart", "a multipart without parts", looksLikeParts(d.of.Preamble.Of(s.src))))
	}
	d.of.Close = d.span
	d.of.closed = true
	d.of.Epilogue = Span{d.span.End, d.span.End}
	s.forget(d.of)
}

// end closes every open part from that depth on at the offset.
func (s *splitter) end(depth, at int) {
	for i := len(s.path) - 1; i >= depth; i-- {
		p := s.path[i]
		p.Body.End = max(at, p.Body.Start)
		if p.closed {
			p.Epilogue.End = p.Body.End
		} else if p.boundary != "" {
			s.forget(p)
			s.unterminated(p, i)
		}
	}
	s.path = s.path[:depth]
}

func (s *splitter) unterminated(p *Part, depth int) {
	switch {
	case len(p.Children) == 0:
		s.m.note(p.anomaly("no_delimiter", "the boundary of a multipart never appears", looksLikeParts(p.Body.Of(s.src))))
	case depth == 0 && s.base == 0:
		s.m.note(p.anomaly("unterminated", "the last boundary of the mail is missing", false))
	default:
		// Mobile carriers and bounces do this. RFC 2046 section 5.1.2 lets the
		// boundary around it end it; if its own appears again, that is ambiguous.
		s.m.note(p.anomaly("unterminated_inner", "the last boundary of an inner multipart is missing", false))
	}
}

// forget takes the boundary of p off the open ones and brings back an outer
// multipart that has the same.
func (s *splitter) forget(p *Part) {
	s.shut[p.boundary] = p
	if s.open[p.boundary] != p {
		return
	}
	delete(s.open, p.boundary)
	for _, o := range s.path {
		if o == p {
			return
		}
		if o.boundary == p.boundary && !o.closed {
			s.open[o.boundary] = o
		}
	}
}

func (s *splitter) index(p *Part) int {
	for i := len(s.path) - 1; i > 0; i-- {
		if s.path[i] == p {
			return i
		}
	}
	return 0
}

// next finds the next boundary line of an open multipart. pos is at the start of
// a line.
func (s *splitter) next(pos int) (delimiter, bool) {
	if len(s.open) == 0 && len(s.shut) == 0 {
		return delimiter{}, false
	}
	for at := pos; ; {
		if d, ok := s.match(at, pos); ok {
			return d, true
		}
		i := bytes.Index(s.src[at:], []byte("\n--"))
		if i < 0 {
			return delimiter{}, false
		}
		at += i + 1
	}
}

// match says whether the line at that offset is a boundary line. The line end
// before it belongs to it, unless that lies before pos.
func (s *splitter) match(at, pos int) (delimiter, bool) {
	if !bytes.HasPrefix(s.src[at:], []byte("--")) {
		return delimiter{}, false
	}
	eol, next := line(s.src, at)
	name := bytes.TrimRight(s.src[at+2:eol], " \t")
	p, final := s.open[string(name)], false
	if p == nil && bytes.HasSuffix(name, []byte("--")) {
		p, final = s.open[string(name[:len(name)-2])], true
	}
	if p == nil {
		s.doubt(at, name)
		return delimiter{}, false
	}
	start := at
	if start > pos && s.src[start-1] == '\n' {
		start--
		if start > pos && s.src[start-1] == '\r' {
			start--
		}
	}
	return delimiter{p, Span{start, next}, final}, true
}

// doubt lists lines that other readers may take for a boundary.
func (s *splitter) doubt(at int, name []byte) {
	bare := bytes.TrimSuffix(name, []byte("--"))
	if p := s.shut[string(name)]; p != nil {
		s.m.note(s.anomaly("stray_delimiter", "a boundary appears again after its multipart ended", at, true))
		return
	}
	if p := s.shut[string(bare)]; p != nil {
		// A terminator written twice begins no part.
		again := p.closed && blank(s.src[p.Close.End:at])
		s.m.note(s.anomaly("stray_delimiter", "a boundary ends again after its multipart ended", at, !again))
		return
	}
	for i := len(s.path) - 1; i >= 0; i-- {
		b := s.path[i].boundary
		if b == "" || s.path[i].closed || len(name) <= len(b) || string(name[:len(b)]) != b {
			continue
		}
		_, next := line(s.src, at)
		after, _ := line(s.src, next)
		s.m.note(s.anomaly("delimiter_suffix", "a line begins with a boundary and goes on", at, looksLikeParts(s.src[next:after])))
		return
	}
}

func (s *splitter) anomaly(code, detail string, at int, ambiguous bool) Anomaly {
	if s.path[0].Embedded {
		at = -1
	}
	return Anomaly{Code: code, Detail: detail, Offset: at, Ambiguous: ambiguous}
}

// anomaly is one about the part as a whole.
func (p *Part) anomaly(code, detail string, ambiguous bool) Anomaly {
	at := p.Header.Start
	if p.Embedded {
		at = -1
	}
	return Anomaly{Code: code, Detail: detail, Offset: at, Ambiguous: ambiguous}
}

// line returns where the line at that offset ends, without and with its line end.
// A bare CR ends no line.
func line(src []byte, at int) (end, next int) {
	i := bytes.IndexByte(src[at:], '\n')
	if i < 0 {
		return len(src), len(src)
	}
	end, next = at+i, at+i+1
	if end > at && src[end-1] == '\r' {
		end--
	}
	return end, next
}

func blank(b []byte) bool { return len(bytes.TrimSpace(b)) == 0 }
