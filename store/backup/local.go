package backup

import (
	"context"
	"io"

	"github.com/tododb/tododb/store"
)

// Local is the Source of a store in this process.
type Local struct {
	Store *store.Store
	// Temp makes a file for what waits to be sent, where Options has no Temp; nil: in the system's
	// folder for such files.
	Temp func() (TempFile, error)
}

// Databases lists all that there are.
func (l Local) Databases(ctx context.Context) ([]string, error) { return l.Store.Names(ctx, "", -1) }

// Stream opens the stream of a database.
func (l Local) Stream(ctx context.Context, database string, opt Options) (io.ReadCloser, error) {
	if opt.Temp == nil {
		opt.Temp = l.Temp
	}
	return l.pipe(ctx, database, func(ctx context.Context, db store.Bare, w io.Writer) error {
		_, err := Capture(ctx, db, w, opt)
		return err
	})
}

// Contents opens a stream of attachments.
func (l Local) Contents(ctx context.Context, database string, digests []store.Digest) (io.ReadCloser, error) {
	return l.pipe(ctx, database, func(ctx context.Context, db store.Bare, w io.Writer) error {
		return Contents(ctx, db, digests, w)
	})
}

// pipe gives what is written for a reader to take. Its Close ends the writing and waits for it.
func (l Local) pipe(ctx context.Context, database string, write func(context.Context, store.Bare, io.Writer) error) (io.ReadCloser, error) {
	db, err := l.Store.Bare(ctx, database, store.ForBackups)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	r, w := io.Pipe()
	p := &localStream{PipeReader: r, cancel: cancel, over: make(chan struct{})}
	go func() { // ends with Close
		defer close(p.over)
		defer db.Release()
		w.CloseWithError(write(ctx, db, w))
	}()
	return p, nil
}

type localStream struct {
	*io.PipeReader
	cancel func()
	over   chan struct{}
}

func (s *localStream) Close() error {
	s.cancel()
	err := s.PipeReader.Close()
	<-s.over
	return err
}
