package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/sekisho-mail/sekisho/internal/clamd"
	"github.com/sekisho-mail/sekisho/linkify"
)

// looksIntoUpTo is the size up to which a stranger's file is read for what it is, beside the search for malware.
const looksIntoUpTo = 32 << 20

// scanWithin is how long clamd may take for a file of two gigabytes.
const scanWithin = 20 * time.Minute

// checkUpload is linkify's Check: malware first, then what the owner should know before opening the file.
func (h *house) checkUpload(ctx context.Context, u linkify.Upload, content io.ReaderAt) (linkify.Checked, error) {
	var out linkify.Checked
	if err := h.searchMalware(ctx, u, content, &out); err != nil || out.Malware != "" {
		return out, err
	}
	if u.Size == 0 || u.Size > looksIntoUpTo {
		return out, nil
	}
	body := make([]byte, u.Size)
	if _, err := io.ReadFull(io.NewSectionReader(content, 0, u.Size), body); err != nil {
		return out, fmt.Errorf("read upload: %w", err)
	}
	report := h.inspector.Load().Scanner.File(ctx, u.Name, body)
	for _, f := range report.Findings {
		if slices.Contains([]string{"executable", "macro", "mismatched_type", "encrypted"}, f.Detector) {
			out.Notes = append(out.Notes, f.Detector)
		}
	}
	slices.Sort(out.Notes)
	out.Notes = slices.Compact(out.Notes)
	return out, ctx.Err()
}

func (h *house) searchMalware(ctx context.Context, u linkify.Upload, content io.ReaderAt, out *linkify.Checked) error {
	letIn := h.config.Folders.Unscanned == "warn"
	if h.config.Scanners.Clamd == "" {
		out.Unchecked, out.LetIn = "no_scanner", letIn
		return nil
	}
	client, err := clamd.New(h.config.Scanners.Clamd)
	if err != nil {
		return err
	}
	virus, err := client.Within(scanWithin).Scan(ctx, "", io.NewSectionReader(content, 0, u.Size))
	if errors.Is(err, clamd.ErrTooLarge) {
		out.Unchecked, out.LetIn = "too_large", letIn
		return nil
	}
	out.Malware = virus
	return err
}

// linkScanner gives the links ClamAV for a second look; nil when none is configured.
func linkScanner(c *Config) (func(context.Context, io.Reader) (string, error), error) {
	if c.Scanners.Clamd == "" {
		return nil, nil
	}
	client, err := clamd.New(c.Scanners.Clamd)
	if err != nil {
		return nil, fmt.Errorf("scanners.clamd: %w", err)
	}
	return func(ctx context.Context, content io.Reader) (string, error) { return client.Scan(ctx, "", content) }, nil
}

// folderLimits are what every node that serves folders keeps to.
func (c *Config) folderLimits() linkify.FolderLimits {
	return linkify.FolderLimits{File: int64(c.Folders.MaxFileBytes), Bytes: int64(c.Folders.MaxBytes), Files: int64(c.Folders.MaxFiles)}
}
