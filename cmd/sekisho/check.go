package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"
)

// CheckCmd looks for mistakes before they cost a mail.
type CheckCmd struct {
	Config  string `short:"c" required:"" placeholder:"FILE" help:"Configuration file."`
	JSON    bool   `name:"json" help:"Print one JSON object per line."`
	Offline bool   `help:"Look at files only: no network, no database."`
}

// Help is shown below the flags.
func (CheckCmd) Help() string {
	return `Reads configuration, policy, people, users and secrets and reports every mistake
at once, with file and line. Then looks at the environment: certificates, the
next hop, the identity provider, the database, the store, the scanner, free space.

Exit status: 0 no errors (there may be warnings), 1 errors.`
}

// Levels of a note.
const (
	noteOK    = "ok"
	noteWarn  = "warn"
	noteError = "error"
)

// note is one line of the result.
type note struct {
	Level string `json:"level"`
	What  string `json:"what"` // the key it is about, or the area
	File  string `json:"file,omitempty"`
	Line  int    `json:"line,omitempty"`
	Text  string `json:"text"`
}

// checkup is one run of `check`.
type checkup struct {
	c     *Config
	shown string // the configuration file as the person named it
	now   time.Time
	notes []note
}

// networkPatience bounds each look at the outside world.
const networkPatience = 15 * time.Second

// Run looks at everything and prints it in a fixed order.
func (c *CheckCmd) Run(ctx context.Context, out *Streams) error {
	notes := c.look(ctx)
	var err error
	if c.JSON {
		err = writeNotesJSON(out.Out, notes)
	} else {
		err = writeNotes(out.Out, notes)
	}
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	for _, n := range notes {
		if n.Level == noteError {
			return exitCode(1)
		}
	}
	return nil
}

func (c *CheckCmd) look(ctx context.Context) []note {
	config, wrong := readConfig(c.Config)
	notes := fromMistakes("configuration", wrong)
	if config == nil {
		return notes
	}
	k := checkup{c: config, shown: c.Config, now: time.Now()}
	if len(wrong) == 0 {
		notes = append(notes, note{Level: noteOK, What: "configuration", File: c.Config, Text: "every key is understood"})
	}
	return append(notes, k.all(ctx, c.looks(config))...)
}

// looks are those that the roles of the node need.
func (c *CheckCmd) looks(config *Config) []func(context.Context, *checkup) {
	type look = func(context.Context, *checkup)
	if config.portalOnly() {
		files := []look{checkSecrets, checkCertificates, checkAddresses, checkPortalKeys}
		if c.Offline {
			return files
		}
		return append(files, checkListeners, checkPortalDatabase)
	}
	looks := []look{checkPolicy, checkPeople, checkUsers, checkSources, checkSecrets, checkCertificates, checkAddresses, checkDataDir, checkKeys}
	if c.Offline {
		return looks
	}
	looks = append(looks, checkListeners, checkDatabase, checkRoles, checkStore, checkStored)
	if config.does(roleQueue) {
		looks = append(looks, checkRelay, checkRecords, checkPort25, checkScanner, checkOCR)
	}
	if config.does(roleWeb) {
		looks = append(looks, checkProvider)
	}
	return looks
}

// all runs the looks side by side, because most of them wait for others, and
// keeps their order.
func (k *checkup) all(ctx context.Context, looks []func(context.Context, *checkup)) []note {
	results := make([]checkup, len(looks))
	var wait sync.WaitGroup
	for i, look := range looks {
		results[i] = *k
		wait.Go(func() {
			limited, cancel := context.WithTimeout(ctx, networkPatience)
			defer cancel()
			look(limited, &results[i])
		})
	}
	wait.Wait()
	var notes []note
	for _, r := range results {
		notes = append(notes, r.notes...)
	}
	return notes
}

// note records a result about a key, where the key (or its parent) stands.
func (k *checkup) note(level, path, format string, args ...any) {
	k.notes = append(k.notes, note{
		Level: level, What: path, File: k.shown, Line: k.c.file.Line(path), Text: fmt.Sprintf(format, args...),
	})
}

func (k *checkup) ok(path, format string, args ...any)   { k.note(noteOK, path, format, args...) }
func (k *checkup) warn(path, format string, args ...any) { k.note(noteWarn, path, format, args...) }
func (k *checkup) fail(path, format string, args ...any) { k.note(noteError, path, format, args...) }

func (k *checkup) mistakes(what string, wrong []Mistake) {
	k.notes = append(k.notes, fromMistakes(what, wrong)...)
}

func fromMistakes(what string, wrong []Mistake) []note {
	var notes []note
	for _, m := range wrong {
		notes = append(notes, note{Level: noteError, What: what, File: m.File, Line: m.Line, Text: m.Text})
	}
	return notes
}

func writeNotesJSON(w io.Writer, notes []note) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for _, n := range notes {
		if err := e.Encode(n); err != nil {
			return err
		}
	}
	return nil
}

// writeNotes prints lines for people: what is wrong stands with its place.
func writeNotes(w io.Writer, notes []note) error {
	p := newPaint(w)
	var b bytes.Buffer
	count := map[string]int{}
	for _, n := range notes {
		count[n.Level]++
		level := fmt.Sprintf("%-6s", n.Level)
		switch n.Level {
		case noteError:
			level = p.red(level)
		case noteWarn:
			level = p.yellow(level)
		default:
			level = p.green(level)
		}
		place := Mistake{File: n.File, Line: n.Line, Text: n.Text}.String()
		if n.Level == noteOK {
			place = n.What + ": " + n.Text
		}
		fmt.Fprintf(&b, "%s %s\n", level, printable(place))
	}
	fmt.Fprintf(&b, "%s, %s\n", plural(count[noteError], "error"), plural(count[noteWarn], "warning"))
	_, err := w.Write(b.Bytes())
	return err
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
