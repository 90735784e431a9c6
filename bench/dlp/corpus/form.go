package corpus

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// form is one way in which people write a kind of value.
type form struct {
	name    string
	pattern string
	how     string // wide, kanji, narrow: what is done to the result
	asked   bool   // only where a template asks for it: a part of a value
}

// parseForms reads lines "kind name pattern [how]"; fields are separated by
// tabs. A name that ends in *3 is three times as frequent as others, one in *0 stands
// only where a template asks for it.
func parseForms(text string) (map[string][]form, error) {
	forms := map[string][]form{}
	unescape := strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\u200b`, "\u200b", `\u00ad`, "\u00ad", `\u3000`, "\u3000", `\u00a0`, "\u00a0")
	for n, line := range strings.Split(text, "\n") {
		if line == "" || strings.HasPrefix(line, "# ") {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) < 3 {
			return nil, fmt.Errorf("line %d: kind, name and pattern, separated by tabs", n+1)
		}
		name, often, _ := strings.Cut(f[1], "*")
		w := form{name: name, pattern: unescape.Replace(f[2])}
		if len(f) > 3 {
			w.how = f[3]
		}
		times := 1
		if often != "" {
			times = max(1, int(often[0]-'0'))
		}
		w.asked = often == "0"
		for range times {
			forms[f[0]] = append(forms[f[0]], w)
		}
	}
	return forms, nil
}

// written is a value before it has a form: named parts, the groups that {*}
// joins, and the canonical text.
type written struct {
	canon  string
	groups []string
	parts  map[string]string
}

// show writes v in form f. In a pattern # takes the next character, {3} the
// third group, {0} the first group without its zero, {*-} all groups joined
// by the text behind the star, {name} a part.
func (f form) show(v written) string {
	var b strings.Builder
	all, next := strings.Join(v.groups, ""), 0
	for p := f.pattern; p != ""; {
		switch {
		case p[0] == '#' && next < len(all):
			b.WriteByte(all[next])
			next, p = next+1, p[1:]
		case p[0] == '{':
			inner, rest, _ := strings.Cut(p[1:], "}")
			b.WriteString(v.part(inner))
			p = rest
		default:
			b.WriteByte(p[0])
			p = p[1:]
		}
	}
	return inWidth(b.String(), f.how)
}

func (v written) part(name string) string {
	if s, ok := v.parts[name]; ok {
		return s
	}
	if sep, ok := strings.CutPrefix(name, "*"); ok {
		return strings.Join(v.groups, sep)
	}
	if name == "0" {
		return strings.TrimPrefix(v.groups[0], "0")
	}
	if i := int(name[0] - '1'); i >= 0 && i < len(v.groups) {
		return v.groups[i]
	}
	return ""
}

// inWidth rewrites ASCII: wide is full width, kanji writes digits 〇一二.
func inWidth(s, how string) string {
	if how != "wide" && how != "kanji" {
		return s
	}
	digits := []rune("〇一二三四五六七八九")
	return strings.Map(func(r rune) rune {
		switch {
		case how == "kanji" && r >= '0' && r <= '9':
			return digits[r-'0']
		case how == "wide" && r > ' ' && r <= '~':
			return r - '!' + '！'
		case how == "wide" && r == ' ':
			return '\u3000'
		}
		return r
	}, s)
}

// choose takes one of the set's forms of a kind; inside a cell none that
// breaks the line or draws boxes.
func (s *Set) choose(r *rand.Rand, kind, name string, cell bool) form {
	var fit []form
	for _, f := range s.forms[kind] {
		if (name == "" && !f.asked || f.name == name) && !(cell && strings.ContainsAny(f.pattern, "\n|│")) {
			fit = append(fit, f)
		}
	}
	if len(fit) == 0 {
		return form{name: "as is", pattern: "{*}"}
	}
	return fit[r.IntN(len(fit))]
}
