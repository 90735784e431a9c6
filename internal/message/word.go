package message

import (
	"encoding/base64"
	"slices"
	"strings"
)

// word is an encoded word of RFC 2047, its transfer encoding undone.
type word struct {
	charset string
	bytes   []byte
}

// DecodeHeader undoes RFC 2047 (and raw 8-bit or JIS text) in an unfolded field
// value: the best reading for people.
func DecodeHeader(raw string) string { return first(DecodeHeaders(raw)) }

// DecodeHeaders gives all plausible readings of a field value, best first: the
// nth holds the nth reading of every piece of it.
//
// Adjacent words of one charset are joined before they are decoded: s-nail and
// others cut ISO-2022-JP inside a character. mime.WordDecoder decodes each word
// for itself.
func DecodeHeaders(raw string) []string {
	if !strings.Contains(raw, "=?") {
		return DecodeText([]byte(raw), "")
	}
	var pieces [][]string
	for rest := raw; rest != ""; {
		text, w, tail, found := cutWord(rest)
		if text != "" {
			pieces = append(pieces, DecodeText([]byte(text), ""))
		}
		rest = tail
		if found {
			rest = joinWords(&w, rest)
			pieces = append(pieces, DecodeText(w.bytes, w.charset))
		}
	}
	return combine(pieces)
}

// joinWords takes the words that follow w, white space apart, in its charset.
func joinWords(w *word, rest string) string {
	for {
		next := strings.TrimLeft(rest, " \t\r\n")
		if !strings.HasPrefix(next, "=?") {
			return rest
		}
		text, more, tail, found := cutWord(next)
		if !found || text != "" {
			return rest
		}
		if family(more.charset) != family(w.charset) {
			return next // white space between two words never shows
		}
		w.bytes = append(w.bytes, more.bytes...)
		rest = tail
	}
}

// cutWord finds the first encoded word of s.
func cutWord(s string) (before string, w word, after string, found bool) {
	for at := 0; ; {
		i := strings.Index(s[at:], "=?")
		if i < 0 {
			return s, word{}, "", false
		}
		at += i
		if w, n := parseWord(s[at:]); n > 0 {
			return s[:at], w, s[at+n:], true
		}
		at += 2
	}
}

// maxWord bounds one encoded word. RFC 2047 says 75; clients write whole lines.
const maxWord = 4 << 10

// parseWord reads =?charset?B?text?= at the start of s; n is its length, 0 where
// it is none.
func parseWord(s string) (w word, n int) {
	bound := s[:min(len(s), maxWord)]
	charset, rest, ok := strings.Cut(bound[2:], "?")
	if !ok || charset == "" || len(charset) > 60 || strings.ContainsAny(charset, " \t") {
		return w, 0
	}
	coding, rest, ok := strings.Cut(rest, "?")
	if !ok || len(coding) != 1 {
		return w, 0
	}
	text, _, ok := strings.Cut(rest, "?=")
	if !ok {
		return w, 0
	}
	w.charset, _, _ = strings.Cut(charset, "*") // RFC 2231 section 5: language
	switch coding {
	case "B", "b":
		w.bytes = wordBase64(text)
	case "Q", "q":
		w.bytes = wordQ(text)
	default:
		return w, 0
	}
	return w, 2 + len(charset) + 1 + len(coding) + 1 + len(text) + 2
}

func wordBase64(text string) []byte {
	clean := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if sextet(text[i]) {
			clean = append(clean, text[i])
		}
	}
	if len(clean)%4 == 1 {
		clean = clean[:len(clean)-1]
	}
	out := make([]byte, base64.RawStdEncoding.DecodedLen(len(clean)))
	n, _ := base64.RawStdEncoding.Decode(out, clean) // only alphabet is left: cannot fail
	return out[:n]
}

func wordQ(text string) []byte {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '_':
			out = append(out, ' ')
		case c == '=' && i+2 < len(text) && unhex(text[i+1]) >= 0 && unhex(text[i+2]) >= 0:
			out = append(out, byte(unhex(text[i+1])<<4|unhex(text[i+2])))
			i += 2
		default:
			out = append(out, c)
		}
	}
	return out
}

// combine puts the pieces together; a piece with fewer readings repeats its best.
func combine(pieces [][]string) []string {
	most := 1
	for _, p := range pieces {
		most = max(most, len(p))
	}
	var out []string
	for n := range most {
		var b strings.Builder
		for _, p := range pieces {
			if n < len(p) {
				b.WriteString(p[n])
			} else {
				b.WriteString(p[0])
			}
		}
		if s := b.String(); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
