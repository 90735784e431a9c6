package dlp

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ulikunitz/xz"

	"github.com/sekisho-mail/sekisho/internal/message"
)

// sevenFile is a 7z archive whose list of files is damaged behind a coder that
// asks for a dictionary of four gigabytes.
func sevenFile(coder string) []byte {
	header := append([]byte{0x01, 0x04, 0x06, 0x00, 0x01, 0x09, 0x01, 0x00, 0x07, 0x0b, 0x01, 0x00, 0x01}, coder...)
	header = append(header, 0x0c, 0x01, 0x00, 0x00)
	start := binary.LittleEndian.AppendUint64(nil, 1)
	start = binary.LittleEndian.AppendUint64(start, uint64(len(header)))
	start = binary.LittleEndian.AppendUint32(start, crc32.ChecksumIEEE(header))
	b := append([]byte("7z\xbc\xaf\x27\x1c\x00\x04"), binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(start))...)
	return append(append(append(b, start...), 0), header...)
}

// xzFile is a valid xz file that says its dictionary has the size of p.
func xzFile(t testing.TB, text string, p byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := xz.NewWriter(&b)
	if err == nil {
		_, err = w.Write([]byte(text))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	out := b.Bytes()
	block := out[12:]
	i := bytes.Index(block[:16], []byte{0x21, 0x01})
	block[i+2] = p
	size := (int(block[0]) + 1) * 4
	binary.LittleEndian.PutUint32(block[size-4:], crc32.ChecksumIEEE(block[:size-4]))
	return out
}

// overlapping is a ZIP in which n names share the bytes of one packed entry.
func overlapping(t testing.TB, n int, body string) []byte {
	one := zipFile(t, member{"000000.txt", body})
	at := bytes.Index(one, []byte("PK\x01\x02"))
	entry := one[at : at+46+10]
	out := bytes.Clone(one[:at])
	for i := range n {
		e := bytes.Clone(entry)
		copy(e[46:], fmt.Sprintf("%06d.txt", i))
		out = append(out, e...)
	}
	end := bytes.Clone(one[bytes.LastIndex(one, []byte("PK\x05\x06")):])
	binary.LittleEndian.PutUint16(end[8:], uint16(n))
	binary.LittleEndian.PutUint16(end[10:], uint16(n))
	binary.LittleEndian.PutUint32(end[12:], uint32(len(out)-at))
	return append(out, end...)
}

// TestHostileFilesEndInTheirBudget: each of these made a reader somewhere take
// minutes or gigabytes.
func TestHostileFilesEndInTheirBudget(t *testing.T) {
	s := scanner(t, Options{Limits: Limits{Expanded: 24 << 20}})
	row := `<c t="s"><v>0</v></c>`
	for _, c := range []struct {
		name, file string
		body       []byte
		reason     Reason
	}{
		{"7z with a dictionary of 4 GB", "a.7z", sevenFile("\x23\x03\x01\x01\x05\x5d\xff\xff\xff\xff"), TooLarge},
		{"7z with an LZMA2 dictionary of 4 GB", "a.7z", sevenFile("\x21\x21\x01\x28"), TooLarge},
		{"7z with 4 GB of PPMd", "a.7z", sevenFile("\x23\x03\x04\x01\x05\x06\xff\xff\xff\xff"), TooLarge},
		{"xz with a dictionary of 4 GB", "a.xz", xzFile(t, "hello", 40), TooLarge},
		{"xz inside a ZIP", "a.zip", zipFile(t, member{"a.xz", string(xzFile(t, "hello", 39))}), TooLarge},
		{"entries that overlap", "a.zip", overlapping(t, 5000, strings.Repeat("nothing to see here\n", 50_000)), TooLarge},
		{"a hundred thousand entries", "a.zip", overlapping(t, 60_000, "x"), TooManyEntries},
		{"a cell of a megabyte, shown a million times", "a.xlsx", xlsxFile(t, "S", "", "<row>"+strings.Repeat(row, 200_000)+"</row>", strings.Repeat("あいう ", 80_000)), TooLarge},
		{"LZH that says four gigabytes", "a.lzh", lzhClaim(), Corrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			began := time.Now()
			r := s.File(context.Background(), c.file, c.body)
			took := time.Since(began)
			runtime.ReadMemStats(&after)
			found := false
			for _, u := range r.Uninspectable {
				found = found || u.Reason == c.reason
			}
			if !found {
				t.Errorf("uninspectable = %.300v, want %s", r.Uninspectable, c.reason)
			}
			if took > 45*time.Second {
				t.Errorf("took %v", took)
			}
			if grown := int64(after.Sys) - int64(before.Sys); grown > 600<<20 {
				t.Errorf("took %d MB from the system", grown>>20)
			}
		})
	}
}

func lzhClaim() []byte {
	b := lzhFile(0, "lh5", "a.txt", lh5("hello hello hello"), "hello hello hello")
	binary.LittleEndian.PutUint32(b[11:], 0xfffffff0)
	return b
}

// TestHostileMailsEndInTheirBudget: the same for the structure of mails.
func TestHostileMailsEndInTheirBudget(t *testing.T) {
	s := scanner(t, Options{})
	head := "From: a@corp.test\r\nTo: b@other.test\r\nMIME-Version: 1.0\r\n"
	multi := func(b string) string {
		return "Content-Type: multipart/mixed; boundary=" + b + "\r\n\r\n--" + b + "\r\n"
	}
	var open, closed strings.Builder
	for i := range 10_000 {
		open.WriteString(multi(fmt.Sprintf("b%d", i)))
	}
	for i := range 10_000 {
		closed.WriteString("Content-Type: message/rfc822\r\n\r\nSubject: " + fmt.Sprint(i) + "\r\n")
	}
	var sections strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&sections, ";\r\n filename*%d=a", i)
	}
	for _, c := range []struct {
		name, raw string
		held      bool // something must say that it was not wholly read
	}{
		{"a hundred thousand parts", head + multi("b") + strings.Repeat("\r\nx\r\n--b\r\n", 100_000), true},
		{"ten thousand nested multiparts", head + open.String(), true},
		{"ten thousand nested mails", head + closed.String(), true},
		{"twenty thousand parameters", head + "Content-Type: text/plain" + strings.Repeat("; a=b", 20_000) + "\r\n\r\nx\r\n", false},
		{"ten thousand sections of a name", head + "Content-Type: text/plain\r\nContent-Disposition: attachment" + sections.String() + "\r\n\r\nx\r\n", false},
		{"a megabyte of encoded words", head + "Subject: " + strings.Repeat("=?utf-8?q?a?= ", 70_000) + "\r\n\r\nx\r\n", false},
		{"two megabytes of begin lines", head + "\r\n" + strings.Repeat("begin 644 a\r\n", 150_000), false},
		{"two megabytes of boundaries", head + multi("b") + strings.Repeat("--b-\r\n--bb\r\n", 180_000), false},
		{"a table in a table in a table", head + "Content-Type: text/html\r\n\r\n" + strings.Repeat("<table><tr><td>", 100_000), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			began := time.Now()
			m, err := message.Parse([]byte(c.raw))
			if err != nil {
				t.Fatal(err)
			}
			m.Anomalies = append(m.Anomalies, message.Crosscheck(m)...)
			r := s.Message(context.Background(), m)
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
			if len(r.Uninspectable) == 0 && !m.Ambiguous() && c.held {
				t.Error("passes as read")
			}
		})
	}
}
