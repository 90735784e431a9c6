package dlp

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/mail"
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

// everydayMail is a mail of 25 MB with ten documents as people write them: each
// with half a megabyte of text, packed, and two pictures.
func everydayMail(t testing.TB) []byte {
	t.Helper()
	var b strings.Builder
	b.WriteString("From: a@corp.test\r\nTo: b@other.test\r\nSubject: files\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b1\"\r\n\r\n--b1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + prose)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 10 {
		var text strings.Builder
		for text.Len() < 3<<20 {
			text.WriteString(paragraph(fmt.Sprintf("第%d回の会議では、%d 件のご意見をいただきました。担当は%c課です。", i, random.IntN(1e6), 'A'+rune(random.IntN(26)))))
		}
		picture := make([]byte, 750<<10)
		for i := range picture {
			picture[i] = byte(random.Uint32())
		}
		copy(picture, "\x89PNG\r\n\x1a\n")
		body := docxFile(t, text.String(), member{"word/media/image1.png", string(picture)}, member{"word/media/image2.png", string(picture)})
		fmt.Fprintf(&b, "\r\n--b1\r\nContent-Type: application/octet-stream; name=a%d.docx\r\nContent-Transfer-Encoding: base64\r\n\r\n%s", i, wrap64(body))
	}
	return []byte(b.String() + "\r\n--b1--\r\n")
}

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
		{"10 office files of text alone", officeMail(b, 10, 2<<20)},
		{"25 MB with 10 office files", everydayMail(b)},
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

// BenchmarkUnpackAlone is the baseline: what the standard library takes to undo
// base64 and deflate and to read the XML of the same mail, without looking at any
// of it.
func BenchmarkUnpackAlone(b *testing.B) {
	raw := everydayMail(b)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		m, err := mail.ReadMessage(bytes.NewReader(raw))
		if err != nil {
			b.Fatal(err)
		}
		parts := multipart.NewReader(m.Body, "b1")
		for {
			p, err := parts.NextPart()
			if err == io.EOF {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			body, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, p))
			if err != nil && p.Header.Get("Content-Transfer-Encoding") != "" {
				b.Fatal(err)
			}
			if z, err := zip.NewReader(bytes.NewReader(body), int64(len(body))); err == nil {
				readXML(b, z)
			}
		}
	}
}

func readXML(b *testing.B, z *zip.Reader) {
	for _, f := range z.File {
		if !strings.HasSuffix(f.Name, ".xml") {
			continue
		}
		r, err := f.Open()
		if err != nil {
			b.Fatal(err)
		}
		for d := xml.NewDecoder(r); ; {
			if _, err := d.RawToken(); err != nil {
				break
			}
		}
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
