package schedule

import (
	"testing"
	"time"
)

func TestPlans(t *testing.T) {
	last := time.Date(2026, 3, 28, 13, 30, 0, 0, time.UTC)
	for s, want := range map[string]string{
		"1h": "2026-03-28 14:30", "1d": "2026-03-29 13:30", "30m": "2026-03-28 14:00",
		"02:00": "2026-03-29 02:00", "14:00, 02:00": "2026-03-28 14:00", "13:30": "2026-03-29 13:30",
		"manual": "", "continuous": "",
	} {
		p, err := Parse(s)
		if err != nil {
			t.Errorf("%q: %v", s, err)
		}
		if p.IsZero() != (s == "manual") || p.Continuous() != (s == "continuous") {
			t.Errorf("%q is %+v", s, p)
		}
		if want == "" {
			continue
		}
		if got := p.Next(last).Format("2006-01-02 15:04"); got != want {
			t.Errorf("%q after %v: %s, want %s", s, last, got, want)
		}
	}
	for _, s := range []string{"1s", "sometimes", "25:00", "02:00,", "1h 2h", "-1h", "0h"} {
		if _, err := Parse(s); err != ErrPlan {
			t.Errorf("%q: %v", s, err)
		}
	}
}
