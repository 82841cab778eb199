package query

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/design"
)

// deprecation is a header in the answers of shows, lists and rewrites. CouchDB 3.0, released
// on that day, deprecated them.
const deprecation = "@1582675200"

// design finds a design document by its name, without _design/.
func (room *Room) design(ctx context.Context, db *store.DB, name string) (*design.Document, error) {
	return room.designs.Find(ctx, db, "_design/"+name)
}

// functionCall is a request to a function of a design document.
type functionCall struct {
	db     *store.DB
	design *design.Document
	name   string   // of the function
	rest   []string // of the path after it
}

// functionOf finds the function that the path names. group is _show, _update or _list. The caller releases the
// database.
func (room *Room) functionOf(r *http.Request, group string) (c functionCall, err error) {
	if c.db, err = room.access.Open(r); err != nil {
		return c, err
	}
	defer func() {
		if err != nil {
			c.db.Release()
		}
	}()
	ddoc, err := wire.Segment(r, "ddoc")
	if err != nil {
		return c, err
	}
	if c.design, err = room.design(r.Context(), c.db, ddoc); err != nil {
		return c, err
	}
	path, err := wire.Rest(r)
	if err != nil {
		return c, err
	}
	if len(path) == 0 {
		return c, wire.Errorf(http.StatusNotFound, strings.TrimPrefix(group, "_")+"_error", "Invalid path.")
	}
	c.name, c.rest = path[0], path[1:]
	_, err = c.design.Find(groupMembers[group], c.name)
	return c, err
}

// groupMembers are the members of a design document that hold the functions.
var groupMembers = map[string]string{"_show": "shows", "_update": "updates", "_list": "lists"}

// target reads the document that a function is called for, as JSON. It is nil if the path names
// none or the document does not exist.
func (c *functionCall) target(ctx context.Context) (doc *store.Document, js []byte, err error) {
	id := c.id()
	if id == nil {
		return nil, nil, nil
	}
	doc, err = c.db.Get(ctx, *id, store.ReadOptions{Revs: true})
	if errors.Is(err, store.ErrMissing) || errors.Is(err, store.ErrDeleted) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	return doc, doc.AppendJSON(nil, store.JSONOptions{}), nil
}

// id is the document's id for the request object; nil if the path names none.
func (c *functionCall) id() *string {
	if len(c.rest) == 0 {
		return nil
	}
	id := strings.Join(c.rest, "/")
	return &id
}
