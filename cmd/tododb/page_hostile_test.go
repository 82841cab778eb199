package main

import (
	"strings"
	"testing"
)

// An attachment may be called by steps of a path. What is done to it is done to it, and to nothing
// that such steps lead to.
func TestPageStepsInNames(t *testing.T) {
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
