package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/record"
)

// ErrMissingAttachment says that a document refers to an attachment whose bytes are not here.
var ErrMissingAttachment = errors.New("the attachment's content is not stored here")

// digestRecord is the value of a digest:
//
//	version | location (16) | uvarint length | uvarint references | varint idle | [uvarint linked]
//
// idle is the time (Unix seconds) when the last reference went, 0 while there are references. linked
// is the sequence of the change that brought the first of the references that have been there
// without a break; it is left out if it is not known.
type digestRecord struct {
	at     location
	length int64
	refs   uint64
	idle   int64
	linked uint64
}

func (d *digestRecord) append(b []byte) []byte {
	b = append(append(b, record.Version), d.at[:]...)
	b = binary.AppendUvarint(b, uint64(d.length))
	b = binary.AppendUvarint(b, d.refs)
	b = binary.AppendVarint(b, d.idle)
	if d.linked != 0 {
		b = binary.AppendUvarint(b, d.linked)
	}
	return b
}

func parseDigestRecord(v []byte) (d digestRecord, err error) {
	r := record.Read(v)
	version := r.Byte()
	r.Fill(d.at[:])
	d.length, d.refs = int64(r.Uvarint()), r.Uvarint()
	d.idle = r.Varint()
	if len(r.Rest) > 0 {
		d.linked = r.Uvarint()
	}
	if version != record.Version || r.Bad {
		return d, corrupt("digest record")
	}
	return d, nil
}

// linkAttachments counts a revision's references. staged holds the attachments whose bytes came
// with the revision; canLink has found the others here.
func (w *writer) linkAttachments(atts []Attachment, staged map[Digest]Staged) error {
	for _, a := range atts {
		v, err := w.tx.Get(spaceAtt, digestKey(a.Digest))
		if err != nil {
			return err
		}
		var rec digestRecord
		if v != nil {
			if rec, err = parseDigestRecord(v); err != nil {
				return err
			}
		} else {
			st := staged[a.Digest]
			rec = digestRecord{at: st.at, length: st.Length}
			if st.chunk != nil {
				err = w.tx.Put(spaceAtt, chunkKey(st.at, 0), st.chunk)
			} else {
				err = w.tx.Delete(spaceAtt, stagedKey(st.at))
			}
			if err != nil {
				return err
			}
		}
		if rec.refs == 0 {
			rec.linked = w.last + 1
		}
		rec.refs++
		rec.idle = 0
		if err := w.putDigest(a.Digest, rec); err != nil {
			return err
		}
	}
	return nil
}

// canLink checks that the bytes of all attachments are here, before anything is written: an
// upload may have taken longer than the grace period.
func (w *writer) canLink(atts []Attachment, staged map[Digest]Staged) error {
	for _, a := range atts {
		key := digestKey(a.Digest)
		v, err := w.tx.Get(spaceAtt, key)
		if err == nil && v == nil {
			st := staged[a.Digest]
			if v = st.chunk; v == nil {
				v, err = w.tx.Get(spaceAtt, stagedKey(st.at))
			}
			if err == nil && v != nil && st.parts { // a sweep between two of them takes those before
				v, err = w.tx.Get(spaceAtt, chunkKey(st.at, 0))
			}
		}
		if err != nil {
			return err
		}
		if v == nil {
			return fmt.Errorf("%w: %s", ErrMissingAttachment, a.Name)
		}
	}
	return nil
}

// unlinkAttachments takes back the references of a body record that is being removed.
func (w *writer) unlinkAttachments(body []byte) error {
	stored, err := parseBody(body)
	if err != nil || len(stored.atts) == 0 {
		return err
	}
	atts, err := parseAttachments(stored.atts)
	if err != nil {
		return err
	}
	for _, a := range atts {
		v, err := w.tx.Get(spaceAtt, digestKey(a.Digest))
		if err != nil {
			return err
		}
		if v == nil {
			return corrupt("the content of attachment %q is missing", a.Name)
		}
		rec, err := parseDigestRecord(v)
		if err != nil {
			return err
		}
		if rec.refs > 0 {
			rec.refs--
		}
		if rec.refs == 0 {
			rec.idle = w.db.store.opt.Clock().Unix()
		}
		if err := w.putDigest(a.Digest, rec); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) putDigest(d Digest, rec digestRecord) error {
	return w.tx.Put(spaceAtt, digestKey(d), w.keep(rec.append))
}

// dropBodies removes the bodies of revisions that left their tree or lost their body to a
// compaction.
func (w *writer) dropBodies(nodes []revtree.Node) error {
	for _, n := range nodes {
		if n.Data == nil {
			continue
		}
		ref, err := parseBodyRef(n.Data)
		if err != nil {
			return err
		}
		key := bodyKey(ref)
		v, err := w.tx.Get(spaceBody, key)
		if err != nil {
			return err
		}
		if len(v) > 1 && v[1]&bodyAtts != 0 {
			if err := w.unlinkAttachments(v); err != nil {
				return err
			}
		}
		if err := w.tx.Delete(spaceBody, key); err != nil {
			return err
		}
		w.bodies -= ref.stored
	}
	return nil
}
