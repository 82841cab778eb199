package store

import (
	"context"
	"time"
)

// Bare is a handle without a guard: it shows everything and accepts everything. It is for the
// server's own work. It is not a *DB, so code that works for a user, with a handle from Open,
// cannot be given a Bare by mistake.
type Bare struct{ *bareDB }

type bareDB = DB

// Reason says why something needs a Bare. All reasons are listed here, and a test
// (TestLayersBareHandles) lists the places that give them.
type Reason string

const (
	ForAccounts         Reason = "who logs in is looked up before it is known who asks"
	ForTokens           Reason = "records of devices' tokens are hidden from everybody"
	ForUserDatabases    Reason = "databases of users are made and handed over by the server"
	ForSetup            Reason = "the server puts into its own databases what belongs there"
	ForFunctions        Reason = "functions of design documents run whether or not their caller may read them"
	ForIndexes          Reason = "an index holds what all may see together; what is shown of it is judged by the handle of who asks"
	ForReplications     Reason = "documents of _replicator are read and brought up to date by the server"
	ForSynchronizations Reason = "the server's own records; what is brought in is written by the handle of its owner"
	ForMembers          Reason = "what processes that share a storage have in common is kept by the server"
	ForFolder           Reason = "whoever runs the command on the folder may do everything"
	ForBackups          Reason = "a backup has everything, and is for server administrators only"
	ForUpdates          Reason = "what happens to databases is noted by the server"
	ForUpkeep           Reason = "numbers, space and damage are told, and no documents"
)

// Bare opens a database for the server itself, or hands out the open one. The error is ErrNoDB
// if there is none. The caller releases the handle when done.
func (s *Store) Bare(ctx context.Context, name string, why Reason) (Bare, error) {
	if why == "" {
		return Bare{}, errNoReason
	}
	db, _, err := s.current(ctx, name, provedFor)
	return Bare{db}, err
}

// Unguarded makes an ordinary handle of it, for code that takes either kind.
func (b Bare) Unguarded() *DB { return b.bareDB }

// Opening is what may be known of a database before anybody is let in.
type Opening struct {
	db    *DB
	facts *facts // that were read on the way, or nil
}

// Name is the database's name.
func (o Opening) Name() string { return o.db.Name() }

// Security is the security object as it was set, nil if it never was.
func (o Opening) Security(ctx context.Context) ([]byte, error) {
	if o.facts != nil {
		return o.facts.security, nil
	}
	return o.db.Security(ctx)
}

// Open opens a database for a user, or hands out the open one. admit judges whether they may
// use it at all, and gives the guard of their handle. The error is ErrNoDB or admit's. The
// caller releases the handle when done. A hidden database is not there for anybody.
func (s *Store) Open(ctx context.Context, name string, admit func(context.Context, Opening) (*Guard, error)) (*DB, error) {
	if Hidden(name) {
		return nil, ErrNoDB
	}
	s.visited.Store(time.Now().UnixNano())
	db, a, err := s.current(ctx, name, 0)
	if err != nil {
		return nil, err
	}
	g, err := admit(ctx, Opening{db, a.facts})
	if err == nil && g == nil {
		err = errNoGuard
	}
	if err != nil {
		db.Release()
		return nil, err
	}
	db = db.Guarded(g)
	if a.r != nil {
		read := a
		db.ahead.Store(&read)
	}
	return db, nil
}
