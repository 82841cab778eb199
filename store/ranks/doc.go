// Package ranks counts what comes before or after a place in a database without reading all of
// it: how many changes come after a sequence, and how many living documents come before an id.
// Clients that pull or page ask this with every request.
//
// Both are caches in memory. A scan counts them when they are first asked for, in a snapshot of
// its own. After that, every commit of this process updates them.
//
// What always holds:
//   - commits wait for no scan: no I/O is done under the lock that Committed takes;
//   - a count knows its sequence, so each commit is counted exactly once.
package ranks

import (
	"context"
	"errors"

	"github.com/tododb/tododb/store/engine"
)

// Database is what is counted, as its records are known to who writes them.
type Database interface {
	// View runs fn on a snapshot.
	View(ctx context.Context, fn func(engine.Reader) error) error
	// Newest is the newest sequence, and whether a marker without a document stands there.
	Newest(r engine.Reader) (seq uint64, marker bool, err error)
	// Entries calls fn with the sequences of entries, markers too, from one up to another, to
	// the end for 0.
	Entries(r engine.Reader, from, to uint64, fn func(seq uint64) error) error
	// Living calls fn with the ids of living documents in a range of keys, [from, to). They
	// are good during the call.
	Living(r engine.Reader, from, to []byte, fn func(id []byte)) error
}

// Move is what a write did to a document's place.
type Move struct {
	Was, Now uint64 // the document's sequence before (0: none) and after (0: none)
	At       uint64 // the sequence of the write
	ID       string
	Live     int // how the number of living documents changed
}

// ErrBeyond says that there is an entry after the newest one.
var ErrBeyond = errors.New("a sequence after the newest")
