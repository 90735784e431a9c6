package clamd_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/sekisho-mail/sekisho/internal/clamd"
	"github.com/sekisho-mail/sekisho/internal/testkit"
)

func TestClamdItselfFindsTheTestFile(t *testing.T) {
	address, stop := testkit.Clamd(t)
	c, err := clamd.New(address)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if err := c.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := zip.NewWriter(&packed)
	w, err := z.Create("eicar.com")
	if err == nil {
		_, err = w.Write(testkit.EICAR())
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []struct {
		name, virus string
		body        []byte
	}{{"the file", "Eicar-Test.UNOFFICIAL", testkit.EICAR()}, {"in a ZIP", "Eicar-Test.UNOFFICIAL", packed.Bytes()}, {"clean", "", []byte("hello")}} {
		if virus, err := c.Scan(ctx, "x", bytes.NewReader(f.body)); virus != f.virus || err != nil {
			t.Errorf("%s: %q, %v", f.name, virus, err)
		}
	}
	if _, err := c.Scan(ctx, "x", bytes.NewReader(make([]byte, 3<<20))); err == nil {
		t.Error("a file over clamd's limit is called clean")
	} else if !errors.Is(err, clamd.ErrTooLarge) {
		t.Logf("over the limit: %v", err) // clamd may hang up before its answer is read
	}
	stop()
	if _, err := c.Scan(ctx, "x", bytes.NewReader([]byte("hello"))); err == nil {
		t.Error("a daemon that is gone calls files clean")
	}
}
