package httpapi_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tododb/tododb/httpapi"
	"github.com/tododb/tododb/httpapi/wire"
)

// TestTheRoutesPage holds docs/routes.md against the table of routes.
func TestTheRoutesPage(t *testing.T) {
	const file = "../docs/routes.md"
	want := routesPage(openServer(t, Options{}).Routes())
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(file); err != nil || string(have) != want {
		t.Errorf("docs/routes.md is not what the table of routes says (%v); make docs writes it", err)
	}
}

const routesHead = `# Routes

<!-- Written by "make docs" from the table in httpapi/routes.go. -->

Every path that the server answers, and who may use it. [http-api.md](http-api.md) says what the
paths do and which of them are not there yet (501). Dots at the end of a path stand for whatever
follows. A method that is not listed is a 405. Anonymous requests that are refused get 401, and users
get 403. Server administrators may use everything.

The documents themselves can ask for more. Only administrators of a database write its design
documents. Documents in ` + "`_users` and `_replicator`" + ` have rules of their own. A device token may do
less than its owner. [security.md](security.md) describes all of these.
`

// routesPage tells the table in the order of the paths, the server's first.
func routesPage(routes []httpapi.Route) string {
	rows := map[string][]string{} // of a path, one for each rule
	for _, rt := range routes {
		if strings.HasSuffix(rt.Path, "/{name}...") { // what is no path of a database
			continue
		}
		for _, path := range spelledOut(rt.Path) {
			for rule, methods := range byRule(rt.Verbs) {
				rows[path] = append(rows[path], fmt.Sprintf("| `%s` | %s | %s |\n", path, strings.Join(methods, ", "), who[rule]))
			}
		}
	}
	var b strings.Builder
	b.WriteString(routesHead)
	for _, title := range []string{"The server", "Databases"} {
		fmt.Fprintf(&b, "\n## %s\n\n| path | methods | who may |\n| --- | --- | --- |\n", title)
		for _, path := range slices.Sorted(maps.Keys(rows)) {
			if strings.HasPrefix(path, "/{db}") == (title == "Databases") {
				b.WriteString(strings.Join(slices.Sorted(slices.Values(rows[path])), ""))
			}
		}
	}
	return b.String()
}

// byRule gathers the methods that the same people may use; HEAD goes with GET.
func byRule(verbs []httpapi.Verb) map[wire.Rule][]string {
	methods := map[wire.Rule][]string{}
	for _, v := range verbs {
		if v.Methods == "" {
			methods[v.Rule] = append(methods[v.Rule], "all")
			continue
		}
		for method := range strings.SplitSeq(v.Methods, ",") {
			methods[v.Rule] = append(methods[v.Rule], method)
			if method == "GET" {
				methods[v.Rule] = append(methods[v.Rule], "HEAD")
			}
		}
	}
	return methods
}

var who = map[wire.Rule]string{
	wire.Anyone:  "everybody",
	wire.User:    "users",
	wire.Member:  "members of the database",
	wire.Lister:  "members of the database; for `_users` only server administrators",
	wire.DBAdmin: "administrators of the database",
	wire.Metrics: "users with the role `_metrics`",
	wire.Admin:   "server administrators",
}

// spelledOut gives each of the names that stand for one another in a path a path of its own.
func spelledOut(path string) []string {
	before, rest, found := strings.Cut(path, "{_:")
	if !found {
		return []string{path}
	}
	names, after, _ := strings.Cut(rest, "}")
	var paths []string
	for name := range strings.SplitSeq(names, "|") {
		paths = append(paths, before+name+after)
	}
	return paths
}
