package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// floor is the free space below which no mail is taken: what is accepted must still be releasable, and SQLite
// cannot even delete on a full disk.
const floor = 256 << 20

// Something else may fill the disk all the same. Then a file that was there for this goes, and in its place waiting
// mail is cancelled, released and deleted.
const (
	ballast = 32 << 20
	// brim is how little free space there is when it goes.
	brim = 8 << 20
)

// room says why no mail can be stored now.
func (h *house) room() error {
	free, err := freeSpace(h.config.DataDir)
	if err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	if free < floor {
		return fmt.Errorf("data_dir has only %d MiB free, %d are kept", free>>20, floor>>20)
	}
	return h.db.Trouble()
}

func freeSpace(dir string) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * s.Bsize, nil
}

// keepBallast holds some of the disk of an embedded database back for the day when it is full.
func (h *house) keepBallast(ctx context.Context) error {
	if h.db.Engine() != db.SQLite {
		<-ctx.Done()
		return nil
	}
	path := filepath.Join(h.config.DataDir, "ballast")
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if err := h.trim(path); err != nil {
			h.log.Error("ballast not kept", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (h *house) trim(path string) error {
	free, err := freeSpace(h.config.DataDir)
	if err != nil {
		return err
	}
	_, err = os.Stat(path)
	switch there := err == nil; {
	case there && free < brim:
		h.log.Error("disk full; the ballast goes, so that waiting mail can leave", "free", free)
		return os.Remove(path)
	case !there && errors.Is(err, fs.ErrNotExist) && free >= floor+2*ballast:
		return fill(path)
	case !there && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}

// fill makes a file that really has its blocks.
func fill(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = syscall.Fallocate(int(f.Fd()), 0, 0, ballast)
	if errors.Is(err, syscall.EOPNOTSUPP) {
		_, err = f.Write(make([]byte, ballast)) // some file systems; the zeros are there once
	}
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(path)
	}
	return err
}
