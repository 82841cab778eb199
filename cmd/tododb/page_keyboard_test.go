package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/tododb/tododb/store/widetest"
)

// tabTo presses Tab until the keyboard is on an element, as somebody without a mouse does. It must be seen
// that it is.
func (b *browser) tabTo(role, name string) {
	b.t.Helper()
	b.finds(role, name)
	for range 150 {
		here := false
		b.do("press Tab", chromedp.Func(func(ctx context.Context, t *tab) error {
			if err := pressKey(ctx, t, '\t', nil); err != nil {
				return err
			}
			found, err := all(ctx, t, role, name)
			for _, e := range found {
				if is, err := of(ctx, t, e.id, "return this.getRootNode().activeElement === this || this.shadowRoot?.activeElement != null"); err == nil && string(is) == "true" {
					here = true
				}
			}
			return err
		}))
		if here {
			if seen := b.eval(focusIsSeen); seen != "true" {
				b.t.Errorf("nobody sees that the keyboard is on the %s %q: %s", role, name, seen)
			}
			return
		}
	}
	b.t.Fatalf("Tab does not come to the %s %q; it is on %s", role, name, b.eval("document.activeElement.outerHTML.slice(0, 200)"))
}

// focusIsSeen tells whether something is drawn around what has the keyboard, or around what holds it.
const focusIsSeen = `(() => {
	let e = document.activeElement
	while (e.shadowRoot?.activeElement) e = e.shadowRoot.activeElement
	for (let n = 0; e && n < 4; n++, e = e.parentElement ?? e.getRootNode().host) {
		if (getComputedStyle(e).outlineStyle !== 'none') return true
	}
	return document.activeElement.outerHTML.slice(0, 200)
})()`

// goesTo goes to a button, a link or a field by Tab and presses a key on it.
func (b *browser) goesTo(role, name, keys string) {
	b.t.Helper()
	b.tabTo(role, name)
	b.press(keys)
}

// writes goes to a field by Tab, and writes into it in place of what is there.
func (b *browser) writes(role, name, text string) {
	b.t.Helper()
	b.tabTo(role, name)
	b.press("a", chromedp.KeyModifiers(chromedp.ModifierCtrl))
	b.press(text)
}

// inside checks that Tab does not leave a dialog.
func (b *browser) inside() {
	b.t.Helper()
	for range 12 {
		b.press(kb.Tab)
		if out := b.eval("document.querySelector('dialog').contains(document.activeElement) || document.activeElement === document.body"); out != "true" {
			b.t.Fatalf("Tab has left the dialog for %s", b.eval("document.activeElement.outerHTML.slice(0, 200)"))
		}
	}
}

// keeps checks that the keyboard is on what has a text, or below it.
func (b *browser) keeps(what, selector string) {
	b.t.Helper()
	b.until("the keyboard on "+what, chromedp.Evaluate[bool](fmt.Sprintf("document.activeElement.matches(%q)", selector)))
}

// A database and a document are made and saved by somebody without a mouse. Where a screen has gone, the keyboard
// is in the next one; where a dialog has gone, it is where it was.
func TestPageByKeyboard(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	b.open("")
	b.finds("textbox", "Name")
	b.keeps("the first field", "input[autocomplete=username]")
	b.press(testUser + kb.Tab + testPassword + kb.Enter)
	b.goesTo("button", "New database", kb.Enter)
	b.inside()
	b.press(kb.Escape)
	b.keeps("the button of the dialog", ".button.primary")
	b.press(kb.Enter)
	b.press("recipes" + kb.Enter)
	b.goesTo("button", "New document", " ")
	b.writes("textbox", "Id", "cake"+kb.Enter)
	b.finds("heading", "cake")
	b.keeps("the screen", ".screen, .screen *")
	b.writes("textbox", content, `{"eggs":2}`)
	b.press("s", chromedp.KeyModifiers(chromedp.ModifierCtrl))
	b.sees("Saved.")
	b.goesTo("button", "More for this document", kb.Enter) // out of the editor by Tab
	b.keeps("the menu", "[role=menuitem]")
	b.press(kb.Escape)
	b.keeps("the button of the menu", "[aria-haspopup=menu]")
	p.holds("/recipes/cake", `"eggs":2`)
	if testing.Short() {
		return
	}
	b.everyScreenByKeyboard(p)
}

// everyScreenByKeyboard does what each screen is for.
func (b *browser) everyScreenByKeyboard(p *process) {
	b.t.Helper()
	b.goesTo("link", "Documents", kb.Enter)
	b.finds("link", "cake")
	b.tabTo("checkbox", "Contents")
	b.press(" ")
	b.sees(`{"eggs":2}`)
	b.press(kb.Tab + kb.Enter) // the first row
	b.finds("heading", "cake")
	b.keeps("the screen", ".screen, .screen *")

	b.goesTo("link", "Views", kb.Enter)
	b.goesTo("button", "New view", kb.Enter)
	b.writes("textbox", "Design document", "app")
	b.writes("textbox", "View", "by_eggs")
	b.writes("textbox", "Map function", "function (d) { emit(d.eggs, 1) }")
	b.goesTo("button", "Try it", " ")
	b.sees("1 document tried, 1 row")
	b.goesTo("button", "Save", kb.Enter)
	b.sees("by_eggs is saved")
	b.goesTo("link", "by_eggs", kb.Enter)
	b.sees("1 row of 1 row in the view")

	b.goesTo("link", "Mango", kb.Enter)
	b.goesTo("button", "New index", kb.Enter)
	b.press("eggs" + kb.Enter)
	b.sees("by eggs")
	b.writes("textbox", "Mango query", `{"eggs":2}`)
	b.goesTo("button", "Explain", " ")
	b.sees("It reads one range of the index")

	b.goesTo("link", "Changes", kb.Enter)
	b.goesTo("button", "Pause", " ")
	b.sees("Paused")

	b.goesTo("link", "Manage", kb.Enter)
	b.writes("textbox", "Members: users", "anna"+kb.Enter)
	b.goesTo("button", "Save", kb.Enter)
	b.sees("Saved who may use the database.")
	b.writes("spinbutton", "Revisions that a document remembers", "12"+kb.Enter)
	b.sees("The limit is 12 now.")

	b.goesTo("link", "Users", kb.Enter)
	b.goesTo("button", "New user", kb.Enter)
	b.press("anna")
	b.writes("textbox", "Password", "annapw"+kb.Enter)
	b.sees("anna can sign in now")
	b.finds("cell", "anna")
	b.goesTo("searchbox", "Names that begin with", kb.Tab+kb.Enter) // the first row
	b.writes("textbox", "Roles", "cooks"+kb.Enter)
	b.sees("anna is changed")

	b.goesTo("link", "Device tokens", kb.Enter)
	b.goesTo("button", "New token", kb.Enter)
	b.press("phone")
	b.writes("textbox", "Databases", "recipes"+kb.Enter)
	b.goesTo("button", "It is on the device", kb.Enter)
	b.sees("read and write recipes")

	p.do(201, "PUT", "/copy", "")
	b.goesTo("link", "Replication", kb.Enter)
	b.goesTo("button", "New replication", kb.Enter)
	b.press("recipes")
	b.writes("textbox", "Address", "copy"+kb.Enter)
	b.sees("recipes ⇄ copy", "up to date")
	b.goesTo("button", "Pause recipes and copy", " ")
	b.sees("It is paused.")

	b.goesTo("link", "Backups", kb.Enter)
	b.goesTo("button", "Switch on…", kb.Enter)
	b.writes("textbox", "Target", b.t.TempDir())
	b.press(kb.Enter)
	b.sees("The server backs itself up now")
	b.goesTo("button", "Back up now", " ")
	b.sees("Last runs")

	b.goesTo("link", "Operate", kb.Enter)
	b.goesTo("button", "Check again", " ")
	b.keeps("the button", "button[type=button]")

	b.goesTo("link", "Settings", kb.Enter)
	b.writes("searchbox", "Search", "max_document_size")
	b.goesTo("button", "Change couchdb max_document_size", kb.Enter)
	b.press("a", chromedp.KeyModifiers(chromedp.ModifierCtrl))
	b.press("1234567" + kb.Enter)
	b.sees("max_document_size is set")

	b.goesTo("link", testUser, kb.Enter)
	b.finds("heading", "My account")
	b.goesTo("button", "Colours and session", kb.Enter)
	b.keeps("the menu", "[role=menuitem]")
	b.press(strings.Repeat(kb.ArrowDown, 3) + kb.Enter)
	b.finds("heading", "Sign in to tododb")
}
