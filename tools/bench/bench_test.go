//go:build bench

// Package bench measures the whole product from outside beside Postfix on the same machine: the same client, the same
// disk, in turns. Only the ratios mean anything, and only those of one run.
//
//	make bench                   everything
//	make bench BENCH=Accept      one table: Accept, Reuse, Latency, SlowDisk, Signed, EndToEnd, Postgres, Inspect, Memory, Scale, Due,
//	                             Download, ManyDownloads, MemoryOfAMail, LargeFile
package bench

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"
)

var (
	binary = flag.String("binary", "../../bin/sekisho", "the product")
	rounds = flag.Int("rounds", 3, "rounds of each figure; the median is shown")
	scale  = flag.Float64("scale", 1, "how many of the usual messages are sent; less is quicker and noisier")
)

// messages is a number of messages at the scale asked for.
func messages(n int) int { return max(int(float64(n)**scale), 10) }

func median(all []float64) float64 {
	all = slices.Clone(all)
	slices.Sort(all)
	return all[len(all)/2]
}

func percentile(all []float64, p float64) float64 {
	all = slices.Clone(all)
	slices.Sort(all)
	return all[min(int(float64(len(all))*p), len(all)-1)]
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func title(format string, args ...any) { fmt.Printf("\n"+format+"\n\n", args...) }

// inTurns measures each of some servers once a round, one after the other, and gives the figures of each.
func inTurns(t *testing.T, measures ...func() float64) [][]float64 {
	t.Helper()
	figures := make([][]float64, len(measures))
	for range *rounds {
		for i, measure := range measures {
			figures[i] = append(figures[i], measure())
		}
	}
	return figures
}

// ratio is the median of the ratios of each round: what disturbs the machine disturbs both.
func ratio(a, b []float64) float64 {
	all := make([]float64, len(a))
	for i := range a {
		all[i] = a[i] / b[i]
	}
	return median(all)
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
