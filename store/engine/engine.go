package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Space is one ordered key space of a database. Its users number spaces from 1 to 31;
// the numbers are on disk.
type Space byte

// DBID distinguishes a database from every other, even an earlier one of the same name.
type DBID string

// Engine holds databases.
type Engine interface {
	// Create makes a database that has only these entries, if any: it is there with all of them,
	// or not at all. The error may be ErrExists.
	Create(ctx context.Context, name string, first ...Entry) (DB, error)
	// Open opens a database. The error may be ErrNoDB. If it is already open, Open returns
	// another handle to it.
	Open(ctx context.Context, name string) (DB, error)
	// Aside makes an empty database that is to have this name later. Until it is published, nobody
	// else can open or list it, and what it holds need not be durable. Several may be made for one
	// name. What a crash leaves of it is removed.
	Aside(ctx context.Context, name string) (Aside, error)
	// Drop deletes a database at once. The error may be ErrNoDB. Calls on handles that are
	// still open fail with ErrNoDB; a View that has begun reads on. Space is given back when
	// it can be.
	Drop(ctx context.Context, name string) error
	// List returns the names after a given one in byte order, at most limit of them, or all if
	// limit is negative.
	List(ctx context.Context, after string, limit int) ([]string, error)
	Caps() Caps
	Close() error
}

// Caps are an engine's limits and traits.
type Caps struct {
	MaxKey     int  // bytes; package anykey takes longer keys on any engine, in one form where this is 2,049 or more
	MaxValue   int  // bytes
	MaxTxBytes int  // about how much one Update should write
	Shared     bool // other processes may write to the same databases
}

// DB is a handle to one database.
type DB interface {
	ID() DBID
	// View runs fn on one snapshot. Keep it short: it pins everything it could still read.
	// Reads in fn fail soon after ctx ends (Pace), whatever they go over.
	View(ctx context.Context, fn func(Reader) error) error
	// Update runs fn and makes its writes durable. It writes nothing if fn fails, or if ctx
	// ends before the commit begins.
	Update(ctx context.Context, fn func(Tx) error) error
	// Stage writes values that nothing refers to yet, in as many transactions as it likes.
	// Repeating it does no harm.
	Stage(ctx context.Context, s Space, kvs iter.Seq2[[]byte, []byte]) error
	// Sub opens a separate database that belongs to this one and is deleted with it; Sub makes
	// it if it is not there.
	Sub(ctx context.Context, name string) (DB, error)
	// DropSub deletes such a database; it is no error if it is not there.
	DropSub(ctx context.Context, name string) error
	Watch() Watcher
	// Close releases the handle. It waits for calls under way.
	Close() error
}

// Aside is a database that is made aside, and then takes its place at once.
type Aside interface {
	DB
	// Publish makes everything durable and gives the database its name: after a crash it is there
	// with all its entries, or not at all. The error may be ErrExists. Whatever the outcome, the
	// handle is closed: a published database is opened by its name.
	Publish(ctx context.Context) error
	// Replace is Publish, but a database of this name is deleted in the same step, as by Drop.
	Replace(ctx context.Context) error
	// Close deletes the database, unless it has its name.
	Close() error
}

// Reader reads a snapshot. Slices are valid until fn returns.
type Reader interface {
	// Get returns the value of a key, nil if it is not there.
	Get(s Space, k []byte) ([]byte, error)
	// GetMulti gets many values in one go. It calls fn once for each key, in order, with nil
	// if the key is not there.
	GetMulti(s Space, ks [][]byte, fn func(i int, v []byte) error) error
	// Last returns the greatest key and its value, nil if the space is empty.
	Last(s Space) (k, v []byte, err error)
	// Scan calls fn for the entries of a range in order, until it returns false.
	Scan(s Space, r Range, fn func(k, v []byte) (more bool, err error)) error
	// Cursor is Scan in pull form, for merging several ranges.
	Cursor(s Space, r Range) Cursor
}

// Cursor walks a range.
type Cursor interface {
	// Next returns the next entry; k is nil at the end.
	Next() (k, v []byte, err error)
}

// Each calls fn for the rest of a cursor's entries, until it returns false: an engine's Scan.
func Each(c Cursor, fn func(k, v []byte) (more bool, err error)) error {
	for {
		k, v, err := c.Next()
		if err != nil || k == nil {
			return err
		}
		if more, err := fn(k, v); !more || err != nil {
			return err
		}
	}
}

// Range is [From, To), nil meaning no bound.
type Range struct {
	From, To []byte
	Reverse  bool
	Limit    int  // how many entries, 0 meaning all; also a hint at how many to fetch
	KeysOnly bool // values are not wanted; they may come anyway
	// Brief says that a key is needed only until the next entry comes. That saves a copy of each long
	// key.
	Brief bool
}

// SpaceKey is a key in a space.
type SpaceKey struct {
	Space Space
	Key   []byte
}

// Entry is a key in a space with its value.
type Entry struct {
	SpaceKey
	Value []byte
}

// Tx is a writing transaction; it reads what it has written.
type Tx interface {
	Reader
	// Fetch names the keys that fn will Get, and the spaces whose Last it will ask for, so
	// that an engine behind a network can read them all at once. It is a hint.
	Fetch(keys []SpaceKey, last []Space) error
	// Put sets a value. The engine keeps v until the commit: do not change it.
	Put(s Space, k, v []byte) error
	// Insert sets the value of a key that must not be there; if it is, the error is
	// ErrDuplicate.
	Insert(s Space, k, v []byte) error
	// Delete removes a key; it is no error if it is not there.
	Delete(s Space, k []byte) error
	// DeleteRange removes [from, to), nil meaning no bound.
	DeleteRange(s Space, from, to []byte) error
}

// Fetcher is a Reader behind a network. Every Tx is one.
type Fetcher interface {
	// Fetch is that of Tx.
	Fetch(keys []SpaceKey, last []Space) error
}

// Fetch names what will be read next, so that a Reader behind a network reads it all at once. With any
// other it does nothing.
func Fetch(r Reader, keys []SpaceKey, last []Space) error {
	if f, ok := r.(Fetcher); ok {
		return f.Fetch(keys, last)
	}
	return nil
}

// Pager is a Reader behind a network.
type Pager interface {
	// FetchPage says that a range will be walked: its first entries come with whatever is read next.
	FetchPage(s Space, r Range)
	// FetchCount says that a range will be counted (Counter): so does how many entries it has.
	FetchCount(s Space, r Range)
}

// FetchPage says that a range will be walked, from its beginning and as soon as something else is read. It is
// a hint, as Fetch is.
func FetchPage(r Reader, s Space, rg Range) {
	if p, ok := r.(Pager); ok {
		p.FetchPage(s, rg)
	}
}

// FetchCount says that a range will be counted, by the same name. It is a hint.
func FetchCount(r Reader, s Space, rg Range) {
	if p, ok := r.(Pager); ok {
		p.FetchCount(s, rg)
	}
}

// Counter is a Reader that counts the entries of a range without bringing them here. One whose keys are long
// counts as none, and their links as some: it is for spaces without long keys.
type Counter interface {
	Count(s Space, r Range) (int, error)
}

// Referrer is a Tx of an engine that can read an entry and what it refers to at once (Foreseer).
type Referrer interface {
	// PutRef is Put. Whoever reads this entry will read the other one too, if it is there by then. Put and
	// Insert make an entry that refers to nothing.
	PutRef(s Space, k, v []byte, to SpaceKey) error
}

// PutRef is Put, with a reference where the engine knows any.
func PutRef(t Tx, s Space, k, v []byte, to SpaceKey) error {
	if r, ok := t.(Referrer); ok {
		return r.PutRef(s, k, v, to)
	}
	return t.Put(s, k, v)
}

// Foreseer is a DB behind a network that reads little at the price of one question.
type Foreseer interface {
	// Foresee reads the values of keys, and of what they refer to, and the stamp (Stamped), of one
	// snapshot. Whatever else the Reader is asked for is ErrUnforeseen. It stays valid.
	Foresee(ctx context.Context, keys []SpaceKey) (Reader, error)
	// ForeseeSoon is Foresee in two steps, for who has something else to ask meanwhile. The question goes out with
	// the next one of anybody, or when answer is called, which need not happen.
	ForeseeSoon(ctx context.Context, keys []SpaceKey) (answer func() (Reader, error), err error)
}

// Filler is a Tx that can pack the entries of a space. Fill says that the entries come in the
// order of their keys, after or between existing ones, and that few will come between them
// soon.
type Filler interface {
	Fill(s Space)
}

// Stamped is a Reader or a Tx of an engine where Caps.Shared. A database has a stamp there, so that
// what one process keeps of it can be known to be true though another may have written: what was read
// at the same stamp is still there. It stands for what its users choose, by calling Restamp.
type Stamped interface {
	// Stamp is the stamp of this snapshot. Beside any other read it costs next to nothing.
	Stamp() (uint64, error)
}

// Restamper is a Tx of such an engine.
type Restamper interface {
	Stamped
	// Restamp has the commit give the database a stamp that it has never had.
	Restamp() error
}

// Era is a stretch in which a storage that processes share has run without a break: it has not been started
// anew, nothing has been put back meanwhile. What it shows in another era may be what it was long ago.
type Era struct {
	ID    uint64    // never 0; another one in each era
	Since time.Time // by the storage's clock
}

// Eras is an Engine, a Reader or a Tx that knows the era: an Engine one that it has lately seen, the others that
// of their snapshot. A Stamp holds for one era only.
type Eras interface {
	// Era costs next to nothing beside any other read.
	Era() (Era, error)
}

// Newest is an Engine that can tell of many databases at once how far they are.
type Newest interface {
	// Newest calls fn for the databases after a name, in the order of List and at most limit of them,
	// with the greatest key of a space, nil if that is empty. Each is as it was at some time during the call.
	Newest(ctx context.Context, s Space, after string, limit int, fn func(name string, id DBID, k []byte) error) error
}

// Watcher signals that a database may have changed, or is gone: look again. It may signal without
// need, and once for many changes. Where Caps.Shared the signal of what another process did may come a
// second or so late, but it comes.
type Watcher interface {
	C() <-chan struct{}
	Close()
}

// Compacter is a DB that can give back the space of deleted data, while it is read and written.
type Compacter interface {
	Compact(ctx context.Context) error
}

// Sizer is a DB that knows how many bytes it takes on disk.
type Sizer interface {
	Size(ctx context.Context) (int64, error)
}

// SubLister is a DB that knows its sub-databases by what is there, though nothing refers to them.
type SubLister interface {
	Subs(ctx context.Context) ([]string, error)
}

// Measurer is a DB that knows how full its storage is.
type Measurer interface {
	// Free is how many of the bytes of Size are not in use. Writes will use them, and Compact
	// gives them back. It costs next to nothing, and may be one commit old.
	Free(ctx context.Context) (int64, error)
	// Packed is about what Size would be after Compact, in parts. It reads everything, in short
	// snapshots.
	Packed(ctx context.Context) ([]Packed, error)
}

// Packed is what a space would take after Compact.
type Packed struct {
	Space Space // 0: what is in no space
	Bytes int64 // of keys and values
	Size  int64 // on disk
}

// Stater is an Engine that can tell of a database without opening it.
type Stater interface {
	// Stat's error may be ErrNoDB.
	Stat(ctx context.Context, name string) (Stat, error)
}

// Clock is an Engine with a clock that is the same for all processes that share its databases.
type Clock interface {
	Now(ctx context.Context) (time.Time, error)
}

// Holder is an Engine whose databases can be held as they are, so that all of them can be read in one
// state. Reading goes on. Whoever writes, makes or drops one meanwhile is refused with ErrHeld, in all
// processes, also in those that start later. Making one that is there is ErrExists still.
type Holder interface {
	// Hold begins a hold if was is nil, or gives the one whose note is was another note, of a few KiB. When it
	// returns, the databases have the state that they keep. If the hold has a third note by now, or is none any
	// more, nothing changes and the error is ErrOtherHold.
	Hold(ctx context.Context, was, note []byte) error
	// Held returns the note of the hold, nil if there is none.
	Held(ctx context.Context) (note []byte, err error)
	// Unhold ends the hold. It is no error if there is none.
	Unhold(ctx context.Context) error
}

// Claimer is an Engine that one process at a time can claim, for what nobody may do beside it.
type Claimer interface {
	// Claim claims the engine, or renews the claim of that id. A claim that was not renewed for so long has ended. If
	// somebody else has it, other is not empty, and another text each time that he has renewed it.
	Claim(ctx context.Context, id string, gone time.Duration) (other string, err error)
	// Unclaim ends a claim. It is no error if there is none of that id.
	Unclaim(ctx context.Context, id string) error
}

// MayHold tells whether a hold that has the note now may have another one, if it was expected to have the
// note was. A second try finds its own.
func MayHold(now, was, note []byte) bool {
	return bytes.Equal(now, was) && (now == nil) == (was == nil) || now != nil && bytes.Equal(now, note)
}

// Stat is what can be told of a database from outside.
type Stat struct {
	Size, Subs int64     // bytes of the database, and of its sub-databases together
	Changed    time.Time // when it was last written to, at the latest
}

// Checker is a DB that can verify its own storage, below what the store sees.
type Checker interface {
	CheckStorage(ctx context.Context, report func(problem string)) error
}

var (
	ErrExists      = errors.New("engine: database exists")
	ErrNoDB        = errors.New("engine: no such database")
	ErrClosed      = errors.New("engine: closed")
	ErrDuplicate   = errors.New("engine: key exists")
	ErrUnknown     = errors.New("engine: the outcome of the commit is unknown")
	ErrUnavailable = errors.New("engine: storage is not available") // nothing was written
	ErrHeld        = fmt.Errorf("%w: the databases are held as they are", ErrUnavailable)
	ErrOtherHold   = errors.New("engine: the databases are not held as expected")
	ErrFull        = errors.New("engine: no space is left") // nothing was written
	ErrTooManyOpen = errors.New("engine: too many files are open")
	ErrUnforeseen  = errors.New("engine: this was not read ahead")
	ErrTooLarge    = errors.New("engine: key or value is too large")
	// ErrForeign is final for a handle: no later call succeeds. A commit that returned it has
	// not taken place.
	ErrForeign = errors.New("engine: not one of our databases, or damaged")
)
