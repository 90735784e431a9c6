package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// BenchCmd measures this machine.
type BenchCmd struct {
	Dir      string   `placeholder:"DIR" help:"Directory on the disk to measure, where a new one is made and removed; default: that of temporary files."`
	Only     []string `enum:"accept,inspect,release,claim" placeholder:"PART,..." help:"Only these parts: accept, inspect, release, claim."`
	Mails    int      `default:"2000" placeholder:"N" help:"Mails for each figure, default ${default}."`
	Held     int      `default:"2000" placeholder:"N" help:"Held mails while approvers' lists are read, default ${default}."`
	Language string   `enum:"ja,en," default:"" placeholder:"ja|en" help:"Language of the table; default: ja where the environment says so, else en."`
	JSON     bool     `name:"json" help:"Print one line of JSON."`
}

// Help is shown below the flags.
func (BenchCmd) Help() string {
	return `Runs the whole service in a throw-away directory and measures what this machine and
this disk can do: taking mail (on disk before the 250), inspecting it by the factory
policy, releasing everything at once while more comes in, and finding due work and an
approver's questions among held mail. No configuration is read, no real mail or
database is touched, nothing leaves the machine. It takes about a minute; other work
on the machine lowers every figure.`
}

// figure is one measured line. Zero members do not apply.
type figure struct {
	Part    string  `json:"part"`
	What    string  `json:"what"`
	Rate    float64 `json:"per_second,omitempty"`
	P50     float64 `json:"p50_ms,omitempty"`
	P99     float64 `json:"p99_ms,omitempty"`
	ja, eng string  // of What, for people
}

// measurement is everything a run has shown.
type measurement struct {
	Cores   int      `json:"cores"`
	Fsync   float64  `json:"fsync_p50_ms"`
	Memory  bool     `json:"disk_is_memory,omitempty"`
	Figures []figure `json:"figures"`
}

// Run measures.
func (c *BenchCmd) Run(ctx context.Context, out *Streams) (err error) {
	if c.Mails < 10 || c.Held < 10 {
		return errors.New("--mails and --held: at least 10")
	}
	slog.SetDefault(slog.New(slog.DiscardHandler)) // the table is the only thing to read
	dir, err := os.MkdirTemp(c.Dir, "sekisho-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	m := &measurement{Cores: runtime.GOMAXPROCS(0), Memory: inMemory(dir)}
	if m.Fsync, err = fsyncTime(dir); err != nil {
		return err
	}
	t := &rehearsal{BenchCmd: c, dir: dir, found: m, progress: out.Err}
	if c.JSON {
		t.progress = io.Discard
	}
	if err := t.run(ctx, out.Program); err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(out.Out).Encode(m)
	}
	return m.print(out.Out, c.japanese())
}

func (c *BenchCmd) wants(part string) bool { return len(c.Only) == 0 || slices.Contains(c.Only, part) }

func (c *BenchCmd) japanese() bool {
	if c.Language != "" {
		return c.Language == "ja"
	}
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := os.Getenv(name); v != "" {
			return strings.HasPrefix(v, "ja")
		}
	}
	return false
}

// inMemory says whether the directory is no disk at all: its figures would promise too much.
func inMemory(dir string) bool {
	const tmpfs, ramfs = 0x01021994, 0x858458f6
	var s syscall.Statfs_t
	return syscall.Statfs(dir, &s) == nil && (s.Type == tmpfs || s.Type == ramfs)
}

// fsyncTime is how many milliseconds the disk takes to keep 8 KB.
func fsyncTime(dir string) (float64, error) {
	f, err := os.Create(filepath.Join(dir, "fsync"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var times []time.Duration
	for range 100 {
		start := time.Now()
		if _, err := f.WriteAt(make([]byte, 8<<10), 0); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	return milliseconds(times[len(times)/2]), nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// print writes the table for people.
func (m *measurement) print(w io.Writer, japanese bool) error {
	say := func(ja, en string) string {
		if japanese {
			return ja
		}
		return en
	}
	fmt.Fprintf(w, "%s %d   fsync %.2f ms\n", say("コア数", "cores"), m.Cores, m.Fsync)
	if m.Memory {
		fmt.Fprintln(w, say("注意：この場所はディスクではなくメモリーです。--dir で実際のディスクを指定してください。",
			"Note: this directory is memory, not a disk. Name the real one with --dir."))
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "%s\tp50 ms\tp99 ms\t \t\n", say("毎秒", "per second"))
	number := func(f float64, digits int) string {
		if f == 0 {
			return "-"
		}
		return fmt.Sprintf("%.*f", digits, f)
	}
	for _, f := range m.Figures {
		// The words come last: their width on a terminal is nobody's to compute.
		fmt.Fprintf(t, "%s\t%s\t%s\t \t%s\n", number(f.Rate, 0), number(f.P50, 1), number(f.P99, 1), say(f.ja, f.eng))
	}
	return t.Flush()
}
