package store

import (
	"bytes"
	"errors"

	"github.com/tododb/tododb/store/document"
)

// partitionCheck recounts partitions. The documents of one come together.
type partitionCheck struct {
	name        []byte
	found       totals
	seen, noted int    // partitions that have documents, and partitions that have totals
	last        []byte // the last one that has totals so far
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
	noted, err := readPartition(c.r, name)
	if err == nil && noted != found {
		c.report("the totals of partition %q say %+v, its documents %+v", name, noted, found)
	}
	if errors.Is(err, ErrCorrupt) { // partitionTotals reports it
		return nil
	}
	return err
}

// partitionTotals takes in a record of totals. They come in order, after all documents.
func (c *checker) partitionTotals(k, v []byte) {
	if !c.partitioned {
		c.report("there are totals of partitions at %q", k)
		return
	}
	all, err := parsePartitions(nil, k, v)
	if err != nil {
		c.report("%v", err)
		return
	}
	if p := &c.part; bytes.Compare(p.last, k[1:]) >= 0 && p.noted > 0 {
		c.report("totals of partitions at %q, which the record before reaches: it has %q", k, p.last)
	}
	c.part.noted += len(all)
	c.part.last = all[len(all)-1].name
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
