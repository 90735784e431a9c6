// Package carrier puts the documents of the benchmark into what people send
// them in: mails in the charsets of Japan, HTML, Office files, CSV, PDF,
// archives, replies. It writes with the standard library alone, so that the
// readers that are measured do not read what their own counterparts wrote.
package carrier

import (
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"fmt"
	"html"
	"mime"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"

	"github.com/sekisho-mail/sekisho/bench/dlp/corpus"
)

// Carrier makes a mail of a document. It says no when that cannot be: a
// charset lacks a character, a sheet would be empty.
type Carrier struct {
	Name  string
	Mail  func(d *corpus.Document) ([]byte, bool)
	Extra int // contacts that the carrier adds of its own: a signature's
	// Quoted contacts need not be counted: they belong to whom one answers.
	Quoted bool
	Slow   bool
}

// All are the carriers of the tables.
func All() []Carrier {
	return []Carrier{
		{Name: "text utf-8", Mail: func(d *corpus.Document) ([]byte, bool) {
			return body(d, "text/plain; charset=utf-8", []byte(d.Text)), true
		}},
		{Name: "text iso-2022-jp", Mail: inCharset("iso-2022-jp", japanese.ISO2022JP)},
		{Name: "text shift_jis", Mail: inCharset("shift_jis", japanese.ShiftJIS)},
		{Name: "text euc-jp", Mail: inCharset("euc-jp", japanese.EUCJP)},
		{Name: "html", Mail: func(d *corpus.Document) ([]byte, bool) {
			return body(d, "text/html; charset=utf-8", []byte(page(d))), true
		}},
		{Name: "reply", Quoted: true, Mail: func(d *corpus.Document) ([]byte, bool) {
			return body(d, "text/plain; charset=utf-8", []byte(reply(d))), true
		}},
		{Name: "signed", Extra: 6, Mail: func(d *corpus.Document) ([]byte, bool) {
			return body(d, "text/plain; charset=utf-8", []byte(d.Text+signature)), true
		}},
		{Name: "rfc822", Mail: func(d *corpus.Document) ([]byte, bool) { return forwarded(d), true }},
		{Name: "csv", Mail: attached("一覧.csv", commas)},
		{Name: "csv shift_jis", Mail: attached("一覧.csv", commasShiftJIS)},
		{Name: "xlsx", Mail: attached("台帳.xlsx", func(d *corpus.Document) ([]byte, bool) { return workbook(d, false), true })},
		{Name: "xlsx numbers", Mail: attached("台帳.xlsx", func(d *corpus.Document) ([]byte, bool) { return workbook(d, true), true })},
		{Name: "docx", Mail: attached("書類.docx", func(d *corpus.Document) ([]byte, bool) { return letter(d), true })},
		{Name: "pptx", Mail: attached("資料.pptx", func(d *corpus.Document) ([]byte, bool) { return slides(d), true })},
		{Name: "zip", Mail: attached("一式.zip", archive)},
		{Name: "pdf", Slow: true, Mail: attached("書類.pdf", func(d *corpus.Document) ([]byte, bool) { return printed(d), true })},
	}
}

const fields = "From: sender@corp.example\r\nTo: someone@other.example\r\nDate: Wed, 03 Dec 2025 10:00:00 +0900\r\nMessage-ID: <1@corp.example>\r\nMIME-Version: 1.0\r\n"

func subject(d *corpus.Document) string {
	return "Subject: " + mime.BEncoding.Encode("utf-8", d.Subject) + "\r\n"
}

// body is a mail of one part.
func body(d *corpus.Document, kind string, b []byte) []byte {
	return []byte(fields + subject(d) + "Content-Type: " + kind + "\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64Lines(b))
}

func base64Lines(b []byte) string {
	var out strings.Builder
	for s := base64.StdEncoding.EncodeToString(b); s != ""; {
		n := min(76, len(s))
		out.WriteString(s[:n] + "\r\n")
		s = s[n:]
	}
	return out.String()
}

// inCharset writes the text as mail programs of that charset do; what they
// cannot write they send as UTF-8, which is another carrier.
func inCharset(name string, e encoding.Encoding) func(d *corpus.Document) ([]byte, bool) {
	return func(d *corpus.Document) ([]byte, bool) {
		b, err := e.NewEncoder().Bytes([]byte(strings.ReplaceAll(d.Text, "−", "－"))) // as mail programs do
		return body(d, "text/plain; charset="+name, b), err == nil
	}
}

func reply(d *corpus.Document) string {
	var b strings.Builder
	b.WriteString("承知いたしました。確認のうえ、ご連絡いたします。\n\n2025年12月2日(火) 9:15 差出人 <someone@other.example>:\n")
	for line := range strings.Lines(d.Text) {
		b.WriteString("> " + line)
	}
	return b.String()
}

const signature = `
--
株式会社栄進商会　第二営業部
柏木 伸介
〒104-0061 東京都中央区銀座4-7-12
TEL 03-3561-8847　FAX 03-3561-8848
kashiwagi@eishin.example
`

func forwarded(d *corpus.Document) []byte {
	inner := body(d, "text/plain; charset=utf-8", []byte(d.Text))
	return []byte(fields + "Subject: Fwd\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nsee below\r\n--b\r\n" +
		"Content-Type: message/rfc822\r\n\r\n" + string(inner) + "\r\n--b--\r\n")
}

// attached is a mail with a short body and one file.
func attached(name string, file func(d *corpus.Document) ([]byte, bool)) func(d *corpus.Document) ([]byte, bool) {
	return func(d *corpus.Document) ([]byte, bool) {
		b, ok := file(d)
		if !ok {
			return nil, false
		}
		encoded := mime.BEncoding.Encode("utf-8", name)
		return []byte(fields + subject(d) + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" +
			"添付をご確認ください。\r\n--b\r\nContent-Type: application/octet-stream; name=\"" + encoded + "\"\r\nContent-Disposition: attachment; filename=\"" + encoded +
			"\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64Lines(b) + "--b--\r\n"), true
	}
}

// page is the document as mail programs write HTML.
func page(d *corpus.Document) string {
	var b strings.Builder
	b.WriteString("<html><body style=\"font-family:メイリオ\">\n")
	for _, block := range d.Blocks {
		for _, line := range block.Lines {
			if line == "" {
				line = "\u00a0"
			}
			b.WriteString("<p>" + strings.ReplaceAll(html.EscapeString(line), "\n", "<br>") + "</p>\n")
		}
		if block.Table != nil {
			b.WriteString("<table border=1>\n")
			for _, row := range block.Table {
				b.WriteString("<tr>")
				for _, cell := range row {
					b.WriteString("<td>" + strings.ReplaceAll(html.EscapeString(cell), "\n", "<br>") + "</td>")
				}
				b.WriteString("</tr>\n")
			}
			b.WriteString("</table>\n")
		}
	}
	return b.String() + "</body></html>\n"
}

// rows lays a document out as a sheet: a line to a cell, tables as they are.
func rows(d *corpus.Document) [][]string {
	var out [][]string
	for _, block := range d.Blocks {
		for _, line := range block.Lines {
			out = append(out, []string{line})
		}
		out = append(out, block.Table...)
	}
	return out
}

func commas(d *corpus.Document) ([]byte, bool) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	if err := w.WriteAll(rows(d)); err != nil {
		return nil, false
	}
	return b.Bytes(), true
}

func commasShiftJIS(d *corpus.Document) ([]byte, bool) {
	b, ok := commas(d)
	if !ok {
		return nil, false
	}
	b, err := japanese.ShiftJIS.NewEncoder().Bytes(b)
	return b, err == nil
}

// archive holds the document twice, under names that old Windows wrote.
func archive(d *corpus.Document) ([]byte, bool) {
	name, err := japanese.ShiftJIS.NewEncoder().String("名簿.xlsx")
	if err != nil {
		return nil, false
	}
	return packed(member{name, string(workbook(d, false))}, member{"sub/letter.docx", string(letter(d))}), true
}

func escaped(s string) string { return html.EscapeString(s) }

func column(i int) string { return fmt.Sprintf("%c", 'A'+i) }
