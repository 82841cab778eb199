package replicate

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/widetest"
)

// A server reads every name in a path as it was, in every kind of request. It does not matter
// whether the server reads a plus as a space, as CouchDB does.
func TestNamesInPaths(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	var asked []string // raw paths
	p := remoteOf(t, func(w http.ResponseWriter, r *http.Request) {
		path, _, _ := strings.Cut(r.RequestURI, "?")
		asked = append(asked, path)
		switch {
		case r.Method == http.MethodPut:
			io.Copy(io.Discard, r.Body)
			io.WriteString(w, `{"ok":true}`)
		case strings.Contains(r.RequestURI, "open_revs"):
			io.WriteString(w, `[]`)
		case strings.HasPrefix(path, "/db/_design/"):
			io.WriteString(w, `{"filters":{"f":"x"}}`)
		default:
			io.WriteString(w, `{}`)
		}
	}).(*remotePeer)
	p.plain.Store(true) // ask for single documents
	names := []string{".", "..", "...", "a b", "a+b", "%2F", "%", "a/b", "a//b", "/", "?", "#", ";", "é漢😀", "\x7f", "_x/y"}
	for b := 1; b <= 255; b++ {
		names = append(names, "x"+string(rune(b))+"y", "x"+string([]byte{byte(b)})+"y", string(rune(b)))
	}
	rev := revtree.Rev{Gen: 1, ID: "a"}
	ctx := t.Context()
	for _, name := range names {
		asked = asked[:0]
		requests := []func() error{
			func() error { _, err := p.GetLocal(ctx, name); return err },
			func() error { return p.PutLocal(ctx, name, []byte("{}")) },
			func() error { _, err := p.FilterCode(ctx, name, "f"); return err },
			func() error {
				return p.Fetch(ctx, []Wanted{{ID: name, Revs: []revtree.Rev{rev}}}, func(*Revision) error { return nil })
			},
			func() error {
				return p.Fetch(ctx, []Wanted{{ID: "_design/" + name, Revs: []revtree.Rev{rev}}}, func(*Revision) error { return nil })
			},
			func() error {
				in, err := p.OpenAttachment(ctx, &Revision{Doc: document.Doc{ID: name, Rev: rev}}, &Attachment{Name: name})
				if err == nil {
					err = in.Close()
				}
				return err
			},
			func() error {
				in, err := p.OpenAttachment(ctx, &Revision{Doc: document.Doc{ID: "_design/" + name, Rev: rev}}, &Attachment{Name: name})
				if err == nil {
					err = in.Close()
				}
				return err
			},
			func() error {
				a := &Revision{Doc: document.Doc{ID: name, Rev: rev}, Attachments: []Attachment{{Name: name, Length: 1}}}
				_, err := p.StoreAttached(ctx, a, func(context.Context, *Attachment) (io.ReadCloser, error) {
					return io.NopCloser(bytes.NewReader([]byte("x"))), nil
				})
				return err
			},
		}
		for _, request := range requests {
			if err := request(); err != nil {
				t.Fatalf("%q: %v", name, err)
			}
		}
		want := [][]string{{"_local", name}, {"_local", name}, {"_local", name}, {"_design", name}, {name}, {"_design", name}, {name, name}, {"_design", name, name}, {name}}
		if len(asked) != len(want) {
			t.Fatalf("%q: %d requests", name, len(asked))
		}
		for i, path := range asked {
			segments := strings.Split(strings.TrimPrefix(path, "/db/"), "/")
			for _, read := range []func(string) (string, error){url.PathUnescape, url.QueryUnescape} { // first a plus is a plus, then it is a space
				got := make([]string, len(segments))
				for k, s := range segments {
					var err error
					if got[k], err = read(s); err != nil {
						t.Fatalf("%q: %s: %v", name, path, err)
					}
				}
				if strings.Join(got, "\x00") != strings.Join(want[i], "\x00") {
					t.Errorf("%q is read as %q in %s", name, got, path)
				}
			}
			for _, s := range segments {
				if s == "." || s == ".." {
					t.Errorf("%q is a step in %s", name, path)
				}
			}
		}
	}
}

// Every server reads a space in a query as a space, and a plus as a plus.
func TestQueries(t *testing.T) {
	var got string
	p := remoteOf(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.URL.RawQuery
		io.WriteString(w, `{"results":[],"last_seq":"0","pending":0}`)
	})
	q := ChangesQuery{Limit: 1, Filter: Filter{Name: "d d/f+f", Params: map[string]string{"a b": "c+d e"}}}
	if _, err := p.Changes(t.Context(), q, func(Change) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(got, "+") || !strings.Contains(got, "a%20b=c%2Bd%20e") || !strings.Contains(got, "filter=d%20d%2Ff%2Bf") {
		t.Errorf("the query is %s", got)
	}
}
