package replicate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/filter"
	"github.com/tododb/tododb/store/jsonscan"
	"github.com/tododb/tododb/store/script"
)

// FilterCode implements Peer.
func (p *remotePeer) FilterCode(ctx context.Context, ddoc, name string) (string, error) {
	b, err := p.call(ctx, http.MethodGet, designPath(ddoc), nil, nil)
	if s, ok := errors.AsType[*StatusError](err); ok && s.Status == http.StatusNotFound {
		return "", ErrNoFilter
	}
	if err != nil {
		return "", err
	}
	source, err := design.Parse("_design/"+ddoc, b).Find("filters", name)
	if err != nil {
		return "", ErrNoFilter
	}
	text, err := jsonscan.Text(source)
	if err != nil {
		return "", ErrNoFilter // the source will say what is wrong with it
	}
	return text, nil
}

// FilterCode implements Peer.
func (p *localPeer) FilterCode(ctx context.Context, ddoc, name string) (code string, err error) {
	err = p.with(ctx, func(db *store.DB) error {
		code, err = p.filters.Source(ctx, db, ddoc, name)
		return filterError(err)
	})
	return code, err
}

// filterError turns an error of a filter into one of this package.
func filterError(err error) error {
	missing, _ := errors.AsType[*script.Error](err)
	switch {
	case errors.Is(err, filter.ErrNoFunctions):
		return ErrNotBuilt
	case errors.Is(err, store.ErrMissing), errors.Is(err, store.ErrDeleted), missing != nil && missing.Kind == script.Missing:
		return fmt.Errorf("%w: %w", ErrNoFilter, err)
	}
	return err
}

// openFilter opens the filter of a replication as _changes does.
func (p *localPeer) openFilter(ctx context.Context, db *store.DB, q *ChangesQuery) (*filter.Filter, error) {
	wanted := filter.Query{Request: func() ([]byte, error) { return filterRequest(ctx, db, q) }}
	switch f := q.Filter; {
	case f.DocIDs != nil:
		wanted.Name = "_doc_ids"
		wanted.DocIDs = Marshal(f.DocIDs)
	case f.Selector != nil:
		wanted.Name, wanted.Posted, wanted.Selector = "_selector", true, f.Selector
	default:
		for _, name := range slices.Sorted(maps.Keys(f.Params)) {
			if _, err := wanted.Set(name, f.Params[name]); err != nil {
				return nil, err
			}
		}
		wanted.Name = f.Name
	}
	opened, err := p.filters.Open(ctx, db, &wanted)
	return opened, filterError(err)
}

// filterRequest is the request that a replication's filter function gets. It is what CouchDB
// would pass, whose replications read changes over HTTP.
func filterRequest(ctx context.Context, db *store.DB, q *ChangesQuery) ([]byte, error) {
	req, err := design.NewRequest(ctx, db)
	if err != nil {
		return nil, err
	}
	query := map[string]string{"filter": q.Filter.Name, "limit": strconv.Itoa(q.Limit)}
	if !q.Winners {
		query["style"] = "all_docs"
	}
	if q.Since != "" {
		query["since"] = q.Since
	}
	if q.Wait > 0 {
		query["feed"] = "longpoll"
	}
	values := url.Values{}
	maps.Copy(query, q.Filter.Params)
	for name, value := range query {
		values.Set(name, value)
	}
	params, bad := design.NewQuery(query)
	if bad != "" {
		return nil, fmt.Errorf("the member %q of query_params is not JSON, which a filter function is to get", bad)
	}
	req.UUID, req.Method, req.Query, req.Peer = newSessionID(), http.MethodGet, params, "127.0.0.1"
	req.Path = []string{db.Name(), "_changes"}
	req.RequestedPath, req.RawPath = req.Path, "/"+escaped(db.Name())+"/_changes?"+escapedQuery(values)
	req.Headers = map[string]string{"Accept": "application/json", "Host": "localhost"}
	return Marshal(req), nil
}
