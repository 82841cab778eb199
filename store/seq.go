package store

import (
	"strconv"
	"strings"
)

// Seq is an update sequence as clients see it: opaque to them, "N-instance". The
// instance tells a sequence of this database from one of a database that had its
// name before, or of one that was restored.
type Seq struct {
	N        uint64
	Instance string
}

// AppendTo appends the sequence's text.
func (s Seq) AppendTo(b []byte) []byte {
	b = strconv.AppendUint(b, s.N, 10)
	b = append(b, '-')
	return append(b, s.Instance...)
}

func (s Seq) String() string { return string(s.AppendTo(nil)) }

// Seq is a sequence of this database.
func (db *DB) Seq(n uint64) Seq { return Seq{N: n, Instance: db.identity.Instance} }

// ParseSeq reads what a client gives as a place in the feed: "0", or a sequence that
// some instance of the database has given. One of another instance is 0, so that its
// owner reads everything again rather than misses something. ErrBadSeq.
func (db *DB) ParseSeq(s string) (uint64, error) {
	if s == "0" {
		return 0, nil
	}
	digits, instance, ok := strings.Cut(s, "-")
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || !ok || instance == "" {
		return 0, ErrBadSeq
	}
	if instance != db.identity.Instance {
		return 0, nil
	}
	return n, nil
}
