package repository

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Forgetting says which backups are to be forgotten.
type Forgetting struct {
	IDs    []string // these, by their ids or the beginnings of them
	Keep   Keep     // and those that no rule keeps, for each server by itself
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
	servers := map[string][]listed{}
	for _, l := range all {
		if f.Server == "" || l.server == f.Server {
			servers[l.server] = append(servers[l.server], l)
		}
	}
	for _, of := range servers {
		times := make([]time.Time, len(of))
		for i, l := range of {
			times[i] = l.time
		}
		for _, i := range f.Keep.forgets(times, f.Zone) {
			chosen = append(chosen, of[i])
		}
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
