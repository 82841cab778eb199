package document

import (
	"crypto/md5"
	"encoding/binary"

	"github.com/tododb/tododb/revtree"
)

// AttRef is what an attachment adds to the revision id.
type AttRef struct {
	Name, Type string
	MD5        [16]byte
}

// emptyTerm is the term of {}.
var emptyTerm = []byte{termTuple, 1, termNil}

// RevID is the revision that this edit makes of a parent, the zero Rev for a first
// revision; atts are the attachments in the order in which they stand in the document
// (couch_db.erl, new_revid).
func (d *Doc) RevID(parent revtree.Rev, atts []AttRef) revtree.Rev {
	term := d.term
	if term == nil {
		term = emptyTerm
	}
	var buf [96]byte
	b := append(buf[:0], termVersion, termList, 0, 0, 0, 5)
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
	h := md5.New()
	h.Write(b)
	h.Write(term)
	b = b[:0]
	if len(atts) > 0 {
		b = append(b, termList)
		b = binary.BigEndian.AppendUint32(b, uint32(len(atts)))
		for i := len(atts) - 1; i >= 0; i-- {
			b = append(b, termTuple, 3)
			b = AppendBinary(b, atts[i].Name)
			b = AppendBinary(b, atts[i].Type)
			b = AppendBinary(b, atts[i].MD5[:])
		}
	}
	b = append(b, termNil, termNil) // of the attachments, and of the whole list
	h.Write(b)
	return revtree.Rev{Gen: parent.Gen + 1, ID: string(h.Sum(nil))}
}
