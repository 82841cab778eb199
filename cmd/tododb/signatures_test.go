package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"testing"
)

// Functions have at most so many parameters and results. If there are more, the ones that belong
// together become a struct, whose fields have names where it is made.
const (
	maxParameters = 5
	maxResults    = 3
)

// wideFunctions are what TestLayersSignatures finds and lets pass, with the reason.
var wideFunctions = map[string]string{
	"httpapi/config/change.go Put: bool":       "keep is a header of the request: X-Couch-Persist",
	"httpapi/config/change.go Delete: bool":    "as Put",
	"httpapi/metrics/metrics.go Request: bool": "one call counts every request, with its fields by name",
	"revtree/merge.go Merge: bool":             "deleted is as much a part of a revision as its path",
	"store/script/reduce.go Reduce: bool":      "rereduce is the third parameter of CouchDB's reduce functions",
}

// Calls stay readable because signatures stay narrow.
func TestLayersSignatures(t *testing.T) {
	found := map[string]string{}
	walkSources(t, func(file string, set *token.FileSet, parsed *ast.File) {
		for _, d := range parsed.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				for _, what := range excesses(fn) {
					found[fmt.Sprintf("%s %s: %s", file, fn.Name.Name, what)] = set.Position(fn.Pos()).String()
				}
			}
		}
	})
	for row, at := range found {
		if wideFunctions[row] == "" {
			t.Errorf("%s: %s (at most %d parameters, %d results, and no exported function with a bool)", at, row, maxParameters, maxResults)
		}
	}
	for _, row := range slices.Sorted(maps.Keys(wideFunctions)) {
		if found[row] == "" {
			t.Errorf("%s: is not so any more; take the row out", row)
		}
	}
}

// excesses says where a function's signature exceeds the limits.
func excesses(fn *ast.FuncDecl) (what []string) {
	parameters, flags := 0, false
	for _, field := range fn.Type.Params.List {
		parameters += max(1, len(field.Names))
		id, ok := field.Type.(*ast.Ident)
		flags = flags || ok && id.Name == "bool"
	}
	results := 0
	if fn.Type.Results != nil {
		for _, field := range fn.Type.Results.List {
			results += max(1, len(field.Names))
		}
	}
	if parameters > maxParameters {
		what = append(what, "parameters")
	}
	if results > maxResults {
		what = append(what, "results")
	}
	if flags && fn.Name.IsExported() {
		what = append(what, "bool")
	}
	return what
}

func TestLayersSignaturesCatch(t *testing.T) {
	const source = `package p
func few(a, b, c, d, e int) (f, g, h int) { return }
func (x *T) Many(a, b, c int, d, e, f string) {}
func gives() (int, string, bool, error) { return }
func Flag(a string, on bool) {}
func flag(on bool) (off bool) { return }`
	parsed, err := parser.ParseFile(token.NewFileSet(), "p.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range parsed.Decls {
		got = append(got, fmt.Sprint(excesses(d.(*ast.FuncDecl))))
	}
	if want := []string{"[]", "[parameters]", "[results]", "[bool]", "[]"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
