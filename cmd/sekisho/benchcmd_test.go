package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func TestBenchMeasuresAndLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	r := command(t, "", "bench", "--dir", dir, "--mails", "20", "--held", "12", "--only", "accept,release,claim", "--json")
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	var m measurement
	if err := json.Unmarshal([]byte(r.out), &m); err != nil {
		t.Fatalf("%v: %s", err, r.out)
	}
	parts := map[string]int{}
	for _, f := range m.Figures {
		parts[f.Part]++
		if f.Rate <= 0 && f.P50 <= 0 {
			t.Errorf("%s %s says nothing", f.Part, f.What)
		}
	}
	if parts["accept"] != 5 || parts["release"] != 3 || parts["claim"] != 2 || parts["inspect"] != 0 || m.Fsync <= 0 {
		t.Errorf("%+v", m)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%v was left behind, %v", left, err)
	}
}

func TestBenchSpeaksBothLanguages(t *testing.T) {
	for language, want := range map[string]string{"ja": "承認者の一覧（保留 10 通のとき）", "en": "an approver's list among 10 held mails"} {
		r := command(t, "", "bench", "--dir", t.TempDir(), "--mails", "10", "--held", "10", "--only", "claim", "--language", language)
		if r.code != 0 || !strings.Contains(r.out, want) || !strings.Contains(r.err, "claim") {
			t.Errorf("%s: exit %d\n%s%s", language, r.code, r.out, r.err)
		}
	}
}

func TestBenchSaysThatMemoryIsNoDisk(t *testing.T) {
	if !inMemory("/dev/shm") {
		t.Error("/dev/shm was taken for a disk")
	}
	var b strings.Builder
	if err := (&measurement{Cores: 2, Memory: true}).print(&b, false); err != nil || !strings.Contains(b.String(), "--dir") {
		t.Errorf("%q, %v", b.String(), err)
	}
}
