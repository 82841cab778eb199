package store

import (
	"fmt"
	"sync"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/ranks"
)

// defaultRevsLimit and defaultPurgeLimit are CouchDB's.
const (
	defaultRevsLimit  = 1000
	defaultPurgeLimit = 1000
)

// writer is one writing transaction: what it has read and changed so far.
type writer struct {
	db *DB
	tx engine.Tx

	before     uint64 // the newest sequence when the transaction began
	last       uint64 // the newest one now
	began      uint64 // the newest one when the present op began
	totals     totals
	told       totals     // what the newest entry says of them
	bodies     int64      // bytes of bodies that came, less those that went
	needed     int64      // of which such as compaction keeps
	stamped    bool       // its time is noted
	entered    bool       // its epoch has begun
	era        engine.Era // whose first sequence is the next one, if any
	eraBefore  engine.Era // the one before
	marker     uint64     // the newest entry if it is a marker, else 0: the next entry replaces it
	limit      int        // revs limit, 0 before it is read
	design     uint64     // database.design from the commit on, 0 if it stays
	moves      []ranks.Move
	partitions []partitionDelta
	recount    *recount      // to be told figures, else nil
	figures    []figuresMove // what was added to the totals
	quota      quota         // of the present op
	proof      proof
	own        ownMark
	dead       deathNotes

	arena []byte // values passed to the engine, which keeps them until the commit
}

// begin starts over: a transaction may be run more than once.
func (w *writer) begin(tx engine.Tx, group []*op) error {
	w.db.restamped.Store(false)
	arena := w.arena[:0]
	*w = writer{db: w.db, tx: tx, arena: arena, moves: w.moves[:0], partitions: w.partitions[:0], recount: w.db.recount.Load()}
	if w.db.shared {
		w.own = newOwnMark()
		if err := w.fetch(group); err != nil {
			return err
		}
	}
	last, err := newest(tx)
	if err != nil {
		return err
	}
	w.before, w.last, w.totals, w.told = last.seq, last.seq, last.totals, last.totals
	if last.marker {
		w.marker = last.seq
	}
	return w.eraDue()
}

// arenaSize is the size of a piece of a writer's memory.
const arenaSize = 64 << 10

// writers holds finished writers with their memory, for reuse: a commit of one document needs little
// of it.
var writers = sync.Pool{New: func() any { return &writer{arena: make([]byte, 0, arenaSize)} }}

// keep builds a value in memory that stays unchanged until the commit.
func (w *writer) keep(build func(b []byte) []byte) []byte {
	if cap(w.arena)-len(w.arena) < 1024 {
		w.arena = make([]byte, 0, arenaSize)
	}
	from := len(w.arena)
	out := build(w.arena)
	if cap(out) == cap(w.arena) {
		w.arena = out
	} // else it outgrew the arena and has memory of its own
	return out[from:len(out):len(out)]
}

// moved records the change of a document, which may be new.
func (w *writer) moved(id string, rec *docRecord, tree *revtree.Tree, now, at uint64) {
	m := ranks.Move{Was: rec.seq, Now: now, At: at, ID: id}
	if rec.seq != 0 && !rec.deleted() {
		m.Live--
	}
	if winner, ok := tree.Winner(); ok && !winner.Deleted {
		m.Live++
	}
	w.moves = append(w.moves, m)
}

// insert adds the entry of the next sequence, seq, which is after w.last. It has the present totals.
func (w *writer) insert(seq uint64, entry []byte) error {
	if err := w.stamp(); err != nil {
		return err
	}
	if err := w.enter(); err != nil {
		return err
	}
	if err := w.tx.Insert(spaceSeq, seqKey(seq), entry); err != nil {
		return err
	}
	if w.marker != 0 {
		if err := w.tx.Delete(spaceSeq, seqKey(w.marker)); err != nil {
			return err
		}
		w.marker = 0
	}
	w.last, w.told = seq, w.totals
	w.proof.seq, w.proof.entry = seq, entry
	return nil
}

// tellTotals sees to it that the newest entry has the present totals. Who removes a document brings no entry that
// does, and one of the same transaction may be from before.
func (w *writer) tellTotals() error {
	if w.totals == w.told {
		return nil
	}
	return w.mark()
}

// mark moves the update sequence without a document.
func (w *writer) mark() error {
	seq := w.last + 1
	entry := w.keep(func(b []byte) []byte { return w.own.appendTo(appendMarker(b, w.totals)) })
	if err := w.insert(seq, entry); err != nil {
		return err
	}
	w.marker = seq
	return nil
}

// unlist removes a document's entry, and that of its conflict. The newest entry of all leaves a marker
// in its place, since a sequence number is never handed out twice.
func (w *writer) unlist(rec *docRecord) error {
	if rec.flags&docForked != 0 {
		if err := w.tx.Delete(spaceConflict, seqKey(rec.seq)); err != nil {
			return err
		}
	}
	return w.tx.Delete(spaceSeq, seqKey(rec.seq))
}

// revsLimit reads the database's limit once a transaction.
func (w *writer) revsLimit() (int, error) {
	if w.limit == 0 {
		n, err := w.db.revsLimitIn(w.tx)
		if err != nil {
			return 0, err
		}
		w.limit = n
	}
	return w.limit, nil
}

// count adds a document's figures to the totals of the database and of its partition (sign 1), or
// subtracts them (sign -1).
func (w *writer) count(id string, tree *revtree.Tree, sign int64) error {
	var t totals
	winner, ok := tree.Winner()
	switch {
	case !ok:
		return nil
	case winner.Deleted:
		t.deleted = uint64(sign)
	default:
		t.docs = uint64(sign)
	}
	leaves := 0
	var err error
	tree.Nodes(func(n revtree.Node, leaf bool) bool {
		if !leaf {
			return true
		}
		leaves++
		var ref bodyRef
		if ref, err = parseBodyRef(n.Data); err == nil {
			ref.addTo(&t, sign)
			w.needed += sign * ref.stored
		}
		return err == nil
	})
	if err != nil {
		return err
	}
	if leaves > 1 {
		kept, err := keptBytes(tree)
		if err != nil {
			return err
		}
		w.needed += sign * kept
	}
	w.totals.add(&t)
	if w.recount != nil {
		w.figures = append(w.figures, figuresMove{id, t})
	}
	if w.db.identity.Partitioned {
		w.countInPartition(id, &t)
	}
	return nil
}

// loaded is a document as a transaction finds it.
type loaded struct {
	rec   docRecord
	tree  revtree.Tree
	known bool   // there is such a document
	death []byte // its death record, if it is dead; then rec is empty
}

// mayHaveDead is the database's as this transaction leaves it: what it has buried itself is noted only at
// its end.
func (w *writer) mayHaveDead() (bool, error) {
	if w.dead.count > 0 {
		return true, nil
	}
	return w.db.mayHaveDead(w.tx)
}

// load reads a document's record and tree.
func (w *writer) load(id string) (d loaded, err error) {
	v, err := w.tx.Get(spaceDoc, []byte(id))
	may := false
	if v == nil && err == nil {
		may, err = w.mayHaveDead()
	}
	if may {
		if d.death, err = w.tx.Get(spaceDead, deathKey(id)); d.death == nil || err != nil {
			return d, err
		}
		d.tree, err = parseDeath(d.death)
	} else if err != nil || v == nil {
		return d, err
	} else if d.rec, err = parseDocRecord(v); err == nil {
		d.tree, err = d.rec.decode()
	}
	if err != nil {
		return d, fmt.Errorf("document %q: %w", id, err)
	}
	d.known = true
	return d, nil
}

func (d *docRecord) decode() (revtree.Tree, error) {
	tree, err := revtree.Decode(d.tree)
	if err != nil {
		return tree, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return tree, nil
}

// saveTree writes a document's record and its entry at seq, and removes the old entry, where was
// stood. The totals are already up to date.
func (w *writer) saveTree(id string, tree *revtree.Tree, was *docRecord, seq uint64) error {
	leaves := tree.Leaves()
	rec := recordOf(tree, leaves, seq)
	value := w.keep(func(b []byte) []byte { return rec.appendTo(b, tree) })
	if err := w.putRecord(id, value, rec.data); err != nil {
		return err
	}
	if err := w.putConflict(tree, leaves, seq); err != nil || seq == was.seq {
		return err
	}
	entry := w.keep(func(b []byte) []byte { return w.own.appendTo(appendSeqEntry(b, w.totals, id, leaves)) })
	if err := w.insert(seq, entry); err != nil {
		return err
	}
	if was.seq != 0 {
		return w.unlist(was)
	}
	return nil
}

// putRecord writes a document's record, which refers to the body of the winner.
func (w *writer) putRecord(id string, value, data []byte) error {
	if !w.db.shared {
		return w.tx.Put(spaceDoc, []byte(id), value)
	}
	ref, err := parseBodyRef(data)
	if err != nil {
		return err
	}
	return engine.PutRef(w.tx, spaceDoc, []byte(id), value, engine.SpaceKey{Space: spaceBody, Key: bodyKey(ref)})
}

// recordOf is the record of a document that stands at seq.
func recordOf(tree *revtree.Tree, leaves []revtree.Node, seq uint64) docRecord {
	rec := docRecord{seq: seq, winner: leaves[0].Rev, data: leaves[0].Data}
	if leaves[0].Deleted {
		rec.flags |= docDeleted
	}
	if len(leaves) > 1 {
		rec.flags |= docForked
	}
	if hasInnerBodies(tree) {
		rec.flags |= docInner
	}
	return rec
}

func hasInnerBodies(tree *revtree.Tree) (inner bool) {
	if tree.Len() < 2 {
		return false
	}
	tree.Nodes(func(n revtree.Node, leaf bool) bool {
		inner = inner || !leaf && n.Data != nil
		return !inner
	})
	return inner
}
