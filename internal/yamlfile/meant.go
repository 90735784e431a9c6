package yamlfile

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// tags maps the keys of a struct to its fields. The keys of an embedded struct with the tag ",inline" are its own.
func tags(t reflect.Type) map[string][]int {
	known := map[string][]int{}
	for i := range t.NumField() {
		field := t.Field(i)
		key, rest, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if key == "" && rest == "inline" {
			for inner, index := range tags(field.Type) {
				known[inner] = append([]int{i}, index...)
			}
			continue
		}
		if key != "" && key != "-" {
			known[key] = []int{i}
		}
	}
	return known
}

// meant names the key that was probably meant, or all of them when there are few.
func meant(key string, known map[string][]int) string {
	best, distance := "", 3
	for _, candidate := range slices.Sorted(maps.Keys(known)) {
		if d := edits(key, candidate); d < distance {
			best, distance = candidate, d
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	if len(known) > 0 && len(known) <= 20 {
		return "; known: " + strings.Join(slices.Sorted(maps.Keys(known)), ", ")
	}
	return ""
}

// edits is the Levenshtein distance of two short words.
func edits(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
