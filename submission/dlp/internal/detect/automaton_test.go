package detect

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestAutomatonFindsWhatSearchingWordByWordFinds compares with the slow way.
func TestAutomatonFindsWhatSearchingWordByWordFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[ab\x{3042}\x{3044}]{1,6}`)
		words := rapid.SliceOfNDistinct(word, 1, 20, func(s string) string { return s }).Draw(t, "words")
		text := rapid.StringMatching(`[abc\x{3042}\x{3044}]{0,60}`).Draw(t, "text")
		var got, want []string
		newAutomaton(words).walk([]byte(text), func(start, end, w int) {
			if text[start:end] != words[w] {
				t.Fatalf("%q at %d is not %q", text[start:end], start, words[w])
			}
			got = append(got, fmt.Sprint(start, " ", words[w]))
		})
		for i := range len(text) {
			for _, w := range words {
				if strings.HasPrefix(text[i:], w) {
					want = append(want, fmt.Sprint(i, " ", w))
				}
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("words %q in %q: got %v, want %v", words, text, got, want)
		}
	})
}

func TestAHundredThousandKeywordsFitInMemory(t *testing.T) {
	var words []string
	for i := range 100_000 {
		words = append(words, fmt.Sprintf("極秘案件%d号プロジェクト", i*7919))
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	a := newAutomaton(words)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := after.HeapAlloc - before.HeapAlloc; grown > 128<<20 {
		t.Errorf("%d MB", grown>>20)
	}
	n := 0
	a.walk([]byte("これは極秘案件15838号プロジェクトです"), func(int, int, int) { n++ })
	if n != 1 {
		t.Errorf("found %d", n)
	}
}
