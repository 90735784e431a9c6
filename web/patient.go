package web

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// stallLimit is how long a browser may take nothing before its connection ends.
const stallLimit = 2 * time.Minute

// patient moves the write deadline along while the browser takes bytes, tells of what it took, and remembers what
// failed: of writing, and of reading what was to be written.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
	sending *atomic.Int64 // how many do so on this listener
	took    func(n int64)
	failed  error
}

func (s *site) newPatient(w http.ResponseWriter, took func(n int64)) *patient {
	return &patient{ResponseWriter: w, control: http.NewResponseController(w), sending: &s.sending, took: took}
}

func (p *patient) Write(b []byte) (int, error) {
	_ = p.control.SetWriteDeadline(time.Now().Add(stallLimit)) // a recorder in a test has none
	n, err := p.ResponseWriter.Write(b)
	p.took(int64(n))
	if err != nil {
		p.failed = err
	}
	return n, err
}

// Two pieces are held for each download: one on its way to the browser, one being read and decrypted meanwhile. Large
// ones are quicker, small ones let hundreds of downloads go on in little memory.
const (
	largePiece = 256 << 10
	smallPiece = 64 << 10
	fewSending = 32
)

// piece is some bytes of a file, and why there are no more.
type piece struct {
	b   []byte
	err error
}

// ReadFrom is what io.Copy uses: it reads one piece ahead, because opening what is encrypted costs as much as sending
// it over TLS.
func (p *patient) ReadFrom(src io.Reader) (n int64, err error) {
	size := int64(largePiece)
	if p.sending.Add(1) > fewSending {
		size = smallPiece
	}
	defer p.sending.Add(-1)
	if bounded, ok := src.(*io.LimitedReader); ok {
		size = min(size, bounded.N+1) // one more, to see the end without another piece
	}
	pieces, stop := make(chan piece), make(chan struct{})
	var ahead sync.WaitGroup
	defer ahead.Wait()
	defer close(stop)
	ahead.Go(func() { readAhead(src, size, pieces, stop) })
	for {
		next := <-pieces
		if len(next.b) > 0 {
			m, err := p.Write(next.b)
			n += int64(m)
			if err != nil {
				return n, err
			}
		}
		if next.err == io.EOF {
			return n, nil
		}
		if next.err != nil {
			p.failed = next.err
			return n, next.err
		}
	}
}

// readAhead fills two buffers in turns. Whoever takes a piece has done with the one before it.
func readAhead(src io.Reader, size int64, pieces chan<- piece, stop <-chan struct{}) {
	var buf [2][]byte
	for i := 0; ; i++ {
		b := &buf[i%2]
		if *b == nil {
			*b = make([]byte, size)
		}
		var next piece
		for len(next.b) < len(*b) && next.err == nil {
			var m int
			m, next.err = src.Read((*b)[len(next.b):])
			next.b = (*b)[:len(next.b)+m]
		}
		select {
		case pieces <- next:
		case <-stop:
			return
		}
		if next.err != nil {
			return
		}
	}
}

// oneRange takes away a Range that asks for several parts: the whole is a right answer to it (RFC 9110 section 14.2),
// and ten thousand slivers of ten thousand encrypted pieces are not worth their work.
func oneRange(r *http.Request) *http.Request {
	if !strings.Contains(strings.Join(r.Header.Values("Range"), ","), ",") {
		return r
	}
	r = r.Clone(r.Context())
	r.Header.Del("Range")
	return r
}
