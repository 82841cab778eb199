package store

import (
	"errors"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/record"
)

// facts are what nearly every request asks of the meta space. Where other processes may write to the
// database, a read costs a round trip, so these are kept with the stamp (engine.Stamped) of the snapshot
// that they were read in, and hold in every snapshot that has the same stamp. Whoever writes one of them
// has the database stamped anew (restamp). Where this process is alone only the sequence of the newest design
// document is kept (designIn), which every write asks for twice.
type facts struct {
	stamp     uint64
	security  []byte
	design    uint64
	revsLimit int
	dead      bool // there are dead documents
	epochs    []Epoch
	renewed   time.Time // when RenewEpoch was last called, zero for never
}

// factKeys are the records of facts.
var factKeys = metaKeys(metaSecurity, metaDesign, metaRevsLimit, metaDeaths, metaRenewed)

func metaKeys(names ...[]byte) (keys []engine.SpaceKey) {
	for _, name := range names {
		keys = append(keys, engine.SpaceKey{Space: spaceMeta, Key: name})
	}
	return keys
}

// metaRenewed is when RenewEpoch was last called, where Shared: version | uvarint of microseconds.
var metaRenewed = []byte("renewed")

// factsIn returns what holds in a snapshot or a transaction.
func (db *DB) factsIn(r engine.Reader) (*facts, error) {
	s, stamped := inner(r).(engine.Stamped)
	_, writes := r.(engine.Tx)
	// A transaction that has changed them sees what nobody else may keep.
	stamped = stamped && !(writes && db.restamped.Load())
	var stamp uint64
	if stamped {
		var err error
		if stamp, err = s.Stamp(); err != nil {
			return nil, err
		}
		if f := db.facts.Load(); f != nil && f.stamp == stamp {
			return f, nil
		}
	}
	if err := db.inEra(r); err != nil {
		return nil, err
	}
	f, err := readFacts(r)
	if err != nil {
		return nil, err
	}
	if f.stamp = stamp; stamped {
		db.facts.Store(f)
		db.learn(f.epochs)
		db.enteredAt(f.renewed)
	}
	return f, nil
}

// inner is the engine's reader.
func inner(r engine.Reader) engine.Reader {
	if rr, ok := r.(*roomyReader); ok {
		return rr.Reader
	}
	return r
}

func readFacts(r engine.Reader) (f *facts, err error) {
	f = &facts{}
	if err := engine.Fetch(inner(r), factKeys, nil); err != nil {
		return nil, err
	}
	if f.security, err = readSecurity(r); err != nil {
		return nil, err
	}
	if f.design, err = readDesign(r); err != nil {
		return nil, err
	}
	if f.revsLimit, err = readLimit(r, metaRevsLimit, defaultRevsLimit); err != nil {
		return nil, err
	}
	d, err := readDeaths(r)
	if err != nil {
		return nil, err
	}
	f.dead = d.count > 0
	if f.renewed, err = readRenewed(r); err != nil {
		return nil, err
	}
	f.epochs, err = readEpochs(r)
	return f, err
}

func readRenewed(r engine.Reader) (time.Time, error) {
	v, err := r.Get(spaceMeta, metaRenewed)
	if err != nil || v == nil {
		return time.Time{}, err
	}
	rd := record.Read(v)
	version, micros := rd.Byte(), rd.Uvarint()
	if version != record.Version || rd.Bad {
		return time.Time{}, corrupt("%s of %d bytes", metaRenewed, len(v))
	}
	return time.UnixMicro(int64(micros)), nil
}

// restamp says that this transaction changes facts.
func (w *writer) restamp() error {
	w.db.restamped.Store(true)
	if !w.db.shared {
		return nil
	}
	if s, ok := w.tx.(engine.Restamper); ok {
		return s.Restamp()
	}
	return errNoStamps
}

var errNoStamps = errors.New("the engine is shared and has no stamps")

// securityIn is the security object in a snapshot or a transaction; nobody changes its bytes.
func (db *DB) securityIn(r engine.Reader) ([]byte, error) {
	if !db.shared {
		return readSecurity(r)
	}
	f, err := db.factsIn(r)
	if err != nil {
		return nil, err
	}
	return f.security, nil
}

// designIn is DesignSeq in a snapshot or a transaction.
func (db *DB) designIn(r engine.Reader) (uint64, error) {
	if !db.shared {
		_, writes := r.(engine.Tx)
		own := writes && db.restamped.Load() // it may see what it has written itself
		if seq, known := db.designKnown(); known && !own {
			return seq, nil
		}
		seq, err := readDesign(r)
		if err == nil && writes && !own { // there is one transaction at a time: nobody knows better
			db.design.Store(seq + 1)
		}
		return seq, err
	}
	f, err := db.factsIn(r)
	if err != nil {
		return 0, err
	}
	return f.design, nil
}

// designKnown is DesignSeq as the last transaction left it, if that is known. Within a transaction that changes it,
// and after one whose outcome is unknown, it is not.
func (db *DB) designKnown() (seq uint64, known bool) {
	kept := db.design.Load()
	return kept - 1, kept != 0
}

// revsLimitIn is RevsLimit in a snapshot or a transaction.
func (db *DB) revsLimitIn(r engine.Reader) (int, error) {
	if !db.shared {
		return readLimit(r, metaRevsLimit, defaultRevsLimit)
	}
	f, err := db.factsIn(r)
	if err != nil {
		return 0, err
	}
	return f.revsLimit, nil
}

// mayHaveDead reports whether there may be dead documents. So a database without any pays nothing
// for them.
func (db *DB) mayHaveDead(r engine.Reader) (bool, error) {
	if !db.shared {
		return db.someDead.Load(), nil
	}
	f, err := db.factsIn(r)
	return err == nil && f.dead, err
}
