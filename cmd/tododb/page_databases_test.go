package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/tododb/tododb/store/widetest"
)

// An administrator makes a database, says who may use it and how long histories are, compacts it,
// and deletes it by typing its name.
func TestPageDatabases(t *testing.T) {
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/userdb-616e6e61", "")
	b.signIn()
	b.click("button", "New database")
	b.fill("Name", "Recipes")
	b.sees("A name begins with a small letter")
	b.fill("Name", "recipes")
	b.click("checkbox", "Partitioned")
	b.click("button", "Create")
	b.sees("There are no documents yet")
	if info := p.do(200, "GET", "/recipes", ""); !strings.Contains(info, `"partitioned":true`) {
		t.Errorf("made %s", info)
	}
	b.click("link", "Manage")
	b.fill("Members: users", "anna")
	b.press(kb.Enter)
	b.sees("anna")
	b.click("button", "Remove _admin")
	b.everythingHasAName()
	b.fill("Revisions that a document remembers", "12")
	b.press(kb.Enter)
	b.sees("The limit is 12 now.")
	if limit := p.do(200, "GET", "/recipes/_revs_limit", ""); strings.TrimSpace(limit) != "12" {
		t.Errorf("revs limit %s", limit)
	}
	b.click("button", "Compact now")
	b.sees("Compacted")
	b.click("button", "Delete this database")
	b.fill("To be sure, type its name", "recipe")
	b.press(kb.Enter) // not yet its name
	p.do(200, "GET", "/recipes", "")
	b.fill("To be sure, type its name", "recipes")
	b.press(kb.Enter)
	b.sees("Deleted the database recipes.")
	p.do(404, "GET", "/recipes", "")

	// The list: users' databases are folded, a search looks into them, and by their users' names too.
	b.finds("heading", "Databases")
	b.click("button", "▸ Users’ own databases")
	b.finds("link", "userdb-616e6e61")
	b.click("button", "▾ Users’ own databases")
	b.misses("userdb-616e6e61")
	b.fill("Search databases", "anna")
	b.finds("link", "userdb-616e6e61")
	b.misses("_replicator")
	b.narrow()
	b.finds("link", "userdb-616e6e61")
}

// What is saved in the form for security is what the database has then, and nothing else of it is lost.
func TestPageSecurity(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	p.do(200, "PUT", "/notes/_security", `{"cloudant":{"big":12345678901234567890},"members":{"names":["ben"],"roles":[]}}`)
	b.signIn()
	b.open("#/db/notes/security")
	b.fill("Members: roles", "cooks")
	b.press(kb.Enter)
	b.click("button", "Remove ben")
	b.click("button", "Save")
	b.sees("Saved who may use the database.")
	got := p.do(200, "GET", "/notes/_security", "")
	for _, part := range []string{`"cloudant":{"big":12345678901234567890}`, `"roles":["cooks"]`, `"names":[]`} {
		if !strings.Contains(got, part) {
			t.Errorf("security %s lacks %s", got, part)
		}
	}
}

// A member who is no administrator of the database is offered nothing that the server would refuse, and is told
// who may. Who is its administrator, and not the server's, is offered all that concerns it.
func TestPageMember(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	p.do(201, "PUT", "/notes/cake", `{"eggs":2}`)
	p.do(201, "PUT", "/notes/_design/kitchen", `{"views":{"eggs":{"map":"function (doc) { emit(doc.eggs) }"}}}`)
	p.do(200, "POST", "/notes/_index", `{"index":{"fields":["eggs"]},"name":"by-eggs","ddoc":"eggs"}`)
	p.do(201, "PUT", "/_users/org.couchdb.user:anna", `{"name":"anna","password":"annapw","roles":["cooks"],"type":"user"}`)
	const admins = `{"members":{"names":["anna"],"roles":[]},"admins":{"names":["ben"],"roles":[%s]}}`
	p.do(200, "PUT", "/notes/_security", fmt.Sprintf(admins, `"chefs"`))
	b.open("#/db/notes/security")
	b.fill("Name", "anna")
	b.fill("Password", "annapw")
	b.click("button", "Sign in")
	offered := func(want string, places map[string]string) {
		t.Helper()
		for place, sentence := range places {
			b.open(place)
			b.sees(sentence)
			if got := b.eval(`[...document.querySelectorAll('main button')].filter((e) => e.checkVisibility()).map((e) => e.ariaLabel || e.innerText).filter((text) => /^(Compact|Save|Remove|New (view|index)|Edit|Delete)/.test(text)).join()`); (got != `""`) != (want != "") {
				t.Errorf("%s offers %s", place, got)
			}
		}
	}
	offered("", map[string]string{
		"#/db/notes/security":              "Administrators of the database change what stands here.",
		"#/db/notes/design":                "Administrators of the database change its views.",
		"#/db/notes/mango":                 "Administrators of the database make indexes.",
		"#/db/notes/doc/_design%2Fkitchen": "Only administrators of the database change its design documents.",
	})
	b.open("#/db/notes/doc/_design%2Fmine")
	b.sees("Only administrators of the database change its design documents.", "There is no such document.")
	b.open("#/db/notes/docs")
	b.click("button", "New document")
	b.until("write the id at once", chromedp.Evaluate[bool]("document.activeElement.tagName === 'INPUT'"))
	b.fill("Id", "_design/mine")
	b.sees("Only administrators of the database write design documents.")
	b.open("#/db/notes/doc/cake")
	b.finds("button", "Save")
	p.do(200, "PUT", "/notes/_security", fmt.Sprintf(admins, `"cooks"`))
	b.do("load the page again", chromedp.Reload())
	offered("all", map[string]string{
		"#/db/notes/security":              "Compact now",
		"#/db/notes/design":                "New view",
		"#/db/notes/mango":                 "New index",
		"#/db/notes/doc/_design%2Fkitchen": "emit(doc.eggs)",
	})
}

// A list that is longer than what is seen is gone through by keyboard.
func TestPageListByKeyboard(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/many", "")
	var docs []string
	for i := range 350 {
		docs = append(docs, fmt.Sprintf(`{"_id":"doc-%03d"}`, i))
	}
	p.do(201, "POST", "/many/_bulk_docs", `{"docs":[`+strings.Join(docs, ",")+`]}`)
	b.signIn()
	b.open("#/db/many/docs")
	b.sees("350 documents", "doc-000")
	const height = "document.querySelector('.table').scrollHeight"
	all := b.eval(height)
	b.fill("Jump to id", "doc-200")
	b.press(kb.Enter)
	b.finds("link", "doc-200")
	b.press(kb.Tab + kb.Tab + kb.Tab) // over the button and the box to the list
	b.press(kb.End)
	b.finds("link", "doc-349")
	if now := b.eval(height); now != all {
		t.Errorf("at its end the list is %s high, and was %s", now, all)
	}
	b.fill("Filter: ids that begin with", "doc-1")
	b.sees("100 of 350", "doc-100") // from its beginning
	b.fill("Filter: ids that begin with", "")
	b.sees("350 documents")
	b.focus("checkbox", "Contents")
	b.press(kb.Tab)
	b.press(kb.Home)
	b.finds("link", "doc-000")
	b.press(kb.ArrowDown + kb.ArrowDown + kb.Enter)
	b.finds("heading", "doc-002")
}
