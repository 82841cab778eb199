package query

import (
	"strings"
	"testing"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store/jsonscan"
)

func TestRewriteRules(t *testing.T) {
	const rules = `[{"from":"","to":"index.html"},{"from":"/doc/:id","to":"../../:id"},{"from":"/by/:k","to":"_view/v","query":{"key":":k","x":":y","n":1}},
		{"from":"/range/:a/:b","to":"_view/v","query":{"startkey":[":a",{"k":":b"}],"endkey":[":a",{}]}},{"from":"/files/*","to":"files/*"},
		{"from":"/int/:n","to":"_view/v","query":{"key":":n"},"formats":{"n":"int"}},{"from":"/put","to":"put","method":"PUT"},{"from":"/a//b/","to":"ab"},{"from":"*","to":"rest/*","method":"POST"}]`
	for _, c := range []struct{ method, path, query, want string }{
		{"GET", "", "", "index.html?"},
		{"GET", "/doc/a b", "", "../../a%20b?id=a+b"},
		{"GET", "/doc/a/b", "", ""},
		{"GET", "/by/x", "y=1&z=2", `_view/v?key="x"&x=1&n=1&y=1&z=2&k=x`},
		{"GET", "/range/1/2", "", `_view/v?startkey=["1",{"k":"2"}]&endkey=["1",{}]&a=1&b=2`},
		{"GET", "/files/a/b/c", "", "files/a/b/c?"},
		{"GET", "/int/5", "", "_view/v?key=5&n=5"},
		{"GET", "/put", "", ""},
		{"PUT", "/put", "", "put?"},
		{"GET", "/a/b", "", "ab?"},
		{"POST", "/what/ever", "", "rest/what/ever?"},
	} {
		query, err := wire.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		to, args, err := matchRules([]byte(rules), c.method, strings.Split(strings.Trim(c.path, "/"), "/"), query)
		got := to + "?"
		for i, one := range args.List {
			if i > 0 {
				got += "&"
			}
			got += strings.ReplaceAll(one.Name+"="+one.Value, " ", "+")
		}
		if err != nil {
			got = ""
		}
		if got != c.want {
			t.Errorf("%s %s?%s: %s (%v), want %s", c.method, c.path, c.query, got, err, c.want)
		}
	}
}

// Rules are whatever somebody has written; what they lead to is a path and a query.
func FuzzRewriteRules(f *testing.F) {
	f.Add(`[{"from":"/a/:b/*","to":"../:b/*","query":{"key":[":b",{"x":":c"}],"n":1},"formats":{"b":"int"},"method":"GET"}]`, "/a/b/c", "c=1&d=2;e")
	f.Add(`[{"to":"x"},5,{"from":1},{"from":"*","to":"*"}]`, "//", "")
	f.Fuzz(func(t *testing.T, rules, path, query string) {
		trimmed, err := jsonscan.Trim([]byte(rules))
		if err != nil || jsonscan.Kind(trimmed) != '[' {
			return
		}
		parsed, err := wire.ParseQuery(query)
		if err != nil {
			return
		}
		to, args, err := matchRules(trimmed, "GET", wire.PathParts(path), parsed)
		if err != nil {
			return
		}
		if strings.ContainsAny(to, "?#") && !strings.ContainsAny(rules, "?#\\") {
			t.Errorf("%q leads to %q", path, to)
		}
		if again, err := wire.ParseQuery(args.Encode()); err != nil || len(again.List) != len(args.List) {
			t.Errorf("query %q: %v", args.Encode(), err)
		}
	})
}
