package index

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/record"
)

// A tombstone that ends leaves the feed (store.Bare.Expire). An index that had not read it would keep
// the rows of its document for ever, so it is built again. One that had has no rows of it; with
// Definition.Changes it has entries that say so, which nobody can use any more.

// endedKey is where the state space says up to which sequence these entries have been removed:
// version | uvarint.
var endedKey = []byte("ended")

// renewMissed makes the index empty because tombstones have ended that it has not read.
func (ix *Index) renewMissed(ctx context.Context, st *state) error {
	ix.m.opt.Log.Warn("rebuilding an index", "db", ix.id.db, "index", ix.id.signature, "why", "it has not seen deletions whose tombstones have ended")
	*st = state{signature: st.signature, views: make([]viewState, len(st.views))}
	return ix.renew(ctx)
}

// letGoDocs is of how many documents the entries go in one transaction.
const letGoDocs = 1000

// toLetGo tells whether the index may have entries of tombstones that have ended, up to a sequence;
// those up to from are removed.
func (ix *Index) toLetGo(ctx context.Context, ended uint64) (from uint64, some bool, err error) {
	if !ix.def.Changes || ended == 0 {
		return 0, false, nil
	}
	err = ix.storage().View(ctx, func(r engine.Reader) error {
		v, err := r.Get(spaceState, endedKey)
		if err != nil || v == nil {
			return err
		}
		rd := record.Read(v)
		version := rd.Byte()
		if from = rd.Uvarint(); version != record.Version || rd.Bad {
			return corrupt("mark of ended tombstones of %d bytes", len(v))
		}
		return nil
	})
	return from, from < ended, storageError(err)
}

// letGo removes what the index has of deleted documents up to a sequence, whose tombstones have ended.
func (ix *Index) letGo(ctx context.Context, st *state, ended uint64, reducers []Reducer) error {
	from, some, err := ix.toLetGo(ctx, ended)
	if !some || err != nil {
		return err
	}
	sub := ix.storage()
	for view := range ix.def.Views {
		prefix := []byte{byte(view)}
		next := from + 1
		for next <= ended {
			b := &batch{from: st.seq, to: st.seq, at: st.seq}
			if next, err = ix.deletedEntries(ctx, prefix, stretch{from: next, to: ended}, b); err != nil {
				return storageError(err)
			}
			if len(b.docs) == 0 {
				continue
			}
			w := writer{ix.db, sub, ix.def, reducers, st}
			if err := w.write(ctx, b, st.purgeSeq); err != nil {
				return err
			}
		}
	}
	return storageError(sub.Update(ctx, func(tx engine.Tx) error {
		return tx.Put(spaceState, endedKey, binary.AppendUvarint([]byte{record.Version}, ended))
	}))
}

// deletedEntries gathers documents that a view's entries report as deleted, from a sequence to another
// one, and returns where to go on.
func (ix *Index) deletedEntries(ctx context.Context, prefix []byte, s stretch, b *batch) (next uint64, err error) {
	err = ix.storage().View(ctx, func(r engine.Reader) error {
		b.docs, next = nil, s.to+1
		rg := engine.Range{From: appendSeqKey(nil, prefix, s.from), To: appendSeqKey(nil, prefix, s.to+1)}
		return r.Scan(spaceBySeq, rg, func(k, v []byte) (bool, error) {
			if len(k) != len(prefix)+8 {
				return true, nil
			}
			if len(v) < 2 || v[0] != record.Version {
				return false, corrupt("entry by sequence of unknown version")
			}
			seq := binary.BigEndian.Uint64(k[len(prefix):])
			if v[1]&docDeleted != 0 {
				b.docs = append(b.docs, mapped{id: string(v[2:]), seq: seq, deleted: true, purged: true})
			}
			if len(b.docs) >= letGoDocs {
				next = seq + 1
			}
			return len(b.docs) < letGoDocs, nil
		})
	})
	slices.SortFunc(b.docs, func(x, y mapped) int { return strings.Compare(x.id, y.id) })
	return next, err
}
