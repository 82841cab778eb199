package httpapi

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
)

// perUserRecord is the local document of _users that tells how far the changes of users
// have been followed.
const perUserRecord = access.ServerRecords + "peruser"

// perUserRest is how long to wait after something went wrong, and how often to look
// whether the settings ask for databases of users.
const perUserRest = 2 * time.Second

// RunPerUser makes a database for each user, and deletes it with the user, as far as
// [couch_peruser] says so, until ctx ends. What has happened while it was not running it
// catches up with: how far it has come is written down in the database of the users.
func (s *Server) RunPerUser(ctx context.Context) {
	for ctx.Err() == nil {
		if s.config.Bool("couch_peruser", "enable") {
			if err := s.followUsers(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrNoDB) {
				s.log.WarnContext(ctx, "databases of users: trying again", "error", err)
			}
		}
		timer := time.NewTimer(perUserRest)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// followUsers follows the changes of _users until there is an error, the database is
// gone, or the settings no longer ask for it.
func (s *Server) followUsers(ctx context.Context) error {
	db, err := s.store.Bare(ctx, access.UsersDB, store.ForUserDatabases)
	if err != nil {
		return err
	}
	defer db.Release()
	seen, err := readPerUserRecord(ctx, db)
	if err != nil {
		return err
	}
	for s.config.Bool("couch_peruser", "enable") {
		end, err := s.catchUp(ctx, db, seen)
		if err != nil {
			return err
		}
		if end > seen {
			seen = end
			if err := writePerUserRecord(ctx, db, seen); err != nil {
				return err
			}
		}
		timer := time.NewTimer(perUserRest)
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

// catchUp makes and deletes databases for the changes after a sequence, and returns how
// far it has come.
func (s *Server) catchUp(ctx context.Context, db store.Bare, seen uint64) (uint64, error) {
	type change struct {
		name    string
		deleted bool
	}
	var changed []change
	// One after the other, between the snapshots: making a database is slow.
	settle := func() error {
		for _, c := range changed {
			var err error
			if c.deleted {
				err = s.dropUserDB(ctx, c.name)
			} else {
				err = s.makeUserDB(ctx, c.name)
			}
			if err != nil {
				return err
			}
		}
		changed = changed[:0]
		return nil
	}
	info, err := db.Info(ctx)
	if err != nil {
		return seen, err
	}
	_, err = db.Changes(ctx, store.ChangesQuery{Since: seen, To: info.UpdateSeq, Limit: -1}, func(c *store.Change) error {
		if name, ok := strings.CutPrefix(string(c.ID), auth.UserPrefix); ok && name != "" {
			changed = append(changed, change{name, c.Deleted})
		}
		return nil
	}, settle)
	if err != nil {
		return seen, err
	}
	return info.UpdateSeq, nil
}

// userDBName is the name of a user's database.
func (s *Server) userDBName(user string) string {
	return s.config.String("couch_peruser", "database_prefix") + hex.EncodeToString([]byte(user))
}

// makeUserDB makes a user's database, if it is not there, and sees to it that the user is
// its administrator and its member.
func (s *Server) makeUserDB(ctx context.Context, user string) error {
	name := s.userDBName(user)
	if !store.ValidName(name) || len(name) > maxDBName {
		s.log.WarnContext(ctx, "a user gets no database: its name would not be one", "user", user)
		return nil
	}
	if err := s.store.Create(ctx, name); err != nil && !errors.Is(err, store.ErrDBExists) {
		return err
	}
	db, err := s.store.Bare(ctx, name, store.ForUserDatabases)
	if errors.Is(err, store.ErrNoDB) {
		return nil // deleted again meanwhile
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

// withUser adds a user to the names of a security object; what else stands in it stays.
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
func (s *Server) dropUserDB(ctx context.Context, user string) error {
	if !s.config.Bool("couch_peruser", "delete_dbs") {
		return nil
	}
	name := s.userDBName(user)
	if !store.ValidName(name) {
		return nil
	}
	if err := s.store.Drop(ctx, name); err != nil && !errors.Is(err, store.ErrNoDB) {
		return err
	}
	return nil
}

// readPerUserRecord reads how far the changes have been followed; a record of another
// database of that name is as good as none.
func readPerUserRecord(ctx context.Context, db store.Bare) (uint64, error) {
	doc, err := db.GetLocal(ctx, perUserRecord)
	if errors.Is(err, store.ErrMissing) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var record struct{ Instance, Seq string }
	if err := json.Unmarshal(doc.Body, &record); err != nil || record.Instance != db.Instance() {
		return 0, nil
	}
	seq, err := strconv.ParseUint(record.Seq, 10, 64)
	if err != nil {
		return 0, nil
	}
	return seq, nil
}

func writePerUserRecord(ctx context.Context, db store.Bare, seq uint64) error {
	body, err := json.Marshal(map[string]string{"Instance": db.Instance(), "Seq": strconv.FormatUint(seq, 10)})
	if err != nil {
		return err
	}
	var doc document.Doc
	if err := doc.SetBody(body); err != nil {
		return err
	}
	doc.ID, doc.HasID = perUserRecord, true
	_, err = db.Put(ctx, store.Edit{Doc: doc}, store.WriteOptions{})
	return err
}
