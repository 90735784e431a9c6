package linkify

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// span is the bytes from start up to, and not including, end.
type span struct{ start, end int64 }

// ranges are the parts of a file that a browser has: sorted, apart from each other, none empty.
type ranges []span

// maxRanges bounds what one browser can make us keep. A download manager uses some ten; whoever asks for
// thousands of slivers is not counted, and loses nothing but the count.
const maxRanges = 512

// add gives the union with s.
func (r ranges) add(s span) ranges {
	if s.end <= s.start {
		return r
	}
	// The first that ends at or after s begins: touching spans become one.
	i, _ := slices.BinarySearchFunc(r, s.start, func(e span, at int64) int { return cmp.Compare(e.end, at) })
	j := i
	for j < len(r) && r[j].start <= s.end {
		s.start, s.end = min(s.start, r[j].start), max(s.end, r[j].end)
		j++
	}
	if i == j && len(r) >= maxRanges {
		return r
	}
	out := make(ranges, 0, len(r)-(j-i)+1)
	out = append(out, r[:i]...)
	out = append(out, s)
	return append(out, r[j:]...)
}

func (r ranges) union(other ranges) ranges {
	for _, s := range other {
		r = r.add(s)
	}
	return r
}

// covers says whether r is the whole of a file of that size.
func (r ranges) covers(size int64) bool {
	return size == 0 || len(r) == 1 && r[0].start == 0 && r[0].end >= size
}

// total is the number of bytes in r.
func (r ranges) total() (n int64) {
	for _, s := range r {
		n += s.end - s.start
	}
	return n
}

// String gives the form that is kept: "0-99,200-299", the last byte included as in HTTP.
func (r ranges) String() string {
	var b strings.Builder
	for i, s := range r {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(s.start, 10))
		b.WriteByte('-')
		b.WriteString(strconv.FormatInt(s.end-1, 10))
	}
	return b.String()
}

func parseRanges(text string) (ranges, error) {
	var r ranges
	if text == "" {
		return nil, nil
	}
	for each := range strings.SplitSeq(text, ",") {
		from, to, ok := strings.Cut(each, "-")
		start, err1 := strconv.ParseInt(from, 10, 62)
		last, err2 := strconv.ParseInt(to, 10, 62)
		if !ok || err1 != nil || err2 != nil || start < 0 || last < start {
			return nil, fmt.Errorf("kept ranges are malformed")
		}
		r = r.add(span{start, last + 1})
	}
	return r, nil
}
