package main

import (
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/tododb/tododb/store/widetest"
)

// The session of a visitor ends while they write. They sign in above what they have written, and
// save it.
func TestPageSessionEnds(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	p.do(201, "PUT", "/notes/cake", `{"eggs":2}`)
	b.signIn()
	b.open("#/db/notes/doc/cake")
	b.sees(`"eggs": 2`)
	b.fill(content, `{"eggs":12345678901234567890}`)
	b.do("lose the session", command(network.ClearBrowserCookies, cdp.Empty{}))
	b.click("button", "Save")
	b.finds("dialog", "Your session has ended")
	b.everythingHasAName()
	b.fill("Password", "wrong")
	b.click("button", "Sign in")
	b.sees("The name or the password is wrong.")
	b.fill("Password", testPassword)
	b.click("button", "Sign in")
	b.misses("Your session has ended")
	b.sees(`"eggs":12345678901234567890`)
	b.click("button", "Save")
	b.sees("Saved.")
	p.holds("/notes/cake", `"eggs":12345678901234567890`)
}

// On a database that is open to all a save would succeed in the name of nobody. The visitor is asked to
// sign in before.
func TestPageSessionEndsWhereAllMayWrite(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	p.do(200, "PUT", "/notes/_security", `{"admins":{"names":[],"roles":[]},"members":{"names":[],"roles":[]}}`)
	p.do(201, "PUT", "/notes/cake", `{"eggs":2}`)
	b.signIn()
	b.open("#/db/notes/doc/cake")
	b.sees(`"eggs": 2`)
	b.fill(content, `{"eggs":3}`)
	b.do("lose the session", command(network.ClearBrowserCookies, cdp.Empty{}))
	b.click("button", "Save")
	b.finds("dialog", "Your session has ended")
	p.holds("/notes/cake", `"eggs":2`)
	b.sees("Nothing was changed.")
	b.fill("Password", testPassword)
	b.click("button", "Sign in")
	b.misses("Your session has ended")
	b.click("button", "Save")
	b.sees("Saved.")
	p.holds("/notes/cake", `"eggs":3`)

	// Another one signs in, in another tab of the same browser.
	p.do(201, "PUT", "/_users/org.couchdb.user:anna", `{"name":"anna","password":"annapw","roles":[],"type":"user"}`)
	b.fill(content, `{"eggs":4}`)
	b.eval(`fetch('../_session', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: '{"name":"anna","password":"annapw"}'})`)
	b.click("button", "Save")
	b.finds("dialog", "Your session has ended")
	p.holds("/notes/cake", `"eggs":3`)
	b.fill("Password", testPassword)
	b.click("button", "Sign in")
	b.misses("Your session has ended")

	// Signing out asks about what is not saved.
	b.asked()
	b.click("button", "Colours and session")
	b.click("menuitem", "Sign out")
	b.until("the question", chromedp.Evaluate[bool]("document.title.includes('Leave all the same?')"))
	b.sees(`"eggs":4`)
	b.eval("window.confirm = () => true")
	b.click("button", "Colours and session")
	b.click("menuitem", "Sign out")
	b.finds("heading", "Sign in to tododb")
}

// A cookie that the server cannot read, of another program or of an attack, does not keep its browser from the page
// for ever.
func TestPageMalformedCookie(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	b.do("have a malformed cookie", command(network.SetCookie, network.SetCookieParams{Name: "AuthSession", Value: "bad", URL: p.base + "/", HTTPOnly: new(true)}))
	b.open("")
	b.sees("Malformed AuthSession cookie")
	b.signIn()
}
