package kind

import "strings"

// scriptExts run when somebody opens them, whatever their content.
var scriptExts = setOf("js jse vbs vbe wsf wsh ws hta bat cmd ps1 psm1 psd1 sh bash command scpt applescript reg inf scf url website " +
	"jar msc cpl msi msp mst com scr pif exe dll sys lnk chm application gadget xll iqy slk settingcontent-ms appref-ms msix appx vhd vhdx img iso")

// textScripts of scriptExts are texts; the others are programs by their content.
var textScripts = setOf("js jse vbs vbe wsf wsh ws hta bat cmd ps1 psm1 psd1 sh bash command scpt applescript reg inf scf url website iqy slk settingcontent-ms appref-ms msc")

// macroExts announce macros.
var macroExts = setOf("docm dotm xlsm xltm xlam xlsb pptm potm ppsm ppam sldm")

func setOf(list string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(list) {
		out[w] = true
	}
	return out
}

// Executable says whether content or name make the file one that runs: the
// reason, "" where not.
func Executable(name, kind string) string {
	switch kind {
	case PE, ELF, MachO, Java, Class, Shortcut:
		return kind
	}
	ext := Ext(name)
	if scriptExts[ext] && (kind == Unknown || kind == OLE || textScripts[ext] || kind == Script) {
		return "." + ext
	}
	return ""
}

// Deceptions are what Deceptive may answer.
func Deceptions() []string { return []string{"rtl", "double"} }

// Deceptive says whether the name is made to look like another: a second
// extension before a dangerous one, or a right-to-left override.
func Deceptive(name string) string {
	if strings.ContainsAny(name, "\u202E\u202D\u2066\u2067\u2068\u200F") {
		return "rtl"
	}
	ext := Ext(name)
	if !scriptExts[ext] {
		return ""
	}
	inner := Ext(strings.TrimRight(name[:len(name)-len(ext)-1], " .　_"))
	if shown[inner] {
		return "double"
	}
	return ""
}

// shown are extensions people open without a thought.
var shown = setOf("pdf doc docx xls xlsx ppt pptx txt csv jpg jpeg png gif bmp zip mp3 mp4 rtf htm html")

// expected lists, for extensions whose content is known for certain, the types
// it may have.
var expected = map[string][]string{
	"pdf": {PDF}, "docx": {DOCX, OLE}, "xlsx": {XLSX, OLE}, "pptx": {PPTX, OLE}, "docm": {DOCX, OLE}, "xlsm": {XLSX, OLE}, "pptm": {PPTX, OLE},
	"xlsb": {XLSB, OLE}, "zip": {Zip, DOCX, XLSX, PPTX, ODT, ODS, ODP, Java, AppleIWork}, "7z": {SevenZip}, "rar": {RAR}, "gz": {Gzip}, "tgz": {Gzip},
	"png": {"image/"}, "jpg": {"image/"}, "jpeg": {"image/"}, "gif": {"image/"}, "bmp": {"image/"}, "tif": {"image/"}, "tiff": {"image/"},
	"webp": {"image/"}, "heic": {"image/"}, "odt": {ODT}, "ods": {ODS}, "odp": {ODP},
	"rtf": {RTF}, "mp3": {"audio/", Unknown}, "mp4": {"video/", "audio/"}, "wav": {"audio/"}, "mov": {"video/", Unknown},
}

// textual extensions may hold any text, but nothing binary.
var textual = setOf("txt csv tsv log md json xml html htm eml ics vcf yaml yml ini conf sql")

// Mismatch says whether the extension lies about the content. Only binary
// content that is certain counts: an empty or damaged file lies about nothing,
// and old Office programs save HTML and CSV as .xls and .doc.
func Mismatch(name, kind string) bool {
	if kind == Unknown || strings.HasPrefix(kind, "text/") || kind == Script || kind == Mail || kind == PGP || kind == PGPKeys {
		return false
	}
	ext := Ext(name)
	if textual[ext] {
		return kind != Gzip && kind != PostScript
	}
	if scriptExts[ext] && strings.HasPrefix(kind, "image/") {
		return false
	}
	allowed, ok := expected[ext]
	if !ok {
		return false
	}
	for _, k := range allowed {
		if k == kind || strings.HasSuffix(k, "/") && strings.HasPrefix(kind, k) {
			return false
		}
	}
	return true
}

// MacroName says whether the extension announces macros.
func MacroName(name string) bool { return macroExts[Ext(name)] && Ext(name) != "xlsb" }

// Silent types hold no text that a person reads: nothing to inspect, and no
// reason to hold the mail.
func Silent(kind string) bool {
	for _, p := range []string{"image/", "audio/", "video/", "font/"} {
		if strings.HasPrefix(kind, p) {
			return true
		}
	}
	switch kind {
	case PGPKeys, "application/x-shockwave-flash", "application/vnd.tcpdump.pcap":
		return true
	}
	return false
}
