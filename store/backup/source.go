package backup

import (
	"context"
	"io"

	"github.com/tododb/tododb/store"
)

// Source gives the streams of a server's databases. Local (a store) is one, and a server behind
// HTTP is another: GET /{db}/_backup is Stream, POST /{db}/_backup is Contents.
type Source interface {
	// Databases lists the databases that there are, in byte order.
	Databases(ctx context.Context) ([]string, error)
	// Stream opens the stream of a database. The error, of this call or of a read, may be
	// store.ErrNoDB or ErrContinue. The caller closes the stream. A stream that ends before its
	// end was cut: Reader.Reached says where to go on.
	Stream(ctx context.Context, database string, opt Options) (io.ReadCloser, error)
	// Contents opens a stream of attachments with their content and nothing else. Those that the
	// database does not have any longer come without content.
	Contents(ctx context.Context, database string, digests []store.Digest) (io.ReadCloser, error)
}

// Options say what is in a stream.
type Options struct {
	// Since is the Point that the stream continues; zero: the stream is whole.
	Since store.Point
	// NoContent leaves out the content of attachments, for who may have it already.
	NoContent bool
	// Checkpoints takes in the replication checkpoints among the local documents, which a Restore
	// drops anyway unless it moves a database.
	Checkpoints bool
	// Page is how many documents are read in one snapshot at most (1,000).
	Page int
	// Temp makes a file for what waits to be sent; nil: in the system's folder for such files.
	Temp func() (TempFile, error)
	// Progress is told how far the stream has come, now and then; may be nil.
	Progress func(Progress)
}
