package store

import (
	"bytes"
	"context"
	"maps"
	"slices"

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
		v, err := r.Get(spacePartition, []byte(name))
		if err != nil {
			return err
		}
		t, err := parsePartition(name, v)
		info = PartitionInfo{DocCount: t.docs, DelCount: t.deleted, External: t.external, Active: t.active}
		return err
	})
	return info, err
}

// A partition's record is version | its totals: 4 uvarints. A partition without documents has
// none. The key is its name.

func parsePartition(name string, v []byte) (t totals, err error) {
	if v == nil {
		return t, nil
	}
	r := record.Read(v)
	version := r.Byte()
	t = readTotals(&r)
	if version != record.Version || r.Bad || len(r.Rest) != 0 || t == (totals{}) {
		return totals{}, corrupt("totals of partition %q", name)
	}
	return t, nil
}

// inPartition returns what the transaction has added to the totals of an id's partition so far;
// nil if the id lies in none.
func (w *writer) inPartition(id string) *totals {
	if !w.db.identity.Partitioned {
		return nil
	}
	name, ok := document.Partition(id)
	if !ok {
		return nil
	}
	t := w.partitions[name]
	if t == nil {
		if w.partitions == nil {
			w.partitions = map[string]*totals{}
		}
		t = &totals{}
		w.partitions[name] = t
	}
	return t
}

// savePartitions writes the totals of the partitions that the transaction changed: once for each,
// however many documents it wrote.
func (w *writer) savePartitions() error {
	if len(w.partitions) == 0 {
		return nil
	}
	names := slices.AppendSeq(make([]string, 0, len(w.partitions)), maps.Keys(w.partitions))
	names = slices.DeleteFunc(names, func(name string) bool { return *w.partitions[name] == totals{} })
	slices.Sort(names) // neighbours share pages
	keys := make([][]byte, len(names))
	for i, name := range names {
		keys[i] = []byte(name)
	}
	now := make([]totals, len(names))
	err := w.tx.GetMulti(spacePartition, keys, func(i int, v []byte) (err error) {
		now[i], err = parsePartition(names[i], v)
		return err
	})
	for i := 0; i < len(names) && err == nil; i++ {
		t := &now[i]
		t.add(w.partitions[names[i]])
		if *t == (totals{}) {
			err = w.tx.Delete(spacePartition, keys[i])
			continue
		}
		v := w.keep(func(b []byte) []byte { return appendTotals(append(b, record.Version), *t) })
		err = w.tx.Put(spacePartition, keys[i], v)
	}
	return err
}

// partitionCheck recounts partitions from documents, which come in the order of their ids: those
// of a partition come together.
type partitionCheck struct {
	name  []byte
	found totals
	seen  int // partitions that are over
}

// partition takes in a document's figures.
func (c *checker) partition(id []byte, t totals) error {
	name, ok := document.PartitionOf(id)
	if !c.partitioned || !ok {
		return nil
	}
	p := &c.part
	if p.found != (totals{}) && !bytes.Equal(p.name, name) {
		if err := c.endPartition(); err != nil {
			return err
		}
	}
	p.name = append(p.name[:0], name...)
	p.found.add(&t)
	return nil
}

// endPartition compares a partition with its record.
func (c *checker) endPartition() error {
	p := &c.part
	if p.found == (totals{}) {
		return nil
	}
	v, err := c.r.Get(spacePartition, p.name)
	if err != nil {
		return err
	}
	noted, err := parsePartition(string(p.name), v)
	switch {
	case err != nil:
		c.report("%v", err)
	case noted != p.found:
		c.report("the totals of partition %q say %+v, its documents %+v", p.name, noted, p.found)
	}
	p.found, p.seen = totals{}, p.seen+1
	return nil
}

// partitions checks that there are records of partitions that have documents, and of no others.
func (c *checker) partitions() error {
	if err := c.endPartition(); err != nil {
		return err
	}
	n := 0
	err := c.r.Scan(spacePartition, engine.Range{KeysOnly: true}, func(_, _ []byte) (bool, error) {
		n++
		return true, nil
	})
	if err == nil && n != c.part.seen {
		c.report("there are totals of %d partitions, and documents of %d", n, c.part.seen)
	}
	return err
}
