package kind

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
)

// A file may be two at once: programs that show pictures stop at the end of the
// picture, programs that unpack look for a directory at the end of the file.

// archiveEnd is the fixed part of the last record of a ZIP archive.
const archiveEnd = 22

// endsInZip says that b ends in the directory of a ZIP archive that lies where
// its last record says. exactly: nothing follows it.
func endsInZip(b []byte, exactly bool) bool {
	at := endOfCentralDirectory(b)
	if at <= 0 || at+archiveEnd > len(b) {
		return false
	}
	size, comment := int64(binary.LittleEndian.Uint32(b[at+12:])), int(binary.LittleEndian.Uint16(b[at+20:]))
	from := int64(at) - size
	return from > 0 && size > 0 && bytes.HasPrefix(b[from:], []byte("PK\x01\x02")) && (!exactly || at+archiveEnd+comment == len(b))
}

// containers of other files hold them packed or as they are; only what follows
// the end of their own structure is foreign.
var containers = []string{Zip, DOCX, XLSX, PPTX, XLSB, ODT, ODS, ODP, Java, AppleIWork, "application/epub+zip", "application/oxps", OLE, Mail, TNEF, ISO}

// Behind finds a file that stands behind another of type k: where it begins and
// whether it is a ZIP archive, whose readers take the whole file. at < 0: none.
func Behind(b []byte, k string) (at int, zip bool) {
	if slices.Contains(containers, k) || strings.HasPrefix(k, "text/") || len(b) < 64 {
		return -1, false // of a text before an archive Of has said already that it is one
	}
	quiet := Silent(k)
	if endsInZip(b, !quiet && k != PDF) {
		return bytes.Index(b, []byte("PK\x03\x04")), true
	}
	if !quiet && k != PE && k != ELF && k != MachO {
		return -1, false
	}
	at = -1
	for _, magic := range []string{"Rar!\x1a\x07\x00", "Rar!\x1a\x07\x01\x00", "7z\xbc\xaf\x27\x1c\x00", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "%PDF-1.", "%PDF-2."} {
		if !quiet && !strings.HasPrefix(magic, "Rar!") && !strings.HasPrefix(magic, "7z") {
			continue // programs carry all kinds of things
		}
		if i := bytes.Index(b[1:], []byte(magic)); i >= 0 && (at < 0 || i+1 < at) {
			at = i + 1
		}
	}
	return at, false
}
