package main

import (
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
)

// The session of a visitor ends while they write. They sign in above what they have written, and
// save it.
func TestPageSessionEnds(t *testing.T) {
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
