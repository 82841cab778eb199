package replicate

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/document"
)

// A target that answers every write alike, because of something on the way, refuses no document: nothing may be passed
// over. One that takes a write of nothing means this document.
func TestTargetRefusesEverything(t *testing.T) {
	attached := &Revision{Doc: document.Doc{ID: "att", Rev: revtree.Rev{Gen: 1, ID: "a"}, Body: []byte("{}")},
		Attachments: []Attachment{{Name: "f", Type: "text/plain", RevPos: 1, Length: 5}}}
	open := func(context.Context, *Attachment) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("bytes")), nil
	}
	for _, status := range []int{400, 412, 413, 415, 417, 501} {
		for _, everything := range []bool{true, false} {
			p := remoteOf(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if !everything && strings.HasSuffix(string(body), `"docs":[]}`) {
					io.WriteString(w, `[]`)
					return
				}
				w.WriteHeader(status)
				io.WriteString(w, "<html>no")
			})
			refused, err := p.Store(t.Context(), []*Revision{readRevision([]byte(`{"_id":"a"}`)), readRevision([]byte(`{"_id":"b"}`))})
			if everything != (err != nil) || everything != (len(refused) == 0) {
				t.Errorf("%d, to everything: %v: refused are %v, %v", status, everything, refused, err)
			}
			one, err := p.StoreAttached(t.Context(), attached, open)
			if everything != (err != nil) || everything != (one == nil) {
				t.Errorf("%d, to everything: %v: the attached one is refused: %v, %v", status, everything, one, err)
			}
		}
	}
}
