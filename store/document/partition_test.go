package document_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tododb/tododb/store/document"
)

func TestPartitionedIDs(t *testing.T) {
	const (
		form, empty, under = "Doc id must be of form partition:id", "Document id must not be empty", "Only reserved document ids may start with underscore."
	)
	for id, want := range map[string]string{
		"a:b": "", "a::": "", "a::b": "", "a:b:c": "", " :x": "", "\x00:a": "", "a/b:c": "", "ü:1": "", "a:_design/x": "",
		"_design/d": "", "_design/a:b": "", "_local/x": "", "_local/a:b": "",
		"": empty, "a:": empty, "a": form, "a;b": form,
		":": "Partition must not be empty", ":x": "Partition must not be empty", "::": "Partition must not be empty",
		"_a:b": under, "a:_b": under, "a:_design": under, "a:\xff": "Document id must be valid UTF-8",
		"a:_design/": "Illegal document id `_design/`",
	} {
		err := document.ValidPartitionedID(id)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", id, got, want)
		}
		e, ok := errors.AsType[*document.Error](err)
		if err != nil && (!ok || (e.Kind == document.IllegalPartition) != strings.HasPrefix(want, "Partition")) {
			t.Errorf("%q: %#v", id, err)
		}
	}
	for id, there := range map[string]bool{"a": false, "": false, "a:b": true, ":x": true, "a:_b": true, "_x": true, "_design/d": true} {
		if err := document.HasPartition(id); (err == nil) != there {
			t.Errorf("%q may be asked for: %v", id, err)
		}
	}
}

func TestPartitionNames(t *testing.T) {
	for name, want := range map[string]string{
		"a": "", " ": "", `"a"`: "", "ü": "", "a/b": "",
		"": "Partition must not be empty", "_": "Partition must not start with an underscore", "_a:b": "Partition must not start with an underscore",
		"a:b": "Partition must not contain a colon", "\xff": "Partition must be valid UTF-8",
	} {
		err := document.ValidPartition(name)
		if got := ""; err != nil && err.Error() != want || err == nil && got != want {
			t.Errorf("%q: %v, want %q", name, err, want)
		}
	}
}

// An id that a partitioned database takes lies in exactly one partition, inside its bounds, and
// plain databases take it too.
func FuzzPartitionedID(f *testing.F) {
	for _, id := range []string{"a:b", "a::", ":", "_design/a:b", "a:_b", "\x00:\x00", "ü:é", "a;:b", "_:x"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		name, in := document.Partition(id)
		asBytes, inToo := document.PartitionOf([]byte(id))
		if in != inToo || name != string(asBytes) {
			t.Fatalf("%q lies in %q, its bytes in %q", id, name, asBytes)
		}
		if document.ValidPartitionedID(id) != nil {
			return
		}
		if err := document.ValidID(id); err != nil {
			t.Fatalf("%q: %v", id, err)
		}
		if err := document.HasPartition(id); err != nil {
			t.Fatalf("%q cannot be asked for: %v", id, err)
		}
		if in == (id[0] == '_') {
			t.Fatalf("%q lies in a partition: %v", id, in)
		}
		if !in {
			return
		}
		if err := document.ValidPartition(name); err != nil {
			t.Fatalf("%q lies in %q: %v", id, name, err)
		}
		if from, to := document.PartitionBounds(name); id < from || id >= to {
			t.Fatalf("%q is outside of %q", id, name)
		}
	})
}
