package carrier

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/internal/rtf"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"
)

// Records of Excel 5 to 2003 (MS-XLS 2.3).
const (
	recFormula  = 0x0006
	recHeader   = 0x0014
	recFooter   = 0x0015
	recDateMode = 0x0022
	recFilePass = 0x002f
	recFont     = 0x0031
	recContinue = 0x003c
	recCodePage = 0x0042
	recColInfo  = 0x007d
	recSheet    = 0x0085
	recMulRK    = 0x00bd
	recRString  = 0x00d6
	recXF       = 0x00e0
	recSST      = 0x00fc
	recLabelSST = 0x00fd
	recTXO      = 0x01b6
	recNumber   = 0x0203
	recLabel    = 0x0204
	recString   = 0x0207
	recRow      = 0x0208
	recRK       = 0x027e
	recFormat   = 0x041e
	recBOF      = 0x0809
)

// biffBook reads the records of one workbook stream.
type biffBook struct {
	w       *Walk
	f       file
	b       []byte
	old     bool // Excel 5: bytes in a code page
	page    string
	strings []string
	used    map[uint32]bool // strings that stand in a cell
	formats map[uint16]cellStyle
	fonts   []string    // the veil of each
	styles  []cellStyle // by XF
	since04 bool
	sheets  []biffSheet
	current int
	sheet   *sheet
	cells   int
	veils   []veil
	gone    map[int]bool // hidden rows
	goneCol [][2]int
	pending [3]int // cell whose formula yields the next string
	aside   strings.Builder
	notes   int
}

type biffSheet struct {
	name   string
	hidden string
}

func (w *Walk) biff(f file, b []byte) error {
	k := &biffBook{w: w, f: f, b: b, page: "windows-1252", formats: map[uint16]cellStyle{}, used: map[uint32]bool{}, current: -1}
	err := k.read()
	k.endSheet()
	for i, s := range k.strings { // what no cell shows any more
		if !k.used[uint32(i)] && s != "" {
			k.aside.WriteString(s + "\n")
		}
	}
	if k.aside.Len() > 0 {
		w.text(Text{Text: detect.Text{Body: k.aside.String(), Title: f.name}, Where: Attachment, Path: f.path, First: true})
	}
	if k.notes > 0 {
		w.out.Form(FormHidden, Attachment, f.path, aComment)
	}
	return err
}

func (k *biffBook) read() error {
	for at, n := 0, 0; at+4 <= len(k.b); n++ {
		if n%4096 == 0 {
			if err := k.w.over(); err != nil {
				return err
			}
		}
		id, size := binary.LittleEndian.Uint16(k.b[at:]), int(binary.LittleEndian.Uint16(k.b[at+2:]))
		end := min(at+4+size, len(k.b))
		body := k.b[at+4 : end]
		if id == recFilePass {
			return ErrEncrypted
		}
		parts, next := k.continued(body, end, id == recSST || id == recTXO)
		k.record(id, body, parts)
		at = next
	}
	return nil
}

// continued collects the CONTINUE records that follow.
func (k *biffBook) continued(body []byte, at int, wanted bool) ([][]byte, int) {
	parts := [][]byte{body}
	for wanted && at+4 <= len(k.b) && binary.LittleEndian.Uint16(k.b[at:]) == recContinue {
		end := min(at+4+int(binary.LittleEndian.Uint16(k.b[at+2:])), len(k.b))
		parts = append(parts, k.b[at+4:end])
		at = end
	}
	return parts, at
}

func (k *biffBook) record(id uint16, b []byte, parts [][]byte) {
	switch id {
	case recBOF:
		if len(b) >= 4 {
			k.bof(binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:]))
		}
	case recCodePage:
		if len(b) >= 2 && k.old {
			k.page = rtf.CodePage(int(binary.LittleEndian.Uint16(b)))
		}
	case recDateMode:
		k.since04 = len(b) >= 2 && b[0] == 1
	case recSheet:
		if len(b) > 6 {
			k.sheets = append(k.sheets, biffSheet{name: k.short(b[6:]), hidden: hiddenState(uint32(b[4]))})
		}
	case recFormat:
		if len(b) > 2 {
			k.formats[binary.LittleEndian.Uint16(b)] = formatStyle(k.text(b[2:]))
		}
	case recFont:
		k.font(b)
	case recXF:
		if len(b) >= 4 {
			k.styles = append(k.styles, k.style(b))
		}
	case recSST:
		k.strings = sharedStrings(parts)
	case recTXO:
		k.textObject(parts)
	case recHeader, recFooter:
		if len(b) > 2 {
			k.aside.WriteString(pageText(k.text(b)) + "\n")
		}
	default:
		k.cell(id, b)
	}
}

// font notes sizes nobody reads (in twips) and the two whites of the palette.
func (k *biffBook) font(b []byte) {
	how := ""
	switch {
	case len(b) < 6:
	case binary.LittleEndian.Uint16(b) < 20*tinyPoints:
		how = tinyText
	case binary.LittleEndian.Uint16(b[4:]) == 1, binary.LittleEndian.Uint16(b[4:]) == 9:
		how = whiteText
	}
	if k.fonts = append(k.fonts, how); len(k.fonts) == 4 {
		k.fonts = append(k.fonts, "") // there is no font 4
	}
}

// style reads an XF record: font, number format and, from Excel 97 on, the fill.
func (k *biffBook) style(b []byte) cellStyle {
	font, format := int(binary.LittleEndian.Uint16(b)), binary.LittleEndian.Uint16(b[2:])
	s := cellStyle{date: k.formats[format].date || builtinDate(int(format)), veil: k.formats[format].veil}
	filled := len(b) >= 20 && b[17]>>2 != 0
	if font < len(k.fonts) && k.fonts[font] != "" && !k.old && (k.fonts[font] != whiteText || !filled) {
		s.veil = k.fonts[font]
	}
	return s
}

func (k *biffBook) bof(version, kind uint16) {
	k.old = version < 0x0600
	if kind == 0x0005 { // the globals of the workbook
		return
	}
	k.endSheet()
	k.current++
	s := biffSheet{name: "Sheet" + itoa(k.current+1)}
	if k.current < len(k.sheets) {
		s = k.sheets[k.current]
	}
	k.sheet = newSheet(k.w, Text{Text: detect.Text{Title: k.f.name + " " + s.name}, Where: Attachment, Path: k.f.path, Sheet: s.name, Grid: true, First: true})
	k.cells, k.veils, k.gone, k.goneCol = 0, nil, map[int]bool{}, nil
}

func (k *biffBook) endSheet() {
	if k.sheet == nil {
		return
	}
	k.sheet.flush()
	name := k.sheet.t.Sheet
	if k.current < len(k.sheets) && k.sheets[k.current].hidden != "" && k.cells > 0 {
		k.w.out.Form(FormHidden, Attachment, k.f.path+"#"+name, k.sheets[k.current].hidden)
	}
	for _, v := range k.veils {
		k.w.out.Form(FormHidden, Attachment, k.f.path+"#"+name+"!"+v.cell, v.how)
	}
	k.sheet = nil
}

// cell reads the records that hold values.
func (k *biffBook) cell(id uint16, b []byte) {
	if k.sheet == nil || len(b) < 6 && id != recString {
		return
	}
	if id == recString {
		if len(b) > 2 {
			k.add(k.pending[0], k.pending[1], k.pending[2], k.text(b))
		}
		return
	}
	row, col, xf := int(binary.LittleEndian.Uint16(b)), int(binary.LittleEndian.Uint16(b[2:])), int(binary.LittleEndian.Uint16(b[4:]))
	switch id {
	case recRow:
		if len(b) >= 14 && b[12]&0x20 != 0 {
			k.gone[row] = true
		}
	case recColInfo:
		if len(b) >= 10 && b[8]&1 != 0 {
			k.goneCol = append(k.goneCol, [2]int{row, col})
		}
	case recLabelSST:
		if len(b) >= 10 {
			if n := binary.LittleEndian.Uint32(b[6:]); int64(n) < int64(len(k.strings)) {
				k.used[n] = true
				k.add(row, col, xf, k.strings[n])
			}
		}
	case recLabel, recRString:
		k.add(row, col, xf, k.text(b[6:]))
	case recNumber:
		if len(b) >= 14 {
			k.add(row, col, xf, k.number(math.Float64frombits(binary.LittleEndian.Uint64(b[6:])), xf))
		}
	case recRK:
		if len(b) >= 10 {
			k.add(row, col, xf, k.number(rk(binary.LittleEndian.Uint32(b[6:])), xf))
		}
	case recMulRK:
		for i := 4; i+6 <= len(b)-2; i += 6 {
			xf := int(binary.LittleEndian.Uint16(b[i:]))
			k.add(row, col+(i-4)/6, xf, k.number(rk(binary.LittleEndian.Uint32(b[i+2:])), xf))
		}
	case recFormula:
		k.pending = [3]int{row, col, xf}
		if len(b) >= 14 && (b[12] != 0xff || b[13] != 0xff) { // else text, which follows
			k.add(row, col, xf, k.number(math.Float64frombits(binary.LittleEndian.Uint64(b[6:])), xf))
		}
	}
}

func (k *biffBook) add(row, col, xf int, value string) {
	if value == "" || k.sheet == nil {
		return
	}
	k.cells++
	if k.gone[row] {
		k.veil(hiddenRow, row, col)
	}
	for _, c := range k.goneCol {
		if col >= c[0] && col <= c[1] {
			k.veil(hiddenColumn, row, col)
		}
	}
	if xf < len(k.styles) && k.styles[xf].veil != "" {
		k.veil(k.styles[xf].veil, row, col)
	}
	k.sheet.add(row, col, value)
}

// veil keeps the first cell of each way to hide one.
func (k *biffBook) veil(how string, row, col int) {
	if !slices.ContainsFunc(k.veils, func(v veil) bool { return v.how == how }) {
		k.veils = append(k.veils, veil{how, CellName(row, col)})
	}
}

func (k *biffBook) number(v float64, xf int) string {
	if xf < len(k.styles) && k.styles[xf].date && v > 0 && v < 2_958_466 {
		return dayOf(v, k.since04).Format(time.DateOnly)
	}
	if v == math.Trunc(v) && math.Abs(v) < 1e18 {
		return strconv.FormatInt(int64(v), 10)
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// rk unpacks the short form of a number: 30 bits, perhaps divided by 100.
func rk(n uint32) float64 {
	var v float64
	if n&2 != 0 {
		v = float64(int32(n) >> 2)
	} else {
		v = math.Float64frombits(uint64(n&^3) << 32)
	}
	if n&1 != 0 {
		v /= 100
	}
	return v
}

// text reads a string with a length of two bytes.
func (k *biffBook) text(b []byte) string {
	if len(b) < 2 {
		return ""
	}
	n := int(binary.LittleEndian.Uint16(b))
	if k.old {
		return message.DecodeText(b[2:min(len(b), 2+n)], k.page)[0]
	}
	return biffChars(b[2:], n)
}

// short reads a string with a length of one byte.
func (k *biffBook) short(b []byte) string {
	if len(b) < 1 {
		return ""
	}
	if k.old {
		return message.DecodeText(b[1:min(len(b), 1+int(b[0]))], k.page)[0]
	}
	return biffChars(b[1:], int(b[0]))
}

// biffChars reads the flags and n characters.
func biffChars(b []byte, n int) string {
	if len(b) < 1 {
		return ""
	}
	flags, b := b[0], b[1:]
	if flags&8 != 0 && len(b) >= 2 {
		b = b[2:]
	}
	if flags&4 != 0 && len(b) >= 4 {
		b = b[4:]
	}
	if flags&1 != 0 {
		return utf16LE(b[:min(len(b), n*2)])
	}
	return latin1(b[:min(len(b), n)])
}

// latin1: the short form holds the low bytes of UTF-16.
func latin1(b []byte) string {
	var out strings.Builder
	for _, c := range b {
		out.WriteRune(rune(c))
	}
	return out.String()
}

// textObject reads a comment or text box: the text stands in the first
// continuation.
func (k *biffBook) textObject(parts [][]byte) {
	if len(parts) < 2 || len(parts[0]) < 12 {
		return
	}
	k.notes++
	n := int(binary.LittleEndian.Uint16(parts[0][10:]))
	for _, p := range parts[1:] {
		if len(p) < 1 || n <= 0 {
			break
		}
		s := latin1(p[1:min(len(p), 1+n)])
		if p[0]&1 != 0 {
			s = utf16LE(p[1:min(len(p), 1+2*n)])
		}
		n -= len([]rune(s))
		k.aside.WriteString(s)
	}
	k.aside.WriteByte('\n')
}
