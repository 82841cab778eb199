package main

import (
	"testing"
)

// An administrator sees what the server does and what it logged, and changes a setting.
func TestPageOperate(t *testing.T) {
	t.Parallel()
	p, b := servePage(t)
	b.signIn()
	b.click("link", "Operate")
	b.sees("What is going on", "The last hour", "The log", "good") // a finding of the doctor
	b.everythingHasAName()
	p.do(201, "PUT", "/notes", "")
	p.do(200, "PUT", "/_node/_local/_config/log/level", `"debug"`)
	b.sees("/notes") // a line for each request
	b.click("button", "Pause")
	b.finds("button", "Go on")

	b.click("link", "Settings")
	b.fill("Search", "max_document_size")
	b.sees("bytes of JSON that one document may have")
	b.everythingHasAName()
	b.click("button", "Change couchdb max_document_size")
	b.fill("Value", "many")
	b.click("button", "Save")
	b.sees("is not a number of bytes from 1")
	b.fill("Value", "1234567")
	b.click("button", "Save")
	b.sees("max_document_size is set", "local.ini")
	if got := p.do(200, "GET", "/_node/_local/_config/couchdb/max_document_size", ""); got != "\"1234567\"\n" {
		t.Errorf("the setting is %q", got)
	}
	b.click("button", "Change couchdb max_document_size")
	b.click("button", "Back to the default")
	b.sees("max_document_size has its default again")
	p.do(404, "GET", "/_node/_local/_config/couchdb/max_document_size", "")
}
