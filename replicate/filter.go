package replicate

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/tododb/tododb/store"
)

// filterOf finds a filter function in the JSON of a design document.
func filterOf(ddoc []byte, name string) (string, error) {
	var d struct {
		Filters map[string]string `json:"filters"`
	}
	if err := json.Unmarshal(ddoc, &d); err != nil {
		return "", ErrNoFilter // the source will say what is wrong with it
	}
	code, ok := d.Filters[name]
	if !ok {
		return "", ErrNoFilter
	}
	return code, nil
}

func (p *remotePeer) FilterCode(ctx context.Context, ddoc, name string) (string, error) {
	b, err := p.call(ctx, http.MethodGet, designPath(ddoc), nil, nil)
	if s, ok := errors.AsType[*StatusError](err); ok && s.Status == http.StatusNotFound {
		return "", ErrNoFilter
	}
	if err != nil {
		return "", err
	}
	return filterOf(b, name)
}

func (p *localPeer) FilterCode(ctx context.Context, ddoc, name string) (code string, err error) {
	err = p.with(ctx, func(db *store.DB) error {
		doc, err := db.Get(ctx, "_design/"+ddoc, store.ReadOptions{})
		if errors.Is(err, store.ErrMissing) || errors.Is(err, store.ErrDeleted) {
			return ErrNoFilter
		}
		if err == nil {
			code, err = filterOf(doc.Body, name)
		}
		return err
	})
	return code, err
}
