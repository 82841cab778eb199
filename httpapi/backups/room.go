package backups

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/intake"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup"
)

// MediaType is that of streams.
const MediaType = "application/vnd.tododb.backup"

// Options are what a Room needs. All must be set but Restored and Target.
type Options struct {
	Access *access.Access
	Store  *store.Store
	Config *config.Config
	Spool  *intake.Spool // where what waits to be sent is kept
	// Restored is called after a database was restored, with its name; nil: nobody wants to know.
	Restored func(ctx context.Context, db string) error
	// Target is where the server's own backups are; nil: it makes none.
	Target Target
	Log    *slog.Logger
	// Closing is closed when the server stops: streams are then cut.
	Closing <-chan struct{}
}

// Room answers requests for backups.
type Room struct {
	access  *access.Access
	store   *store.Store
	config  *config.Config
	spool   *intake.Spool
	closing <-chan struct{}

	restored func(ctx context.Context, db string) error
	tasks    tasks
	target   Target
	looking  chan struct{} // holds a token of each request that reads in the target
	restores restores
	log      *slog.Logger
}

// New makes a Room. Whoever closes Closing then calls Wait.
func New(opt Options) *Room {
	return &Room{access: opt.Access, store: opt.Store, config: opt.Config, spool: opt.Spool, closing: opt.Closing, restored: opt.Restored, target: opt.Target, looking: make(chan struct{}, 1), log: opt.Log}
}

// nameOf is the database that the path names. One that nobody else may name has a path of its own.
func nameOf(r *http.Request) (string, error) {
	if _, named := wire.Part(r, "db"); !named {
		return store.SynchronizationsDB, nil
	}
	return wire.Segment(r, "db")
}

// open opens the database that the path names.
func (b *Room) open(r *http.Request) (store.Bare, error) {
	name, err := nameOf(r)
	if err != nil {
		return store.Bare{}, err
	}
	return b.store.Bare(r.Context(), name, store.ForBackups)
}

// whileOpen is the context of a request, which also ends when the server stops: whyOver says so of an error.
func (b *Room) whileOpen(r *http.Request) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(r.Context())
	go func() { // ends with the context
		select {
		case <-b.closing:
			cancel(store.ErrClosed)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// whyOver is what an error of work under whileOpen's context means: the client is still there if the server stops.
func whyOver(ctx context.Context, err error) error {
	if err != nil && context.Cause(ctx) == store.ErrClosed {
		return store.ErrClosed
	}
	return err
}

// temp makes a file for what waits to be sent.
func (b *Room) temp() (backup.TempFile, error) { return b.spool.Create() }
