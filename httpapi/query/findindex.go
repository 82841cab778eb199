package query

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/index/mango"
	"github.com/tododb/tododb/store/jsonscan"
)

var errListIndexes = wire.Errorf(http.StatusBadRequest, "invalid_list_index_params", "Index parameter ranges: limit > 1, skip > 0")

// ListIndexes answers GET /db/_index.
func (room *Room) ListIndexes(w http.ResponseWriter, r *http.Request) error {
	db, err := room.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	if room.finder == nil {
		return wire.ErrNotBuilt
	}
	query, err := wire.QueryOf(r)
	if err != nil {
		return err
	}
	list, err := room.finder.Indexes(r.Context(), db)
	if err != nil {
		return err
	}
	total := len(list)
	limit, skip := total, 0
	for name, to := range map[string]*int{"limit": &limit, "skip": &skip} {
		value, given := query.Get(name)
		if !given {
			continue
		}
		var ok bool
		if *to, ok = wire.ParseInteger(value); !ok || *to < 0 || *to == 0 && name == "limit" {
			return errListIndexes
		}
	}
	list = list[min(skip, total):]
	list = list[:min(limit, len(list))]
	b := wire.AppendInt([]byte(`{"total_rows":`), total)
	b = append(b, `,"indexes":[`...)
	for i, ix := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = ix.AppendJSON(b)
	}
	return wire.WriteJSON(w, r, http.StatusOK, append(b, "]}"...))
}

// CreateIndex answers POST /db/_index.
func (room *Room) CreateIndex(w http.ResponseWriter, r *http.Request) error {
	db, err := room.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	body, err := objectBody(w, r)
	if err != nil {
		return err
	}
	ix, err := mango.ParseIndex(body)
	if err != nil {
		return err
	}
	if err := wire.ValidID(r, ix.DDoc); err != nil {
		return err
	}
	changed, err := editDesign(r.Context(), db, ix.DDoc, ix.Put)
	if err != nil {
		return err
	}
	b := append([]byte(`{"result":"`), "exists"...)
	if changed {
		b = append(b[:len(b)-len("exists")], "created"...)
	}
	b = wire.AppendString(append(b, `","id":`...), ix.DDoc)
	b = wire.AppendString(append(b, `,"name":`...), ix.Name)
	return wire.WriteJSON(w, r, http.StatusOK, append(b, '}'))
}

// designTries is how often an edit is tried while others edit the design document.
const designTries = 10

// editDesign writes what edit makes from the body of a design document, which is nil if there
// is none. If edit returns nil, the document is deleted.
func editDesign(ctx context.Context, db *store.DB, id string, edit func(body []byte) ([]byte, error)) (changed bool, err error) {
	for range designTries {
		doc := document.Doc{ID: id, HasID: true}
		var old []byte
		atts := []store.EditAttachment(nil)
		now, err := db.Get(ctx, id, store.ReadOptions{})
		switch {
		case err == nil:
			doc.Rev, doc.HasRev, old = now.Rev, true, now.Body
			for _, a := range now.Attachments {
				atts = append(atts, store.EditAttachment{Name: a.Name})
			}
		case !errors.Is(err, store.ErrMissing) && !errors.Is(err, store.ErrDeleted):
			return false, err
		}
		body, err := edit(old)
		if err != nil {
			return false, err
		}
		if string(body) == string(old) && body != nil {
			return false, nil
		}
		if body == nil {
			tomb := document.Tombstone(id)
			tomb.Rev, tomb.HasRev = doc.Rev, true
			doc, atts = tomb, nil
		} else if err := doc.SetBody(body); err != nil {
			return false, err
		}
		_, err = db.Put(ctx, store.Edit{Doc: doc, Attachments: atts}, store.WriteOptions{})
		if !errors.Is(err, store.ErrConflict) {
			return err == nil, err
		}
	}
	return false, store.ErrConflict
}

// DeleteIndex answers DELETE /db/_index/ddoc/type/name.
func (room *Room) DeleteIndex(w http.ResponseWriter, r *http.Request) error {
	db, err := room.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	ddoc, err := wire.Segment(r, "ddoc")
	if err != nil {
		return err
	}
	kind, err := wire.Segment(r, "type")
	if err != nil {
		return err
	}
	name, err := wire.Segment(r, "index")
	if err != nil {
		return err
	}
	if kind != "json" {
		return store.ErrMissing
	}
	if err := removeIndexes(r.Context(), db, "_design/"+strings.TrimPrefix(ddoc, "_design/"), name); err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, []byte(`{"ok":true}`))
}

// removeIndexes removes an index from a design document, or all of them if name is "". The error
// is store.ErrMissing if there is none.
func removeIndexes(ctx context.Context, db *store.DB, id, name string) error {
	_, err := editDesign(ctx, db, id, func(body []byte) ([]byte, error) {
		found := false
		for _, ix := range mango.IndexesOf(design.Parse(id, body)) {
			if name != "" && ix.Name != name {
				continue
			}
			found = true
			var err error
			if body, err = ix.Remove(body); err != nil {
				return nil, err
			}
		}
		if !found {
			return nil, store.ErrMissing
		}
		return body, nil
	})
	return err
}

var errBulkDelete = wire.Errorf(http.StatusBadRequest, "invalid_bulk_docs", "Bulk Delete requires an array of non-null docids.")

// DeleteIndexes answers POST /db/_index/_bulk_delete: the indexes of design documents.
func (room *Room) DeleteIndexes(w http.ResponseWriter, r *http.Request) error {
	db, err := room.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	body, err := objectBody(w, r)
	if err != nil {
		return err
	}
	list := wire.MemberOf(body, "docids")
	if list == nil {
		return wire.Errorf(http.StatusBadRequest, "missing_required_key", "Missing required key: docids")
	}
	success, fail := []byte(`{"success":[`), []byte(`],"fail":[`)
	if jsonscan.Kind(list) != '[' {
		return errBulkDelete
	}
	var ids []string
	err = jsonscan.EachElement(list, func(v []byte) error {
		name, err := jsonscan.Text(v)
		ids = append(ids, "_design/"+strings.TrimPrefix(name, "_design/"))
		if err != nil {
			return errBulkDelete
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, id := range ids {
		err := removeIndexes(r.Context(), db, id, "")
		switch {
		case err == nil:
			success = append(wire.AppendString(append(appendComma(success), `{"id":`...), id), `,"ok":true}`...)
		case errors.Is(err, store.ErrMissing):
			fail = append(wire.AppendString(append(appendComma(fail), `{"id":`...), id), `,"error":"not_found"}`...)
		default:
			return err
		}
	}
	return wire.WriteJSON(w, r, http.StatusOK, append(append(success, fail...), "]}"...))
}

// appendComma appends a comma unless an array begins here.
func appendComma(b []byte) []byte {
	if b[len(b)-1] == '[' {
		return b
	}
	return append(b, ',')
}
