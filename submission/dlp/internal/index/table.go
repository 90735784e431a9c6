// Package index keeps what a company registered to be found again, customer
// lists and confidential documents, without keeping any of it: keyed digests in
// one read-only run of bytes that can be mapped into memory. A lookup costs the
// same whatever the size.
package index

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
)

// entry is one digest and what it belongs to: a row or a document.
type entry struct {
	sum uint64
	ref uint32
}

// table finds entries by digest. The first bits, up to sixteen, lead to a short
// stretch of sorted digests; three plain arrays, so that nothing is parsed when it
// is opened.
type table struct {
	n                  int
	lead               int // bits that lead
	starts, sums, refs []byte
}

// leading is how many bits lead in a table of n entries: stretches of about
// eight, so that the index of a short list is short.
func leading(n int) int { return min(16, bits.Len(uint(n)/8)) }

func startsLen(n int) int { return (1<<leading(n) + 1) * 4 }

func tableLen(n int) int { return startsLen(n) + n*12 }

func sortEntries(entries []entry) {
	slices.SortFunc(entries, func(x, y entry) int { return cmp.Or(cmp.Compare(x.sum, y.sum), cmp.Compare(x.ref, y.ref)) })
}

// appendTable writes sorted entries.
func appendTable(b []byte, entries []entry) []byte {
	next, lead := 0, leading(len(entries))
	for first := range uint64(1<<lead + 1) {
		for next < len(entries) && entries[next].sum>>(64-lead) < first {
			next++
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(next))
	}
	for _, e := range entries {
		b = binary.LittleEndian.AppendUint64(b, e.sum)
	}
	for _, e := range entries {
		b = binary.LittleEndian.AppendUint32(b, e.ref)
	}
	return b
}

// newTable reads n entries from the front of b. b is long enough.
func newTable(b []byte, n int) table {
	sums := b[startsLen(n):]
	return table{n: n, lead: leading(n), starts: b[:startsLen(n)], sums: sums[:n*8], refs: sums[n*8 : n*12]}
}

func (t table) start(lead uint64) int {
	return min(t.n, int(binary.LittleEndian.Uint32(t.starts[lead*4:])))
}

// find appends the references of a digest to refs.
func (t table) find(sum uint64, refs []uint32) []uint32 {
	lead := sum >> (64 - t.lead)
	lo, hi := t.start(lead), t.start(lead+1)
	for lo < hi {
		mid := (lo + hi) / 2
		if binary.LittleEndian.Uint64(t.sums[mid*8:]) < sum {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	for ; lo < t.n && binary.LittleEndian.Uint64(t.sums[lo*8:]) == sum; lo++ {
		refs = append(refs, binary.LittleEndian.Uint32(t.refs[lo*4:]))
	}
	return refs
}
