package access

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/design"
)

// Options are what an Access needs.
type Options struct {
	Store   *store.Store
	Config  *config.Config
	Log     *slog.Logger
	Shared  *wire.Shared
	Designs *design.Cache    // for validation functions and others
	Now     func() time.Time // the clock (time.Now)
}

// settings are the settings about who may do what.
type settings struct {
	validUser     bool // only known users are answered
	validExceptUp bool // the same, but for /_up
	publicFields  []string
	listsToAll    bool   // everybody may list the databases
	openToAll     bool   // new databases are everybody's
	usersDB       string // whose documents say who may log in
}

func readSettings(c *config.Config, _ *settings) *settings {
	set := &settings{
		validUser:     c.RequireValidUser(),
		validExceptUp: c.Bool("chttpd", "require_valid_user_except_for_up"),
	}
	set.listsToAll = !c.Bool("chttpd", "admin_only_all_dbs")
	set.openToAll = c.String("couchdb", "default_security") != "admin_only"
	set.usersDB = c.String("chttpd_auth", "authentication_db")
	if c.Bool("chttpd_auth", "users_db_public") {
		set.publicFields = c.List("chttpd_auth", "public_fields")
	}
	return set
}

// Access knows who asks and what they may do, and opens databases for them.
type Access struct {
	opt      Options
	store    *store.Store
	log      *slog.Logger
	config   *config.Config
	settings func() *settings
	shared   *wire.Shared
	designs  *design.Cache
	auth     *auth.Authenticator
	devices  *Devices
	users    *systemDB // checks each document of _users
	// design is checkDesign, made once for all guards.
	design func(context.Context, *store.DB, []byte) (refusal, err error)
}

// New makes an Access. It starts nothing, and there is nothing to close.
func New(opt Options) (*Access, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	a := &Access{
		opt: opt, store: opt.Store, log: opt.Log, config: opt.Config, shared: opt.Shared, designs: opt.Designs,
		settings: config.Follow(opt.Config, readSettings), devices: &Devices{opt.Store},
	}
	a.users = a.newUsersDB()
	a.design = a.checkDesign
	a.store.SetNewSecurity(a.newSecurity)
	return a, a.authenticator()
}

// authenticator makes the Authenticator, and passes changes of its settings on to it.
func (a *Access) authenticator() (err error) {
	c := a.config
	admins := c.Section("admins")
	a.auth, err = auth.New(auth.Options{
		Admins: admins, Accounts: newAccounts(a), Devices: a.devices, Settings: authSettings(c), Now: a.opt.Now,
		Address: func(r *http.Request) string { return wire.AddressKey(a.shared.ClientAddr(r)) },
		Proxied: func(r *http.Request) bool { p := a.shared.Settings().Proxies; return len(p) == 0 || p.Sent(r) },
		Secure:  func(r *http.Request) bool { return a.shared.Settings().Secure(r) },
		Warn:    a.log.Warn,
	})
	if err != nil {
		return err
	}
	c.Watch(func() {
		if err := a.auth.Configure(authSettings(c)); err != nil {
			a.log.Error("how users prove who they are stays as it was", "error", err)
		}
		// Only if they have changed: it forgets verified passwords.
		if now := c.Section("admins"); !maps.Equal(now, admins) {
			if err := a.auth.SetAdmins(now); err != nil {
				a.log.Error("the administrators stay as they were", "error", err)
				return
			}
			admins = now
		}
	})
	return nil
}

// Shared returns what all exchanges share.
func (a *Access) Shared() *wire.Shared { return a.shared }

// Auth returns what finds out who asks.
func (a *Access) Auth() *auth.Authenticator { return a.auth }

// Devices returns the records of tokens.
func (a *Access) Devices() *Devices { return a.devices }

// LetIn finds out who sends a request. cookie, if not "", is a Set-Cookie header to answer with, with an
// error too.
func (a *Access) LetIn(r *http.Request) (cookie string, err error) {
	a.ask(r)
	user, cookie, err := a.auth.Authenticate(r)
	if err != nil {
		return cookie, err
	}
	wire.ExchangeOf(r).User = user
	return cookie, nil
}

// ask asks, together with who asks, what opening the database will want to know. Whoever brings nothing to be known by is
// not looked up, and those who may not use the database cost no question of it then.
func (a *Access) ask(r *http.Request) {
	if !a.store.Shared() || r.Header.Get("Authorization") == "" && r.Header.Get("Cookie") == "" {
		return
	}
	name, err := wire.Segment(r, "db")
	if err != nil || name == "" {
		return
	}
	id := ""
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		if id, err = wire.Segment(r, "doc"); err != nil {
			id = ""
		}
	}
	wire.ExchangeOf(r).Asked = a.store.Ask(r.Context(), name, id)
}

// Admit enforces what a request's route says about who may use it, and about tokens. Open
// enforces rules about a database.
func (a *Access) Admit(r *http.Request, rule wire.Rule, tokens wire.Scope) error {
	x := wire.ExchangeOf(r)
	x.Rule = rule
	if x.User.Device != nil {
		if err := withinScope(x.User.Device, r, tokens); err != nil {
			return err
		}
	}
	if err := a.welcomes(x.User, rule); err != nil {
		return err
	}
	switch rule {
	case wire.Anyone, wire.Door, wire.Health, wire.Member, wire.DBAdmin:
		return nil
	case wire.Lister:
		return a.MayList(r)
	case wire.User:
		if x.User.Anonymous() {
			return errAnonymous
		}
		return nil
	case wire.Metrics:
		return requireMetrics(r)
	case wire.DBLister:
		if a.settings().listsToAll {
			return nil
		}
		return RequireAdmin(r)
	case wire.Admin:
		return RequireAdmin(r)
	}
	return errClosed
}

var errClosed = errors.New("the route has no rule that opens a database")

// Open opens the database that the path names, if the rule of the request's route allows it.
// The caller releases it. As in CouchDB, anybody may learn that a database does not exist. The
// handle shows what the user may see and accepts what they may write: see systemDB.
func (a *Access) Open(r *http.Request) (*store.DB, error) {
	return a.open(a.store.Ahead(r.Context(), "", wire.ExchangeOf(r).Asked), r)
}

// OpenToRead is Open for a request that reads one document, first of all with Get.
func (a *Access) OpenToRead(r *http.Request, id string) (*store.DB, error) {
	return a.open(a.store.Ahead(r.Context(), id, wire.ExchangeOf(r).Asked), r)
}

func (a *Access) open(ctx context.Context, r *http.Request) (*store.DB, error) {
	name, err := wire.Segment(r, "db")
	if err != nil {
		return nil, err
	}
	x := wire.ExchangeOf(r)
	switch x.Rule {
	case wire.Member, wire.Lister, wire.DBAdmin, wire.Admin:
		return a.OpenNamed(ctx, name, x.User, x.Rule)
	}
	return nil, errClosed
}

// OpenToEdit opens the database that the path names for a request that writes one document. The
// handle checks the edit itself. If the user may not edit the document at all, OpenToEdit says
// so before the rest of the request is read.
func (a *Access) OpenToEdit(r *http.Request, id string) (*store.DB, error) {
	db, err := a.Open(r)
	if err != nil {
		return nil, err
	}
	if err := db.MayEdit(r.Context(), id); err != nil {
		db.Release()
		return nil, err
	}
	return db, nil
}
