package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/record"
)

// A local document's record is version | uvarint revision number | JSON body. Clients may
// choose a number that does not fit in 63 bits. It is stored as text: localTextVersion |
// uvarint length | decimal digits | JSON body.
//
// localTimeVersion | uvarint second (Unix) stand before that: when it was last written, by the
// server's clock. Records of earlier releases have no time.
const (
	localTextVersion = 2
	localTimeVersion = 3
)

// maxLocalDigits is the most digits of such a number; a longer one counts as 0.
const maxLocalDigits = 1000

// nextLocalRev is the revision of a local document that replaces old: its number plus one.
func nextLocalRev(old revtree.Rev) revtree.Rev {
	n, ok := new(big.Int), false
	if len(old.ID) <= maxLocalDigits {
		n, ok = n.SetString(old.ID, 10)
	}
	if !ok {
		n = new(big.Int)
	}
	return revtree.Rev{ID: n.Add(n, big.NewInt(1)).String()}
}

// localParent is the revision that an edit of a local document says it replaces: of _revisions
// the first, else _rev. It need not be the one that is there, but it must be one that a local
// document can have: CouchDB fails with a 500 for others.
func localParent(doc *document.Doc) (revtree.Rev, error) {
	given := doc.Rev
	if len(doc.Path) > 0 {
		given = doc.Path[0]
	}
	digits := strings.TrimPrefix(given.ID, "-")
	if given.Gen != 0 || strings.Trim(digits, "0123456789") != "" || digits == "" && given.ID != "" {
		return given, revtree.ErrBadRev
	}
	return given, nil
}

func (w *writer) encodeLocal(rev revtree.Rev, body []byte) []byte {
	v := make([]byte, 0, 2+2*binary.MaxVarintLen64+len(rev.ID)+len(body))
	v = binary.AppendUvarint(append(v, localTimeVersion), unixSecond(w.db.store.opt.Clock()))
	if n, err := strconv.ParseUint(rev.ID, 10, 63); err == nil {
		v = binary.AppendUvarint(append(v, record.Version), n)
	} else {
		v = append(binary.AppendUvarint(append(v, localTextVersion), uint64(len(rev.ID))), rev.ID...)
	}
	return append(v, body...)
}

// editLocal applies edits of a _local document. They never conflict. The new revision is
// localParent's number plus one (couch_db.erl, update_local_doc_revs).
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
		given, err := localParent(e.doc)
		if e.result.Err = err; err != nil {
			continue
		}
		rev := nextLocalRev(given)
		e.result.Rev = rev
		if e.replicated { // CouchDB returns the revision it was given
			e.result.Rev = given
		}
		if err := w.tx.Put(spaceLocal, key, w.encodeLocal(rev, e.doc.Body)); err != nil {
			return err
		}
	}
	return nil
}

// localTime is the second in which a local document was written, 0 if it is not known, and the rest
// of the record.
func localTime(v []byte) (second uint64, rest []byte, err error) {
	if len(v) == 0 || v[0] != localTimeVersion {
		return 0, v, nil
	}
	r := record.Read(v[1:])
	if second = r.Uvarint(); r.Bad {
		return 0, nil, corrupt("local document of %d bytes", len(v))
	}
	return second, r.Rest, nil
}

// parseLocal takes a local document's record apart; the body aliases it.
func parseLocal(v []byte) (rev revtree.Rev, body []byte, err error) {
	_, v, err = localTime(v)
	if err != nil {
		return rev, nil, err
	}
	r := record.Read(v)
	switch version, n := r.Byte(), r.Uvarint(); {
	case r.Bad, version == localTextVersion && n > uint64(len(r.Rest)):
		return rev, nil, corrupt("local document of %d bytes", len(v))
	case version == record.Version:
		rev.ID = strconv.FormatUint(n, 10)
	case version == localTextVersion:
		rev.ID, r.Rest = string(r.Rest[:n]), r.Rest[n:]
	default:
		return rev, nil, corrupt("local document of unknown version")
	}
	return rev, r.Rest, nil
}

// GetLocal reads a local document by its full id, "_local/x". The error is ErrMissing if there
// is none.
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

// Locals are the local documents of a database within one transaction. What is written waits until the
// function that writes it has succeeded, because other writers share the transaction.
type Locals struct {
	w       *writer
	written map[string][]byte // nil: deleted
	failed  error             // of the storage
}

// Get returns the body of a local document, by its full id, nil if there is none. It must not be changed.
func (l *Locals) Get(id string) ([]byte, error) {
	if body, is := l.written[id]; is {
		return body, nil
	}
	_, body, err := l.get(id)
	return body, err
}

func (l *Locals) get(id string) (rev revtree.Rev, body []byte, err error) {
	v, err := l.w.tx.Get(spaceLocal, []byte(id))
	if l.failed = cmp.Or(l.failed, err); err != nil || v == nil {
		return rev, nil, err
	}
	return parseLocal(v)
}

// Put writes a local document, as its next revision.
func (l *Locals) Put(id string, body []byte) { l.written[id] = body }

// Delete removes a local document; nothing happens if there is none.
func (l *Locals) Delete(id string) { l.written[id] = nil }

// Scan calls fn for the local documents whose ids begin with a prefix, in the order of the ids, as they
// were before the transaction. id and body are valid during the call.
func (l *Locals) Scan(prefix string, fn func(id string, body []byte) error) error {
	var stopped error
	err := scanLocals(l.w.tx, prefix, func(id string, body []byte) error {
		stopped = fn(id, body)
		return stopped
	})
	if stopped == nil {
		l.failed = cmp.Or(l.failed, err)
	}
	return err
}

// flush writes what was put and deleted, in the order of the ids.
func (l *Locals) flush() error {
	for _, id := range slices.Sorted(maps.Keys(l.written)) {
		key, body := []byte(id), l.written[id]
		if body == nil {
			if err := l.w.tx.Delete(spaceLocal, key); err != nil {
				return err
			}
			continue
		}
		rev, _, err := l.get(id)
		if err != nil {
			return err
		}
		if err := l.w.tx.Put(spaceLocal, key, l.w.encodeLocal(nextLocalRev(rev), body)); err != nil {
			return err
		}
	}
	return nil
}

func scanLocals(r engine.Reader, prefix string, fn func(id string, body []byte) error) error {
	from, to := []byte(prefix), []byte(prefix)
	to[len(to)-1]++
	return r.Scan(spaceLocal, engine.Range{From: from, To: to}, func(k, v []byte) (bool, error) {
		_, body, err := parseLocal(v)
		if err == nil {
			err = fn(string(k), body)
		}
		return err == nil, err
	})
}

// UpdateLocals reads and writes local documents in one transaction: of several callers that want the
// same place, one gets it. fn may be called again from the start, so it must have no effects but
// those on its Locals. If it fails, its error is returned and nothing is written.
func (db Bare) UpdateLocals(ctx context.Context, fn func(*Locals) error) error {
	var refused error
	err := db.commits.submit(ctx, &op{sparing: true, docs: 1, bytes: 1024, apply: func(w *writer) error {
		l := &Locals{w: w, written: map[string][]byte{}}
		refused = fn(l)
		if l.failed != nil || refused != nil {
			return l.failed
		}
		return l.flush()
	}})
	if err != nil {
		return err
	}
	return refused
}

// UpdateLocal is UpdateLocals for one document. fn is given its body, nil if there is none, and
// returns the new one.
func (db Bare) UpdateLocal(ctx context.Context, id string, fn func(old []byte) ([]byte, error)) error {
	return db.UpdateLocals(ctx, func(l *Locals) error {
		old, err := l.Get(id)
		if err != nil {
			return err
		}
		body, err := fn(bytes.Clone(old))
		if err != nil {
			return err
		}
		l.Put(id, body)
		return nil
	})
}

// EachLocal calls fn for the local documents whose ids begin with a prefix, in one snapshot and in the
// order of the ids. fn does no I/O; id and body are valid during the call.
func (db Bare) EachLocal(ctx context.Context, prefix string, fn func(id string, body []byte) error) error {
	return db.view(ctx, func(r engine.Reader) error { return scanLocals(r, prefix, fn) })
}
