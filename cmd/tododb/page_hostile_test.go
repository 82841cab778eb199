package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/tododb/tododb/store/widetest"
)

// An attachment may be called by steps of a path. What is done to it is done to it, and to nothing
// that such steps lead to.
func TestPageStepsInNames(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	p.do(200, "PUT", "/_node/_local/_config/log/level", `"warning"`)
	const step = "../../_node/_local/_config/log/level"
	p.do(201, "PUT", "/notes/cake", `{"_attachments":{"`+step+`":{"content_type":"text/plain","data":"aGVsbG8="},"..":{"content_type":"text/plain","data":"aGVsbG8="}}}`)
	p.do(201, "POST", "/notes", `{"_id":".."}`)
	b.signIn()
	b.open("#/db/notes/doc/cake?tab=attachments")
	b.click("button", step)
	b.sees("hello")
	b.click("button", "Remove "+step)
	b.click("button", "Remove")
	b.sees("Removed " + step)
	if is := p.do(200, "GET", "/_node/_local/_config/log/level", ""); strings.TrimSpace(is) != `"warning"` {
		t.Errorf("the setting is %s", is)
	}
	b.click("button", "Remove ..")
	b.click("button", "Remove")
	b.sees("Browsers cannot ask for what is called ..")
	b.open("#/db/notes/docs")
	b.click("link", "..")
	b.sees("Browsers cannot ask for what is called ..")
}

// No name makes a screen wider than a phone, none runs as a script, and everything has a name.
func TestPageNarrow(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	text := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	type object = map[string]any
	const count = "function (doc) { emit(doc.n, 1) }"
	names := []string{strings.Repeat("long", 120), `"><img src=x onerror=alert(1)>`, "\u202eevil 🥞", "a/b%2Fc#d?e&f+g", "constructor"}
	for _, n := range names {
		p.do(201, "POST", "/notes", text(object{"_id": n, "n": n, "x": object{n: object{n: n, "__proto__": n}}, "_attachments": object{n: object{"content_type": "text/html", "data": "PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg=="}}}))
		p.do(201, "POST", "/notes", text(object{"_id": "_design/" + n, "views": object{n: object{"map": count, "reduce": "_count"}}}))
		for _, rev := range []string{"1-aa", "1-bb"} {
			p.do(201, "POST", "/notes/_bulk_docs", text(object{"new_edits": false, "docs": []any{object{"_id": "both " + n, "_rev": rev, "x": object{n: n + rev}}}}))
		}
	}
	p.do(201, "PUT", "/_users/org.couchdb.user:anna", text(object{"name": "anna", "password": "annapw", "roles": names, "type": "user"}))
	p.do(200, "PUT", "/notes/_security", text(object{"members": object{"names": names, "roles": names}, "admins": object{"names": names, "roles": names}}))
	b.signIn()
	b.narrow()
	places := []string{"#/account", "#/db/notes/docs?contents=yes", "#/db/notes/docs?by=view", "#/db/notes/docs?by=mango"}
	var links []string
	for _, from := range []string{"", "#/db/notes/docs"} {
		b.open(from)
		b.finds("navigation", "Server")
		if err := json.Unmarshal([]byte(b.eval(`[...document.querySelectorAll('nav a')].map((a) => a.getAttribute('href'))`)), &links); err != nil {
			t.Fatal(err)
		}
		places = append(places, links...)
	}
	for i, n := range names[:3] {
		id := url.PathEscape(n)
		of := []string{"#/db/notes/doc/" + id, "#/db/notes/doc/" + id + "?tab=attachments", "#/db/notes/doc/both%20" + id + "?tab=revisions", "#/db/notes/conflicts?id=" + url.QueryEscape("both "+n), "#/db/notes/design?view=" + url.QueryEscape(n+"/"+n)}
		for j, place := range of {
			if !testing.Short() || i == 0 || i == 1+j%2 { // the longest name everywhere, the others in turn
				places = append(places, place)
			}
		}
	}
	slices.Sort(places)
	for _, place := range slices.Compact(places) {
		b.open(place)
		b.until("show "+place, chromedp.Evaluate[bool](`!!document.querySelector('.screen > *') && !document.querySelector('.waiting')`))
		if wide := b.eval(tooWide); wide != "[]" {
			t.Errorf("%s is wider than the window: %s", place, wide)
		}
		if below := b.eval("document.documentElement.scrollHeight - innerHeight"); below != "0" {
			t.Errorf("%s has %s pixels of nothing below the frame", place, below)
		}
		b.everythingHasAName()
	}
}

// Dialogs and what they tell keep to a phone's window too, with names that are one long word.
func TestPageNarrowDialogs(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	long := strings.Repeat("long", 40)
	p.do(201, "PUT", "/notes", "")
	p.do(201, "PUT", "/notes/"+long, fmt.Sprintf(`{%q:1}`, long))
	p.do(201, "PUT", "/_users/org.couchdb.user:"+long, fmt.Sprintf(`{"name":%q,"roles":[%[1]q],"type":"user"}`, long))
	p.do(200, "PUT", "/_node/_local/_config/admins/"+long, `"secret"`)
	b.signIn()
	b.narrow()
	fits := func(what string) {
		t.Helper()
		if wide := b.eval(tooWide); wide != "[]" {
			t.Errorf("%s is wider than the window: %s", what, wide)
		}
	}
	closed := func(title string) {
		t.Helper()
		b.finds("dialog", title)
		fits("the dialog " + title)
		b.press(kb.Escape)
		b.until("close the dialog", chromedp.Evaluate[bool]("!document.querySelector('dialog[open]')"))
	}
	b.open("#/users")
	b.finds("button", "Remove the administrator "+long)
	fits("the list of administrators")
	b.click("button", "Remove the administrator "+long)
	closed("Remove " + long + "?")
	b.click("cell", long)
	b.click("button", "Delete…")
	closed("Delete " + long + "?")

	b.open("#/db/notes/doc/" + long)
	b.click("button", "More for this document")
	b.click("menuitem", "Delete")
	closed("Delete this document?")

	b.open("#/db/notes/mango")
	b.fill("Mango query", fmt.Sprintf(`{"selector": {%q: {"$gt": %[1]q}}}`, long))
	b.click("button", "Explain")
	b.sees("would read only what matches")
	fits("a query without an index")
	b.until("show the answer", chromedp.Evaluate[bool](`(r => r.top >= 0 && r.top < innerHeight - 50)(document.querySelector('.mango-sentence').getBoundingClientRect())`))
	b.click("button", "Make it")
	b.sees("It reads one range of the index")
	b.click("button", "Run it and count")
	b.finds("image", "documents found: 0")
	fits("a query with an index")
}

// tooWide finds what is cut off at the side of the window and cannot be brought there by scrolling
// something smaller than the screen.
const tooWide = `(() => {
	const scrolls = (e) => e && !e.matches('.main, .screen, dialog .content, body') && (/auto|scroll|hidden/.test(getComputedStyle(e).overflowX) && e.getBoundingClientRect().right <= innerWidth + 1 || scrolls(e.parentElement))
	return [document.documentElement, ...document.querySelectorAll('.main, .screen, .screen *')]
		.filter((e) => e.checkVisibility() && (e.matches('html, .main, .screen') ? e.scrollWidth > innerWidth : e.getBoundingClientRect().right > innerWidth + 1 && !scrolls(e.parentElement)))
		.slice(0, 5).map((e) => e.tagName + '.' + e.getAttribute('class') + ' ' + e.scrollWidth)
})()`
