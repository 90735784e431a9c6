package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Values of scanners.ocr beside a path.
const (
	ocrAuto = "auto"
	ocrOff  = "off"
)

// pictureCommand is the hidden command that becomes Tesseract.
const pictureCommand = "read-picture"

// Limits of one picture. The time is the parent's; processor time is bounded all
// the same, for a child whose parent has died.
const (
	pictureMemory  = 1 << 30
	pictureSeconds = 60
)

// ReadPictureCmd reads the text of one picture from standard input. It limits
// itself and then becomes Tesseract, so that a picture made to exhaust its
// decoder exhausts a gigabyte and no more.
type ReadPictureCmd struct {
	Tesseract string `arg:""`
	Languages string `arg:""`
}

// Run does not come back where all is well.
func (c ReadPictureCmd) Run() error {
	for _, l := range []struct {
		what int
		most uint64
	}{{unix.RLIMIT_AS, pictureMemory}, {unix.RLIMIT_CPU, pictureSeconds}, {unix.RLIMIT_CORE, 0}, {unix.RLIMIT_FSIZE, 0}} {
		if err := unix.Setrlimit(l.what, &unix.Rlimit{Cur: l.most, Max: l.most}); err != nil {
			return fmt.Errorf("limit the reader of pictures: %w", err)
		}
	}
	args := []string{"tesseract", "stdin", "stdout", "-l", c.Languages, "-c", "preserve_interword_spaces=1"}
	return syscall.Exec(c.Tesseract, args, os.Environ())
}

// ocr is a Tesseract that can read Japanese.
type ocr struct{ path, languages string }

// errNoOCR: the machine has none.
var errNoOCR = errors.New("tesseract with Japanese (jpn) is not installed")

// findOCR looks for what scanners.ocr names; the zero value for off.
func findOCR(setting string) (ocr, error) {
	setting = cmp.Or(setting, ocrAuto)
	if setting == ocrOff {
		return ocr{}, nil
	}
	path := setting
	if setting == ocrAuto {
		found, err := exec.LookPath("tesseract")
		if err != nil {
			return ocr{}, errNoOCR
		}
		path = found
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	said, err := exec.CommandContext(ctx, path, "--list-langs").Output()
	if err != nil {
		return ocr{}, fmt.Errorf("ask %s for its languages: %w", path, err)
	}
	var languages []string
	for _, l := range strings.Fields(string(said)) {
		if l == "jpn" || l == "eng" {
			languages = append(languages, l)
		}
	}
	o := ocr{path, "jpn"}
	switch {
	case len(languages) == 2:
		o.languages = "jpn+eng"
	case len(languages) == 0 || languages[0] != "jpn":
		return ocr{}, errNoOCR
	}
	return o, nil
}

// command runs it in a child of this program; nil where there is none.
func (o ocr) command(program string) []string {
	if o.path == "" || program == "" {
		return nil
	}
	return []string{program, pictureCommand, o.path, o.languages}
}
