package story

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"regexp"
	"strings"
	"time"
)

// sender is an SMTP connection that does exactly what it is told.
type sender struct {
	conn net.Conn
	text *textproto.Conn
}

// answer is what the server said at the end of a transaction, or where it stopped it.
type answer struct {
	code int
	text string // with the enhanced code
	id   string // of the accepted mail
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.code, a.text) }

// submission opens a connection to the house as a mail program does: STARTTLS, then AUTH.
func (h *house) submission(user, word string) (*sender, error) {
	conn, err := net.DialTimeout("tcp", h.at("587"), patience)
	if err != nil {
		return nil, err
	}
	s := greet(conn)
	if err := s.begin(h.tlsTo("mail.corp.example")); err == nil {
		err = s.auth(user, word)
		if err == nil {
			return s, nil
		}
		s.close()
		return nil, err
	} else {
		s.close()
		return nil, err
	}
}

// gateway opens a connection as another mail server does.
func (h *house) gatewayDoor() (*sender, error) {
	conn, err := net.DialTimeout("tcp", h.at("25"), patience)
	if err != nil {
		return nil, err
	}
	s := greet(conn)
	if _, err := s.expect(220, ""); err != nil {
		s.close()
		return nil, err
	}
	_, err = s.expect(250, "EHLO client.example")
	return s, err
}

func greet(conn net.Conn) *sender {
	conn.SetDeadline(time.Now().Add(2 * patience))
	return &sender{conn: conn, text: textproto.NewConn(conn)}
}

func (s *sender) begin(secure *tls.Config) error {
	for _, step := range []struct {
		code int
		line string
	}{{220, ""}, {250, "EHLO client.example"}, {220, "STARTTLS"}} {
		if _, err := s.expect(step.code, step.line); err != nil {
			return err
		}
	}
	encrypted := tls.Client(s.conn, secure)
	s.conn, s.text = encrypted, textproto.NewConn(encrypted)
	_, err := s.expect(250, "EHLO client.example")
	return err
}

func (s *sender) auth(user, word string) error {
	_, err := s.expect(235, "AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00"+word)))
	return err
}

// expect sends a line and wants a code.
func (s *sender) expect(code int, line string) (string, error) {
	if line != "" {
		if err := s.text.PrintfLine("%s", line); err != nil {
			return "", err
		}
	}
	_, text, err := s.text.ReadResponse(code)
	return text, err
}

// letterOf is what one transaction needs. Parameters follow MAIL FROM.
type letterOf struct {
	from, parameters string
	to               []string
	raw              []byte
}

// send carries out one transaction. An error is a connection that broke; a refusal is an answer.
func (s *sender) send(l letterOf) (answer, error) {
	lines := []string{strings.TrimSpace(fmt.Sprintf("MAIL FROM:<%s> %s", l.from, l.parameters))}
	for _, to := range l.to {
		lines = append(lines, "RCPT TO:<"+to+">")
	}
	for _, line := range append(lines, "DATA") {
		code := 250
		if line == "DATA" {
			code = 354
		}
		if _, err := s.expect(code, line); err != nil {
			return refusal(err)
		}
	}
	if err := s.data(l.raw); err != nil {
		return answer{}, err
	}
	return s.verdict()
}

func refusal(err error) (answer, error) {
	var said *textproto.Error
	if errors.As(err, &said) {
		return answer{code: said.Code, text: said.Msg}, nil
	}
	return answer{}, err
}

// data writes a mail with dots stuffed and its end.
func (s *sender) data(raw []byte) error {
	w := bufio.NewWriter(s.conn)
	for line := range bytes.Lines(raw) {
		if line[0] == '.' {
			w.WriteByte('.')
		}
		w.Write(line)
	}
	w.WriteString(".\r\n")
	return w.Flush()
}

var acceptedID = regexp.MustCompile(`\b[0-9A-Za-z]{26}\b`)

func (s *sender) verdict() (answer, error) {
	code, text, err := s.text.ReadResponse(250)
	if err != nil {
		return refusal(err)
	}
	return answer{code: code, text: text, id: acceptedID.FindString(text)}, nil
}

func (s *sender) close() { s.conn.Close() }
