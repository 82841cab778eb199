package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/record"
)

// Once makes sure that a Write is applied no more than once. The transaction that writes also
// records its answer, under a key that the caller draws. A transaction that finds the key
// writes nothing. So a caller that does not know what became of its write can repeat it.
type Once struct {
	Key         [sha256.Size]byte
	Fingerprint [sha256.Size]byte // of everything that the answer depends on
	// Answer turns the outcome into the bytes to record; nil: nothing is recorded, because nothing was
	// written and the next try may find things otherwise. It is called within the transaction,
	// perhaps several times.
	Answer func(results []Result, err error) []byte
}

// Repeated says that a Write with this Once was done before, and holds what it recorded.
type Repeated struct {
	Answer      []byte
	Fingerprint [sha256.Size]byte
}

func (e *Repeated) Error() string { return "this was done before" }

// Limits of what is remembered of Onces: a day, and no more of them than this.
const (
	onceAge   = 24 * time.Hour
	onceCount = 100_000
	onceBytes = 64 << 20
	onceAtOne = 64 // how many old ones a new one removes at most
)

// The once space has two kinds of keys:
//
//	'k' | key (32)    version | uvarint n | uvarint second (Unix) | fingerprint (32) | answer, as a body record
//	'n' | n (8)       version | uvarint second | uvarint total | key (32)
//
// The second kind is a queue: the oldest go first. n is the last one plus one. total is the
// size in bytes of all records up to this one, so the difference of two totals is the size of
// the records between them.
const (
	onceByKey = 'k'
	onceQueue = 'n'
)

type onceRecord struct {
	n, second   uint64
	fingerprint [sha256.Size]byte
	answer      []byte // a body record; aliases the record
}

func onceKey(key [sha256.Size]byte) []byte { return append([]byte{onceByKey}, key[:]...) }

func parseOnce(v []byte) (rec onceRecord, err error) {
	r := record.Read(v)
	version := r.Byte()
	rec.n, rec.second = r.Uvarint(), r.Uvarint()
	r.Fill(rec.fingerprint[:])
	rec.answer = r.Rest
	if version != record.Version || r.Bad {
		return rec, corrupt("answer record")
	}
	return rec, nil
}

// onceEntry is an entry of the queue.
type onceEntry struct {
	n, second, total uint64
	key              [sha256.Size]byte
}

func onceQueueKey(n uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{onceQueue}, n)
}

func (e *onceEntry) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(append(b, record.Version), e.second)
	b = binary.AppendUvarint(b, e.total)
	return append(b, e.key[:]...)
}

func parseOnceEntry(k, v []byte) (e onceEntry, err error) {
	r := record.Read(v)
	version := r.Byte()
	e.second, e.total = r.Uvarint(), r.Uvarint()
	r.Fill(e.key[:])
	if version != record.Version || r.Bad || len(k) != 9 {
		return e, corrupt("answer queue")
	}
	e.n = binary.BigEndian.Uint64(k[1:])
	return e, nil
}

// onceQueueRange is where the queue is.
func onceQueueRange() engine.Range {
	return engine.Range{From: []byte{onceQueue}, To: []byte{onceQueue + 1}}
}

// Repeated looks for what a Write with a Once of this key recorded. It is nil if there was no
// such Write, or if it is so old that it is forgotten.
func (db *DB) Repeated(ctx context.Context, key [sha256.Size]byte) (found *Repeated, err error) {
	err = db.view(ctx, func(r engine.Reader) error {
		found, err = db.findOnce(r, key)
		return err
	})
	return found, err
}

func (db *DB) findOnce(r engine.Reader, key [sha256.Size]byte) (*Repeated, error) {
	v, err := r.Get(spaceOnce, onceKey(key))
	if err != nil || v == nil {
		return nil, err
	}
	rec, err := parseOnce(v)
	if err != nil || onceExpired(rec.second, unixSecond(db.store.opt.Clock())) {
		return nil, err
	}
	stored, err := parseBody(rec.answer)
	if err != nil {
		return nil, err
	}
	answer, err := stored.appendJSON(nil)
	return &Repeated{Answer: answer, Fingerprint: rec.fingerprint}, err
}

func onceExpired(second, now uint64) bool {
	return now >= second+uint64(onceAge/time.Second)
}

// repeated checks whether a Once was used before; outcome is a *Repeated, ErrOtherRequest, or
// nil.
func (w *writer) repeated(once *Once) (outcome, err error) {
	found, err := w.db.findOnce(w.tx, once.Key)
	switch {
	case err != nil || found == nil:
		return nil, err
	case found.Fingerprint != once.Fingerprint:
		return ErrOtherRequest, nil
	}
	return found, nil
}

// record stores an answer and removes old ones.
func (w *writer) record(once *Once, answer []byte) error {
	rec := onceRecord{n: 1, second: unixSecond(w.db.store.opt.Clock()), fingerprint: once.Fingerprint, answer: encodeBody(answer, nil)}
	newest := onceQueueRange()
	newest.Reverse, newest.Limit = true, 1
	total := uint64(0)
	err := w.tx.Scan(spaceOnce, newest, func(k, v []byte) (bool, error) {
		e, err := parseOnceEntry(k, v)
		rec.n, total = e.n+1, e.total
		return false, err
	})
	if err != nil {
		return err
	}
	value := binary.AppendUvarint([]byte{record.Version}, rec.n)
	value = append(binary.AppendUvarint(value, rec.second), rec.fingerprint[:]...)
	value = append(value, rec.answer...)
	e := onceEntry{n: rec.n, second: rec.second, total: total + uint64(len(value)), key: once.Key}
	if err := w.forgetOnces(e); err != nil {
		return err
	}
	return errors.Join(w.tx.Put(spaceOnce, onceKey(once.Key), value),
		w.tx.Insert(spaceOnce, onceQueueKey(e.n), w.keep(e.appendTo)))
}

// forgetOnces removes the oldest records: expired ones, and those that exceed the limits once
// coming is added.
func (w *writer) forgetOnces(coming onceEntry) error {
	var old []onceEntry
	oldest := onceQueueRange()
	oldest.Limit = onceAtOne
	err := w.tx.Scan(spaceOnce, oldest, func(k, v []byte) (bool, error) {
		e, err := parseOnceEntry(k, v)
		goes := err == nil && (onceExpired(e.second, coming.second) || coming.n-e.n >= onceCount || coming.total-e.total > onceBytes)
		if goes {
			old = append(old, e)
		}
		return goes, err
	})
	if err != nil {
		return err
	}
	for _, e := range old {
		if err := dropAnswer(w.tx, &e); err != nil {
			return err
		}
	}
	return nil
}

// dropAnswer removes an entry of the queue, and the answer that it stands for.
func dropAnswer(tx engine.Tx, e *onceEntry) error {
	if err := tx.Delete(spaceOnce, onceQueueKey(e.n)); err != nil {
		return err
	}
	v, err := tx.Get(spaceOnce, onceKey(e.key))
	if err != nil || v == nil {
		return err
	}
	rec, err := parseOnce(v)
	if err != nil || rec.n != e.n {
		return err // the key was used again after it expired
	}
	return tx.Delete(spaceOnce, onceKey(e.key))
}
