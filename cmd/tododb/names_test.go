package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// Databases, documents, attachments, design documents and filters with any names replicate between
// two servers unchanged: pushed and pulled, by name and by URL, and with checkpoints.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	a, b := startServer(t, t.TempDir(), ""), startServer(t, t.TempDir(), "")
	names := []string{"a+b", "a b", "a%2Bb", "a/b", "a//b", "a?b", "a#b", "a&b=c", ";", ".", "..", "é漢😀", "-", "%", "%zz", "\x00", "x\x00y"}
	for c := rune(1); c <= 255; c++ {
		if testing.Short() && c%4 != 3 {
			continue
		}
		names = append(names, "c"+string(c), "c"+string(c)+"y")
	}
	var docs []map[string]any
	for i, name := range names {
		att := map[string]any{name: map[string]any{"data": "aGk=", "content_type": "text/plain"}}
		docs = append(docs, map[string]any{"_id": name, "n": i, "_attachments": att}, map[string]any{"_id": "_design/" + name, "n": i, "_attachments": att}, map[string]any{"_id": "plain" + name})
	}
	docs = append(docs, map[string]any{"_id": "_design/f+ %", "filters": map[string]any{"f+ %": "function (doc, req) { return doc._id === req.query['w+ w'] }"}})
	body, err := json.Marshal(map[string]any{"docs": docs})
	if err != nil {
		t.Fatal(err)
	}
	const db = "names+(all)/$x"
	const path = "/names%2B%28all%29%2F%24x"
	a.do(201, "PUT", path, "")
	if made := a.do(201, "POST", path+"/_bulk_docs", string(body)); strings.Contains(made, `"error"`) {
		t.Fatal(made)
	}
	replicate := func(by *process, request string) string {
		t.Helper()
		return by.do(200, "POST", "/_replicate", request)
	}
	quoted := func(text string) string { q, _ := json.Marshal(text); return string(q) }
	want := a.do(200, "GET", path+"/_all_docs?include_docs=true", "")
	// Pushed by name, pulled by URL, and over URLs alone.
	for i, way := range []struct {
		by             *process
		source, target string
		at             *process
		db             string
	}{
		{a, db, withUser(b.base) + "/pushed%2B", b, "/pushed%2B"},
		{b, withUser(a.base) + path, "pulled+", b, "/pulled%2B"},
		{a, withUser(b.base) + "/pulled%2B", withUser(b.base) + "/third%2B", b, "/third%2B"},
	} {
		request := fmt.Sprintf(`{"source":%s,"target":%s,"create_target":true}`, quoted(way.source), quoted(way.target))
		if got := replicate(way.by, request); !strings.Contains(got, fmt.Sprintf(`"docs_written":%d,"doc_write_failures":0`, len(docs))) {
			t.Errorf("way %d: %s", i, got)
		}
		if got := way.at.do(200, "GET", way.db+"/_all_docs?include_docs=true", ""); got != want {
			t.Errorf("way %d: it holds\n%s\nand not\n%s", i, got, want)
		}
		if got := replicate(way.by, request); !strings.Contains(got, `"no_changes":true`) {
			t.Errorf("way %d, again: %s", i, got)
		}
		for _, att := range []string{"/a%2Bb/a%2Bb", "/x%00y/x%00y", "/_design/a%2Fb/a%2Fb", "/%2E%2E/%2E%2E", "/c%C3%BF/c%C3%BF"} {
			if got := way.at.do(200, "GET", way.db+att, ""); got != "hi" {
				t.Errorf("way %d: %s is %q", i, att, got)
			}
		}
	}
	for i, source := range []string{quoted(db), quoted(withUser(a.base) + path)} {
		for k, choice := range []string{`"filter":"f+ %/f+ %","query_params":{"w+ w":"a+b"}`, `"doc_ids":["a%2Bb"]`, `"selector":{"_id":"a+b"}`} {
			target := fmt.Sprintf("chosen%d%d", i, k)
			replicate(a, fmt.Sprintf(`{"source":%s,"target":%q,"create_target":true,%s}`, source, target, choice))
			if got := a.do(200, "GET", "/"+target+"/_all_docs", ""); strings.Count(got, `"key"`) != 1 || !strings.Contains(got, `"key":"a+b"`) {
				t.Errorf("%s from %s: %s", choice, source, got)
			}
		}
	}
}
