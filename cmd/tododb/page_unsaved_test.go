package main

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/tododb/tododb/store/widetest"
)

// asks checks that leave brings the question whether to lose what is not saved. The answer is no.
func (b *browser) asks(how string, leave func()) {
	b.t.Helper()
	b.asked()
	b.eval("document.title = ''")
	leave()
	b.until("the question after "+how, chromedp.Evaluate[bool]("document.title.includes('Leave all the same?')"))
}

// agrees leaves, and loses what is not saved.
func (b *browser) agrees(leave func()) {
	b.t.Helper()
	b.eval("window.confirm = () => true")
	leave()
}

// Whatever is typed is not lost without a question, in any form. Who stays finds the browser's history as it
// was: every place once.
func TestPageUnsaved(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	b.signIn()
	press := func(button string) func() { return func() { b.click("button", button) } }
	escape := func() { b.press(kb.Escape) }
	back := func() { b.eval("history.back()") }

	b.click("link", "Users")
	b.click("button", "New user")
	b.press(kb.Escape) // nothing is typed yet
	b.misses("with commas between; databases")
	b.click("button", "New user")
	b.fill("Name", "anna")
	b.asks("Esc", escape)
	b.agrees(escape)

	b.click("link", "Settings")
	b.fill("Search", "max_document_size")
	b.click("button", "Change couchdb max_document_size")
	b.fill("Value", "1234")
	b.asks("the button", press("Close"))
	long := b.eval("history.length")
	b.asks("a step back", back)
	b.until("be in the same place", chromedp.Evaluate[bool]("location.hash === '#/settings'"))
	b.finds("dialog", "[couchdb] max_document_size")
	if now := b.eval("history.length"); now != long {
		t.Errorf("the history has %s places after a refused step, and had %s", now, long)
	}
	b.agrees(back)
	b.finds("heading", "Users") // the place before, not this one again
	b.eval("history.forward()")
	b.finds("heading", "Settings")

	b.open("#/db/notes/security")
	b.fill("Members: users", "anna")
	b.press(kb.Enter)
	b.asks("another tab", func() { b.click("link", "Changes") })
	b.until("be in the same place", chromedp.Evaluate[bool]("location.hash === '#/db/notes/security'"))
	b.click("button", "Undo")
	b.fill("Revisions that a document remembers", "12")
	b.asks("a link beside everything", func() { b.click("link", "Users") })
	b.agrees(func() { b.click("link", "Mango") })

	b.fill("Mango query", `{"selector":{"a":1}}`)
	b.asks("a step back", back)
	b.click("button", "Explain")
	b.sees("no index can serve")
	b.click("link", "Views")
	b.click("button", "New view")
	b.fill("Map function", "function (doc) {}")
	b.asks("Esc", escape)
	b.agrees(escape)
	b.eval("history.back()") // what was asked stands there still
	b.sees(`{"selector":{"a":1}}`)

	b.open("#/replication")
	b.click("button", "New replication")
	b.fill("Name", "notes")
	b.asks("the button", press("Cancel"))
	b.sees("The other database")
}
