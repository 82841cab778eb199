package access

import (
	"context"
	"time"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
)

// feedLook is how long a feed with many rows continues without checking its rights.
const feedLook = time.Second

// FeedRights are the rights of a feed that may last long: the account or token with which it
// was requested, and what the database lets its user do. When they no longer hold, the feed
// ends before its next row. It ends well-formed if it waits, and is cut if it is sending rows.
type FeedRights struct {
	a      *Access
	user   auth.User
	db     *store.DB // nil: it is about the whole server
	admin  bool      // the user administered the database, and may see what its admins see
	looked time.Time
}

// FeedRights notes what the user may do now. It returns nil for a feed that does not wait.
func (a *Access) FeedRights(ctx context.Context, user auth.User, db *store.DB, framing wire.Framing) (*FeedRights, error) {
	if framing == wire.Normal {
		return nil, nil
	}
	f := &FeedRights{a: a, user: user, db: db, looked: time.Now()}
	if db == nil || user.Admin {
		return f, nil
	}
	raw, err := db.Security(ctx)
	f.admin = judge(raw, user, wire.DBAdmin) == nil
	return f, err
}

// Hold tells whether the feed may go on.
func (f *FeedRights) Hold(ctx context.Context) (bool, error) {
	if f == nil {
		return true, nil
	}
	f.looked = time.Now()
	if same, err := f.a.auth.Still(ctx, f.user); !same || err != nil {
		return false, err
	}
	if f.user.Device != nil {
		if f.left() <= 0 {
			return false, nil
		}
		if d, err := f.a.devices.Device(ctx, f.user.Device.ID); d == nil || err != nil {
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
	want := wire.Member
	if f.admin {
		want = wire.DBAdmin
	}
	return judge(raw, f.user, want) == nil, nil
}

// HoldStill is Hold for a feed that is sending rows. It checks only from time to time.
func (f *FeedRights) HoldStill(ctx context.Context) error {
	if f == nil || time.Since(f.looked) < feedLook {
		return nil
	}
	if holds, err := f.Hold(ctx); holds || err != nil {
		return err
	}
	return errUserDB
}

// Left returns how long the device token with which the feed was requested is still valid.
func (f *FeedRights) Left() (left time.Duration, limited bool) {
	if f == nil || f.user.Device == nil {
		return 0, false
	}
	return f.left(), true
}

func (f *FeedRights) left() time.Duration { return f.user.Device.Expires.Sub(f.a.opt.Now()) }
