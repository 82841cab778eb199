package pg

import (
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tododb/tododb/store/engine"
)

// Options tune an Engine; only URL is needed.
type Options struct {
	// URL says where the server is, as a URL or in the form of libpq: all that pgx takes, such as
	// default_query_exec_mode.
	URL string
	// ListenURL is where to listen for changes of other processes (URL). It must not lead through a
	// pooler. If there is no listening, changes are found by asking.
	ListenURL string
	// Readers and Writers are how many connections there may be for either (8 each).
	Readers, Writers int
	// Patience is how long a call waits for a server that is not there (30 s). A reader waits a third
	// of that.
	Patience time.Duration
	// Sequence is the space whose last key moves with every change that Watch is to tell of (none).
	Sequence engine.Space
	// Logger hears of what goes wrong in the background (none).
	Logger *slog.Logger
	// Tracer, if not nil, sees all statements.
	Tracer pgx.QueryTracer
}

func (o Options) withDefaults() Options {
	if o.ListenURL == "" {
		o.ListenURL = o.URL
	}
	if o.Readers <= 0 {
		o.Readers = 8
	}
	if o.Writers <= 0 {
		o.Writers = 8
	}
	if o.Patience <= 0 {
		o.Patience = 30 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// How long one round trip may take, and what the server is told about it.
const (
	roundTripLimit = 20 * time.Second
	lockLimit      = 10 * time.Second
	idleLimit      = 10 * time.Second // of a transaction whose client says nothing
)

// Limits of what is written, in bytes. An index entry of PostgreSQL has at most 2,704 bytes, and that is
// after compression, so longer keys are refused by their length.
const (
	maxKey   = 2600
	maxValue = 512 << 20
	maxTx    = 8 << 20
	maxTotal = 256 << 20 // of one Update
)
