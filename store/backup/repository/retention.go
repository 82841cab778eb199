package repository

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Keep says which backups stay. The rules add up: a backup stays if one of them keeps it. The zero
// Keep keeps all.
type Keep struct {
	Last   int // the newest ones
	Hourly int // the newest one of each of that many hours that have one
	Daily  int
	Weekly int // weeks begin on Monday
	Monthly,
	Yearly int
	Within time.Duration // all that are younger, seen from the newest one
}

// IsZero tells whether there is no rule.
func (k Keep) IsZero() bool { return k == Keep{} }

// CheckKeep tells whether the numbers make sense.
func (k Keep) Check() error {
	for _, n := range []int{k.Last, k.Hourly, k.Daily, k.Weekly, k.Monthly, k.Yearly, int(min(k.Within, 1<<30))} {
		if n < 0 {
			return fmt.Errorf("a rule that keeps %d backups makes no sense", n)
		}
	}
	return nil
}

// forgets returns the places of the backups that do not stay. The times are those of the backups of
// one server, in the order in which they were made. Hours, days and weeks are those of loc. The newest
// backup always stays.
func (k Keep) forgets(times []time.Time, loc *time.Location) (places []int) {
	if k.IsZero() || len(times) == 0 {
		return nil
	}
	newest := times[len(times)-1]
	rules := []struct {
		left   int
		bucket func(time.Time) string
		seen   map[string]bool
	}{
		{left: k.Last, bucket: nil},
		{left: k.Hourly, bucket: func(t time.Time) string { return t.Format("2006-01-02 15 -0700") }},
		{left: k.Daily, bucket: func(t time.Time) string { return t.Format("2006-01-02") }},
		{left: k.Weekly, bucket: func(t time.Time) string { y, w := t.ISOWeek(); return strconv.Itoa(y) + " " + strconv.Itoa(w) }},
		{left: k.Monthly, bucket: func(t time.Time) string { return t.Format("2006-01") }},
		{left: k.Yearly, bucket: func(t time.Time) string { return t.Format("2006") }},
	}
	for i := range rules {
		rules[i].seen = map[string]bool{}
	}
	for place, at := range slices.Backward(times) {
		at = at.In(loc)
		stays := place == len(times)-1 || k.Within > 0 && newest.Sub(at) <= k.Within
		for i := range rules {
			rule := &rules[i]
			bucket := strconv.Itoa(place)
			if rule.bucket != nil {
				bucket = rule.bucket(at)
			}
			if rule.left > 0 && !rule.seen[bucket] {
				rule.left--
				rule.seen[bucket] = true
				stays = true
			}
		}
		if !stays {
			places = append(places, place)
		}
	}
	return places
}

// ParseWithin reads a duration such as 12h, 7d, 3w, 2mo or 1y, and sums such as 1y6mo. A month has 30
// days, a year 365.
func ParseWithin(s string) (time.Duration, error) {
	var d time.Duration
	for rest := s; rest != "" || s == ""; {
		digits := strings.IndexFunc(rest, func(c rune) bool { return c < '0' || c > '9' })
		if digits <= 0 || digits > 6 {
			return 0, fmt.Errorf("%q is no duration such as 12h, 7d, 3w, 2mo or 1y", s)
		}
		n, err := strconv.Atoi(rest[:digits])
		if err != nil {
			return 0, err
		}
		rest = rest[digits:]
		unit := rest
		if next := strings.IndexAny(rest, "0123456789"); next >= 0 {
			unit = rest[:next]
		}
		rest = rest[len(unit):]
		const day = 24 * time.Hour
		units := map[string]time.Duration{"m": time.Minute, "h": time.Hour, "d": day, "w": 7 * day, "mo": 30 * day, "y": 365 * day}
		one, is := units[unit]
		if !is {
			return 0, fmt.Errorf("%q is no duration such as 12h, 7d, 3w, 2mo or 1y", s)
		}
		if time.Duration(n) > (1<<62)/one-d/one {
			return 0, fmt.Errorf("%q is too long", s)
		}
		d += time.Duration(n) * one
	}
	return d, nil
}
