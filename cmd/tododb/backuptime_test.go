package main

import (
	"testing"
	"time"
)

// A time as ls shows it, to the second, finds the backup that was made in that second.
func TestTimesOfBackups(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 29, 15, 4, 5, 800_000_000, time.Local)
	now := at.Add(time.Hour)
	for text, finds := range map[string]bool{
		at.Format(time.DateTime):      true,
		at.Format(time.TimeOnly):      true,
		at.Format(time.RFC3339):       true,
		at.Format(time.RFC3339Nano):   true,
		"2026-11-29T15:04:05":         true,
		"2026-11-29 15:04:05.7":       false,
		"2026-11-29 15:04:04":         false,
		"2026-11-29 15:04":            false,
		"15:04":                       false,
		"15:05":                       true,
		"59m":                         true,
		"60m ago":                     true,
		"61m":                         false,
		at.UTC().Format(time.RFC3339): true,
	} {
		until, err := parseTime(text, now)
		if err != nil || at.After(until) == finds {
			t.Errorf("%q is %v, %v", text, until, err)
		}
	}
}
