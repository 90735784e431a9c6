package yamlfile

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes, written 150MiB, 25MB, 10k or 1024.
type Size int64

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(text []byte) error {
	digits := strings.TrimRight(string(text), "KMGTkmgtiBb ")
	unit := strings.ToLower(strings.TrimSpace(string(text)[len(digits):]))
	factor, ok := sizeUnit(unit)
	number, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	if err != nil || !ok || number < 0 || math.IsNaN(number) || number*factor > math.MaxInt64/2 {
		return fmt.Errorf("%q is no size; write for example 10MB, 150MiB or 0", shorten(string(text)))
	}
	*s = Size(number * factor)
	return nil
}

func sizeUnit(unit string) (float64, bool) {
	power := map[string]float64{"k": 1, "m": 2, "g": 3, "t": 4}
	switch {
	case unit == "" || unit == "b":
		return 1, true
	case strings.HasSuffix(unit, "ib"):
		p, ok := power[strings.TrimSuffix(unit, "ib")]
		return math.Pow(1024, p), ok
	default:
		p, ok := power[strings.TrimSuffix(unit, "b")]
		return math.Pow(1000, p), ok
	}
}

// String writes the size as a person would: 150MiB, 10MB, 1234.
func (s Size) String() string {
	for _, u := range []struct {
		name string
		size Size
	}{{"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"kB", 1e3}} {
		if s >= u.size && s%u.size == 0 {
			return fmt.Sprintf("%d%s", s/u.size, u.name)
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// Duration is a length of time, written 30s, 5m, 1h30m or 7d.
type Duration time.Duration

// maxDays keeps every sum of durations far from overflow.
const maxDays = 36500

// UnmarshalText reads a duration; 0 needs no unit.
func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	bad := fmt.Errorf("%q is no length of time; write for example 30s, 5m, 1h30m, 7d or 0", shorten(s))
	var days int64
	if number, rest, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseUint(number, 10, 32)
		if err != nil || n > maxDays {
			return bad
		}
		days, s = int64(n), rest
		if s == "" {
			s = "0"
		}
	}
	part, err := time.ParseDuration(s)
	if err != nil || part < 0 || part > maxDays*24*time.Hour {
		return bad
	}
	*d = Duration(time.Duration(days)*24*time.Hour + part)
	return nil
}

// String writes the duration as it may stand in a file: 7d, 1h30m, 5m.
func (d Duration) String() string {
	if day := Duration(24 * time.Hour); d >= day && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// NotYet is the type of a key whose name is settled and whose work is not
// carried out yet: giving it is a mistake, so that nobody relies on it.
type NotYet struct{}
