//go:build bench

package bench

import (
	"fmt"
	"os"
	"testing"
)

// noise is how far below its target a figure may lie before the test fails: what other work on the machine explains.
const noise = 0.75

// scored is a figure that has a target.
type scored struct {
	what, figure, target, met string
}

// board is everything that has been scored, in order. Tests here run one after the other.
type board struct{ all []scored }

var scores = &board{}

// TestMain prints what has been reached after all tables.
func TestMain(m *testing.M) {
	code := m.Run()
	scores.print()
	os.Exit(code)
}

func (b *board) print() {
	if len(b.all) == 0 {
		return
	}
	title("all targets")
	for _, s := range b.all {
		fmt.Printf("%-76s %10s %12s  %s\n", s.what, s.figure, s.target, s.met)
	}
	fmt.Println()
}

// reach scores a ratio that has to be at least its target; without one it says nothing.
func reach(t *testing.T, what string, ratio, target float64) string {
	t.Helper()
	if target == 0 {
		return ""
	}
	return scores.note(t, scored{what: what, figure: fmt.Sprintf("%.2fx", ratio), target: fmt.Sprintf(">= %.2gx", target)}, ratio/target)
}

// stay scores a figure that may be at most its limit.
func stay(t *testing.T, what, unit string, figure, limit float64) string {
	t.Helper()
	return scores.note(t, scored{what: what, figure: fmt.Sprintf("%.1f %s", figure, unit), target: fmt.Sprintf("<= %.3g %s", limit, unit)}, limit/figure)
}

func (b *board) note(t *testing.T, s scored, part float64) string {
	t.Helper()
	s.met = "reached"
	if part < 1 {
		s.met = "MISSED"
	}
	b.all = append(b.all, s)
	if part < noise {
		t.Errorf("%s: %s, and should be %s", s.what, s.figure, s.target)
	}
	return fmt.Sprintf("%s (%s)", s.met, s.target)
}
