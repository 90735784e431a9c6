//go:build failpoint

package failpoint

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// On says whether this is a program that can be made to fail.
const On = true

// At looks for orders: a file of the point's name that holds an action and perhaps the id that it is about.
//
//	die     once: the file goes, then the process, as by kill -9
//	kill    every time
//	panic   every time
//	hang    until the file is gone or says otherwise
func At(name string, about ...string) {
	path := file(name)
	action, subject := orders(path)
	if action == "" || subject != "" && !slices.Contains(about, subject) {
		return
	}
	switch action {
	case "die":
		// Who wins the rename dies: the others have passed, as they may.
		if os.Rename(path, path+".reached") == nil {
			die()
		}
	case "kill":
		die()
	case "panic":
		panic("failpoint " + name)
	case "hang":
		for action == "hang" {
			time.Sleep(5 * time.Millisecond)
			action, _ = orders(path)
		}
		At(name, about...) // there may be other orders now
	default:
		panic(fmt.Sprintf("failpoint %s: unknown action %q", name, action))
	}
}

func file(name string) string {
	dir := os.Getenv("SEKISHO_FAILPOINTS")
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, name)
}

func orders(path string) (action, about string) {
	if path == "" {
		return "", ""
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", ""
	}
	action, about, _ = strings.Cut(strings.TrimSpace(string(text)), " ")
	return action, about
}

func die() {
	syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
	select {} // the signal is on its way
}

// Now is the time, moved by the file "clock".
func Now() time.Time {
	text, _ := orders(file("clock"))
	if text == "" {
		return time.Now()
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		panic("failpoint clock: " + err.Error())
	}
	return time.Now().Add(d)
}
