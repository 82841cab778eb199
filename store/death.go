package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/record"
)

// A document whose tombstone has ended (Expire) is dead. It has no place in the doc, seq and body
// spaces and counts nowhere. A record in the dead space keeps its revisions:
//
//	key    deathByID | the first 16 bytes of the id's SHA-256
//	value  version | tree (revtree's encoding), in which no revision has data
//
// So nothing is forgotten but bodies. Whatever is asked about the document by its id, and whatever
// is merged into it, has the answer and the tree that it would have if the tombstone were still
// there. That makes the tree of a document a function of the revisions that have arrived, as it is
// without ends of tombstones, whichever peers let theirs end, and when.
//
// Revisions are kept whole. Shorter fingerprints would save some bytes and could take an edit for
// an ancestor that it is not, which loses the edit. They could not bring the tombstone back either:
// a client replaces what it has only by a tombstone whose path leads there, through every revision in
// between. And an edit that grows out of an ancestor would have another tree than at a peer whose
// tombstone is still there.
//
// Revivals stand in the same space; see revival.
const (
	deathByID = 1
	revivalBy = 2

	deathHash = 16
)

func deathKey(id string) []byte {
	sum := sha256.Sum256([]byte(id))
	return append([]byte{deathByID}, sum[:deathHash]...)
}

func appendDeath(b []byte, tree *revtree.Tree) []byte {
	return tree.AppendBinary(append(b, record.Version))
}

// parseDeath reads a death record. What is no leaf has no data, as before; a leaf has noBody's.
func parseDeath(v []byte) (tree revtree.Tree, err error) {
	if len(v) == 0 || v[0] != record.Version {
		return tree, corrupt("death record of unknown version")
	}
	if tree, err = revtree.Decode(v[1:]); err != nil {
		return tree, fmt.Errorf("%w: death record: %w", ErrCorrupt, err)
	}
	leaves := tree.Leaves()
	if len(leaves) == 0 || !leaves[0].Deleted { // the winner: no leaf lives
		return tree, corrupt("death record of a living document")
	}
	for _, l := range leaves {
		tree.SetData(l.Rev, noBody)
	}
	return tree, nil
}

// noBody is the place of the body of a dead leaf: it is {}, and stored nowhere.
var noBody = (&bodyRef{size: 2}).appendTo(nil)

func (r *bodyRef) none() bool { return r.seq == 0 }

// record reads the record of a document, nil if there is no such document. That of a dead one is
// made up, with sequence 0.
func (db *DB) record(r engine.Reader, id string) ([]byte, error) {
	v, err := r.Get(spaceDoc, []byte(id))
	if v == nil && err == nil {
		v, err = db.dead(r, id)
	}
	return v, err
}

// dead is record for a document that is not in the doc space.
func (db *DB) dead(r engine.Reader, id string) ([]byte, error) {
	if may, err := db.mayHaveDead(r); !may || err != nil {
		return nil, err
	}
	v, err := r.Get(spaceDead, deathKey(id))
	if err != nil || v == nil {
		return nil, err
	}
	tree, err := parseDeath(v)
	if err != nil {
		return nil, fmt.Errorf("document %q: %w", id, err)
	}
	rec := recordOf(&tree, tree.Leaves(), 0)
	return rec.appendTo(nil, &tree), nil
}

// deaths is what a database notes about its dead space, in the meta space:
//
//	version | uvarints: changes, count, bytes, reached, newest, revivals, began
type deaths struct {
	changes  uint64 // grows with every transaction that changes the space
	count    uint64 // death records
	bytes    uint64 // of their keys and values
	reached  uint64 // up to this sequence no tombstone is left that could end
	newest   uint64 // the sequence of the newest tombstone that has ended
	revivals uint64 // the number of the newest revival
	began    uint64 // the second in which tombstones were first made to end
}

func (d *deaths) fields() []*uint64 {
	return []*uint64{&d.changes, &d.count, &d.bytes, &d.reached, &d.newest, &d.revivals, &d.began}
}

func (d *deaths) appendTo(b []byte) []byte {
	b = append(b, record.Version)
	for _, f := range d.fields() {
		b = binary.AppendUvarint(b, *f)
	}
	return b
}

func readDeaths(r engine.Reader) (d deaths, err error) {
	v, err := r.Get(spaceMeta, metaDeaths)
	if err != nil || v == nil {
		return d, err
	}
	rd := record.Read(v)
	version := rd.Byte()
	for _, f := range d.fields() {
		*f = rd.Uvarint()
	}
	if version != record.Version || rd.Bad {
		return d, corrupt("notes about deaths of %d bytes", len(v))
	}
	return d, nil
}

// deathNotes are the notes that a transaction reads and changes.
type deathNotes struct {
	deaths
	read, changed bool
}

func (w *writer) deaths() (*deathNotes, error) {
	if !w.dead.read {
		d, err := readDeaths(w.tx)
		if err != nil {
			return nil, err
		}
		w.dead.deaths, w.dead.read = d, true
	}
	return &w.dead, nil
}

// saveDeaths writes the notes if the transaction has changed them.
func (w *writer) saveDeaths() error {
	if !w.dead.changed {
		return nil
	}
	return w.tx.Put(spaceMeta, metaDeaths, w.keep(w.dead.appendTo))
}

// setDeath writes, replaces or, without a tree, removes the record of a dead document. old is the
// one that is there, nil for none.
func (w *writer) setDeath(id string, old []byte, tree *revtree.Tree) error {
	d, err := w.deaths()
	if err != nil {
		return err
	}
	if !d.changed {
		d.changed = true
		d.changes++
	}
	key := deathKey(id)
	if old != nil {
		d.count--
		d.bytes -= uint64(len(key) + len(old))
	}
	if tree == nil {
		return w.tx.Delete(spaceDead, key)
	}
	w.db.someDead.Store(true) // before anybody can see it
	if d.count == 0 {
		if err := w.restamp(); err != nil {
			return err
		}
	}
	v := w.keep(func(b []byte) []byte { return appendDeath(b, tree) })
	d.count++
	d.bytes += uint64(len(key) + len(v))
	return w.tx.Put(spaceDead, key, v)
}

// bury makes a document dead whose leaves are all deleted. The caller marks the sequence. It
// reports false, and does nothing, if another id has the same hash: that tombstone stays.
func (w *writer) bury(id string, d *loaded) (bool, error) {
	there, err := w.tx.Get(spaceDead, deathKey(id))
	if err != nil || there != nil {
		return false, err
	}
	if err := w.count(id, &d.tree, -1); err != nil {
		return false, err
	}
	var bodies []revtree.Node
	d.tree.Nodes(func(n revtree.Node, _ bool) bool {
		if n.Data != nil {
			bodies = append(bodies, n)
		}
		return true
	})
	if err := w.dropBodies(bodies); err != nil {
		return false, err
	}
	for _, n := range bodies {
		d.tree.SetData(n.Rev, nil)
	}
	w.moved(id, &d.rec, &revtree.Tree{}, 0, w.last+1)
	if err := w.tx.Delete(spaceDoc, []byte(id)); err != nil {
		return false, err
	}
	if err := w.unlist(&d.rec); err != nil {
		return false, err
	}
	return true, w.setDeath(id, nil, &d.tree)
}

// exhume gives a dead document bodies for its leaves, which are {}, the first of them number n of a
// sequence, and removes its death record. The caller counts it and saves its tree. It returns the
// number of the next body.
func (w *writer) exhume(id string, d *loaded, seq uint64, n uint32) (uint32, error) {
	var failed error
	var leaves, inner []revtree.Rev
	d.tree.Nodes(func(node revtree.Node, leaf bool) bool {
		switch {
		case !bytes.Equal(node.Data, noBody):
		case leaf:
			leaves = append(leaves, node.Rev)
		default: // an edit has replaced it
			inner = append(inner, node.Rev)
		}
		return true
	})
	body := encodeBody([]byte("{}"), nil)
	for _, rev := range leaves {
		ref := bodyRef{seq: seq, n: n, size: 2, stored: int64(len(body))}
		n++
		if failed = w.tx.Insert(spaceBody, bodyKey(ref), body); failed != nil {
			return n, failed
		}
		w.bodies += ref.stored
		d.tree.SetData(rev, ref.appendTo(nil))
	}
	for _, rev := range inner {
		d.tree.SetData(rev, nil)
	}
	return n, w.setDeath(id, d.death, nil)
}

// recall brings the tombstone of a dead document back into the feed, for a peer that does not know
// it.
func (w *writer) recall(id string) error {
	d, err := w.load(id)
	if err != nil || d.death == nil {
		return err
	}
	seq := w.last + 1
	if _, err := w.exhume(id, &d, seq, 0); err != nil {
		return err
	}
	if err := w.count(id, &d.tree, 1); err != nil {
		return err
	}
	if err := w.noteDesign(id, seq); err != nil {
		return err
	}
	w.moved(id, &d.rec, &d.tree, seq, seq)
	return w.saveTree(id, &d.tree, &d.rec, seq)
}

// purgeDead removes leaves from a dead document, as if they had never been. A dead document of which
// nothing is left can come back like any other.
func (w *writer) purgeDead(id string, d *loaded, revs []revtree.Rev) (purged []revtree.Rev, err error) {
	for _, rev := range revs {
		if _, ok := d.tree.Purge(rev); ok {
			purged = append(purged, rev)
		}
	}
	switch {
	case len(purged) == 0:
		return nil, nil
	case d.tree.Len() == 0:
		return purged, w.setDeath(id, d.death, nil)
	}
	for _, l := range d.tree.Leaves() {
		d.tree.SetData(l.Rev, nil)
	}
	return purged, w.setDeath(id, d.death, &d.tree)
}
