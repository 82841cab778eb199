package main

import (
	"context"
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// slowNetwork holds what changes something on the server until the test lets it go, and writes down what was
// asked for.
const slowNetwork = `(() => {
	const real = window.fetch
	window.sent = []
	window.held = []
	window.fetch = async (address, opt) => {
		const what = opt.method + ' ' + new URL(address, location.href).pathname
		if (['GET', 'HEAD'].includes(opt.method) || /\/_(dbs_info|check)$/.test(what)) return real(address, opt)
		sent.push(what)
		await new Promise((go) => held.push(go))
		return real(address, opt)
	}
})()`

// once checks that whatever press does, done again before and after the page has shown that something is
// under way, asks the server a single time.
func (b *browser) once(request string, press func()) {
	b.t.Helper()
	b.eval("sent.length = held.length = 0")
	press()
	b.until("ask "+request, chromedp.Evaluate[bool]("sent.length > 0"))
	b.eval("new Promise((shown) => requestAnimationFrame(() => setTimeout(shown)))")
	press()
	if sent := b.eval("sent"); sent != fmt.Sprintf("[%q]", request) {
		b.t.Errorf("pressed several times: %s, want %s once", sent, request)
	}
	b.eval("held.forEach((go) => go())")
}

// twice presses a button two times before the page can do anything else.
func (b *browser) twice(name string) func() {
	return func() {
		b.t.Helper()
		id := b.finds("button", name).id
		b.do("press "+name, chromedp.Func(func(ctx context.Context, t *tab) error {
			_, err := of(ctx, t, id, "this.click(); this.click()")
			return err
		}))
	}
}

// On a slow network a second press is no second act, on no screen.
func TestPagePressedTwice(t *testing.T) {
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	p.do(201, "PUT", "/notes/cake", `{"eggs":2}`)
	b.signIn()
	b.eval(slowNetwork)

	b.click("button", "New database")
	b.fill("Name", "recipes")
	b.once("PUT /recipes", b.twice("Create"))
	b.sees("Made the database recipes.", "There are no documents yet")

	b.open("#/db/notes/doc/cake")
	b.sees(`"eggs": 2`)
	b.fill(content, `{"eggs":3}`)
	b.once("PUT /notes/cake", b.twice("Save"))
	b.sees("Saved.")
	b.click("button", "More for this document")
	b.click("menuitem", "Copy to another id")
	b.fill("New id", "pie")
	b.once("COPY /notes/cake", b.twice("Copy"))
	b.finds("heading", "pie")
	b.sees(`"eggs": 3`)
	b.click("button", "More for this document")
	b.click("menuitem", "Delete")
	b.once("DELETE /notes/pie", b.twice("Delete"))
	b.sees("Deleted pie.")

	b.open("#/db/notes/security")
	b.fill("Revisions that a document remembers", "12")
	b.once("PUT /notes/_revs_limit", func() { b.press(kb.Enter + kb.Enter) })
	b.sees("The limit is 12 now.")

	b.open("#/users")
	b.click("button", "New user")
	b.fill("Name", "anna")
	b.fill("Password", "annapw")
	b.once("PUT /_users/org.couchdb.user%3Aanna", func() { b.press(kb.Enter + kb.Enter) })
	b.sees("anna can sign in now")

	b.open("#/tokens")
	b.click("button", "New token")
	b.fill("Device", "phone")
	b.fill("Databases", "notes")
	b.once("POST /_session/tokens", b.twice("Make it"))
	b.click("button", "It is on the device")

	b.open("#/replication")
	b.click("button", "New replication")
	b.fill("Name", "notes")
	b.fill("Address", "recipes")
	b.once("POST /notes/_synchronizations", b.twice("Test and start"))
	b.sees("notes ⇄ recipes")
}
