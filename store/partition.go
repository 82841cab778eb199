package store

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/record"
)

// Properties are what is fixed when a database is created.
type Properties struct {
	// Partitioned makes every document belong to the partition that its id begins with,
	// PARTITION:ID (document.Partition), so that a partition can be read at a cost that does not
	// depend on the others.
	Partitioned bool
}

// Partitioned reports whether the documents of the database belong to partitions.
func (db *DB) Partitioned() bool { return db.identity.Partitioned }

// CheckNewID judges whether the database takes documents of this id, which document.ValidID has
// accepted; only a partitioned database has a rule of its own. Write and Put check every edit
// themselves. The error is a *document.Error.
func (db *DB) CheckNewID(id string) error {
	if db.identity.Partitioned {
		return document.ValidPartitionedID(id)
	}
	return nil
}

// CheckID judges whether documents of this id can be asked for; only a partitioned database
// refuses any. What reads documents by id checks it itself. The error is a *document.Error.
func (db *DB) CheckID(id string) error {
	if db.identity.Partitioned {
		return document.HasPartition(id)
	}
	return nil
}

func (db *DB) checkIDs(ids []string) error {
	if !db.identity.Partitioned {
		return nil
	}
	for _, id := range ids {
		if err := document.HasPartition(id); err != nil {
			return err
		}
	}
	return nil
}

// PartitionInfo holds the figures of a partition.
type PartitionInfo struct {
	DocCount, DelCount uint64 // living documents, and documents whose winner is a tombstone
	// External and Active are bytes of the JSON of all leaves, and of that JSON as stored. Both
	// have the lengths of the leaves' attachments too.
	External, Active int64
}

// PartitionInfo reads the figures of a partition, which are zero for one without documents. It
// costs one read.
func (db *DB) PartitionInfo(ctx context.Context, name string) (info PartitionInfo, err error) {
	err = db.view(ctx, func(r engine.Reader) error {
		v, err := r.Get(spaceDoc, partitionKey(name))
		if err != nil {
			return err
		}
		t, err := parsePartition(name, v)
		info = PartitionInfo{DocCount: t.docs, DelCount: t.deleted, External: t.external, Active: t.active}
		return err
	})
	return info, err
}

// totalsFrom is where the totals of partitions stand in the doc space: behind all documents, whose
// ids are UTF-8.
const totalsFrom = 0xff

// partitionKey is where the totals of a partition stand: those of all partitions together, so that a
// commit to many writes few pages. No document has such an id, and none can be asked for (CheckID).
// The record is
//
//	version | flags: docDeleted, docTotals | totals: 4 uvarints
//
// A partition without documents has none.
func partitionKey(name string) []byte { return append([]byte{totalsFrom}, name...) }

// isTotals reports whether a record of the doc space has the totals of a partition.
func isTotals(v []byte) bool { return len(v) > 1 && v[1]&docTotals != 0 }

func appendPartition(b []byte, t totals) []byte {
	return appendTotals(append(b, record.Version, docDeleted|docTotals), t)
}

func parsePartition(name string, v []byte) (t totals, err error) {
	if v == nil {
		return t, nil
	}
	r := record.Read(v)
	version, flags := r.Byte(), r.Byte()
	t = readTotals(&r)
	if version != record.Version || flags != docDeleted|docTotals || r.Bad || len(r.Rest) != 0 || t == (totals{}) {
		return totals{}, corrupt("totals of partition %q", name)
	}
	return t, nil
}

// partitionDelta is what a transaction adds to the totals of a partition.
type partitionDelta struct {
	name string
	totals
}

// countInPartition adds figures of a document to those of its partition.
func (w *writer) countInPartition(id string, t *totals) {
	name, ok := document.Partition(id)
	if !ok {
		return
	}
	// Documents come in the order of their ids, so those of a partition come together.
	if n := len(w.partitions); n == 0 || w.partitions[n-1].name != name {
		w.partitions = append(w.partitions, partitionDelta{name: name})
	}
	w.partitions[len(w.partitions)-1].add(t)
}

// savePartitions writes the totals of the partitions that the transaction changed, once for each.
func (w *writer) savePartitions() error {
	if len(w.partitions) == 0 {
		return nil
	}
	slices.SortFunc(w.partitions, func(a, b partitionDelta) int { return strings.Compare(a.name, b.name) })
	merged := w.partitions[:0]
	for _, d := range w.partitions {
		if n := len(merged); n > 0 && merged[n-1].name == d.name {
			merged[n-1].add(&d.totals)
		} else {
			merged = append(merged, d)
		}
	}
	merged = slices.DeleteFunc(merged, func(d partitionDelta) bool { return d.totals == totals{} })
	keys := make([][]byte, len(merged))
	for i := range merged {
		keys[i] = partitionKey(merged[i].name)
	}
	err := w.tx.GetMulti(spaceDoc, keys, func(i int, v []byte) error {
		before, err := parsePartition(merged[i].name, v)
		merged[i].add(&before)
		return err
	})
	for i := 0; i < len(merged) && err == nil; i++ {
		if t := merged[i].totals; t != (totals{}) {
			err = w.tx.Put(spaceDoc, keys[i], w.keep(func(b []byte) []byte { return appendPartition(b, t) }))
		} else {
			err = w.tx.Delete(spaceDoc, keys[i])
		}
	}
	return err
}

// partitionCheck recounts partitions. The documents of one come together.
type partitionCheck struct {
	name        []byte
	found       totals
	seen, noted int // partitions that have documents, and partitions that have totals
}

// partition takes in a document's figures.
func (c *checker) partition(id []byte, t totals) error {
	name, ok := document.PartitionOf(id)
	if !c.partitioned || !ok {
		return nil
	}
	var err error
	if !bytes.Equal(c.part.name, name) {
		err = c.endPartition()
		c.part.name = append(c.part.name[:0], name...)
	}
	c.part.found.add(&t)
	return err
}

// endPartition compares a partition with its totals.
func (c *checker) endPartition() error {
	p := &c.part
	if p.found == (totals{}) {
		return nil
	}
	name, found := string(p.name), p.found
	p.found, p.seen = totals{}, p.seen+1
	v, err := c.r.Get(spaceDoc, partitionKey(name))
	if err != nil {
		return err
	}
	if noted, err := parsePartition(name, v); err == nil && noted != found {
		c.report("the totals of partition %q say %+v, its documents %+v", name, noted, found)
	}
	return nil
}

// partitionTotals takes in the totals of a partition.
func (c *checker) partitionTotals(k, v []byte) {
	c.part.noted++
	if !c.partitioned || k[0] != totalsFrom {
		c.report("there are totals of a partition at %q", k)
	} else if _, err := parsePartition(string(k[1:]), v); err != nil {
		c.report("%v", err)
	}
}

// partitions checks that as many partitions have totals as have documents.
func (c *checker) partitions() error {
	if err := c.endPartition(); err != nil {
		return err
	}
	if c.part.noted != c.part.seen {
		c.report("there are totals of %d partitions, and documents of %d", c.part.noted, c.part.seen)
	}
	return nil
}
