package httpapi

import (
	"context"

	"github.com/tododb/tododb/store"
)

// hole is a place in a stream where the attachments of a document belong. A row is
// appended inside a snapshot, where nothing else may be read: the bytes come when the
// stream is flushed, which is outside of one.
type hole struct {
	at     int // index in the stream's buffer
	ctx    context.Context
	db     *store.DB
	doc    store.Document // of which only the attachments are used
	wanted attachmentsWanted
}

// maxHoles is how many wait before the stream counts as full.
const maxHoles = 64

// appendRowDoc appends the document of a row, with the bytes of its attachments if they
// are wanted.
func (st *stream) appendRowDoc(ctx context.Context, db *store.DB, doc *store.Document, wanted attachmentsWanted) {
	opt := store.JSONOptions{Encodings: wanted.encodings, Open: wanted.all && len(doc.Attachments) > 0}
	st.buf = doc.AppendJSON(st.buf, opt)
	if opt.Open {
		st.holes = append(st.holes, hole{len(st.buf), ctx, db, store.Document{Attachments: doc.Attachments}, wanted})
		st.buf = append(st.buf, '}')
	}
}

// fill puts what belongs into the holes. It sends what has gathered as it goes.
func (st *stream) fill() error {
	if len(st.holes) == 0 {
		return nil
	}
	holes, old := st.holes, st.buf
	st.holes, st.buf = nil, make([]byte, 0, 2*streamPiece)
	from := 0
	for i := range holes {
		h := &holes[i]
		st.buf = append(st.buf, old[from:h.at]...)
		from = h.at
		if err := streamAttachments(h.ctx, st, h.db, &h.doc, h.wanted.encodings, h.wanted.of(&h.doc)); err != nil {
			return err
		}
	}
	st.buf = append(st.buf, old[from:]...)
	return nil
}
