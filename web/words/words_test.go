package words

import (
	"testing"
	"time"
)

func TestLanguageIsTakenFromTheBrowser(t *testing.T) {
	for header, want := range map[string]Lang{
		"": Japanese, "ja": Japanese, "en-US,en;q=0.9,ja;q=0.8": English, "fr,de;q=0.9": Japanese, "fr, en;q=0.1": English,
		"ja;q=0.1, en;q=0.2": English, "EN_gb": English, "en;q=x, ja;q=0.001": Japanese, "*": Japanese, ";;;,,,": Japanese,
	} {
		if got := FromAccept(header, Japanese); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}

func TestValuesAreFilledInOnceAndNotReadAgain(t *testing.T) {
	c := &Catalogue{texts: map[string]map[Lang]string{"x": {English: "{a} and {b}", one: "just {n}", Japanese: "{a}と{b}"}}}
	if got := c.Text(English, "x", "a", "{b}", "b", "B"); got != "{b} and B" {
		t.Error(got)
	}
	if got := c.Text(English, "x", "n", 1); got != "just 1" {
		t.Error(got)
	}
	if got := c.Text(Japanese, "x", "a", 1, "b", 2); got != "1と2" {
		t.Error(got)
	}
	if got := c.Text(Japanese, "missing"); got != "[missing]" {
		t.Error(got)
	}
}

func TestTimesSizesAndDurationsReadNaturally(t *testing.T) {
	tokyo := time.FixedZone("JST", 9*3600)
	now := time.Date(2026, 11, 24, 10, 0, 0, 0, tokyo)
	at := func(d, h, m, s int) time.Time { return time.Date(2026, 11, d, h, m, s, 0, tokyo) }
	for got, want := range map[string]string{
		Minute(Japanese, at(26, 17, 0, 0), now):                                "11月26日（木）17:00",
		Minute(English, at(26, 17, 0, 0), now):                                 "Thu 26 Nov, 17:00",
		Minute(Japanese, at(24, 17, 5, 0), now):                                "今日 17:05",
		Minute(Japanese, at(24, 0, 5, 0), now.UTC()):                           "今日 00:05",
		Second(English, at(24, 10, 3, 12), now):                                "today 10:03:12",
		Day(Japanese, time.Date(2027, 1, 5, 0, 0, 0, 0, tokyo), now):           "2027年1月5日（火）",
		Stamp(at(26, 17, 0, 9)):                                                "2026-11-26 17:00:09",
		Minute(Japanese, time.Time{}, now) + Second(English, time.Time{}, now): "",
		Left(Japanese, 4*time.Minute+2*time.Second):                            "4分02秒",
		Left(English, 125*time.Minute):                                         "2 h 5 min",
		Left(Japanese, 50*time.Hour):                                           "2日2時間",
		Left(Japanese, -time.Second):                                           "0秒",
		Size(999):                                                              "999 B",
		Size(1_234_567):                                                        "1.2 MB",
		Size(150_000_000):                                                      "150 MB",
		Size(2_000_000_000):                                                    "2.0 GB",
		Size(9_960):                                                            "10 kB",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
