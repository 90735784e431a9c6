package relay

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// survey is what the bytes themselves say about how they may travel. The client's word does not count: Go's
// net/smtp says SMTPUTF8 for plain ASCII, and devices send eight bits without saying so.
type survey struct {
	eightBit   bool // some byte above 127
	utf8Header bool // the header block has UTF-8 that is not ASCII
	header     []byte
	fields     map[string]int // how often each field stands in the header, names in lower case
	from       string         // the value of From, unfolded
	hasBody    bool           // the header block ends in an empty line
}

// maxHeader bounds what is kept of a header block; one that is longer is sent, but not signed.
const maxHeader = 1 << 20

// errUnsafeLines says that the next hop could find another end of the mail than we do.
var errUnsafeLines = errors.New("bare CR, bare LF or NUL")

// look reads the mail once, keeping its header only.
func look(ctx context.Context, r io.Reader) (*survey, error) {
	s := &survey{}
	scan := lineScan{header: true}
	block := make([]byte, 64<<10)
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, err := r.Read(block)
		if !scan.add(block[:n], s) {
			return nil, errUnsafeLines
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if scan.last == '\r' {
		return nil, errUnsafeLines
	}
	s.close()
	return s, nil
}

// lineScan goes through the bytes with one byte of memory.
type lineScan struct {
	last   byte
	blank  bool // nothing in this line so far
	header bool // still in the header block
	began  bool
}

func (l *lineScan) add(p []byte, s *survey) bool {
	if !l.began {
		l.began, l.blank = true, true
	}
	for i, c := range p {
		if (l.last == '\r') != (c == '\n') || c == 0 {
			return false
		}
		switch {
		case c == '\n':
			if l.header && l.blank {
				l.header, s.hasBody = false, true
				s.keep(p[:i+1])
				s.eightBit = s.eightBit || hasEightBit(p)
				p = nil
			}
			l.blank = true
		case c != '\r':
			l.blank = false
		}
		l.last = c
	}
	if p != nil {
		s.eightBit = s.eightBit || hasEightBit(p)
		if l.header {
			s.keep(p)
		}
	}
	return true
}

func (s *survey) keep(p []byte) {
	if len(s.header)+len(p) <= maxHeader+1 {
		s.header = append(s.header, p...)
	} else if len(s.header) <= maxHeader {
		s.header = append(s.header, p[:maxHeader+1-len(s.header)]...)
	}
}

func (s *survey) complete() bool { return len(s.header) <= maxHeader }

func (s *survey) close() {
	s.utf8Header = hasEightBit(s.header) && utf8.Valid(s.header)
	s.fields = map[string]int{}
	var name string
	for line := range bytes.SplitSeq(s.header, []byte("\r\n")) {
		text := string(line)
		if text == "" {
			continue
		}
		if text[0] != ' ' && text[0] != '\t' {
			name, text, _ = strings.Cut(text, ":")
			name = strings.ToLower(strings.TrimRight(name, " \t"))
			s.fields[name]++
		}
		if name == "from" {
			s.from += text
		}
	}
}

func hasEightBit(p []byte) bool {
	for _, c := range p {
		if c >= utf8.RuneSelf {
			return true
		}
	}
	return false
}
