package carrier

import "encoding/binary"

// Where a Word document keeps the formatting of its characters (MS-DOC 2.5.6,
// 2.9.33), and how many characters its comments have.
const (
	fibComments = 0x5c
	fibChpx     = 0xfa
	fkpSize     = 512
	spacer      = 8 // bytes of an empty line, made tiny for its height
)

// Changes to how characters look (MS-DOC 2.6.1).
const (
	sprmDeleted = 0x0800
	sprmVanish  = 0x083c
	sprmSize    = 0x4a43 // half points
)

// wordHidden lists how text of a .doc is kept from the eye. Ground colours are
// not followed, so white letters alone are not taken for hidden here.
func wordHidden(doc, table []byte) []string {
	var found []string
	if binary.LittleEndian.Uint32(doc[fibComments:]) > 0 {
		found = append(found, aComment)
	}
	at, n := int64(binary.LittleEndian.Uint32(doc[fibChpx:])), int64(binary.LittleEndian.Uint32(doc[fibChpx+4:]))
	if at+n > int64(len(table)) || n < 4 {
		return found
	}
	plc := table[at : at+n]
	count := (len(plc) - 4) / 8
	for i := range count {
		page := int64(binary.LittleEndian.Uint32(plc[(count+1)*4+i*4:])&0x3fffff) * fkpSize
		if page+fkpSize <= int64(len(doc)) {
			found = charPage(doc[page:page+fkpSize], found)
		}
	}
	return found
}

// charPage reads one page of runs, each with a list of changes.
func charPage(page []byte, found []string) []string {
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
			if how := charChange(op, list[2:2+size]); how != "" && (long || how != tinyText) {
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
