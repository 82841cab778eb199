package store

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/record"
)

// Where processes share a storage it may be put back behind their backs, to what it was some time ago: from
// a backup of its own, or since another server has taken over that did not have everything. They may even go on
// running meanwhile. The storage starts anew then, which begins an era (engine.Era). The first sequence of an
// era begins an epoch, whether something was lost or not: nobody can know.

// metaEra says in which era the newest epoch was begun: version | 8 bytes of Era.ID | uvarint of
// Era.Since in microseconds. The transaction that makes the first sequence of an era writes it.
var metaEra = []byte("era")

// errRewound says that the storage no longer has what it has shown.
var errRewound = errors.New("the storage was put back to an earlier state")

func eraOf(r any) (era engine.Era, known bool, err error) {
	e, ok := r.(engine.Eras)
	if !ok {
		return engine.Era{}, false, nil
	}
	era, err = e.Era()
	return era, err == nil && era.ID != 0, err
}

func encodeEra(era engine.Era) []byte {
	v := binary.BigEndian.AppendUint64([]byte{record.Version}, era.ID)
	return binary.AppendUvarint(v, uint64(era.Since.UnixMicro()))
}

func readEra(r engine.Reader) (engine.Era, error) {
	v, err := r.Get(spaceMeta, metaEra)
	if err != nil || v == nil {
		return engine.Era{}, err
	}
	if len(v) < 10 || v[0] != record.Version {
		return engine.Era{}, corrupt("%s of %d bytes", metaEra, len(v))
	}
	micros, _ := binary.Uvarint(v[9:])
	return engine.Era{ID: binary.BigEndian.Uint64(v[1:]), Since: time.UnixMicro(int64(micros))}, nil
}

// firstEra is the era in which the database is opened: it has shown nothing yet.
func (db *DB) firstEra(r engine.Reader) (engine.Era, error) {
	now, known, err := eraOf(r)
	if !known {
		return now, err
	}
	begun, err := readEra(r)
	if err != nil {
		return now, err
	}
	db.era.Store(now.ID)
	db.eraBegun.Store(begun.ID) // of another era: the next write finds out
	return now, nil
}

// inEra is called with each snapshot from which sequences are shown or facts are kept. In an era that the
// database has not seen, it looks whether what was shown is still there. The error is errRewound if not: whoever
// follows the database must begin anew, from the last sequence that is common.
func (db *DB) inEra(r engine.Reader) error {
	if !db.shared {
		return nil
	}
	era, known, err := eraOf(inner(r))
	if !known || era.ID == db.era.Load() {
		return err
	}
	top, err := newest(r)
	if err != nil {
		return err
	}
	list, err := readEpochs(r)
	if err != nil {
		return err
	}
	was := db.lineage.now.Load()
	if shown := db.news.newest(); shown > 0 {
		now := &history{instance: was.instance, epochs: list}
		last, open, known := now.reach(was.of(shown))
		if open {
			last = top.seq
		}
		if !known || last < shown {
			return errRewound
		}
	}
	db.learn(list)
	db.enteredAt(era.Since)
	db.era.Store(era.ID)
	return nil
}

// eraDue finds out whether the next sequence is the first one of an era.
func (w *writer) eraDue() error {
	if !w.db.shared {
		return nil
	}
	era, known, err := eraOf(inner(w.tx))
	if !known || era.ID == w.db.eraBegun.Load() {
		return err
	}
	if err := w.db.inEra(w.tx); err != nil {
		return err
	}
	was, err := readEra(w.tx)
	if err != nil {
		return err
	}
	if was.ID != era.ID {
		w.era, w.eraBefore = era, was
		return nil
	}
	list, err := readEpochs(w.tx) // another process has begun it
	if err != nil {
		return err
	}
	w.db.learn(list)
	w.db.eraBegun.Store(era.ID)
	return nil
}

// enterEra begins the epoch of an era.
func (w *writer) enterEra() error {
	if err := w.tx.Put(spaceMeta, metaEra, encodeEra(w.era)); err != nil {
		return err
	}
	if !w.era.Since.After(w.eraBefore.Since) { // the time of the server's start does not tell of it
		if err := w.renewedAt(w.db.store.opt.Clock()); err != nil {
			return err
		}
	}
	return w.beginEpoch(newEpochID())
}
