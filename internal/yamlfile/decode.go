package yamlfile

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxDepth bounds nesting; the deepest setting of any file is far above it.
const maxDepth = 32

func target(into any) reflect.Value { return reflect.ValueOf(into).Elem() }

// value decodes one node into v. A scalar goes to UnmarshalText where v has
// one, and its error is shown to the person who wrote the file; a struct with
// UnmarshalText may thus be written as one word or as a mapping.
func (f *File) value(n *yaml.Node, path string, v reflect.Value) {
	f.lines[path] = max(n.Line, 1)
	switch {
	case strings.Count(path, ".")+strings.Count(path, "[") > maxDepth:
		f.add(n.Line, "nested too deeply")
	case v.Type() == reflect.TypeFor[NotYet]():
		if !isNull(n) && n.Value != "false" {
			f.add(n.Line, "%s is not available yet", name(path))
		}
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		f.add(n.Line, "anchors and aliases (& and *) are not read; write the value out")
	case v.Kind() == reflect.Pointer:
		if isNull(n) && v.Type().Elem().Kind() != reflect.Struct {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		f.value(n, path, v.Elem())
	case n.Kind == yaml.ScalarNode && isText(v):
		f.text(n, path, v)
	default:
		f.kind(n, path, v)
	}
}

func (f *File) kind(n *yaml.Node, path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		f.fields(n, path, v)
	case reflect.Slice:
		f.list(n, path, v)
	case reflect.Map:
		f.entries(n, path, v)
	default:
		f.scalar(n, path, v)
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

func isText(v reflect.Value) bool {
	_, ok := v.Addr().Interface().(encoding.TextUnmarshaler)
	return ok
}

func (f *File) text(n *yaml.Node, path string, v reflect.Value) {
	if isNull(n) {
		return // `key:` with nothing after it is the same as no key
	}
	if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.Value)); err != nil {
		f.add(n.Line, "%s: %v", name(path), err)
	}
}

// fields fills a struct from a mapping.
func (f *File) fields(n *yaml.Node, path string, v reflect.Value) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		f.add(n.Line, "%s must be a mapping (key: value), not %s", name(path), describe(n))
		return
	}
	known := tags(v.Type())
	f.pairs(n, path, func(key, value *yaml.Node) {
		index, ok := known[key.Value]
		if !ok {
			f.add(key.Line, "unknown key %q%s%s", key.Value, in(path), meant(key.Value, known))
			return
		}
		f.value(value, join(path, key.Value), v.FieldByIndex(index))
	})
}

// entries fills a map with keys of the person's own choice.
func (f *File) entries(n *yaml.Node, path string, v reflect.Value) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		f.add(n.Line, "%s must be a mapping (name: value), not %s", name(path), describe(n))
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	f.pairs(n, path, func(key, value *yaml.Node) {
		entry := reflect.New(v.Type().Elem()).Elem()
		f.value(value, join(path, key.Value), entry)
		v.SetMapIndex(reflect.ValueOf(key.Value).Convert(v.Type().Key()), entry)
	})
}

// pairs walks a mapping and refuses repeated and odd keys.
func (f *File) pairs(n *yaml.Node, path string, each func(key, value *yaml.Node)) {
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode || key.Anchor != "" || key.ShortTag() == "!!merge" {
			f.add(key.Line, "a key%s must be plain text", in(path))
			continue
		}
		if first, again := seen[key.Value]; again {
			f.add(key.Line, "%q stands twice%s; first in line %d", key.Value, in(path), first)
			continue
		}
		seen[key.Value] = key.Line
		each(key, value)
		f.lines[join(path, key.Value)] = key.Line
	}
}

// list fills a slice; a single scalar is taken for a list of one.
func (f *File) list(n *yaml.Node, path string, v reflect.Value) {
	if isNull(n) {
		return
	}
	items := n.Content
	if n.Kind == yaml.ScalarNode {
		items = []*yaml.Node{n}
	} else if n.Kind != yaml.SequenceNode {
		f.add(n.Line, "%s must be a list, not %s", name(path), describe(n))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	for i, item := range items {
		f.value(item, fmt.Sprintf("%s[%d]", path, i), v.Index(i))
	}
}

func (f *File) scalar(n *yaml.Node, path string, v reflect.Value) {
	if n.Kind != yaml.ScalarNode {
		f.add(n.Line, "%s must be %s, not %s", name(path), wanted(v), describe(n))
		return
	}
	if isNull(n) {
		return
	}
	if err := set(v, n); err != nil {
		f.add(n.Line, "%s must be %s, not %q", name(path), wanted(v), shorten(n.Value))
	}
}

// set writes a scalar into a basic kind.
func set(v reflect.Value, n *yaml.Node) error {
	switch v.Kind() {
	case reflect.String:
		v.SetString(n.Value)
	case reflect.Bool:
		// yes and no are text in YAML 1.2; taking them for text would read "no" as true.
		if n.ShortTag() != "!!bool" {
			return strconv.ErrSyntax
		}
		return n.Decode(v.Addr().Interface())
	case reflect.Int, reflect.Int64:
		i, err := strconv.ParseInt(n.Value, 10, 64)
		v.SetInt(i)
		return err
	case reflect.Float64:
		x, err := strconv.ParseFloat(n.Value, 64)
		v.SetFloat(x)
		return err
	default:
		return fmt.Errorf("cannot read into %s", v.Type())
	}
	return nil
}

func wanted(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	default:
		return "text"
	}
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	default:
		return strconv.Quote(shorten(n.Value))
	}
}

// shorten keeps a wrong value recognisable without repeating a whole page.
func shorten(s string) string {
	r := []rune(s)
	if len(r) <= 40 {
		return s
	}
	return string(r[:40]) + "…"
}

// name is how a path is called in a message; the root is "the file".
func name(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}

func in(path string) string {
	if path == "" {
		return ""
	}
	return " in " + path
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
