package dlp

import (
	"fmt"
	"os"
	"testing"
)

// pdfCommand is this test program, told to read a PDF.
const pdfArgument = "read-pdf"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == pdfArgument {
		if err := PDFChild(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}
