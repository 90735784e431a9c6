package web

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName is how many bytes of a file name are kept; file systems stop at 255.
const maxName = 200

// disposition writes Content-Disposition for a file to be saved (RFC 6266): a
// plain name for the oldest browsers and the real one in UTF-8 (RFC 8187).
func disposition(name string) string {
	name = fileName(name)
	return `attachment; filename="` + asciiName(name) + `"; filename*=UTF-8''` + percent(name)
}

// fileName makes a name safe to save under: no path, nothing invisible or that
// turns the reading direction, nothing Windows refuses.
func fileName(name string) string {
	name = strings.ToValidUTF8(name, "_")
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	name = strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune(`<>:"/\|?*`, r):
			return '_'
		case unicode.Is(unicode.Bidi_Control, r), unicode.IsControl(r), r == '\uFEFF', r == '\u200B', r == '\u2028', r == '\u2029':
			return -1
		}
		return r
	}, name)
	name = strings.TrimLeft(strings.TrimRight(name, ". "), ". ")
	stem, _, _ := strings.Cut(strings.ToUpper(name), ".")
	if len(stem) >= 3 && (strings.Contains(" CON PRN AUX NUL ", " "+stem+" ") ||
		len(stem) == 4 && (stem[:3] == "COM" || stem[:3] == "LPT") && stem[3] >= '0' && stem[3] <= '9') {
		name = "_" + name
	}
	if name == "" || name == "_" {
		name = "file"
	}
	return shortened(name)
}

// shortened cuts the stem of a long name and keeps its extension.
func shortened(name string) string {
	if len(name) <= maxName {
		return name
	}
	ext := path.Ext(name)
	if len(ext) > 20 {
		ext = ""
	}
	stem := name[:maxName-len(ext)]
	for !utf8.ValidString(stem) {
		stem = stem[:len(stem)-1]
	}
	return stem + ext
}

// asciiName replaces what old browsers cannot read. The percent sign goes, too:
// some of them decode it.
func asciiName(name string) string {
	plain := strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || strings.ContainsRune(`"\%;`, r) {
			return '_'
		}
		return r
	}, name)
	if strings.Trim(strings.TrimSuffix(plain, path.Ext(plain)), "_ ") == "" {
		return "download" + path.Ext(plain)
	}
	return plain
}

// percent encodes everything but the attr-char of RFC 8187.
func percent(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$&+-.^_`|~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteString("%" + string(hex[c>>4]) + string(hex[c&15]))
	}
	return b.String()
}
