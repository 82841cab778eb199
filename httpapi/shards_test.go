package httpapi_test

import "testing"

// A database is one shard, which is here and cannot be split.
func TestShards(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	wants(t, call(s, "PUT", "/db?q=8", "", "Admin", ""), 201, "")
	const one = `{"range":"00000000-ffffffff","nodes":["nonode@nohost"]}`
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/db/_shards", "", 200, `{"shards":{"00000000-ffffffff":["nonode@nohost"]}}`},
		{"GET", "/db/_shards/a", "", 200, one},
		{"GET", "/db/_shards/_design%2Fx", "", 200, one},
		{"GET", "/db/_shards/a/b", "", 405, "Only GET allowed"},
		{"POST", "/db/_sync_shards/x", "{}", 405, "Only POST allowed"},
		{"PUT", "/db/_shards", "", 405, "Only GET allowed"},
		{"GET", "/none/_shards", "", 404, "Database does not exist."},
		{"POST", "/db/_sync_shards", "{}", 202, `{"ok":true}`},
		{"GET", "/db/_sync_shards", "", 405, "Only POST allowed"},
		{"POST", "/none/_sync_shards", "{}", 404, "Database does not exist."},
		{"GET", "/_reshard", "", 200, `{"state":"stopped","state_reason":"A database has one shard here, which cannot be split.","completed":0,"failed":0,"running":0,"stopped":0,"total":0}`},
		{"GET", "/_reshard/state", "", 200, `{"state":"stopped",`},
		{"PUT", "/_reshard/state", `{"state":"stopped"}`, 200, `{"ok":true}`},
		{"PUT", "/_reshard/state", `{"state":"running"}`, 501, "cannot be split"},
		{"PUT", "/_reshard/state", `{"state":1}`, 400, "State field not"},
		{"PUT", "/_reshard/state", `{}`, 400, "Expected a `state` field"},
		{"PUT", "/_reshard/state", `[`, 400, "invalid UTF-8 JSON"},
		{"POST", "/_reshard/state", `{}`, 405, "Only GET,HEAD,PUT allowed"},
		{"GET", "/_reshard/jobs", "", 200, `{"total_rows":0,"offset":0,"jobs":[]}`},
		{"POST", "/_reshard/jobs", `{"type":"split","db":"db"}`, 501, "cannot be split"},
		{"POST", "/_reshard/jobs", `{"type":"merge"}`, 400, "must be `split`"},
		{"GET", "/_reshard/jobs/1", "", 404, "missing"},
		{"DELETE", "/_reshard/jobs/1", "", 404, "missing"},
		{"GET", "/_reshard/jobs/1/state", "", 404, "missing"},
		{"PUT", "/_reshard/jobs/1/state", `{"state":"running"}`, 404, "missing"},
		{"PUT", "/_reshard/jobs/1/state", `{"state":"x"}`, 400, "State field not"},
	} {
		if w := call(s, c.method, c.path, c.body, "Admin", ""); wants(t, w, c.status, c.want) == "" {
			t.Errorf("%s %s: no answer", c.method, c.path)
		}
	}
	for _, path := range []string{"/_reshard", "/_reshard/jobs", "/_reshard/jobs/1", "/_reshard/state"} {
		wants(t, call(s, "PUT", path, `{"state":"running"}`), 401, "unauthorized")
	}
}
