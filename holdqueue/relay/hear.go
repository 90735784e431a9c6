package relay

import (
	"fmt"
	"net/textproto"
	"strings"
)

// hear reads one answer, of however many lines. One whose code does not begin with the digits of expect is an error of
// type *textproto.Error.
//
// net/textproto would not do: it refuses an answer without text ("250"), which RFC 5321 section 4.2 allows, and after a
// final dot that means sending the mail again and again; and where the lines of an answer have different codes it reads
// on into the answers of other commands. Here the first line without a hyphen is the last one, and its code counts.
func (s *session) hear(expect string) (code int, text string, err error) {
	var all []string
	for {
		line, err := s.text.ReadLine()
		if err != nil {
			return 0, "", err
		}
		said, rest, last, ok := replyLine(line)
		switch {
		case !ok && len(all) == 0:
			return 0, "", fmt.Errorf("malformed answer %q", printable(line[:min(len(line), 40)]))
		case !ok:
			all = append(all, line) // some forget the code between the first line and the last
			continue
		}
		all = append(all, rest)
		if !last {
			continue
		}
		text = strings.Join(all, "\n")
		if !strings.HasPrefix(line, expect) {
			return said, text, &textproto.Error{Code: said, Msg: text}
		}
		return said, text, nil
	}
}

// replyLine takes a line of an answer apart.
func replyLine(line string) (code int, text string, last, ok bool) {
	if len(line) < 3 || line[0] < '2' || line[0] > '5' {
		return 0, "", false, false
	}
	for _, c := range line[:3] {
		if c < '0' || c > '9' {
			return 0, "", false, false
		}
		code = 10*code + int(c-'0')
	}
	if len(line) == 3 {
		return code, "", true, true
	}
	return code, line[4:], line[3] != '-', line[3] == '-' || line[3] == ' '
}
