package dlp

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"
)

// lzhFile is an archive with headers of the given level and one entry.
func lzhFile(level byte, method, name string, packed []byte, body string) []byte {
	crc := lzhSum(body)
	put := func(b []byte, v ...uint32) []byte {
		for _, n := range v {
			b = binary.LittleEndian.AppendUint32(b, n)
		}
		return b
	}
	core := put([]byte("-"+method+"-"), uint32(len(packed)), uint32(len(body)), 0)
	core = append(core, 0x20, level)
	if level == 2 {
		core = append(core, byte(crc), byte(crc>>8), 'M')
		var wide []byte
		for _, u := range utf16.Encode([]rune(name)) {
			wide = append(wide, byte(u), byte(u>>8))
		}
		core = append(core, byte(len(wide)+3), 0, 0x44)
		core = append(append(core, wide...), 0, 0)
		head := len(core) + 2
		return append(append(append([]byte{byte(head), byte(head >> 8)}, core...), packed...), 0)
	}
	core = append(append(core, byte(len(name))), name...)
	core = append(core, byte(crc), byte(crc>>8))
	if level == 1 {
		core = append(core, 'M', 0, 0)
	}
	sum := byte(0)
	for _, c := range core {
		sum += c
	}
	return append(append(append([]byte{byte(len(core)), sum}, core...), packed...), 0)
}

func lzhSum(s string) (crc uint16) {
	for _, c := range []byte(s) {
		crc ^= uint16(c)
		for range 8 {
			crc = crc>>1 ^ 0xa001*(crc&1)
		}
	}
	return crc
}

// bitWriter writes from the highest bit on.
type bitWriter struct {
	b    []byte
	left int
}

func (w *bitWriter) put(v, n int) {
	for i := n - 1; i >= 0; i-- {
		if w.left == 0 {
			w.b, w.left = append(w.b, 0), 8
		}
		w.left--
		w.b[len(w.b)-1] |= byte(v>>i&1) << w.left
	}
}

// lh5 packs text as one block in which every symbol takes nine bits, and repeats
// the four characters before the end once.
func lh5(text string) []byte {
	var w bitWriter
	w.put(len(text)-4+1, 16)
	w.put(0, 5)
	w.put(11, 5) // all lengths are 9
	w.put(510, 9)
	w.put(0, 4)
	w.put(2, 4) // every distance is 2 or 3 back and one
	for _, c := range []byte(text[:len(text)-4]) {
		w.put(int(c), 9)
	}
	w.put(256+4-3, 9)
	w.put(1, 1) // 2+1: four back
	w.put(0, 16)
	return w.b
}

// cabFile is a cabinet with one folder of two files; packed says by MSZIP.
func cabFile(t testing.TB, packed bool, blocks []string, files map[string][2]int, order ...string) []byte {
	t.Helper()
	method := uint16(0)
	var data []byte
	window := []byte(nil)
	for _, b := range blocks {
		body := []byte(b)
		if packed {
			method = 1
			var z bytes.Buffer
			z.WriteString("CK")
			w, err := flate.NewWriterDict(&z, 9, window)
			if err == nil {
				_, err = w.Write(body)
			}
			if err == nil {
				err = w.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
			window = append(window, body...)
			body = z.Bytes()
		}
		data = append(data, 0, 0, 0, 0)
		data = binary.LittleEndian.AppendUint16(data, uint16(len(body)))
		data = binary.LittleEndian.AppendUint16(data, uint16(len(b)))
		data = append(data, body...)
	}
	var list []byte
	for _, name := range order {
		list = binary.LittleEndian.AppendUint32(list, uint32(files[name][1]))
		list = binary.LittleEndian.AppendUint32(list, uint32(files[name][0]))
		list = append(append(list, 0, 0, 0, 0, 0, 0, 0, 0), name...)
		list = append(list, 0)
	}
	h := make([]byte, 44)
	copy(h, "MSCF")
	binary.LittleEndian.PutUint32(h[16:], 44)
	h[24], h[25] = 3, 1
	binary.LittleEndian.PutUint16(h[26:], 1)
	binary.LittleEndian.PutUint16(h[28:], uint16(len(order)))
	binary.LittleEndian.PutUint32(h[36:], uint32(44+len(list)))
	binary.LittleEndian.PutUint16(h[40:], uint16(len(blocks)))
	binary.LittleEndian.PutUint16(h[42:], method)
	return append(append(h, list...), data...)
}

func binHex(name, data string) []byte {
	raw := append([]byte{byte(len(name))}, name...)
	raw = append(raw, 0)
	raw = append(raw, "TEXTttxt\x00\x00"...)
	raw = binary.BigEndian.AppendUint32(raw, uint32(len(data)))
	raw = binary.BigEndian.AppendUint32(raw, 0)
	raw = append(raw, 0, 0)
	raw = append(append(raw, data...), 0, 0, 0, 0)
	const alphabet = "!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr"
	var w bitWriter
	for _, c := range bytes.ReplaceAll(raw, []byte{0x90}, []byte{0x90, 0}) {
		w.put(int(c), 8)
	}
	for len(w.b)%3 != 0 {
		w.b = append(w.b, 0)
	}
	var out strings.Builder
	out.WriteString("(This file must be converted with BinHex 4.0)\r\n\r\n:")
	for i := 0; i < len(w.b); i += 3 {
		v := int(w.b[i])<<16 | int(w.b[i+1])<<8 | int(w.b[i+2])
		for shift := 18; shift >= 0; shift -= 6 {
			out.WriteByte(alphabet[v>>shift&63])
		}
		if i%48 == 0 {
			out.WriteString("\r\n")
		}
	}
	return []byte(out.String() + ":\r\n")
}

func TestArchivesOfOlderMachinesAreOpened(t *testing.T) {
	s := scanner(t, Options{})
	text := "個人番号：" + number + "\r\n"
	repeated := text + "abababab" // ends in what stands four before it
	first, second := strings.Repeat("x", 30000)+"\n", text
	for _, c := range []struct {
		name, file string
		body       []byte
		path       string
	}{
		{"lzh stored", "a.lzh", lzhFile(0, "lh0", sjis(t, "名簿.txt"), []byte(text), text), "a.lzh!/名簿.txt"},
		{"lzh packed", "a.lzh", lzhFile(1, "lh5", sjis(t, `会員\名簿.txt`), lh5(repeated), repeated), "a.lzh!/会員/名簿.txt"},
		{"lzh with a UTF-16 name", "a.lzh", lzhFile(2, "lh0", "髙橋.txt", []byte(text), text), "a.lzh!/髙橋.txt"},
		{"cab stored", "a.cab", cabFile(t, false, []string{text}, map[string][2]int{"b.txt": {0, len(text)}}, "b.txt"), "a.cab!/b.txt"},
		{"cab packed over blocks", "a.cab", cabFile(t, true, []string{first, second}, map[string][2]int{"x.txt": {0, len(first)}, sjis(t, "名簿.txt"): {len(first), len(second)}}, "x.txt", sjis(t, "名簿.txt")), "a.cab!/名簿.txt"},
		{"binhex", "a.hqx", binHex("b.txt", text), "a.hqx!/b.txt"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := s.File(context.Background(), c.file, c.body)
			wantNumber(t, r, c.path)
			if len(r.Uninspectable) != 0 {
				t.Errorf("not inspected: %+v", r.Uninspectable)
			}
			wantNumber(t, scanMail(t, s, string(mailWith(c.file, c.body))), c.path)
		})
	}
}

func TestDamagedArchivesOfOlderMachinesAreNotClean(t *testing.T) {
	s := scanner(t, Options{})
	text := "hello, hello, hello"
	for _, c := range []struct {
		name, file string
		body       []byte
		reason     Reason
	}{
		{"lzh with another checksum", "a.lzh", lzhFile(0, "lh0", "b.txt", []byte(text), "other"), Corrupt},
		{"lzh by a method of 1988", "a.lzh", lzhFile(0, "lh1", "b.txt", []byte(text), text), Unsupported},
		{"lzh cut short", "a.lzh", lzhFile(0, "lh0", "b.txt", []byte(text), text)[:40], Corrupt},
		{"cab by LZX", "a.cab", lzx(cabFile(t, false, []string{text}, map[string][2]int{"b.txt": {0, len(text)}}, "b.txt")), Unsupported},
		{"cab cut short", "a.cab", cabFile(t, false, []string{text}, map[string][2]int{"b.txt": {0, len(text)}}, "b.txt")[:80], Corrupt},
	} {
		r := s.File(context.Background(), c.file, c.body)
		if len(r.Uninspectable) == 0 || r.Uninspectable[0].Reason != c.reason {
			t.Errorf("%s: %+v, want %s", c.name, r.Uninspectable, c.reason)
		}
	}
}

func lzx(cab []byte) []byte {
	cab[42] = 3
	return cab
}

// binaryRecord is one record of a binary workbook.
func binaryRecord(id int, body ...[]byte) string {
	var b []byte
	if id < 128 {
		b = append(b, byte(id))
	} else {
		b = append(b, byte(id&0x7f|0x80), byte(id>>7))
	}
	all := bytes.Join(body, nil)
	n := len(all)
	for n > 127 {
		b = append(b, byte(n&0x7f|0x80))
		n >>= 7
	}
	return string(append(append(b, byte(n)), all...))
}

func u32(v ...uint32) []byte {
	var b []byte
	for _, n := range v {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return b
}

func counted(s string) []byte {
	return append(u32(uint32(len(utf16.Encode([]rune(s))))), wide(s)...)
}

// binaryWorkbook is an .xlsb with one sheet: a header, a number, and a row that
// is not shown.
func binaryWorkbook(t testing.TB, state uint32) []byte {
	hidden := make([]byte, 17)
	copy(hidden, u32(6))
	hidden[11] = 0x10
	row := make([]byte, 17)
	copy(row, u32(1))
	return zipFile(t,
		member{"[Content_Types].xml", xmlHead + "<Types/>"},
		member{"xl/workbook.bin", binaryRecord(156, u32(state, 1), counted("rId1"), counted("会員"))},
		member{"xl/_rels/workbook.bin.rels", `<Relationships><Relationship Id="rId1" Target="worksheets/sheet1.bin"/></Relationships>`},
		member{"xl/sharedStrings.bin", binaryRecord(19, []byte{0}, counted("個人番号"))},
		member{"xl/worksheets/sheet1.bin", binaryRecord(0, make([]byte, 17)) + binaryRecord(7, u32(2, 0, 0)) +
			binaryRecord(0, row) + binaryRecord(5, u32(2, 0), float64bytes(983205673214)) +
			binaryRecord(0, hidden) + binaryRecord(6, u32(1, 0), counted("メモ"))},
		member{"xl/comments1.bin", binaryRecord(637, []byte{0}, counted("コメント"))},
	)
}

func float64bytes(v float64) []byte {
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func TestBinaryWorkbooksAreRead(t *testing.T) {
	s := scanner(t, Options{})
	r := s.File(context.Background(), "名簿.xlsb", binaryWorkbook(t, 2))
	wantNumber(t, r, "名簿.xlsb#会員!C2")
	if len(r.Uninspectable) != 0 {
		t.Errorf("not inspected: %+v", r.Uninspectable)
	}
	for path, how := range map[string]string{"名簿.xlsb#会員": "very_hidden_sheet", "名簿.xlsb#会員!B7": "hidden_row", "名簿.xlsb#comments1": "comment"} {
		wantHidden(t, r, path, how)
	}
}

// wantHidden fails unless something hidden was found at path.
func wantHidden(t *testing.T, r *Report, path, how string) {
	t.Helper()
	f, _ := finding(r, DetectorHidden)
	for _, m := range f.Matches {
		if m.Path == path && m.Excerpt == how {
			return
		}
	}
	t.Errorf("%s at %s is not among %+v", how, path, f.Matches)
}
