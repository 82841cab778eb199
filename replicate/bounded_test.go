package replicate

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/widetest"
)

// Every answer of a peer is read only up to a bound. The peer may belong to anybody, and all
// replications share one memory.
func TestAnswersWithoutEnd(t *testing.T) {
	widetest.Only(t)
	rev, err := revtree.Parse("1-a")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		begins string
		ask    func(Peer) error
		bound  int64
	}{
		"info":  {`{"db_name":"`, func(p Peer) error { _, err := p.Info(t.Context()); return err }, maxAnswer},
		"local": {`{"a":"`, func(p Peer) error { _, err := p.GetLocal(t.Context(), "x"); return err }, maxAnswer},
		"changes": {`{"results":[{"seq":1,"id":"`, func(p Peer) error {
			_, err := p.Changes(t.Context(), ChangesQuery{Limit: 1}, func(Change) error { return nil })
			return err
		}, maxAnswer},
		"missing": {`{"`, func(p Peer) error {
			_, err := p.Missing(t.Context(), []Change{{ID: "a", Revs: []revtree.Rev{rev}}})
			return err
		}, maxAnswer},
		"documents": {`{"results":[{"id":"a","docs":[{"ok":{"_id":"`, func(p Peer) error {
			return p.Fetch(t.Context(), []Wanted{{ID: "a", Revs: []revtree.Rev{rev}}}, func(*Revision) error { return nil })
		}, maxPiece},
	} {
		t.Run(name, func(t *testing.T) {
			var sent atomic.Int64
			p := remoteOf(t, func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, c.begins)
				for block := bytes.Repeat([]byte("a"), 1<<20); ; {
					n, err := w.Write(block)
					if sent.Add(int64(n)); err != nil {
						return
					}
				}
			})
			if err := c.ask(p); err == nil || !strings.Contains(err.Error(), errTooLong.Error()) && !errors.Is(err, ErrNoDB) {
				t.Errorf("%v", err)
			}
			if most := c.bound + 32<<20; sent.Load() > int64(most) { // bytes on their way when the reader goes, and in buffers
				t.Errorf("%d bytes were taken, want no more than %d", sent.Load(), most)
			}
		})
	}
	select {
	case large <- struct{}{}:
		<-large
	default:
		t.Error("the place of large pieces is taken for ever")
	}
}

// An answer of the wrong form is an error. If it were taken for an empty one, a checkpoint would
// say that documents are there.
func TestAnswersOfAnotherForm(t *testing.T) {
	rev, err := revtree.Parse("1-a")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{`[]`, `null`, `"ok"`, `1`, `{"results":{}}`, `{"results":null}`, `{"ok":true}`,
		`{"results":[]}`, `{"last_seq":"5"}`, `{"results":[],"last_seq":null}`, `{"results":[{}],"last_seq":"5"}`,
		`{"results":[{"id":"a","changes":[{"rev":"1-a"}]}],"last_seq":"5"}`, `{"results":[{"seq":null,"id":"a","changes":[{"rev":"1-a"}]}],"last_seq":"5"}`,
		`{"results":[{"seq":"5","changes":[{"rev":"1-a"}]}],"last_seq":"5"}`, `{"results":[{"seq":"5","id":"a","changes":[]}],"last_seq":"5"}`,
		`{"results":[{"seq":"4","id":"a","changes":[{"rev":"1-a"}]}],"last_seq":"4"}`} {
		p := remoteOf(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, text) })
		if !strings.HasPrefix(text, "{") {
			if wanted, err := p.Missing(t.Context(), []Change{{ID: "a", Revs: []revtree.Rev{rev}}}); err == nil {
				t.Errorf("%s: the peer lacks %v of what it was asked for", text, wanted)
			}
		}
		if end, err := p.Changes(t.Context(), ChangesQuery{Since: "4", Limit: 1}, func(Change) error { return nil }); err == nil {
			t.Errorf("%s: taken for changes up to %v", text, end)
		}
	}
}
