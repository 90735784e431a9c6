//go:build bench

package bench

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"flag"
	"fmt"
	"html"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/bench/dlp/corpus"
	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/submission/dlp"
)

var public = flag.String("fixtures", "", "a directory of public mails to inspect as well")

// TestInspect is what inspection takes: the largest everyday mail by the program as a whole, many ordinary ones by one
// core.
func TestInspect(t *testing.T) {
	title("inspection")
	large := filepath.Join(t.TempDir(), "large.eml")
	raw := documents(t)
	write(t, large, string(raw), 0o600)
	var seconds, megabytes []float64
	for range *rounds {
		took, peak := scanned(t, large)
		seconds = append(seconds, took)
		megabytes = append(megabytes, peak)
	}
	fmt.Printf("a mail of %.0f MB with ten documents:\n", float64(len(raw))/(1<<20))
	what := "inspection, 25 MB with ten documents"
	fmt.Printf("%-46s %8.2f  %s\n", "  seconds, the program's start included", median(seconds), stay(t, what, "s", median(seconds), 3))
	fmt.Printf("%-46s %8.0f  %s\n", "  MB of memory, the program itself included", median(megabytes), stay(t, what+", memory", "MB", median(megabytes), 200))
	mails := ordinary(t)
	rate := inspected(t, mails)
	fmt.Printf("%-46s %8.1f  %s\n", fmt.Sprintf("%d ordinary mails, MB/s of a core", len(mails)), rate, reach(t, "inspection of ordinary mails, of 25 MB/s", rate/25, 1))
	if *public != "" {
		mails = published(t, *public)
		rate = inspected(t, mails)
		fmt.Printf("%-46s %8.1f  %s\n", fmt.Sprintf("%d public mails, MB/s of a core", len(mails)), rate, reach(t, "inspection of public mails, of 25 MB/s", rate/25, 1))
	}
}

// scanned is how long the program takes over a file, and the most memory it has. The kernel's figure for a child that has
// ended (ru_maxrss) begins with its parent's, so that the program is asked while it runs.
func scanned(t *testing.T, file string) (seconds, megabytes float64) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(*binary, "scan", "--json", file)
	cmd.Stdout = &out
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		select {
		case err := <-ended:
			if err != nil || bytes.Contains(out.Bytes(), []byte(`"reason":`)) {
				t.Fatalf("scan: %v %.300s", err, out.Bytes())
			}
			return time.Since(began).Seconds(), megabytes
		case <-tick.C:
			megabytes = max(megabytes, highest(cmd.Process.Pid))
		}
	}
}

// highest is the most memory a process has had, in MB, 0 for one that has ended.
func highest(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	var kb float64
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		return 0
	}
	return kb / 1024
}

// inspected parses and inspects mails, for three seconds of processor time at least; PDF, which other processes read,
// is left out.
func inspected(t *testing.T, mails [][]byte) float64 {
	t.Helper()
	s, err := dlp.New(dlp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	size, began := 0, processor(t)
	for processor(t)-began < 3*time.Second {
		for _, raw := range mails {
			if m, err := message.Parse(raw); err == nil {
				m.Anomalies = append(m.Anomalies, message.Crosscheck(m)...)
				s.Message(context.Background(), m)
			}
			size += len(raw)
		}
	}
	return float64(size) / 1e6 / (processor(t) - began).Seconds()
}

// processor is the time of the cores that this process has had.
func processor(t *testing.T) time.Duration {
	t.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		t.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// documents is a mail of 25 MB with ten documents as people write them: each three megabytes of markup, packed, and two
// pictures.
func documents(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("From: a@corp.example\r\nTo: b@other.example\r\nSubject: files\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nsee files\r\n")
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 10 {
		var text strings.Builder
		for text.Len() < 3<<20 {
			fmt.Fprintf(&text, "<w:p><w:r><w:t>第%d回の会議では、%d 件のご意見をいただきました。担当は%c課です。</w:t></w:r></w:p>", i, random.IntN(1e6), 'A'+rune(random.IntN(26)))
		}
		picture := make([]byte, 900<<10)
		for i := range picture {
			picture[i] = byte(random.Uint32())
		}
		copy(picture, "\x89PNG\r\n\x1a\n")
		fmt.Fprintf(&b, "--b\r\nContent-Type: application/octet-stream; name=a%d.docx\r\nContent-Transfer-Encoding: base64\r\n\r\n%s", i, lines64(packed(t, text.String(), picture)))
	}
	b.WriteString("--b--\r\n")
	return b.Bytes()
}

func packed(t *testing.T, text string, picture []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, m := range []struct{ name, body string }{
		{"[Content_Types].xml", "<Types/>"}, {"word/document.xml", "<w:document><w:body>" + text + "</w:body></w:document>"},
		{"word/media/image1.png", string(picture)}, {"word/media/image2.png", string(picture)},
	} {
		w, err := z.Create(m.name)
		if err == nil {
			_, err = w.Write([]byte(m.body))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// ordinary are mails as people write them: a few paragraphs over the mails they answer, as text and as HTML, a third
// with a picture, a fifth with a document.
func ordinary(t *testing.T) [][]byte {
	t.Helper()
	set, err := corpus.Load(os.DirFS("../../bench/dlp"), "train")
	if err != nil {
		t.Fatal(err)
	}
	all, err := set.Documents(1, 1, 3)
	if err != nil {
		t.Fatal(err)
	}
	picture := make([]byte, 120<<10)
	random := rand.New(rand.NewPCG(3, 4))
	for i := range picture {
		picture[i] = byte(random.Uint32())
	}
	copy(picture, "\xff\xd8\xff\xe0")
	var mails [][]byte
	for i, d := range all {
		text := d.Text + strings.Repeat("\r\n> お世話になっております。先日お打ち合わせいただいた件につきまして、資料をお送りいたします。\r\n> Please find the minutes attached.\r\n", 40)
		page := "<html><body><div style=\"font-family:Meiryo;color:#333333\"><p>" + strings.ReplaceAll(html.EscapeString(text), "\n", "</p>\n<p class=\"MsoNormal\"><span lang=\"JA\">") + "</body></html>"
		var b bytes.Buffer
		b.WriteString("From: a@corp.example\r\nTo: b@other.example\r\nSubject: minutes\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n" +
			"--m\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n")
		for _, form := range [][2]string{{"plain", text}, {"html", page}} {
			b.WriteString("--a\r\nContent-Type: text/" + form[0] + "; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n" + lines64([]byte(form[1])))
		}
		b.WriteString("--a--\r\n")
		if i%3 == 0 {
			b.WriteString("--m\r\nContent-Type: image/jpeg; name=a.jpg\r\nContent-Transfer-Encoding: base64\r\n\r\n" + lines64(picture))
		}
		if i%5 == 0 {
			b.WriteString("--m\r\nContent-Type: application/octet-stream; name=a.docx\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
				lines64(packed(t, "<w:p><w:r><w:t>"+strings.ReplaceAll(html.EscapeString(text), "\n", "</w:t></w:r></w:p><w:p><w:r><w:t>")+"</w:t></w:r></w:p>", picture)))
		}
		b.WriteString("--m--\r\n")
		mails = append(mails, b.Bytes())
	}
	return mails
}

func lines64(b []byte) string {
	var out strings.Builder
	for s := base64.StdEncoding.EncodeToString(b); s != ""; s = s[min(76, len(s)):] {
		out.WriteString(s[:min(76, len(s))] + "\r\n")
	}
	return out.String()
}

func published(t *testing.T, dir string) [][]byte {
	t.Helper()
	var mails [][]byte
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".eml" {
			return err
		}
		raw, err := os.ReadFile(path)
		mails = append(mails, raw)
		return err
	})
	if err != nil || len(mails) == 0 {
		t.Fatalf("no mails in %s: %v", dir, err)
	}
	return mails
}
