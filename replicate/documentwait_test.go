package replicate

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine/chaos"
	"github.com/tododb/tododb/store/storetest"
)

// troubles counts what is said of documents that cannot be read.
type troubles struct {
	slog.Handler
	n *atomic.Int64
}

func (h troubles) Enabled(context.Context, slog.Level) bool { return true }
func (h troubles) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h troubles) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "cannot read or write documents") {
		h.n.Add(1)
	}
	return nil
}

// If the storage is away when a document could begin, it begins when that is back, and is not tried all the time until then.
func TestDocumentBeginsWhenTheStorageIsBack(t *testing.T) {
	e := chaos.New(chaos.Options{})
	s := storetest.On(t, e, store.Options{})
	if err := s.Create(t.Context(), "_replicator"); err != nil {
		t.Fatal(err)
	}
	var said atomic.Int64
	m, err := NewManager(t.Context(), Options{Store: s, Open: Everything(s), Log: slog.New(troubles{n: &said}), Settings: Settings{StartupJitter: -1}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	body := `{"source":"http://127.0.0.1:1/source","target":"http://127.0.0.1:1/target","continuous":true}` // nobody is there
	spec, err := ParseSpec([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	id, err := m.Add(Request{Spec: spec})
	if err == nil {
		err = m.FollowDocuments()
	}
	if err != nil {
		t.Fatal(err)
	}
	db, err := s.Bare(t.Context(), "_replicator", "a test")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Release()
	var edit store.Edit
	edit.Doc.ID, edit.Doc.HasID, edit.Doc.Body = "r", true, []byte(body)
	if _, err := db.Put(t.Context(), edit, store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	owner := Owner{DB: "_replicator", Doc: "r"}
	is := func(there func() bool) func() bool {
		return func() bool {
			m.docs.mu.Lock()
			defer m.docs.mu.Unlock()
			return there()
		}
	}
	eventually(t, "it waits", is(func() bool { return m.docs.waiting[owner] != nil }))
	began := time.Now()
	e.Away(0)
	if err := m.Remove(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it cannot be read", func() bool { return said.Load() > 0 })
	for time.Since(began) < retryDocuments/10 { // this is not long enough for another try
		time.Sleep(time.Millisecond)
	}
	e.Calm()
	eventually(t, "it has a job", is(func() bool { _, there := m.docs.jobs[owner]; return there }))
	// The news of the document, and of the job that is over, may come while the storage is away: each is a try of its own.
	if n, most := said.Load(), 5+int64(time.Since(began)/retryDocuments); n > most {
		t.Errorf("it was tried in vain %d times in %v", n, time.Since(began))
	}
}
