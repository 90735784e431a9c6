package dlp

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"sort"
	"strings"
	"testing"
	"unicode/utf16"
)

// The documents of the tests are made here, so that every byte is known.

// member is one entry of a ZIP.
type member struct {
	name string
	body string
}

func zipFile(t testing.TB, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, m := range members {
		f, err := w.CreateHeader(&zip.FileHeader{Name: m.name, Method: zip.Deflate, NonUTF8: true})
		if err == nil {
			_, err = f.Write([]byte(m.body))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const xmlHead = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>`

// docxFile holds the given WordprocessingML in its body.
func docxFile(t testing.TB, body string, more ...member) []byte {
	t.Helper()
	parts := []member{
		{"[Content_Types].xml", xmlHead + `<Types/>`},
		{"word/document.xml", xmlHead + `<w:document xmlns:w="w"><w:body>` + body + `</w:body></w:document>`},
	}
	return zipFile(t, append(parts, more...)...)
}

func paragraph(text string) string { return `<w:p><w:r><w:t>` + text + `</w:t></w:r></w:p>` }

// xlsxFile has one sheet with the given rows as SpreadsheetML; strings are shared.
func xlsxFile(t testing.TB, name, state, rows string, shared ...string) []byte {
	t.Helper()
	var s strings.Builder
	for _, v := range shared {
		s.WriteString(`<si><t>` + v + `</t><rPh sb="0" eb="1"><t>カナ</t></rPh></si>`)
	}
	return zipFile(t,
		member{"[Content_Types].xml", xmlHead + `<Types/>`},
		member{"xl/workbook.xml", xmlHead + `<workbook xmlns:r="r"><sheets><sheet name="` + name + `" sheetId="1" state="` + state + `" r:id="rId1"/></sheets></workbook>`},
		member{"xl/_rels/workbook.xml.rels", `<Relationships><Relationship Id="rId1" Target="worksheets/sheet1.xml"/></Relationships>`},
		member{"xl/styles.xml", `<styleSheet><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>`},
		member{"xl/sharedStrings.xml", `<sst>` + s.String() + `</sst>`},
		member{"xl/worksheets/sheet1.xml", `<worksheet><sheetData>` + rows + `</sheetData></worksheet>`},
	)
}

// mailWith is a mail with one attachment.
func mailWith(name string, body []byte) []byte {
	return []byte("From: a@corp.test\r\nTo: b@other.test\r\nSubject: files\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/mixed; boundary=\"b1\"\r\n\r\n--b1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nsee file\r\n" +
		"--b1\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename*=UTF-8''" + percent(name) + "\r\n" +
		"Content-Transfer-Encoding: base64\r\n\r\n" + wrap(base64.StdEncoding.EncodeToString(body)) + "\r\n--b1--\r\n")
}

func percent(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

func wrap(s string) string {
	var b strings.Builder
	for len(s) > 76 {
		b.WriteString(s[:76] + "\r\n")
		s = s[76:]
	}
	return b.String() + s
}

func wide(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// compoundFile writes an OLE 2 file (MS-CFB) whose streams are all in the large
// form, which every reader must know. Paths are separated by slashes.
func compoundFile(streams map[string][]byte) []byte {
	const sector = 512
	var names []string
	for n := range streams {
		names = append(names, n)
	}
	sort.Strings(names)
	d := newDirectory(names)
	var data []byte
	starts := map[string]uint32{}
	var fat []uint32
	for _, n := range names {
		body := streams[n]
		if len(body) < 4096 {
			body = append(append([]byte{}, body...), make([]byte, 4096-len(body))...)
		}
		starts[n] = uint32(len(fat))
		data, fat = chain(data, fat, body, sector)
		d.sizes[n] = uint64(len(body))
	}
	dirStart := uint32(len(fat))
	data, fat = chain(data, fat, d.bytes(starts), sector)
	fatSectors := (len(fat) + 128) / 127
	fatStart := len(fat)
	for range fatSectors {
		fat = append(fat, 0xfffffffd)
	}
	for len(fat)%128 != 0 {
		fat = append(fat, 0xffffffff)
	}
	for _, v := range fat {
		data = binary.LittleEndian.AppendUint32(data, v)
	}
	return append(compoundHeader(dirStart, fatStart, len(fat)/128), data...)
}

func chain(data []byte, fat []uint32, body []byte, sector int) ([]byte, []uint32) {
	n := (len(body) + sector - 1) / sector
	for i := range n {
		next := uint32(len(fat) + 1)
		if i == n-1 {
			next = 0xfffffffe
		}
		fat = append(fat, next)
	}
	data = append(data, body...)
	return append(data, make([]byte, n*sector-len(body))...), fat
}

func compoundHeader(dirStart uint32, fatStart, fatSectors int) []byte {
	h := make([]byte, 512)
	copy(h, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
	put16 := func(at int, v uint16) { binary.LittleEndian.PutUint16(h[at:], v) }
	put32 := func(at int, v uint32) { binary.LittleEndian.PutUint32(h[at:], v) }
	put16(24, 0x3e)
	put16(26, 3)
	put16(28, 0xfffe)
	put16(30, 9)
	put16(32, 6)
	put32(44, uint32(fatSectors))
	put32(48, dirStart)
	put32(56, 4096)
	put32(60, 0xfffffffe)
	put32(68, 0xfffffffe)
	for i := range 109 {
		v := uint32(0xffffffff)
		if i < fatSectors {
			v = uint32(fatStart + i)
		}
		put32(76+4*i, v)
	}
	return h
}

// directory is the tree of storages; siblings hang on each other to the right,
// which is a valid if unbalanced tree.
type directory struct {
	paths []string // "" is the root; storages end in /
	sizes map[string]uint64
}

func newDirectory(streams []string) *directory {
	seen := map[string]bool{}
	for _, s := range streams {
		parts := strings.Split(s, "/")
		for i := 1; i < len(parts); i++ {
			seen[strings.Join(parts[:i], "/")+"/"] = true
		}
		seen[s] = true
	}
	d := &directory{paths: []string{""}, sizes: map[string]uint64{}}
	for p := range seen {
		d.paths = append(d.paths, p)
	}
	sort.Strings(d.paths)
	return d
}

func (d *directory) children(of string) []int {
	var out []int
	for i, p := range d.paths {
		rest, ok := strings.CutPrefix(p, of)
		if ok && rest != "" && !strings.Contains(strings.TrimSuffix(rest, "/"), "/") {
			out = append(out, i)
		}
	}
	return out
}

func (d *directory) bytes(starts map[string]uint32) []byte {
	const none = 0xffffffff
	right, child := map[int]uint32{}, map[int]uint32{}
	for i := range d.paths {
		right[i], child[i] = none, none
	}
	for i, p := range d.paths {
		if p == "" || strings.HasSuffix(p, "/") {
			kids := d.children(p)
			for k, kid := range kids {
				if k == 0 {
					child[i] = uint32(kid)
				} else {
					right[kids[k-1]] = uint32(kid)
				}
			}
		}
	}
	var out []byte
	for i, p := range d.paths {
		e := make([]byte, 128)
		name := strings.TrimSuffix(p, "/")
		name = name[strings.LastIndexByte(name, '/')+1:]
		kind := byte(2)
		switch {
		case p == "":
			name, kind = "Root Entry", 5
		case strings.HasSuffix(p, "/"):
			kind = 1
		}
		copy(e, wide(name))
		binary.LittleEndian.PutUint16(e[64:], uint16(len(wide(name))+2))
		e[66], e[67] = kind, 1
		binary.LittleEndian.PutUint32(e[68:], none)
		binary.LittleEndian.PutUint32(e[72:], right[i])
		binary.LittleEndian.PutUint32(e[76:], child[i])
		if kind == 2 {
			binary.LittleEndian.PutUint32(e[116:], starts[p])
			binary.LittleEndian.PutUint64(e[120:], d.sizes[p])
		} else {
			binary.LittleEndian.PutUint32(e[116:], 0xfffffffe)
		}
		out = append(out, e...)
	}
	return out
}

func wrap64(b []byte) string { return wrap(base64.StdEncoding.EncodeToString(b)) }

// unzipped are the entries of a ZIP.
func unzipped(t testing.TB, b []byte) []member {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var out []member
	for _, f := range r.File {
		e, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(e)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, member{f.Name, string(body)})
	}
	return out
}
