package schedule

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tododb/tododb/store/backup/repository"
)

// Plan says when backups are made. The zero Plan says never.
type Plan struct {
	continuous bool
	every      time.Duration
	times      []time.Duration // of the day, in ascending order
}

// ErrPlan says what a plan looks like.
var ErrPlan = errors.New("a schedule is an interval of a minute or more (30m, 1h, 1d), times of the day (02:00, 14:00), or one of the words continuous and manual")

// Parse reads a plan: an interval, times of the day, the word continuous, or the word manual, which
// is never.
func Parse(s string) (p Plan, err error) {
	s = strings.TrimSpace(s)
	switch {
	case s == "" || s == "manual":
		return p, nil
	case s == "continuous":
		return Plan{continuous: true}, nil
	case !strings.Contains(s, ":"):
		if p.every, err = repository.ParseWithin(s); err != nil || p.every < time.Minute {
			return Plan{}, ErrPlan
		}
		return p, nil
	}
	for one := range strings.SplitSeq(s, ",") {
		t, err := time.Parse("15:04", strings.TrimSpace(one))
		if err != nil {
			return Plan{}, ErrPlan
		}
		p.times = append(p.times, time.Duration(t.Hour())*time.Hour+time.Duration(t.Minute())*time.Minute)
	}
	slices.Sort(p.times)
	return p, nil
}

// IsZero tells whether no backups are made.
func (p Plan) IsZero() bool { return !p.continuous && p.every == 0 && len(p.times) == 0 }

// Continuous tells whether backups follow changes.
func (p Plan) Continuous() bool { return p.continuous }

// Next is when the backup after one at the time last is to be made, which may be in the past. Times
// are those of last's zone.
func (p Plan) Next(last time.Time) time.Time {
	if len(p.times) == 0 {
		return last.Add(p.every)
	}
	for day := 0; ; day++ {
		for _, t := range p.times {
			at := time.Date(last.Year(), last.Month(), last.Day()+day, int(t.Hours()), int(t.Minutes())%60, 0, 0, last.Location())
			if at.After(last) {
				return at
			}
		}
	}
}
