package linkify

import (
	"strings"
	"testing"
	"time"
)

func head(t *testing.T, access Access, names ...string) letterhead {
	h := letterhead{access: access, expires: lastMinute(start(t), 14*24*time.Hour, tokyo(t))}
	for i, n := range names {
		h.files = append(h.files, File{Name: cleanName(n), Size: int64(i+1) * 1_234_567})
	}
	return h
}

func TestNoticeNamesFilesSizesAddressAndLastDay(t *testing.T) {
	n := head(t, AccessOpen, "見積書.pdf", "plan.zip").notice().fill("https://files.corp.example/d/TOKEN")
	for part, text := range map[string]string{"text": n.Text, "html": n.HTML, "english": n.English} {
		for _, want := range []string{"plan.zip", "1.2 MB", "https://files.corp.example/d/TOKEN", "10 December 2026, 23:59 (UTC+09:00)"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s of the notice does not say %q:\n%s", part, want, text)
			}
		}
		if strings.Contains(text, urlMark) {
			t.Errorf("%s keeps the mark", part)
		}
	}
	for _, want := range []string{"見積書.pdf", "2026年12月10日（木）23:59まで", "会員登録は不要です"} {
		if !strings.Contains(n.Text, want) || !strings.Contains(n.HTML, want) {
			t.Errorf("the notice does not say %q", want)
		}
	}
	if strings.Contains(n.Text, "確認コード") {
		t.Error("an open link speaks of codes")
	}
	if !strings.Contains(head(t, AccessCode, "a").notice().Text, "確認コード") {
		t.Error("a link with codes does not say so")
	}
}

func TestEnglishNoticeIsASCII(t *testing.T) {
	n := head(t, AccessCode, "見積書.pdf", "résumé.docx", "髙﨑", "ok.txt").notice().fill("https://files.corp.example/d/T")
	for i := range len(n.English) {
		if c := n.English[i]; c >= 0x80 || c < ' ' && c != '\n' {
			t.Fatalf("byte %#x in %q", c, n.English)
		}
	}
	for _, want := range []string{"- file 1.pdf", "- file 2.docx", "- file 3 (", "- ok.txt"} {
		if !strings.Contains(n.English, want) {
			t.Errorf("no %q in:\n%s", want, n.English)
		}
	}
}

func TestAThousandFilesDoNotBuryTheText(t *testing.T) {
	n := head(t, AccessOpen, strings.Fields(strings.Repeat("図.png ", 1000))...).notice()
	for _, text := range []string{n.Text, n.HTML, n.English} {
		if lines := strings.Count(text, "\n"); lines > 70 || !strings.Contains(text, "950") {
			t.Errorf("%d lines:\n%s", lines, text)
		}
	}
}

func TestFileNamesCannotBreakOutOfTheNotice(t *testing.T) {
	n := head(t, AccessOpen, `<img src=x onerror=alert(1)>.pdf`, `"><b onclick="x">`, "a\r\nwww.evil.example\x01.txt").
		notice().fill("https://files.corp.example/d/T?a&b")
	for _, bad := range []string{"<img", "<b ", "onerror=alert(1)>"} {
		if strings.Contains(n.HTML, bad) {
			t.Errorf("HTML carries %q:\n%s", bad, n.HTML)
		}
	}
	if strings.Contains(n.Text, "\nwww.evil.example") {
		t.Errorf("a file name made a line of its own:\n%s", n.Text)
	}
	if strings.Count(n.Text, "https://files.corp.example/d/") != 1 {
		t.Errorf("a file name repeated the address:\n%s", n.Text)
	}
	if !strings.Contains(n.HTML, `href="https://files.corp.example/d/T?a&amp;b"`) {
		t.Errorf("the address is not escaped:\n%s", n.HTML)
	}
}

func TestCleanNames(t *testing.T) {
	for name, want := range map[string]string{
		"見積書.pdf":                         "見積書.pdf",
		"../../etc/passwd":                "passwd",
		`C:\Users\a\報告.xlsx`:              "報告.xlsx",
		".htaccess":                       "htaccess",
		"":                                "attachment",
		"report.exe. .":                   "report.exe",
		"...":                             "attachment",
		"a\r\nSet-Cookie: x":              "aSet-Cookie: x",
		"invoice\u202efdp.exe":            "invoicefdp.exe",
		"zero\u200bwidth\ufeff.txt":       "zerowidth.txt",
		"bad\xff.txt":                     "bad.txt",
		"①㈱髙.txt":                         "①㈱髙.txt",
		"全角　空白.txt":                       "全角　空白.txt",
		strings.Repeat("あ", 300) + ".pdf": strings.Repeat("あ", 179) + "…" + strings.Repeat("あ", 16) + ".pdf",
		"tab\there":                       "tabhere",
		"  spaces  .txt ":                 "spaces  .txt",
	} {
		if got := cleanName(name); got != want {
			t.Errorf("cleanName(%q) = %q, want %q", name, got, want)
		}
	}
}

func FuzzCleanName(f *testing.F) {
	f.Add("見積書.pdf")
	f.Add("a/..\\..\u202e\x00.")
	f.Add(".        .")
	f.Add("a.exe. .")
	f.Fuzz(func(t *testing.T, name string) {
		got := cleanName(name)
		if got == "" || len([]rune(got)) > 200 || strings.ContainsAny(got, "/\\\r\n\x00\x01") || strings.HasPrefix(got, ".") {
			t.Fatalf("cleanName(%q) = %q", name, got)
		}
		if cleanName(got) != got {
			t.Fatalf("cleaned twice %q becomes %q", got, cleanName(got))
		}
	})
}

func TestSizes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KB", 1234567: "1.2 MB", 1048575: "1.0 MB", 25 << 20: "25 MB", 3 << 30: "3.0 GB"} {
		if got := SizeText(n); got != want {
			t.Errorf("%d = %q, want %q", n, got, want)
		}
	}
}

func TestLinksEndAtTheLastMinuteOfADayInTheCompanysZone(t *testing.T) {
	zone := tokyo(t)
	for from, want := range map[string]string{
		"2026-11-26T10:03:12+09:00": "2026-12-10T23:59:59+09:00",
		"2026-11-26T16:00:00Z":      "2026-12-11T23:59:59+09:00", // already the 27th in Tokyo
		"2026-12-20T00:00:00+09:00": "2027-01-03T23:59:59+09:00",
	} {
		at, err := time.Parse(time.RFC3339, from)
		if err != nil {
			t.Fatal(err)
		}
		if got := lastMinute(at, 14*24*time.Hour, zone).Format(time.RFC3339); got != want {
			t.Errorf("from %s until %s, want %s", from, got, want)
		}
	}
}

func TestLastMinuteAcrossASummerTimeChange(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	// The clock goes back on 25 October: 14 times 24 hours later it is 23:30 of the day before.
	from := time.Date(2026, 10, 12, 0, 30, 0, 0, zone)
	if got := lastMinute(from, 14*24*time.Hour, zone); got.Day() != 26 {
		t.Errorf("ends on %s, want the 26th", got)
	}
}
