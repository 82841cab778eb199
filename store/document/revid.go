package document

import (
	"crypto/md5"
	"encoding/binary"
	"sync"

	"github.com/tododb/tododb/revtree"
)

// AttRef is what an attachment contributes to the revision id. The zero AttRef is what CouchDB
// takes for each attachment of a document that comes back from the dead: it computes the id anew when the
// attachments have a form that it finds no name, type or digest in (couch_db_updater.erl, merge_rev_tree).
type AttRef struct {
	Name, Type string
	MD5        [16]byte
}

// emptyTerm is the term of {}.
var emptyTerm = []byte{termTuple, 1, termNil}

// terms holds buffers large enough for most terms.
var terms = sync.Pool{New: func() any { return new(make([]byte, 0, 4096)) }}

// maxTerm is the size from which a buffer is not reused.
const maxTerm = 1 << 20

// RevID is the revision that this edit makes from a parent, the zero Rev for a first revision.
// atts are the attachments in document order (couch_db.erl, new_revid). An *Error says that
// Body did not come from Parse.
func (d *Doc) RevID(parent revtree.Rev, atts []AttRef) (revtree.Rev, error) {
	buf := terms.Get().(*[]byte)
	b := append((*buf)[:0], termVersion, termList, 0, 0, 0, 5)
	if d.Deleted {
		b = AppendAtom(b, "true")
	} else {
		b = AppendAtom(b, "false")
	}
	if parent.IsZero() {
		b = append(b, termByte, 0, termByte, 0)
	} else {
		b = AppendInt(b, int64(parent.Gen))
		b = AppendBinary(b, parent.ID)
	}
	var err error
	if d.Body == nil {
		b = append(b, emptyTerm...)
	} else if b, err = appendBody(b, d.Body); err != nil {
		return revtree.Rev{}, err
	}
	if len(atts) > 0 {
		b = append(b, termList)
		b = binary.BigEndian.AppendUint32(b, uint32(len(atts)))
		for i := len(atts) - 1; i >= 0; i-- {
			b = append(b, termTuple, 3)
			if atts[i] == (AttRef{}) {
				b = AppendAtom(AppendAtom(AppendAtom(b, "undefined"), "undefined"), "undefined")
				continue
			}
			b = AppendBinary(b, atts[i].Name)
			b = AppendBinary(b, atts[i].Type)
			b = AppendBinary(b, atts[i].MD5[:])
		}
	}
	b = append(b, termNil, termNil) // of the attachments, and of the whole list
	sum := md5.Sum(b)
	if cap(b) <= maxTerm {
		*buf = b[:0]
		terms.Put(buf)
	}
	return revtree.Rev{Gen: parent.Gen + 1, ID: string(sum[:])}, nil
}
