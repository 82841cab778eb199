package documents

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/tododb/tododb/httpapi/attachments"
	"github.com/tododb/tododb/httpapi/fault"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/httpapi/write"
	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
)

var (
	errResolveRev   = wire.BadRequest("The document must name in `_rev` the leaf that it replaces.")
	errResolveTwice = wire.BadRequest("`delete` names a revision twice, or the one that the document replaces.")
	errResolveLocal = wire.BadRequest("A local document has no conflicts.")
)

// GetConflict answers GET /db/_conflicts/DOCID: the leaves of a document that live, and their common
// ancestors. It has the form of a row of _conflicts.
func (d *Room) GetConflict(w http.ResponseWriter, r *http.Request) error {
	id, err := docID(r)
	if err != nil {
		return err
	}
	db, err := d.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	if err := readableID(id); err != nil {
		return err
	}
	b := wire.GetBuf()
	defer wire.PutBuf(b)
	if *b, err = appendBranches(r.Context(), *b, db, id); err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, *b)
}

func appendBranches(ctx context.Context, b []byte, db *store.DB, id string) ([]byte, error) {
	state, err := db.Branches(ctx, id)
	if err != nil {
		return b, err
	}
	b = wire.AppendSeq(append(b, `{"seq":`...), db, state.Seq)
	b = wire.AppendString(append(b, `,"id":`...), id)
	return append(wire.AppendBranches(b, state.Revs, state.Ancestors), '}'), nil
}

// Resolve answers POST /db/_conflicts/DOCID: in one transaction the document of the body replaces the
// leaf that it names, and the leaves in delete end. If one of these is a leaf no longer, nothing is
// written.
func (d *Room) Resolve(w http.ResponseWriter, r *http.Request) error {
	id, err := docID(r)
	if err != nil {
		return err
	}
	if strings.HasPrefix(id, "_local/") {
		return errResolveLocal
	}
	db, err := d.access.OpenToEdit(r, id)
	if err != nil {
		return err
	}
	defer db.Release()
	if err := wire.ValidID(r, id); err != nil {
		return err
	}
	if err := db.CheckNewID(id); err != nil {
		return err
	}
	ended, err := leavesToEnd(r)
	if err != nil {
		return err
	}
	if err := wire.RequireJSON(r); err != nil {
		return err
	}
	doc, err := wire.ReadDocument(w, r, document.Options{})
	if err != nil {
		return err
	}
	doc.ID, doc.HasID = id, true
	given := wire.GivenRev(&doc)
	if given.IsZero() {
		return errResolveRev
	}
	if etag, there, err := ifMatch(r); err != nil {
		return err
	} else if there && etag != given {
		return errEtagRev
	}
	if slices.Contains(ended, given) {
		return errResolveTwice
	}
	wire.NoteDocument(r, id)
	edits := make([]store.Edit, 1+len(ended))
	if edits[0], err = attachments.EditOf(r.Context(), db, doc, wire.SettingsOf(r).MaxAttachmentSize); err != nil {
		return err
	}
	moved, err := takeStubs(r.Context(), db, &edits[0], ended)
	if err != nil {
		return err
	}
	if len(moved) > 0 {
		return refuse(w, r, db, id, movedAnswer(moved))
	}
	for i, rev := range ended {
		edits[1+i].Doc = document.Doc{ID: id, HasID: true, Rev: rev, HasRev: true, Deleted: true, Body: []byte("{}")}
	}
	opt, err := write.OptionsOf(w, r, func(results []store.Result) (write.Answer, error) {
		answer, err := resolvedAnswer(results, given, ended)
		if answer.Status == http.StatusConflict { // it shows the document as it is now, and so does that of the next try
			return write.Answer{}, err
		}
		return answer, err
	})
	if err != nil {
		return err
	}
	opt.Atomic = true
	results, err := db.Write(r.Context(), edits, opt)
	if err != nil {
		return err
	}
	wire.NoteWritten(r, results)
	answer, err := resolvedAnswer(results, given, ended)
	if err != nil {
		return err
	}
	if answer.Status == http.StatusConflict {
		return refuse(w, r, db, id, answer)
	}
	return answer.Send(w, r)
}

// refuse sends the answer to a Resolve of leaves that have moved, with the document as it is now.
func refuse(w http.ResponseWriter, r *http.Request, db *store.DB, id string, answer write.Answer) (err error) {
	answer.Body = append(answer.Body[:len(answer.Body)-1], `,"conflict":`...)
	if answer.Body, err = appendBranches(r.Context(), answer.Body, db, id); errors.Is(err, store.ErrMissing) {
		answer.Body = append(answer.Body, "null"...)
	} else if err != nil {
		return err
	}
	answer.Body = append(answer.Body, '}')
	return answer.Send(w, r)
}

// leavesToEnd reads the list of revisions in the query.
func leavesToEnd(r *http.Request) (ended []revtree.Rev, err error) {
	query, err := wire.QueryOf(r)
	if err != nil {
		return nil, err
	}
	if list, there := query.Get("delete"); there {
		if ended, err = parseRevList([]byte(list)); err != nil {
			return nil, err
		}
	}
	once := map[revtree.Rev]bool{}
	for _, rev := range ended {
		if once[rev] {
			return nil, errResolveTwice
		}
		once[rev] = true
	}
	return ended, nil
}

// takeStubs lets stubs stand for attachments of the replaced leaf, and of those that end too: for those
// of their name and their digest, or without one their revpos, or without that too, the first. The error
// is *store.MissingStub if there is none: who named an attachment must not get another. If it may have
// been of leaves that are here no longer, they are returned.
func takeStubs(ctx context.Context, db *store.DB, e *store.Edit, ended []revtree.Rev) (moved []revtree.Rev, err error) {
	var open []int // stubs that stand for nothing yet
	for i := range e.Attachments {
		if e.Attachments[i].Staged == nil {
			open = append(open, i)
		}
	}
	own := wire.GivenRev(&e.Doc)
	var known []store.Attachment // of all these leaves
	for _, rev := range append([]revtree.Rev{own}, ended...) {
		if len(open) == 0 {
			return nil, nil
		}
		from, err := db.Get(ctx, e.Doc.ID, store.ReadOptions{Rev: rev})
		if errors.Is(err, store.ErrMissing) {
			moved = append(moved, rev)
			continue
		}
		if err != nil {
			return nil, err
		}
		known = append(known, from.Attachments...)
		open = slices.DeleteFunc(open, func(i int) bool {
			stub := &e.Attachments[i]
			n := slices.IndexFunc(from.Attachments, func(a store.Attachment) bool { return standsFor(stub, &a) })
			if n < 0 {
				return false
			}
			a := from.Attachments[n]
			if rev != own {
				// Whoever has the replaced leaf need not have this one: it is new to them.
				a.RevPos = own.Gen + 1
			}
			stub.As = &a
			return true
		})
	}
	if len(moved) == 0 {
		open = slices.DeleteFunc(open, func(i int) bool { return takeRenamed(&e.Attachments[i], known, own.Gen+1) })
	}
	switch {
	case len(open) == 0:
		return nil, nil
	case len(moved) == 0:
		return nil, &store.MissingStub{ID: e.Doc.ID, Name: e.Attachments[open[0]].Name}
	}
	return moved, nil
}

// takeRenamed lets a stub whose name no leaf has stand for the attachment with its digest: two attachments
// of one name can both stay.
func takeRenamed(stub *store.EditAttachment, known []store.Attachment, revPos uint64) bool {
	if !stub.HasDigest || slices.ContainsFunc(known, func(a store.Attachment) bool { return a.Name == stub.Name }) {
		return false
	}
	n := slices.IndexFunc(known, func(a store.Attachment) bool { return a.Digest == stub.Digest })
	if n < 0 {
		return false
	}
	a := known[n]
	a.Name, a.RevPos = stub.Name, revPos
	stub.As = &a
	return true
}

// standsFor reports whether a stub may mean an attachment. The digest says more than revpos does.
func standsFor(stub *store.EditAttachment, a *store.Attachment) bool {
	switch {
	case a.Name != stub.Name:
		return false
	case stub.HasDigest:
		return a.Digest == stub.Digest
	}
	return !stub.HasRevPos || a.RevPos == stub.RevPos
}

// resolvedAnswer makes the answer to a Resolve. A refusal that is no conflict is its error.
func resolvedAnswer(results []store.Result, given revtree.Rev, ended []revtree.Rev) (write.Answer, error) {
	var moved []revtree.Rev
	for i := range results {
		switch err := results[i].Err; {
		case err == nil || errors.Is(err, store.ErrNotWritten):
		case !errors.Is(err, store.ErrConflict):
			return write.Answer{}, err
		case i == 0:
			moved = append(moved, given)
		default:
			moved = append(moved, ended[i-1])
		}
	}
	if len(moved) > 0 {
		return movedAnswer(moved), nil
	}
	b := appendEdited(make([]byte, 0, 128), results[0].ID, results[0].Rev)
	revs := make([]revtree.Rev, len(ended))
	for i := range ended {
		revs[i] = results[1+i].Rev
	}
	b = wire.AppendRevs(append(b[:len(b)-1], `,"deleted":`...), revs)
	return write.Answer{Status: http.StatusCreated, ETag: wire.ETag(results[0].Rev), Body: append(b, '}')}, nil
}

func movedAnswer(moved []revtree.Rev) write.Answer {
	f := fault.Of(store.ErrConflict)
	f.Reason = "Nothing was written: the document has changed since these revisions were its leaves."
	b := f.Append([]byte{'{'})
	b = wire.AppendRevs(append(b, `,"moved":`...), moved)
	return write.Answer{Status: f.Status, Body: append(b, '}')}
}
