package store

import (
	"strconv"
	"strings"
)

// Seq is an update sequence as clients see it, "N-instance". To them it is opaque. The instance
// distinguishes a sequence of this database from one of an earlier database of the same name,
// or of a restored one.
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

// ParseSeq reads a client's place in the feed: "0", or a sequence given by some instance of the
// database. A sequence of another instance counts as 0, so that its owner reads everything
// again rather than missing something. The error is ErrBadSeq.
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
