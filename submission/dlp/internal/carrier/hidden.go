package carrier

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sekisho-mail/sekisho/internal/rtf"
)

// What a hidden_content finding says was hidden, and how. Pages and sekisho scan
// have words for each (see dlp.Details).
const (
	hiddenSheet     = "hidden_sheet"
	veryHiddenSheet = "very_hidden_sheet" // by a macro only
	hiddenRow       = "hidden_row"
	hiddenColumn    = "hidden_column"
	hiddenText      = rtf.HiddenText
	hiddenValue     = "hidden_value" // number format ;;;
	hiddenSlide     = "hidden_slide"
	whiteText       = rtf.WhiteText
	tinyText        = rtf.TinyText
	offPage         = "off_page"
	croppedPicture  = "cropped_picture"
	trackedDeletion = rtf.TrackedDeletion
	aComment        = rtf.Comment
	speakerNotes    = "speaker_notes"
	pivotCache      = "pivot_cache"
	externalCache   = "external_cache" // values of another workbook
	namedPerson     = "named_person"   // in the document's properties
	archiveComment  = "archive_comment"
	aroundArchive   = "around_archive"
)

// What the reader of PDF reports.
const (
	HiddenText = hiddenText
	WhiteText  = whiteText
	TinyText   = tinyText
	OffPage    = offPage
	Comment    = aComment
)

// HiddenDetails are all of them.
func HiddenDetails() []string {
	return []string{hiddenSheet, veryHiddenSheet, hiddenRow, hiddenColumn, hiddenText, hiddenValue, hiddenSlide, whiteText, tinyText, offPage,
		croppedPicture, trackedDeletion, aComment, speakerNotes, pivotCache, externalCache, namedPerson, archiveComment, aroundArchive}
}

// tinyPoints is the size, in points, below which nobody reads a text on a page.
const tinyPoints = 4

// white says that a colour of an Office format (FFFFFF, #ffffff, FFFFFFFF with
// alpha first) cannot be told from paper.
func white(color string) bool {
	color = strings.TrimPrefix(color, "#")
	if len(color) == 8 {
		color = color[2:]
	}
	n, err := strconv.ParseUint(color, 16, 32)
	return err == nil && len(color) == 6 && n>>16 >= 0xf8 && n>>8&0xff >= 0xf8 && n&0xff >= 0xf8
}

// cropped says that a picture keeps what its frame does not show: srcRect cuts
// off that many thousandths of a percent at each side.
func cropped(x *xmlScanner) bool {
	for _, side := range []string{"l", "t", "r", "b"} {
		if n, err := strconv.Atoi(strings.TrimSuffix(x.attr(side), "%")); err == nil && n > 1000 {
			return true
		}
	}
	return false
}

// once adds a word to a list that has it once.
func once(list []string, word string) []string {
	if slices.Contains(list, word) {
		return list
	}
	return append(list, word)
}
