package main

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/tododb/tododb/store/widetest"
)

// Somebody writes a view, is shown the line of a mistake, tries it, saves it, and asks it.
func TestPageDesign(t *testing.T) {
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/shop", "")
	p.do(201, "PUT", "/shop/_design/app", `{"big":12345678901234567890,"views":{"old":{"map":"function (doc) { emit(doc._id) }"}},"filters":{"f":"function () {}"}}`)
	p.do(201, "POST", "/shop/_bulk_docs", `{"docs":[{"_id":"a","type":"recipe","title":"Soup","n":1},{"_id":"b","type":"recipe","title":"Bread","n":2},{"_id":"c"}]}`)
	b.signIn()
	b.open("#/db/shop/design")
	b.sees("1 filter function")
	b.click("button", "New view in app")
	b.fill("View", "titles")
	b.fill("Map function", "function (doc) {\n  emit(doc.title.toLowerCase(), doc.n;\n}")
	b.click("button", "Try it")
	b.sees("Line 2:")
	b.fill("Map function", "function (doc) {\n  emit(doc.title.toLowerCase(), doc.n);\n}")
	b.asked()
	b.press(kb.Escape)
	b.until("the question", chromedp.Evaluate[bool]("document.title.includes('Leave all the same?')"))
	b.click("button", "Try it")
	b.sees("3 documents tried, 2 rows.", "on line 2", `"bread"`)
	b.everythingHasAName()
	b.pick("Reduce", "_sum")
	b.click("button", "Save")
	b.sees("titles is saved")
	if doc := p.do(200, "GET", "/shop/_design/app", ""); !strings.Contains(doc, `"big":12345678901234567890`) || !strings.Contains(doc, `"old":{`) || !strings.Contains(doc, `"reduce":"_sum"`) {
		t.Errorf("the design document: %s", doc)
	}
	b.click("link", "titles")
	b.sees("1 row") // all in one value
	b.pick("Show", "a value")
	b.sees(`"soup"`, "2 rows")
	b.fill("From key", `"m"`)
	b.press("\r")
	b.misses(`"bread"`)
	b.everythingHasAName()

	b.click("button", "Delete app")
	b.fill("Type the name", "app")
	b.click("button", "Delete")
	b.sees("There are no views yet")
	p.do(404, "GET", "/shop/_design/app", "")
}

// A query is explained in a sentence, gets an index, and shows what it read.
func TestPageMango(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/shop", "")
	var docs []string
	for i := range 30 {
		docs = append(docs, `{"state":"`+[]string{"open", "paid", "sent"}[i%3]+`"}`)
	}
	p.do(201, "POST", "/shop/_bulk_docs", `{"docs":[`+strings.Join(docs, ",")+`]}`)
	b.signIn()
	b.open("#/db/shop/mango")
	b.sees("There are no indexes")
	b.fill("Mango query", `{"selector": {"state": "open"}}`)
	b.click("button", "Explain")
	b.sees("all 30 documents", "no index can serve", "An index by state would read only what matches.")
	b.click("button", "Make it")
	b.sees("It reads one range of the index", "by state")
	b.click("button", "Run it and count")
	b.sees("10 documents in the first answer.")
	b.finds("image", "documents found: 10")
	b.everythingHasAName()
	b.click("button", "New index")
	b.fill("Fields", "type, author.name")
	b.fill("Name", "authors")
	b.click("button", "Make it")
	b.sees("type, author.name")
	b.click("button", "Delete the index authors")
	b.click("button", "Delete")
	b.sees("authors is deleted")
}
