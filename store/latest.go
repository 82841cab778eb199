package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"

	"github.com/tododb/tododb/revtree"
)

// Latest is a document of which nothing but its newest revision is wanted, in one of the server's own
// databases.
type Latest struct {
	ID      string
	Body    []byte // JSON, without members that begin with an underscore
	Deleted bool
	Gone    bool // it is removed, as if it had never been; with If
	// Keep, if not nil, is given the body of the revision which it would replace, a tombstone's too, and tells
	// whether that is to stay. It may be called again.
	Keep func(was []byte) bool
	// If, if not nil, is the sequence at which the document must stand, 0 for none. Otherwise it stays as
	// it is.
	If *uint64
	// Era, if not 0, is that of the storage in which this was true (Store.Era). In another one the document stays as
	// it is: the storage may have been put back.
	Era uint64
}

// PutLatest writes documents, all or none. What they replace goes at once, bodies and history, so the
// database does not grow and has nothing to compact. local documents, by their full ids, are written with
// them.
func (db Bare) PutLatest(ctx context.Context, docs []Latest, local map[string][]byte) error {
	revs := make([]string, len(docs)) // the same if it is run again, and nobody else's
	size := 0
	for i := range docs {
		id := make([]byte, 16)
		rand.Read(id)
		revs[i] = hex.EncodeToString(id)
		size += len(docs[i].ID) + len(docs[i].Body)
	}
	return db.commits.submit(ctx, &op{upkeep: true, docs: len(docs), bytes: size, apply: func(w *writer) error {
		before, removed := w.last, false
		for i := range docs {
			if !docs[i].Gone {
				if err := w.putLatest(&docs[i], revs[i]); err != nil {
					return err
				}
				continue
			}
			done, err := w.removeLatest(&docs[i])
			if err != nil {
				return err
			}
			removed = removed || done
		}
		if removed && w.last == before { // it may have been the newest
			if err := w.mark(); err != nil {
				return err
			}
		}
		for id, body := range local {
			if err := w.tx.Put(spaceLocal, []byte(id), w.encodeLocal(revtree.Rev{ID: "1"}, body)); err != nil {
				return err
			}
		}
		return nil
	}})
}

// removeLatest removes a document. If it had the newest entry of all, the caller leaves a marker.
func (w *writer) removeLatest(doc *Latest) (bool, error) {
	was, err := w.load(doc.ID)
	if err != nil || was.rec.seq == 0 || doc.If == nil || *doc.If != was.rec.seq {
		return false, err
	}
	if err := w.forgetLatest(doc.ID, &was); err != nil {
		return false, err
	}
	w.moved(doc.ID, &was.rec, &revtree.Tree{}, 0, w.last+1)
	if err := w.tx.Delete(spaceDoc, []byte(doc.ID)); err != nil {
		return false, err
	}
	return true, w.unlist(&was.rec)
}

// forgetLatest removes the bodies of a document from the database, and it from the totals.
func (w *writer) forgetLatest(id string, was *loaded) error {
	if err := w.count(id, &was.tree, -1); err != nil {
		return err
	}
	var all []revtree.Node
	was.tree.Nodes(func(n revtree.Node, _ bool) bool {
		if n.Data != nil {
			all = append(all, n)
		}
		return true
	})
	return w.dropBodies(all)
}

func (w *writer) putLatest(doc *Latest, rev string) error {
	if doc.Era != 0 {
		era, known, err := eraOf(inner(w.tx))
		if err != nil || known && era.ID != doc.Era {
			return err
		}
	}
	was, err := w.load(doc.ID)
	if err != nil || doc.If != nil && *doc.If != was.rec.seq {
		return err
	}
	gen := 1
	if winner, there := was.tree.Winner(); there {
		gen = int(winner.Rev.Gen) + 1
		if doc.Keep != nil {
			var old Document
			if err := old.readBody(w.tx, winner.Data); err != nil {
				return err
			}
			if doc.Keep(old.Body) {
				return nil
			}
		}
		if err := w.forgetLatest(doc.ID, &was); err != nil {
			return err
		}
	}
	seq := w.last + 1
	stored := encodeBody(doc.Body, nil)
	ref := bodyRef{seq: seq, size: int64(len(doc.Body)), stored: int64(len(stored))}
	now := revtree.Rev{Gen: uint64(gen), ID: rev}
	var tree revtree.Tree
	if _, err := tree.Merge([]revtree.Rev{now}, doc.Deleted, ref.appendTo(nil)); err != nil {
		return err
	}
	if err := w.tx.Insert(spaceBody, bodyKey(ref), stored); err != nil {
		return err
	}
	w.bodies += ref.stored
	if err := w.count(doc.ID, &tree, 1); err != nil {
		return err
	}
	w.moved(doc.ID, &was.rec, &tree, seq, seq)
	return w.saveTree(doc.ID, &tree, &was.rec, seq)
}
