package approval

import (
	"math"
	"time"
)

// day is a date without zone or hour.
type day struct {
	year  int
	month time.Month
	mday  int
}

func dayOf(t time.Time) day {
	y, m, d := t.Date()
	return day{y, m, d}
}

func (d day) utc() time.Time { return time.Date(d.year, d.month, d.mday, 0, 0, 0, 0, time.UTC) }

func (d day) add(days int) day { return dayOf(d.utc().AddDate(0, 0, days)) }

func (d day) weekday() time.Weekday { return d.utc().Weekday() }

// nationalHoliday says whether the day is a public holiday of Japan by the Act on
// National Holidays (国民の祝日に関する法律) as it stands since 2007, with the
// exceptions written for 2019 to 2021. The two equinoxes are computed; the
// government announces them in February of the year before and has never
// differed from this formula, which holds until 2099.
func nationalHoliday(d day) bool {
	return namedHoliday(d) || substituteHoliday(d) || sandwichedDay(d)
}

// substituteHoliday is article 3 (2): when a named holiday falls on a Sunday,
// the next day that is no named holiday is free.
func substituteHoliday(d day) bool {
	for before := d.add(-1); namedHoliday(before); before = before.add(-1) {
		if before.weekday() == time.Sunday {
			return true
		}
	}
	return false
}

// sandwichedDay is article 3 (3): a day between two named holidays is free.
func sandwichedDay(d day) bool {
	return namedHoliday(d.add(-1)) && namedHoliday(d.add(1))
}

func namedHoliday(d day) bool {
	if moved, ok := movedHoliday(d); ok {
		return moved
	}
	switch d.month {
	case time.January:
		return d.mday == 1 || nthMonday(d, 2)
	case time.February:
		return d.mday == 11 || d.mday == 23 && d.year >= 2020
	case time.March:
		return d.mday == vernalEquinox(d.year)
	case time.April:
		return d.mday == 29
	case time.May:
		return d.mday >= 3 && d.mday <= 5
	case time.July:
		return nthMonday(d, 3)
	case time.August:
		return d.mday == 11 && d.year >= 2016
	case time.September:
		return nthMonday(d, 3) || d.mday == autumnalEquinox(d.year)
	case time.October:
		return nthMonday(d, 2)
	case time.November:
		return d.mday == 3 || d.mday == 23
	case time.December:
		return d.mday == 23 && d.year <= 2018
	}
	return false
}

// movedHoliday answers for the days that special acts moved or added: the
// accession of 2019 and the Olympic summers planned for 2020 and held in 2021.
func movedHoliday(d day) (holiday, known bool) {
	switch d.year {
	case 2019:
		if d.month == time.May && d.mday == 1 || d.month == time.October && d.mday == 22 {
			return true, true
		}
	case 2020:
		switch d.month {
		case time.July:
			return d.mday == 23 || d.mday == 24, true
		case time.August:
			return d.mday == 10, true
		case time.October:
			return false, true
		}
	case 2021:
		switch d.month {
		case time.July:
			return d.mday == 22 || d.mday == 23, true
		case time.August:
			return d.mday == 8, true
		case time.October:
			return false, true
		}
	}
	return false, false
}

func nthMonday(d day, n int) bool {
	return d.weekday() == time.Monday && (d.mday-1)/7 == n-1
}

func vernalEquinox(year int) int { return equinox(20.8431, year) }

func autumnalEquinox(year int) int { return equinox(23.2488, year) }

// equinox approximates the day the sun crosses the equator, Japan time, 1980
// to 2099: the tropical year moves it by 0.242194 days a year, leap years move
// it back.
func equinox(base float64, year int) int {
	n := float64(year - 1980)
	return int(math.Floor(base + 0.242194*n - math.Floor(n/4)))
}
