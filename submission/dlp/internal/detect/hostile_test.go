package detect

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// hostile texts are made to cost more than their size: every detector has
// something that it begins with, and none of it ever ends.
var hostile = map[string]string{
	"labels":            "個人番号口座番号旅券番号",
	"numbers":           "983205673214 ",
	"labelled numbers":  "個人番号 983205673214 ",
	"boxes":             "9│8│3│",
	"samples":           "サンプル 983205673214 ",
	"example lines":     "記入例 氏名：山田太郎 03-1234-5678 ",
	"births":            "生年月日1980年",
	"born":              "1日生",
	"eras":              "昭和昭和",
	"names":             "山田太郎様佐藤花子様",
	"name labels":       "氏名：山 田 ",
	"prefectures":       "東京都千代田区",
	"blocks":            "港区芝1-2-",
	"roman":             "1-1-1 Kita-ku ",
	"post codes":        "〒100-0005",
	"symbols":           "保険証 記号 123 番号 ",
	"mail addresses":    "a@b.jp@",
	"links":             "http://a.b/http://",
	"brackets":          "個人番号(((",
	"quotes":            "> ",
	"rules":             "=====\nTEL 03-3400-1234\n",
	"introductions":     "On 1 Jan 2025 at 1:00 a wrote:\n",
	"tables":            "氏名,電話,住所\n",
	"kanji digits":      "九八三二 〇五六七 ",
	"one digit a line":  "9\n",
	"letters and codes": "AB 1234 AB-12345678-",
	"years":             "生年月日 1980年(",
	"headers":           "From: a\nTo: b\nSubject: c\n",
}

// A text of eight times the length may cost about eight times as much; what is
// quadratic costs sixty-four. A collection of garbage may spoil one measurement,
// not three.
func TestHostileTextsCostNoMoreThanTheirSize(t *testing.T) {
	s := newSet(t, Options{URLs: []string{"bad.test"}})
	cost := func(unit string, size int) time.Duration {
		began := spent(t)
		s.Find(Text{Body: strings.Repeat(unit, size/len(unit)), Mail: true})
		return spent(t) - began
	}
	for name, unit := range hostile {
		var short, long time.Duration
		linear := false
		for range 3 {
			short, long = cost(unit, 1<<14), cost(unit, 1<<17)
			if linear = long < 100*time.Millisecond || long < 24*short; linear {
				break
			}
		}
		if !linear {
			t.Errorf("%s: %v for 16 KiB, %v for 128 KiB", name, short, long)
		}
	}
}

// spent is the processor's time of this program so far: what others do on the machine does not count.
func spent(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
