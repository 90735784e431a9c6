package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sekisho-mail/sekisho/internal/seal"
	"github.com/sekisho-mail/sekisho/submission/dlp"
)

// PolicyIndexCmd registers what must be found again. The index holds digests made
// with the company's key, nothing that could be read.
type PolicyIndexCmd struct {
	Data      IndexDataCmd      `cmd:"" help:"A list of rows (CSV with a header line, UTF-8 or Shift_JIS)."`
	Documents IndexDocumentsCmd `cmd:"" help:"Confidential documents, found again in part."`
}

// IndexDataCmd makes an index of a list.
type IndexDataCmd struct {
	Config  string   `short:"c" required:"" placeholder:"FILE" help:"Configuration file; its key protects the index."`
	Columns []string `placeholder:"NAME" help:"Columns to look for, by the header line; default: all."`
	File    string   `arg:"" help:"The list."`
	Index   string   `arg:"" help:"The index to write; the policy names it under data."`
}

// Run writes the index and says what is in it.
func (c *IndexDataCmd) Run(_ context.Context, out *Streams) error {
	s, key, err := newIndexSeal(c.Config)
	if err != nil {
		return err
	}
	file, err := os.ReadFile(c.File)
	if err != nil {
		return fmt.Errorf("read the list: %s", plainError(err))
	}
	b, report, err := dlp.IndexRows(file, c.Columns, s, key)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	if err := writeIndex(c.Index, b); err != nil {
		return err
	}
	fmt.Fprintf(out.Out, "%s: %s, columns %q, %d cells not looked for (too short or an address), %d bytes\n",
		c.Index, plural(report.Rows, "row"), report.Columns, report.Skipped, len(b))
	return nil
}

// IndexDocumentsCmd makes an index of documents.
type IndexDocumentsCmd struct {
	Config string   `short:"c" required:"" placeholder:"FILE" help:"Configuration file; its key protects the index."`
	Index  string   `arg:"" help:"The index to write; the policy names it under documents."`
	Files  []string `arg:"" help:"Documents, or folders of them."`
}

// Run reads every document; one that cannot be read wholly is named and left out.
func (c *IndexDocumentsCmd) Run(ctx context.Context, out *Streams) error {
	s, key, err := newIndexSeal(c.Config)
	if err != nil {
		return err
	}
	o := dlp.Options{CacheDir: userCache()}
	if out.Program != "" {
		o.PDFCommand = []string{out.Program, pdfCommand}
	}
	scanner, err := dlp.New(o)
	if err != nil {
		return err
	}
	index, left := scanner.IndexDocuments(s, key), 0
	add := func(path string) error {
		b, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read a document: %s", plainError(err))
		}
		n, err := index.Add(ctx, filepath.Base(path), b)
		if err != nil || n == 0 {
			left++
			reason := "too short to be found again"
			if err != nil {
				reason = err.Error()
			}
			fmt.Fprintf(out.Err, "left out: %s: %s\n", path, reason)
			return nil
		}
		fmt.Fprintf(out.Out, "%s: %s\n", path, plural(n, "fingerprint"))
		return nil
	}
	for _, f := range c.Files {
		if err := eachFile(f, add); err != nil {
			return err
		}
	}
	b, err := index.Bytes()
	if err != nil {
		return err
	}
	if err := writeIndex(c.Index, b); err != nil {
		return err
	}
	if left > 0 {
		fmt.Fprintf(out.Err, "%s left out; the index has the others\n", plural(left, "document"))
		return exitCode(1)
	}
	return nil
}

// eachFile calls add for a file, or every file below a folder.
func eachFile(path string, add func(string) error) error {
	return filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("read the documents: %s", plainError(err))
		}
		if d.IsDir() {
			return nil
		}
		return add(path)
	})
}

// newIndexSeal is a new salt under the current key.
func newIndexSeal(config string) (dlp.Seal, []byte, error) {
	c, err := LoadConfig(config)
	if err != nil {
		return dlp.Seal{}, nil, err
	}
	keys, err := seal.Load(c.Keys.File)
	if err != nil {
		return dlp.Seal{}, nil, err
	}
	s := dlp.NewSeal(keys.CurrentID())
	key, err := indexKey(c, s)
	return s, key, err
}

// writeIndex replaces the index as a whole: a running service never sees half of one.
func writeIndex(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".index-*")
	if err != nil {
		return fmt.Errorf("write the index: %s", plainError(err))
	}
	defer os.Remove(f.Name()) // after the rename there is nothing to remove
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Chmod(f.Name(), 0o640)
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write the index: %s", plainError(err))
	}
	return nil
}
