package documents

import (
	"net/http"

	"github.com/tododb/tododb/httpapi/attachments"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
)

// Get answers GET and HEAD of a document.
func (d *Room) Get(w http.ResponseWriter, r *http.Request) error {
	id, bad := docID(r)
	db, err := d.access.OpenToRead(r, id)
	if err != nil {
		return err
	}
	defer db.Release()
	if bad != nil {
		return bad
	}
	q, err := parseDocQuery(r)
	if err != nil {
		return err
	}
	if err := readableID(id); err != nil {
		return err
	}
	if q.openRevs != "" && q.openRevs != "[]" {
		return getOpenRevs(w, r, db, id, &q)
	}
	opt := store.ReadOptions{Revs: q.revs || q.attachments.HasSince, Deleted: q.deleted}
	if q.hasRev && !q.latest {
		opt.Rev = q.rev // then CouchDB does not mention other revisions
		if q.rev.IsZero() {
			return store.ErrMissing
		}
	} else {
		opt.RevsInfo, opt.Conflicts, opt.DeletedConflicts = q.revsInfo, q.conflicts, q.deletedConflicts
	}
	read := wire.GetBuf()
	defer wire.PutBuf(read)
	opt.Into = *read
	doc, err := db.Get(r.Context(), id, opt)
	if err != nil {
		return err
	}
	localSeq := q.localSeq && opt.Rev.IsZero()
	if !localSeq && doc.RevsInfo == nil && doc.Conflicts == nil && doc.DeletedConflicts == nil {
		if setETag(w, r, doc.Rev) {
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	js := store.JSONOptions{LocalSeq: localSeq, Encodings: q.attachments.Encodings}
	if len(doc.Attachments) > 0 && q.attachments.Any() {
		sends := q.attachments.Of(doc)
		if !q.revs {
			doc.Path = nil // it was read to judge atts_since
		}
		sending := attachments.Sending{DB: db, Doc: doc, Options: js, Sends: sends}
		return sending.Write(w, r)
	}
	if !q.revs {
		doc.Path = nil
	}
	if len(doc.Body) >= wire.LongAnswer {
		st := wire.NewStream(w, r, http.StatusOK)
		defer st.Drop()
		st.Buf = append(doc.AppendJSON(make([]byte, 0, len(doc.Body)+1024), js), '\n')
		return st.End()
	}
	b := wire.GetBuf()
	defer wire.PutBuf(b)
	*b = doc.AppendJSON(*b, js)
	return wire.WriteJSON(w, r, http.StatusOK, *b)
}

// setETag names the revision in the answer; it tells whether the client has it already.
func setETag(w http.ResponseWriter, r *http.Request, rev revtree.Rev) (known bool) {
	etag := wire.ETag(rev)
	wire.SetHeader(w, "Etag", etag)
	return wire.MatchesETag(r, etag)
}
