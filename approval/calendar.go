package approval

import (
	"fmt"
	"strings"
	"time"
)

// Calendar knows when people are at work. The zero value is no calendar; make
// one with NewCalendar.
type Calendar struct {
	zone     *time.Location
	national bool
	company  []span
	opens    time.Duration // of the day, from midnight
	closes   time.Duration
	workdays [7]bool
}

// span is one entry of company_holidays: every year's days when year is 0.
type span struct{ from, until day }

// Hours of a working day, in which reminders and deadlines are counted.
const (
	opensAt  = 9 * time.Hour
	closesAt = 18 * time.Hour
	// Day is the length of one working day.
	Day = closesAt - opensAt
	// longestBreak bounds the search for the next working day.
	longestBreak = 400
)

// NewCalendar reads organization.time_zone, holidays ("jp" or empty) and
// company_holidays ("12-29..01-03", "08-13", "2026-05-01..2026-05-02"). Working
// hours are 9:00 to 18:00, Monday to Friday.
func NewCalendar(zone, holidays string, company []string) (*Calendar, error) {
	if zone == "" {
		zone = "Asia/Tokyo"
	}
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return nil, fmt.Errorf("time zone %q: %w", zone, err)
	}
	c := &Calendar{zone: loc, opens: opensAt, closes: closesAt}
	for _, w := range []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday} {
		c.workdays[w] = true
	}
	switch holidays {
	case "":
	case "jp":
		c.national = true
	default:
		return nil, fmt.Errorf("holidays %q: only jp is known", holidays)
	}
	for _, s := range company {
		sp, err := parseSpan(s)
		if err != nil {
			return nil, fmt.Errorf("company holiday %q: %w", s, err)
		}
		c.company = append(c.company, sp)
	}
	if _, ok := c.nextOpening(time.Date(2026, 1, 1, 0, 0, 0, 0, loc)); !ok {
		return nil, fmt.Errorf("company_holidays leave no working day")
	}
	return c, nil
}

func parseSpan(s string) (span, error) {
	first, last, two := strings.Cut(strings.TrimSpace(s), "..")
	if !two {
		last = first
	}
	from, err := parseDay(first)
	if err != nil {
		return span{}, err
	}
	until, err := parseDay(last)
	if err != nil {
		return span{}, err
	}
	switch {
	case (from.year == 0) != (until.year == 0):
		return span{}, fmt.Errorf("give the year to both ends or to none")
	case from.year != 0 && until.utc().Before(from.utc()):
		return span{}, fmt.Errorf("the end lies before the beginning")
	}
	return span{from, until}, nil
}

func parseDay(s string) (day, error) {
	s = strings.TrimSpace(s)
	if t, err := time.Parse("2006-01-02", s); err == nil {
		return dayOf(t), nil
	}
	// 2000 is a leap year: 02-29 is a day of some years.
	t, err := time.Parse("2006-01-02", "2000-"+s)
	if err != nil {
		return day{}, fmt.Errorf("%q is not a day like 12-29 or 2026-12-29", s)
	}
	d := dayOf(t)
	d.year = 0
	return d, nil
}

func (s span) contains(d day) bool {
	if s.from.year != 0 {
		t := d.utc()
		return !t.Before(s.from.utc()) && !t.After(s.until.utc())
	}
	order := func(d day) int { return int(d.month)*100 + d.mday }
	at, from, until := order(d), order(s.from), order(s.until)
	if from <= until {
		return from <= at && at <= until
	}
	return at >= from || at <= until // over New Year
}

// Zone is the organization's time zone, in which dates are shown.
func (c *Calendar) Zone() *time.Location { return c.zone }

// Workday says whether people work on the day of t in the organization's zone.
func (c *Calendar) Workday(t time.Time) bool { return c.works(dayOf(t.In(c.zone))) }

func (c *Calendar) works(d day) bool {
	if !c.workdays[d.weekday()] || c.national && nationalHoliday(d) {
		return false
	}
	for _, s := range c.company {
		if s.contains(d) {
			return false
		}
	}
	return true
}

// clock gives the instant of a time of day. Midnight plus a duration would be
// an hour off on the days clocks are set.
func (c *Calendar) clock(d day, of time.Duration) time.Time {
	return time.Date(d.year, d.month, d.mday, int(of/time.Hour), int(of%time.Hour/time.Minute), 0, 0, c.zone)
}

// nextOpening is t itself during working hours, else the next time they begin.
func (c *Calendar) nextOpening(t time.Time) (time.Time, bool) {
	d := dayOf(t.In(c.zone))
	for range longestBreak {
		if c.works(d) {
			switch {
			case t.Before(c.clock(d, c.opens)):
				return c.clock(d, c.opens), true
			case t.Before(c.clock(d, c.closes)):
				return t, true
			}
		}
		d = d.add(1)
	}
	return t, false
}

// Add gives the time when so much working time has passed since t. A deadline
// at the very end of a day is that evening, not the next morning.
func (c *Calendar) Add(t time.Time, work time.Duration) time.Time {
	for {
		start, ok := c.nextOpening(t)
		if !ok {
			return t.Add(work) // a break of more than a year: no calendar helps
		}
		end := c.clock(dayOf(start.In(c.zone)), c.closes)
		if left := end.Sub(start); work > left {
			work -= left
			t = end
			continue
		}
		return start.Add(work)
	}
}

// Between is the working time from a to b; zero when b is not after a.
func (c *Calendar) Between(a, b time.Time) time.Duration {
	var sum time.Duration
	for a.Before(b) {
		start, ok := c.nextOpening(a)
		if !ok || !start.Before(b) {
			break
		}
		end := c.clock(dayOf(start.In(c.zone)), c.closes)
		if end.After(b) {
			end = b
		}
		sum += end.Sub(start)
		a = end
	}
	return sum
}
