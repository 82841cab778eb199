package store

import (
	"context"
	"encoding/binary"
	"strconv"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/engine"
)

// A local document's record is version | uvarint revision number | JSON body.

// editLocal applies edits of a _local document. They never conflict: any revision is
// taken, and the new one is it plus one (couch_db.erl, update_local_doc_revs).
func (w *writer) editLocal(edits []pendingEdit) error {
	for i := range edits {
		e := &edits[i]
		key := []byte(e.doc.ID)
		if e.doc.Deleted {
			e.result.Rev = revtree.Rev{Gen: 0, ID: "0"}
			if err := w.tx.Delete(spaceLocal, key); err != nil {
				return err
			}
			continue
		}
		n := uint64(0)
		if given, err := strconv.ParseUint(e.doc.Rev.ID, 10, 63); err == nil {
			n = given
		}
		n++
		e.result.Rev = localRev(n)
		value := append([]byte{recordVersion}, binary.AppendUvarint(nil, n)...)
		if err := w.tx.Put(spaceLocal, key, append(value, e.doc.Body...)); err != nil {
			return err
		}
	}
	return nil
}

func localRev(n uint64) revtree.Rev {
	return revtree.Rev{Gen: 0, ID: strconv.FormatUint(n, 10)}
}

// parseLocal takes a local document's record apart; the body aliases it.
func parseLocal(v []byte) (rev revtree.Rev, body []byte, err error) {
	r := recordReader{b: v}
	if r.byte() != recordVersion {
		return rev, nil, corrupt("local document of unknown version")
	}
	n := r.uvarint()
	if r.bad {
		return rev, nil, corrupt("local document of %d bytes", len(v))
	}
	return localRev(n), r.b, nil
}

// GetLocal reads a local document by its whole id, "_local/x": ErrMissing.
func (db *DB) GetLocal(ctx context.Context, id string) (*Document, error) {
	d := &Document{ID: id}
	err := db.view(ctx, func(r engine.Reader) error {
		v, err := r.Get(spaceLocal, []byte(id))
		if err != nil {
			return err
		}
		if v == nil {
			return ErrMissing
		}
		rev, body, err := parseLocal(v)
		d.Rev, d.Body = rev, append([]byte(nil), body...)
		return err
	})
	if err == nil {
		err = db.see(d)
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

// UpdateLocal replaces a local document's body by what fn makes of it, both in one
// transaction, so that of several who want the same place one gets it. fn is given nil for
// a document that is not there. It may be called again from the start, and has no effects;
// its error is returned and nothing is written.
func (db *DB) UpdateLocal(ctx context.Context, id string, fn func(old []byte) ([]byte, error)) error {
	var refused error
	err := db.commits.submit(ctx, &op{docs: 1, bytes: 1024, apply: func(w *writer) error {
		refused = nil
		v, err := w.tx.Get(spaceLocal, []byte(id))
		if err != nil {
			return err
		}
		n, old := uint64(0), []byte(nil)
		if v != nil {
			rev, body, err := parseLocal(v)
			if err != nil {
				return err
			}
			n, _ = strconv.ParseUint(rev.ID, 10, 63)
			old = append([]byte(nil), body...)
		}
		body, err := fn(old)
		if err != nil {
			refused = err
			return nil
		}
		value := append([]byte{recordVersion}, binary.AppendUvarint(nil, n+1)...)
		return w.tx.Put(spaceLocal, []byte(id), append(value, body...))
	}})
	if err != nil {
		return err
	}
	return refused
}
