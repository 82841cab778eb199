package repository

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Forgetting says which backups are to be forgotten.
type Forgetting struct {
	IDs    []string // these, by their ids or the beginnings of them
	Keep   Keep     // and those that no rule keeps, for each server by itself; see ruledOut
	Server string   // uuid; "": of all servers
	Zone   *time.Location
	Dry    bool // only say which
}

// Forgotten is a backup that was forgotten.
type Forgotten struct {
	ID   string
	Time time.Time
}

// Forget forgets backups: nobody can restore them any longer. What they alone name stays until
// Prune.
func (r *Repository) Forget(ctx context.Context, f Forgetting) (gone []Forgotten, err error) {
	all, older, err := r.listBackups(ctx)
	if err != nil {
		return nil, err
	}
	var chosen []listed
	for _, id := range f.IDs {
		found := 0
		for _, l := range all {
			if strings.HasPrefix(l.id, id) {
				chosen = append(chosen, l)
				found++
			}
		}
		if found == 0 {
			return nil, fmt.Errorf("%s: %w", id, ErrNoBackup)
		}
		if found > 1 {
			return nil, fmt.Errorf("%s is the beginning of the ids of %d backups", id, found)
		}
	}
	if f.Server != "" {
		f.Server = r.hash(f.Server)[:8]
	}
	if f.Zone == nil {
		f.Zone = time.Local
	}
	if !f.Keep.IsZero() {
		more, err := r.ruledOut(ctx, all, f)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, more...)
	}
	for _, l := range chosen {
		if !f.Dry {
			// The older edition first: else it would be the backup again.
			for _, o := range older {
				if o.id == l.id {
					if err := r.storage.Remove(ctx, o.Name); err != nil {
						return gone, err
					}
				}
			}
			if err := r.storage.Remove(ctx, l.Name); err != nil {
				return gone, err
			}
		}
		gone = append(gone, Forgotten{l.id, l.time})
	}
	return gone, nil
}

// ruledOut finds the backups that no rule keeps. A backup of some databases stands for no other one
// that has more: it is compared with those of the same databases and with those of all, and
// these only with one another.
func (r *Repository) ruledOut(ctx context.Context, all []listed, f Forgetting) (chosen []listed, err error) {
	servers := map[string]map[string][]listed{} // by what is in them, "": all
	for _, l := range all {
		if f.Server != "" && l.server != f.Server {
			continue
		}
		b, err := r.readOutline(ctx, l)
		if errors.Is(err, ErrNoBackup) {
			continue
		}
		if _, damaged := errors.AsType[*DamagedError](err); err != nil && !damaged {
			return nil, err
		}
		of := ""
		if b != nil && b.Partial {
			var keys []string
			for _, c := range b.Chains {
				keys = append(keys, c.Key)
			}
			slices.Sort(keys)
			of = strings.Join(keys, " ")
		}
		if servers[l.server] == nil {
			servers[l.server] = map[string][]listed{}
		}
		servers[l.server][of] = append(servers[l.server][of], l)
	}
	for _, groups := range servers {
		for of, group := range groups {
			here := map[string]bool{}
			for _, l := range group {
				here[l.Name] = true
			}
			compared := group
			if of != "" {
				compared = slices.Concat(group, groups[""])
			}
			slices.SortFunc(compared, func(a, b listed) int { return a.after(&b) })
			times := make([]time.Time, len(compared))
			for i, l := range compared {
				times[i] = l.time
			}
			for _, i := range f.Keep.forgets(times, f.Zone) {
				if here[compared[i].Name] {
					chosen = append(chosen, compared[i])
				}
			}
		}
	}
	slices.SortFunc(chosen, func(a, b listed) int { return a.time.Compare(b.time) })
	return chosen, nil
}
