package replicate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/jsonscan"
)

const (
	// fetchAtOnce is how many documents one _bulk_get names.
	fetchAtOnce = 100
	// fetchBytes is how long its body gets. It repeats the id for each revision.
	fetchBytes = 1 << 20
)

// Fetch reads through _bulk_get or, if a peer has none, document by document.
func (p *remotePeer) Fetch(ctx context.Context, wanted []Wanted, fn func(*Revision) error) error {
	for len(wanted) > 0 {
		var some []Wanted
		if some, wanted = cut(wanted, fetchAtOnce, fetchBytes); !p.plain.Load() {
			left, err := p.fetchBulk(ctx, some, fn)
			if s, ok := errors.AsType[*StatusError](err); ok && noBulkGet(s.Status) {
				p.plain.Store(true)
			} else if err != nil {
				return err
			} else {
				some = left
			}
		}
		for _, w := range some {
			if err := p.fetchOne(ctx, w, fn); err != nil {
				return err
			}
		}
	}
	return nil
}

// cut divides what is wanted, so that the first part names only so many documents and takes only so many bytes, with the
// id for each revision; but at least one revision.
func cut(wanted []Wanted, docs, bytes int) (some, rest []Wanted) {
	for i, w := range wanted {
		if i == docs {
			return some, wanted[i:]
		}
		for k, rev := range w.Revs {
			bytes -= len(w.ID) + len(rev.ID) + 64
			if bytes >= 0 || k == 0 && i == 0 {
				continue
			}
			rest = append(rest, Wanted{ID: w.ID, Revs: w.Revs[k:], Ancestors: w.Ancestors})
			if k > 0 {
				some = append(some, Wanted{ID: w.ID, Revs: w.Revs[:k], Ancestors: w.Ancestors})
			}
			return some, append(rest, wanted[i+1:]...)
		}
		some = append(some, w)
	}
	return some, nil
}

func noBulkGet(status int) bool {
	switch status {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented, http.StatusBadRequest:
		return true
	}
	return false
}

// fetchBulk returns the revisions that the peer has but failed to send.
func (p *remotePeer) fetchBulk(ctx context.Context, wanted []Wanted, fn func(*Revision) error) (left []Wanted, err error) {
	body := []byte(`{"docs":[`)
	first := true
	for _, w := range wanted {
		for _, rev := range w.Revs {
			if !first {
				body = append(body, ',')
			}
			first = false
			body = jsonscan.AppendString(append(body, `{"id":`...), w.ID)
			body = jsonscan.AppendString(append(body, `,"rev":`...), rev.String())
			body = append(body, '}')
		}
	}
	query := url.Values{"revs": {"true"}, "latest": {"true"}, "att_encoding_info": {"true"}}
	resp, err := p.request(ctx, http.MethodPost, "_bulk_get", query, append(body, `]}`...))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	a := newAnswer(ctx, resp.Body, true)
	defer a.done()
	failed := func(raw []byte) error {
		w, err := failedOf(raw)
		if len(w.Revs) > 0 {
			left = append(left, w)
		}
		return err
	}
	err = a.eachMember(func(name string) error {
		if name != "results" {
			return a.SkipValue()
		}
		return a.eachElement(func() error {
			return a.eachMember(func(name string) error {
				if name != "docs" {
					return a.SkipValue()
				}
				return a.eachElement(func() error { return a.row(a.given(fn), failed) })
			})
		})
	})
	return left, err
}

// given returns a function that reads a document's JSON and calls fn with the revision.
func (a *answer) given(fn func(*Revision) error) func([]byte) error {
	return func(raw []byte) error {
		r := readRevision(raw)
		r.holds = a.in.holds
		return fn(r)
	}
}

// row reads one row. It passes on the document of {"ok": document} or the object of
// {"error": object}.
func (a *answer) row(ok, failed func([]byte) error) error {
	row, err := a.value()
	if err != nil {
		return err
	}
	return jsonscan.EachMember(row, func(name, value []byte) error {
		switch string(name) {
		case "ok":
			return ok(value)
		case "error":
			return failed(value)
		}
		return nil
	})
}

// failedOf reads the error of a _bulk_get for a revision. It returns nothing if the peer no
// longer has the revision.
func failedOf(raw []byte) (w Wanted, err error) {
	var said struct{ ID, Rev, Error string }
	if err := json.Unmarshal(raw, &said); err != nil {
		return w, malformed(err)
	}
	if said.Error == "not_found" {
		return w, nil
	}
	rev, err := revtree.Parse(said.Rev)
	if err != nil {
		return w, malformed(err)
	}
	return Wanted{ID: said.ID, Revs: []revtree.Rev{rev}}, nil
}

// fetchOne reads revisions of one document, as many with one request as a URL of certain length has room for.
func (p *remotePeer) fetchOne(ctx context.Context, w Wanted, fn func(*Revision) error) error {
	const each = 64 // bytes for a revision, escaped
	for revs := range slices.Chunk(w.Revs, max((certainURL-len(docPath(w.ID)))/each, 1)) {
		if err := p.fetchRevs(ctx, w.ID, revs, fn); err != nil {
			return err
		}
	}
	return nil
}

func (p *remotePeer) fetchRevs(ctx context.Context, id string, revs []revtree.Rev, fn func(*Revision) error) error {
	query := url.Values{"revs": {"true"}, "latest": {"true"}, "att_encoding_info": {"true"}, "open_revs": {string(appendRevList(nil, revs))}}
	resp, err := p.request(ctx, http.MethodGet, docPath(id), query, nil)
	if s, ok := errors.AsType[*StatusError](err); ok && s.Status == http.StatusNotFound {
		return nil // purged since
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	a := newAnswer(ctx, resp.Body, true)
	defer a.done()
	return a.eachElement(func() error { return a.row(a.given(fn), func([]byte) error { return nil }) })
}

// Store writes through _bulk_docs. If the documents are too many for the peer, or one makes
// it refuse them all, Store sends fewer and fewer, down to single documents.
func (p *remotePeer) Store(ctx context.Context, docs []*Revision) (refused []Refusal, err error) {
	for len(docs) > 0 {
		n := min(len(docs), p.pace.most())
		some, err := p.storeBulk(ctx, docs[:n])
		s, ok := errors.AsType[*StatusError](err)
		switch {
		case err == nil:
			p.pace.fine(n)
			refused = append(refused, some...)
		case ok && dividable(s.Status) && n == 1:
			if e := p.takesWrites(ctx, err); e != nil {
				return nil, e
			}
			refused = append(refused, Refusal{ID: docs[0].Doc.ID, Reason: s.Error()})
		case ok && dividable(s.Status):
			p.pace.tooMany(n)
			continue
		default:
			if ok && s.Status == http.StatusTooManyRequests || errors.Is(err, errStalled) {
				p.pace.tooMany(n) // for the next try
			}
			return nil, err
		}
		docs = docs[n:]
	}
	return refused, nil
}

// dividable tells whether one document may have caused this answer to many.
func dividable(status int) bool {
	switch status {
	case http.StatusRequestEntityTooLarge, http.StatusBadRequest, http.StatusPreconditionFailed,
		http.StatusNotImplemented, http.StatusUnsupportedMediaType, http.StatusExpectationFailed:
		return true
	}
	return false
}

// takesWrites finds out whether a peer, or something on the way, refuses one document or everything. A write of nothing
// is refused then too, and this is the error: if all documents were counted as refused, a checkpoint would pass over them.
func (p *remotePeer) takesWrites(ctx context.Context, refusal error) error {
	_, err := p.storeBulk(ctx, nil)
	if s, ok := errors.AsType[*StatusError](err); ok && dividable(s.Status) {
		return refusal
	}
	return err
}

// passing are the error words that mean that the peer failed, not that it refuses the
// document. It may accept the document another time.
var passing = map[string]bool{
	"internal_server_error": true, "service_unavailable": true, "timeout": true, "insufficient_storage": true, "too_many_requests": true,
}

func (p *remotePeer) storeBulk(ctx context.Context, docs []*Revision) (refused []Refusal, err error) {
	size := 32
	for _, d := range docs {
		size += d.size()
	}
	body := append(make([]byte, 0, size), `{"new_edits":false,"docs":[`...)
	for i, d := range docs {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(d.Doc.AppendOpen(body), '}')
	}
	b, err := p.call(ctx, http.MethodPost, "_bulk_docs", nil, append(body, `]}`...))
	if err != nil {
		return nil, err
	}
	err = jsonscan.EachElement(b, func(row []byte) error {
		var r Refusal
		failed, word := false, ""
		err := jsonscan.EachMember(row, func(name, value []byte) error {
			switch string(name) {
			case "id":
				r.ID = seqText(value)
			case "error":
				failed, word = true, seqText(value)
				r.Reason = word + r.Reason
			case "reason":
				r.Reason += ": " + seqText(value)
			}
			return nil
		})
		if passing[word] {
			return fmt.Errorf("document %q was not written: %s", r.ID, r.Reason)
		}
		if failed {
			refused = append(refused, r)
		}
		return err
	})
	return refused, err
}
