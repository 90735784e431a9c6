package carrier

import (
	"bytes"
	"encoding/binary"
)

// Where a Word document keeps the formatting of its characters (MS-DOC 2.5.6,
// 2.9.33), and how many characters its comments have.
const (
	fibComments = 0x5c
	fibBoxes    = 0x64 // characters in text boxes
	fibChpx     = 0xfa
	fibPapx     = 0x102
	fkpSize     = 512
	spacer      = 8 // bytes of an empty line, made tiny for its height
)

// Changes to how characters look (MS-DOC 2.6.1).
const (
	sprmDeleted = 0x0800
	sprmVanish  = 0x083c
	sprmSize    = 0x4a43 // half points
	sprmColor   = 0x2a42 // by number; 8 is white
	sprmRGB     = 0x6870
)

// grounds are the changes that colour the ground of letters, paragraphs and
// cells, as they stand in the file.
var grounds = []string{"\x66\x48", "\x71\xca", "\x0c\x2a", "\x2d\x44", "\x4d\xc6", "\x09\xd6", "\x12\xd6", "\x0c\xd6", "\x16\xd6", "\x27\x76", "\x70\xd6"}

// wordHidden lists how text of a .doc is kept from the eye. Which ground lies
// behind which letters is not followed: white ones count as hidden only where the
// document colours no ground at all and has no text boxes.
func wordHidden(doc, table []byte) []string {
	var found []string
	if binary.LittleEndian.Uint32(doc[fibComments:]) > 0 {
		found = append(found, aComment)
	}
	coloured := binary.LittleEndian.Uint32(doc[fibBoxes:]) > 0
	wordPages(doc, table, fibPapx, func(page []byte) { coloured = coloured || hasGround(page) })
	wordPages(doc, table, fibChpx, func(page []byte) { coloured = coloured || hasGround(page) })
	wordPages(doc, table, fibChpx, func(page []byte) { found = charPage(page, found, coloured) })
	return found
}

// wordPages hands on the pages of formatting that a table lists.
func wordPages(doc, table []byte, fib int, each func(page []byte)) {
	at, n := int64(binary.LittleEndian.Uint32(doc[fib:])), int64(binary.LittleEndian.Uint32(doc[fib+4:]))
	if at+n > int64(len(table)) || n < 4 {
		return
	}
	plc := table[at : at+n]
	count := (len(plc) - 4) / 8
	for i := range count {
		page := int64(binary.LittleEndian.Uint32(plc[(count+1)*4+i*4:])&0x3fffff) * fkpSize
		if page+fkpSize <= int64(len(doc)) {
			each(doc[page : page+fkpSize])
		}
	}
}

func hasGround(page []byte) bool {
	for _, op := range grounds {
		if bytes.Contains(page, []byte(op)) {
			return true
		}
	}
	return false
}

// charPage reads one page of runs, each with a list of changes.
func charPage(page []byte, found []string, coloured bool) []string {
	runs := int(page[fkpSize-1])
	offsets := (runs + 1) * 4
	for i := range runs {
		if offsets+i >= fkpSize-1 {
			break
		}
		at := int(page[offsets+i]) * 2
		if at == 0 || at+1+int(page[at]) > fkpSize-1 {
			continue
		}
		list := page[at+1 : at+1+int(page[at])]
		long := binary.LittleEndian.Uint32(page[i*4+4:])-binary.LittleEndian.Uint32(page[i*4:]) > spacer
		for len(list) >= 3 {
			op := binary.LittleEndian.Uint16(list)
			size := sprmBytes(op, list[2:])
			if 2+size > len(list) {
				break
			}
			if how := charChange(op, list[2:2+size]); how != "" && (long || how != tinyText) && !(coloured && how == whiteText) {
				found = once(found, how)
			}
			list = list[2+size:]
		}
	}
	return found
}

func charChange(op uint16, value []byte) string {
	switch {
	case op == sprmVanish && value[0] == 1:
		return hiddenText
	case op == sprmDeleted && value[0] == 1:
		return trackedDeletion
	case op == sprmSize && binary.LittleEndian.Uint16(value) < 2*tinyPoints:
		return tinyText
	case op == sprmColor && value[0] == 8, op == sprmRGB && string(value) == "\xff\xff\xff\x00":
		return whiteText
	}
	return ""
}

// sprmBytes is the length of what follows the code of a change.
func sprmBytes(op uint16, rest []byte) int {
	switch op >> 13 {
	case 0, 1:
		return 1
	case 3:
		return 4
	case 6:
		return 1 + int(rest[0])
	case 7:
		return 3
	}
	return 2
}
