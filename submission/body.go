package submission

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/emersion/go-smtp"
)

const (
	maxContentLine = 1 << 20   // real mails need far more than RFC 5321's 1,000
	maxDrain       = 256 << 20 // of a body that is refused already
)

// errLoose ends a body whose client seems to believe that it has ended it.
var errLoose = errors.New("final dot between line ends that are not CR LF")

// errForgotten ends a body whose client thought better of it (RSET between chunks).
var errForgotten = errors.New("client gave the message up")

// body is the message as the client sends it, with the transfer's own marks removed. Read returns io.EOF where the
// client has ended the message, a *smtp.SMTPError where the message is to be refused, and any other error where the
// connection is lost.
type body struct {
	w     *wire
	frame frame
	check checker
	left  int64 // octets the message may still have
	read  int64 // octets it has had so far
	ended error // io.EOF or what broke the connection; nothing more is read
}

// frame takes a body apart: by dots (DATA) or by chunks (BDAT).
type frame interface {
	// read returns the next octets of the message, valid until the next call; io.EOF at its end.
	read() ([]byte, error)
}

func newDots(w *wire) *body {
	return &body{w: w, frame: &dots{w: w, start: true}, left: w.srv.limits.MessageBytes}
}

func newChunks(w *wire, first chunk) *body {
	return &body{w: w, frame: &chunks{w: w, now: first, left: first.size}, left: w.srv.limits.MessageBytes}
}

// next returns the next octets of the message, valid until the next call.
func (b *body) next() ([]byte, error) {
	if b.ended != nil {
		return nil, b.ended
	}
	p, err := b.frame.read()
	if err != nil {
		b.ended = err
		if err == errLoose {
			return nil, bareLineEnd()
		}
		if err == io.EOF {
			if refusal := b.check.end(); refusal != nil {
				return nil, refusal
			}
		}
		return nil, err
	}
	b.read += int64(len(p))
	if b.left -= int64(len(p)); b.left < 0 {
		return nil, tooLarge(b.w.srv.limits.MessageBytes)
	}
	if refusal := b.check.write(p); refusal != nil {
		return nil, refusal
	}
	return p, nil
}

// drain reads what is left of the body. The error is one that ends the connection.
func (b *body) drain() error {
	for read := 0; b.ended == nil; {
		p, err := b.frame.read()
		b.ended = err
		// Somebody who goes on for long after the limit will not hear the refusal any sooner.
		if read += len(p); read > maxDrain {
			b.w.hangup, b.w.linger = true, true
			return nil
		}
	}
	switch b.ended {
	case io.EOF, errForgotten, errLoose:
		return nil
	}
	return b.ended
}

// dots frames a DATA body (RFC 5321 section 4.5.2). Only CR LF . CR LF ends it.
type dots struct {
	w     *wire
	start bool // at the start of a line after a true CR LF
	cr    bool // the last octet was CR
	loose bool // a line has ended in something else than CR LF
	fresh bool // at the start of a line after any line end
}

func (d *dots) read() ([]byte, error) {
	if err := d.w.flushBeforeWaiting(); err != nil {
		return nil, err
	}
	p, err := d.w.in.ReadSlice('\n')
	if err != nil && err != bufio.ErrBufferFull {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	if d.start && string(p) == ".\r\n" {
		return nil, io.EOF
	}
	if d.looseEnd(p) {
		// What follows would be commands to the client and text to us: both stop here, and the connection with them.
		d.w.hangup, d.w.linger = true, true
		return nil, errLoose
	}
	out := p
	if d.start && p[0] == '.' {
		out = p[1:]
	}
	d.move(p)
	return out, nil
}

// looseEnd recognises a final dot between line ends of which one is not CR LF.
func (d *dots) looseEnd(p []byte) bool {
	return d.fresh && (d.loose || string(p) == ".\n") && (string(p) == ".\n" || string(p) == ".\r\n")
}

func (d *dots) move(p []byte) {
	last := p[len(p)-1]
	proper := bytes.HasSuffix(p, []byte("\r\n")) || string(p) == "\n" && d.cr
	d.fresh = last == '\n'
	d.start = d.fresh && proper
	d.loose = d.loose || d.fresh && !proper
	d.cr = last == '\r'
}

// chunks frames a BDAT body (RFC 3030). Between chunks it takes the commands that may stand there.
type chunks struct {
	w    *wire
	now  chunk
	left int64
	buf  []byte
}

func (c *chunks) read() ([]byte, error) {
	for c.left == 0 {
		if c.now.last {
			return nil, io.EOF
		}
		c.w.say(chunkTaken(c.now.size))
		if err := c.nextChunk(); err != nil {
			return nil, err
		}
	}
	if err := c.w.flushBeforeWaiting(); err != nil {
		return nil, err
	}
	if c.buf == nil {
		c.buf = make([]byte, wireBuffer)
	}
	n, err := c.w.in.Read(c.buf[:min(int64(len(c.buf)), c.left)])
	c.left -= int64(n)
	if n == 0 && err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if n > 0 {
		err = nil
	}
	return c.buf[:n], err
}

// nextChunk reads commands until one is BDAT or gives the message up.
func (c *chunks) nextChunk() error {
	for !c.w.hangup {
		text, refusal, err := c.w.readCommand()
		if err != nil {
			return fmt.Errorf("between chunks: %w", err)
		}
		if refusal != nil {
			c.w.refuse(refusal)
			continue
		}
		if done, err := c.between(parseCommand(text)); done {
			return err
		}
	}
	return io.ErrUnexpectedEOF
}

// between executes a command that stands between two chunks. done ends the waiting for the next chunk.
func (c *chunks) between(cmd command) (done bool, err error) {
	switch cmd.verb {
	case "BDAT":
		next, ok := parseChunk(cmd.rest)
		if !ok {
			c.w.hangup, c.w.linger = true, true
			c.w.instead = badSyntax("BDAT size [LAST]")
			return true, errForgotten
		}
		c.now, c.left = next, next.size
		return true, nil
	case "NOOP":
		c.w.say(nothingDone())
	case "RSET":
		c.w.instead = reset()
		return true, errForgotten
	case "QUIT":
		c.w.instead, c.w.hangup = goodbye(), true
		return true, errForgotten
	default:
		c.w.refuse(chunkExpected())
	}
	return false, nil
}

// checker finds what a message must not hold because two servers could read it differently.
type checker struct {
	cr       bool // the last octet was CR
	line     int  // octets in the present line
	eightBit bool
}

func (c *checker) write(p []byte) *smtp.SMTPError {
	if bytes.IndexByte(p, 0) >= 0 {
		return nulByte()
	}
	if !c.eightBit {
		var all byte
		for _, b := range p {
			all |= b
		}
		c.eightBit = all >= 0x80
	}
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		piece := p
		if end >= 0 {
			piece = p[:end+1]
		}
		if refusal := c.piece(piece, end >= 0); refusal != nil {
			return refusal
		}
		p = p[len(piece):]
	}
	return nil
}

// piece takes a line or a part of one.
func (c *checker) piece(p []byte, whole bool) *smtp.SMTPError {
	if c.cr && p[0] != '\n' {
		return bareLineEnd()
	}
	if c.line += len(p); c.line > maxContentLine {
		return contentLineTooLong()
	}
	inner := p
	if whole {
		inner = p[:len(p)-1]
		if len(inner) == 0 && !c.cr || len(inner) > 0 && inner[len(inner)-1] != '\r' {
			return bareLineEnd()
		}
		c.line = 0
	}
	at := bytes.IndexByte(inner, '\r')
	if at >= 0 && at != len(inner)-1 {
		return bareLineEnd()
	}
	c.cr = at >= 0 && !whole
	return nil
}

// end judges the end of the message.
func (c *checker) end() *smtp.SMTPError {
	if c.cr {
		return bareLineEnd()
	}
	return nil
}
