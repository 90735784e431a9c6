// Package kind tells what a file is by its content, and whether its name says
// otherwise. It reads bytes only and knows nothing of mails.
package kind

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// Media types that readers ask about.
const (
	Unknown    = "application/octet-stream"
	Text       = "text/plain"
	HTML       = "text/html"
	CSV        = "text/csv"
	XML        = "text/xml"
	Calendar   = "text/calendar"
	VCard      = "text/vcard"
	Mail       = "message/rfc822"
	Zip        = "application/zip"
	Gzip       = "application/gzip"
	Bzip2      = "application/x-bzip2"
	XZ         = "application/x-xz"
	Zstd       = "application/zstd"
	Tar        = "application/x-tar"
	SevenZip   = "application/x-7z-compressed"
	RAR        = "application/vnd.rar"
	LZH        = "application/x-lzh-compressed"
	Cab        = "application/vnd.ms-cab-compressed"
	ISO        = "application/x-iso9660-image"
	OLE        = "application/x-ole-storage"
	RTF        = "application/rtf"
	PDF        = "application/pdf"
	PostScript = "application/postscript"
	TNEF       = "application/vnd.ms-tnef"
	DOCX       = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
	XLSX       = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	PPTX       = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
	XLSB       = "application/vnd.ms-excel.sheet.binary.macroenabled.12"
	ODT        = "application/vnd.oasis.opendocument.text"
	ODS        = "application/vnd.oasis.opendocument.spreadsheet"
	ODP        = "application/vnd.oasis.opendocument.presentation"
	PE         = "application/vnd.microsoft.portable-executable"
	ELF        = "application/x-executable"
	MachO      = "application/x-mach-binary"
	Java       = "application/java-archive"
	Class      = "application/java-vm"
	Shortcut   = "application/x-ms-shortcut"
	Script     = "application/x-script"
	SQLite     = "application/vnd.sqlite3"
	PGP        = "application/pgp-encrypted"
	PKCS7      = "application/pkcs7-mime"
	PKCS7Sig   = "application/pkcs7-signature"
	PGPKeys    = "application/pgp-keys"
	AppleIWork = "application/vnd.apple.iwork"
	BinHex     = "application/mac-binhex40"
	RightsMail = "application/x-microsoft-rpmsg-message" // a mail sealed by Purview (message.rpmsg)
	RightsFile = "application/x-microsoft-pfile"         // a file sealed by Purview (.ptxt, .pfile)
)

// magic is a type known by its first bytes.
type magic struct{ kind, at0 string }

var magics = []magic{
	{PDF, "%PDF-"}, {RAR, "Rar!\x1a\x07"}, {SevenZip, "7z\xbc\xaf\x27\x1c"}, {OLE, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"},
	{Gzip, "\x1f\x8b\x08"}, {Bzip2, "BZh"}, {XZ, "\xfd7zXZ\x00"}, {Zstd, "\x28\xb5\x2f\xfd"}, {Cab, "MSCF\x00\x00\x00\x00"},
	{RTF, "{\\rt"}, {TNEF, "\x78\x9f\x3e\x22"}, {ELF, "\x7fELF"}, {PostScript, "%!PS"}, {SQLite, "SQLite format 3\x00"},
	{Class, "\xca\xfe\xba\xbe\x00\x00\x00"}, {MachO, "\xcf\xfa\xed\xfe"}, {MachO, "\xce\xfa\xed\xfe"}, {MachO, "\xfe\xed\xfa\xce"}, {MachO, "\xfe\xed\xfa\xcf"},
	{Shortcut, "L\x00\x00\x00\x01\x14\x02\x00"},
	{"image/png", "\x89PNG\r\n\x1a\n"}, {"image/jpeg", "\xff\xd8\xff"}, {"image/gif", "GIF87a"}, {"image/gif", "GIF89a"},
	{"image/tiff", "II*\x00"}, {"image/tiff", "MM\x00*"}, {"image/vnd.microsoft.icon", "\x00\x00\x01\x00"}, {"image/bmp", "BM"},
	{"image/emf", "\x01\x00\x00\x00\x6c\x00\x00\x00"}, {"image/emf", "\x01\x00\x00\x00\x58\x00\x00\x00"}, {"image/wmf", "\xd7\xcd\xc6\x9a"},
	{"image/vnd.adobe.photoshop", "8BPS"}, {"image/jp2", "\x00\x00\x00\x0cjP  "}, {"image/x-xcf", "gimp xcf"},
	{"image/x-portable-bitmap", "P4\n"}, {"image/x-portable-graymap", "P5\n"}, {"image/x-portable-pixmap", "P6\n"}, {"image/x-xwindowdump", "\x00\x00\x00\x6b\x00\x00\x00\x07"},
	{"image/wmf", "\x01\x00\x09\x00\x00\x03"}, {"image/wmf", "\x02\x00\x09\x00\x00\x03"}, {"image/x-icns", "icns"},
	{"audio/mpeg", "ID3"}, {"audio/mpeg", "\xff\xfb"}, {"audio/mpeg", "\xff\xf3"}, {"audio/ogg", "OggS"}, {"audio/flac", "fLaC"},
	{"audio/midi", "MThd"}, {"audio/amr", "#!AMR"}, {"audio/basic", ".snd"},
	{"video/x-matroska", "\x1a\x45\xdf\xa3"}, {"video/mpeg", "\x00\x00\x01\xba"}, {"video/mpeg", "\x00\x00\x01\xb3"}, {"video/x-flv", "FLV\x01"},
	{"video/x-ms-asf", "\x30\x26\xb2\x75\x8e\x66\xcf\x11"},
	{"font/woff", "wOFF"}, {"font/woff2", "wOF2"}, {"font/otf", "OTTO"}, {"font/ttf", "\x00\x01\x00\x00\x00"}, {"font/collection", "ttcf"},
	{"application/x-shockwave-flash", "FWS"}, {"application/x-shockwave-flash", "CWS"},
	{"application/vnd.ms-htmlhelp", "ITSF"}, {"application/x-ole-compound-onenote", "\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d"},
	{"application/x-rpm", "\xed\xab\xee\xdb"}, {"application/x-debian-package", "!<arch>\ndebian"}, {"application/x-cpio", "070701"},
	{"application/x-compress", "\x1f\x9d"}, {"application/x-lz4", "\x04\x22\x4d\x18"}, {"application/x-lzip", "LZIP"}, {"application/x-arj", "\x60\xea"},
	{"application/x-ace", "**ACE**"}, {"application/vnd.ms-xpsdocument", "xps"}, {"application/dicom", "DICM"},
	{"application/vnd.tcpdump.pcap", "\xd4\xc3\xb2\xa1"}, {"application/vnd.tcpdump.pcap", "\x0a\x0d\x0d\x0a"},
	{RightsMail, "\x76\xe8\x04\x60\xc4\x11\xe3\x86"}, {RightsFile, ".pfile"}, {BinHex, "(This file must be converted with BinHex"},
	{PGP, "-----BEGIN PGP MESSAGE"}, {PGPKeys, "-----BEGIN PGP PUBLIC KEY"},
}

// Of names the type of b. The name decides only between types whose content
// looks alike, such as kinds of text.
func Of(name string, b []byte) string {
	if k := binaryType(b); k != "" {
		return k
	}
	if !IsText(b) {
		if ext := Ext(name); ext == "pgp" || ext == "gpg" {
			return openPGP(b)
		}
		return Unknown
	}
	return textType(name, b)
}

// openPGP tells encrypted messages and keys apart by the tag of the first packet
// (RFC 9580 4.3).
func openPGP(b []byte) string {
	if len(b) < 2 || b[0]&0x80 == 0 {
		return Unknown
	}
	tag := b[0] & 0x3f
	if b[0]&0x40 == 0 {
		tag = b[0] >> 2 & 0xf
	}
	switch tag {
	case 1, 3, 9, 18, 20: // a session key for somebody, or encrypted data
		return PGP
	case 2, 6, 14: // a signature, public keys
		return PGPKeys
	}
	return Unknown
}

func binaryType(b []byte) string {
	if len(b) >= 4 && string(b[:2]) == "PK" && (b[2] == 3 && b[3] == 4 || b[2] == 5 && b[3] == 6 || b[2] == '0' && b[3] == '0') {
		return zipType(b)
	}
	if portableExecutable(b) {
		return PE
	}
	for _, m := range magics {
		if len(b) >= len(m.at0) && string(b[:len(m.at0)]) == m.at0 {
			if m.kind == "image/bmp" && !bitmap(b) || m.kind == Bzip2 && (len(b) < 4 || b[3] < '1' || b[3] > '9') {
				continue
			}
			return m.kind
		}
	}
	switch {
	case len(b) > 262 && string(b[257:262]) == "ustar":
		return Tar
	case len(b) > 12 && string(b[4:8]) == "ftyp":
		return mediaBrand(string(b[8:12]))
	case len(b) > 12 && string(b[:4]) == "RIFF":
		return riff(string(b[8:12]))
	case len(b) > 7 && (string(b[2:5]) == "-lh" || string(b[2:5]) == "-lz") && b[6] == '-':
		return LZH
	case len(b) > 0x8006 && string(b[0x8001:0x8006]) == "CD001":
		return ISO
	case len(b) > 132 && string(b[128:132]) == "DICM":
		return "application/dicom"
	case len(b) > 20 && b[0] == 0x30 && (b[1] == 0x80 || b[1] == 0x82 || b[1] == 0x83 || b[1] == 0x84):
		return derType(b)
	case len(b) > 1024 && bytes.Contains(b[:1024], []byte("%PDF-")):
		return PDF // readers accept a header anywhere in the first kilobyte
	}
	if endsInZip(b, false) || endOfCentralDirectory(b) > 0 && bytes.Contains(b, []byte("PK\x03\x04")) && !IsText(b) {
		return zipType(b) // something stands before the archive
	}
	return ""
}

// bitmap checks the header size, because every text may begin with BM.
func bitmap(b []byte) bool {
	return len(b) > 18 && binary.LittleEndian.Uint32(b[14:]) <= 124 && b[6] == 0 && b[7] == 0
}

// portableExecutable follows the pointer at 0x3c; a DOS program has no PE header
// but runs all the same when it is no text.
func portableExecutable(b []byte) bool {
	if len(b) < 2 || string(b[:2]) != "MZ" && string(b[:2]) != "ZM" {
		return false
	}
	if len(b) >= 64 {
		at := int64(binary.LittleEndian.Uint32(b[0x3c:]))
		if at+2 <= int64(len(b)) && (string(b[at:at+2]) == "PE" || string(b[at:at+2]) == "NE" || string(b[at:at+2]) == "LE") {
			return true
		}
	}
	return !IsText(b)
}

func mediaBrand(brand string) string {
	switch {
	case strings.HasPrefix(brand, "heic"), strings.HasPrefix(brand, "heix"), strings.HasPrefix(brand, "mif1"), strings.HasPrefix(brand, "hevc"):
		return "image/heic"
	case strings.HasPrefix(brand, "avif"):
		return "image/avif"
	case strings.HasPrefix(brand, "M4A"):
		return "audio/mp4"
	}
	return "video/mp4"
}

func riff(form string) string {
	switch form {
	case "WAVE":
		return "audio/wav"
	case "AVI ":
		return "video/x-msvideo"
	case "WEBP":
		return "image/webp"
	}
	return "application/x-riff"
}

// derType tells the CMS structures apart by the object identifier near the start.
func derType(b []byte) string {
	head := b[:min(len(b), 64)]
	oid := []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07}
	i := bytes.Index(head, oid)
	if i < 0 && bytes.Contains(head, []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x17}) {
		return PKCS7 // authenticated-enveloped data
	}
	if i < 0 || i+len(oid) >= len(head) {
		return ""
	}
	if head[i+len(oid)] == 2 {
		return PKCS7Sig
	}
	return PKCS7
}

// endOfCentralDirectory is where the last record of a ZIP archive stands, -1 for nowhere.
func endOfCentralDirectory(b []byte) int {
	from, mark := max(0, len(b)-66000), []byte("PK\x05\x06")
	if !bytes.Contains(b[from:], mark) { // many times faster than to look from behind, and mostly the answer
		return -1
	}
	return from + bytes.LastIndex(b[from:], mark)
}

// zipType tells the formats that are ZIP archives inside by the names of their
// entries, which stand unpacked in the archive.
func zipType(b []byte) string {
	names := b[:min(len(b), 8192)]
	tail := b[max(0, len(b)-(1<<20)):]
	has := func(entry string) bool {
		return bytes.Contains(names, []byte(entry)) || bytes.Contains(tail, []byte(entry))
	}
	if i := bytes.Index(names, []byte("mimetypeapplication/")); i >= 0 {
		rest := string(names[i+len("mimetype") : min(len(names), i+200)])
		for _, k := range []string{ODS, ODP, ODT} {
			if strings.HasPrefix(rest, k) {
				return k
			}
		}
		if strings.HasPrefix(rest, "application/epub+zip") {
			return "application/epub+zip"
		}
		if strings.HasPrefix(rest, "application/vnd.oasis.opendocument") {
			return ODT
		}
	}
	if has("[Content_Types].xml") {
		switch {
		case has("xl/workbook.bin"):
			return XLSB
		case has("word/document") || has("word/"):
			return DOCX
		case has("xl/workbook") || has("xl/"):
			return XLSX
		case has("ppt/presentation") || has("ppt/"):
			return PPTX
		case has("FixedDocSeq.fdseq") || has("FixedDocumentSequence.fdseq"):
			return "application/oxps"
		}
	}
	switch {
	case has("META-INF/MANIFEST.MF") && has(".class"):
		return Java
	case has("Index/Document.iwa"):
		return AppleIWork
	case has("META-INF/manifest.xml") && has("content.xml"):
		return ODT
	}
	return Zip
}

// IsText says that b holds text in some charset: no control characters but
// those of text, or UTF-16 with its byte order mark.
func IsText(b []byte) bool {
	if len(b) >= 2 && (b[0] == 0xff && b[1] == 0xfe || b[0] == 0xfe && b[1] == 0xff) {
		return true
	}
	head := b[:min(len(b), 16<<10)]
	control, nul := 0, 0
	for _, c := range head {
		switch {
		case c == 0:
			nul++
		case c < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != 0x1b && c != 0x0e && c != 0x0f && c != 0x08:
			control++
		}
	}
	if nul > 0 {
		return wide(head)
	}
	return control*100 <= len(head)
}

// wide: UTF-16 without a mark has a zero in every other byte where it is Latin.
func wide(b []byte) bool {
	var zero [2]int
	for i, c := range b {
		if c == 0 {
			zero[i%2]++
		}
	}
	half := len(b) / 2
	return half > 8 && (zero[0] > half*7/10 && zero[1] == 0 || zero[1] > half*7/10 && zero[0] == 0)
}

func textType(name string, b []byte) string {
	head := strings.ToLower(string(trimBOM(b[:min(len(b), 2048)])))
	head = strings.TrimLeft(head, " \t\r\n")
	switch ext := Ext(name); {
	case strings.HasPrefix(head, "<!doctype html"), strings.HasPrefix(head, "<html"), strings.HasPrefix(head, "<head"), strings.HasPrefix(head, "<body"):
		return HTML
	case strings.HasPrefix(head, "<?xml") && strings.Contains(head, "<html"):
		return HTML
	case strings.HasPrefix(head, "<?xml"):
		return XML
	case strings.HasPrefix(head, "begin:vcalendar"):
		return Calendar
	case strings.HasPrefix(head, "begin:vcard"):
		return VCard
	case strings.HasPrefix(head, "-----begin pgp message"):
		return PGP
	case strings.HasPrefix(head, "#!") && strings.Contains(head[:min(len(head), 64)], "/"):
		return Script
	case ext == "eml" || ext == "mht" || ext == "mhtml", looksLikeMail(head):
		return Mail
	case ext == "html" || ext == "htm" || ext == "xhtml" || ext == "hta", strings.Contains(head, "<table") && strings.Contains(head, "<td"):
		return HTML
	case ext == "csv" || ext == "tsv":
		return CSV
	case scriptExts[ext]:
		return Script
	case ext == "xml" || ext == "svg":
		return XML
	}
	return Text
}

// looksLikeMail: a text that begins with fields only mails have.
func looksLikeMail(head string) bool {
	fields := 0
	for _, l := range strings.SplitN(head, "\n", 30) {
		if strings.TrimSpace(l) == "" {
			break
		}
		for _, f := range []string{"received:", "return-path:", "message-id:", "mime-version:", "from:", "to:", "subject:", "date:", "content-type:", "delivered-to:"} {
			if strings.HasPrefix(l, f) {
				fields++
			}
		}
	}
	return fields >= 3
}

func trimBOM(b []byte) []byte { return bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")) }

// Ext is the lower-case extension of a file name, without the dot, after
// trimming what Windows ignores at the end.
func Ext(name string) string {
	name = strings.TrimRight(strings.ToLower(name), ". \u3000")
	i := strings.LastIndexByte(name, '.')
	if i < 0 || strings.ContainsAny(name[i:], `/\`) || utf8.RuneCountInString(name[i+1:]) > 10 {
		return ""
	}
	return name[i+1:]
}
