package linkify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
)

func TestDownloadGivesTheBytesThatWereAttached(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		for _, size := range []int{0, 1, 65536 - bindingLen, 65536, 65537, 1_000_003} {
			m := d.mail(letterTo(pdf(size)))
			token, v := d.sent(m, to(bob, AccessOpen)), browser()
			f := d.landing(token, v).Files[0]
			if got := d.fetch(token, v, f, 0, f.Size); !bytes.Equal(got, pdf(size)) {
				t.Fatalf("%d bytes, want %d", len(got), size)
			}
			if l := d.only(m); l.Taken != 1 || l.FirstTaken.IsZero() {
				t.Fatalf("size %d: %+v", size, l)
			}
		}
	})
}

func TestAFileCountsOnceWhenTheUnionIsWhole(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		m := d.mail(letterTo(pdf(300_000)))
		token, v := d.sent(m, to(bob, AccessOpen)), browser()
		f := d.landing(token, v).Files[0]
		steps := []struct {
			from, to int64
			taken    int64
		}{{0, 100_000, 0}, {200_000, 300_000, 0}, {0, 50_000, 0}, {90_000, 200_000, 1}, {0, 300_000, 1}, {5, 10, 1}}
		for _, s := range steps {
			got := d.fetch(token, v, f, s.from, s.to)
			if !bytes.Equal(got, pdf(300_000)[s.from:s.to]) {
				t.Fatalf("bytes %d-%d are wrong", s.from, s.to)
			}
			if taken := d.only(m).Taken; taken != s.taken {
				t.Fatalf("after %d-%d: taken %d, want %d", s.from, s.to, taken, s.taken)
			}
		}
		d.fetch(token, browser(), f, 0, f.Size) // another browser is another taking
		if got := d.only(m).Taken; got != 2 {
			t.Fatalf("taken %d, want 2", got)
		}
		lines, err := d.Log(ctx, m.ID, d.only(m).ID, Page{Limit: 100})
		if err != nil || len(lines) != 7 {
			t.Fatalf("%d lines, %v", len(lines), err)
		}
		complete := 0
		for _, line := range lines {
			if line.Complete {
				complete++
			}
			if line.Of != bob || line.As != "" || line.File.Name != "見積書.pdf" || line.Address != "198.51.100.7" {
				t.Fatalf("line %+v", line)
			}
		}
		if complete != 2 || d.audited("link.taken") != 2 {
			t.Fatalf("%d complete, %d entries, want 2", complete, d.audited("link.taken"))
		}
	})
}

// The portal serves through net/http: what HEAD, conditional requests and broken connections do to the count
// is what matters.
func TestOnlyDeliveredBytesCount(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		m := d.mail(letterTo(pdf(200_000)))
		token, v := d.sent(m, to(bob, AccessOpen)), browser()
		f := d.landing(token, v).Files[0]
		serve := func(method string, header map[string]string, w http.ResponseWriter) {
			ticket, err := d.Ticket(context.Background(), token, v, f.ID)
			if err != nil {
				t.Fatal(err)
			}
			c, err := d.Download(context.Background(), token, v, f.ID, ticket)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			r := httptest.NewRequest(method, "/", nil)
			for k, val := range header {
				r.Header.Set(k, val)
			}
			tap := &tap{ResponseWriter: w}
			tap.Header().Set("Content-Type", "application/octet-stream")
			tap.Header().Set("ETag", `"`+f.SHA256+`"`)
			http.ServeContent(tap, r, "", c.Stored, io.NewSectionReader(c, 0, c.Size))
			if err := c.Finish(context.Background(), tap.err == nil && method == http.MethodGet); err != nil {
				t.Fatal(err)
			}
		}
		none := func(what string) {
			t.Helper()
			if l := d.only(m); l.Taken != 0 {
				t.Fatalf("%s counted: %+v", what, l)
			}
		}
		serve(http.MethodHead, nil, httptest.NewRecorder())
		serve(http.MethodHead, map[string]string{"Range": "bytes=0-"}, httptest.NewRecorder())
		serve(http.MethodGet, map[string]string{"If-None-Match": `"` + f.SHA256 + `"`}, httptest.NewRecorder())
		serve(http.MethodGet, map[string]string{"Range": "bytes=900000-"}, httptest.NewRecorder())
		if lines, err := d.Log(context.Background(), m.ID, "", Page{}); err != nil || len(lines) != 0 {
			t.Fatalf("nothing was taken, %d lines, %v", len(lines), err)
		}
		none("HEAD and answers without a body")
		serve(http.MethodGet, nil, &hangup{ResponseRecorder: httptest.NewRecorder(), after: 199_000})
		none("a connection that broke")
		serve(http.MethodGet, map[string]string{"Range": "bytes=0-9,20-29"}, httptest.NewRecorder())
		none("two slivers")
		whole := httptest.NewRecorder()
		serve(http.MethodGet, nil, whole)
		if l := d.only(m); l.Taken != 1 || !bytes.Equal(whole.Body.Bytes(), pdf(200_000)) {
			t.Fatalf("a whole download: %+v", l)
		}
	})
}

// tap sees the errors that net/http keeps to itself.
type tap struct {
	http.ResponseWriter
	err error
}

func (t *tap) Write(p []byte) (int, error) {
	n, err := t.ResponseWriter.Write(p)
	if err != nil {
		t.err = err
	}
	return n, err
}

// hangup breaks the connection after so many bytes.
type hangup struct {
	*httptest.ResponseRecorder
	after int
}

func (h *hangup) Write(p []byte) (int, error) {
	if h.after -= len(p); h.after < 0 {
		return 0, errors.New("broken pipe")
	}
	return h.ResponseRecorder.Write(p)
}

func TestTicketsAreOfOneBrowserAndAFewHours(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		m := d.mail(letterTo(pdf(1000)))
		token, v := d.sent(m, to(bob, AccessOpen)), browser()
		files := d.landing(token, v).Files
		ticket, err := d.Ticket(ctx, token, v, files[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Download(ctx, token, browser(), files[0].ID, ticket); !errors.Is(err, ErrNeedCode) {
			t.Errorf("in another browser: %v", err)
		}
		other := browser()
		if _, err := d.Ticket(ctx, token, other, files[0].ID); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Download(ctx, token, other, files[0].ID, ticket); !errors.Is(err, ErrTicket) {
			t.Errorf("another browser that was let in: %v", err)
		}
		if _, err := d.Download(ctx, token, v, files[1].ID, ticket); !errors.Is(err, ErrTicket) {
			t.Errorf("for another file: %v", err)
		}
		if _, err := d.Ticket(ctx, token, v, db.NewID()); !errors.Is(err, ErrNotFound) {
			t.Errorf("for a file of no link: %v", err)
		}
		if _, err := d.Ticket(ctx, token, Visitor{}, files[0].ID); !errors.Is(err, ErrTicket) {
			t.Errorf("without a browser: %v", err)
		}
		d.clock.pass(ticketLife + time.Second)
		if _, err := d.Download(ctx, token, v, files[0].ID, ticket); !errors.Is(err, ErrTicket) {
			t.Errorf("later: %v", err)
		}
	})
}

func TestFilesOfAnotherMailCannotBeHad(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		mine, theirs := d.mail(letterTo(pdf(1000))), d.mail(letterTo(pdf(2000)))
		token := d.sent(mine, to(bob, AccessOpen))
		d.sent(theirs, to("carol@third.example", AccessOpen))
		if _, err := d.Ticket(context.Background(), token, browser(), d.only(theirs).Files[0].ID); !errors.Is(err, ErrNotFound) {
			t.Fatalf("a file of another mail: %v", err)
		}
	})
}

func TestARevokedLinkStopsTheNextRange(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		m := d.mail(letterTo(pdf(1000)))
		token, v := d.sent(m, to(bob, AccessOpen)), browser()
		f := d.landing(token, v).Files[0]
		ticket, err := d.Ticket(ctx, token, v, f.ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Revoke(ctx, m.ID, nil, ByPerson, System); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Download(ctx, token, v, f.ID, ticket); !errors.Is(err, ErrRevoked) {
			t.Fatalf("after revocation: %v", err)
		}
	})
}

// Whatever is done to the store, a browser gets the right bytes or an error.
func TestDamageInTheStoreIsNeverServed(t *testing.T) {
	damage := map[string]func(t *testing.T, paths []string){
		"flipped byte": func(t *testing.T, paths []string) {
			for _, p := range paths {
				raw := read(t, p)
				raw[len(raw)-5] ^= 1
				write(t, p, raw)
			}
		},
		"cut": func(t *testing.T, paths []string) {
			for _, p := range paths {
				write(t, p, read(t, p)[:len(read(t, p))/2])
			}
		},
		"exchanged": func(t *testing.T, paths []string) {
			a, b := read(t, paths[0]), read(t, paths[1])
			write(t, paths[0], b)
			write(t, paths[1], a)
		},
		"gone": func(t *testing.T, paths []string) {
			for _, p := range paths {
				if err := os.Remove(p); err != nil {
					t.Fatal(err)
				}
			}
		},
		"empty": func(t *testing.T, paths []string) {
			for _, p := range paths {
				write(t, p, nil)
			}
		},
	}
	each(t, func(t *testing.T, office *desk) {
		for name, harm := range damage {
			t.Run(name, func(t *testing.T) {
				d := newDesk(t, office.db, office.clock)
				ctx := context.Background()
				// Two mails with files of one size, so that an exchange cannot be told by the size.
				first, second := d.mail(letterTo(pdf(100_000))), d.mail(letterTo(bytes.Repeat([]byte("x"), 100_000)))
				token, v := d.sent(first, to(bob, AccessOpen)), browser()
				d.sent(second, to(bob, AccessOpen))
				f := d.landing(token, v).Files[0]
				ticket, err := d.Ticket(ctx, token, v, f.ID)
				if err != nil {
					t.Fatal(err)
				}
				harm(t, d.bigObjects())
				c, err := d.Download(ctx, token, v, f.ID, ticket)
				if err == nil {
					defer c.Close()
					var got []byte
					got, err = io.ReadAll(io.NewSectionReader(c, 0, c.Size))
					if !bytes.HasPrefix(pdf(100_000), got) {
						t.Fatal("wrong bytes came out")
					}
				}
				if !errors.Is(err, ErrDamaged) {
					t.Fatalf("%v, want ErrDamaged", err)
				}
				if d.only(first).Taken != 0 {
					t.Fatal("a damaged file counts as taken")
				}
			})
		}
	})
}

// bigObjects are the files of the store that hold the PDFs.
func (d *desk) bigObjects() (paths []string) {
	d.t.Helper()
	err := filepath.Walk(filepath.Join(d.dir, "objects"), func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() && info.Size() > 50_000 {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil || len(paths) != 2 {
		d.t.Fatalf("%d objects, %v", len(paths), err)
	}
	return paths
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func write(t *testing.T, path string, raw []byte) {
	t.Helper()
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOneBrowserCannotFillTheLog(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		m := d.mail(letterTo(pdf(100_000)))
		token, v := d.sent(m, to(bob, AccessOpen)), browser()
		f := d.landing(token, v).Files[0]
		for i := range int64(maxTransfers + 20) {
			d.fetch(token, v, f, i*3, i*3+1)
		}
		d.fetch(token, v, f, 0, f.Size)
		lines, err := d.Log(context.Background(), m.ID, "", Page{Limit: 500})
		if err != nil || len(lines) != maxTransfers+1 || !lines[0].Complete {
			t.Fatalf("%d lines, %v", len(lines), err)
		}
	})
}

func TestAddressesArePurgedAndVisitorsStayApart(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		m := d.mail(letterTo(pdf(100)))
		token := d.sent(m, to(bob, AccessOpen))
		f := d.landing(token, Visitor{}).Files[0]
		for i, address := range []string{"198.51.100.7", "198.51.100.7", "2001:db8::1", "not\x00an address"} {
			v := browser()
			v.Address, v.Agent = address, fmt.Sprintf("Agent\r\n\u202e %d\xff", i)
			d.fetch(token, v, f, 0, f.Size)
		}
		if err := d.Purge(ctx, d.clock.now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		lines, err := d.Log(ctx, m.ID, "", Page{})
		if err != nil || len(lines) != 4 {
			t.Fatalf("%d lines, %v", len(lines), err)
		}
		for _, line := range lines {
			if line.Address != "" || line.Agent != "" {
				t.Fatalf("not purged: %+v", line)
			}
		}
		var different int
		err = d.db.Read(ctx, func(tx *db.Tx) error {
			return tx.QueryRow(`SELECT COUNT(DISTINCT address_hash) FROM link_download WHERE message = $1`, m.ID).Scan(&different)
		})
		if err != nil || different != 3 {
			t.Fatalf("%d visitors, %v", different, err)
		}
	})
}

func TestAgentsAreOneLine(t *testing.T) {
	if got := cut(cleanLine("Agent\r\n\u202e x\xff"+strings.Repeat("é", 300)), 200); strings.ContainsAny(got, "\r\n\u202e\uFFFD") || len(got) > 200 {
		t.Fatalf("%q", got)
	}
}
