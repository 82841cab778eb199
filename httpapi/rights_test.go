package httpapi_test

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/rights.txt and docs/routes.md from what the server does; then read what has changed")

// roles are the columns of the table of rights, from the one who may least to the one who may
// most. All but nobody are users, with their names as passwords, or the administrator.
var roles = []string{"nobody", "user", "member", "dbadmin", "admin"}

// tokens are tokens of the database's administrator, from the one that may least to the one
// that may most. Their columns come after the roles. A new route is closed to them until its
// line in the table says something else.
var tokens = []struct{ name, request string }{
	{"t-part", `{"databases":["db"],"access":"read-write","id_prefix":"doc","device":"part"}`},
	{"t-read", `{"databases":["db"],"access":"read","device":"read"}`},
	{"t-write", `{"databases":["db"],"access":"read-write","device":"write"}`},
	{"t-other", `{"databases":["other"],"access":"read-write","device":"other"}`},
}

const rightsSecurity = `{"members":{"names":["member"]},"admins":{"names":["dbadmin"]}}`

// filledIn has the values for the variables of a path. A route with another variable needs a
// row here.
var filledIn = map[string]string{
	"db": "db", "doc": "doc", "att": "att", "ddoc": "d", "node": "_local", "section": "cors", "key": "max_age", "name": "_nothing", "rest": "",
	"token": "none", "id": "none", "view": "v", "index": "i", "type": "json", "func": "f", "list": "l", "show": "s", "update": "u", "fn": "f", "job": "none", "partition": "p",
}

// below has the paths that a handler tells apart itself, by the rest of a route's path.
// Such a handler needs a row here.
var below = map[string][]string{
	"/{db}/_design/{ddoc}/_show":                          {"/s", "/s/doc"},
	"/{db}/_design/{ddoc}/_list":                          {"/l/v", "/l/_all_docs"},
	"/{db}/_design/{ddoc}/_update":                        {"/u", "/u/doc"},
	"/{db}/_design/{ddoc}/_rewrite":                       {"/x"},
	"/{db}/_shards":                                       {"/doc"},
	"/{db}/_partition/{partition}":                        {"/_find", "/_changes"},
	"/{db}/_partition/{partition}/_design/{ddoc}/_show":   {"/s"},
	"/{db}/_partition/{partition}/_design/{ddoc}/_list":   {"/l/v"},
	"/{db}/_partition/{partition}/_design/{ddoc}/_update": {"/u"},
	"/_scheduler/jobs":                                    {"/none"},
	"/_scheduler/docs":                                    {"/_replicator", "/_replicator/none"},
}

var pathVariable = regexp.MustCompile(`\{(\w+)\}`)

// patternOf returns a route's path without the dots for the rest, and a path that it matches.
func patternOf(t *testing.T, template string) (pattern, path string) {
	t.Helper()
	pattern = strings.TrimSuffix(template, "...")
	return pattern, pathVariable.ReplaceAllStringFunc(pattern, func(v string) string {
		value, ok := filledIn[strings.Trim(v, "{}")]
		if !ok {
			t.Fatalf("route %s: what stands for %s? Give it a row in filledIn.", template, v)
		}
		return value
	})
}

// rightsServer is a server whose database is put back after every change.
type rightsServer struct {
	t      *testing.T
	s      *Server
	tokens map[string]string // the header of each
}

func (r *rightsServer) ask(role, method, path string) int {
	r.t.Helper()
	var headers []string
	token, isToken := r.tokens[role]
	switch {
	case isToken:
		headers = []string{"Authorization", token}
	case role == "nobody":
	case role == "admin":
		headers = []string{"Admin", ""}
	default:
		headers = []string{"Authorization", basicAuth(role, role)}
	}
	body := "{}"
	if method == "GET" || method == "HEAD" || method == "DELETE" || method == "COPY" {
		body = ""
	}
	status := call(r.s, method, path, body, headers...).Code
	if status < 400 && method != "GET" && method != "HEAD" {
		r.restore()
	}
	return status
}

// restore makes the databases and their contents anew.
func (r *rightsServer) restore() {
	r.t.Helper()
	ctx := context.Background()
	for _, name := range []string{"db", "_users", "_replicator"} {
		if there, err := r.s.Store.Exists(ctx, name); err != nil {
			r.t.Fatal(err)
		} else if there {
			if err := r.s.Store.Drop(ctx, name); err != nil {
				r.t.Fatal(err)
			}
		}
	}
	put := func(path, body string) {
		r.t.Helper()
		if w := call(r.s, "PUT", path, body, "Admin", ""); w.Code >= 400 {
			r.t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	put("/_users", "")
	for _, name := range roles[1 : len(roles)-1] {
		put("/_users/org.couchdb.user:"+name, `{"name":"`+name+`","password":"`+name+`","roles":[],"type":"user"}`)
	}
	r.tokens = map[string]string{}
	for _, token := range tokens {
		r.tokens[token.name], _ = issueTo(r.t, r.s, basicAuth("dbadmin", "dbadmin"), token.request)
	}
	put("/db", "")
	put("/db/_security", rightsSecurity)
	put("/db/doc", `{}`)
	put("/db/_design/d", `{"views":{"v":{"map":"function (doc) { emit(null, null) }"}}}`)
}

// TestRights requests every path that the router has, with every method, as everybody. It
// compares who is let through with the table in testdata/rights.txt, which people have read.
// So a new route needs a decision about who may use it. A method that even administrators
// cannot use (405) has no row.
func TestRights(t *testing.T) {
	t.Parallel()
	const file = "testdata/rights.txt"
	r := &rightsServer{t: t, s: openServer(t, Options{Config: settings(t, "chttpd_auth/iterations", "1")})}
	r.restore()
	head := fmt.Sprintf("%-7s%-42s", "#", "")
	for _, a := range roles {
		head += fmt.Sprintf(" %-7s", a)
	}
	for _, token := range tokens {
		head += fmt.Sprintf(" %-7s", token.name)
	}
	rows := []string{strings.TrimSpace(head)}
	seen := map[string]bool{}
	for _, line := range r.s.Routes() {
		pattern, path := patternOf(t, line.Path)
		if seen[pattern] { // the rest of a path; parts of it have routes of their own
			pattern, path = pattern+"/...", path+"/_nothing"
		}
		seen[pattern] = true
		rows = append(rows, r.rows(pattern, path)...)
		for _, rest := range below[pattern] {
			rows = append(rows, r.rows(pattern+rest, path+rest)...)
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(strings.Join(rows, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	reviewed := strings.Split(strings.TrimSpace(string(have)), "\n")
	for _, row := range rows {
		if !slices.Contains(reviewed, row) {
			t.Errorf("%s\n\tis not a row of httpapi/%s. Is that who may? Then \"go test ./httpapi -run TestRights -update\", read what it has changed, and commit it with the route.", row, file)
		}
	}
	for _, row := range reviewed {
		if !slices.Contains(rows, row) {
			t.Errorf("%s\n\tis a row of httpapi/%s and is not so any more; see above.", row, file)
		}
	}
}

// rows are the rows of one path.
func (r *rightsServer) rows(pattern, path string) (rows []string) {
	r.t.Helper()
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "COPY", "PATCH"} {
		row := fmt.Sprintf("%-7s%-42s", method, pattern)
		statuses := make([]int, len(roles))
		for i, a := range roles {
			statuses[i] = r.ask(a, method, path)
			word := "yes"
			if statuses[i] == 401 || statuses[i] == 403 {
				word = strconv.Itoa(statuses[i])
			}
			row += fmt.Sprintf(" %-7s", word)
		}
		if statuses[len(roles)-1] == http.StatusMethodNotAllowed {
			continue
		}
		checkRights(r.t, method, pattern, statuses)
		for _, token := range tokens {
			status := r.ask(token.name, method, path)
			word := "yes"
			if status == 401 || status == 403 {
				word = strconv.Itoa(status)
			}
			row += fmt.Sprintf(" %-7s", word)
			if owner := statuses[3]; word == "yes" && (owner == 401 || owner == 403) {
				r.t.Errorf("%s %s: %s may and its owner may not", method, pattern, token.name)
			}
		}
		rows = append(rows, strings.TrimSpace(row))
	}
	return rows
}

// openToAll are the paths outside of a database that answer anybody.
var openToAll = []string{"/", "/_up", "/_session", "/_uuids", "/_utils", "/_snapshot.js", "/favicon.ico", "/_session/..."}

// checkRights checks what must be true of every row, whatever the table says.
func checkRights(t *testing.T, method, pattern string, statuses []int) {
	t.Helper()
	refused := func(i int) bool { return statuses[i] == 401 || statuses[i] == 403 }
	if refused(len(roles) - 1) {
		t.Errorf("%s %s: an administrator is refused", method, pattern)
	}
	for i := 1; i < len(roles); i++ {
		if !refused(i-1) && refused(i) {
			t.Errorf("%s %s: %s may and %s may not", method, pattern, roles[i-1], roles[i])
		}
	}
	if slices.Contains(openToAll, pattern) {
		return
	}
	if statuses[0] < 400 || statuses[1] < 400 && strings.HasPrefix(pattern, "/{db}") {
		t.Errorf("%s %s is open to everybody", method, pattern)
	}
	for i, status := range statuses {
		if status >= 500 && status != 501 {
			t.Errorf("%s %s by %s: %d", method, pattern, roles[i], status)
		}
	}
}

// Under require_valid_user, people without credentials get to no path. They can only log in, at the page
// or by themselves.
func TestNobodyUnderRequireValidUser(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{Config: settings(t, "chttpd/require_valid_user", "true")})
	paths := 0
	for _, line := range s.Routes() {
		pattern, path := patternOf(t, line.Path)
		if pattern == "/_session" || pattern == "/_utils" {
			continue
		}
		paths++
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH"} {
			if w := call(s, method, path, ""); w.Code != 401 {
				t.Errorf("%s %s: %d %s", method, pattern, w.Code, w.Body)
			}
		}
	}
	if paths < 20 {
		t.Errorf("%d paths", paths)
	}
}
