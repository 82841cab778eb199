package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/engine"
)

// Misfit says why records cannot be taken in as a database: they are damaged, or do not belong
// together.
type Misfit struct{ Reason string }

func (e *Misfit) Error() string { return e.Reason }

func misfit(format string, args ...any) error { return &Misfit{fmt.Sprintf(format, args...)} }

// Adoption makes a database aside, of records as a Capture reads them: of a whole capture and, in
// their order, of those that continue it. Its methods are those of a CaptureSink, and mean the same.
// Nobody sees the database before Publish. After an error it is only good for Close. It is for one
// goroutine.
type Adoption struct {
	s    *Store
	name string
	db   engine.Aside
	ctx  context.Context

	batch []func(tx engine.Tx) error // what is not yet written
	size  int

	identity identity
	named    bool // it has an identity
	markers  []uint64
	times    uint64 // the next time of changes that is not older than those that have come
	figures  AdoptFigures

	came   func(tx engine.Tx) error // puts the answer whose place in the queue is still to come, else nil
	loose  [][]byte                 // keys of bodies whose document has not come
	upload *adoptedContent          // that is coming, else nil
	fresh  map[Digest]bool          // attachments in the batch
}

// Sizes of a transaction of an Adoption. It is not synced, so it may be long.
const (
	adoptRecords = 20_000
	adoptBytes   = 16 << 20
)

// Adopt begins to make a database aside. The error may be ErrBadDBName. The caller closes the
// adoption, and uses it only while ctx lasts.
func (s *Store) Adopt(ctx context.Context, name string) (*Adoption, error) {
	if !ValidName(name) {
		return nil, ErrBadDBName
	}
	edb, err := s.eng.Aside(ctx, name)
	for errors.Is(err, engine.ErrTooManyOpen) && s.MakeRoom() {
		edb, err = s.eng.Aside(ctx, name)
	}
	if err != nil {
		return nil, fmt.Errorf("restore database %q: %w", name, translate(err))
	}
	return &Adoption{s: s, name: name, db: edb, ctx: ctx, fresh: map[Digest]bool{}}, nil
}

// Close deletes the database, unless it was published.
func (a *Adoption) Close() error { return translate(a.db.Close()) }

// add queues a record of a size.
func (a *Adoption) add(size int, apply func(tx engine.Tx) error) error {
	a.batch = append(a.batch, apply)
	if a.size += size; len(a.batch) < adoptRecords && a.size < adoptBytes {
		return nil
	}
	return a.flush()
}

// flush writes what is queued. Each record can be written twice.
func (a *Adoption) flush() error {
	if len(a.batch) == 0 {
		return nil
	}
	err := settledUpdate(a.ctx, a.db, func(tx engine.Tx) error {
		for i := range a.batch {
			if err := a.batch[i](tx); err != nil {
				return err
			}
		}
		return nil
	})
	clear(a.batch)
	clear(a.fresh)
	a.batch, a.size = a.batch[:0], 0
	if err != nil {
		return fmt.Errorf("restore database %q: %w", a.name, translate(err))
	}
	return nil
}

func (a *Adoption) update(fn func(tx engine.Tx) error) error {
	err := a.flush()
	if err == nil {
		err = translate(settledUpdate(a.ctx, a.db, fn))
	}
	return err
}

// Body takes in the body of a revision. The attachments that it lists are here already.
func (a *Adoption) Body(key, value []byte) error {
	if len(key) != 12 {
		return misfit("a body has a key of %d bytes", len(key))
	}
	stored, err := parseBody(value)
	if err != nil {
		return misfit("%v", err)
	}
	atts, err := parseAttachments(stored.atts)
	if err != nil {
		return misfit("%v", err)
	}
	key, value = bytes.Clone(key), bytes.Clone(value)
	a.loose = append(a.loose, key)
	return a.add(len(value), func(tx engine.Tx) error {
		if len(atts) == 0 {
			return tx.Put(spaceBody, key, value)
		}
		if was, err := tx.Get(spaceBody, key); err != nil || was != nil {
			return err // it came before
		}
		for i := range atts {
			if err := refer(tx, atts[i].Digest, 1); err != nil {
				return err
			}
		}
		return tx.Put(spaceBody, key, value)
	})
}

// refer changes how many references an attachment has.
func refer(tx engine.Tx, d Digest, by int) error {
	v, err := tx.Get(spaceAtt, digestKey(d))
	if err != nil {
		return err
	}
	if v == nil {
		return misfit("the content of attachment %s is not there", d)
	}
	rec, err := parseDigestRecord(v)
	if err != nil {
		return misfit("%v", err)
	}
	rec.refs += uint64(by)
	return tx.Put(spaceAtt, digestKey(d), rec.append(nil))
}

// Document takes in a document, in the place of an earlier one of its id. Its bodies are here
// already.
func (a *Adoption) Document(id []byte, seq uint64, record, entry []byte) error {
	rec, err := parseDocRecord(record)
	if err != nil {
		return misfit("document %q: %v", id, err)
	}
	e, err := parseSeqEntry(entry)
	if err != nil || e.marker() || !bytes.Equal(e.id, id) || rec.seq != seq || id[0] == totalsFrom {
		return misfit("document %q has records that do not belong to it", id)
	}
	tree, err := rec.decode()
	if err != nil {
		return misfit("document %q: %v", id, err)
	}
	a.loose = a.loose[:0]
	id, record, entry = bytes.Clone(id), bytes.Clone(record), bytes.Clone(entry)
	return a.add(len(id)+len(record)+len(entry), func(tx engine.Tx) error {
		was, err := tx.Get(spaceDoc, id)
		if err != nil {
			return err
		}
		if was != nil && !bytes.Equal(was, record) {
			if err := forgetDocument(tx, id, was, &tree); err != nil {
				return err
			}
		}
		if conflict, ok := appendConflict(nil, &tree, living(tree.Leaves())); ok {
			err = tx.Put(spaceConflict, seqKey(seq), conflict)
		}
		return errors.Join(err, tx.Put(spaceDoc, id, record), tx.Put(spaceSeq, seqKey(seq), entry))
	})
}

// forgetDocument removes what is left of a document whose record is given: its place in the feed,
// and the bodies that another tree, if there is one, does not refer to.
func forgetDocument(tx engine.Tx, id, record []byte, now *revtree.Tree) error {
	rec, err := parseDocRecord(record)
	if err != nil {
		return err
	}
	tree, err := rec.decode()
	if err != nil {
		return fmt.Errorf("document %q: %w", id, err)
	}
	tree.Nodes(func(n revtree.Node, _ bool) bool {
		if n.Data == nil {
			return true
		}
		if now != nil {
			if kept, there := now.Find(n.Rev); there && bytes.Equal(kept.Data, n.Data) {
				return true
			}
		}
		err = forgetBody(tx, n.Data)
		return err == nil
	})
	return errors.Join(err, tx.Delete(spaceConflict, seqKey(rec.seq)), tx.Delete(spaceSeq, seqKey(rec.seq)))
}

func forgetBody(tx engine.Tx, data []byte) error {
	ref, err := parseBodyRef(data)
	if err != nil {
		return err
	}
	return forgetBodyAt(tx, bodyKey(ref))
}

func forgetBodyAt(tx engine.Tx, key []byte) error {
	v, err := tx.Get(spaceBody, key)
	if err != nil || v == nil {
		return err
	}
	stored, err := parseBody(v)
	if err != nil {
		return err
	}
	atts, err := parseAttachments(stored.atts)
	if err != nil {
		return err
	}
	for i := range atts {
		if err := refer(tx, atts[i].Digest, -1); err != nil {
			return err
		}
	}
	return tx.Delete(spaceBody, key)
}

// Abandon forgets what came and is not whole: bodies without their document, and an attachment whose
// content has not come to its end.
func (a *Adoption) Abandon() error {
	a.came = nil
	for _, key := range a.loose {
		if err := a.add(len(key), func(tx engine.Tx) error { return forgetBodyAt(tx, key) }); err != nil {
			return err
		}
	}
	a.loose = a.loose[:0]
	if u := a.upload; u != nil {
		a.upload = nil
		return a.add(1, func(tx engine.Tx) error { return removeChunks(tx, u.at) })
	}
	return nil
}

// Gone removes a document.
func (a *Adoption) Gone(id []byte) error {
	id = bytes.Clone(id)
	return a.add(len(id), func(tx engine.Tx) error { return dropDocument(tx, id) })
}

func dropDocument(tx engine.Tx, id []byte) error {
	v, err := tx.Get(spaceDoc, id)
	if err != nil || v == nil {
		return err
	}
	return errors.Join(forgetDocument(tx, id, v, nil), tx.Delete(spaceDoc, id))
}

// Survivors removes the documents with sequences from..to that are not listed.
func (a *Adoption) Survivors(from, to uint64, seqs []uint64) error {
	if from > to {
		return misfit("sequences %d to %d", from, to)
	}
	return a.update(func(tx engine.Tx) error {
		var gone [][]byte
		left := seqs
		err := tx.Scan(spaceSeq, engine.Range{From: seqKey(from), To: seqKey(to + 1)}, func(k, v []byte) (bool, error) {
			seq, err := seqOfKey(k)
			if err != nil {
				return false, err
			}
			for len(left) > 0 && left[0] < seq {
				left = left[1:]
			}
			if len(left) > 0 && left[0] == seq {
				return true, nil
			}
			e, err := parseSeqEntry(v)
			if err == nil && !e.marker() {
				gone = append(gone, bytes.Clone(e.id))
			}
			return true, err
		})
		for i := 0; i < len(gone) && err == nil; i++ {
			err = dropDocument(tx, gone[i])
		}
		return err
	})
}

// Space empties a space that comes whole.
func (a *Adoption) Space(space byte) error {
	s := engine.Space(space)
	if !comesWhole(s) {
		return misfit("space %d does not come whole", space)
	}
	return a.add(1, func(tx engine.Tx) error { return tx.DeleteRange(s, nil, nil) })
}

func comesWhole(s engine.Space) bool { return s == spaceMeta || s == spaceLocal || s == spaceDead }

// Entry takes in an entry of a space other than those of documents. That of the feed is a marker,
// which stands for a sequence without a document.
func (a *Adoption) Entry(space byte, key, value []byte) error {
	s := engine.Space(space)
	var err error
	switch s {
	case spaceMeta:
		if bytes.HasPrefix(key, []byte(metaSub)) {
			return misfit("an index in a backup")
		}
		if bytes.Equal(key, metaIdentity) {
			a.identity, err = parseIdentity(value)
			a.named = err == nil
		}
	case spaceLocal:
		_, _, err = parseLocal(value)
	case spacePurge:
		_, err = parsePurge(key, value)
	case spaceTime:
		var e timeEntry
		if e, err = parseTimeEntry(key, value); err == nil {
			err = a.timesFrom(e.after)
		}
	case spaceOnce:
		return a.answer(key, value)
	case spaceSeq:
		var e seqEntry
		if e, err = parseSeqEntry(value); err == nil && !e.marker() {
			err = corrupt("an entry of a document among those without")
		}
		if err == nil {
			var seq uint64
			seq, err = seqOfKey(key)
			a.markers = append(a.markers, seq)
		}
	case spaceDead:
		err = checkDead(key, value)
	default:
		return misfit("entries of space %d", space)
	}
	if err != nil {
		return misfit("%v", err)
	}
	key, value = bytes.Clone(key), bytes.Clone(value)
	return a.add(len(key)+len(value), func(tx engine.Tx) error {
		return tx.Put(s, key, value)
	})
}

// answer takes in a recorded answer, and then its place in the queue. A stream may be cut between the two, and the answer be
// forgotten before the next one: without its place nothing would ever remove it.
func (a *Adoption) answer(key, value []byte) error {
	var err error
	if key[0] == onceQueue {
		_, err = parseOnceEntry(key, value)
	} else {
		_, err = parseOnce(value)
	}
	if err != nil {
		return misfit("%v", err)
	}
	key, value = bytes.Clone(key), bytes.Clone(value)
	put := func(tx engine.Tx) error { return tx.Put(spaceOnce, key, value) }
	came := a.came
	if a.came = nil; key[0] != onceQueue {
		a.came = put
		return nil
	}
	return a.add(len(key)+len(value), func(tx engine.Tx) error {
		if came == nil {
			return put(tx)
		}
		return errors.Join(came(tx), put(tx))
	})
}

// timesFrom forgets the times of changes from a key on, if there are any: they come again, and may have been
// merged since (thinTimes).
func (a *Adoption) timesFrom(after uint64) error {
	again := after < a.times
	a.times = after + 1
	if !again {
		return nil
	}
	return a.add(1, func(tx engine.Tx) error { return tx.DeleteRange(spaceTime, seqKey(after), nil) })
}

// Trim removes the entries of a space before a key.
func (a *Adoption) Trim(space byte, key []byte) error {
	switch s := engine.Space(space); s {
	case spacePurge:
		key = bytes.Clone(key)
		return a.add(len(key), func(tx engine.Tx) error { return tx.DeleteRange(s, nil, key) })
	case spaceOnce:
		return a.trimAnswers(bytes.Clone(key))
	}
	return misfit("space %d is trimmed", space)
}

// trimAnswers removes recorded answers that stand in the queue before a key.
func (a *Adoption) trimAnswers(key []byte) error {
	return a.update(func(tx engine.Tx) error {
		var old []onceEntry
		err := tx.Scan(spaceOnce, engine.Range{From: onceQueueRange().From, To: key}, func(k, v []byte) (bool, error) {
			e, err := parseOnceEntry(k, v)
			old = append(old, e)
			return true, err
		})
		for i := 0; i < len(old) && err == nil; i++ {
			err = dropAnswer(tx, &old[i])
		}
		return err
	})
}
