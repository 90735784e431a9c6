package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Limits of a list.
const (
	maxRows    = 5_000_000
	maxColumns = 16
	shared     = 64      // rows that may share a value; what more have is common
	pairBits   = 1 << 18 // of the filter by the first two characters of words
)

// common marks a value that too many rows share: it supports the others of a
// row and names none.
const common = 1<<32 - 1

// rowsMeta describes an index of rows.
type rowsMeta struct {
	Columns []string `json:"columns"`
	Rows    int      `json:"rows"`
	Entries int      `json:"entries"`
	Lengths uint64   `json:"lengths"` // bit n: there are words of n characters
}

// RowsBuilder collects the rows of a list.
type RowsBuilder struct {
	seal    Seal
	key     []byte
	hash    hasher
	meta    rowsMeta
	entries []entry
	cells   []uint32 // digest of every cell, 0 for none
	pairs   []byte
	skipped int
}

// NewRowsBuilder begins an index with these columns.
func NewRowsBuilder(seal Seal, key []byte, columns []string) (*RowsBuilder, error) {
	if len(columns) == 0 || len(columns) > maxColumns {
		return nil, fmt.Errorf("a list has 1 to %d columns, not %d", maxColumns, len(columns))
	}
	return &RowsBuilder{seal: seal, key: key, hash: newHasher(key), meta: rowsMeta{Columns: columns}, pairs: make([]byte, pairBits/8)}, nil
}

// Add takes one row; missing cells are empty.
func (b *RowsBuilder) Add(row []string) error {
	if b.meta.Rows >= maxRows {
		return fmt.Errorf("a list has at most %d rows", maxRows)
	}
	for c := range b.meta.Columns {
		digest := uint32(0)
		if c < len(row) && row[c] != "" {
			if value, form := Canonical(row[c]); form != None {
				sum := b.hash.sum([]byte(value))
				b.entries = append(b.entries, entry{sum, uint32(b.meta.Rows)})
				digest = short(sum)
				b.word(value, form)
			} else {
				b.skipped++
			}
		}
		b.cells = append(b.cells, digest)
	}
	b.meta.Rows++
	return nil
}

// word notes how words begin and how long they are.
func (b *RowsBuilder) word(value string, form Form) {
	if form != Word {
		return
	}
	first, n := utf8.DecodeRuneInString(value)
	second, _ := utf8.DecodeRuneInString(value[n:])
	i := pair(first, second)
	b.pairs[i/8] |= 1 << (i % 8)
	b.meta.Lengths |= 1 << utf8.RuneCountInString(value)
}

func pair(first, second rune) uint32 {
	return (uint32(first)*0x9E3779B1 ^ uint32(second)*0x85EBCA6B) >> 14 % pairBits
}

// short is the part of a digest that a cell keeps; never 0.
func short(sum uint64) uint32 { return uint32(sum) | 1 }

// Rows and Skipped are what was taken, and the cells too short to be looked for.
func (b *RowsBuilder) Rows() int    { return b.meta.Rows }
func (b *RowsBuilder) Skipped() int { return b.skipped }

// Bytes is the finished index.
func (b *RowsBuilder) Bytes() ([]byte, error) {
	if len(b.entries) == 0 {
		return nil, errors.New("nothing in the list is long enough to be looked for: numbers and codes need 6 characters, names 3 (5 Latin letters)")
	}
	sortEntries(b.entries)
	b.entries = merge(b.entries)
	b.meta.Entries = len(b.entries)
	arrays := appendTable(make([]byte, 0, tableLen(len(b.entries))+len(b.cells)*4+len(b.pairs)), b.entries)
	for _, c := range b.cells {
		arrays = binary.LittleEndian.AppendUint32(arrays, c)
	}
	return assemble(kindRows, b.seal, b.key, b.meta, append(arrays, b.pairs...))
}

// merge drops repetitions and replaces what too many rows share. Entries are sorted.
func merge(entries []entry) []entry {
	out := entries[:0]
	for i := 0; i < len(entries); {
		j := i
		for j < len(entries) && entries[j].sum == entries[i].sum {
			j++
		}
		group := entries[i:j]
		i = j
		if len(group) > shared {
			out = append(out, entry{group[0].sum, common})
			continue
		}
		for k, e := range group {
			if k == 0 || e != group[k-1] {
				out = append(out, e)
			}
		}
	}
	return out
}

// Rows is an opened index.
type Rows struct {
	meta  rowsMeta
	hash  hasher
	table table
	cells []byte
	pairs []byte
}

// OpenRows opens an index; b must not change while it is used.
func OpenRows(b, key []byte) (*Rows, error) {
	r := &Rows{hash: newHasher(key)}
	arrays, err := open(b, kindRows, key, &r.meta)
	if err != nil {
		return nil, err
	}
	m := r.meta
	if m.Entries < 0 || m.Rows < 0 || m.Rows > maxRows || len(m.Columns) > maxColumns || m.Entries > maxRows*maxColumns ||
		len(arrays) != tableLen(m.Entries)+m.Rows*len(m.Columns)*4+pairBits/8 {
		return nil, ErrDamaged
	}
	r.table = newTable(arrays, m.Entries)
	r.cells = arrays[tableLen(m.Entries) : len(arrays)-pairBits/8]
	r.pairs = arrays[len(arrays)-pairBits/8:]
	return r, nil
}

// Len is the number of rows, Columns their names.
func (r *Rows) Len() int          { return r.meta.Rows }
func (r *Rows) Columns() []string { return r.meta.Columns }

// cell is the digest of a cell.
func (r *Rows) cell(row uint32, col int) uint32 {
	return binary.LittleEndian.Uint32(r.cells[(int(row)*len(r.meta.Columns)+col)*4:])
}
