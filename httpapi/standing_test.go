package httpapi_test

import (
	"fmt"
	"strings"
	"testing"
)

// A user who lost a role does not get it back by editing a revision that had it, whatever else is
// in the same request.
func TestARoleDoesNotComeBack(t *testing.T) {
	t.Parallel()
	const id = "org.couchdb.user:anna"
	user := func(roles, more string) string {
		return fmt.Sprintf(`{"_id":%q,"name":"anna","type":"user","roles":[%s],"password":"annapw"%s}`, id, roles, more)
	}
	path := func(start int, revs ...string) string {
		return fmt.Sprintf(`,"_revisions":{"start":%d,"ids":["%s"]}`, start, strings.Join(revs, `","`))
	}
	hash := func(rev string) string { _, h, _ := strings.Cut(rev, "-"); return h }
	for name, attack := range map[string]func(had, now string) [][]string{
		"a longer branch": func(had, now string) [][]string {
			return [][]string{{user(`"boss"`, path(4, "cc", "bb", "aa", hash(had)))}}
		},
		"a longer branch and a tombstone over the administrator's edit": func(had, now string) [][]string {
			return [][]string{{
				user(`"boss"`, path(4, "cc", "bb", "aa", hash(had))),
				`{"_id":"` + id + `","_deleted":true,"type":"user","name":"anna","roles":[]` + path(3, "dd", hash(now), hash(had)) + `}`,
			}}
		},
		"the tombstone first": func(had, now string) [][]string {
			return [][]string{
				{`{"_id":"` + id + `","_deleted":true` + path(3, "dd", hash(now), hash(had)) + `}`},
				{user(`"boss"`, path(4, "cc", "bb", "aa", hash(had)))},
			}
		},
		"a revision without ancestors": func(had, now string) [][]string {
			return [][]string{{user(`"boss"`, `,"_rev":"9-aa"`)}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := openServer(t, Options{Config: settings(t, "chttpd_auth/iterations", "1")})
			wants(t, call(s, "PUT", "/_users", "", "Admin", ""), 201, "")
			w := call(s, "PUT", "/_users/"+id, user(`"boss"`, ""), "Admin", "")
			wants(t, w, 201, "")
			had := textOf(t, w.Body.String(), "rev")
			w = call(s, "PUT", "/_users/"+id+"?rev="+had, user("", ""), "Admin", "")
			wants(t, w, 201, "")
			now := textOf(t, w.Body.String(), "rev")
			for _, batch := range attack(had, now) {
				call(s, "POST", "/_users/_bulk_docs", `{"new_edits":false,"docs":[`+strings.Join(batch, ",")+`]}`, "Authorization", basicAuth("anna", "annapw"))
				for _, doc := range batch {
					call(s, "PUT", "/_users/"+id+"?new_edits=false", doc, "Authorization", basicAuth("anna", "annapw"))
				}
			}
			if w := call(s, "GET", "/_users/"+id, "", "Admin", ""); strings.Contains(w.Body.String(), "boss") {
				t.Errorf("she has it again: %s", w.Body)
			}
			if w := call(s, "GET", "/_session", "", "Authorization", basicAuth("anna", "annapw")); strings.Contains(w.Body.String(), "boss") {
				t.Errorf("she has it again: %s", w.Body)
			}
		})
	}
}

// A document that has left the selector of a token, and a replication that now belongs to another
// user, are judged by their present revision, not by an old one.
func TestOldRevisionsGiveNoRights(t *testing.T) {
	t.Parallel()
	s := openWithDB(t, Options{}, `{"_id":"a","owner":"anna"}`)
	token, _ := issue(t, s, "anna", `{"databases":["db"],"device":"x","access":"read-write","selector":{"owner":"anna"}}`)
	first := revOf(t, s, "/db/a")
	wants(t, call(s, "PUT", "/db/a?rev="+first, `{"owner":"ben"}`, "Admin", ""), 201, "")
	wants(t, call(s, "PUT", "/_replicator/_security", `{"admins":{},"members":{}}`, "Admin", ""), 200, "")
	replication := func(owner string) string {
		return `{"source":"http://127.0.0.1:1/a","target":"http://127.0.0.1:1/b","owner":"` + owner + `"}`
	}
	w := call(s, "PUT", "/_replicator/r", replication("anna"), "Admin", "")
	wants(t, w, 201, "")
	hers := textOf(t, w.Body.String(), "rev")
	wants(t, call(s, "PUT", "/_replicator/r?rev="+hers, replication("ben"), "Admin", ""), 201, "")
	for _, c := range []struct{ db, id, first, body, as string }{
		{"db", "a", first, `{"owner":"anna"}`, token},
		{"_replicator", "r", hers, replication("anna"), as("anna")},
	} {
		before := call(s, "GET", "/"+c.db+"/_changes?style=all_docs", "", "Admin", "").Body.String()
		_, hash, _ := strings.Cut(c.first, "-")
		for _, rest := range []string{
			`,"_revisions":{"start":4,"ids":["cc","bb","aa","` + hash + `"]}}`,
			`,"_revisions":{"start":2,"ids":["00000000000000000000000000000000","` + hash + `"]}}`,
			`,"_rev":"7-aa"}`,
		} {
			doc := strings.TrimSuffix(c.body, "}") + rest
			if w := call(s, "PUT", "/"+c.db+"/"+c.id+"?new_edits=false", doc, "Authorization", c.as); w.Code != 403 {
				t.Errorf("%s: %d %s", doc, w.Code, w.Body)
			}
			doc = strings.Replace(doc, "{", `{"_id":"`+c.id+`",`, 1)
			w := call(s, "POST", "/"+c.db+"/_bulk_docs", `{"new_edits":false,"docs":[`+doc+`]}`, "Authorization", c.as)
			wants(t, w, 201, "forbidden")
		}
		if after := call(s, "GET", "/"+c.db+"/_changes?style=all_docs", "", "Admin", "").Body.String(); after != before {
			t.Errorf("it was\n%s\nand is\n%s", before, after)
		}
	}
}
