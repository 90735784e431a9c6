package demo

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"mime"
	"strings"
	"time"
)

// Sample is one mail that shows something, and what becomes of it after its inspection.
type Sample struct {
	From, To string // To: addresses, separated by commas
	Bcc      string
	Subject  string
	Text     string
	Files    []File
	Then     string // "", "approve", "reject", "cancel", "expire", "send": done so that every state is there
}

// File is an attachment.
type File struct {
	Name, Type string
	Bytes      []byte
}

// Samples tell the stories of the product. All names and numbers are made up for this purpose.
func Samples() []Sample {
	roster := sheet([][]string{{"会員番号", "氏名", "個人番号"}, {"A-001", "青木 一郎", "481209365179"}, {"A-002", "小林 恵", "305792640180"}})
	quote := File{"見積書.txt", "text/plain; charset=UTF-8", []byte("御見積書\r\n\r\n合計 1,280,000円（税込）\r\n")}
	return []Sample{
		{From: "alice", To: "bob@corp.example", Subject: "明日の会議の資料について", Text: "佐藤です。\n明日の会議は10時からです。よろしくお願いします。\n"},
		{From: "alice", To: "suzuki@partner.example", Subject: "お打ち合わせの御礼", Text: "鈴木様\n\n本日はお時間をいただき、ありがとうございました。\n"},
		{From: "alice", To: "tanaka@customer.example", Subject: "御見積書の送付", Text: "田中様\n\n御見積書をお送りします。ご査収ください。\n", Files: []File{quote}, Then: "send"},
		{From: "bob", To: "tanaka@customer.example,yamada@customer.example", Subject: "納品スケジュールの件", Text: "皆様\n\n納品の予定をお送りします。\n", Files: []File{{"納品予定.txt", "text/plain; charset=UTF-8", []byte("12月4日 納品\r\n")}}},
		{From: "alice", To: "suzuki@partner.example", Subject: "会員名簿の件", Text: "鈴木様\n\n会員名簿をお送りします。\n", Files: []File{{"名簿.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", roster}}},
		{From: "bob", To: many("member", 12), Subject: "キャンペーンのご案内", Text: "お客様各位\n\nキャンペーンを始めました。\n"},
		{From: "bob", To: "suzuki@partner.example", Subject: "資料（パスワード付き）", Text: "資料をお送りします。パスワードは別のメールでお送りします。\n", Files: []File{{"資料.zip", "application/zip", lockedZIP()}}},
		{From: "alice", To: "yamada@customer.example", Subject: "登録内容のご確認", Text: "山田様\n\nご登録の個人番号は 7193 0485 2660 です。\n", Then: "approve"},
		{From: "bob", To: "sato@other.example", Subject: "手続きの書類", Text: "マイナンバー: 481209365179\n", Then: "reject"},
		{From: "alice", To: "sato@other.example", Subject: "宛先を間違えたメール", Text: "これは取り消すメールです。\n", Then: "cancel"},
		{From: "bob", To: "sato@other.example", Subject: "確認されなかったメール", Text: "個人番号：305792640180\n", Then: "expire"},
		{From: "alice", To: "permfail@closed.example", Subject: "届かない宛先", Text: "この宛先は、もうありません。\n", Then: "send"},
		{From: "bob", To: "tempfail@busy.example", Subject: "混み合っている宛先", Text: "相手のサーバーが混み合っています。\n", Then: "send"},
	}
}

func many(name string, n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("%s%02d@customer.example", name, i+1))
	}
	return strings.Join(all, ",")
}

// Bytes is the mail as a mail program would send it.
func (s Sample) Bytes(from, name string, at time.Time) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Date: %s\r\nFrom: %s <%s>\r\n", at.Format(time.RFC1123Z), mime.BEncoding.Encode("UTF-8", name), from)
	fmt.Fprintf(&b, "To: %s\r\n", strings.ReplaceAll(s.To, ",", ",\r\n "))
	fmt.Fprintf(&b, "Subject: %s\r\nMIME-Version: 1.0\r\n", mime.BEncoding.Encode("UTF-8", s.Subject))
	text := "Content-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: base64\r\n\r\n" + wrapped([]byte(s.Text))
	if len(s.Files) == 0 {
		b.WriteString(text)
		return b.Bytes()
	}
	const boundary = "=_sample_of_the_demo"
	fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=%q\r\n\r\n--%s\r\n%s", boundary, boundary, text)
	for _, f := range s.Files {
		fmt.Fprintf(&b, "--%s\r\nContent-Type: %s\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=%q\r\n\r\n%s",
			boundary, f.Type, mime.BEncoding.Encode("UTF-8", f.Name), wrapped(f.Bytes))
	}
	fmt.Fprintf(&b, "--%s--\r\n", boundary)
	return b.Bytes()
}

func wrapped(raw []byte) string {
	var b strings.Builder
	for s := base64.StdEncoding.EncodeToString(raw); s != ""; {
		n := min(76, len(s))
		b.WriteString(s[:n] + "\r\n")
		s = s[n:]
	}
	return b.String()
}

// sheet is the smallest workbook that spreadsheet programs open.
func sheet(rows [][]string) []byte {
	var data strings.Builder
	for i, row := range rows {
		fmt.Fprintf(&data, `<row r="%d">`, i+1)
		for j, cell := range row {
			fmt.Fprintf(&data, `<c r="%c%d" t="inlineStr"><is><t>%s</t></is></c>`, 'A'+j, i+1, cell)
		}
		data.WriteString(`</row>`)
	}
	const ns = `xmlns="http://schemas.openxmlformats.org/`
	return zipped(map[string]string{
		"[Content_Types].xml":        `<Types ` + ns + `package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>`,
		"_rels/.rels":                `<Relationships ` + ns + `package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>`,
		"xl/workbook.xml":            `<workbook ` + ns + `spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="会員" sheetId="1" r:id="rId1"/></sheets></workbook>`,
		"xl/_rels/workbook.xml.rels": `<Relationships ` + ns + `package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>`,
		"xl/worksheets/sheet1.xml":   `<worksheet ` + ns + `spreadsheetml/2006/main"><sheetData>` + data.String() + `</sheetData></worksheet>`,
	})
}

func zipped(files map[string]string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range []string{"[Content_Types].xml", "_rels/.rels", "xl/workbook.xml", "xl/_rels/workbook.xml.rels", "xl/worksheets/sheet1.xml"} {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write([]byte(files[name]))
		}
		if err != nil {
			panic(err) // a buffer does not fail
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// lockedZIP is an archive whose one entry is marked as encrypted: the habit that Sekisho is there to end.
func lockedZIP() []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	content := bytes.Repeat([]byte{0x5a, 0xc3, 0x19, 0x77, 0xe0, 0x42}, 40)
	w, err := z.CreateRaw(&zip.FileHeader{Name: "shiryo.pdf", Method: zip.Store, Flags: 1, CRC32: 0x1234abcd,
		CompressedSize64: uint64(len(content)), UncompressedSize64: uint64(len(content) - 12), Modified: time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)})
	if err == nil {
		_, err = w.Write(content)
	}
	if err != nil {
		panic(err)
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}
