package document_test

import (
	"io"
	"strings"
	"testing"

	"github.com/tododb/tododb/store/document"
)

// A part of a request has no more bytes than it should, whatever its documents consist of: not only
// bodies but ids, revisions and names of attachments fill it.
func TestPartsAreBoundedWhateverTheyHave(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1000)
	for name, doc := range map[string]string{
		"body":        `{"_id":"a","v":"` + long + `"}`,
		"id":          `{"_id":"` + long + `"}`,
		"revision":    `{"_id":"a","_rev":"1-` + long + `"}`,
		"revisions":   `{"_id":"a","_revisions":{"start":2,"ids":["` + long + `","b"]}}`,
		"attachments": `{"_id":"a","_attachments":{"` + long + `":{"data":""}}}`,
	} {
		src := `{"docs":[` + doc + strings.Repeat(","+doc, 9) + `]}`
		_, docs, err := document.ScanBulk([]byte(src), document.Options{}, func(*document.Bulk, *document.Doc) error { return nil })
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var parts []int
		for {
			some, err := docs.Next(100, 1500)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			parts = append(parts, len(some))
		}
		if len(parts) != 5 {
			t.Errorf("%s: parts of %v documents, want 5 of 2", name, parts)
		}
	}
}
