package transfer

import (
	"errors"
	"strings"
	"testing"

	"github.com/tododb/tododb/store/jsonscan"
)

// Whatever a file has, its documents are JSON objects, and reading ends.
func FuzzReader(f *testing.F) {
	for _, text := range []string{
		"{\"a\":1}\n[2]\n", "[{\"a\":1},{}]", "{\"total_rows\":1,\"rows\":[\n{\"doc\":{\"a\":1}}]}", "{\"db_info\":{},\"start_time\":1}\n{\"docs\":[{}]}\n{\"seq\":1}",
		"a,b\n1,\"x\"\n", "\xef\xbb\xbfa;b\n{};[1\n", "{\"docs\":[", "{\n\"a\":\n1}",
	} {
		for _, format := range append(Formats, "") {
			f.Add(text, format)
		}
	}
	f.Fuzz(func(t *testing.T, text, format string) {
		r, err := NewReader(strings.NewReader(text), ReadOptions{Format: format})
		if err != nil {
			t.Fatal(err)
		}
		for range 2*len(text) + 2 {
			item, err := r.Next()
			if _, is := errors.AsType[*BadItem](err); is {
				continue
			}
			if err != nil {
				return // the end, or the file is broken
			}
			if !jsonscan.Valid(item.Doc) || jsonscan.Kind(item.Doc) != '{' || item.At == "" || item.N < 1 {
				t.Fatalf("%q at %q", item.Doc, item.At)
			}
			if p, err := (&Import{DropAttachments: true}).prepare(&item); err == nil && (!jsonscan.Valid(p.doc) || p.id == "") {
				t.Fatalf("%q becomes %q", item.Doc, p.doc)
			}
		}
		t.Fatal("it does not end")
	})
}
