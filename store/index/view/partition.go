package view

import "errors"

var (
	// ErrPartitionNeeded says that a query of a partitioned view names no partition.
	ErrPartitionNeeded = errors.New("view: a partition must be named")
	// ErrNoPartitions says that a query names a partition where the view has none.
	ErrNoPartitions = errors.New("view: there are no partitions")
)

// CheckPartition judges whether a query of one of the views may name this partition, or none if it
// is "". The error is ErrPartitionNeeded or ErrNoPartitions.
func (ix *Index) CheckPartition(name string) error {
	switch {
	case ix.Design.Partitioned && name == "":
		return ErrPartitionNeeded
	case !ix.Design.Partitioned && name != "":
		return ErrNoPartitions
	}
	return nil
}
