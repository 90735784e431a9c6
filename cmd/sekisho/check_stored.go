package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/blob"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/linkify"
)

// checkStored compares what lies in the store with what the database speaks of. What is wrong with opening either is
// told by others.
func checkStored(ctx context.Context, k *checkup) {
	if path, ok := strings.CutPrefix(k.c.Database.URL, "sqlite:"); ok {
		if _, err := os.Stat(path); missing(err) {
			return
		}
	}
	url, err := k.c.DatabaseURL()
	if err != nil {
		return
	}
	d, err := db.Open(ctx, url)
	if err != nil {
		return
	}
	defer d.Close()
	store, err := blob.OpenStore(ctx, k.c.Files.URL, k.c.DataDir)
	if err != nil {
		return
	}
	var lost, left []string
	sort := func(key string, isLost bool) error {
		if isLost {
			lost = append(lost, key)
		} else {
			left = append(left, key)
		}
		return nil
	}
	err = holdqueue.Strays(ctx, d, store, k.now.Add(-time.Hour), func(s holdqueue.Stray) error { return sort(s.Key, s.Missing) })
	if err == nil {
		err = linkify.Orphans(ctx, d, store, func(o linkify.Orphan) error { return sort(o.Key, o.Missing) })
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		k.warn("files.url", "there are too many files to compare all of them with the database now; the service does so every day")
	case err != nil:
		k.fail("files.url", "compare with the database: %v", err)
	case len(lost)+len(left) == 0:
		k.ok("files.url", "every stored file belongs to a mail, and every mail has its files")
	}
	if n := len(lost); n > 0 {
		k.fail("files.url", "%s missing from the store; bring back from a backup: %s", plural(n, "file"), some(lost))
	}
	if n := len(left); n > 0 {
		k.warn("files.url", "%s in the store that no mail speaks of, as a crash leaves; bodies of mail are removed after a day: %s", plural(n, "file"), some(left))
	}
}

// some names the first of many keys.
func some(keys []string) string {
	if len(keys) > 20 {
		return fmt.Sprintf("%s and %d more", strings.Join(keys[:20], ", "), len(keys)-20)
	}
	return strings.Join(keys, ", ")
}
