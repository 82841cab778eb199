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

// Who does not want to lose what is typed is asked each time, wherever the keyboard is. Browsers let a page refuse
// Esc once only.
func TestPageAsksAtEachEscape(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	_, b := servePage(t)
	b.signIn()
	b.click("link", "Users")
	b.click("button", "New user")
	b.fill("Name", "anna")
	for range 3 {
		b.asks("Esc in the field", func() { b.press(kb.Escape) })
	}
	b.eval("document.activeElement.blur()")
	for range 3 {
		b.asks("Esc beside all fields", func() { b.press(kb.Escape) })
	}
	b.finds("dialog", "New user")
	b.sees("anna")
	b.agrees(func() { b.press(kb.Escape) })
	b.misses("with commas between; databases")
	b.click("button", "New user") // nothing of it is left behind
	b.press(kb.Escape)
	b.misses("with commas between; databases")
}

// Nothing is typed into a form while it is saved, since it closes then. What the server refuses can be changed again.
func TestPageFormStandsStillWhileItIsSaved(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	p.do(201, "PUT", "/_users/org.couchdb.user:anna", `{"name":"anna","password":"secret","roles":[],"type":"user"}`)
	name := func() string { return b.eval("document.querySelector('dialog input').value") }
	b.signIn()
	b.click("link", "Users")
	b.click("button", "New user")
	b.fill("Name", "anna")
	b.fill("Password", "secret")
	b.hold("opt.method === 'PUT'")
	b.click("button", "Create")
	b.holds()
	b.focus("textbox", "Name")
	b.press(kb.End + "bel")
	if got := name(); got != `"anna"` {
		t.Errorf("while it was saved, the name became %s", got)
	}
	b.eval("letGo()")
	b.until("hear that there is one", chromedp.Evaluate[bool]("document.querySelector('dialog [role=alert]') !== null"))
	b.press(kb.End + "bel")
	if got := name(); got != `"annabel"` {
		t.Errorf("after it was refused, the name is %s", got)
	}
	b.click("button", "Create")
	b.misses("with commas between; databases")
	b.sees("annabel")

	b.open("#/db/notes/design")
	b.click("button", "New view")
	b.fill("Design document", "app")
	b.fill("View", "v")
	b.fill("Map function", "function (d) { emit(1) }")
	b.hold("opt.method === 'PUT'")
	b.click("button", "Save")
	b.holds()
	b.until("be locked", chromedp.Evaluate[bool](`document.querySelector('dialog .editor').shadowRoot.querySelector('.cm-content').contentEditable === 'false'`))
	b.eval("letGo()")
	b.sees("v is saved.")
}
