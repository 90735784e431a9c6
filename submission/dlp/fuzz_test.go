package dlp

import (
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// fixtures adds the files below SEKISHO_FIXTURES to the seeds, where it is set:
// public mails and documents that belong to others.
func fixtures(f *testing.F, add func(name string, body []byte)) {
	dir := os.Getenv("SEKISHO_FIXTURES")
	if dir == "" {
		return
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if i, err := d.Info(); err != nil || i.Size() > 64<<10 {
			return err // a search does not get far from large inputs
		}
		body, err := os.ReadFile(path)
		add(filepath.Base(path), body)
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
}

// FuzzFile gives whole files to the whole scanner.
func FuzzFile(f *testing.F) {
	s, err := New(Options{Limits: Limits{Part: 1 << 20, Expanded: 4 << 20, PartTime: 2 * time.Second, Time: 4 * time.Second}})
	if err != nil {
		f.Fatal(err)
	}
	row := `<row r="1"><c r="A1" t="inlineStr"><is><t>個人番号</t></is></c><c r="B1" s="1"><v>983205673214</v></c></row>`
	for name, body := range map[string][]byte{
		"a.xlsx": xlsxFile(f, "S", "hidden", row), "a.docx": docxFile(f, paragraph("個人番号 "+number)), "a.xlsb": binaryWorkbook(f, 1),
		"a.pptx": deckFile(f, textBox(onSlide, "")), "a.ods": openDocument(f, "", `<table:table table:name="S"/>`), "a.doc": lookFile("x", 0x3c, 0x08, 1),
		"a.xls": excelFile("S", 2, "x", 1), "a.ppt": notesFile("x"), "a.msg": outlookFile("x", "y"), "winmail.dat": tnefFile("a.txt", "x"),
		"a.lzh": lzhFile(1, "lh5", "a.txt", lh5("hello hello hello hello"), "hello hello hello hello"), "a.hqx": binHex("a.txt", "hello"),
		"a.cab": cabFile(f, true, []string{"hello"}, map[string][2]int{"a.txt": {0, 5}}, "a.txt"), "a.tar.gz": gzipped(f, tarred(f, "a.txt", "x")),
		"a.eml": mailWith("a.csv", []byte("氏名,電話\n山田,03-1234-5678\n")), "a.rtf": []byte(`{\rtf1{\v x}}`), "a.html": []byte("<p>x"),
	} {
		f.Add(name, body)
	}
	fixtures(f, func(name string, body []byte) { f.Add(name, body) })
	f.Fuzz(func(t *testing.T, name string, body []byte) {
		began := time.Now()
		r := s.File(context.Background(), name, body)
		if took := time.Since(began); took > 30*time.Second {
			t.Fatalf("took %v", took)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Fatal(err)
		}
		for _, found := range r.Findings {
			if found.Count < len(found.Matches) {
				t.Fatalf("%d matches of %d values", len(found.Matches), found.Count)
			}
		}
	})
}
