package message

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand"
	"strings"
	"testing"
	"time"
)

// largeMail has a text and one attachment of that many bytes.
func largeMail(size int) []byte {
	content := make([]byte, size)
	rand.New(rand.NewSource(1)).Read(content)
	text := base64.StdEncoding.EncodeToString(content)
	var b bytes.Buffer
	b.WriteString(crlf(head + "Content-Type: multipart/mixed; boundary=\"b\"\n\n--b\nContent-Type: text/plain; charset=utf-8\n\nこんにちは\n--b\nContent-Type: application/zip; name=a.zip\nContent-Transfer-Encoding: base64\n\n"))
	for len(text) > 76 {
		b.WriteString(text[:76] + "\r\n")
		text = text[76:]
	}
	b.WriteString(text + "\r\n--b--\r\n")
	return b.Bytes()
}

func BenchmarkParse(b *testing.B) {
	for _, size := range []int{2 << 10, 200 << 10, 25 << 20} {
		raw := largeMail(size * 3 / 4)
		b.Run(fmt.Sprintf("%dKiB", len(raw)>>10), func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	m, err := Parse(largeMail(25 << 20 * 3 / 4))
	if err != nil {
		b.Fatal(err)
	}
	file := m.Root.Children[1]
	b.SetBytes(int64(file.Body.Len()))
	for b.Loop() {
		if _, err := file.Decode(0); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCrosscheck(b *testing.B) {
	for _, size := range []int{2 << 10, 200 << 10, 15 << 20} {
		m, err := Parse(largeMail(size * 3 / 4))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("%dKiB", len(m.Raw)>>10), func(b *testing.B) {
			b.SetBytes(int64(len(m.Raw)))
			b.ReportAllocs()
			for b.Loop() {
				Crosscheck(m)
			}
		})
	}
}

func BenchmarkTexts(b *testing.B) {
	text := strings.Repeat("いつもお世話になっております。佐藤です。\r\n", 300)
	m, err := Parse([]byte(crlf(head) + "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + text))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		m.Root.Texts(0)
	}
}

// costly are inputs that make careless readers slow, each of about that size.
func costly(size int) map[string]string {
	var open strings.Builder
	open.WriteString(head)
	for i := range 40 {
		fmt.Fprintf(&open, "Content-Type: multipart/mixed; boundary=\"%s%d\"\n\n--%s%d\n", strings.Repeat("a", 30), i, strings.Repeat("a", 30), i)
	}
	fill := func(s string, n int) string { return strings.Repeat(s, max(1, n/len(s))) }
	return map[string]string{
		"dashes":        open.String() + "\n" + fill("--\n", size),
		"near misses":   open.String() + "\n" + fill("--"+strings.Repeat("a", 30)+"x\n", size),
		"parts":         head + "Content-Type: multipart/mixed; boundary=b\n\n" + fill("--b\n", size),
		"fields":        head + fill("X: y\n", size),
		"one field":     head + "X: " + fill("y\n z", size) + "\n\n",
		"parameters":    head + "Content-Type: text/plain" + fill("; a*1=b", size) + "\n\n",
		"quotes":        head + "Content-Type: text/plain" + fill("; a=\"", size) + "\n\n",
		"comments":      head + "Content-Type: text/plain" + fill("(", size) + "\n\n",
		"words":         head + "Subject: " + fill("=?a?b?x ", size) + "\n\n",
		"bare CR":       head + "\n" + fill("\r", size),
		"equals":        head + "Content-Transfer-Encoding: quoted-printable\n\n" + fill("=", size),
		"uu":            head + "\n" + fill("begin 644 a\n", size),
		"messages":      head + fill("Content-Type: message/rfc822\n\n", size),
		"empty base64":  head + "Content-Transfer-Encoding: base64\n\n" + fill("=\n", size),
		"stray":         head + "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n" + fill("--b--\n", size),
		"shown":         head + "\n" + fill("--\nContent-\n", size),
		"spaces":        head + "X: " + fill("\n ", size) + "\n\n",
		"addresses":     head + "To: " + fill("a@b,(", size) + "\n\n",
		"escape of JIS": head + "\n" + fill("\x1b$B!!\x1b(B", size),
		"8 bits":        head + "\n" + fill("\xe3\x81\x82\x82\xa0", size),
	}
}

// work is everything inspection asks of a mail.
func work(raw []byte) error {
	m, err := Parse(raw)
	if err != nil {
		return err
	}
	Addresses(m.Root.Get("To"))
	DecodeHeaders(m.Root.Get("Subject"))
	Digest(m)
	m.Attachments()
	Crosscheck(m)
	n := 0
	for p := range m.Leaves() {
		if n++; n > 50 {
			break // inspection has a budget of its own
		}
		p.Texts(1 << 20)
		p.Alternatives(1 << 20)
		p.Protected()
	}
	return nil
}

func TestTimeGrowsWithTheInput(t *testing.T) {
	small, large := costly(64<<10), costly(1<<20)
	for name := range small {
		fastest := func(mail string) time.Duration {
			best := time.Hour
			for range 3 {
				start := time.Now()
				if err := work([]byte(mail)); err != nil {
					t.Fatal(err)
				}
				best = min(best, time.Since(start))
			}
			return best
		}
		a, b := fastest(small[name]), fastest(large[name])
		// 16 times the input; what is quadratic takes 256 times as long.
		if b > 500*time.Millisecond && b > 64*a {
			t.Errorf("%s: %v for 64 KiB, %v for 1 MiB", name, a, b)
		}
		if testing.Verbose() {
			t.Logf("%-14s %12v %12v", name, a, b)
		}
	}
}
