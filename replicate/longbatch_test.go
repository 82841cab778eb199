package replicate_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tododb/tododb/replicate"
	"github.com/tododb/tododb/store/widetest"
)

// If the ids of changes together are longer than an answer may be, batches get smaller.
func TestManyLongIDsAreReplicated(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	a, b := startServer(t), startServer(t)
	a.must(201, "PUT", "/db", "")
	m, err := replicate.NewManager(t.Context(), replicate.Options{Server: "test", Store: b.store, Open: replicate.Everything(b.store)})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	const docs = 20
	for i := range docs {
		a.must(201, "POST", "/db", fmt.Sprintf(`{"_id":"%02d%s"}`, i, strings.Repeat("i", 1<<20)))
	}
	for _, c := range [][2]string{{a.url("db"), "pulled"}, {"pulled", a.url("pushed")}, {"pulled", "local"}} {
		res, err := m.Run(t.Context(), spec(t, c[0], c[1], `,"create_target":true`))
		if err != nil {
			t.Fatalf("%s to %s: %.500v", c[0], c[1], err)
		}
		if _, written, failed := res.Counts(); written != docs || failed != 0 {
			t.Errorf("%s to %s: %d written, %d failed", c[0], c[1], written, failed)
		}
	}
}
