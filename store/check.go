package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/engine"
)

// Check verifies every invariant of the database and reports each violation as one sentence. It
// returns an error only if reading fails, not for a damaged database. It reads everything in
// one snapshot.
func (db *DB) Check(ctx context.Context, report func(problem string)) error {
	// Storage first: the checks of records rely on it.
	if s, ok := db.edb.(engine.Checker); ok {
		if err := s.CheckStorage(ctx, report); err != nil {
			return db.failed(err)
		}
	}
	return db.view(ctx, func(r engine.Reader) error {
		c := checker{r: r, partitioned: db.identity.Partitioned, instance: db.identity.Instance, refs: map[Digest]uint64{}, report: func(format string, args ...any) { report(fmt.Sprintf(format, args...)) }}
		for _, part := range []func() error{c.documents, c.sequence, c.bodyCount, c.totals, c.locals, c.purges, c.attachments, c.times, c.epochs, c.onces, c.deaths, c.conflicts} {
			if err := errors.Join(ctx.Err(), part()); err != nil {
				return err
			}
		}
		return nil
	})
}

type checker struct {
	r      engine.Reader
	report func(format string, args ...any)

	found  totals            // recounted from the documents
	remedy string            // what to do about totals that are wrong; "": compact
	docs   int               // documents seen
	bodies int               // bodies that some revision refers to
	refs   map[Digest]uint64 // how many bodies refer to each attachment; nil: nobody asks

	page checkPage
	dead *deaths // the notes about them

	instance   string            // of the identity
	inConflict map[uint64]string // by sequence, the conflicts that there should be

	partitioned bool
	part        partitionCheck // the one whose documents are being seen
}

// documents checks each record, its sequence entry and its bodies, some documents together.
func (c *checker) documents() error {
	err := c.r.Scan(spaceDoc, engine.Range{}, func(k, v []byte) (bool, error) {
		if isTotals(v) {
			c.partitionTotals(k, v)
			return true, nil
		}
		c.docs++
		rec, err := parseDocRecord(v)
		if err != nil {
			c.report("document %q: %v", k, err)
			return true, nil
		}
		tree, err := rec.decode()
		if err != nil {
			c.report("document %q: %v", k, err)
			return true, nil
		}
		err = c.document(k, &rec, &tree)
		if err == nil && c.page.full() {
			err = c.checkNamed()
		}
		return true, err
	})
	if err == nil {
		err = c.checkNamed()
	}
	return errors.Join(err, c.partitions())
}

func (c *checker) document(id []byte, rec *docRecord, tree *revtree.Tree) error {
	leaves := tree.Leaves()
	if len(leaves) == 0 {
		c.report("document %q has no revisions", id)
		return nil
	}
	winner := leaves[0]
	want := byte(0)
	before := c.found
	if winner.Deleted {
		want |= docDeleted
		c.found.deleted++
	} else {
		c.found.docs++
	}
	if len(leaves) > 1 {
		want |= docForked
	}
	if hasInnerBodies(tree) {
		want |= docInner
	}
	if rec.flags != want {
		c.report("document %q has flags %b, its tree says %b", id, rec.flags, want)
	}
	if rec.winner != winner.Rev || !bytes.Equal(rec.data, winner.Data) {
		c.report("document %q names %s as its winner, its tree says %s", id, rec.winner, winner.Rev)
	}
	c.noteConflict(rec, tree, leaves)
	c.page.entries = append(c.page.entries, checkedEntry{id, rec.seq, rec.data, leaves})
	tree.Nodes(func(n revtree.Node, leaf bool) bool {
		c.body(id, n, leaf)
		return true
	})
	return c.partition(id, c.found.since(&before))
}

// body counts the body of one revision, which is to be checked.
func (c *checker) body(id []byte, n revtree.Node, leaf bool) {
	if n.Data == nil {
		if leaf {
			c.report("leaf %s of document %q has no body", n.Rev, id)
		}
		return
	}
	ref, err := parseBodyRef(n.Data)
	if err != nil {
		c.report("revision %s of document %q: %v", n.Rev, id, err)
		return
	}
	c.bodies++
	if leaf {
		ref.addTo(&c.found, 1)
	}
	c.page.bodies = append(c.page.bodies, checkedBody{id, n.Rev, ref})
}

// sequence checks that each document has one entry, and that there is at most one marker, the
// newest entry.
func (c *checker) sequence() error {
	entries, marker := 0, uint64(0)
	err := c.r.Scan(spaceSeq, engine.Range{}, func(k, v []byte) (bool, error) {
		seq, err := seqOfKey(k)
		var e seqEntry
		if err == nil {
			e, err = parseSeqEntry(v)
		}
		if err != nil {
			c.report("sequence %x: %v", k, err)
			return true, nil
		}
		if marker != 0 {
			c.report("the marker at sequence %d is not the newest entry", marker)
			marker = 0
		}
		if e.marker() {
			marker = seq
		} else {
			entries++
		}
		return true, nil
	})
	if err == nil && entries != c.docs {
		c.report("there are %d documents and %d of them in the sequence", c.docs, entries)
	}
	return err
}

// bodyCount checks that every body is referred to.
func (c *checker) bodyCount() error {
	n := 0
	err := c.r.Scan(spaceBody, engine.Range{KeysOnly: true}, func(_, _ []byte) (bool, error) {
		n++
		return true, nil
	})
	if err == nil && n != c.bodies {
		c.report("there are %d bodies and %d revisions that have one", n, c.bodies)
	}
	return err
}

func (c *checker) totals() error {
	last, err := newest(c.r)
	if err != nil {
		c.report("the newest sequence entry: %v", err)
		return nil
	}
	if last.totals != c.found {
		c.report("the running totals say %+v, the documents %+v; %s", last.totals, c.found, cmp.Or(c.remedy, "compaction sets them right"))
	}
	return nil
}

func (c *checker) locals() error {
	return c.r.Scan(spaceLocal, engine.Range{}, func(k, v []byte) (bool, error) {
		if _, _, err := parseLocal(v); err != nil {
			c.report("local document %q: %v", k, err)
		}
		return true, nil
	})
}

func (c *checker) purges() error {
	return c.r.Scan(spacePurge, engine.Range{}, func(k, v []byte) (bool, error) {
		if _, err := parsePurge(k, v); err != nil {
			c.report("%v", err)
		}
		return true, nil
	})
}

// times checks that the seconds rise with the sequences, and that each entry belongs to a
// change.
func (c *checker) times() error {
	top, err := newest(c.r)
	if err != nil {
		return nil // totals has reported it
	}
	var last timeEntry
	first := true
	return c.r.Scan(spaceTime, engine.Range{}, func(k, v []byte) (bool, error) {
		e, err := parseTimeEntry(k, v)
		switch {
		case err != nil:
			c.report("%v", err)
			return true, nil
		case e.after >= top.seq:
			c.report("there is a time of changes after sequence %d, the newest is %d", e.after, top.seq)
		case !first && e.second <= last.end():
			c.report("changes after sequence %d are of second %d, earlier ones of %d", e.after, e.second, last.end())
		}
		last, first = e, false
		return true, nil
	})
}

// onces checks that every recorded answer stands in the queue and can be read.
func (c *checker) onces() error {
	queued := map[[sha256.Size]byte]uint64{}
	err := c.r.Scan(spaceOnce, onceQueueRange(), func(k, v []byte) (bool, error) {
		e, err := parseOnceEntry(k, v)
		if err != nil {
			c.report("%v", err)
		} else {
			queued[e.key] = e.n // the last one counts
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	err = c.r.Scan(spaceOnce, engine.Range{From: []byte{onceByKey}, To: []byte{onceByKey + 1}}, func(k, v []byte) (bool, error) {
		rec, err := parseOnce(v)
		if err == nil {
			_, err = parseBody(rec.answer)
		}
		var key [sha256.Size]byte
		copy(key[:], k[1:])
		switch n, there := queued[key]; {
		case err != nil:
			c.report("answer %x: %v", key, err)
		case !there || n != rec.n:
			c.report("answer %x is number %d, the queue says %d", key, rec.n, n)
		}
		delete(queued, key)
		return true, nil
	})
	if err == nil && len(queued) > 0 {
		c.report("%d answers stand in the queue and are not there", len(queued))
	}
	return err
}
