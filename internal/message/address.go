package message

import (
	"errors"
	"net/mail"
	"strings"
)

// Address is one mailbox of an address field. Name is decoded; Address is
// local@domain as written, not validated: see mailaddr.
type Address struct{ Name, Address string }

// What Addresses may say is wrong with a field.
var (
	ErrAddressSyntax = errors.New("address list with broken syntax")
	ErrAddressMany   = errors.New("more addresses than the limit")
)

// MaxAddresses bounds one address field.
const MaxAddresses = 20_000

// Addresses reads an address list leniently: groups, comments, encoded words.
// The addresses found are returned even when err says what was wrong.
func Addresses(value string) ([]Address, error) {
	value = strings.TrimSpace(value)
	if value == "" {
		return nil, nil
	}
	var out []Address
	var problem error
	for _, entry := range cutAddresses(value) {
		if len(out) >= MaxAddresses {
			return out, ErrAddressMany
		}
		a, err := readAddress(entry)
		if err != nil {
			problem = err
		}
		if a != (Address{}) {
			out = append(out, a)
		}
	}
	return out, problem
}

// cutAddresses cuts a list at the commas, semicolons and group names that stand
// outside quotes, comments and angle brackets.
func cutAddresses(s string) []string {
	var out []string
	start, comment := 0, 0
	quoted, angle := false, false
	take := func(end, next int) {
		if e := strings.TrimSpace(s[start:end]); e != "" {
			out = append(out, e)
		}
		start = next
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && (quoted || comment > 0):
			i++
		case c == '"' && comment == 0:
			quoted = !quoted
		case quoted:
		case c == '(':
			comment++
		case c == ')' && comment > 0:
			comment--
		case comment > 0:
		case c == '<':
			angle = true
		case c == '>':
			angle = false
		case c == ',' && !angle, c == ';' && !angle:
			take(i, i+1)
		case c == ':' && !angle && !strings.Contains(s[start:i], "@"):
			start = i + 1 // the name of a group
		}
	}
	take(len(s), len(s))
	return out
}

// readAddress reads one mailbox: net/mail where it agrees, else the part between
// the last angle brackets, else the word with the at sign.
func readAddress(entry string) (Address, error) {
	if a, err := mail.ParseAddress(entry); err == nil {
		return Address{Name: displayName(entry, a.Name), Address: quoteLocal(a.Address)}, nil
	}
	name, comment := cutComments(entry)
	if open := strings.LastIndexByte(name, '<'); open >= 0 {
		inner, rest, closed := strings.Cut(name[open+1:], ">")
		a := Address{Name: displayName(name[:open], ""), Address: strings.TrimSpace(inner)}
		if i := strings.LastIndexByte(a.Address, ':'); i >= 0 && strings.HasPrefix(a.Address, "@") {
			a.Address = a.Address[i+1:] // obsolete route, RFC 5322 section 4.4
		}
		fine := closed && strings.TrimSpace(rest) == "" && simple(a.Address)
		if fine {
			return a, nil
		}
		return a, ErrAddressSyntax
	}
	for _, word := range strings.Fields(name) {
		if strings.Contains(word, "@") {
			a := Address{Name: DecodeHeader(comment), Address: strings.Trim(word, `"'`)}
			if simple(a.Address) && len(strings.Fields(name)) == 1 {
				return a, nil
			}
			return a, ErrAddressSyntax
		}
	}
	return Address{Name: displayName(name, "")}, ErrAddressSyntax
}

// quoteLocal brings back the quotes that net/mail takes off a local part.
func quoteLocal(address string) string {
	i := strings.LastIndexByte(address, '@')
	local := address[:max(i, 0)]
	if !strings.ContainsAny(local, " \t\"\\()<>[]:;@,") && !strings.Contains(local, "..") &&
		!strings.HasPrefix(local, ".") && !strings.HasSuffix(local, ".") {
		return address
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(local) + `"` + address[i:]
}

// displayName is the phrase before the angle bracket, decoded. fallback serves
// for the forms without one.
func displayName(entry, fallback string) string {
	phrase, comment := cutComments(entry)
	if i := strings.LastIndexByte(phrase, '<'); i >= 0 {
		phrase = phrase[:i]
	} else if strings.Contains(phrase, "@") {
		if comment != "" {
			return DecodeHeader(comment)
		}
		return fallback
	}
	phrase = strings.TrimSpace(phrase)
	if strings.HasPrefix(phrase, `"`) {
		text, rest, _ := quotedString(phrase)
		phrase = strings.TrimSpace(text + " " + strings.TrimSpace(rest))
	}
	if phrase == "" {
		return DecodeHeader(comment)
	}
	return DecodeHeader(phrase)
}

// cutComments separates a value from the comments in it.
func cutComments(s string) (plain, comment string) {
	if !strings.Contains(s, "(") {
		return s, ""
	}
	var out, inside strings.Builder
	quoted, depth := false, 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s) && (quoted || depth > 0):
			if depth > 0 {
				inside.WriteByte(s[i+1])
			} else {
				out.WriteString(s[i : i+2])
			}
			i++
			continue
		case c == '"' && depth == 0:
			quoted = !quoted
		case c == '(' && !quoted:
			if depth++; depth == 1 {
				continue
			}
		case c == ')' && depth > 0:
			if depth--; depth == 0 {
				continue
			}
		}
		if depth > 0 {
			inside.WriteByte(c)
		} else {
			out.WriteByte(c)
		}
	}
	if depth > 0 {
		return s, ""
	}
	return out.String(), strings.TrimSpace(inside.String())
}

// simple says whether s has the shape of local@domain without white space.
func simple(s string) bool {
	i := strings.LastIndexByte(s, '@')
	quoted := strings.HasPrefix(s, `"`)
	return i > 0 && i < len(s)-1 && !strings.ContainsAny(s, "\r\n<>") && (quoted || !strings.ContainsAny(s[:i], " \t@"))
}
