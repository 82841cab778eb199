package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/tododb/tododb/store/widetest"
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

// lostAnswers has what changes something on the server done, and its answer lost on the way, while lost is true.
const lostAnswers = `(() => {
	const real = window.fetch
	window.fetch = async (address, opt) => {
		const answer = await real(address, opt)
		if (!window.lost || ['GET', 'HEAD'].includes(opt.method)) return answer
		await answer.text()
		throw new TypeError('Failed to fetch')
	}
	const send = XMLHttpRequest.prototype.send
	XMLHttpRequest.prototype.send = function (body) {
		if (window.lost) this.onload = () => this.onerror()
		send.call(this, body)
	}
})()`

// unanswered does something whose answer is lost, sees that the page says so, and does it again.
func (b *browser) unanswered(act func()) {
	b.t.Helper()
	b.eval("window.lost = true")
	act()
	b.sees("What you sent may have arrived all the same. Try again: it is not done twice.")
	b.eval("window.lost = false; document.querySelectorAll('.toast button').forEach((b) => b.click())")
	act()
	b.misses("may have arrived all the same")
}

// What was done, and nobody knows it, because the network went away before the answer came, is not done twice when
// the visitor tries again.
func (b *browser) answersAreLost(p *process) {
	b.do("load the page again", chromedp.Reload())
	b.eval(lostAnswers)
	p.do(201, "PUT", "/notes/tea", `{"cups":1}`)
	b.open("#/db/notes/doc/tea")
	b.sees(`"cups": 1`)
	b.fill(content, `{"cups":2}`)
	b.unanswered(func() { b.click("button", "Save") })
	b.sees("Saved.")
	p.holds("/notes/tea", `"_rev":"2-`, `"cups":2`)

	// Nor is it taken for somebody else's if the visitor has gone on writing.
	b.fill(content, `{"cups":3}`)
	b.unanswered(func() {
		b.click("button", "Save")
		if b.eval("window.lost") == "true" {
			b.sees("may have arrived")
			b.fill(content, `{"cups":4}`)
		}
	})
	b.until("it is saved", chromedp.Evaluate[bool]("!document.body.innerText.includes('Not saved')"))
	p.holds("/notes/tea", `"_rev":"4-`, `"cups":4`)

	file := filepath.Join(b.t.TempDir(), "label.txt")
	if err := os.WriteFile(file, []byte("a label"), 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.open("#/db/notes/doc/tea?tab=attachments")
	b.sees("4-") // what was saved is loaded again, and what comes now is based on that
	b.finds("button", "Choose files")
	b.unanswered(func() { b.choose("input[type=file]", file) })
	b.sees("Added label.txt.")
	p.holds("/notes/tea", `"_rev":"5-`, `"label.txt"`)

	inConflict(p, "soup", `{"v":1}`, `{"v":2}`, `{"v":3}`)
	b.open("#/db/recipes/conflicts?id=soup")
	b.click("radio", "Right for v")
	b.unanswered(func() { b.click("button", "Resolve") })
	b.sees("soup is resolved")

	b.open("#/db/notes/doc/tea")
	b.unanswered(func() {
		b.click("button", "More for this document")
		b.click("menuitem", "Delete")
		b.click("button", "Delete")
	})
	b.sees("Deleted tea.")
}

// On a slow network a second press is no second act, on no screen. Nor is it on one that goes away.
func TestPagePressedTwice(t *testing.T) {
	widetest.Only(t)
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

	b.answersAreLost(p)
}
