package store

import (
	"errors"
	"fmt"
)

// One sentinel for each answer that a caller treats differently. Outcomes for a single document
// come in Result.Err; all others end the call.
var (
	ErrNoDB      = errors.New("no such database")
	ErrDBExists  = errors.New("database exists already")
	ErrBadDBName = errors.New("illegal database name")
	ErrSystemDB  = errors.New("a system database cannot be partitioned")
	ErrMissing   = errors.New("missing")                  // no such document or revision
	ErrDeleted   = errors.New("deleted")                  // the winner is a tombstone
	ErrConflict  = errors.New("document update conflict") // the parent is not an editable leaf
	ErrBadSeq    = errors.New("malformed update sequence")
	ErrIDTooLong = errors.New("document id is too long")
	ErrBadLimit  = errors.New("limit must be a positive number")
	// ErrReplaced says that another database has taken the place of the one that was opened, under
	// the same name. It is ErrNoDB too; who opens the name again has the new one.
	ErrReplaced = fmt.Errorf("%w: another one has taken its place", ErrNoDB)
	// ErrBadPeriod says that a text is no period (ParsePeriod).
	ErrBadPeriod = errors.New("a period must be a number and a unit of time, such as 30_days, or infinity")
	// ErrTombstonesStay says that the server follows the deletions of this database itself.
	ErrTombstonesStay = errors.New("the tombstones of a system database stay")
	ErrCompactRunning = errors.New("compaction is already running")
	ErrUnavailable    = errors.New("storage is not available") // nothing was written, unless it is ErrUnknown too
	// ErrHeld says that all databases are held as they are: they are being moved, or have been. It is
	// ErrUnavailable too.
	ErrHeld   = errors.New("the databases are held as they are")
	ErrClosed = errors.New("store is closed")
	// ErrUnknown says that nobody knows whether a write took place. It is ErrUnavailable too.
	ErrUnknown = errors.New("the outcome of the write is unknown")
	// ErrFull says that the disk has no space left; nothing was written.
	ErrFull = errors.New("no space is left on the disk")
	// ErrNoRoom says that so little space is left that nothing but deletions is written
	// (Options.NoRoom).
	ErrNoRoom = errors.New("the disk is nearly full")
	// ErrNotWritten is the Result of an acceptable edit in an all-or-nothing Write that was
	// refused.
	ErrNotWritten = errors.New("not written, because other documents were refused")
	// ErrTransactionTooLarge says that edits that need one transaction do not fit in one.
	ErrTransactionTooLarge = errors.New("too much for one transaction")
	// ErrOtherRequest says that a Once was used before, for another request.
	ErrOtherRequest = errors.New("a different request used this key before")
	ErrCorrupt      = errors.New("stored record is damaged")
	// ErrDamaged says that the storage of a database is damaged, or is not a database's. The
	// database is closed; it is opened again once something else is in its place.
	ErrDamaged = errors.New("the database is damaged")

	errNoReason = errors.New("an unguarded handle needs a reason")
	errNoGuard  = errors.New("a user's handle needs a guard")
)
