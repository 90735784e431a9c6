package dlp

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/message"
)

// prose is what people write, with a few numbers.
const prose = "お世話になっております。株式会社山田商事の佐藤です。先日お打ち合わせいただいた件につきまして、資料をお送りいたします。\r\n" +
	"次回は12月5日（金）14:00から本社3階にて予定しております。お問い合わせは 03-3400-1234 まで。\r\n" +
	"Please find the minutes attached. Invoice no. 20251126-01, total 123,456 JPY.\r\n"

// officeMail is a mail with n workbooks and documents, about size bytes unpacked each.
func officeMail(t testing.TB, n, size int) []byte {
	t.Helper()
	var rows, paragraphs strings.Builder
	for i := 0; rows.Len() < size; i++ {
		fmt.Fprintf(&rows, `<row r="%d"><c r="A%d" t="inlineStr"><is><t>株式会社第%d商事 御中 %d</t></is></c><c r="B%d"><v>%d</v></c></row>`, i+1, i+1, i, i*7919, i+1, 100000+i*37)
		paragraphs.WriteString(paragraph(fmt.Sprintf("第%d回の会議では、次の事項 %d を確認しました。", i, i*104729)))
	}
	head := "From: a@corp.test\r\nTo: b@other.test\r\nSubject: files\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b1\"\r\n\r\n--b1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + prose
	var b strings.Builder
	b.WriteString(head)
	for i := range n {
		name, body := fmt.Sprintf("a%d.xlsx", i), []byte(nil)
		if i%2 == 0 {
			body = xlsxFile(t, "S", "", rows.String())
		} else {
			name, body = fmt.Sprintf("a%d.docx", i), docxFile(t, paragraphs.String())
		}
		b.WriteString("\r\n--b1\r\nContent-Type: application/octet-stream; name=" + name + "\r\nContent-Transfer-Encoding: base64\r\n\r\n" + wrap64(body))
	}
	b.WriteString("\r\n--b1--\r\n")
	return []byte(b.String())
}

func BenchmarkMail(b *testing.B) {
	s := scanner(b, Options{})
	for _, c := range []struct {
		name string
		raw  []byte
	}{
		{"text 4 kB", []byte("From: a@corp.test\r\nTo: b@other.test\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + strings.Repeat(prose, 10))},
		{"text 400 kB", []byte("From: a@corp.test\r\nTo: b@other.test\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + strings.Repeat(prose, 1000))},
		{"10 office files", officeMail(b, 10, 2<<20)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.raw)))
			for b.Loop() {
				m, err := message.Parse(c.raw)
				if err != nil {
					b.Fatal(err)
				}
				s.Message(context.Background(), m)
			}
		})
	}
}

// TestALargeMailStaysSmallInMemory: ten Office files of twenty megabytes
// unpacked leave nothing behind and need a fraction of that at a time.
func TestALargeMailStaysSmallInMemory(t *testing.T) {
	s := scanner(t, Options{})
	raw := officeMail(t, 10, 4<<20)
	m, err := message.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	r := s.Message(context.Background(), m)
	took := time.Since(start)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if len(r.Uninspectable) != 0 {
		t.Errorf("not inspected: %+v", r.Uninspectable)
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 32<<20 {
		t.Errorf("keeps %d MB", grown>>20)
	}
	if took > 30*time.Second {
		t.Errorf("took %v", took)
	}
	t.Logf("%d kB packed: %v, %d MB taken from the system", len(raw)>>10, took, after.Sys>>20)
}
