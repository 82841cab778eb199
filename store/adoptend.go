package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/engine"
)

// AdoptOptions say what becomes of an Adoption.
type AdoptOptions struct {
	// Replace puts it in the place of a database of its name.
	Replace bool
	// Move says that the database goes on as the same one, on another engine: its newest epoch and
	// its replication checkpoints stay. Otherwise it is a state of the past that comes back.
	Move bool
	// DryRun verifies everything, and then publishes nothing.
	DryRun bool
}

// Finish brings the database into the state that it is to have, and verifies it. Nothing can be
// added afterwards. The error is *Misfit if the records are not those of a whole database.
func (a *Adoption) Finish(opt AdoptOptions) error {
	if a.upload != nil {
		return misfit("the content of attachment %s is cut", a.upload.Digest)
	}
	if err := a.flush(); err != nil {
		return err
	}
	if !a.named {
		return misfit("it has no identity")
	}
	if a.identity.Partitioned && systemName(a.name) {
		return ErrSystemDB
	}
	parts := []func() error{a.dropMarkers, a.dropUnreferred, a.countPartitions}
	if !opt.Move {
		parts = append(parts, a.dropCheckpoints, a.renew)
	}
	for _, part := range append(parts, a.noteConflicts, a.verify) {
		if err := errors.Join(a.ctx.Err(), part()); err != nil {
			return err
		}
	}
	return nil
}

// dropMarkers removes those that are no longer the newest entry.
func (a *Adoption) dropMarkers() error {
	return a.update(func(tx engine.Tx) error {
		last, err := newest(tx)
		if err != nil {
			return err
		}
		for _, seq := range a.markers {
			v, err := tx.Get(spaceSeq, seqKey(seq))
			if err != nil {
				return err
			}
			if v == nil || seq == last.seq {
				continue
			}
			if e, err := parseSeqEntry(v); err != nil || !e.marker() {
				continue // verify tells what is wrong
			}
			if err := tx.Delete(spaceSeq, seqKey(seq)); err != nil {
				return err
			}
		}
		return nil
	})
}

// dropCheckpoints removes those of replications: whoever they belong to has sent and read what this
// database may not have.
func (a *Adoption) dropCheckpoints() error {
	var from []byte
	for more := true; more; {
		err := a.update(func(tx engine.Tx) error {
			var keys [][]byte
			n := 0
			more = false
			err := tx.Scan(spaceLocal, engine.Range{From: from}, func(k, v []byte) (bool, error) {
				if isCheckpoint(v) {
					keys = append(keys, bytes.Clone(k))
				}
				if n++; n >= capturePage {
					from, more = append(bytes.Clone(k), 0), true
				}
				return !more, nil
			})
			for i := 0; i < len(keys) && err == nil; i++ {
				err = tx.Delete(spaceLocal, keys[i])
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// renew makes the database another one than that of the backup, with its history: it gets an identity
// of its own, so that nobody takes it for the one that they know and have read, and an epoch begins,
// because what is written from now on is not what was written after the backup.
func (a *Adoption) renew() error {
	was := a.identity
	a.identity = was.restored()
	next := newEpochID()
	return a.update(func(tx engine.Tx) error {
		list, err := readEpochs(tx)
		if err != nil {
			return misfit("%v", err)
		}
		last, err := newest(tx)
		if err != nil {
			return err
		}
		if len(list) == 0 || list[0].First > 1 {
			err = putEpoch(tx, Epoch{was.Instance, 1})
		}
		err = errors.Join(err, putEpoch(tx, Epoch{next, last.seq + 1}))
		if err != nil {
			return err
		}
		return errors.Join(tx.Put(spaceMeta, metaIdentity, a.identity.encode()), renewDeaths(tx))
	})
}

func putEpoch(tx engine.Tx, e Epoch) error {
	v, err := e.encode()
	if err != nil {
		return err
	}
	return tx.Put(spaceMeta, epochKey(e.First), v)
}

// renewDeaths moves the counter of the death records to where the other history will not come.
func renewDeaths(tx engine.Tx) error {
	dead, err := readDeaths(tx)
	if err != nil || dead.changes == 0 {
		return err
	}
	dead.changes += 1 + uint64(rand.Uint32N(1<<30))
	return tx.Put(spaceMeta, metaDeaths, dead.appendTo(nil))
}

// countPartitions writes the totals of partitions. Documents of a partition come together.
func (a *Adoption) countPartitions() error {
	if !a.identity.Partitioned {
		return nil
	}
	var from []byte
	k := partitionKey("")
	for more := true; more; {
		var resume []byte
		err := a.update(func(tx engine.Tx) (err error) {
			w := &writer{tx: tx, db: &DB{database: &database{identity: a.identity}}}
			if resume, err = w.countSome(from); err != nil || len(w.partitions) == 0 {
				return err
			}
			all := make([]partitionTotals, len(w.partitions))
			for i, p := range w.partitions {
				all[i] = partitionTotals{[]byte(p.name), p.totals}
			}
			if from != nil {
				k = partitionKey(all[0].name)
			}
			return w.putPartitions(k, all)
		})
		if err != nil {
			return err
		}
		from, more = resume, resume != nil
	}
	return nil
}

// countSome counts partitions from a document on. It ends between two partitions, so that all of one
// are counted together, and returns where to continue.
func (w *writer) countSome(from []byte) (resume []byte, err error) {
	n := 0
	err = w.tx.Scan(spaceDoc, engine.Range{From: from, To: []byte{totalsFrom}}, func(k, v []byte) (bool, error) {
		rec, err := parseDocRecord(v)
		if err != nil {
			return false, misfit("document %q: %v", k, err)
		}
		tree, err := rec.decode()
		if err != nil {
			return false, misfit("document %q: %v", k, err)
		}
		if n++; n >= adoptRecords {
			name, _ := document.PartitionOf(k)
			if last := len(w.partitions) - 1; last < 0 || w.partitions[last].name != string(name) {
				resume = bytes.Clone(k)
				return false, nil
			}
		}
		return true, w.count(string(k), &tree, 1)
	})
	return resume, err
}

// verify checks what Check checks, except for the content of attachments, which was checked when it
// came.
func (a *Adoption) verify() error {
	problem := ""
	err := a.db.View(a.ctx, func(r engine.Reader) error {
		last, err := newest(r)
		if err != nil {
			return err
		}
		a.figures = AdoptFigures{Seq: last.seq, Docs: last.totals.docs + last.totals.deleted, Deleted: last.totals.deleted}
		c := checker{r: r, partitioned: a.identity.Partitioned, instance: a.identity.Instance}
		// Nothing else tells whether all documents have come of a chain of streams. So what came is not taken for
		// all that there was, though it may be the totals that were wrong.
		c.remedy = "either some are missing in the backup, or the totals were wrong: then compact the database and back it up again"
		c.report = func(format string, args ...any) {
			if problem == "" {
				problem = fmt.Sprintf(format, args...)
			}
		}
		for _, part := range []func() error{c.documents, c.sequence, c.bodyCount, c.totals, c.locals, c.purges, c.times, c.onces, c.epochs, c.conflicts} {
			if err := errors.Join(a.ctx.Err(), part()); err != nil || problem != "" {
				return err
			}
		}
		return nil
	})
	if problem != "" {
		return misfit("%s", problem)
	}
	return translate(err)
}

// AdoptFigures are those of a database that was made aside.
type AdoptFigures struct {
	Seq           uint64 // the newest sequence
	Docs, Deleted uint64 // documents, and those of them whose winner is a tombstone
}

// Figures are those that Finish has found.
func (a *Adoption) Figures() AdoptFigures { return a.figures }

// Publish gives the database its name, in one step. If it replaces one, calls on handles of that
// return ErrReplaced. The error may be ErrDBExists.
func (a *Adoption) Publish(opt AdoptOptions) error {
	if opt.DryRun {
		return a.Close()
	}
	s := a.s
	ctx := context.WithoutCancel(a.ctx)
	var err error
	if opt.Replace {
		var old *DB
		if old, err = s.takeToReplace(a.ctx, a.name); err != nil {
			return err
		}
		err = a.db.Replace(ctx)
		s.putBack(a.name, old)
	} else {
		err = a.db.Publish(ctx)
	}
	switch {
	case errors.Is(err, engine.ErrExists):
		return ErrDBExists
	case err != nil:
		return fmt.Errorf("restore database %q: %w", a.name, translate(err))
	}
	s.events.add(Event{DB: a.name, Type: "created"})
	return nil
}
