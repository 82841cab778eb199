package documents

import (
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/storetest"
)

// The checkpoint of a push is doubted until another one has taken its place. That one has been let through
// is not enough: it may not come to be written.
func TestPushIsDoubtedUntilItIsWritten(t *testing.T) {
	t.Parallel()
	db := storetest.DB(t, storetest.Open(t, store.Options{}), "db")
	body := `{"session_id":"b","history":[{"last_seq":7,"session_id":"b"},{"last_seq":5,"session_id":"a"}],"replicator":"pouchdb","version":1,"last_seq":7}`
	p := newPushLogs()
	doubted := func() bool {
		_, doubted, err := p.read(db, "_local/push", &store.Document{Body: []byte(body)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return doubted
	}
	doubted()
	doubted()
	written, err := p.write(db, "_local/push", &document.Doc{Body: []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	if !doubted() {
		t.Error("trusted before it was written")
	}
	if written(); doubted() {
		t.Error("doubted after a session has compared")
	}
}
