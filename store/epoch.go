package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/record"
)

// Epoch is a stretch of a database's history that was made without a break. Each time that a
// process opens a database and writes, and each time that a database is restored, an epoch
// begins. So an epoch and a sequence name one state for ever, also when the files of a database
// are copied or put back: what is written then is of another epoch.
//
// A database begins with the epoch that its identity names (Instance), from sequence 1. One that was
// restored has an identity of its own, and the former one as its first epoch.
type Epoch struct {
	ID    string // random
	First uint64 // the first sequence that it covers; it ends before the next one's
}

// An epoch's record stands in the meta space under "epoch/" and the first sequence, 8 bytes
// big-endian: version | id. The transaction that makes this sequence writes it, so opening a
// database for reading writes nothing.

const (
	metaEpoch  = "epoch/"
	epochBytes = 8
	// keptEpochs is how many a compaction keeps.
	keptEpochs = 1000
)

func newEpochID() string {
	id := make([]byte, epochBytes)
	rand.Read(id)
	return hex.EncodeToString(id)
}

func epochKey(first uint64) []byte { return append([]byte(metaEpoch), seqKey(first)...) }

func (e *Epoch) encode() ([]byte, error) {
	id, err := hex.DecodeString(e.ID)
	return append([]byte{record.Version}, id...), err
}

func parseEpoch(k, v []byte) (e Epoch, err error) {
	if e.First, err = seqOfKey(k[len(metaEpoch):]); err != nil {
		return e, err
	}
	if len(v) != 1+epochBytes && len(v) != 1+instanceBytes || v[0] != record.Version {
		return e, corrupt("epoch from sequence %d", e.First)
	}
	e.ID = hex.EncodeToString(v[1:])
	return e, nil
}

func epochRange() engine.Range {
	to := []byte(metaEpoch)
	to[len(to)-1]++
	return engine.Range{From: []byte(metaEpoch), To: to}
}

// readEpochs lists the epochs on disk, the oldest first.
func readEpochs(r engine.Reader) (list []Epoch, err error) {
	err = r.Scan(spaceMeta, epochRange(), func(k, v []byte) (bool, error) {
		e, err := parseEpoch(k, v)
		list = append(list, e)
		return true, err
	})
	return list, err
}

// history says in which epoch each sequence of a database was made. It never changes.
type history struct {
	instance string
	epochs   []Epoch
	opened   time.Time // when this process entered the newest epoch
}

// newest is the epoch of the next sequence.
func (h *history) newest() Epoch {
	if n := len(h.epochs); n > 0 {
		return h.epochs[n-1]
	}
	return Epoch{h.instance, 1}
}

// of is the epoch in which a sequence was made.
func (h *history) of(seq uint64) string {
	n := len(h.epochs)
	if n > 0 && h.epochs[n-1].First > seq {
		n, _ = slices.BinarySearchFunc(h.epochs, seq+1, func(e Epoch, next uint64) int { return cmp.Compare(e.First, next) })
	}
	if n == 0 {
		return h.instance
	}
	return h.epochs[n-1].ID
}

// reach says how far an epoch goes here: to a sequence, or to the newest one there is.
func (h *history) reach(id string) (last uint64, open, known bool) {
	next, open := uint64(0), true
	for i := len(h.epochs) - 1; i >= 0; i-- {
		if h.epochs[i].ID == id {
			return next - 1, open, true
		}
		next, open = h.epochs[i].First, false
	}
	return next - 1, open, id == h.instance
}

// lineage is the history of an open database.
type lineage struct {
	now atomic.Pointer[history]
	// begun says that the newest epoch of the history is on disk. Otherwise the next sequence
	// begins it. The committer sets it.
	begun atomic.Bool
}

// Seq is a sequence of this database.
func (db *DB) Seq(n uint64) Seq { return Seq{N: n, Epoch: db.lineage.now.Load().of(n)} }

// Epoch names the epoch of the next sequence.
func (db *DB) Epoch() string { return db.lineage.now.Load().newest().ID }

// Opened says since when this process has had the database for itself: nobody has put its files
// back or written to them, and no sequence that was ever shown has been lost. Who has written
// something, and finds another time later, cannot be sure that it is still there. On an engine
// that processes share it is the time at which the database was created, or put back.
func (db *DB) Opened() time.Time { return db.lineage.now.Load().opened }

// Epochs lists the epochs of the sequences that there are, the oldest first. Sequences before
// the first of them are of the epoch of the database's identity (Instance). Where many have been
// merged, the first one stands for those before it.
func (db *DB) Epochs(ctx context.Context) (list []Epoch, err error) {
	err = db.view(ctx, func(r engine.Reader) error {
		list, err = readEpochs(r)
		return err
	})
	return list, err
}

// Was reports whether this is the database of an instance: its own, or that of a database whose
// backup it was restored from, be it at several removes.
func (db *DB) Was(instance string) bool {
	_, _, known := db.lineage.now.Load().reach(instance)
	return known || slices.Contains(db.identity.Former, instance)
}

// Common is the last sequence of this database that belongs to the history in which seq was
// made as well, up to seq: seq.N itself if this database has come by it. Where an older copy of
// the files has been put back, it is the place at which the copy was taken. It is 0 if nothing
// is known to be common.
func (db *DB) Common(ctx context.Context, seq Seq) (uint64, error) {
	if seq.N == 0 {
		return 0, nil
	}
	last, open, known := db.lineage.now.Load().reach(seq.Epoch)
	if !known && db.shared { // another process may have begun it
		if err := db.readHistory(ctx); err != nil {
			return 0, err
		}
		last, open, known = db.lineage.now.Load().reach(seq.Epoch)
	}
	if !known {
		return 0, nil
	}
	if open {
		if last = db.news.newest(); seq.N > last { // news of it may be on their way
			var err error
			if last, err = db.UpdateSeq(ctx); err != nil {
				return 0, err
			}
		}
	}
	return min(seq.N, last), nil
}

// readHistory takes in the epochs that other processes have begun.
func (db *DB) readHistory(ctx context.Context) error {
	return db.view(ctx, func(r engine.Reader) error {
		_, err := db.factsIn(r)
		return err
	})
}

// enterHistory takes in the epochs of a database that is being opened. Unless this process itself
// made its newest sequence, the next one begins an epoch: nobody can know what has happened to
// the files. Where processes share databases, files are not put back behind their backs.
func (db *DB) enterHistory(o opening) {
	h := &history{instance: db.identity.Instance, epochs: o.epochs, opened: db.store.opt.Clock()}
	next := newEpochID()
	switch left, ok := db.store.left(db.name); {
	case db.shared:
		if next, h.opened = "", db.identity.Created; o.renewed.After(h.opened) {
			h.opened = o.renewed
		}
	case ok && left.id == h.newest().ID && left.last == o.last:
		next, h.opened = left.next, left.opened
	}
	if next != "" {
		h.epochs = follow(h.epochs, Epoch{next, o.last + 1})
	}
	db.lineage.now.Store(h)
	db.lineage.begun.Store(next == "")
}

// learn takes in epochs that are on disk, or about to be.
func (db *DB) learn(list []Epoch) {
	was := db.lineage.now.Load()
	h := &history{was.instance, list, was.opened}
	if h.newest().ID != was.newest().ID && !db.shared {
		h.opened = db.store.opt.Clock()
	}
	db.lineage.now.Store(h)
}

// enteredAt takes in when an epoch was last begun on purpose, where processes share the database: all
// of them say the same of it (Opened).
func (db *DB) enteredAt(renewed time.Time) {
	if was := db.lineage.now.Load(); renewed.After(was.opened) {
		db.lineage.now.Store(&history{was.instance, was.epochs, renewed})
	}
}

// follow appends an epoch; if the last one has covered nothing, it takes its place.
func follow(list []Epoch, next Epoch) []Epoch {
	if n := len(list); n > 0 && list[n-1].First == next.First {
		list = list[:n-1]
	}
	return append(list, next)
}

// RenewEpoch begins an epoch at once, because what comes now is not what came after the present
// state elsewhere.
func (db *DB) RenewEpoch(ctx context.Context) error {
	id := newEpochID()
	now, err := db.store.Now(ctx)
	if err != nil {
		return err
	}
	return db.commits.submit(ctx, &op{bytes: 64, apply: func(w *writer) error {
		if db.shared {
			if err := w.renewedAt(now); err != nil {
				return err
			}
		}
		return w.beginEpoch(id)
	}})
}

// renewedAt notes for all processes when an epoch was begun on purpose.
func (w *writer) renewedAt(now time.Time) error {
	return w.tx.Put(spaceMeta, metaRenewed, binary.AppendUvarint([]byte{record.Version}, uint64(now.UnixMicro())))
}

// enter begins the epoch of the next sequence, if it has not begun.
func (w *writer) enter() error {
	if w.entered {
		return nil
	}
	if w.era.ID != 0 {
		return w.enterEra()
	}
	if w.db.lineage.begun.Load() {
		return nil
	}
	return w.beginEpoch(w.db.Epoch())
}

// beginEpoch lets an epoch begin with the next sequence, unless an attempt of unknown outcome
// has done so. Readers know it before the commit: where it fails, no sequence is of this epoch.
func (w *writer) beginEpoch(id string) error {
	if err := w.restamp(); err != nil {
		return err
	}
	list, err := readEpochs(w.tx)
	if err != nil {
		return err
	}
	if n := len(list); n == 0 || list[n-1].ID != id {
		e := Epoch{id, w.last + 1}
		v, err := e.encode()
		if err != nil {
			return err
		}
		if err := w.tx.Put(spaceMeta, epochKey(e.First), v); err != nil {
			return err
		}
		if err := w.renewConflictsNote(newestEpoch(list, w.db.identity.Instance), id); err != nil {
			return err
		}
		list = follow(list, e)
	}
	w.entered = true
	w.db.lineage.begun.Store(false) // until the commit
	w.db.learn(list)
	return nil
}

// mergeEpochs forgets the oldest epochs, all but some. The oldest one that is left takes their sequences: all
// that have it have these in common as well. A place that names a forgotten one is no longer
// known, and neither is one that names the identity.
func (db *DB) mergeEpochs(ctx context.Context, keep int) error {
	if len(db.lineage.now.Load().epochs) <= keep { // the newest of these may be still to come
		return nil
	}
	return db.commits.submit(ctx, &op{upkeep: true, sparing: true, bytes: keep * 32, apply: func(w *writer) error {
		list, err := readEpochs(w.tx)
		if err != nil || len(list) <= keep {
			return err
		}
		if err := w.restamp(); err != nil {
			return err
		}
		list = list[len(list)-keep:]
		if err := w.tx.DeleteRange(spaceMeta, []byte(metaEpoch), append(epochKey(list[0].First), 0)); err != nil {
			return err
		}
		list[0].First = 1
		v, err := list[0].encode()
		if err != nil {
			return err
		}
		if err := w.tx.Put(spaceMeta, epochKey(1), v); err != nil {
			return err
		}
		if !w.db.lineage.begun.Load() {
			list = follow(list, Epoch{w.db.Epoch(), w.last + 1})
		}
		w.db.learn(list)
		return nil
	}})
}

// leftAt is how this process left a database that it closed for want of use. If it is found so,
// nothing has happened to it.
type leftAt struct {
	id     string // the newest epoch on disk
	last   uint64 // the newest sequence
	next   string // the epoch of the next sequence, if that is another one
	opened time.Time
}

// maxLeft bounds how many of these are kept. A database that is forgotten gets an epoch more.
const maxLeft = 100_000

// leaving notes how an idle database is left. The caller holds mu.
func (s *Store) leaving(db *DB) {
	if db.openErr != nil || s.eng.Caps().Shared {
		return
	}
	h := db.lineage.now.Load()
	at := leftAt{id: h.newest().ID, last: db.news.newest(), opened: h.opened}
	if !db.lineage.begun.Load() {
		before := history{instance: h.instance, epochs: h.epochs[:len(h.epochs)-1]}
		at.id, at.next = before.newest().ID, at.id
	}
	s.leave(db.name, at)
}

// leave notes how a database is left. The caller holds mu.
func (s *Store) leave(name string, at leftAt) {
	for other := range s.lefts {
		if len(s.lefts) < maxLeft {
			break
		}
		delete(s.lefts, other)
	}
	s.lefts[name] = at
}

// left takes the note of a database that is being opened.
func (s *Store) left(name string) (at leftAt, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok = s.lefts[name]
	delete(s.lefts, name)
	return at, ok
}

// epochs checks that no epoch begins twice, or later than with the next sequence.
func (c *checker) epochs() error {
	top, err := newest(c.r)
	if err != nil {
		return nil // totals has reported it
	}
	seen := map[string]uint64{}
	return c.r.Scan(spaceMeta, epochRange(), func(k, v []byte) (bool, error) {
		e, err := parseEpoch(k, v)
		switch before, twice := seen[e.ID]; {
		case err != nil:
			c.report("%v", err)
		case e.First == 0, e.First > top.seq+1:
			c.report("an epoch begins with sequence %d, the newest is %d", e.First, top.seq)
		case twice:
			c.report("an epoch begins with sequence %d and again with %d", before, e.First)
		default:
			seen[e.ID] = e.First
		}
		return true, nil
	})
}
