package store

import (
	"bytes"
	"context"
	"errors"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/jsonscan"
)

// A checkpoint is a local document in which a replicator notes how far it has come. A replicator
// writes it at both ends, so a database holds the places of those who read it, and places in other
// databases of those who write to it.
type checkpoint struct {
	id   string
	seq  uint64 // how far a reader of this database has come; 0: the place is in another one
	seen uint64 // the second in which it was last written; 0: not known

	place string // the sequence as it is written there
}

// maxPlace is more than a sequence of ours takes as text. What is longer is a place in another database, and
// is not kept: anybody may write any number of checkpoints.
const maxPlace = 100

// parseCheckpoint reads a record of the local space, if it is a checkpoint.
func parseCheckpoint(k, v []byte) (c checkpoint, is bool, err error) {
	if !isCheckpoint(v) {
		return c, false, nil
	}
	c.id = string(k)
	if c.seen, _, err = localTime(v); err != nil {
		return c, false, err
	}
	_, body, err := parseLocal(v)
	if err != nil {
		return c, false, err
	}
	err = jsonscan.EachMember(body, func(name, value []byte) error {
		if string(name) == "source_last_seq" || string(name) == "last_seq" && c.place == "" {
			if text, err := jsonscan.Text(value); err == nil && len(text) <= maxPlace {
				c.place = text
			}
		}
		return nil
	})
	return c, true, err
}

// checkpoints reads all checkpoints.
func (db *DB) checkpoints(ctx context.Context) (list []checkpoint, err error) {
	var from []byte
	for more := true; more; {
		err := db.view(ctx, func(r engine.Reader) error {
			more = false
			rows, size := 0, 0
			return r.Scan(spaceLocal, engine.Range{From: from}, func(k, v []byte) (bool, error) {
				c, is, err := parseCheckpoint(k, v)
				if is {
					list = append(list, c)
				}
				rows, size = rows+1, size+len(v)
				if more = rows >= snapshotRows || size >= snapshotBytes; more {
					from = append(bytes.Clone(k), 0)
				}
				return !more, err
			})
		})
		if err != nil {
			return nil, err
		}
	}
	for i := range list {
		seq, err := db.ParseSeq(ctx, list[i].place)
		if err != nil && !errors.Is(err, ErrBadSeq) {
			return nil, err
		}
		list[i].seq = seq
	}
	return list, nil
}
