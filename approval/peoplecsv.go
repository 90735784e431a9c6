package approval

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/unicode/norm"
)

// csvColumn names the columns in the words a personnel department would write
// above them. Unknown columns are a mistake, not silence: a column "manger"
// would otherwise leave everybody without a manager.
func csvColumn(head string) (string, bool) {
	switch norm.NFKC.String(strings.ToLower(strings.TrimSpace(head))) {
	case "address", "email", "e-mail", "mail", "メールアドレス", "アドレス", "メール":
		return "address", true
	case "aliases", "alias", "別名", "エイリアス":
		return "aliases", true
	case "send_as", "差出人", "送信可能アドレス":
		return "send_as", true
	case "name", "氏名", "名前":
		return "name", true
	case "department", "部署", "所属":
		return "department", true
	case "manager", "上長", "上司", "承認者":
		return "manager", true
	case "deputies", "deputy", "代理", "代理承認者":
		return "deputies", true
	case "groups", "group", "グループ":
		return "groups", true
	case "language", "言語":
		return "language", true
	case "members", "メンバー", "共有メンバー":
		return "members", true
	}
	return "", false
}

// decodeCSV reads what Excel writes in Japan: UTF-8 with a byte order mark,
// "Unicode text" (UTF-16), or Shift_JIS with Microsoft's additions.
func decodeCSV(text []byte) (string, error) {
	switch {
	case bytes.HasPrefix(text, []byte("\xef\xbb\xbf")):
		text = text[3:]
	case bytes.HasPrefix(text, []byte("\xff\xfe")), bytes.HasPrefix(text, []byte("\xfe\xff")):
		out, err := unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder().Bytes(text)
		return string(out), err
	}
	if utf8.Valid(text) {
		return string(text), nil
	}
	out, err := japanese.ShiftJIS.NewDecoder().Bytes(text)
	if err != nil {
		return "", err
	}
	if i := strings.IndexRune(string(out), utf8.RuneError); i >= 0 {
		line := 1 + strings.Count(string(out[:i]), "\n")
		return "", fmt.Errorf("line %d is neither UTF-8 nor Shift_JIS", line)
	}
	return string(out), nil
}

func readCSV(raw []byte) (people, shared []entry, problems []Problem) {
	text, err := decodeCSV(raw)
	if err != nil {
		return nil, nil, []Problem{{Text: err.Error()}}
	}
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord = -1
	r.Comma = csvComma(text)
	head, err := r.Read()
	if err != nil {
		return nil, nil, []Problem{{Line: 1, Text: "the first line must name the columns: address,name,manager,..."}}
	}
	columns, problems := csvHead(head)
	if len(problems) > 0 {
		return nil, nil, problems
	}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return people, shared, problems
		}
		if err != nil {
			// A quote that does not close swallows the rest: nothing after it means anything.
			return nil, nil, append(problems, csvProblem(err))
		}
		line, _ := r.FieldPos(0)
		e, found := csvEntry(columns, row, line)
		switch {
		case found != nil:
			problems = append(problems, *found)
		case len(e.members) > 0:
			shared = append(shared, e)
		case strings.TrimSpace(strings.Join(row, "")) != "":
			people = append(people, e)
		}
	}
}

// csvComma looks at the first line: a semicolon or a tab separates where the
// regional settings of Excel say so.
func csvComma(text string) rune {
	first, _, _ := strings.Cut(text, "\n")
	for _, c := range ",;\t" {
		if strings.ContainsRune(first, c) {
			return c
		}
	}
	return ','
}

func csvProblem(err error) Problem {
	var pe *csv.ParseError
	if errors.As(err, &pe) {
		return Problem{Line: pe.StartLine, Text: pe.Err.Error()}
	}
	return Problem{Text: err.Error()}
}

func csvHead(head []string) ([]string, []Problem) {
	var columns []string
	var problems []Problem
	seen := map[string]bool{}
	for _, h := range head {
		name, ok := csvColumn(h)
		switch {
		case !ok:
			problems = append(problems, Problem{Line: 1, Text: fmt.Sprintf("column %q is unknown", h)})
		case seen[name]:
			problems = append(problems, Problem{Line: 1, Text: fmt.Sprintf("column %q stands twice", h)})
		}
		seen[name] = true
		columns = append(columns, name)
	}
	if !seen["address"] && len(problems) == 0 {
		problems = append(problems, Problem{Line: 1, Text: "there is no column address (メールアドレス)"})
	}
	return columns, problems
}

func csvEntry(columns, row []string, line int) (entry, *Problem) {
	e := entry{line: line}
	for i, cell := range row {
		cell = strings.TrimSpace(cell)
		if i >= len(columns) {
			if cell == "" {
				continue
			}
			return e, &Problem{Line: line, Text: fmt.Sprintf("more cells than columns: %d of %d", len(row), len(columns))}
		}
		switch columns[i] {
		case "address":
			e.address = cell
		case "aliases":
			e.aliases = csvWords(cell)
		case "send_as":
			e.sendAs = csvWords(cell)
		case "name":
			e.name = cell
		case "department":
			e.department = cell
		case "manager":
			e.manager = cell
		case "deputies":
			e.deputies = csvDeputies(cell)
		case "groups":
			e.groups = csvList(cell)
		case "language":
			e.language = cell
		case "members":
			e.members = csvWords(cell)
		}
	}
	return e, nil
}

// csvList splits one cell that holds several values.
func csvList(cell string) []string {
	var out []string
	for _, s := range strings.FieldsFunc(cell, func(r rune) bool { return strings.ContainsRune(";,\n\r、；，", r) }) {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// csvWords is csvList for values that hold no blanks.
func csvWords(cell string) []string {
	var out []string
	for _, s := range csvList(cell) {
		out = append(out, strings.Fields(s)...)
	}
	return out
}

// csvDeputies reads "bob@corp.example 2026/12/1..2026/12/5; carol@corp.example".
// ～ and 〜 are what Japanese keyboards give for a span.
func csvDeputies(cell string) []deputyEntry {
	var out []deputyEntry
	for _, s := range csvList(cell) {
		words := strings.Fields(s)
		if len(words) == 0 {
			continue
		}
		d := deputyEntry{address: words[0]}
		span := strings.NewReplacer("～", "..", "〜", "..").Replace(strings.Join(words[1:], ""))
		d.from, d.until, _ = strings.Cut(span, "..")
		if span != "" && !strings.Contains(span, "..") {
			d.until = span // one day
		}
		out = append(out, d)
	}
	return out
}
