package replicate

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tododb/tododb/store/filter"
)

var (
	// ErrNoDB says that a database does not exist.
	ErrNoDB = errors.New("no such database")
	// ErrUnauthorized says that a peer wants credentials, or different ones.
	ErrUnauthorized = errors.New("unauthorized")
	// ErrForbidden says that these credentials do not allow what is needed at a peer.
	ErrForbidden = errors.New("forbidden")
	// ErrNetwork says that replications may not connect to an address.
	ErrNetwork = errors.New("network refused")
	// ErrNoFilter says that the source has no such filter function.
	ErrNoFilter = errors.New("no such filter function")
	// ErrNoJob says that there is no replication to cancel.
	ErrNoJob = errors.New("no such replication")
	// ErrNotYours says that a replication belongs to another user.
	ErrNotYours = errors.New("the replication belongs to another user")
	// ErrNotBuilt says that a replication from a local source has a filter function, and that
	// the Manager has nothing to run it.
	ErrNotBuilt = errors.New("a filter function of a local source needs a server that runs it")
	// ErrCancelled says that somebody has cancelled the replication that a request waits for.
	ErrCancelled = errors.New("the replication was cancelled")
	// ErrClosed says that the manager has been closed.
	ErrClosed = errors.New("the replicator is shutting down")
	// errNoDatabase says that something other than a database answers.
	errNoDatabase = errors.New("the peer is not a database")
	// errReopened says that a database may lack what it had: its server was restarted, its files
	// were put back, or it was deleted and created again.
	errReopened = errors.New("the database may have changed: it was opened again, put back, or created again")
	// errMissing says that a local document does not exist.
	errMissing = errors.New("missing")
)

// BadRequest says that a request for a replication makes no sense.
type BadRequest struct{ Reason string }

func (e *BadRequest) Error() string { return e.Reason }

// BadEndpoint says that a source or target names no database.
type BadEndpoint struct{ Reason string }

func (e *BadEndpoint) Error() string { return e.Reason }

// PeerError says what went wrong with one of the sides.
type PeerError struct {
	Peer string // its name, without credentials
	Err  error
}

func (e *PeerError) Error() string { return e.Peer + ": " + e.Err.Error() }
func (e *PeerError) Unwrap() error { return e.Err }

// StatusError is a peer's answer that is neither a success nor one of the errors above.
type StatusError struct {
	Status     int
	Word       string // CouchDB's error word, "" if the answer had none
	Reason     string
	RetryAfter time.Duration // as the peer asked, 0 if it did not
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("status %d: %s %s", e.Status, e.Word, e.Reason)
}

// transient tells whether it may help to try again.
func transient(err error) bool {
	if _, long := errors.AsType[*longURL](err); long {
		return false
	}
	if s, ok := errors.AsType[*StatusError](err); ok {
		return s.Status == http.StatusTooManyRequests || s.Status == http.StatusRequestTimeout || s.Status >= 500 && s.Status != http.StatusNotImplemented
	}
	if _, bad := errors.AsType[*filter.Error](err); bad {
		return false
	}
	for _, final := range []error{ErrNetwork, ErrNoDB, ErrUnauthorized, ErrForbidden, ErrNotBuilt, errMissing, errMissingStub, errRedirect, errReopened, ErrNoFilter} {
		if errors.Is(err, final) {
			return false
		}
	}
	return true
}
