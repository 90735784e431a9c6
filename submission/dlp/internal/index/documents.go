package index

import (
	"errors"
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"
)

// Fingerprints are chosen by winnowing (Schleimer, Wilkerson, Aiken, 2003): of
// every window of hashes over grams of the text the smallest one. A passage that
// is as long as a gram and a window together is always found, wherever it stands.
// Grams are bytes of letters and digits alone: 20 kanji or 60 Latin letters.
const (
	gram   = 60
	window = 60
)

// Limits of a set of documents.
const (
	maxDocuments = 20_000
	maxPrints    = 50_000_000
	commonPrints = 8 // documents that share a fingerprint, from which it is a phrase of the house
)

// Print is a fingerprint with its place in the text.
type Print struct {
	sum        uint64
	Start, End int
}

// documentsMeta describes an index of documents.
type documentsMeta struct {
	Documents []documentMeta `json:"documents"`
	Entries   int            `json:"entries"`
}

type documentMeta struct {
	Name   string `json:"name"`
	Prints int    `json:"prints"`
}

// DocumentsBuilder collects the fingerprints of documents.
type DocumentsBuilder struct {
	seal    Seal
	key     []byte
	hash    hasher
	meta    documentsMeta
	entries []entry
}

// NewDocumentsBuilder begins an index.
func NewDocumentsBuilder(seal Seal, key []byte) *DocumentsBuilder {
	return &DocumentsBuilder{seal: seal, key: key, hash: newHasher(key)}
}

// Add registers a document by its folded texts and says how many fingerprints it
// has. A document with none could never be found again.
func (b *DocumentsBuilder) Add(name string, texts []string) (int, error) {
	if len(b.meta.Documents) >= maxDocuments {
		return 0, fmt.Errorf("a set has at most %d documents", maxDocuments)
	}
	var sums []uint64
	for _, t := range texts {
		for _, p := range b.hash.prints(t) {
			sums = append(sums, p.sum)
		}
	}
	slices.Sort(sums)
	sums = slices.Compact(sums)
	if len(b.entries)+len(sums) > maxPrints {
		return 0, errors.New("the documents are too many for one set; divide them")
	}
	for _, sum := range sums {
		b.entries = append(b.entries, entry{sum, uint32(len(b.meta.Documents))})
	}
	b.meta.Documents = append(b.meta.Documents, documentMeta{name, len(sums)})
	return len(sums), nil
}

// Bytes is the finished index.
func (b *DocumentsBuilder) Bytes() ([]byte, error) {
	if len(b.entries) == 0 {
		return nil, fmt.Errorf("no document has enough text to be found again (about %d characters of Japanese, %d of English)", (gram+window)/3, gram+window)
	}
	sortEntries(b.entries)
	kept := b.entries[:0]
	for i := 0; i < len(b.entries); {
		j := i
		for j < len(b.entries) && b.entries[j].sum == b.entries[i].sum {
			j++
		}
		if j-i <= commonPrints {
			kept = append(kept, b.entries[i:j]...)
		} else {
			for _, e := range b.entries[i:j] {
				b.meta.Documents[e.ref].Prints--
			}
		}
		i = j
	}
	b.meta.Entries = len(kept)
	return assemble(kindDocuments, b.seal, b.key, b.meta, appendTable(nil, kept))
}

// Documents is an opened index.
type Documents struct {
	meta  documentsMeta
	hash  hasher
	table table
}

// OpenDocuments opens an index; b must not change while it is used.
func OpenDocuments(b, key []byte) (*Documents, error) {
	d := &Documents{hash: newHasher(key)}
	arrays, err := open(b, kindDocuments, key, &d.meta)
	if err != nil {
		return nil, err
	}
	if n := d.meta.Entries; n < 0 || n > maxPrints || len(arrays) != tableLen(n) {
		return nil, ErrDamaged
	}
	d.table = newTable(arrays, d.meta.Entries)
	return d, nil
}

// Len is the number of documents; Name and Prints describe one.
func (d *Documents) Len() int                 { return len(d.meta.Documents) }
func (d *Documents) Name(i uint32) string     { return d.meta.Documents[i].Name }
func (d *Documents) Prints(i uint32) int      { return d.meta.Documents[i].Prints }
func (p Print) Sum() uint64                   { return p.sum }
func (d *Documents) has(document uint32) bool { return int(document) < len(d.meta.Documents) }

// Find calls found for every fingerprint of a registered document in text.
func (d *Documents) Find(text string, found func(document uint32, p Print)) {
	var refs []uint32
	for _, p := range d.hash.prints(text) {
		refs = d.table.find(p.sum, refs[:0])
		for _, document := range refs {
			if d.has(document) {
				found(document, p)
			}
		}
	}
}

// prints chooses the fingerprints of a folded text.
func (h hasher) prints(text string) []Print {
	letters, places := bare(text)
	if len(letters) < gram {
		return nil
	}
	factor := h.k0 | 1
	top := uint64(1) // factor to the power of gram-1
	for range gram - 1 {
		top *= factor
	}
	var rolling uint64
	for _, c := range letters[:gram] {
		rolling = rolling*factor + uint64(c) + 1
	}
	var out []Print
	best, bestAt := uint64(0), -1
	var ring [window]uint64
	for i := 0; ; i++ {
		ring[i%window] = mix(rolling ^ h.k1)
		if bestAt < 0 || bestAt <= i-window { // the smallest has left the window: look again
			best, bestAt = ring[i%window], i
			for k := i - 1; k >= 0 && k > i-window; k-- {
				if v := ring[k%window]; v < best {
					best, bestAt = v, k
				}
			}
		} else if v := ring[i%window]; v < best {
			best, bestAt = v, i
		}
		if i >= window-1 {
			out = choose(out, best, bestAt, places)
		}
		if i+gram >= len(letters) {
			return choose(out, best, bestAt, places)
		}
		rolling = (rolling-(uint64(letters[i])+1)*top)*factor + uint64(letters[i+gram]) + 1
	}
}

// choose notes the smallest of a window, once.
func choose(out []Print, sum uint64, at int, places []int32) []Print {
	start := int(places[at])
	if n := len(out); n > 0 && out[n-1].Start == start {
		return out
	}
	return append(out, Print{sum: sum, Start: start, End: int(places[at+gram-1]) + 1})
}

// mix spreads the bits of a hash (the finalizer of MurmurHash3, public domain).
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// bare keeps letters and digits, in lower case, and where each byte stood.
func bare(text string) ([]byte, []int32) {
	letters := make([]byte, 0, len(text))
	places := make([]int32, 0, len(text))
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
				letters, places = append(letters, c), append(places, int32(i))
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(text[i:])
		if r >= 0x3041 && r <= 0x9FFF || unicode.IsLetter(r) || unicode.IsDigit(r) {
			letters = append(letters, text[i:i+n]...)
			for k := range n {
				places = append(places, int32(i+k))
			}
		}
		i += n
	}
	return letters, places
}
