package httpapitest

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/tododb/tododb/httpapi"
)

// QuickHashes are settings with which no test waits for passwords.
var QuickHashes = []string{"chttpd_auth/iterations", "10"}

// OpenWithUsers makes a server with the databases of the system, and users as PutUser does.
func OpenWithUsers(t testing.TB, opt httpapi.Options, names ...string) *Server {
	t.Helper()
	if opt.Config == nil {
		opt.Config = Settings(t, QuickHashes...)
	}
	s := Open(t, opt)
	if err := s.Access().CreateSystemDatabases(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		PutUser(t, s, name, `[]`)
	}
	return s
}

// PutUser makes a user with roles, a JSON array. The password is the name and "pw".
func PutUser(t testing.TB, s *Server, name, roles string) {
	t.Helper()
	body := fmt.Sprintf(`{"type":"user","name":%q,"roles":%s,"password":%q}`, name, roles, name+"pw")
	Wants(t, Call(s, "PUT", "/_users/org.couchdb.user:"+name, body, "Admin", ""), http.StatusCreated, "")
}

// As is the Authorization header of a user that PutUser has made.
func As(name string) string { return BasicAuth(name, name+"pw") }

// OpenWithDB makes a server with the users anna and ben, and a database "db" of the documents
// given, which anna administers and ben may not read.
func OpenWithDB(t testing.TB, opt httpapi.Options, docs string) *Server {
	t.Helper()
	s := OpenWithUsers(t, opt, "anna", "ben")
	Wants(t, Call(s, "PUT", "/db", "", "Admin", ""), http.StatusCreated, "")
	Wants(t, Call(s, "PUT", "/db/_security", `{"admins":{"names":["anna"]},"members":{"names":["anna"]}}`, "Admin", ""), http.StatusOK, "")
	Wants(t, Call(s, "POST", "/db/_bulk_docs", `{"docs":[`+docs+`]}`, "Admin", ""), http.StatusCreated, "")
	return s
}

// Issue makes a token of a user, and returns the Authorization header of its device, and its id.
func Issue(t testing.TB, s *Server, user, request string) (header, id string) {
	t.Helper()
	return IssueTo(t, s, As(user), request)
}

// IssueTo does the same for whoever logs in with an Authorization header.
func IssueTo(t testing.TB, s *Server, login, request string) (header, id string) {
	t.Helper()
	body := Wants(t, Call(s, "POST", "/_session/tokens", request, "Authorization", login), http.StatusCreated, `"ok":true`)
	return "Bearer " + Text(t, body, "token"), Text(t, body, "id")
}
