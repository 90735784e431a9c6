// Package pdfium starts PDFium, compiled to WebAssembly: without a file system and with bounded memory. Whoever uses
// it does so in a process of its own, because documents made for it may make a reader loop for ever.
package pdfium

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	pdfium "github.com/klippa-app/go-pdfium"
	"github.com/klippa-app/go-pdfium/webassembly"
	"github.com/tetratelabs/wazero"
)

// wasmPage is the unit of WebAssembly memory.
const wasmPage = 64 << 10

// Start makes PDFium ready with at most memory bytes. With compiled code in the cache (a directory, "" for none) that
// takes a tenth of a second; compiling takes ten seconds, interpreting half of one and slower reading.
func Start(ctx context.Context, cache string, memory int64) (pdfium.Pool, error) {
	config := wazero.NewRuntimeConfigInterpreter()
	if cache != "" {
		config = wazero.NewRuntimeConfigCompiler()
	}
	config = config.WithMemoryLimitPages(uint32(min(memory/wasmPage, 65536)))
	if cache != "" {
		compiled, err := wazero.NewCompilationCacheWithDir(cache)
		if err != nil {
			return nil, fmt.Errorf("open cache: %w", err)
		}
		config = config.WithCompilationCache(compiled)
	}
	return webassembly.Init(webassembly.Config{Context: ctx, MinIdle: 0, MaxIdle: 1, MaxTotal: 1, RuntimeConfig: config,
		FSConfig: wazero.NewFSConfig(), Stdout: io.Discard, Stderr: io.Discard})
}

// Warm says whether the cache holds the compiled code of this version.
func Warm(cache string) bool {
	if cache == "" {
		return false
	}
	_, err := os.Stat(marker(cache))
	return err == nil
}

// Warmed notes that it does.
func Warmed(cache string) error {
	if err := os.WriteFile(marker(cache), nil, 0o600); err != nil {
		return fmt.Errorf("mark PDF cache: %w", err)
	}
	return nil
}

// marker names the versions the cache was filled by; another version compiles
// again, which no document should wait for.
func marker(cache string) string {
	name := "ready"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if strings.HasSuffix(d.Path, "/go-pdfium") || strings.HasSuffix(d.Path, "/wazero") {
				name += "-" + filepath.Base(d.Path) + "-" + d.Version
			}
		}
	}
	return filepath.Join(cache, name)
}
