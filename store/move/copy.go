package move

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/errgroup"

	"github.com/tododb/tododb/store/engine"
)

// sum is what a space holds.
type sum struct {
	Space   engine.Space `json:"space"`
	Entries int64        `json:"entries"`
	Bytes   int64        `json:"bytes"` // of keys and values
	Digest  string       `json:"digest"`
}

// lastSpace is the greatest number of a space.
const lastSpace engine.Space = 31

// Sizes of a page, which is read in one snapshot and written in one transaction.
const (
	pageBytes   = 16 << 20
	pageEntries = 50_000
	// leastEntries are written at once, if a server does not write more in the time that a statement may take.
	leastEntries = 50
)

// pageOf is how many bytes of a page go to an engine.
func pageOf(eng engine.Engine) int { return min(pageBytes, eng.Caps().MaxTxBytes/2) }

// entry is one that is on its way.
type entry struct{ k, v []byte }

// adder sums up a space.
type adder struct {
	sum
	h hash.Hash
}

func newAdder(s engine.Space) *adder { return &adder{sum{Space: s}, sha256.New()} }

func (a *adder) add(e entry) {
	var lengths [16]byte
	binary.BigEndian.PutUint64(lengths[:], uint64(len(e.k)))
	binary.BigEndian.PutUint64(lengths[8:], uint64(len(e.v)))
	a.h.Write(lengths[:])
	a.h.Write(e.k)
	a.h.Write(e.v)
	a.Entries++
	a.Bytes += int64(len(e.k) + len(e.v))
}

func (a *adder) end() sum {
	a.Digest = hex.EncodeToString(a.h.Sum(nil))
	return a.sum
}

// patience is how long a storage that is away is waited for, beyond the engine's own patience.
const patience = 2 * time.Minute

// passes reports whether what failed may succeed later.
func passes(err error) bool {
	return errors.Is(err, engine.ErrUnknown) || errors.Is(err, engine.ErrUnavailable) && !errors.Is(err, engine.ErrHeld)
}

// patient does something that may be done twice until it succeeds, or fails for good.
func patient(ctx context.Context, fn func() error) error {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 20*time.Millisecond, 2*time.Second
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := fn()
		if err != nil && !passes(err) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(patience))
	return err
}

// place is a space of a database.
type place struct {
	db engine.DB
	s  engine.Space
}

// readPage reads the entries behind a key, in a snapshot of its own. more says that there are others.
func readPage(ctx context.Context, at place, after []byte, size int) (page []entry, more bool, err error) {
	err = patient(ctx, func() error {
		page, more = nil, false
		rg := engine.Range{}
		if after != nil {
			rg.From = append(bytes.Clone(after), 0)
		}
		return at.db.View(ctx, func(r engine.Reader) error {
			bytes, room := 0, []byte(nil)
			return r.Scan(at.s, rg, func(k, v []byte) (bool, error) {
				if len(page) >= pageEntries || bytes >= size {
					more = true
					return false, nil
				}
				n := len(k) + len(v)
				if bytes += n; cap(room)-len(room) < n {
					room = make([]byte, 0, max(n, 64<<10))
				}
				room = append(append(room, k...), v...)
				e := room[len(room)-n:]
				page = append(page, entry{e[:len(k):len(k)], e[len(k):n:n]})
				return true, nil
			})
		})
	})
	return page, more, err
}

// eachPage calls fn for the entries of a space behind a key, page by page. The next page is read meanwhile.
func eachPage(ctx context.Context, at place, after []byte, size int, fn func(page []entry) error) error {
	work, ctx := errgroup.WithContext(ctx)
	pages := make(chan []entry)
	work.Go(func() error {
		defer close(pages)
		for more := true; more; {
			var page []entry
			var err error
			if page, more, err = readPage(ctx, at, after, size); err != nil {
				return err
			}
			if len(page) == 0 {
				return nil
			}
			after = page[len(page)-1].k
			select {
			case pages <- page:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	work.Go(func() error {
		for page := range pages {
			if err := fn(page); err != nil {
				return err
			}
		}
		return nil
	})
	return work.Wait()
}

// errMuch says that a storage which is there has not written a page.
var errMuch = errors.New("so much is not written at once")

// writePage writes entries that come in order behind all that are there, at most m.atOnce in a transaction.
func (m *mover) writePage(ctx context.Context, db engine.DB, s engine.Space, page []entry) error {
	for len(page) > 0 {
		some := page[:min(len(page), m.atOnce)]
		err := patient(ctx, func() error {
			err := write(ctx, db, s, some)
			if !passes(err) || len(some) <= leastEntries {
				return err
			}
			if _, away := last(ctx, db, s); away != nil {
				return err // to send less would not help
			}
			return errMuch
		})
		switch {
		case errors.Is(err, errMuch):
			m.atOnce = max(len(some)/2, leastEntries)
		case err != nil:
			return err
		default:
			size := 0
			for _, e := range some {
				size += len(e.k) + len(e.v)
			}
			m.came(size)
			page = page[len(some):]
			m.atOnce = min(m.atOnce+m.atOnce/8, pageEntries) // slowly: to try too many costs the time of a statement
		}
	}
	return nil
}

func write(ctx context.Context, db engine.DB, s engine.Space, entries []entry) error {
	return db.Update(ctx, func(tx engine.Tx) error {
		if f, can := tx.(engine.Filler); can {
			f.Fill(s)
		}
		for _, e := range entries {
			if err := tx.Put(s, e.k, e.v); err != nil {
				return err
			}
		}
		return nil
	})
}

// lastKey is the greatest key of a space, nil if it is empty.
func lastKey(ctx context.Context, db engine.DB, s engine.Space) (k []byte, err error) {
	err = patient(ctx, func() error {
		k, err = last(ctx, db, s)
		return err
	})
	return k, err
}

// last is lastKey, tried once.
func last(ctx context.Context, db engine.DB, s engine.Space) (last []byte, err error) {
	err = db.View(ctx, func(r engine.Reader) error {
		k, _, err := r.Last(s)
		last = bytes.Clone(k)
		return err
	})
	return last, err
}

// sumOf reads a whole space.
func sumOf(ctx context.Context, db engine.DB, s engine.Space, size int, read func(n int)) (sum, error) {
	a := newAdder(s)
	err := eachPage(ctx, place{db, s}, nil, size, func(page []entry) error {
		was := a.Bytes
		for _, e := range page {
			a.add(e)
		}
		read(int(a.Bytes - was))
		return nil
	})
	return a.end(), err
}

// copyDB copies what has not arrived yet, and compares all. Both have the same spaces; nobody writes to
// either.
func (m *mover) copyDB(ctx context.Context, from, to engine.DB) (all []sum, err error) {
	for s := engine.Space(1); s <= lastSpace; s++ {
		sent, err := m.copySpace(ctx, from, to, s)
		if err != nil {
			return nil, err
		}
		came, err := sumOf(ctx, to, s, m.page, m.proved)
		if err != nil {
			return nil, err
		}
		if came != sent {
			return nil, fmt.Errorf("%w: space %d has %d entries with %d bytes, want %d with %d", ErrDiffers, s, came.Entries, came.Bytes, sent.Entries, sent.Bytes)
		}
		if sent.Entries > 0 {
			all = append(all, sent)
		}
	}
	return all, nil
}

func (m *mover) copySpace(ctx context.Context, from, to engine.DB, s engine.Space) (sum, error) {
	after, err := lastKey(ctx, to, s)
	if err != nil {
		return sum{}, err
	}
	a := newAdder(s)
	err = eachPage(ctx, place{from, s}, after, m.page, func(page []entry) error {
		for _, e := range page {
			a.add(e)
		}
		return m.writePage(ctx, to, s, page)
	})
	if err != nil || after == nil {
		return a.end(), err
	}
	return sumOf(ctx, from, s, m.page, m.proved) // a part of it came earlier
}
