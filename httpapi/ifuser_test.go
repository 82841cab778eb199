package httpapi_test

import (
	"strings"
	"testing"
)

// What a user sends is never written in the name of nobody, or of another user, if the request says whose it is.
func TestIfUser(t *testing.T) {
	t.Parallel()
	s := openWithUsers(t, Options{})
	admin := []string{"Admin", ""}
	for path, body := range map[string]string{"/open": "", "/_users/org.couchdb.user:ann%C3%A4": `{"name":"annä","password":"pw","roles":[],"type":"user"}`} {
		if w := call(s, "PUT", path, body, admin...); w.Code != 201 {
			t.Fatal(w.Code, w.Body)
		}
	}
	if w := call(s, "PUT", "/open/_security", `{"admins":{"roles":["_admin"]},"members":{}}`, admin...); w.Code != 200 {
		t.Fatal(w.Code, w.Body)
	}
	anna := []string{"Authorization", basicAuth("annä", "pw")}
	for _, c := range []struct {
		as     []string
		header string
		status int
	}{
		{nil, "ann%C3%A4", 401},
		{nil, "", 201},
		{nil, "%zz", 400},
		{anna, "ann%C3%A4", 201},
		{anna, "anna", 401},
		{anna, "", 401},
		{admin, "ann%C3%A4", 401},
	} {
		before := call(s, "GET", "/open", "", admin...).Body.String()
		w := call(s, "POST", "/open", `{}`, append([]string{"If-User", c.header}, c.as...)...)
		if w.Code != c.status {
			t.Errorf("If-User %q from %v: %d %s", c.header, c.as, w.Code, w.Body)
		}
		if after := call(s, "GET", "/open", "", admin...).Body.String(); (c.status == 201) == (before == after) {
			t.Errorf("If-User %q from %v: the database was %s, and is %s", c.header, c.as, before, after)
		}
	}
	if w := call(s, "POST", "/open", `{}`, "If-User", "annä"); w.Code != 401 || !strings.Contains(w.Body.String(), "nobody is signed in") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
