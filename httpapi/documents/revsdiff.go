package documents

import (
	"net/http"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/jsonscan"
)

// RevsDiff answers POST /db/_revs_diff: which of the named revisions are missing here.
func (d *Room) RevsDiff(w http.ResponseWriter, r *http.Request) error {
	db, asked, err := d.revsAsked(w, r)
	if err != nil {
		return err
	}
	defer db.Release()
	b := wire.GetBuf()
	defer wire.PutBuf(b)
	*b = append(*b, '{')
	err = db.RevsDiff(r.Context(), asked.ids, asked.revs, func(i int, missing, ancestors []revtree.Rev) error {
		if len(missing) == 0 {
			return nil
		}
		if len(*b) > 1 {
			*b = append(*b, ',')
		}
		*b = wire.AppendString(*b, asked.ids[i])
		*b = wire.AppendRevs(append(*b, `:{"missing":`...), missing)
		if len(ancestors) > 0 {
			*b = wire.AppendRevs(append(*b, `,"possible_ancestors":`...), ancestors)
		}
		*b = append(*b, '}')
		return nil
	})
	if err != nil {
		return err
	}
	*b = append(*b, '}')
	return wire.WriteJSON(w, r, http.StatusOK, *b)
}

// MissingRevs answers POST /db/_missing_revs, the same without the ancestors.
func (d *Room) MissingRevs(w http.ResponseWriter, r *http.Request) error {
	db, asked, err := d.revsAsked(w, r)
	if err != nil {
		return err
	}
	defer db.Release()
	b := wire.GetBuf()
	defer wire.PutBuf(b)
	const open = `{"missing_revs":{`
	*b = append(*b, open...)
	err = db.RevsDiff(r.Context(), asked.ids, asked.revs, func(i int, missing, _ []revtree.Rev) error {
		if len(missing) == 0 {
			return nil
		}
		if len(*b) > len(open) {
			*b = append(*b, ',')
		}
		*b = wire.AppendString(*b, asked.ids[i])
		*b = wire.AppendRevs(append(*b, ':'), missing)
		return nil
	})
	if err != nil {
		return err
	}
	*b = append(*b, "}}"...)
	return wire.WriteJSON(w, r, http.StatusOK, *b)
}

// askedRevs are documents and for each the revisions that a client asks about.
type askedRevs struct {
	ids  []string
	revs [][]revtree.Rev
}

// revsAsked opens the database and reads the body; the caller releases the database.
func (d *Room) revsAsked(w http.ResponseWriter, r *http.Request) (*store.DB, askedRevs, error) {
	var asked askedRevs
	db, err := d.access.Open(r)
	if err != nil {
		return nil, asked, err
	}
	var body []byte
	if err = wire.RequireJSON(r); err == nil {
		body, err = wire.ReadBody(w, r)
	}
	if err == nil {
		asked, err = parseAskedRevs(body)
	}
	if err != nil {
		db.Release()
		return nil, asked, err
	}
	return db, asked, nil
}

// parseAskedRevs reads {"id": ["1-a", ...], ...}.
func parseAskedRevs(body []byte) (askedRevs, error) {
	var asked askedRevs
	if err := wire.RequireObject(body); err != nil {
		return asked, err
	}
	err := jsonscan.EachMember(body, func(name, value []byte) error {
		if jsonscan.Kind(value) != '[' {
			return revtree.ErrBadRev
		}
		var revs []revtree.Rev
		err := jsonscan.EachElement(value, func(element []byte) error {
			text, err := jsonscan.Text(element)
			if err != nil {
				return revtree.ErrBadRev
			}
			rev, err := revtree.Parse(text)
			revs = append(revs, rev)
			return err
		})
		asked.ids = append(asked.ids, string(name))
		asked.revs = append(asked.revs, revs)
		return err
	})
	return asked, err
}
