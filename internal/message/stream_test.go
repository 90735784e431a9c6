package message

import (
	"bytes"
	"encoding/base64"
	"io"
	"math/rand"
	"strings"
	"testing"
	"testing/iotest"
)

// read gives a body in that encoding by Reader and by Decode.
func read(t testing.TB, encoding, body string) (streamed, whole []byte) {
	t.Helper()
	m, err := Parse([]byte("From: a@corp.example\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: " + encoding + "\r\n\r\n" + body))
	if err != nil {
		t.Fatal(err)
	}
	whole, err = m.Root.Decode(0)
	if err != nil {
		t.Fatal(err)
	}
	if streamed, err = io.ReadAll(m.Root.Reader()); err != nil {
		t.Fatal(err)
	}
	return streamed, whole
}

func TestReaderGivesWhatDecodeGives(t *testing.T) {
	content := make([]byte, 200_000)
	rand.New(rand.NewSource(1)).Read(content)
	text := base64.StdEncoding.EncodeToString(content)
	lines := func(width int, eol string) string {
		var b strings.Builder
		for s := text; s != ""; s = s[min(width, len(s)):] {
			b.WriteString(s[:min(width, len(s))] + eol)
		}
		return b.String()
	}
	for name, body := range map[string]string{
		"lines of 76": lines(76, "\r\n"), "lines of 77": lines(77, "\r\n"), "LF alone": lines(76, "\n"), "one line": text,
		"no padding": strings.TrimRight(lines(76, "\r\n"), "=\r\n"), "a blank in each": lines(75, " \r\n"), "two joined": "QQ==\r\n" + lines(76, "\r\n"),
		"garbage": lines(76, "!\r\n"), "padding inside": lines(40_001, "=\r\n"), "cut in a group": lines(76, "\r\n")[:100_001], "empty": "", "padding alone": "====",
	} {
		if streamed, whole := read(t, "base64", body); !bytes.Equal(streamed, whole) || name == "lines of 76" && !bytes.Equal(streamed, content) {
			t.Errorf("%s: %d bytes streamed, %d decoded", name, len(streamed), len(whole))
		}
	}
	for _, encoding := range []string{"quoted-printable", "8bit", "x-unknown"} {
		if streamed, whole := read(t, encoding, "a=41=\r\nb\r\n"); !bytes.Equal(streamed, whole) {
			t.Errorf("%s: %q, %q", encoding, streamed, whole)
		}
	}
	m, _ := Parse([]byte("Content-Transfer-Encoding: base64\r\n\r\n" + lines(77, "\r\n")))
	if err := iotest.TestReader(m.Root.Reader(), content); err != nil {
		t.Error(err)
	}
}

func FuzzReader(f *testing.F) {
	f.Add("QUJD\r\nRA==\r\nRQ=x", uint16(3))
	f.Fuzz(func(t *testing.T, piece string, times uint16) {
		body := strings.Repeat(piece, int(times)%4096*8/(len(piece)+1)+1)
		if streamed, whole := read(t, "base64", body); !bytes.Equal(streamed, whole) {
			t.Errorf("%d bytes streamed, %d decoded", len(streamed), len(whole))
		}
	})
}
