package replicate_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tododb/tododb/replicate"
	"github.com/tododb/tododb/store/filter"
)

// ids are the documents of a database, design documents among them.
func (s *server) ids(db string) string {
	s.t.Helper()
	var ids []string
	for _, row := range strings.Split(s.must(200, "GET", "/"+db+"/_all_docs", ""), "\n") {
		if _, rest, ok := strings.Cut(row, `"id":"`); ok {
			id, _, _ := strings.Cut(rest, `"`)
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

// For the same user, a filter lets through the same documents from a database of this server as
// from the same database over HTTP.
func TestFilterHereAndElsewhere(t *testing.T) {
	here := startServer(t)
	here.must(201, "PUT", "/_users", "")
	here.must(201, "PUT", "/_users/org.couchdb.user:joe", `{"type":"user","name":"joe","password":"pw","roles":["staff"]}`)
	here.must(201, "PUT", "/db", "")
	here.must(200, "PUT", "/db/_security", `{"admins":{},"members":{"roles":["staff"]},"level":7}`)
	docs := `{"_id":"_design/d","options":{"changes":true},
		"views":{"v":{"map":"function(doc){ if (doc.n) emit(doc.n) }"}},
		"filters":{"mine":"function(doc, req){ return doc.owner === req.userCtx.name }",
			"staff":"function(doc, req){ return req.userCtx.roles.indexOf(req.query.role) >= 0 && req.userCtx.db === 'db' }",
			"secured":"function(doc, req){ return req.secObj.level === 7 && doc.n == req.query.n }",
			"ranged":"function(doc, req){ return doc.n >= req.query.startkey[0] && req.query.descending === false && req.query.limited === '5' }",
			"asked":"function(doc, req){ return doc.n && req.method === 'GET' && req.path.join(' ') === 'db _changes' && req.query.style === 'all_docs' && req.query.filter === 'd/asked' && req.info.db_name === 'db' && req.id === null && req.body === 'undefined' }"}},
		{"_id":"_design/plain","views":{"v":{"map":"function(doc){ if (doc.n > 2) emit(1) }"}}}`
	for i := range 6 {
		docs += fmt.Sprintf(`,{"_id":"doc%d","n":%d,"owner":%q}`, i, i, []string{"joe", "eve", "admin"}[i%3])
	}
	here.must(201, "POST", "/db/_bulk_docs", `{"docs":[`+docs+`]}`)

	m, err := replicate.NewManager(t.Context(), replicate.Options{
		Server: "test", Store: here.store, Open: here.api.Access().OpenFor, Filters: here.filters,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	joe := replicate.User{Name: "joe", Roles: []string{"staff"}}
	admin := replicate.User{Name: "admin", Roles: []string{"_admin"}, Admin: true}
	target := 0
	for _, c := range []struct {
		filter string
		user   replicate.User
		want   string
	}{
		{`"filter":"d/mine"`, joe, "doc0 doc3"},
		{`"filter":"d/mine"`, admin, "doc2 doc5"},
		{`"filter":"d/staff","query_params":{"role":"staff"}`, joe, "_design/d _design/plain doc0 doc1 doc2 doc3 doc4 doc5"},
		{`"filter":"d/staff","query_params":{"role":"staff"}`, admin, ""},
		{`"filter":"d/staff","query_params":{"role":"_admin"}`, joe, ""},
		{`"filter":"d/secured","query_params":{"n":4}`, joe, "doc4"},
		{`"filter":"d/ranged","query_params":{"startkey":"[4]","descending":"false","limited":"5"}`, joe, "doc4 doc5"},
		{`"filter":"d/asked"`, joe, "doc1 doc2 doc3 doc4 doc5"},
		{`"filter":"_view","query_params":{"view":"plain/v"}`, joe, "doc3 doc4 doc5"},
		{`"filter":"_view","query_params":{"view":"d/v"}`, joe, "doc1 doc2 doc3 doc4 doc5"},
		{`"filter":"_view","query_params":{"view":"d/v","startkey":"4"}`, joe, "doc4 doc5"},
		{`"filter":"_view","query_params":{"view":"d/v","keys":"[1,9,2]"}`, joe, "doc1 doc2"},
		{`"filter":"_design"`, admin, "_design/d _design/plain"},
		{`"filter":"_doc_ids","query_params":{"doc_ids":"[\"doc1\",\"none\"]"}`, joe, "doc1"},
		{`"doc_ids":["doc1","doc5"]`, joe, "doc1 doc5"},
		{`"selector":{"n":{"$gt":3}}`, joe, "doc4 doc5"},
	} {
		password := map[string]string{"joe": "pw", "admin": "secret"}[c.user.Name]
		for _, source := range []string{`"db"`, fmt.Sprintf(`{"url":"%s/db","auth":{"basic":{"username":%q,"password":%q}}}`, here.http.URL, c.user.Name, password)} {
			target++
			name := fmt.Sprintf("target%d", target)
			here.must(201, "PUT", "/"+name, "")
			here.must(200, "PUT", "/"+name+"/_security", `{"admins":{"names":["joe"]},"members":{}}`)
			request := fmt.Sprintf(`{"source":%s,"target":%q,"retries_per_request":1,%s}`, source, name, c.filter)
			if _, _, err := m.Replicate(t.Context(), []byte(request), c.user); err != nil {
				t.Errorf("%s: %v", request, err)
			} else if got := here.ids(name); got != c.want {
				t.Errorf("%s by %s brings %q, want %q", request, c.user.Name, got, c.want)
			}
		}
	}
}

// A faulty filter ends the replication, and the error says what is wrong with it.
func TestFiltersThatCannotBe(t *testing.T) {
	a := startServer(t)
	a.must(201, "PUT", "/db", "")
	a.must(201, "PUT", "/target", "")
	a.must(201, "PUT", "/db/doc", "{}")
	a.must(201, "PUT", "/db/_design/d", `{"filters":{"f":"function(){ return true }","none":{"parts":1}}}`)
	run := func(filters *filter.Opener, more string) error {
		t.Helper()
		m, err := replicate.NewManager(t.Context(), replicate.Options{Server: "test", Store: a.store, Open: replicate.Everything(a.store), Filters: filters})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		_, err = m.Run(t.Context(), spec(t, "db", "target", more))
		return err
	}
	for _, more := range []string{`,"filter":"d/g"`, `,"filter":"d/none"`, `,"filter":"e/f"`, `,"filter":"_view","query_params":{"view":"e/v"}`, `,"filter":"_view","query_params":{"view":"d/v"}`} {
		if err := run(a.filters, more); !errors.Is(err, replicate.ErrNoFilter) {
			t.Errorf("%s: %v", more, err)
		}
	}
	for _, more := range []string{`,"filter":"_nonsense"`, `,"filter":"nonsense"`, `,"filter":"_view"`, `,"filter":"_selector"`, `,"filter":"_doc_ids"`, `,"filter":"d/f","query_params":{"key":"a"}`} {
		if e, ok := errors.AsType[*filter.Error](run(a.filters, more)); !ok {
			t.Errorf("%s: %v", more, e)
		}
	}
	for more, want := range map[string]error{`,"filter":"d/f"`: replicate.ErrNotBuilt, `,"filter":"_design"`: nil, `,"selector":{"a":1}`: nil} {
		if err := run(nil, more); !errors.Is(err, want) {
			t.Errorf("where no functions run, %s: %v", more, err)
		}
	}
}
