package repository

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func at(t testing.TB, s string) time.Time {
	t.Helper()
	v, err := time.Parse("2006-01-02 15:04", s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestKeep(t *testing.T) {
	var times []time.Time
	for _, s := range []string{
		"2024-12-30 10:00", // a Monday, of the first week of 2025
		"2025-01-05 10:00", "2025-01-05 23:00", "2025-02-01 01:00", "2025-02-01 01:30", "2025-02-01 02:00", "2025-02-02 02:00",
	} {
		times = append(times, at(t, s))
	}
	for _, c := range []struct {
		keep  Keep
		stays []int
	}{
		{Keep{}, []int{0, 1, 2, 3, 4, 5, 6}},
		{Keep{Last: 1}, []int{6}},
		{Keep{Last: 3}, []int{4, 5, 6}},
		{Keep{Hourly: 3}, []int{4, 5, 6}},
		{Keep{Daily: 2}, []int{5, 6}},
		{Keep{Daily: 100}, []int{0, 2, 5, 6}},
		{Keep{Weekly: 2}, []int{2, 6}},
		{Keep{Monthly: 2}, []int{2, 6}},
		{Keep{Yearly: 5}, []int{0, 6}},
		{Keep{Last: 1, Yearly: 2}, []int{0, 6}},
		{Keep{Within: 24 * time.Hour}, []int{5, 6}},
		{Keep{Within: 24*time.Hour - 1}, []int{6}},
	} {
		gone := c.keep.forgets(times, time.UTC)
		var stays []int
		for i := range times {
			if !slices.Contains(gone, i) {
				stays = append(stays, i)
			}
		}
		if !slices.Equal(stays, c.stays) {
			t.Errorf("%+v keeps %v, want %v", c.keep, stays, c.stays)
		}
	}
}

// Forgetting often comes to the same as forgetting once, and the newest backup stays, whatever clocks said.
func TestKeepIsSteady(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := time.Date(2025, 3, 28, 0, 0, 0, 0, time.UTC)
		hours := rapid.SliceOfN(rapid.IntRange(0, 20_000), 1, 60).Draw(t, "hours")
		var times []time.Time
		for _, h := range hours {
			times = append(times, base.Add(time.Duration(h)*time.Hour))
		}
		n := func(name string) int { return rapid.IntRange(0, 4).Draw(t, name) }
		keep := Keep{Last: n("last"), Hourly: n("hourly"), Daily: n("daily"), Weekly: n("weekly"), Monthly: n("monthly"), Yearly: n("yearly"), Within: time.Duration(n("within")) * 24 * time.Hour}
		zone := time.FixedZone("east", 5*3600)
		gone := keep.forgets(times, zone)
		var left []time.Time
		for i, at := range times {
			if !slices.Contains(gone, i) {
				left = append(left, at)
			}
		}
		if slices.Contains(gone, len(times)-1) {
			t.Fatalf("%+v forgets the newest", keep)
		}
		if again := keep.forgets(left, zone); len(again) > 0 {
			t.Fatalf("%+v forgets %v the second time", keep, again)
		}
	})
}

func TestParseWithin(t *testing.T) {
	for s, want := range map[string]time.Duration{"12h": 12 * time.Hour, "90m": 90 * time.Minute, "7d": 168 * time.Hour, "1y6mo": (365 + 180) * 24 * time.Hour, "": 0, "7": 0, "d": 0, "7x": 0, "-7d": 0, "999999y": 0} {
		if d, err := ParseWithin(s); d != want || (err == nil) != (want > 0) {
			t.Errorf("%q is %v, %v", s, d, err)
		}
	}
}
