package submission

import (
	"encoding/hex"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-smtp"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// Limits of a command line, line end included. RFC 5321 asks for 512 octets and each extension adds some; ORCPT
// adds 500, SMTPUTF8 10, and addresses may be long. RFC 4954 asks for 12,288 where AUTH data may stand.
const (
	maxCommandLine = 4096
	maxAuthLine    = 12288
)

// command is one command line, split but not judged.
type command struct {
	verb string // upper case
	rest string // what follows the blank, trimmed
}

// parseCommand reads a line without its CR LF.
func parseCommand(s string) command {
	verb, rest, _ := strings.Cut(s, " ")
	return command{strings.ToUpper(verb), strings.Trim(rest, " ")}
}

// path is the mailbox of a MAIL or RCPT command with what follows it.
type path struct {
	address mailaddr.Address // "" for <>
	params  string           // without leading blank
}

var (
	errPathSyntax  = errors.New("not KEYWORD:<mailbox>")
	errSourceRoute = errors.New("source route")
)

// parsePath reads "FROM:<mailbox> params". The mailbox must satisfy the strict grammar as it stands on the wire:
// a parser that unquotes first can be talked into `"victim@evil> NOTIFY=NEVER"@inside`, which the next hop
// would read as an address and a parameter.
func parsePath(rest, keyword string, utf8OK bool) (path, error) {
	if len(rest) < len(keyword) || !strings.EqualFold(rest[:len(keyword)], keyword) {
		return path{}, errPathSyntax
	}
	// Blanks after the colon are wrong, common and harmless.
	mailbox, params, ok := cutMailbox(strings.TrimLeft(rest[len(keyword):], " "))
	if !ok {
		return path{}, errPathSyntax
	}
	if mailbox == "" {
		return path{params: params}, nil
	}
	if mailbox[0] == '@' {
		return path{}, errSourceRoute
	}
	a, err := mailaddr.Parse(mailbox, utf8OK)
	if err != nil {
		return path{}, err
	}
	return path{a, params}, nil
}

// cutMailbox separates the mailbox from the parameters. Devices leave the angle brackets out; then the mailbox
// ends at the first blank. An absent mailbox without brackets is not the null path but a mistake.
func cutMailbox(s string) (mailbox, params string, ok bool) {
	if !strings.HasPrefix(s, "<") {
		mailbox, params, _ = strings.Cut(s, " ")
		return mailbox, strings.TrimLeft(params, " "), mailbox != ""
	}
	end := closingBracket(s)
	if end < 0 {
		return "", "", false
	}
	mailbox, params = s[1:end], s[end+1:]
	if params != "" && params[0] != ' ' {
		return "", "", false
	}
	return mailbox, strings.TrimLeft(params, " "), true
}

// closingBracket finds the '>' that is not inside a quoted local part.
func closingBracket(s string) int {
	quoted := false
	for i := 1; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '>' && !quoted:
			return i
		}
	}
	return -1
}

// pathReply says what is wrong with a path.
func pathReply(err error, keyword string) *smtp.SMTPError {
	switch {
	case errors.Is(err, errPathSyntax) && keyword == "FROM:":
		return badSyntax("MAIL FROM:<address>")
	case errors.Is(err, errPathSyntax):
		return badSyntax("RCPT TO:<address>")
	case errors.Is(err, errSourceRoute):
		return sourceRoute()
	case errors.Is(err, mailaddr.ErrNotASCII):
		return needsUTF8()
	case keyword == "FROM:":
		return badSenderMailbox()
	}
	return badMailbox()
}

// mailParams is what the wire itself must know of MAIL's parameters; go-smtp reads the rest.
type mailParams struct {
	utf8 bool
	size int64 // -1 when it does not fit into 63 bits
}

// parseParams refuses a parameter that stands twice: which of two SIZE or NOTIFY values counts would be a matter
// of taste.
func parseParams(params string) (mailParams, *smtp.SMTPError) {
	var m mailParams
	seen := map[string]bool{}
	for p := range strings.FieldsSeq(params) {
		name, value, _ := strings.Cut(p, "=")
		name = strings.ToUpper(name)
		if seen[name] {
			return m, repeatedParameter()
		}
		seen[name] = true
		switch name {
		case "SMTPUTF8":
			m.utf8 = true
		case "SIZE":
			m.size = parseSize(value)
		}
	}
	return m, nil
}

// internationalORCPT gives the original recipient the type of RFC 6533 when Postfix calls an internationalised address
// "rfc822", in which nothing but ASCII may stand: go-smtp would refuse the recipient for it.
func internationalORCPT(params string) string {
	words := strings.Fields(params)
	for i, p := range words {
		const old = "ORCPT=rfc822;"
		if len(p) < len(old) || !strings.EqualFold(p[:len(old)], old) {
			continue
		}
		address := hexChar.ReplaceAllStringFunc(p[len(old):], func(x string) string {
			b, err := hex.DecodeString(x[1:])
			if err != nil {
				return x
			}
			return string(b)
		})
		if utf8.ValidString(address) && !mailaddr.Address(address).IsASCII() && plainText(address) {
			words[i] = "ORCPT=utf-8;" + strings.NewReplacer("\\", `\x{5C}`, "+", `\x{2B}`, "=", `\x{3D}`, " ", `\x{20}`).Replace(address)
		}
	}
	return strings.Join(words, " ")
}

// hexChar is an octet in xtext (RFC 3461 section 4).
var hexChar = regexp.MustCompile(`\+[0-9A-F]{2}`)

func parseSize(value string) int64 {
	n, err := strconv.ParseInt(value, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		return -1
	}
	return max(n, 0) // what is no number go-smtp refuses with 501
}

// chunk is a BDAT command (RFC 3030).
type chunk struct {
	size int64
	last bool
}

func parseChunk(rest string) (chunk, bool) {
	number, word, more := strings.Cut(rest, " ")
	word = strings.TrimLeft(word, " ")
	if more && word != "" && !strings.EqualFold(word, "LAST") {
		return chunk{}, false
	}
	// ParseUint takes no sign; 31 bits because nobody sends a chunk of 2 GiB.
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil {
		return chunk{}, false
	}
	return chunk{int64(n), word != ""}, true
}

// plainText says whether a command line holds nothing that a log, a header field or a next hop could trip over.
func plainText(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// greeting makes the argument of EHLO fit for replies and header fields. Windows machines with a Japanese name
// send it in whatever their code page is; refusing them would shut people out for a word nobody uses.
func greeting(arg string) string {
	name, _, _ := strings.Cut(arg, " ")
	if len(name) > 255 {
		name = name[:255]
	}
	clean := []byte(name)
	for i, c := range clean {
		if c <= 0x20 || c >= utf8.RuneSelf-1 || strings.IndexByte(`()<>",;\@`, c) >= 0 {
			clean[i] = '-'
		}
	}
	return string(clean)
}
