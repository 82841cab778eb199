package write

import (
	"context"
	"net/http"
	"strings"

	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/httpapi/fault"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
)

// Conflict is a conflict of one document that can be explained.
type Conflict struct {
	ID    string
	Given revtree.Rev // the parent that the edit named; zero if it named none
}

func (e *Conflict) Error() string { return store.ErrConflict.Error() + ": " + e.ID }
func (e *Conflict) Unwrap() error { return store.ErrConflict }

// PrefersRepresentation tells whether the client wants conflicts explained.
func PrefersRepresentation(r *http.Request) bool {
	for _, header := range r.Header["Prefer"] {
		for one := range strings.SplitSeq(header, ",") {
			name, value, _ := strings.Cut(one, "=")
			value, _, _ = strings.Cut(value, ";")
			if strings.EqualFold(strings.TrimSpace(name), "return") && strings.EqualFold(strings.Trim(strings.TrimSpace(value), `"`), "representation") {
				return true
			}
		}
	}
	return false
}

// explainConflict answers 409 with what the client needs to merge and try again.
func explainConflict(a *access.Access, w http.ResponseWriter, r *http.Request, e *Conflict) error {
	db, err := a.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	b := wire.GetBuf()
	defer wire.PutBuf(b)
	f := fault.Of(e)
	*b = f.Append(append(*b, '{'))
	if *b, err = AppendConflict(r.Context(), *b, db, e); err != nil {
		return err
	}
	SetPreferenceApplied(w)
	return wire.WriteJSON(w, r, f.Status, append(*b, '}'))
}

func SetPreferenceApplied(w http.ResponseWriter) {
	w.Header()["Preference-Applied"] = []string{"return=representation"}
}

// AppendConflict appends the member that explains a conflict:
//
//	"conflict":{"id":...,"rev":...,"winner":{"rev":...,"doc":{...}},"ancestor":{"rev":...,"doc":{...}}}
//
// rev is the parent that the edit named. What does not exist is null.
func AppendConflict(ctx context.Context, b []byte, db *store.DB, e *Conflict) ([]byte, error) {
	c, err := db.ConflictOf(ctx, e.ID, e.Given)
	if err != nil {
		return b, err
	}
	b = wire.AppendString(append(b, `,"conflict":{"id":`...), e.ID)
	b = append(b, `,"rev":`...)
	if e.Given.IsZero() {
		b = append(b, "null"...)
	} else {
		b = wire.AppendRev(b, e.Given)
	}
	b = append(b, `,"winner":`...)
	if c.Winner == nil {
		b = append(b, "null"...)
	} else {
		b = appendVersion(b, c.Winner.Rev, c.Winner)
	}
	b = append(b, `,"ancestor":`...)
	if c.Ancestor.IsZero() {
		b = append(b, "null"...)
	} else {
		b = appendVersion(b, c.Ancestor, c.AncestorBody)
	}
	return append(b, '}'), nil
}

func appendVersion(b []byte, rev revtree.Rev, doc *store.Document) []byte {
	b = wire.AppendRev(append(b, `{"rev":`...), rev)
	b = append(b, `,"doc":`...)
	if doc == nil {
		return append(b, "null}"...)
	}
	return append(doc.AppendJSON(b, store.JSONOptions{}), '}')
}
