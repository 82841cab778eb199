package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/tododb/tododb/store/widetest"
)

// Somebody watches a database: what was there, what comes, what is deleted and in conflict; they
// filter it, stop it, go on, and open a document.
func TestPageChanges(t *testing.T) {
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	var docs []string
	for i := range 150 {
		docs = append(docs, fmt.Sprintf(`{"_id":"old%03d","kind":"old"}`, i))
	}
	p.do(201, "POST", "/notes/_bulk_docs", `{"docs":[`+strings.Join(docs, ",")+`]}`)
	b.signIn()
	b.open("#/db/notes/changes")
	b.sees("Live", "100 changes", "old149")
	b.everythingHasAName()

	// What comes is there by itself, whatever its name is.
	strange := []string{"<script>alert(1)</script>", "constructor", "مرحبا", "🍰 cake"}
	for _, id := range strange {
		p.do(201, "POST", "/notes", fmt.Sprintf(`{"_id":%q,"kind":"strange"}`, id))
	}
	b.sees(append(strange, "104 changes", "new")...)
	p.do(201, "POST", "/notes/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"soup","_rev":"1-a"},{"_id":"soup","_rev":"1-b"},{"_id":"gone","_rev":"1-a","_deleted":true},{"_id":"healed","_rev":"1-a"},{"_id":"healed","_rev":"1-b","_deleted":true}]}`)
	b.sees("107 changes", "deleted")
	b.finds("link", "conflict")
	if n := b.eval(`[...document.querySelectorAll('td .badge')].filter((e) => e.textContent === 'conflict').length`); n != "1" {
		t.Errorf("%s rows are in conflict", n)
	}

	b.fill("Show ids that contain", "cake")
	b.sees("1 of 107 changes")
	b.fill("Show ids that contain", "")

	b.click("button", "Pause")
	b.sees("Paused")
	p.do(201, "PUT", "/notes/meanwhile", `{"kind":"old"}`)
	b.until("no request is left open", func(context.Context, *chromedp.Target) (bool, error) {
		return feeds(p) == "0", nil
	})
	if text := b.text(); strings.Contains(text, "meanwhile") {
		t.Error("a change came during the pause")
	}
	b.click("button", "Go on")
	b.sees("Live", "meanwhile", "108 changes")

	// The server filters by ids and by a selector.
	b.click("button", "Filter: All changes")
	b.pick("Changes", "Of these ids")
	b.fill("Ids", "old001\nsoup")
	b.click("button", "Show them")
	b.sees("2 changes", "old001")
	p.do(201, "PUT", "/notes/other", `{}`)
	var old struct {
		Rev string `json:"_rev"`
	}
	if err := json.Unmarshal([]byte(p.do(200, "GET", "/notes/old001", "")), &old); err != nil {
		t.Fatal(err)
	}
	p.do(201, "PUT", "/notes/old001", `{"_rev":"`+old.Rev+`","kind":"strange"}`)
	b.sees("3 changes", "edited")
	if n := feeds(p); n != "1" {
		t.Errorf("the screen has %s feeds", n)
	}
	b.click("button", "Filter: 2 ids")
	b.pick("Changes", "That match a selector")
	b.fill("Selector", `{"kind":"strange"}`)
	b.click("button", "Show them")
	b.sees("5 changes")
	b.misses("old149")

	// Behind more conflicts than are read at once, each row is still marked as it is.
	docs = nil
	for i := range 250 {
		docs = append(docs, fmt.Sprintf(`{"_id":"both%03d","_rev":"1-a"},{"_id":"both%03d","_rev":"1-b"}`, i, i))
	}
	p.do(201, "POST", "/notes/_bulk_docs", `{"new_edits":false,"docs":[`+strings.Join(docs, ",")+`,{"_id":"late","_rev":"1-a","kind":"strange"},{"_id":"late","_rev":"1-b","kind":"strange"}]}`)
	p.do(201, "POST", "/notes/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"broth","_rev":"1-a","kind":"strange"},{"_id":"broth","_rev":"1-c","kind":"strange"},{"_id":"healed2","_rev":"1-b","kind":"strange"},{"_id":"healed2","_rev":"1-a","_deleted":true}]}`)
	b.sees("late", "broth", "healed2")
	b.until("all marks", chromedp.Evaluate[bool](`['late', 'broth'].every((id) => [...document.querySelectorAll('td a.badge')].some((a) => a.closest('tr').innerText.includes(id)))`))
	if n := b.eval(`[...document.querySelectorAll('td a.badge')].length`); n != "2" {
		t.Errorf("%s rows are in conflict", n)
	}

	b.click("cell", "constructor")
	b.sees("strange")
	b.finds("heading", "constructor")
	b.until("the feed has ended", func(context.Context, *chromedp.Target) (bool, error) {
		return feeds(p) == "0", nil
	})
}

// feeds is how many feeds a server has open.
func feeds(p *process) string {
	_, rest, _ := strings.Cut(p.do(200, "GET", "/_node/_local/_prometheus", ""), "\ncouchdb_httpd_clients_requesting_changes ")
	n, _, _ := strings.Cut(rest, "\n")
	return n
}

// A burst of changes neither freezes the page nor fills it.
func TestPageChangesBurst(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/busy", "")
	b.signIn()
	b.open("#/db/busy/changes")
	b.sees("Live", "Nothing has changed yet")
	const bursts, each = 10, 1000
	for burst := range bursts {
		var docs []string
		for i := range each {
			docs = append(docs, fmt.Sprintf(`{"_id":"d%05d"}`, burst*each+i))
		}
		p.do(201, "POST", "/busy/_bulk_docs", `{"docs":[`+strings.Join(docs, ",")+`]}`)
	}
	b.sees("2,000 changes, no more are kept", "d09999")
	if n := b.eval(`document.querySelectorAll('tbody tr').length`); len(n) > 2 {
		t.Errorf("%s rows are in the page", n)
	}
}
