package store

import (
	"encoding/binary"

	"github.com/tododb/tododb/store/engine"
)

// The key spaces of a database. Their numbers are on disk: they never change.
const (
	spaceMeta     engine.Space = 1
	spaceDoc      engine.Space = 2
	spaceSeq      engine.Space = 3
	spaceBody     engine.Space = 4
	spaceLocal    engine.Space = 5
	spacePurge    engine.Space = 6
	spaceAtt      engine.Space = 7
	spaceTime     engine.Space = 8
	spaceOnce     engine.Space = 9
	spaceDead     engine.Space = 10
	spaceConflict engine.Space = 11
)

// SequenceSpace is the space whose last key moves with every change of a database.
const SequenceSpace = spaceSeq

// AppendOnly names the spaces whose keys only grow, so an engine can fill their pages to the
// brim.
var AppendOnly = []engine.Space{spaceSeq, spaceBody, spacePurge, spaceTime}

// Scattered is the space whose keys are in no order: the ids of documents are their makers' choice.
const Scattered = spaceDoc

// Sequence is the space whose last key moves with every change.
const Sequence = spaceSeq

// Names in spaceMeta.
var (
	metaIdentity   = []byte("identity")
	metaRevsLimit  = []byte("revs_limit")
	metaPurgeLimit = []byte("purged_infos_limit")
	metaSecurity   = []byte("security")
	metaAutoPurge  = []byte("auto_purge")
	metaDeaths     = []byte("deaths")
	metaGrace      = []byte("tombstone_grace")
	metaConflicts  = []byte("conflicts") // of earlier releases; see conflictsNote
	metaDesign     = []byte("design")    // the sequence of the newest change to a design document
)

func seqKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

func seqOfKey(k []byte) (uint64, error) {
	if len(k) != 8 {
		return 0, corrupt("sequence key of %d bytes", len(k))
	}
	return binary.BigEndian.Uint64(k), nil
}

func bodyKey(ref bodyRef) []byte { return appendBodyKey(make([]byte, 0, 12), ref) }

func appendBodyKey(k []byte, ref bodyRef) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(k, ref.seq), ref.n)
}
