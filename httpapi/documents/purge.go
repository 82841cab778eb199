package documents

import (
	"errors"
	"net/http"
	"slices"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/jsonscan"
)

// Purge answers POST _purge.
func (d *Room) Purge(w http.ResponseWriter, r *http.Request) error {
	db, err := d.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	if err := wire.RequireJSON(r); err != nil {
		return err
	}
	body, err := wire.ReadKeptBody(w, r)
	if err != nil {
		return err
	}
	ids, revs, err := parseRevsByID(body)
	if err != nil {
		return err
	}
	set, named := d.settings(), 0
	for _, list := range revs {
		named += len(list)
	}
	switch {
	case len(ids) > set.purgeDocs:
		return wire.BadRequest("Exceeded maximum number of documents.")
	case set.purgeRevs > 0 && named > set.purgeRevs:
		return wire.BadRequest("Exceeded maximum number of revisions.")
	}
	if len(ids) == 0 { // nothing to remember, and no sequence to move
		return wire.WriteJSON(w, r, http.StatusCreated, []byte(`{"purge_seq":null,"purged":{}}`))
	}
	purged, _, err := db.Purge(r.Context(), ids, revs)
	if err != nil {
		return err
	}
	for _, list := range purged {
		slices.SortFunc(list, revtree.Compare)
	}
	b := wire.GetBuf()
	defer wire.PutBuf(b)
	*b = append(*b, `{"purge_seq":null,"purged":{`...)
	for i, id := range ids {
		if i > 0 {
			*b = append(*b, ',')
		}
		*b = wire.AppendRevs(append(wire.AppendString(*b, id), ':'), purged[i])
	}
	*b = append(*b, `}}`...)
	return wire.WriteJSON(w, r, http.StatusCreated, *b)
}

// parseRevsByID reads {"id": ["rev", ...], ...}. If an id is repeated, the last one counts.
func parseRevsByID(body []byte) (ids []string, revs [][]revtree.Rev, err error) {
	if !jsonscan.Valid(body) {
		return nil, nil, wire.ErrNotJSON
	}
	at := map[string]int{}
	err = jsonscan.EachMember(body, func(name, value []byte) error {
		list, err := parseRevList(value)
		if err != nil {
			return err
		}
		if i, known := at[string(name)]; known {
			revs[i] = list
			return nil
		}
		at[string(name)] = len(ids)
		ids, revs = append(ids, string(name)), append(revs, list)
		return nil
	})
	if errors.Is(err, jsonscan.ErrSyntax) {
		return nil, nil, wire.BadRequest("Request body must be a JSON object")
	}
	return ids, revs, err
}

// PurgedInfos answers GET _purged_infos: the revisions that purges have named.
func (d *Room) PurgedInfos(w http.ResponseWriter, r *http.Request) error {
	db, err := d.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	st := wire.NewStream(w, r, http.StatusOK)
	defer st.Drop()
	st.Buf = append(st.Buf, `{"purged_infos":[`...)
	first := true
	err = db.PurgedInfos(r.Context(), func(p store.PurgeInfo) error {
		if !first {
			st.Buf = append(st.Buf, ',')
		}
		first = false
		st.Buf = wire.AppendString(append(st.Buf, `{"id":`...), p.ID)
		st.Buf = append(wire.AppendRevs(append(st.Buf, `,"revs":`...), p.Revs), '}')
		return nil
	}, func() error {
		if st.Full() {
			return st.Flush()
		}
		return nil
	})
	if err != nil {
		return err
	}
	st.Buf = append(st.Buf, "]}\n"...)
	return st.End()
}
