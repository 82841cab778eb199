package main

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/tododb/tododb/store/widetest"
)

// A visitor signs in, sees who they are and what databases there are, and signs out.
func TestPageSignIn(t *testing.T) {
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	b.open("")
	b.fill("Name", testUser)
	b.fill("Password", "wrong")
	b.click("button", "Sign in")
	b.sees("The name or the password is wrong.")
	b.everythingHasAName()
	b.signIn()
	b.finds("link", "notes")
	b.everythingHasAName()
	b.focus("button", "New database")
	b.press(kb.Enter)
	b.finds("dialog", "New database")
	b.press(kb.Escape)
	b.until("have the focus where it was before the dialog", chromedp.Evaluate[bool](`document.activeElement.textContent === 'New database'`))
	b.click("button", "Colours and session")
	b.click("menuitem", "Sign out")
	b.finds("heading", "Sign in to tododb")
}

// Who starts a server for the first time is told where the password is, signs in with it, and
// chooses another one.
func TestPageFirstPassword(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p := startServerWith(t, []string{"COUCHDB_USER=", "COUCHDB_PASSWORD="}, t.TempDir(), "")
	t.Cleanup(p.stop)
	_, printed, is := strings.Cut(p.out.String(), "the password ")
	if !is {
		t.Fatalf("printed %q", p.out.String())
	}
	printed, _, _ = strings.Cut(printed, ",")
	b := browse(t, p)
	b.open("")
	b.sees("This server has started for the first time.", "admin")
	b.everythingHasAName()
	b.fill("Password", printed)
	b.click("button", "Sign in")
	b.click("link", "admin")
	b.sees("administrator of the server", "You still have the password that the server printed.")
	b.fill("Present password", "wrong")
	b.fill("New password", "a long sentence")
	b.fill("New password again", "a long sentence")
	b.click("button", "Change it")
	b.sees("The present password is wrong.")
	b.fill("Present password", printed)
	b.click("button", "Change it")
	b.sees("Your password is changed.")
	b.misses("You still have the password")
	b.click("button", "Sign out")
	b.misses("This server has started for the first time.")
	b.fill("Name", "admin")
	b.fill("Password", "a long sentence")
	b.click("button", "Sign in")
	b.finds("heading", "My account")
}

// A user who is no administrator opens a database by its name, and changes the password where users
// may. The page is below another path of a proxy, and keeps to it.
func TestPageBehindAProxy(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p := startServer(t, t.TempDir(), "")
	t.Cleanup(p.stop)
	p.do(201, "PUT", "/_users/org.couchdb.user:anna", `{"name":"anna","password":"annapw","roles":[],"type":"user","exact":1.0}`)
	p.do(201, "PUT", "/notes", "")
	p.do(200, "PUT", "/notes/_security", `{"members":{"names":["anna"],"roles":[]}}`)
	p.do(201, "PUT", "/notes/cake", `{"eggs":2}`)
	to, err := url.Parse(p.base)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(http.StripPrefix("/deep/down", httputil.NewSingleHostReverseProxy(to)))
	t.Cleanup(proxy.Close)
	b := browse(t, p)
	b.base = proxy.URL + "/deep/down/_utils/"
	b.open("")
	b.fill("Name", "anna")
	b.fill("Password", "annapw")
	b.click("button", "Sign in")
	b.sees("Only administrators of the server see the list")
	b.open("#/settings")
	b.sees("Only administrators of the server see this")
	b.open("#/")
	b.fill("Name of the database", "notes")
	b.press(kb.Enter)
	b.click("link", "cake")
	b.sees(`"eggs": 2`)
	b.open("#/account")
	b.fill("Present password", "annapw")
	b.fill("New password", "another one")
	b.fill("New password again", "another one")
	b.press(kb.Enter)
	b.sees("On this server only administrators change passwords")
	p.do(200, "PUT", "/_node/_local/_config/couchdb/users_db_security_editable", `"true"`)
	p.do(200, "PUT", "/_users/_security", `{"members":{"names":[],"roles":[]}}`)
	b.click("button", "Change it")
	b.sees("Your password is changed.")
	p.holds("/_users/org.couchdb.user:anna", `"exact":1.0`)
}
