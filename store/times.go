package store

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/record"
)

// The time space records when changes were committed, to the second. An entry stands for the
// changes after the sequence in its key, up to the next entry's sequence:
//
//	version | uvarint second (Unix) | uvarint span
//
// They were committed in that second by the server's clock, or, where entries have been merged
// (thinTimes), up to span seconds later. A transaction that brings changes adds an entry only
// if its second is later than the last entry's. So the seconds rise with the sequences whatever
// the clock does. While the clock is behind the last entry, changes count for that entry's
// second, so a client that asks for changes since then misses none. The time of changes before
// the first entry is unknown.
type timeEntry struct {
	after  uint64 // the sequence in the key
	second uint64
	span   uint64
}

func (e *timeEntry) end() uint64 { return e.second + e.span }

func (e *timeEntry) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(append(b, record.Version), e.second)
	return binary.AppendUvarint(b, e.span)
}

func parseTimeEntry(k, v []byte) (e timeEntry, err error) {
	if e.after, err = seqOfKey(k); err != nil {
		return e, err
	}
	r := record.Read(v)
	version := r.Byte()
	e.second, e.span = r.Uvarint(), r.Uvarint()
	if version != record.Version || r.Bad {
		return e, corrupt("time entry of sequence %d", e.after)
	}
	return e, nil
}

func unixSecond(t time.Time) uint64 { return uint64(max(t.Unix(), 0)) }

// stamp notes the time of the first change of a transaction.
func (w *writer) stamp() error {
	if w.stamped {
		return nil
	}
	w.stamped = true
	now := timeEntry{after: w.before, second: unixSecond(w.db.store.opt.Clock())}
	now.second = max(now.second, unixSecond(w.db.identity.Created)) // what modified said before the first entry
	last, ok, err := lastTime(w.tx)
	if err != nil || ok && now.second <= last.end() {
		return err
	}
	return w.tx.Insert(spaceTime, seqKey(now.after), w.keep(now.appendTo))
}

func lastTime(r engine.Reader) (e timeEntry, ok bool, err error) {
	k, v, err := r.Last(spaceTime)
	if err != nil || k == nil {
		return e, false, err
	}
	e, err = parseTimeEntry(k, v)
	return e, err == nil, err
}

// timeBefore finds the last entry whose key is less than seq. If seq is the sequence of a
// change, this entry stands for it.
func timeBefore(r engine.Reader, seq uint64) (timeEntry, bool, error) {
	return firstTime(r, engine.Range{To: seqKey(seq), Reverse: true, Limit: 1})
}

// timeFrom finds the first entry whose key is at least seq.
func timeFrom(r engine.Reader, seq uint64) (timeEntry, bool, error) {
	return firstTime(r, engine.Range{From: seqKey(seq), Limit: 1})
}

func firstTime(r engine.Reader, rg engine.Range) (e timeEntry, ok bool, err error) {
	err = r.Scan(spaceTime, rg, func(k, v []byte) (bool, error) {
		e, err = parseTimeEntry(k, v)
		ok = err == nil
		return false, err
	})
	return e, ok, err
}

// modified is the second of the newest change, or of the database's creation if no change has a
// known time.
func (db *DB) modified(r engine.Reader) (time.Time, error) {
	e, ok, err := lastTime(r)
	if err != nil || !ok {
		return db.identity.Created.Truncate(time.Second), err
	}
	return time.Unix(int64(e.end()), 0).UTC(), nil
}

// SinceTime finds the sequence from which to read all changes that were committed in the second
// of t or later. The read may include some earlier changes. For a time before the first known
// one, it starts at the beginning.
func (db *DB) SinceTime(ctx context.Context, t time.Time) (since uint64, err error) {
	err = db.view(ctx, func(r engine.Reader) error {
		last, err := newest(r)
		if err != nil {
			return err
		}
		since, err = sinceTime(r, unixSecond(t), last.seq)
		return err
	})
	return since, err
}

func sinceTime(r engine.Reader, second, newestSeq uint64) (uint64, error) {
	e, ok, err := timeAt(r, second, newestSeq)
	if err != nil || !ok {
		return 0, err
	}
	if second <= e.end() {
		return e.after, nil
	}
	next, ok, err := timeFrom(r, e.after+1)
	if err != nil || !ok {
		return newestSeq, err
	}
	return next.after, nil
}

// timeAt finds the last entry that is not later than a second. It looks backward in growing
// steps, since most callers want recent changes, and then halves what is left.
func timeAt(r engine.Reader, second, newestSeq uint64) (found timeEntry, ok bool, err error) {
	// Entries with keys from high on are too late; found is the last one with a key up to low.
	low, high := newestSeq, newestSeq+1
	for step := uint64(1); ; step *= 2 {
		found, ok, err = timeBefore(r, low+1)
		if err != nil {
			return found, false, err
		}
		if !ok || found.second <= second {
			break
		}
		high = found.after
		if high == 0 {
			return found, false, nil
		}
		low = high - min(step, high)
	}
	for high-low > 1 {
		middle := low + (high-low)/2
		e, there, err := timeBefore(r, middle+1)
		switch {
		case err != nil:
			return found, false, err
		case !there || e.second <= second:
			low, found, ok = middle, e, there
		default:
			high = e.after
		}
	}
	return found, ok, nil
}

// timeline gives the times of changes, fastest in the order of their sequences.
type timeline struct {
	after, until uint64 // it knows changes after the one and up to the other
	time         time.Time
}

// of is the time of a change; the zero time if it is not known.
func (t *timeline) of(r engine.Reader, seq uint64) (time.Time, error) {
	if seq > t.after && seq <= t.until {
		return t.time, nil
	}
	e, ok, err := timeBefore(r, seq)
	if err != nil {
		return time.Time{}, err
	}
	next, more, err := timeFrom(r, seq)
	if err != nil {
		return time.Time{}, err
	}
	*t = timeline{until: seq} // the next snapshot may have more of the last entry's changes
	if more {
		t.until = next.after
	}
	if ok {
		t.after, t.time = e.after, time.Unix(int64(e.second), 0).UTC()
	}
	return t.time, nil
}
