package dlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"syscall"
	"testing"
	"time"
)

func floatBits(v float64) uint64 { return math.Float64bits(v) }

func TestLimitsAreSaidNotPassedOver(t *testing.T) {
	deep := []byte("個人番号 " + number)
	for i := range 30 {
		deep = zipFile(t, member{fmt.Sprintf("%d.zip", i), string(deep)})
	}
	var many []member
	for i := range 60 {
		many = append(many, member{fmt.Sprintf("%d.txt", i), "x"})
	}
	zeros := strings.Repeat("\x00", 8<<20)
	for _, c := range []struct {
		name   string
		limits Limits
		file   string
		body   []byte
		reason Reason
	}{
		{"depth", Limits{}, "a.zip", deep, TooDeep},
		{"entries", Limits{Entries: 50}, "a.zip", zipFile(t, many...), TooManyEntries},
		{"one part", Limits{Part: 1 << 20}, "a.gz", gzipped(t, strings.Repeat("random text 1234 ", 1<<17)), TooLarge},
		{"ratio", Limits{}, "a.gz", gzipped(t, zeros), TooLarge},
		{"all together", Limits{Expanded: 1 << 20}, "a.zip", zipFile(t, member{"a", strings.Repeat("a1b2", 1<<17)}, member{"b", strings.Repeat("c3d4", 1<<18)}), TooLarge},
		{"time", Limits{Time: time.Nanosecond}, "a.zip", zipFile(t, member{"a", "x"}), TimedOut},
		{"unknown format", Limits{}, "a.dat", []byte("\x00\x01\x02\x03\x04\x05\x06\x07\x00\x08"), Unsupported},
		{"damaged zip", Limits{}, "a.zip", zipFile(t, member{"a.txt", "hello hello"})[:40], Corrupt},
		{"damaged docx", Limits{}, "a.docx", docxFile(t, paragraph("x"))[:120], Corrupt},
		{"damaged compound", Limits{}, "a.doc", wordFile("x")[:700], Corrupt},
		{"text without sense", Limits{}, "a.txt", bytes.Repeat([]byte("\x81\x20\xfd\xfe\x80 "), 200), Unreadable},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := scanner(t, Options{Limits: c.limits}).File(context.Background(), c.file, c.body)
			found := false
			for _, u := range r.Uninspectable {
				found = found || u.Reason == c.reason
			}
			if !found {
				t.Errorf("uninspectable = %+v, want %s", r.Uninspectable, c.reason)
			}
			if _, ok := finding(r, DetectorUninspectable); !ok {
				t.Error("no finding says so")
			}
		})
	}
}

func TestAnEndedContextLeavesNothingClean(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r := scanner(t, Options{}).File(ctx, "a.eml", mailWith("a.txt", []byte("x")))
	if len(r.Uninspectable) == 0 {
		t.Error("a scan that did not run reports nothing uninspected")
	}
}

// TestHiddenZipEntriesAreFound: one reader believes the directory at the end,
// another the headers before the entries.
func TestHiddenZipEntriesAreFound(t *testing.T) {
	s := scanner(t, Options{})
	shown := zipFile(t, member{"shown.txt", "hello"})
	extra := zipFile(t, member{"extra.txt", "個人番号 " + number})
	local := extra[:bytes.Index(extra, []byte("PK\x01\x02"))]
	both := append(append([]byte{}, local...), shown...)
	r := s.File(context.Background(), "a.zip", both)
	wantNumber(t, r, "a.zip!/extra.txt")
	if !has(r, "a.zip", Corrupt) {
		t.Errorf("an archive with two readings passes: %+v", r.Uninspectable)
	}
	without := extra[:bytes.Index(extra, []byte("PK\x01\x02"))]
	wantNumber(t, s.File(context.Background(), "a.zip", without), "a.zip!/extra.txt")

	renamed := zipFile(t, member{"data.txt", "hello"})
	copy(renamed[bytes.Index(renamed, []byte("data.txt")):], "evil.exe")
	r = s.File(context.Background(), "a.zip", renamed)
	if _, ok := finding(r, DetectorExecutable); !ok {
		t.Errorf("a name only the local header has is not looked at: %+v", r)
	}
}

func TestClaimsOfSizeAreNotBelieved(t *testing.T) {
	s := scanner(t, Options{})
	z := zipFile(t, member{"a.txt", "個人番号 " + number})
	i := bytes.Index(z, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(z[i+24:], 0xfffffff0) // four gigabytes
	start := time.Now()
	r := s.File(context.Background(), "a.zip", z)
	if time.Since(start) > 5*time.Second {
		t.Error("took too long")
	}
	if len(r.Uninspectable) == 0 {
		t.Error("a size that is not true passes")
	}
}

func TestBillionLaughsStaySmall(t *testing.T) {
	s := scanner(t, Options{})
	bomb := `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">` + strings.Repeat(`<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">`, 10) + `]><w:document>` + paragraph("&b;"+"個人番号 "+number) + `</w:document>`
	body := zipFile(t, member{"[Content_Types].xml", "<Types/>"}, member{"word/document.xml", bomb})
	wantNumber(t, s.File(context.Background(), "a.docx", body), "a.docx")
}

func TestHostileTextsTakeLinearTime(t *testing.T) {
	s := scanner(t, Options{Patterns: []Pattern{{Name: "bait", Expr: `(a+)+$`}}})
	for name, unit := range map[string]string{
		"digits": "1", "spaced digits": "1 ", "dashed digits": "1234-", "labels": "個人番号 ", "kanji digits": "一二三四", "at signs": "a@", "letters": "a",
		"open keys": "-----BEGIN RSA PRIVATE KEY-----\n", "prefectures": "東京都", "addresses": "東京都港区", "commas": "a,b,c\n", "tabs": "\t\n", "births": "生年月日",
		"quotes": "> ", "rules": "-----\n", "plus": "+81", "iban": "GB82", "brackets": "(", "combining": "\u0301", "tags": "<td>", "rows": "<table><tr><td>",
	} {
		text := strings.Repeat(unit, (2<<20)/len(unit))
		for _, file := range []string{"a.txt", "a.html"} {
			start := spent(t)
			s.File(context.Background(), file, []byte(text))
			if d := spent(t) - start; d > 8*time.Second {
				t.Errorf("%s in %s: %v for 2 MiB", name, file, d)
			}
		}
	}
}

func TestArchivesOfArchivesEnd(t *testing.T) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(bytes.Repeat([]byte("x"), 512<<10)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var members []member
	for i := range 400 {
		members = append(members, member{fmt.Sprintf("%d.gz", i), b.String()})
	}
	start := spent(t)
	r := scanner(t, Options{Limits: Limits{Expanded: 32 << 20}}).File(context.Background(), "a.zip", zipFile(t, members...))
	if spent(t)-start > 10*time.Second {
		t.Error("took too long")
	}
	if _, ok := finding(r, DetectorUninspectable); !ok {
		t.Error("a bomb is called clean")
	}
}

// spent is the processor's time of this program so far: what others do on the machine does not count.
func spent(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
