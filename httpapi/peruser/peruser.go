package peruser

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
)

// record is the local document of _users that says how far its changes have been followed.
const record = access.ServerRecords + "peruser"

// rest is how long to wait after an error, and how often to check whether the settings ask for
// databases of users.
const rest = 2 * time.Second

// Options are what Run needs.
type Options struct {
	Store  *store.Store
	Config *config.Config
	Log    *slog.Logger
}

// follower follows the users.
type follower struct{ Options }

// Run creates a database for each user, and deletes it with the user, if [couch_peruser] says
// so. It runs until ctx ends. It catches up with what happened while it was not running,
// because it records its progress beside the users.
func Run(ctx context.Context, opt Options) {
	f := &follower{opt}
	for ctx.Err() == nil {
		if f.Config.Bool("couch_peruser", "enable") {
			if err := f.followUsers(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrNoDB) {
				f.Log.WarnContext(ctx, "databases of users: trying again", "error", err)
			}
		}
		timer := time.NewTimer(rest)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// usersDB is the database whose documents are the users.
func (f *follower) usersDB() string { return f.Config.String("chttpd_auth", "authentication_db") }

// followUsers follows the changes of the users until there is an error, the database is gone,
// or the settings no longer ask for it.
func (f *follower) followUsers(ctx context.Context) error {
	users := f.usersDB()
	db, err := f.Store.Bare(ctx, users, store.ForUserDatabases)
	if err != nil {
		return err
	}
	defer db.Release()
	seen, err := Seen(ctx, db)
	if err != nil {
		return err
	}
	for f.Config.Bool("couch_peruser", "enable") && f.usersDB() == users {
		end, err := f.catchUp(ctx, db, seen)
		if err != nil {
			return err
		}
		if end > seen {
			seen = end
			if err := writeSeen(ctx, db, seen); err != nil {
				return err
			}
		}
		timer := time.NewTimer(rest)
		select {
		case <-db.Changed(seen):
		case <-timer.C:
		case <-db.Gone():
			timer.Stop()
			return nil
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		timer.Stop()
	}
	return nil
}

// catchUp creates and deletes databases for the changes after a sequence, and returns how far
// it has come.
func (f *follower) catchUp(ctx context.Context, db store.Bare, seen uint64) (uint64, error) {
	type change struct {
		name    string
		deleted bool
	}
	var changed []change
	// One after the other, between snapshots, because creating a database is slow.
	settle := func() error {
		for _, c := range changed {
			var err error
			if c.deleted {
				err = f.dropUserDB(ctx, c.name)
			} else {
				err = f.makeUserDB(ctx, c.name)
			}
			if err != nil {
				return err
			}
		}
		changed = changed[:0]
		return nil
	}
	newest, err := db.UpdateSeq(ctx)
	if err != nil {
		return seen, err
	}
	_, err = db.Changes(ctx, store.ChangesQuery{Since: seen, To: newest, Limit: -1}, func(c *store.Change) error {
		if name, ok := strings.CutPrefix(string(c.ID), auth.UserPrefix); ok && name != "" {
			changed = append(changed, change{name, c.Deleted})
		}
		return nil
	}, settle)
	if err != nil {
		return seen, err
	}
	return newest, nil
}

// userDBName returns the name of a user's database.
func (f *follower) userDBName(user string) string {
	return f.Config.String("couch_peruser", "database_prefix") + hex.EncodeToString([]byte(user))
}

// makeUserDB creates a user's database if it does not exist, and makes sure that the user is
// its administrator and member.
func (f *follower) makeUserDB(ctx context.Context, user string) error {
	name := f.userDBName(user)
	if !store.ValidName(name) || len(name) > wire.MaxDBName {
		f.Log.WarnContext(ctx, "a user gets no database: its name would not be one", "user", user)
		return nil
	}
	if err := f.Store.Create(ctx, name); err != nil && !errors.Is(err, store.ErrDBExists) {
		return err
	}
	db, err := f.Store.Bare(ctx, name, store.ForUserDatabases)
	if errors.Is(err, store.ErrNoDB) {
		return nil // deleted again in the meantime
	}
	if err != nil {
		return err
	}
	defer db.Release()
	raw, err := db.Security(ctx)
	if err != nil {
		return err
	}
	next, changed, err := withUser(raw, user)
	if err != nil || !changed {
		return err
	}
	return db.SetSecurity(ctx, next)
}

// withUser adds a user to the names of a security object, and leaves the rest as it is.
func withUser(raw []byte, user string) (next []byte, changed bool, err error) {
	object := map[string]json.RawMessage{}
	if raw != nil {
		if err := json.Unmarshal(raw, &object); err != nil {
			return nil, false, err
		}
	}
	for _, section := range []string{"admins", "members"} {
		group := map[string]json.RawMessage{}
		if object[section] != nil {
			if err := json.Unmarshal(object[section], &group); err != nil {
				return nil, false, err
			}
		}
		var names []string
		if group["names"] != nil {
			if err := json.Unmarshal(group["names"], &names); err != nil {
				return nil, false, err
			}
		}
		if slices.Contains(names, user) {
			continue
		}
		changed = true
		if group["names"], err = json.Marshal(append(names, user)); err != nil {
			return nil, false, err
		}
		if group["roles"] == nil {
			group["roles"] = json.RawMessage("[]")
		}
		if object[section], err = json.Marshal(group); err != nil {
			return nil, false, err
		}
	}
	next, err = json.Marshal(object)
	return next, changed, err
}

// dropUserDB deletes the database of a user who is gone, if the settings want that.
func (f *follower) dropUserDB(ctx context.Context, user string) error {
	if !f.Config.Bool("couch_peruser", "delete_dbs") {
		return nil
	}
	name := f.userDBName(user)
	if !store.ValidName(name) {
		return nil
	}
	if err := f.Store.Drop(ctx, name); err != nil && !errors.Is(err, store.ErrNoDB) {
		return err
	}
	return nil
}

// Seen reads how far the changes have been followed.
func Seen(ctx context.Context, db store.Bare) (uint64, error) {
	doc, err := db.GetLocal(ctx, record)
	if errors.Is(err, store.ErrMissing) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var told struct{ Seq string }
	if err := json.Unmarshal(doc.Body, &told); err != nil {
		return 0, nil
	}
	seq, err := db.ParseSeq(ctx, told.Seq)
	if errors.Is(err, store.ErrBadSeq) {
		return 0, nil
	}
	return seq, err
}

func writeSeen(ctx context.Context, db store.Bare, seq uint64) error {
	body, err := json.Marshal(map[string]string{"Seq": db.Seq(seq).String()})
	if err != nil {
		return err
	}
	var doc document.Doc
	if err := doc.SetBody(body); err != nil {
		return err
	}
	doc.ID, doc.HasID = record, true
	_, err = db.Put(ctx, store.Edit{Doc: doc}, store.WriteOptions{})
	return err
}
