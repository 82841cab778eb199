package documents

import (
	"errors"
	"fmt"
	"strings"
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
	next := strings.ReplaceAll(body, `"b"`, `"c"`) // a session that has just begun
	written, err := p.write(db, "_local/push", &document.Doc{Body: []byte(next)})
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

// Two tabs of a browser go on pushing over the beginning of an epoch, in sessions that the server's document
// names, or that it had before it was put back. Together they read the checkpoint twice, and neither has
// compared: both have to begin anew, and what they then begin is let through.
func TestTwoTabsPushOverAnEpoch(t *testing.T) {
	t.Parallel()
	db := storetest.Bare(t, storetest.Open(t, store.Options{}), "db")
	record := func(sessions ...string) []byte {
		var history []string
		for i, s := range sessions {
			history = append(history, fmt.Sprintf(`{"last_seq":%d,"session_id":%q}`, 9-i, s))
		}
		return fmt.Appendf(nil, `{"session_id":%q,"history":[%s],"replicator":"pouchdb","version":1,"last_seq":9}`, sessions[0], strings.Join(history, ","))
	}
	p := newPushLogs()
	const id = "_local/push"
	read := func(stored []byte) {
		t.Helper()
		doc, missing := &store.Document{Body: stored}, error(nil)
		if stored == nil {
			missing = store.ErrMissing
		}
		if _, _, err := p.read(db.Unguarded(), id, doc, missing); err != nil && !errors.Is(err, store.ErrMissing) {
			t.Fatal(err)
		}
	}
	write := func(sessions ...string) error {
		written, err := p.write(db.Unguarded(), id, &document.Doc{Body: record(sessions...)})
		if err == nil {
			written()
		}
		return err
	}
	next := func() {
		t.Helper()
		if err := db.RenewEpoch(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	fresh := func(stored []byte, sessions ...string) {
		t.Helper()
		read(stored)
		read(stored)
		if err := write(sessions...); err != nil {
			t.Errorf("session %s: %v", sessions[0], err)
		}
	}
	over := func(stored []byte, tabs ...string) {
		t.Helper()
		for range tabs {
			read(stored)
		}
		for _, tab := range tabs {
			if err := write(tab, "x"); !errors.Is(err, errPushAgain) {
				t.Errorf("session %s is let through: %v", tab, err)
			}
		}
	}
	fresh(nil, "a")
	fresh(record("a"), "b", "a")
	next() // what is there now has the checkpoint
	over(record("b", "a"), "b", "a")
	fresh(record("b", "a"), "c", "b", "a")
	fresh(record("c", "b", "a"), "d", "c", "b")
	next() // and now it has not
	over(nil, "c", "d")
	fresh(nil, "e")
}
