package main

import (
	"testing"
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
	b.click("button", "Colours and session")
	b.click("menuitem", "Sign out")
	b.finds("heading", "Sign in to tododb")
}
