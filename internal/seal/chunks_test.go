package seal

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"filippo.io/age"
)

func sealedFile(t testing.TB, k *Keys, plain []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := k.EncryptTo(&out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Our reader of chunks and age's give the same bytes and the same ends, wherever a read begins and however long it is.
func TestChunksReadAsAgeReadsThem(t *testing.T) {
	k, dice := NewTest(), rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 2 * chunkSize, 3*chunkSize + 17, 5 * chunkSize} {
		plain := make([]byte, size)
		for i := range plain {
			plain[i] = byte(dice.Uint32())
		}
		file := sealedFile(t, k, plain)
		ours, n, err := k.DecryptAt(bytes.NewReader(file), int64(len(file)))
		if err != nil || n != int64(size) {
			t.Fatalf("%d: %d, %v", size, n, err)
		}
		theirs, _, err := age.DecryptReaderAt(bytes.NewReader(file), int64(len(file)), wrapper{k})
		if err != nil {
			t.Fatal(err)
		}
		var at sync.WaitGroup
		for worker := range 4 { // side by side
			dice := rand.New(rand.NewPCG(uint64(size), uint64(worker)))
			at.Go(func() {
				for range 50 {
					off, want := dice.Int64N(int64(size)+1), dice.IntN(3*chunkSize)+1
					a, b := make([]byte, want), make([]byte, want)
					na, errA := ours.ReadAt(a, off)
					nb, errB := theirs.ReadAt(b, off)
					if na != nb || !bytes.Equal(a[:na], b[:nb]) || (errA == io.EOF) != (errB == io.EOF) {
						t.Errorf("%d bytes at %d of %d: %d %v, age %d %v", want, off, size, na, errA, nb, errB)
						return
					}
				}
			})
		}
		at.Wait()
		if got, err := io.ReadAll(io.NewSectionReader(ours, 0, n)); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d: read through: %v", size, err)
		}
	}
}

// A chunk that was changed, cut, exchanged or repeated never comes out, and leaves nothing of itself.
func TestNoChunkComesOutThatIsNotProved(t *testing.T) {
	k := NewTest()
	plain := bytes.Repeat([]byte("0123456789abcdef"), 5*chunkSize/16)
	file := sealedFile(t, k, plain)
	start := len(file) - 5*(chunkSize+chunkTag)
	chunk := func(f []byte, i int) []byte {
		return f[start+i*(chunkSize+chunkTag):][:chunkSize+chunkTag]
	}
	for what, harm := range map[string]func(f []byte) []byte{
		"a bit":     func(f []byte) []byte { chunk(f, 2)[99] ^= 1; return f },
		"a tag":     func(f []byte) []byte { chunk(f, 2)[chunkSize] ^= 1; return f },
		"exchanged": func(f []byte) []byte { copy(chunk(f, 2), chunk(file, 3)); return f },
		"repeated":  func(f []byte) []byte { copy(chunk(f, 2), chunk(file, 1)); return f },
	} {
		f := harm(bytes.Clone(file))
		r, _, err := k.DecryptAt(bytes.NewReader(f), int64(len(f)))
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		for _, room := range []int{chunkSize, chunkSize + chunkTag, 3 * chunkSize} {
			p := make([]byte, room)
			n, err := r.ReadAt(p, 2*chunkSize)
			if n != 0 || !errors.Is(err, ErrTampered) || !bytes.Equal(p, make([]byte, room)) {
				t.Errorf("%s, room for %d: %d bytes, %v", what, room, n, err)
			}
		}
		if n, err := r.ReadAt(make([]byte, 10), chunkSize); n != 10 || err != nil {
			t.Errorf("%s: the chunk before it: %d, %v", what, n, err)
		}
	}
	for _, cut := range []int{1, chunkTag, chunkSize + chunkTag, 2*chunkSize + 5} {
		if _, _, err := k.DecryptAt(bytes.NewReader(file[:len(file)-cut]), int64(len(file)-cut)); err == nil {
			t.Errorf("cut by %d: opened", cut)
		}
	}
}

// Reading a file makes no waste.
func TestReadingChunksAllocatesNothing(t *testing.T) {
	k := NewTest()
	file := sealedFile(t, k, make([]byte, 4*chunkSize))
	r, _, err := k.DecryptAt(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	p, off := make([]byte, chunkSize), int64(0)
	if _, err := r.ReadAt(p, 32); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := r.ReadAt(p, off); err != nil {
			t.Fatal(err)
		}
		off = (off + 1000) % (2 * chunkSize)
	}); n > 0 {
		t.Errorf("%v allocations for each read", n)
	}
}
