package words

import (
	"fmt"
	"time"
)

// Minute writes a point in time as people read it, to the minute, in the zone
// of t: "11月26日（水）17:00", "今日 17:00". The year stands only when it is not
// now's.
func Minute(lang Lang, t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	if y, m, d := now.In(t.Location()).Date(); t.Year() == y && t.Month() == m && t.Day() == d {
		return today(lang) + t.Format("15:04")
	}
	return Day(lang, t, now) + clockGap(lang) + t.Format("15:04")
}

func today(lang Lang) string {
	if lang == Japanese {
		return "今日 "
	}
	return "today "
}

// Second is Minute with seconds, for "sending began at 10:03:12".
func Second(lang Lang, t, now time.Time) string {
	if minute := Minute(lang, t, now); minute != "" {
		return minute + t.Format(":05")
	}
	return ""
}

// Stamp writes date and time to the second without regard to today, for logs
// that are printed and kept.
func Stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format("2006-01-02 15:04:05")
}

// Japanese needs no space after the closing bracket of the weekday.
func clockGap(lang Lang) string {
	if lang == Japanese {
		return ""
	}
	return ", "
}

// Day writes the date: "11月26日（水）" or "Wed 26 Nov".
func Day(lang Lang, t, now time.Time) string {
	if lang == Japanese {
		year := ""
		if t.Year() != now.Year() {
			year = fmt.Sprintf("%d年", t.Year())
		}
		return fmt.Sprintf("%s%d月%d日（%s）", year, t.Month(), t.Day(), weekday(t))
	}
	if t.Year() != now.Year() {
		return t.Format("Mon 2 Jan 2006")
	}
	return t.Format("Mon 2 Jan")
}

func weekday(t time.Time) string {
	return [...]string{"日", "月", "火", "水", "木", "金", "土"}[t.Weekday()]
}

// Left writes a duration roughly, in at most two units: "4分12秒", "2 h 5 min".
func Left(lang Lang, d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	days, hours := int(d/(24*time.Hour)), int(d/time.Hour)%24
	minutes, seconds := int(d/time.Minute)%60, int(d/time.Second)%60
	ja := lang == Japanese
	switch {
	case days > 0 && ja:
		return fmt.Sprintf("%d日%d時間", days, hours)
	case days > 0:
		return fmt.Sprintf("%d d %d h", days, hours)
	case hours > 0 && ja:
		return fmt.Sprintf("%d時間%d分", hours, minutes)
	case hours > 0:
		return fmt.Sprintf("%d h %d min", hours, minutes)
	case minutes > 0 && ja:
		return fmt.Sprintf("%d分%02d秒", minutes, seconds)
	case minutes > 0:
		return fmt.Sprintf("%d min %02d s", minutes, seconds)
	case ja:
		return fmt.Sprintf("%d秒", seconds)
	}
	return fmt.Sprintf("%d s", seconds)
}

// Size writes a number of bytes: "1.2 MB". Decimal units, as the file managers
// of the recipients show them.
func Size(n int64) string {
	switch f := float64(n); {
	case n < 1_000:
		return fmt.Sprintf("%d B", n)
	case n < 1_000_000:
		return trim(f/1e3) + " kB"
	case n < 1_000_000_000:
		return trim(f/1e6) + " MB"
	default:
		return trim(f/1e9) + " GB"
	}
}

// trim keeps one digit after the point below ten, none above.
func trim(f float64) string {
	if f < 9.95 {
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.0f", f)
}
