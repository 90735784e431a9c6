package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// dropProgram takes the program's own code and tables out of what is resident, where nothing has been written to them:
// starting touches nearly all of them, serving a small part, and that part comes back from the page cache by itself. It
// is worth some forty megabytes on small machines, and never needed: what fails is left as it is.
func dropProgram() {
	maps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return // not Linux
	}
	defer maps.Close()
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	for _, m := range untouched(maps, program) {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED)
	}
}

// mapping is a piece of the address space.
type mapping struct{ from, to uintptr }

// untouched are the mappings of a file, read-only or of code, that hold nothing but what stands in the file.
func untouched(smaps io.Reader, file string) (found []mapping) {
	var at mapping
	candidate := false
	lines := bufio.NewScanner(smaps)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) >= 5 && strings.Contains(fields[0], "-") && !strings.HasSuffix(fields[0], ":"):
			_, err := fmt.Sscanf(fields[0], "%x-%x", &at.from, &at.to)
			candidate = err == nil && len(fields) == 6 && fields[5] == file && (fields[1] == "r-xp" || fields[1] == "r--p")
		case candidate && len(fields) == 3 && fields[0] == "Private_Dirty:":
			if fields[1] == "0" {
				found = append(found, at)
			}
			candidate = false
		}
	}
	return found
}
