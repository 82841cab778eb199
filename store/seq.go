package store

import (
	"context"
	"strconv"
	"strings"
)

// Seq is an update sequence as clients see it, "N-EPOCH". To them it is opaque. The epoch
// distinguishes a sequence of this database from one of an earlier database of the same name,
// and from one that came after the state to which the database has been put back.
type Seq struct {
	N     uint64
	Epoch string
}

// AppendTo appends the sequence's text.
func (s Seq) AppendTo(b []byte) []byte {
	b = strconv.AppendUint(b, s.N, 10)
	b = append(b, '-')
	return append(b, s.Epoch...)
}

func (s Seq) String() string { return string(s.AppendTo(nil)) }

// ReadSeq reads the text of a sequence, of whatever database. The error is ErrBadSeq.
func ReadSeq(text string) (Seq, error) {
	if text == "0" {
		return Seq{}, nil
	}
	digits, epoch, ok := strings.Cut(text, "-")
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || !ok || epoch == "" {
		return Seq{}, ErrBadSeq
	}
	return Seq{n, epoch}, nil
}

// ParseSeq reads a client's place in the feed: "0", or a sequence that it was given. A place
// that is not of this database's history counts as the last one before it that is (Common), so
// that its owner reads some of it again rather than missing something. The error may be
// ErrBadSeq.
func (db *DB) ParseSeq(ctx context.Context, text string) (uint64, error) {
	seq, err := ReadSeq(text)
	if err != nil {
		return 0, err
	}
	return db.Common(ctx, seq)
}
