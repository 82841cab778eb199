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

// TestTheRoutesPage compares docs/routes.md with the table of routes.
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
get 403; where only server administrators may, users get 401 as well, as in CouchDB. Server administrators may use everything. The last column is which device tokens may, if their
owner may: of "readers" and "writers", a token that is not for the database gets 403.

The documents themselves can ask for more. Only administrators of a database write its design
documents. Documents in ` + "`_users` and `_replicator`" + ` have rules of their own.
[security.md](security.md) describes these, and tokens.
`

// routesPage writes the table in the order of the paths, the server's first.
func routesPage(routes []httpapi.Route) string {
	rows := map[string][]string{} // of a path, one for each rule
	for _, rt := range routes {
		if strings.HasSuffix(rt.Path, "/{name}...") { // not the path of a database
			continue
		}
		for may, methods := range byRights(rt.Verbs) {
			rows[rt.Path] = append(rows[rt.Path], fmt.Sprintf("| `%s` | %s | %s | %s |\n", rt.Path, strings.Join(methods, ", "), who[may.rule], which[may.tokens]))
		}
	}
	var b strings.Builder
	b.WriteString(routesHead)
	for _, title := range []string{"The server", "Databases"} {
		fmt.Fprintf(&b, "\n## %s\n\n| path | methods | who may | tokens |\n| --- | --- | --- | --- |\n", title)
		for _, path := range slices.Sorted(maps.Keys(rows)) {
			if strings.HasPrefix(path, "/{db}") == (title == "Databases") {
				b.WriteString(strings.Join(slices.Sorted(slices.Values(rows[path])), ""))
			}
		}
	}
	return b.String()
}

// rights are who may use a method.
type rights struct {
	rule   wire.Rule
	tokens wire.Scope
}

// byRights gathers the methods that the same people and tokens may use; HEAD goes with GET.
func byRights(verbs []httpapi.Verb) map[rights][]string {
	methods := map[rights][]string{}
	for _, v := range verbs {
		may := rights{v.Rule, v.Tokens}
		switch {
		case v.Methods == "" && len(verbs) > 1:
			methods[may] = append(methods[may], "all others")
			continue
		case v.Methods == "":
			methods[may] = append(methods[may], "all")
			continue
		}
		for method := range strings.SplitSeq(v.Methods, ",") {
			methods[may] = append(methods[may], method)
			if method == "GET" {
				methods[may] = append(methods[may], "HEAD")
			}
		}
	}
	return methods
}

var who = map[wire.Rule]string{
	wire.Door:     "everybody, also under `require_valid_user`",
	wire.Health:   "everybody, also under `require_valid_user_except_for_up`",
	wire.Anyone:   "everybody",
	wire.User:     "users",
	wire.Member:   "members of the database",
	wire.Lister:   "members of the database; for `_users` only server administrators",
	wire.DBAdmin:  "administrators of the database",
	wire.Metrics:  "users with the role `_metrics`",
	wire.Admin:    "server administrators",
	wire.DBLister: "server administrators, or everybody if `[chttpd] admin_only_all_dbs` is false",
}

var which = map[wire.Scope]string{
	wire.NoToken:      "",
	wire.EveryToken:   "all",
	wire.Readers:      "readers",
	wire.WholeReaders: "readers of the whole database",
	wire.Writers:      "writers",
}

// Anything after the name of an endpoint makes it another path, as in CouchDB: the path of an
// attachment of a document that cannot exist.
func TestEndpointsHaveNoTail(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	wants(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "")
	for _, name := range []string{"_bulk_docs", "_bulk_get", "_revs_diff", "_missing_revs", "_revs_limit", "_auto_purge", "_security", "_ensure_full_commit", "_purge", "_purged_infos", "_purged_infos_limit", "_all_docs"} {
		for method, want := range map[string]int{"GET": 404, "HEAD": 404, "PUT": 400, "POST": 405, "PATCH": 405} {
			w := call(s, method, "/db/"+name+"/x", "{}", "Admin", "")
			if w.Code != want {
				t.Errorf("%s %s/x: %d %s, want %d", method, name, w.Code, w.Body, want)
			}
			wants(t, call(s, method, "/db/"+name+"/x", "{}"), 401, "")
		}
	}
	wants(t, call(s, "GET", "/db/_revs_limit", "", "Admin", ""), 200, "1000")
}
