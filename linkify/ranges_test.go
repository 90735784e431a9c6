package linkify

import (
	"testing"

	"pgregory.net/rapid"
)

// The union must be what a bitmap of the file says, whatever order the ranges come in.
func TestRangesAreTheUnionOfWhatWasRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const size = 64
		var have [size]bool
		var r ranges
		for range rapid.IntRange(0, 30).Draw(t, "reads") {
			from := rapid.Int64Range(0, size).Draw(t, "from")
			to := rapid.Int64Range(0, size).Draw(t, "to")
			r = r.add(span{from, to})
			for i := from; i < to; i++ {
				have[i] = true
			}
		}
		whole, total := true, int64(0)
		for _, b := range have {
			whole = whole && b
			if b {
				total++
			}
		}
		if r.covers(size) != whole || r.total() != total {
			t.Fatalf("ranges %s: covers %v, total %d; want %v, %d", r, r.covers(size), r.total(), whole, total)
		}
		again, err := parseRanges(r.String())
		if err != nil || again.String() != r.String() {
			t.Fatalf("%q comes back as %q (%v)", r, again, err)
		}
		for i := 1; i < len(r); i++ {
			if r[i-1].end >= r[i].start {
				t.Fatalf("ranges %s overlap or touch", r)
			}
		}
	})
}

func TestRangesAreBounded(t *testing.T) {
	var r ranges
	for i := range int64(10_000) {
		r = r.add(span{i * 2, i*2 + 1})
	}
	if len(r) != maxRanges {
		t.Fatalf("%d ranges kept, want %d", len(r), maxRanges)
	}
	if r = r.add(span{0, 20_000}); !r.covers(20_000) {
		t.Fatal("a whole read after many slivers must count")
	}
}

func FuzzParseRanges(f *testing.F) {
	for _, s := range []string{"", "0-0", "0-99,200-299", "5-1", "-", "9999999999999999999-1", "0-9,0-9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := parseRanges(s)
		if err != nil {
			return
		}
		if again, err := parseRanges(r.String()); err != nil || again.String() != r.String() {
			t.Fatalf("%q: %v, %v", s, again, err)
		}
	})
}
