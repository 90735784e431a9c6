package approval

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func tokyo(t testing.TB) *Calendar {
	t.Helper()
	c, err := NewCalendar("Asia/Tokyo", "jp", []string{"12-29..01-03"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The days the Cabinet Office has published, substitutes included.
func TestNationalHolidaysAreThoseOfTheCabinetOffice(t *testing.T) {
	published := map[int]string{
		2009: "0101 0112 0211 0320 0429 0503 0504 0505 0506 0720 0921 0922 0923 1012 1103 1123 1223",
		2015: "0101 0112 0211 0321 0429 0503 0504 0505 0506 0720 0921 0922 0923 1012 1103 1123 1223",
		2018: "0101 0108 0211 0212 0321 0429 0430 0503 0504 0505 0716 0811 0917 0923 0924 1008 1103 1123 1223 1224",
		2019: "0101 0114 0211 0321 0429 0430 0501 0502 0503 0504 0505 0506 0715 0811 0812 0916 0923 1014 1022 1103 1104 1123",
		2020: "0101 0113 0211 0223 0224 0320 0429 0503 0504 0505 0506 0723 0724 0810 0921 0922 1103 1123",
		2021: "0101 0111 0211 0223 0320 0429 0503 0504 0505 0722 0723 0808 0809 0920 0923 1103 1123",
		2022: "0101 0110 0211 0223 0321 0429 0503 0504 0505 0718 0811 0919 0923 1010 1103 1123",
		2023: "0101 0102 0109 0211 0223 0321 0429 0503 0504 0505 0717 0811 0918 0923 1009 1103 1123",
		2024: "0101 0108 0211 0212 0223 0320 0429 0503 0504 0505 0506 0715 0811 0812 0916 0922 0923 1014 1103 1104 1123",
		2025: "0101 0113 0211 0223 0224 0320 0429 0503 0504 0505 0506 0721 0811 0915 0923 1013 1103 1123 1124",
		2026: "0101 0112 0211 0223 0320 0429 0503 0504 0505 0506 0720 0811 0921 0922 0923 1012 1103 1123",
		2027: "0101 0111 0211 0223 0321 0322 0429 0503 0504 0505 0719 0811 0920 0923 1011 1103 1123",
	}
	for year, want := range published {
		var got []string
		for d := (day{year, time.January, 1}); d.year == year; d = d.add(1) {
			if nationalHoliday(d) {
				got = append(got, fmt.Sprintf("%02d%02d", d.month, d.mday))
			}
		}
		if have := strings.Join(got, " "); have != want {
			t.Errorf("%d:\n got %s\nwant %s", year, have, want)
		}
	}
}

func TestBusinessTimeIsCountedInWorkingHours(t *testing.T) {
	c := tokyo(t)
	tests := []struct {
		name, from string
		work       time.Duration
		want       string
	}{
		{"within a day", "2026-11-24 10:00", time.Hour, "2026-11-24 11:00"},
		{"before opening", "2026-11-24 06:30", time.Hour, "2026-11-24 10:00"},
		{"after closing", "2026-11-24 20:00", time.Hour, "2026-11-25 10:00"},
		{"over the evening", "2026-11-24 17:30", time.Hour, "2026-11-25 09:30"},
		{"to the very end of the day", "2026-11-24 17:00", time.Hour, "2026-11-24 18:00"},
		{"over the weekend", "2026-11-27 17:30", time.Hour, "2026-11-30 09:30"},
		{"over a holiday on Monday", "2026-11-20 17:30", time.Hour, "2026-11-24 09:30"},
		{"three days in a plain week", "2026-11-24 10:00", 3 * Day, "2026-11-27 10:00"},
		{"held on Friday evening", "2026-11-27 19:00", 3 * Day, "2026-12-02 18:00"},
		{"over Golden Week with its substitute", "2026-05-01 17:00", 2 * time.Hour, "2026-05-07 10:00"},
		{"over Silver Week with the day between", "2026-09-18 17:00", 2 * time.Hour, "2026-09-24 10:00"},
		{"over the company's New Year", "2026-12-28 17:00", 2 * time.Hour, "2027-01-04 10:00"},
		{"nothing, on a Sunday", "2026-11-29 12:00", 0, "2026-11-30 09:00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := c.Add(at(t, c, tt.from), tt.work)
			if want := at(t, c, tt.want); !got.Equal(want) {
				t.Errorf("Add(%s, %s) = %s, want %s", tt.from, tt.work, got.In(c.Zone()), want)
			}
		})
	}
}

func at(t testing.TB, c *Calendar, s string) time.Time {
	t.Helper()
	out, err := time.ParseInLocation("2006-01-02 15:04", s, c.Zone())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestHoursStayTheSameWhenClocksAreSet(t *testing.T) {
	c, err := NewCalendar("Europe/Berlin", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	// Clocks go back in the night to Sunday, 2026-10-25.
	if got, want := c.Add(at(t, c, "2026-10-23 17:30"), time.Hour), at(t, c, "2026-10-26 09:30"); !got.Equal(want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestCalendarMistakesAreNamed(t *testing.T) {
	tests := []struct {
		zone, holidays string
		company        []string
		want           string
	}{
		{"Asia/Tokio", "jp", nil, "Asia/Tokio"},
		{"Asia/Tokyo", "de", nil, "only jp"},
		{"Asia/Tokyo", "jp", []string{"13-01"}, "13-01"},
		{"Asia/Tokyo", "jp", []string{"2026-12-29..01-03"}, "year to both"},
		{"Asia/Tokyo", "jp", []string{"2026-12-29..2026-12-01"}, "before the beginning"},
		{"Asia/Tokyo", "jp", []string{"01-01..12-31"}, "no working day"},
	}
	for _, tt := range tests {
		if _, err := NewCalendar(tt.zone, tt.holidays, tt.company); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: error %v does not name %q", tt, err, tt.want)
		}
	}
}

func TestBusinessTimeAddsUp(t *testing.T) {
	c := tokyo(t)
	rapid.Check(t, func(t *rapid.T) {
		start := time.Unix(rapid.Int64Range(1_600_000_000, 2_200_000_000).Draw(t, "start"), 0)
		a := time.Duration(rapid.Int64Range(0, int64(40*Day)).Draw(t, "a"))
		b := time.Duration(rapid.Int64Range(0, int64(10*Day)).Draw(t, "b"))

		end := c.Add(start, a)
		if end.Before(start) {
			t.Fatalf("Add goes back: %s from %s", end, start)
		}
		if !c.Workday(end) {
			t.Fatalf("ends on a day off: %s", end)
		}
		h := end.In(c.Zone())
		if clock := time.Duration(h.Hour())*time.Hour + time.Duration(h.Minute())*time.Minute; clock < opensAt || clock > closesAt {
			t.Fatalf("ends outside working hours: %s", h)
		}
		if got := c.Between(start, end); got != a {
			t.Fatalf("Between(start, Add(start, %s)) = %s", a, got)
		}
		if two, one := c.Add(end, b), c.Add(start, a+b); b > 0 && !two.Equal(one) {
			t.Fatalf("Add(Add(t, a), b) = %s, Add(t, a+b) = %s", two, one)
		}
	})
}
