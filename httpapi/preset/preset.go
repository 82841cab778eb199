package preset

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
)

// Options are what Prepare needs.
type Options struct {
	Store  *store.Store
	Config *config.Config
	Access *access.Access
}

// Ready is what there is for clients.
type Ready struct {
	Preset   string
	Database string
	User     string
	Password string // of a user who has just been made; "" otherwise, because nobody knows it
	Refused  string // why there is no user: the operator has rules for passwords that none here satisfies

	Lacks Lack // what the operator has taken away since, or never gave
}

// Lack is what stands between a client and its database.
type Lack int

const (
	Nothing   Lack = iota
	ADatabase      // there is none
	AUser          // there is none
	Rights         // the user may not use the database
)

// Prepare makes what the preset of the settings wants, unless that was done before. It returns
// nil if there is no preset. Done is called once everything is there, before that is noted: a
// password that nobody has seen would be lost.
func Prepare(ctx context.Context, opt Options, done func(*Ready) error) error {
	name := opt.Config.Preset()
	if name == "" {
		return nil
	}
	r := &Ready{Preset: name, Database: name, User: name}
	prepared := opt.Config.List("tododb", "prepared")
	if slices.Contains(prepared, name) {
		return r.tell(ctx, opt, done)
	}
	if err := r.makeDatabase(ctx, opt); err != nil {
		return fmt.Errorf("preset %s: database %s: %w", name, r.Database, err)
	}
	err := r.makeUser(ctx, opt)
	if bad, is := errors.AsType[*auth.BadPassword](err); is {
		r.Refused = bad.Error()
		return done(r)
	}
	if err != nil {
		return fmt.Errorf("preset %s: user %s: %w", name, r.User, err)
	}
	if err := r.tell(ctx, opt, done); err != nil {
		return err
	}
	return opt.Config.Set("tododb", "prepared", strings.Join(append(prepared, name), ","))
}

// tell calls done with what there is now.
func (r *Ready) tell(ctx context.Context, opt Options, done func(*Ready) error) error {
	user, there, err := opt.Access.Auth().Present(ctx, r.User, "")
	if err != nil {
		return fmt.Errorf("preset %s: user %s: %w", r.Preset, r.User, err)
	}
	if !there {
		user, r.Lacks = server, AUser
	}
	db, err := opt.Access.OpenNamed(ctx, r.Database, user, wire.Member)
	said, is := errors.AsType[*wire.Error](err)
	switch {
	case err == nil:
		db.Release()
	case errors.Is(err, store.ErrNoDB):
		r.Lacks = ADatabase
	case is && said.Failure().Status == http.StatusForbidden:
		r.Lacks = Rights
	default:
		return fmt.Errorf("preset %s: database %s: %w", r.Preset, r.Database, err)
	}
	return done(r)
}

// server is in whose name things are made.
var server = auth.User{Admin: true}

// makeDatabase makes the database, and hands it over to the user.
func (r *Ready) makeDatabase(ctx context.Context, opt Options) error {
	err := opt.Store.Create(ctx, r.Database)
	if err != nil && !errors.Is(err, store.ErrDBExists) {
		return err
	}
	there := err != nil
	db, err := opt.Access.OpenNamed(ctx, r.Database, server, wire.DBAdmin)
	if err != nil {
		return err
	}
	defer db.Release()
	if there {
		// An earlier start that was cut short may have made it, and nobody has used it since.
		security, err := db.Security(ctx)
		if err != nil {
			return err
		}
		seq, err := db.UpdateSeq(ctx)
		if err != nil || security != nil || seq > 0 {
			return err
		}
	}
	owner := map[string][]string{"names": {r.User}, "roles": {}}
	security, err := json.Marshal(map[string]any{"admins": owner, "members": owner})
	if err != nil {
		return err
	}
	return db.SetSecurity(ctx, security)
}

// makeUser makes the user with a new password.
func (r *Ready) makeUser(ctx context.Context, opt Options) error {
	users := opt.Config.String("chttpd_auth", "authentication_db")
	if err := opt.Access.CreateDatabase(ctx, users, store.Properties{}); err != nil && !errors.Is(err, store.ErrDBExists) {
		return err
	}
	db, err := opt.Access.OpenNamed(ctx, users, server, wire.DBAdmin)
	if err != nil {
		return err
	}
	defer db.Release()
	id := auth.UserPrefix + r.User
	if _, err := db.Get(ctx, id, store.ReadOptions{NoBody: true}); !errors.Is(err, store.ErrMissing) && !errors.Is(err, store.ErrDeleted) {
		return err
	}
	password := rand.Text()
	body, err := json.Marshal(map[string]any{"type": "user", "name": r.User, "roles": []string{}, "password": password})
	if err != nil {
		return err
	}
	edit := store.Edit{Doc: document.Doc{ID: id, HasID: true}}
	if err := edit.Doc.SetBody(body); err != nil {
		return err
	}
	if _, err := db.Put(ctx, edit, store.WriteOptions{}); err != nil {
		return err
	}
	r.Password = password
	return nil
}
