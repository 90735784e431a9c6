package pdf

import (
	"bufio"
	"bytes"
	"testing"

	"github.com/sekisho-mail/sekisho/submission/dlp/internal/carrier"
)

// FuzzFrames: a child that a document has taken over may answer anything.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("{\"kind\":\"page\",\"page\":1,\"size\":2,\"hidden\":[\"x\"]}\nab{\"kind\":\"end\",\"size\":0}\n"))
	f.Add([]byte("{\"kind\":\"file\",\"name\":\"a\",\"size\":999999999}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		size := 0
		err := Options{Bytes: 1 << 20}.frames(bufio.NewReaderSize(bytes.NewReader(b), maxLine), func(p carrier.PDFPart) error {
			size += len(p.Text) + len(p.Body) + len(p.Picture) + len(p.Form)
			return nil
		})
		if size > len(b) {
			t.Errorf("%d bytes out of %d: %v", size, len(b), err)
		}
	})
}
