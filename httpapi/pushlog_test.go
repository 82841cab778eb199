package httpapi_test

import (
	"fmt"
	"testing"
)

// A push of PouchDB that is told where to begin (since) records that before it does anything. It looks like
// one that goes on from before the server's start, which is refused. It comes to work all the same.
func TestPushFromAPlace(t *testing.T) {
	t.Parallel()
	s := openDBServer(t)
	start := func(session string, status int) {
		t.Helper()
		wants(t, call(s, "GET", "/db/_local/push", "", "Admin", ""), 404, "missing")
		record := fmt.Sprintf(`{"session_id":%q,"history":[{"last_seq":7,"session_id":%[1]q}],"replicator":"pouchdb","version":1,"last_seq":7}`, session)
		wants(t, call(s, "PUT", "/db/_local/push", record, "Admin", ""), status, "")
	}
	start("a", 503)
	start("b", 503)
	start("c", 201)
	wants(t, call(s, "GET", "/db/_local/push", "", "Admin", ""), 200, `"session_id":"c"`)
}
