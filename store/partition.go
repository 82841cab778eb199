package store

import (
	"context"

	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/engine"
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
		t, err := readPartition(r, name)
		info = PartitionInfo{DocCount: t.docs, DelCount: t.deleted, External: t.external, Active: t.active}
		return err
	})
	return info, err
}
