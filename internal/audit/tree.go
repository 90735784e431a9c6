package audit

import (
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// tree is the growing edge of the Merkle log: the number of leaves and the hashes of the complete
// subtrees that cover them, largest first. That is all that adding a leaf and computing the root need.
type tree struct {
	size     int64
	frontier []tlog.Hash
}

func parseTree(size int64, frontier []byte) (*tree, error) {
	if size < 0 || len(frontier) != bits.OnesCount64(uint64(size))*tlog.HashSize {
		return nil, errors.New("audit head is damaged: its hashes do not fit its size")
	}
	t := &tree{size: size}
	for ; len(frontier) > 0; frontier = frontier[tlog.HashSize:] {
		t.frontier = append(t.frontier, tlog.Hash(frontier[:tlog.HashSize]))
	}
	return t, nil
}

func (t *tree) bytes() []byte {
	out := []byte{}
	for _, h := range t.frontier {
		out = append(out, h[:]...)
	}
	return out
}

// add appends a leaf: like a binary counter, each carry joins two subtrees of one size.
func (t *tree) add(leaf []byte) {
	h := tlog.RecordHash(leaf)
	for carry := t.size; carry&1 == 1; carry >>= 1 {
		last := len(t.frontier) - 1
		h = tlog.NodeHash(t.frontier[last], h)
		t.frontier = t.frontier[:last]
	}
	t.frontier = append(t.frontier, h)
	t.size++
}

// root is the tree hash as tlog defines it (RFC 6962).
func (t *tree) root() (tlog.Hash, error) {
	return tlog.TreeHash(t.size, tlog.HashReaderFunc(t.read))
}

// read answers tlog's questions for stored hashes. For the root of the whole tree it asks for nothing but
// the complete subtrees.
func (t *tree) read(indexes []int64) ([]tlog.Hash, error) {
	known := map[int64]tlog.Hash{}
	start, i := int64(0), 0
	for level := bits.Len64(uint64(t.size)) - 1; level >= 0; level-- {
		if t.size&(1<<level) == 0 {
			continue
		}
		known[tlog.StoredHashIndex(level, start>>level)] = t.frontier[i]
		start += 1 << level
		i++
	}
	out := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		h, ok := known[index]
		if !ok {
			return nil, fmt.Errorf("audit tree: hash %d is not kept", index)
		}
		out[i] = h
	}
	return out, nil
}
