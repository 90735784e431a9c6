package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/internal/testkit"
	"github.com/sekisho-mail/sekisho/submission/dlp"
	"github.com/sekisho-mail/sekisho/submission/policy"
)

// TestMain lets this test program be the child that reads documents and pictures.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && slices.Contains([]string{pdfCommand, pictureCommand, pageCommand}, os.Args[1]) {
		os.Exit(run(context.Background(), os.Args[1:], &Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
	}
	os.Exit(m.Run())
}

func itself(t *testing.T) string {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// scanning is an inspector with scanners and children.
func scanning(t *testing.T, s ScannersConf) *Inspector {
	t.Helper()
	p, problems := policy.Parse(policy.Factory())
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	c := &Config{DataDir: t.TempDir(), Scanners: s}
	c.Organization.Domains = []string{"corp.example"}
	c.Organization.TimeZone, c.Organization.Holidays = "Asia/Tokyo", "jp"
	i, err := NewInspector(c, p, nil, itself(t))
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func carrying(name string, body []byte) []byte {
	return mail("From: a.sato@corp.example", "To: x@other.example", "Subject: file", "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b", "",
		"--b", "Content-Type: text/plain", "", "see file", "--b", "Content-Type: application/octet-stream; name="+name, "Content-Transfer-Encoding: base64", "",
		base64.StdEncoding.EncodeToString(body), "--b--")
}

func TestMalwareAndASilentScannerHoldTheMail(t *testing.T) {
	address, stop := testkit.Clamd(t)
	i := scanning(t, ScannersConf{Clamd: address})
	wantHeld := func(body []byte, rule string) {
		t.Helper()
		v := i.Inspect(t.Context(), envelope("x@other.example"), carrying("a.txt", body)).Verdict.Recipients[0]
		if held := slices.Contains(v.Rules, rule); rule == "" && v.Action == policy.Hold || rule != "" && (v.Action != policy.Hold || !held) {
			t.Errorf("%s by %v, want %q", v.Action, v.Rules, rule)
		}
	}
	wantHeld([]byte("hello"), "")
	wantHeld(testkit.EICAR(), "malware")
	var packed bytes.Buffer
	z := zip.NewWriter(&packed)
	if f, err := z.Create("word/embeddings/a.bin"); err != nil {
		t.Fatal(err)
	} else if _, err := f.Write(testkit.EICAR()); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	wantHeld(packed.Bytes(), "malware")
	wantHeld(bytes.Repeat([]byte("larger than the scanner takes\n"), 100_000), "uninspectable")
	wantHeld([]byte("hello again"), "")
	stop()
	wantHeld([]byte("hello"), "uninspectable")
}

// picture draws a page of HTML.
func picture(t *testing.T, html string) []byte {
	t.Helper()
	home := t.TempDir()
	page, file := filepath.Join(home, "a.html"), filepath.Join(home, "a.png")
	if err := os.WriteFile(page, []byte(html), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(testkit.Need(t, "chromium", "chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir="+home,
		"--window-size=1000,400", "--screenshot="+file, "file://"+page).CombinedOutput()
	if err != nil {
		t.Fatalf("chromium: %v\n%s", err, out)
	}
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestPicturesOfJapaneseAreRead(t *testing.T) {
	testkit.Need(t, "tesseract", "tesseract-ocr")
	png := picture(t, "<meta charset=utf-8><body style=\"font:32px 'Noto Sans CJK JP'\"><p>従業員の情報</p><p>個人番号：9832-0567-3214</p>")
	found := func(r *dlp.Report) bool {
		return slices.ContainsFunc(r.Findings, func(f dlp.Finding) bool { return f.Detector == "jp.my_number" && f.Matches[0].Path == "a.png" })
	}
	raw := carrying("a.png", png)
	with := scanning(t, ScannersConf{}).Inspect(t.Context(), envelope("x@other.example"), raw)
	if !found(with.Report) {
		t.Errorf("with OCR: %+v", with.Report)
	}
	without := scanning(t, ScannersConf{OCR: ocrOff}).Inspect(t.Context(), envelope("x@other.example"), raw)
	if found(without.Report) || without.Verdict.Recipients[0].Action == policy.Hold {
		t.Errorf("without OCR: %+v", without)
	}
}

func TestThePictureReaderLimitsItself(t *testing.T) {
	// A shell that shows its limits stands for Tesseract.
	script := filepath.Join(t.TempDir(), "limits")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nulimit -v; ulimit -t; ulimit -f\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(itself(t), pictureCommand, script, "jpn").CombinedOutput()
	if want := fmt.Sprintf("%d\n%d\n0\n", pictureMemory/1024, pictureSeconds); err != nil || string(out) != want {
		t.Errorf("%v: %q, want %q", err, out, want)
	}
}

func TestOCRNeedsJapanese(t *testing.T) {
	script := filepath.Join(t.TempDir(), "tesseract")
	for languages, want := range map[string]string{"eng osd": "", "jpn": "jpn", "eng jpn osd": "jpn+eng"} {
		text := "#!/bin/sh\necho List of available languages:\nprintf '%s\\n' " + languages + "\n"
		if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		o, err := findOCR(script)
		if o.languages != want || (err == nil) != (want != "") {
			t.Errorf("%s: %+v, %v", languages, o, err)
		}
	}
	if o, err := findOCR(ocrOff); o.path != "" || err != nil {
		t.Errorf("off: %+v, %v", o, err)
	}
	if _, err := findOCR("/nonexistent/tesseract"); err == nil || !strings.Contains(err.Error(), "/nonexistent") {
		t.Errorf("%v", err)
	}
}
