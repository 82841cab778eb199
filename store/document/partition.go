package document

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// In a partitioned database the id of every document is PARTITION:ID. Design documents and local
// documents belong to no partition, whatever their ids look like. The rules are CouchDB's
// (couch_partition.erl).

// Partition returns the name of the partition that an id lies in: all before its first colon.
// ok is false if it lies in none.
func Partition(id string) (name string, ok bool) {
	if i := strings.IndexByte(id, ':'); i >= 0 && id[0] != '_' {
		return id[:i], true
	}
	return "", false
}

// PartitionOf is Partition for an id as bytes, which the name aliases.
func PartitionOf(id []byte) (name []byte, ok bool) {
	if i := bytes.IndexByte(id, ':'); i >= 0 && id[0] != '_' {
		return id[:i], true
	}
	return nil, false
}

// PartitionBounds returns the range of the ids in a partition, [from, to).
func PartitionBounds(name string) (from, to string) { return name + ":", name + ";" }

var (
	errNoPartition    = &Error{IllegalID, "Doc id must be of form partition:id"}
	errEmptyPartition = &Error{IllegalPartition, "Partition must not be empty"}
	errPartitionUTF8  = &Error{IllegalPartition, "Partition must be valid UTF-8"}
	errPartitionStart = &Error{IllegalPartition, "Partition must not start with an underscore"}
	errPartitionColon = &Error{IllegalPartition, "Partition must not contain a colon"}
)

// ValidPartition checks the name of a partition; the error is an *Error.
func ValidPartition(name string) error {
	switch {
	case name == "":
		return errEmptyPartition
	case name[0] == '_':
		return errPartitionStart
	case !utf8.ValidString(name):
		return errPartitionUTF8
	case strings.Contains(name, ":"):
		return errPartitionColon
	}
	return nil
}

// ValidPartitionedID is ValidID for a document of a partitioned database.
func ValidPartitionedID(id string) error {
	if err := ValidID(id); err != nil {
		return err
	}
	if id[0] == '_' { // a design document or a local one
		return nil
	}
	name, rest, found := strings.Cut(id, ":")
	if !found {
		return errNoPartition
	}
	if err := ValidPartition(name); err != nil {
		return err
	}
	return ValidID(rest)
}

// HasPartition checks that an id could be of a partitioned database, as CouchDB does before it
// looks for a document: the id begins with an underscore or has a colon. The error is an *Error.
func HasPartition(id string) error {
	if strings.HasPrefix(id, "_") || strings.Contains(id, ":") {
		return nil
	}
	return errNoPartition
}
