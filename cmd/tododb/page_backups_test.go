package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/store/widetest"
)

// An administrator switches backups on, makes one, looks into it, and brings a document and a database
// back from it.
func TestPageBackups(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/herbs", "")
	sage := revOf(t, p.do(201, "PUT", "/herbs/sage", `{"height":60.0}`))
	mint := revOf(t, p.do(201, "PUT", "/herbs/mint", `{"height":40,"note":"<script>1</script>"}`))
	p.do(201, "PUT", "/herbs/_design%2Fx", `{"views":{}}`)
	b.signIn()
	b.click("link", "Backups")
	b.sees("This server makes no backups of itself")
	b.click("button", "Switch on…")
	b.fill("Target", "backups")
	b.fill("When", "often")
	b.click("button", "Switch on")
	b.sees("Write the whole path of a folder", "Write 1h or 1d")
	if set := p.do(200, "GET", "/_node/_local/_config/backup", ""); strings.Contains(set, "often") {
		t.Errorf("what is wrong was written: %s", set)
	}
	b.fill("Target", filepath.Join(t.TempDir(), "backups"))
	b.fill("When", "manual")
	b.click("button", "Switch on")
	b.sees("The server backs itself up now", "only when somebody asks for one", "There are no backups yet")
	b.click("button", "Back up now")
	b.sees("Last runs", "made", "What is in the target")
	b.everythingHasAName()

	p.do(200, "DELETE", "/herbs/mint?rev="+mint, "")
	p.do(201, "PUT", "/herbs/sage?rev="+sage, `{"height":1}`)
	b.click("cell", "4")
	b.sees("herbs", "_users")
	b.click("link", "herbs")
	b.sees("_design/x", "mint", "sage")
	b.fill("Ids that begin with", "m")
	b.click("button", "Find")
	b.misses("sage")
	b.click("button", "mint")
	b.sees("The document is deleted", `<script>1</script>`)
	b.click("button", "Restore the document")
	b.sees("mint of herbs is restored")
	if doc := p.do(200, "GET", "/herbs/mint", ""); !strings.Contains(doc, `"_rev":"3-`) {
		t.Error(doc)
	}
	b.fill("Ids that begin with", "")
	b.click("button", "Find")
	b.click("button", "sage")
	b.sees("Replace the present content")
	b.everythingHasAName()
	b.click("checkbox", "Replace the present content")
	b.click("button", "Restore the document")
	b.sees("sage of herbs is restored")
	if doc := p.do(200, "GET", "/herbs/sage", ""); !strings.Contains(doc, `"height":60.0`) {
		t.Error(doc)
	}

	b.click("link", "All databases of it")
	b.click("button", "Restore herbs")
	b.fill("Name", "herbs-before")
	b.click("button", "Restore")
	b.sees("herbs-before is restored")
	if info := p.do(200, "GET", "/herbs-before", ""); !strings.Contains(info, `"doc_count":3`) {
		t.Error(info)
	}
	p.do(201, "PUT", "/herbs/thyme", `{}`)
	b.click("button", "Restore herbs")
	b.pick("Where to", "In place of the present one")
	b.sees("is gone then")
	b.fill("Type the name", "herbs")
	b.click("button", "Replace")
	within(t, time.Minute, func() bool { status, _ := p.try("GET", "/herbs/thyme", ""); return status == 404 })
	b.sees("herbs is restored")

	// All of it: tried out first, then what is missing, then all with the names typed.
	b.click("button", "Restore all…")
	b.sees("nothing changes")
	b.click("button", "Try it out")
	b.sees("The server lacks", "and has 1.")
	b.everythingHasAName()
	b.look("backups-all")
	b.pick("What to restore", "All, over the present")
	b.sees("is gone then: herbs")
	b.fill("Type the names, with commas between", "herb")
	b.finds("button", "Replace")
	p.do(201, "PUT", "/herbs/thyme", `{}`)
	b.fill("Type the names, with commas between", "herbs")
	b.click("button", "Replace")
	within(t, time.Minute, func() bool { status, _ := p.try("GET", "/herbs/thyme", ""); return status == 404 })
	b.sees("the server is restored")
	p.do(201, "PUT", "/herbs/thyme", `{}`)
	id := strings.Split(strings.Split(p.do(200, "GET", "/_backups/_all?limit=1", ""), `"id":"`)[1], `"`)[0]
	p.do(202, "POST", "/_backups/"+id+"/_restore", `{"all":true}`)
	within(t, time.Minute, func() bool {
		return strings.Contains(p.do(200, "GET", "/_backups/_restores", ""), `there already: [\"herbs\"]`)
	})
	p.do(202, "POST", "/_backups/"+id+"/_restore", `{"all":true,"missing":true}`)
	b.open("#/backups")
	b.sees("the server is restored")
	p.do(200, "GET", "/herbs/thyme", "")
	p.do(400, "POST", "/_backups/"+id+"/_restore", `{"all":true,"missing":true,"replace":true}`)
	p.do(400, "POST", "/_backups/"+id+"/_restore", `{"all":true,"db":"herbs"}`)
}
