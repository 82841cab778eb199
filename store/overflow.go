package store

import (
	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/document"
)

// PartitionOverflow refuses an interactive edit that would make a document of a full partition
// larger (Options.MaxPartitionSize).
type PartitionOverflow struct{ ID string } // of the document

func (e *PartitionOverflow) Error() string {
	return "Partition limit exceeded due to update on '" + e.ID + "'"
}

// quota tells which partitions are full, by their sizes when an op began. So one request may fill
// a partition and go beyond the limit, as in CouchDB.
type quota struct {
	limit int64  // bytes; 0: none
	name  string // the partition that full is about, "" at first
	full  bool
}

// quota is the one that an op begins with.
func (db *DB) quota() quota {
	if !db.identity.Partitioned {
		return quota{}
	}
	return quota{limit: db.store.maxPartitionSize.Load()}
}

// overflows reports whether an edit that would be merged at path makes its document larger while
// its partition is full. Replicated changes never do, so replicas can become the same.
func (w *writer) overflows(e *pendingEdit, path []revtree.Rev, tree *revtree.Tree) (bool, error) {
	if w.quota.limit == 0 || e.replicated {
		return false, nil
	}
	if full, err := w.isFull(e.doc.ID); !full || err != nil {
		return false, err
	}
	more := int64(len(e.doc.Body)) + attachedBytes(e.atts)
	if len(path) > 1 {
		if parent, there := tree.Find(path[1]); there { // it is a leaf, and the edit replaces it
			ref, err := parseBodyRef(parent.Data)
			if err != nil {
				return false, err
			}
			more -= ref.size + ref.attached
		}
	}
	return more > 0, nil
}

// isFull reports whether a document's partition was full when the op began. An op has its edits
// in the order of their ids, so a partition is asked about before the op changes it.
func (w *writer) isFull(id string) (bool, error) {
	name, ok := document.Partition(id)
	if !ok {
		return false, nil
	}
	q := &w.quota
	if q.name != name {
		q.name, q.full = name, false
		if w.totals.external >= q.limit { // a partition is no larger than its database
			size, err := w.partitionSize(name)
			if err != nil {
				return false, err
			}
			q.full = size >= q.limit
		}
	}
	return q.full, nil
}

// partitionSize is the external size of a partition as the transaction has made it so far.
func (w *writer) partitionSize(name string) (int64, error) {
	t, err := readPartition(w.tx, name)
	if err != nil {
		return 0, err
	}
	for i := range w.partitions {
		if w.partitions[i].name == name {
			t.add(&w.partitions[i].totals)
		}
	}
	return t.external, nil
}
