package query

import (
	"context"
	"net/http"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/jsonscan"
)

var (
	errNoQueries   = wire.BadRequest("POST body must include `queries` parameter.")
	errQueriesList = wire.BadRequest("`queries` member must be an array.")
	errQueryObject = wire.BadRequest("query must be a JSON object")
	errManyQueries = wire.BadRequest("There are more than %d queries", maxQueries)
)

// AllDocsQueries answers POST /db/_all_docs/queries: several ranges at once.
func (room *Room) AllDocsQueries(w http.ResponseWriter, r *http.Request) error {
	return room.docRanges(w, r, store.Docs)
}

// docRanges answers with several ranges over one of the spaces of documents.
func (room *Room) docRanges(w http.ResponseWriter, r *http.Request, space store.DocSpace) error {
	db, err := room.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	var plans []rangePlan
	err = eachQuery(w, r, func(p *viewParams) error {
		p.oneOfKeys()
		plan, err := room.planDocRange(db, space, p)
		plans = append(plans, plan)
		return err
	})
	if err != nil {
		return err
	}
	return writeResults(w, r, plans)
}

// oneOfKeys turns a keys option with one key into the option key, as CouchDB does for several queries.
func (p *viewParams) oneOfKeys() {
	var first []byte
	n := 0
	err := jsonscan.EachElement(p.keys, func(key []byte) error {
		first = key
		n++
		return nil
	})
	if err == nil && n == 1 && p.startKey == nil && p.endKey == nil {
		p.startKey, p.endKey, p.keys = first, first, nil
	}
}

// rangePlan is a query that has been checked and can be answered.
type rangePlan interface {
	// write appends the whole answer to the stream.
	write(ctx context.Context, st *wire.Stream) error
}

// writeResult answers a request that has one query.
func writeResult(w http.ResponseWriter, r *http.Request, plan rangePlan) error {
	st := wire.NewStream(w, r, http.StatusOK)
	defer st.Drop()
	if err := plan.write(r.Context(), st); err != nil {
		return err
	}
	st.Buf = append(st.Buf, '\n')
	return st.End()
}

// writeResults answers a request that has several.
func writeResults(w http.ResponseWriter, r *http.Request, plans []rangePlan) error {
	st := wire.NewStream(w, r, http.StatusOK)
	defer st.Drop()
	st.Buf = append(st.Buf, `{"results":[`...)
	for i, plan := range plans {
		if i > 0 {
			st.Buf = append(st.Buf, ',')
		}
		st.Buf = append(st.Buf, "\r\n"...)
		st.EndTurn() // it may have to wait for an index
		if err := plan.write(r.Context(), st); err != nil {
			return err
		}
	}
	st.Buf = append(st.Buf, "\r\n]}\n"...)
	return st.End()
}

// maxQueries is how many queries one request may have.
const maxQueries = 10_000

// eachQuery reads a request with several queries, and calls fn for each. The options of a query
// take precedence over the URL's, which apply to all queries.
func eachQuery(w http.ResponseWriter, r *http.Request, fn func(p *viewParams) error) error {
	if err := wire.RequireJSON(r); err != nil {
		return err
	}
	query, err := wire.QueryOf(r)
	if err != nil {
		return err
	}
	common := viewParams{limit: -1}
	if err := common.readURL(r, query); err != nil {
		return err
	}
	body, err := wire.ReadBody(w, r)
	if err != nil {
		return err
	}
	queries, err := queriesOf(body)
	if err != nil {
		return err
	}
	n := 0
	return jsonscan.EachElement(queries, func(raw []byte) error {
		if n++; n > maxQueries {
			return errManyQueries
		}
		if jsonscan.Kind(raw) != '{' {
			return errQueryObject
		}
		p := common
		if err := p.readBody(raw); err != nil {
			return err
		}
		return fn(&p)
	})
}

// queriesOf finds the list of queries in a body.
func queriesOf(body []byte) (queries []byte, err error) {
	if err := wire.RequireObject(body); err != nil {
		return nil, err
	}
	err = jsonscan.EachMember(body, func(name, value []byte) error {
		if string(name) == "queries" {
			queries = value
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case queries == nil:
		return nil, errNoQueries
	case jsonscan.Kind(queries) != '[':
		return nil, errQueriesList
	}
	return queries, nil
}
