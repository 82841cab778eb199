package replicate

import (
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

// What a replication that starts late has left out comes with one that does not.
func TestStartLateLeavesNothingOutLater(t *testing.T) {
	s := storetest.Open(t, store.Options{})
	source, target := localPeerOf(s, "source"), localPeerOf(s, "target")
	fill(t, source)
	if err := target.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	late := ""
	_, err := source.Changes(t.Context(), ChangesQuery{Limit: 5}, func(c Change) error { late = c.Seq; return nil })
	if err != nil {
		t.Fatal(err)
	}
	spec := Spec{Source: Endpoint{Local: "source"}, Target: Endpoint{Local: "target"}}
	for _, spec.SinceSeq = range []string{late, ""} {
		if _, err := NewJob(spec, JobOptions{Source: source, Target: target}).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := holds(t, target), holds(t, source); got != want {
		t.Errorf("the target holds\n%s\nwant\n%s", got, want)
	}
}
