package httpapi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/store"
)

// The tombstones of a database end at the time that it sets. Every question about a dead document
// by its id is answered as before.
func TestTombstonesEnd(t *testing.T) {
	t.Parallel()
	c := newHandClock()
	s := openServer(t, Options{Now: c.now})
	admin := func(method, path, body string, status int, part string) string {
		t.Helper()
		return wants(t, call(s, method, path, body, "Admin", ""), status, part)
	}
	end := func(want int) {
		t.Helper()
		c.forward(time.Hour)
		db, err := s.Store.Bare(t.Context(), "db", store.ForUpkeep)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Release()
		if done, err := db.Expire(t.Context(), store.ExpireOptions{}); err != nil || done.Ended != want {
			t.Errorf("%+v have ended, %v, want %d", done, err, want)
		}
	}
	admin("PUT", "/db", "", 201, "")
	admin("GET", "/db/_tombstones", "", 200, `{"deleted_document_ttl":"infinity","grace_period":"30_days","tombstones":0,"dead":{"count":0,"bytes":0},"peers":0,"peers_away":0,"revivals":0}`)
	for _, body := range []string{`{"deleted_document_ttl":"soon"}`, `{"grace_period":1}`, `{"other":"1_day"}`, `[]`, `{`} {
		admin("PUT", "/db/_tombstones", body, 400, "bad_request")
	}
	admin("PUT", "/_users", "", 201, "")
	admin("PUT", "/_users/_tombstones", `{"deleted_document_ttl":"1_day"}`, 400, "system database")
	admin("PUT", "/db/_tombstones", `{"deleted_document_ttl":"1_day","grace_period":"2_min"}`, 201, "")
	admin("PUT", "/db/_auto_purge", `{"deleted_document_ttl":"1_min"}`, 201, "")
	admin("GET", "/db/_tombstones", "", 200, `"deleted_document_ttl":"1_min","grace_period":"2_min"`)
	admin("PUT", "/_users/_auto_purge", `{"deleted_document_ttl":"1_day"}`, 400, "system database")
	admin("PUT", "/_users/_auto_purge", `{}`, 201, "")

	admin("POST", "/db/_bulk_docs", `{"new_edits":false,"docs":[
		{"_id":"a","v":1,"_revisions":{"start":1,"ids":["11111111111111111111111111111111"]}},
		{"_id":"a","_deleted":true,"_revisions":{"start":3,"ids":["33333333333333333333333333333333","22222222222222222222222222222222","11111111111111111111111111111111"]}}]}`, 201, "[]")
	first := `1-11111111111111111111111111111111`
	second := `2-22222222222222222222222222222222`
	dead := `3-33333333333333333333333333333333`
	c.forward(time.Second)
	admin("PUT", "/db/_local/slow", `{"session_id":"s","source_last_seq":"`+textOf(t, wants(t, call(s, "GET", "/db", "", "Admin", ""), 200, ""), "update_seq")+`"}`, 201, "")
	admin("PUT", "/db/other", `{}`, 201, "")
	admin("DELETE", "/db/other?rev="+revOf(t, s, "/db/other"), "", 200, "")
	end(2) // an hour later nobody waits for the peer
	admin("GET", "/db", "", 200, `"doc_del_count":0,"doc_count":0,"doc_dead_count":2`)
	admin("GET", "/db/_local/slow", "", 404, "missing") // and it has to compare again
	admin("GET", "/db/_tombstones", "", 200, `"dead":{"count":2,`)

	admin("GET", "/db/a", "", 404, "deleted")
	admin("GET", "/db/never", "", 404, "missing")
	admin("GET", "/db/a?rev="+dead+"&revs=true", "", 200, `"_deleted":true,"_revisions":{"start":3,"ids":["33333333333333333333333333333333","22222222222222222222222222222222","11111111111111111111111111111111"]}`)
	admin("GET", "/db/a?rev="+first, "", 404, "missing")
	admin("POST", "/db/_bulk_get", `{"docs":[{"id":"a"}]}`, 200, `"_rev":"`+dead+`","_deleted":true`)
	admin("POST", "/db/_all_docs", `{"keys":["a","never"]}`, 200, `"value":{"rev":"`+dead+`","deleted":true}`)
	admin("POST", "/db/_revs_diff", `{"a":["`+dead+`"]}`, 200, `{}`)
	admin("POST", "/db/_missing_revs", `{"a":["`+dead+`"]}`, 200, `{"missing_revs":{}}`)
	if rows := admin("GET", "/db/_changes", "", 200, ""); strings.Contains(rows, `"a"`) {
		t.Errorf("the feed has what is dead: %s", rows)
	}
	admin("POST", "/db/_revs_diff", `{"a":["`+second+`"]}`, 200, `{}`)
	admin("GET", "/db/_changes", "", 200, `"changes":[{"rev":"`+dead+`"}],"deleted":true`)
	end(1)
	admin("POST", "/db/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"a","v":1,"_revisions":{"start":1,"ids":["11111111111111111111111111111111"]}}]}`, 201, `[]`)
	admin("GET", "/db/_changes", "", 200, `"changes":[{"rev":"`+dead+`"}],"deleted":true`)
	end(1)
	admin("GET", "/db/_revivals", "", 200, `{"revivals":[]}`)
	admin("POST", "/db/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"a","v":3,"_revisions":{"start":2,"ids":["44444444444444444444444444444444","11111111111111111111111111111111"]}}]}`, 201, `[]`)
	admin("GET", "/db/a?deleted_conflicts=true", "", 200, `"_rev":"2-44444444444444444444444444444444","v":3,"_deleted_conflicts":["`+dead+`"]`)
	admin("GET", "/db/_revivals", "", 200, `{"revivals":[{"id":"a","rev":"2-44444444444444444444444444444444","tombstone":"`+dead+`","time":"2024-03-01T0`)
	admin("PUT", "/db/other", `{}`, 201, `"rev":"3-`) // it goes on from the tombstone
}

// A device that may only read brings no tombstone back.
func TestReadersDoNotRecallTombstones(t *testing.T) {
	t.Parallel()
	c := newHandClock()
	s := openWithDB(t, Options{Now: c.now}, `{"_id":"other"}`)
	wants(t, call(s, "PUT", "/db/_tombstones", `{"deleted_document_ttl":"1_min"}`, "Admin", ""), 201, "")
	wants(t, call(s, "PUT", "/db/a", `{}`, "Admin", ""), 201, "")
	rev := revOf(t, s, "/db/a")
	wants(t, call(s, "DELETE", "/db/a?rev="+rev, "", "Admin", ""), 200, "")
	c.forward(time.Hour)
	db, err := s.Store.Bare(t.Context(), "db", store.ForUpkeep)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Release()
	if _, err := db.Expire(t.Context(), store.ExpireOptions{}); err != nil {
		t.Fatal(err)
	}
	ask := func(access string) {
		t.Helper()
		token, _ := issue(t, s, "anna", `{"databases":["db"],"access":"`+access+`","device":"x"}`)
		wants(t, call(s, "POST", "/db/_revs_diff", `{"a":["`+rev+`"]}`, "Authorization", token), 200, `{}`)
	}
	ask("read")
	wants(t, call(s, "GET", "/db", "", "Admin", ""), 200, `"doc_dead_count":1`)
	ask("read-write")
	wants(t, call(s, "GET", "/db", "", "Admin", ""), 200, `"doc_del_count":1`)
}
