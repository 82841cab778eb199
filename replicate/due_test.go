package replicate

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/document"
)

// scantPeer has one change, and answers requests for it with docs.
type scantPeer struct {
	stubPeer
	docs []string
	gone bool // the revisions that it does not give are gone
}

var scant = []revtree.Rev{{Gen: 2, ID: "b"}, {Gen: 2, ID: "c"}}

func (p *scantPeer) Changes(_ context.Context, q ChangesQuery, fn func(Change) error) (ChangesEnd, error) {
	if q.Since != "" {
		return ChangesEnd{LastSeq: "2"}, nil
	}
	return ChangesEnd{LastSeq: "2", Rows: 1}, fn(Change{Seq: "2", ID: "a", Revs: scant})
}

func (p *scantPeer) Fetch(_ context.Context, _ []Wanted, fn func(*Revision) error) error {
	for _, doc := range p.docs {
		if err := fn(readRevision([]byte(doc))); err != nil {
			return err
		}
	}
	return nil
}

func (p *scantPeer) Missing(_ context.Context, changes []Change) ([]Wanted, error) {
	if p.gone {
		return []Wanted{{ID: "a", Revs: changes[0].Revs}}, nil
	}
	return nil, nil
}

// emptyPeer lacks everything.
type emptyPeer struct{ stubPeer }

func (p *emptyPeer) Missing(_ context.Context, changes []Change) ([]Wanted, error) {
	return []Wanted{{ID: "a", Revs: changes[0].Revs}}, nil
}

// If a requested revision does not come, either the source no longer has it, or the job fails and
// no checkpoint covers it.
func TestRevisionsThatDoNotCome(t *testing.T) {
	for _, c := range []struct {
		name    string
		docs    []string
		gone    bool
		written int64
		fails   error // nil: nothing does
	}{
		{"both", []string{`{"_id":"a","_rev":"2-b"}`, `{"_id":"a","_rev":"2-c"}`}, false, 2, nil},
		{"one that took the place of both", []string{`{"_id":"a","_rev":"3-d","_revisions":{"start":3,"ids":["d","b"]}}`, `{"_rev":"3-e","_id":"a","_revisions":{"start":3,"ids":["e","c"]}}`}, false, 2, nil},
		{"one twice, as the place of both", []string{`{"_id":"a","_rev":"2-b"}`, `{"_id":"a","_rev":"3-d","_revisions":{"start":3,"ids":["d","c"]}}`, `{"_id":"a","_rev":"3-d","_revisions":{"start":3,"ids":["d","c"]}}`}, false, 3, nil},
		{"purged", nil, true, 0, nil},
		{"one of two purged", []string{`{"_id":"a","_rev":"2-c"}`}, true, 1, nil},
		{"nothing", nil, false, 0, &withheld{}},
		{"one of two", []string{`{"_id":"a","_rev":"2-c"}`}, false, 1, &withheld{}},
		{"another revision", []string{`{"_id":"a","_rev":"2-x","_revisions":{"start":2,"ids":["x","y"]}}`}, false, 1, &withheld{}},
		{"another document", []string{`{"_id":"b","_rev":"2-b"}`}, true, 0, errOthersDoc},
	} {
		source := &scantPeer{stubPeer{name: "source", local: map[string][]byte{}}, c.docs, c.gone}
		stored := int64(0)
		target := &emptyPeer{stubPeer{name: "target", local: map[string][]byte{}, store: func() error { stored++; return nil }}}
		result, err := NewJob(Spec{Retries: 1}, JobOptions{Source: source, Target: target}).Run(t.Context())
		_, written, _ := result.Counts()
		if c.fails == nil {
			if err != nil || written != c.written || len(source.local) != 1 || len(target.local) != 1 {
				t.Errorf("%s: wrote %d, %d and %d checkpoints, %v", c.name, written, len(source.local), len(target.local), err)
			}
			continue
		}
		if _, is := errors.AsType[*withheld](err); !is && !errors.Is(err, c.fails) {
			t.Errorf("%s: %v", c.name, err)
		}
		if len(source.local)+len(target.local) > 0 || stored == 0 && c.written > 0 {
			t.Errorf("%s: there is a checkpoint, or what came was not stored (%d)", c.name, stored)
		}
	}
}

// If the answer to a write is not a database's answer, nothing has been stored.
func TestPagesInTheWay(t *testing.T) {
	p := remoteOf(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, `<html>Log in to this network</html>`)
	})
	if refused, err := p.Store(t.Context(), []*Revision{readRevision([]byte(`{"_id":"a","_rev":"1-a"}`))}); err == nil {
		t.Errorf("stored, %v", refused)
	}
	open := func(context.Context, *Attachment) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("x")), nil
	}
	for _, stub := range []bool{true, false} {
		a := &Revision{Doc: document.Doc{ID: "a"}, Attachments: []Attachment{{Name: "f", Length: 1, Stub: stub}}}
		if refused, err := p.StoreAttached(t.Context(), a, open); !errors.Is(err, errNoDatabase) || !transient(err) {
			t.Errorf("stored, %v, %v", refused, err)
		}
	}
}

// A document that the target refuses is counted and skipped. One that it fails to write is
// tried again, and no checkpoint covers it.
func TestRowsOfATargetThatFails(t *testing.T) {
	for word, lasts := range map[string]bool{
		"forbidden": true, "unauthorized": true, "doc_validation": true,
		"internal_server_error": false, "service_unavailable": false, "timeout": false, "insufficient_storage": false,
	} {
		asked := 0
		target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if asked++; asked > 1 {
				io.WriteString(w, `[]`)
				return
			}
			w.WriteHeader(http.StatusCreated)
			io.WriteString(w, `[{"id":"a","rev":"1-a","error":"`+word+`","reason":"so"}]`)
		}))
		at, err := endpointOf(target.URL+"/db", nil)
		if err != nil {
			t.Fatal(err)
		}
		refused, err := remotePeerAt(at, target.Client()).Store(t.Context(), []*Revision{readRevision([]byte(`{"_id":"a","_rev":"1-a"}`))})
		if lasts && (err != nil || len(refused) != 1) || !lasts && (err == nil || !transient(err)) {
			t.Errorf("%s: refused %v, %v", word, refused, err)
		}
		target.Close()
	}
}
