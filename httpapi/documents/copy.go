package documents

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/tododb/tododb/httpapi/attachments"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
)

// Copy answers COPY of a document, and of a local one, to another id.
func (d *Room) Copy(w http.ResponseWriter, r *http.Request) error {
	id, err := docID(r)
	if err != nil {
		return err
	}
	db, err := d.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	q, err := parseDocQuery(r)
	if err != nil {
		return err
	}
	from, err := editRev(r, &q, q.rev, q.hasRev) // here If-Match names the source too
	if err != nil {
		return err
	}
	to, over, err := destination(r)
	if err != nil {
		return err
	}
	if err := db.MayEdit(r.Context(), to); err != nil {
		return err
	}
	source, err := copySource(r, db, id, from)
	if err != nil {
		return err
	}
	doc, err := document.Parse(source.Body, document.Options{})
	if err != nil {
		return err
	}
	doc.ID, doc.HasID = to, true
	doc.Deleted = source.Deleted
	doc.Rev, doc.HasRev = over, !over.IsZero()
	return writeEdit(w, r, db, &docQuery{}, store.Edit{Doc: doc, Attachments: attachments.Kept(source, "")})
}

func copySource(r *http.Request, db *store.DB, id string, rev revtree.Rev) (*store.Document, error) {
	if strings.HasPrefix(id, "_local/") {
		return db.GetLocal(r.Context(), id)
	}
	if err := readableID(id); err != nil {
		return nil, err
	}
	return db.Get(r.Context(), id, store.ReadOptions{Rev: rev})
}

// CopyTo returns the id that a COPY writes to; "" if it names none or an impossible one.
func CopyTo(r *http.Request) string {
	id, _, err := destination(r)
	if err != nil {
		return ""
	}
	return id
}

// destination reads the Destination header: an id as in a path and, after a question mark, the
// revision of that document to replace.
func destination(r *http.Request) (id string, rev revtree.Rev, err error) {
	header := r.Header.Get("Destination")
	if header == "" {
		return "", rev, wire.BadRequest("Destination header is mandatory for COPY.")
	}
	if u, err := url.Parse(header); err == nil && u.Scheme != "" && u.Host != "" {
		return "", rev, wire.BadRequest("Destination URL must be relative.")
	}
	path, query, asked := strings.Cut(header, "?")
	if id, err = wire.Unescape(r, path); err != nil {
		return "", rev, err
	}
	if asked {
		// CouchDB takes the first parameter for the revision, whatever its name.
		_, value, _ := strings.Cut(query, "=")
		if rev, err = revtree.Parse(value); err != nil {
			return "", rev, err
		}
	}
	return id, rev, wire.ValidID(r, id)
}
