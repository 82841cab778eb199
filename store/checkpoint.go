package store

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"github.com/tododb/tododb/store/jsonscan"
)

// isCheckpoint reports whether the record of a local document is how far a replication has come.
// All replicators that speak CouchDB's protocol compare the session ids of their checkpoints on both
// sides: CouchDB and tododb keep session_id, source_last_seq and history, PouchDB session_id,
// last_seq, history and its name as replicator. Couchbase Lite 1 keeps lastSequence. Their ids are
// hashes and tell nothing.
func isCheckpoint(v []byte) bool {
	_, body, err := parseLocal(v)
	if err != nil {
		return false
	}
	var session, replicator, last, history bool
	err = jsonscan.EachMember(body, func(name, _ []byte) error {
		switch string(name) {
		case "session_id":
			session = true
		case "replicator":
			replicator = true
		case "last_seq", "source_last_seq":
			last = true
		case "lastSequence":
			session, last = true, true
		case "history":
			history = true
		}
		return nil
	})
	return err == nil && (session && (last || history) || replicator && last)
}

// captureSum is the digest of a space as a Capture carries it.
type captureSum struct {
	h   hash.Hash
	any bool
	b   []byte
}

func newCaptureSum() *captureSum { return &captureSum{h: sha256.New()} }

func (s *captureSum) add(k, v []byte) {
	s.any = true
	for _, part := range [][]byte{k, v} {
		s.h.Write(binary.AppendUvarint(s.b[:0], uint64(len(part))))
		s.h.Write(part)
	}
}

// digest is never zero if there was something.
func (s *captureSum) digest() (d [8]byte) {
	if !s.any {
		return d
	}
	copy(d[:], s.h.Sum(nil))
	d[0] |= 1
	return d
}
