package linkify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// folder is a new folder of alice's and the token of its address.
func (d *desk) folder() (Folder, string) {
	d.t.Helper()
	f, err := d.NewFolder(context.Background(), FolderTerms{Person: alice, Name: "佐藤 花子", For: bob, Title: "決算資料",
		Until: d.clock.now().AddDate(0, 0, 7)}, "person:alice@corp.example")
	if err != nil {
		d.t.Fatal(err)
	}
	return f, strings.TrimPrefix(f.Address, "https://files.corp.example/u/")
}

func (d *desk) begin(token string, v Visitor, name string, size int64) Upload {
	d.t.Helper()
	u, err := d.BeginUpload(context.Background(), token, v, name, size)
	if err != nil {
		d.t.Fatal(err)
	}
	return u
}

// put sends a whole file and has it looked into.
func (d *desk) put(token string, v Visitor, name string, content []byte) Upload {
	d.t.Helper()
	ctx := context.Background()
	u := d.begin(token, v, name, int64(len(content)))
	n, err := d.Append(ctx, token, v, u.ID, 0, bytes.NewReader(content))
	if err != nil || n != int64(len(content)) {
		d.t.Fatalf("%d bytes taken, %v", n, err)
	}
	if _, err := d.CheckUpload(ctx, u.ID); err != nil {
		d.t.Fatal(err)
	}
	return d.file(u.Folder, u.ID)
}

func (d *desk) file(folder, id string) Upload {
	d.t.Helper()
	f, err := d.Folder(context.Background(), folder)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, u := range f.Files {
		if u.ID == id {
			return u
		}
	}
	d.t.Fatalf("no file %s", id)
	return Upload{}
}

func (d *desk) taken(folder, id string) []byte {
	d.t.Helper()
	c, err := d.Take(context.Background(), folder, id)
	if err != nil {
		d.t.Fatal(err)
	}
	defer c.Close()
	b, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size))
	if err != nil {
		d.t.Fatal(err)
	}
	return b
}

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(b)
	return b
}

func TestAFileOfManyPiecesComesOutAsItWentIn(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		f, token := d.folder()
		content := noise(2*partSize + 12345)
		u := d.put(token, browser(), "決算.xlsx", content)
		sum := sha256.Sum256(content)
		if u.State != Unchecked || u.SHA256 != hex.EncodeToString(sum[:]) || u.Finding != "no_scanner" {
			t.Fatalf("%+v", u)
		}
		if !bytes.Equal(d.taken(f.ID, u.ID), content) {
			t.Fatal("another file came out")
		}
		c, err := d.Take(context.Background(), f.ID, u.ID)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		across := make([]byte, 1000)
		if _, err := c.ReadAt(across, partSize-500); err != nil || !bytes.Equal(across, content[partSize-500:partSize+500]) {
			t.Fatalf("across two pieces: %v", err)
		}
	})
}

func TestABrokenLineCostsNothingThatHadArrived(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		_, token := d.folder()
		v, content := browser(), noise(300_000)
		u := d.begin(token, v, "a.bin", int64(len(content)))
		broken := io.MultiReader(bytes.NewReader(content[:123_456]), iotest.ErrReader(io.ErrUnexpectedEOF))
		n, err := d.Append(ctx, token, v, u.ID, 0, broken)
		if n != 123_456 || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%d, %v", n, err)
		}
		if _, err := d.Append(ctx, token, v, u.ID, 0, bytes.NewReader(content)); !errors.Is(err, ErrOffset) {
			t.Fatalf("from the start again: %v", err)
		}
		again, err := d.UploadOf(ctx, token, v, u.ID)
		if err != nil || again.Received != 123_456 {
			t.Fatalf("%+v, %v", again, err)
		}
		// A new program, as after a crash: everything it needs is in database and store.
		d.Links = d.links("https://files.corp.example")
		if n, err := d.Append(ctx, token, v, u.ID, again.Received, bytes.NewReader(content[again.Received:])); err != nil || n != 176_544 {
			t.Fatalf("%d, %v", n, err)
		}
		if _, err := d.CheckUpload(ctx, u.ID); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(d.taken(u.Folder, u.ID), content) {
			t.Fatal("another file came out")
		}
	})
}

func TestTwoRequestsForOnePlaceStoreItOnce(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		_, token := d.folder()
		v, content := browser(), noise(200_000)
		u := d.begin(token, v, "a.bin", int64(len(content)))
		var wins, losses int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				n, err := d.Append(ctx, token, v, u.ID, 0, bytes.NewReader(content))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil && n == int64(len(content)):
					wins++
				case errors.Is(err, ErrOffset):
					losses++
				default:
					t.Errorf("%d, %v", n, err)
				}
			})
		}
		wg.Wait()
		if wins != 1 || losses != 3 {
			t.Fatalf("%d won, %d lost", wins, losses)
		}
		objects := 0
		if err := d.store.Walk(ctx, partPrefix, func(string, int64, time.Time) error { objects++; return nil }); err != nil || objects != 1 {
			t.Fatalf("%d objects, %v", objects, err)
		}
	})
}

func TestAFileBelongsToTheBrowserThatBeganIt(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		_, token := d.folder()
		v, other := browser(), browser()
		u := d.begin(token, v, "secret name.pdf", 10)
		if _, err := d.Append(ctx, token, other, u.ID, 0, strings.NewReader("0123456789")); !errors.Is(err, ErrNotFound) {
			t.Fatalf("another browser writes: %v", err)
		}
		if _, err := d.UploadOf(ctx, token, other, u.ID); !errors.Is(err, ErrNotFound) {
			t.Fatalf("another browser looks: %v", err)
		}
		if err := d.DropUpload(ctx, token, other, u.ID); !errors.Is(err, ErrNotFound) {
			t.Fatalf("another browser drops: %v", err)
		}
		p, err := d.OpenFolder(ctx, token, other)
		if err != nil || len(p.Files) != 0 {
			t.Fatalf("another browser sees %+v, %v", p.Files, err)
		}
		if p, _ = d.OpenFolder(ctx, token, v); len(p.Files) != 1 || p.Files[0].Name != "secret name.pdf" {
			t.Fatalf("%+v", p)
		}
		if _, err := d.BeginUpload(ctx, token, Visitor{}, "x", 1); !errors.Is(err, ErrTicket) {
			t.Fatalf("without a cookie: %v", err)
		}
	})
}

func TestNothingIsTakenOutBeforeItWasLookedInto(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		verdict, failure := Checked{Malware: "Eicar-Test"}, errors.New("scanner away")
		d.o.Check = func(_ context.Context, _ Upload, content io.ReaderAt) (Checked, error) {
			if _, err := content.ReadAt(make([]byte, 1), 0); err != nil {
				return Checked{}, err
			}
			return verdict, failure
		}
		f, token := d.folder()
		v := browser()
		u := d.begin(token, v, "a.exe", 4)
		if _, err := d.Append(ctx, token, v, u.ID, 0, strings.NewReader("evil")); err != nil {
			t.Fatal(err)
		}
		if _, err := d.CheckUpload(ctx, u.ID); err == nil {
			t.Fatal("a scanner that fails is no verdict")
		}
		if _, err := d.Take(ctx, f.ID, u.ID); !errors.Is(err, ErrNotReady) {
			t.Fatalf("taken before the check: %v", err)
		}
		failure = nil
		if _, err := d.CheckUpload(ctx, u.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Take(ctx, f.ID, u.ID); !errors.Is(err, ErrGone) {
			t.Fatalf("malware taken: %v", err)
		}
		d.noPieces(t)
		if got := d.file(f.ID, u.ID); got.State != Infected || got.Finding != "Eicar-Test" {
			t.Fatalf("%+v", got)
		}
		verdict = Checked{Unchecked: "too_large"}
		if got := d.put(token, v, "b.zip", []byte("b")); got.State != Refused {
			t.Fatalf("unchecked file of a strict company: %+v", got)
		}
		verdict = Checked{Notes: []string{"macro"}}
		if got := d.put(token, v, "c.docm", []byte("c")); got.State != Clean || len(got.Notes) != 1 {
			t.Fatalf("%+v", got)
		}
	})
}

func (d *desk) noPieces(t *testing.T) {
	t.Helper()
	err := d.store.Walk(context.Background(), partPrefix, func(key string, _ int64, _ time.Time) error { return errors.New("left: " + key) })
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheOwnerIsToldOnceOfWhatArrived(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		f, token := d.folder()
		v := browser()
		if _, err := d.TellFolder(ctx, f.ID); err != nil || len(d.letters) != 0 {
			t.Fatalf("told of nothing: %v", err)
		}
		d.put(token, v, "内緒.pdf", []byte("a"))
		d.put(token, v, "b.pdf", []byte("b"))
		if due := d.due[WorkTell+" "+f.ID]; !due.Equal(d.clock.now().Add(quiet)) {
			t.Fatalf("told at %v", due)
		}
		if err := d.Done(ctx, token, v); err != nil {
			t.Fatal(err)
		}
		if due := d.due[WorkTell+" "+f.ID]; due.After(d.clock.now()) {
			t.Fatalf("done, and told only at %v", due)
		}
		for range 2 {
			if _, err := d.TellFolder(ctx, f.ID); err != nil {
				t.Fatal(err)
			}
		}
		if len(d.letters) != 1 {
			t.Fatalf("%d letters", len(d.letters))
		}
		l := d.letters[0]
		if l.To != alice || !strings.Contains(l.Text, "2 件") || !strings.Contains(l.Text, "https://hold.corp.example/folders/"+f.ID) ||
			strings.Contains(l.Subject+l.Text, "内緒") {
			t.Fatalf("%+v", l)
		}
		// Still being looked into: wait.
		u := d.begin(token, v, "c", 1)
		if _, err := d.Append(ctx, token, v, u.ID, 0, strings.NewReader("c")); err != nil {
			t.Fatal(err)
		}
		if again, err := d.TellFolder(ctx, f.ID); err != nil || again.IsZero() || len(d.letters) != 1 {
			t.Fatalf("%v, %v, %d letters", again, err, len(d.letters))
		}
	})
}

func TestAFolderKeepsItsBounds(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		d.o.Folders = FolderLimits{File: 100, Bytes: 150, Files: 3}
		_, token := d.folder()
		v := browser()
		if _, err := d.BeginUpload(ctx, token, v, "a", 101); !errors.Is(err, ErrTooLarge) {
			t.Fatalf("too large: %v", err)
		}
		u := d.begin(token, v, "a", 100)
		if _, err := d.BeginUpload(ctx, token, v, "b", 51); !errors.Is(err, ErrFolderFull) {
			t.Fatalf("promised room counts: %v", err)
		}
		if n, err := d.Append(ctx, token, v, u.ID, 0, bytes.NewReader(noise(500))); err != nil || n != 100 {
			t.Fatalf("more than promised: %d, %v", n, err)
		}
		d.begin(token, v, "b", 20)
		last := d.begin(token, v, "c", 1)
		if _, err := d.BeginUpload(ctx, token, v, "d", 0); !errors.Is(err, ErrFolderFull) {
			t.Fatalf("a fourth file: %v", err)
		}
		if err := d.DropUpload(ctx, token, v, last.ID); err != nil {
			t.Fatal(err)
		}
		d.begin(token, v, "d", 0)
		if _, err := d.BeginUpload(ctx, token, v, "e", -1); !errors.Is(err, ErrTooLarge) {
			t.Fatalf("negative size: %v", err)
		}
	})
}

func TestAFolderClosesExpiresAndIsSwept(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		f, token := d.folder()
		v := browser()
		u := d.put(token, v, "a.pdf", []byte("inhalt"))
		half := d.begin(token, v, "b", 10)
		if err := d.CloseFolder(ctx, f.ID, "person:alice@corp.example"); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Append(ctx, token, v, half.ID, 0, strings.NewReader("0123456789")); !errors.Is(err, ErrFolderClosed) {
			t.Fatalf("closed: %v", err)
		}
		if err := d.CloseFolder(ctx, f.ID, "person:alice@corp.example"); !errors.Is(err, ErrFolderClosed) {
			t.Fatalf("twice: %v", err)
		}
		d.taken(f.ID, u.ID) // what is there can be taken out
		if err := d.ExtendFolder(ctx, f.ID, d.clock.now().AddDate(0, 0, 2), "person:alice@corp.example"); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Append(ctx, token, v, half.ID, 0, strings.NewReader("0123456789")); err != nil {
			t.Fatalf("opened again: %v", err)
		}
		d.clock.pass(3 * 24 * time.Hour)
		if _, err := d.BeginUpload(ctx, token, v, "c", 1); !errors.Is(err, ErrExpired) {
			t.Fatalf("expired: %v", err)
		}
		again, err := d.EndFolder(ctx, f.ID)
		if err != nil || !again.Equal(d.clock.now().Add(defaultKeep)) {
			t.Fatalf("%v, %v", again, err)
		}
		d.taken(f.ID, u.ID)
		d.clock.pass(defaultKeep)
		for range 2 { // the second time as after a crash
			if again, err := d.EndFolder(ctx, f.ID); err != nil || !again.IsZero() {
				t.Fatalf("%v, %v", again, err)
			}
		}
		d.noPieces(t)
		if _, err := d.Take(ctx, f.ID, u.ID); !errors.Is(err, ErrGone) {
			t.Fatalf("after the sweep: %v", err)
		}
		if err := d.ExtendFolder(ctx, f.ID, d.clock.now().AddDate(0, 0, 2), "person:alice@corp.example"); !errors.Is(err, ErrGone) {
			t.Fatalf("extended after the sweep: %v", err)
		}
	})
}

func TestUnknownFoldersAnswerAlike(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		_, token := d.folder()
		link := d.sent(d.mail(letterTo(pdf(10))), to(bob, AccessOpen))
		for _, bad := range []string{"", "x", strings.Repeat("A", tokenLen), token[:42] + "!", link} {
			if p, err := d.OpenFolder(ctx, bad, browser()); err != nil || p.State != FolderUnknown || p.Sender != "" {
				t.Fatalf("%q: %+v, %v", bad, p, err)
			}
			if _, err := d.BeginUpload(ctx, bad, browser(), "x", 1); !errors.Is(err, ErrNotFound) {
				t.Fatalf("%q: %v", bad, err)
			}
		}
		if l := d.landing(token, browser()); l.State != Unknown {
			t.Fatalf("a folder's token opens a link: %+v", l)
		}
	})
}

func TestExchangedOrCutPiecesAreFoundOut(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		f, token := d.folder()
		v := browser()
		a, b := d.put(token, v, "a", []byte("aaaa")), d.put(token, v, "b", []byte("bbbb"))
		swap := func(one, other string) {
			if err := d.db.Write(ctx, func(tx *db.Tx) error {
				_, err := tx.Exec(`UPDATE folder_part SET object = $1 WHERE file = $2`, other, one)
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		object := func(file string) (key string) {
			if err := d.db.Read(ctx, func(tx *db.Tx) error {
				return tx.QueryRow(`SELECT object FROM folder_part WHERE file = $1`, file).Scan(&key)
			}); err != nil {
				t.Fatal(err)
			}
			return key
		}
		ofB := object(b.ID)
		swap(b.ID, "folder/nothing")
		swap(a.ID, ofB)
		c, err := d.Take(ctx, f.ID, a.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(io.NewSectionReader(c, 0, 4)); !errors.Is(err, ErrDamaged) || len(got) != 0 {
			t.Fatalf("b's bytes in a's place: %q, %v", got, err)
		}
		c, err = d.Take(ctx, f.ID, b.ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.ReadAt(make([]byte, 4), 0); !errors.Is(err, ErrDamaged) {
			t.Fatalf("a piece that is missing: %v", err)
		}
	})
}

func TestPiecesThatACrashLeftAreSweptAfterADay(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		_, token := d.folder()
		u := d.put(token, browser(), "a", []byte("kept"))
		if err := d.store.Put(ctx, partPrefix+"left.behind", strings.NewReader("x"), 1); err != nil {
			t.Fatal(err)
		}
		if n, err := d.sweepParts(ctx, time.Now().Add(-time.Hour)); err != nil || n != 0 {
			t.Fatalf("fresh ones: %d, %v", n, err)
		}
		if n, err := d.sweepParts(ctx, time.Now().Add(time.Hour)); err != nil || n != 1 {
			t.Fatalf("%d, %v", n, err)
		}
		if string(d.taken(u.Folder, u.ID)) != "kept" {
			t.Fatal("the wrong one was swept")
		}
	})
}

func TestAFolderTakesTheTypesOfTheCompany(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.o.FolderTypes = []string{"pdf", "xlsx"}
		_, token := d.folder()
		v := browser()
		for name, taken := range map[string]bool{"図面.PDF": true, "a.b.xlsx": true, "a.exe": false, "pdf": false, "a.pdf.exe": false, "a.pdf. ": true, "a": false, "a.p\u202edf": true} {
			_, err := d.BeginUpload(t.Context(), token, v, name, 5)
			if taken && err != nil || !taken && !errors.Is(err, ErrFolderType) {
				t.Errorf("%q: %v", name, err)
			}
		}
		if p, err := d.OpenFolder(t.Context(), token, v); err != nil || len(p.Types) != 2 || len(p.Files) != 4 {
			t.Errorf("%+v, %v", p, err)
		}
	})
}
