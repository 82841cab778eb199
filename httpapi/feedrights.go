package httpapi

import (
	"context"
	"time"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/store"
)

// feedLook is how long a feed that has much to tell goes on without looking at its rights.
const feedLook = time.Second

// feedRights is what a feed stands on that may go on for long: the account or the token that
// it was asked for with, and what the database lets its user do. When that is no longer so
// the feed ends, before its next row: well formed where it waits, cut in the midst of rows.
type feedRights struct {
	s      *Server
	user   auth.User
	db     *store.DB // nil: it is about the whole server
	admin  bool      // the user administered the database, and may see what its admins see
	looked time.Time
}

// feedRights begins with what the user may do now; nil for a feed that does not wait.
func (s *Server) feedRights(ctx context.Context, user auth.User, db *store.DB, framing feedFraming) (*feedRights, error) {
	if framing == framingNormal {
		return nil, nil
	}
	f := &feedRights{s: s, user: user, db: db, looked: time.Now()}
	if db == nil || user.Admin {
		return f, nil
	}
	raw, err := db.Security(ctx)
	f.admin = judge(raw, user, dbAdmin) == nil
	return f, err
}

// hold tells whether the feed may go on.
func (f *feedRights) hold(ctx context.Context) (bool, error) {
	if f == nil {
		return true, nil
	}
	f.looked = time.Now()
	if same, err := f.s.auth.Still(ctx, f.user); !same || err != nil {
		return false, err
	}
	if f.user.Device != nil {
		if f.left() <= 0 {
			return false, nil
		}
		if d, err := f.s.devices.Device(ctx, f.user.Device.ID); d == nil || err != nil {
			return false, err
		}
	}
	if f.db == nil || f.user.Admin {
		return true, nil
	}
	raw, err := f.db.Security(ctx)
	if err != nil {
		if f.db.WhyGone() != nil {
			return true, nil // the feed finds out by itself
		}
		return false, err
	}
	want := reader
	if f.admin {
		want = dbAdmin
	}
	return judge(raw, f.user, want) == nil, nil
}

// holdStill is hold for a feed in the midst of its rows, now and then.
func (f *feedRights) holdStill(ctx context.Context) error {
	if f == nil || time.Since(f.looked) < feedLook {
		return nil
	}
	if holds, err := f.hold(ctx); holds || err != nil {
		return err
	}
	return errUserDB
}

// limited tells that the feed ends at a time that is known, and left for how long it goes on.
func (f *feedRights) limited() bool { return f != nil && f.user.Device != nil }

func (f *feedRights) left() time.Duration { return f.user.Device.Expires.Sub(f.s.opt.Now()) }
