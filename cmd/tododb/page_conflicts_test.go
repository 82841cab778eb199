package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/tododb/tododb/store/widetest"
)

// inConflict brings a document of the database recipes into conflict, as replication does. right wins.
func inConflict(p *process, id, first, left, right string) {
	quoted, _ := json.Marshal(id)
	rev := func(path, members string) string {
		return fmt.Sprintf(`{"_id":%s,%s,%s}`, quoted, path, members[1:len(members)-1])
	}
	p.do(201, "POST", "/recipes/_bulk_docs", `{"new_edits":false,"docs":[`+strings.Join([]string{
		rev(`"_rev":"1-first"`, first),
		rev(`"_revisions":{"start":2,"ids":["left","first"]}`, left),
		rev(`"_revisions":{"start":2,"ids":["right","first"]}`, right),
	}, ",")+`]}`)
}

// A visitor goes through the conflicts of a database, takes something of each side, and resolves them.
func TestPageConflicts(t *testing.T) {
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/recipes", "")
	// The right side wins by its revision, so it is the first version: Left.
	inConflict(p, "soup",
		`{"title":"Soup","serves":2,"note":"hot","tags":["lunch","old"],"cook":{"name":"ann","at":"home"},"n":12345678901234567890}`,
		`{"title":"Onion soup","serves":2,"note":"very hot","tags":["lunch","onion"],"cook":{"name":"ann","at":"work"},"n":12345678901234567890}`,
		`{"title":"Soup","serves":4,"note":"hot!","tags":["lunch","old","quick"],"cook":{"name":"bea","at":"home"},"n":1.50e+1}`)
	inConflict(p, "cake", `{"v":1}`, `{"v":2}`, `{"v":3}`)
	inConflict(p, "tea", `{"v":1,"_attachments":{"label":{"content_type":"text/plain","data":"b2xk"}}}`,
		`{"v":1,"_attachments":{"label":{"content_type":"text/plain","revpos":2,"data":"bGVmdA=="}}}`,
		`{"v":1,"_attachments":{"label":{"content_type":"text/plain","revpos":2,"data":"cmlnaHQ="}}}`)
	b.signIn()
	b.open("#/db/recipes/conflicts")
	b.sees("3 documents in conflict", "soup", "cake")
	b.everythingHasAName()
	b.click("button", "Begin with the first")

	// One side changed it: that is taken. Both did: somebody decides.
	b.sees("cook.name", "cook.at", "2 of 7 differences to be decided", "only changed in Right")
	b.misses("cook.name\nto be decided")
	b.click("button", "Resolve")
	b.sees("2 differences are to be decided first.")
	b.click("radio", "Right for note")
	b.click("radio", "Both for tags")
	b.sees("All 7 differences are decided")
	b.click("radio", "By hand for title")
	b.fill("Text for title", "Soup of onions")
	b.look("conflicts")
	b.everythingHasAName()
	b.click("button", "Resolve")
	b.sees("soup is resolved", "2 documents in conflict")
	b.finds("heading", "cake")
	want := `"title":"Soup of onions","serves":4,"note":"very hot","tags":["lunch","quick","onion"],"cook":{"name":"bea","at":"work"},"n":1.50e+1}`
	if got := p.do(200, "GET", "/recipes/soup?conflicts=true", ""); !strings.HasSuffix(strings.TrimSpace(got), want) {
		t.Errorf("soup is %s\nwant …%s", got, want)
	}

	// Written as a whole.
	b.click("button", "Edit as a whole")
	b.finds("textbox", "The whole document")
	b.click("button", "Field by field")
	b.click("radio", "Before for v")
	b.click("button", "Resolve")
	b.sees("cake is resolved")
	b.finds("heading", "tea")
	b.click("radio", "Right for label")
	b.click("button", "Resolve")
	b.sees("No document is in conflict")
	if got := p.do(200, "GET", "/recipes/tea/label", ""); got != "left" {
		t.Errorf("the attachment is %q", got)
	}
	if got := p.do(200, "GET", "/recipes/cake?conflicts=true", ""); !strings.HasSuffix(strings.TrimSpace(got), `"v":1}`) {
		t.Errorf("cake is %s", got)
	}
}

// look keeps pictures of the screen where TODODB_TEST_PICTURES says, wide and narrow, light and dark.
func (b *browser) look(name string) {
	dir := os.Getenv("TODODB_TEST_PICTURES")
	if dir == "" {
		return
	}
	shoot := func(kind string) {
		b.eval("new Promise((done) => setTimeout(done, 200))")
		if err := b.picture(filepath.Join(dir, name+"-"+kind+".png")); err != nil {
			b.t.Error(err)
		}
	}
	shoot("light")
	b.dark()
	shoot("dark")
	b.narrow()
	shoot("narrow")
	b.do("a wide window", chromedp.EmulateViewport(1280, 800))
}

// What somebody has chosen is not lost without a question, whichever way they leave.
func TestPageConflictsAsksBeforeItForgets(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/recipes", "")
	for _, id := range []string{"cake", "tea"} {
		inConflict(p, id, `{"v":1}`, `{"v":2}`, `{"v":3}`)
	}
	b.signIn()
	b.open("#/db/recipes/conflicts?id=cake")
	b.asked()
	b.click("button", "Skip") // nothing is chosen yet
	b.finds("heading", "tea")
	b.click("radio", "Right for v")
	b.sees("The difference is decided")
	for _, leave := range []func(){
		func() { b.eval("history.back()") },
		func() { b.click("button", "Skip") },
		func() { b.click("link", "Replication") },
	} {
		leave()
		b.until("the question", chromedp.Evaluate[bool]("document.title.includes('Leave all the same?')"))
		b.eval("document.title = ''")
		b.finds("heading", "tea")
		b.sees("The difference is decided")
	}
	b.click("button", "Edit as a whole")
	b.finds("textbox", "The whole document")
	b.click("button", "Field by field") // nothing is written yet
	b.sees("The difference is decided")
	b.click("button", "Edit as a whole")
	b.fill("The whole document", `{"v":4}`)
	b.asks("going back to the fields", func() { b.click("button", "Field by field") })
	b.sees(`{"v":4}`)
	b.eval("document.title = ''")
	b.click("button", "Resolve") // which saves it, so there is no question
	b.sees("tea is resolved")
	p.holds("/recipes/tea", `"v":4`)
	b.finds("heading", "cake")
	if title := b.eval("document.title"); strings.Contains(title, "Leave") {
		t.Error("asked after it was saved")
	}
}

// asked has the page's questions put into its title, and answered with no.
func (b *browser) asked() {
	b.t.Helper()
	b.eval("window.confirm = (text) => { document.title = text; return false }")
}

// Everything on the screen goes by keyboard.
func TestPageConflictsByKeyboard(t *testing.T) {
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/recipes", "")
	for _, id := range []string{"a", "b", "c"} {
		inConflict(p, id, `{"x":1,"y":["one"],"z":"first"}`, `{"x":2,"y":["one","two"],"z":"left"}`, `{"x":3,"y":["one","three"],"z":"right"}`)
	}
	b.signIn()
	b.open("#/db/recipes/conflicts")
	b.sees("3 documents in conflict")
	b.eval("document.querySelector('a.skip').focus()")
	for range 40 { // to the list, as far as that may be
		if b.eval("document.activeElement.tagName") == `"TR"` {
			break
		}
		b.press(kb.Tab)
	}
	focused := func(want string) {
		t.Helper()
		b.until("the focus is on "+want, chromedp.Evaluate[bool](fmt.Sprintf("document.activeElement.getAttribute('aria-label') === %q || document.activeElement.textContent.startsWith(%q)", want, want)))
	}
	b.press(kb.ArrowDown)
	focused("b")
	b.press(kb.ArrowUp)
	focused("a")
	b.press(kb.Enter)
	b.finds("heading", "a")
	focused("Before for x") // nothing is chosen yet
	b.press("?")
	b.finds("dialog", "Keyboard shortcuts")
	b.press(kb.Escape)
	focused("Before for x")
	b.press("2")
	b.press("j")
	focused("Before for y")
	b.press("b")
	b.press("u")
	focused("Before for z")
	b.press("h")
	focused("Text for z")
	b.press(kb.End + "!")
	b.press(kb.Escape)
	focused("By hand for z")
	b.press("k")
	focused("Both for y")
	b.sees("All 3 differences are decided")
	b.press(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierCtrl))
	b.sees("a is resolved", "2 documents in conflict")
	if got := p.do(200, "GET", "/recipes/a", ""); !strings.Contains(got, `"x":2,"y":["one","three","two"],"z":"right!"}`) {
		t.Errorf("a is %s", got)
	}
	b.finds("heading", "b")
	focused("Before for x")
	b.press("n")
	b.finds("heading", "c")
	focused("Before for x")
	b.press("p")
	b.finds("heading", "b")
	focused("Before for x")
	b.press(kb.ArrowRight) // as in any group of radio buttons
	focused("Left for x")
	b.press("j2j1")
	b.press(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierCtrl))
	b.sees("b is resolved")
	if got := p.do(200, "GET", "/recipes/b", ""); !strings.Contains(got, `"x":3,"y":["one","two"],"z":"right"}`) {
		t.Errorf("b is %s", got)
	}
}

// Somebody is faster: nothing is lost of what either has done.
func TestPageConflictsSomebodyIsFaster(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/recipes", "")
	const first = `{"x":1,"y":"first","z":"first"}`
	inConflict(p, "a", first, `{"x":2,"y":"left","z":"first"}`, `{"x":3,"y":"right","z":"first"}`)
	inConflict(p, "b", first, `{"x":2,"y":"first","z":"first"}`, `{"x":3,"y":"first","z":"first"}`)
	inConflict(p, "c", first, `{"x":2,"y":"first","z":"first"}`, `{"x":3,"y":"first","z":"first"}`)
	b.signIn()
	b.open("#/db/recipes/conflicts?id=a")
	b.click("radio", "Right for x")
	b.click("radio", "By hand for y")
	b.fill("Text for y", "mine")
	b.sees("All 2 differences are decided")
	p.do(201, "PUT", "/recipes/a?rev=2-right", `{"x":3,"y":"theirs","z":"new"}`)
	b.click("button", "Resolve")
	b.sees("Somebody has changed this document", "changed meanwhile", "theirs", "mine", "As you saw it", "All 3 differences are decided")
	b.look("conflicts-refused")
	b.everythingHasAName()
	b.click("button", "Resolve")
	b.sees("a is resolved")
	if got := p.do(200, "GET", "/recipes/a?conflicts=true", ""); !strings.HasSuffix(strings.TrimSpace(got), `"x":2,"y":"mine","z":"new"}`) {
		t.Errorf("a is %s", got)
	}

	// The other one has resolved it.
	b.finds("heading", "b")
	b.click("radio", "Right for x")
	p.do(201, "POST", "/recipes/_conflicts/b?delete=%5B%222-left%22%5D", `{"_rev":"2-right","x":3,"y":"theirs","z":"first"}`)
	b.click("button", "Resolve")
	b.sees("Somebody has resolved this conflict", "theirs")
	b.click("button", "Save over theirs")
	b.sees("b is resolved")
	if got := p.do(200, "GET", "/recipes/b?conflicts=true", ""); !strings.HasSuffix(strings.TrimSpace(got), `"x":2,"y":"theirs","z":"first"}`) {
		t.Errorf("b is %s", got)
	}

	// Or has deleted it.
	b.finds("heading", "c")
	b.click("radio", "Right for x")
	p.do(201, "POST", "/recipes/_conflicts/c?delete=%5B%222-left%22%5D", `{"_rev":"2-right","_deleted":true}`)
	b.click("button", "Resolve")
	b.sees("Somebody has deleted c meanwhile")
}

// More than two versions stand beside each other, and a deleted one is told of. Without what they began
// with, nobody can tell who has changed something.
func TestPageConflictsOfThree(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/recipes", "")
	inConflict(p, "pie", `{"x":1,"y":[1],"z":true}`, `{"x":2,"y":[1,2],"z":true}`, `{"x":3,"y":[1,3],"z":true}`)
	p.do(201, "POST", "/recipes/_bulk_docs", `{"new_edits":false,"docs":[
		{"_id":"pie","_revisions":{"start":2,"ids":["third","first"]},"x":1,"y":[1,4],"z":false},
		{"_id":"pie","_revisions":{"start":3,"ids":["gone","other","first"]},"_deleted":true},
		{"_id":"roots","_rev":"1-a","x":1},{"_id":"roots","_rev":"1-b","x":2}]}`)
	b.signIn()
	b.open("#/db/recipes/conflicts?id=pie")
	b.sees("First", "Second", "Third", "1 deleted version beside these", "2 of 3 differences to be decided", "only changed in First")
	b.click("radio", "All for y")
	b.click("radio", "By hand for x")
	b.fill("Text for x", "{")
	b.sees("Line 1: a } is missing at the end", "1 of 3 differences to be decided")
	b.fill("Text for x", "1.0")
	b.look("conflicts-three")
	b.everythingHasAName()
	b.click("button", "Resolve")
	b.sees("pie is resolved")
	if got := p.do(200, "GET", "/recipes/pie?conflicts=true", ""); !strings.HasSuffix(strings.TrimSpace(got), `"x":1.0,"y":[1,4,3,2],"z":false}`) {
		t.Errorf("pie is %s", got)
	}
	b.finds("heading", "roots")
	b.sees("no common ancestor", "1 of 1 difference to be decided")
	b.click("button", "More")
	b.click("menuitem", "Delete the document…")
	b.click("button", "Delete")
	b.sees("roots is deleted", "No document is in conflict")
	p.do(404, "GET", "/recipes/roots", "")
}

// Whatever is in documents and their ids is shown, and comes through as it was.
func TestPageConflictsOfAnyContent(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/recipes", "")
	deep := strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200)
	long := strings.Repeat("0123456789", 100_000)
	many := func(v int) string {
		var s strings.Builder
		for i := range 500 {
			fmt.Fprintf(&s, `"m%03d":%d,`, i, v)
		}
		return s.String()
	}
	const script = `<script>document.body.textContent='broken'</script><img src=x onerror="document.title='broken'">`
	id := `<b>ü/"#?&</b> مرحبا 👩‍👩‍👧`
	member := func(n int) string {
		html, _ := json.Marshal(fmt.Sprint(script, n))
		return fmt.Sprintf(`{"in":{"__proto__":{"x":%[2]d}},"constructor":%[2]d,"html":%[3]s,"10":%[2]d,"2":%[2]d,"":%[2]d,"a.b":%[2]d,"rtl":"\u202emoc %[2]d","big":1234567890123456789%[2]d.0e200,"deep":%[4]s,"long":"%[5]s%[2]d",%[1]s"end":%[2]d}`, many(n), n, html, deep, long)
	}
	inConflict(p, id, `{"old":1}`, member(2), member(3))
	inConflict(p, "_design/d", `{"language":"query"}`, `{"language":"javascript"}`, `{"language":"query","x":1}`)
	b.signIn()
	b.open("#/db/recipes/conflicts")
	b.click("button", "Begin with the first")
	b.sees(id, script, "in.__proto__.x", "Show more of 511 differences")
	b.click("button", "More")
	b.click("menuitem", "Take all of Right")
	b.sees("All 511 differences are decided")
	b.click("button", "Resolve")
	b.sees("is resolved")
	got := p.do(200, "GET", "/recipes/_all_docs?include_docs=true&limit=1", "")
	want := member(2)
	want = want[1 : len(want)-1]
	// The server and the page may write a character as it is that was escaped.
	want = strings.ReplaceAll(want, `\u202e`, "\u202e")
	want = strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(want)
	if !strings.Contains(got, want) {
		t.Errorf("it is not what it was: %.600s …", strings.ReplaceAll(got, long, "LONG"))
	}
	b.finds("heading", "_design/d")
	b.sees("All 2 differences are decided")
	b.click("button", "Resolve")
	b.sees("_design/d is resolved")
}

// Texts are merged by lines and by words, and only the places that both have changed are asked for; two attachments
// of one name are seen and both stay; and of three versions each is compared with what it began with. All of it by keyboard.
func TestPageConflictsMerged(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/recipes", "")
	text := func(change ...string) string {
		lines := strings.Split("Soup\n\none\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nEnd", "\n")
		for i := 0; i < len(change); i += 2 {
			for j := range lines {
				if lines[j] == change[i] {
					lines[j] = change[i+1]
				}
			}
		}
		quoted, _ := json.Marshal(strings.Join(lines, "\n"))
		return string(quoted)
	}
	photo := func(data string) string {
		return fmt.Sprintf(`"_attachments":{"photo.txt":{"content_type":"text/plain","revpos":2,"data":%q}}`, data)
	}
	const long, longLeft, longRight = "It was a long day, and nobody in the whole house had had anything to eat since the early morning.", "It was a short day, and nobody in the whole house had had anything to eat since the early morning.", "It was a long day, and nobody in the whole house had had anything to eat since the late evening."
	inConflict(p, "a", `{"clean":`+text()+`,"both":`+text()+`,"long":"`+long+`"}`,
		`{"clean":`+text("one", "ONE")+`,"both":`+text("two", "zwei", "six", "six or 7", "nine", "NINE")+`,"long":"`+longLeft+`",`+photo("bGVmdA==")+`}`,
		`{"clean":`+text("nine", "NINE")+`,"both":`+text("two", "deux", "six", "six, 6", "four", "FOUR")+`,"long":"`+longRight+`",`+photo("cmlnaHQ=")+`}`)
	// 1 - 2 - 3-top
	//  \   \- 3-under
	//   \- 2-aside
	p.do(201, "POST", "/recipes/_bulk_docs", `{"new_edits":false,"docs":[
		{"_id":"b","_rev":"1-first","x":1,"y":1},
		{"_id":"b","_revisions":{"start":2,"ids":["second","first"]},"x":2,"y":1},
		{"_id":"b","_revisions":{"start":2,"ids":["aside","first"]},"x":1,"y":1,"z":true},
		{"_id":"b","_revisions":{"start":3,"ids":["top","second","first"]},"x":2,"y":2},
		{"_id":"b","_revisions":{"start":3,"ids":["under","second","first"]},"x":3,"y":1}]}`)
	b.signIn()
	b.open("#/db/recipes/conflicts?id=a")
	focused := func(want string) {
		t.Helper()
		b.until("the focus is on "+want, chromedp.Evaluate[bool](fmt.Sprintf("document.activeElement.getAttribute('aria-label') === %q || document.activeElement.textContent.startsWith(%q) || document.activeElement.labels?.[0]?.textContent === %[1]q", want, want)))
	}
	// The first row merges cleanly, so what is to be decided begins in the second one.
	b.sees("merged by lines", "3 of 4 differences to be decided", "unchanged lines", "Merged by lines, 2 places to decide", "only changed in Right")
	focused("Before for place 1 of 2 in both")
	b.look("conflicts-lines")
	b.everythingHasAName()
	b.press("h")
	focused("Text for place 1 of 2 in both")
	b.press("a", chromedp.KeyModifiers(chromedp.ModifierCtrl))
	b.press("zwo")
	b.press(kb.Escape)
	focused("By hand for place 1 of 2 in both")
	b.press(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierCtrl))
	b.sees("3 differences are to be decided first.") // not with a place left
	focused("Before for place 2 of 2 in both")
	b.press("2")
	focused("Before for place 2 of 2 in both")
	b.sees("2 of 4 differences to be decided")
	b.press("u")
	focused("Before for long")
	b.press("b")
	focused("Before for long")
	b.look("conflicts-places")
	b.press("j")
	focused("Before for photo.txt")
	b.sees("left", "right") // what is in the two
	b.press("b")
	focused("Keep both for photo.txt")
	b.look("conflicts-attachments")
	b.press(kb.Tab)
	focused("Name of the other one")
	b.press("a", chromedp.KeyModifiers(chromedp.ModifierCtrl))
	b.press("photo.txt")
	b.sees("Another name that does not begin with _", "1 of 4 differences to be decided")
	b.press("a", chromedp.KeyModifiers(chromedp.ModifierCtrl))
	b.press("other.txt")
	b.sees("All 4 differences are decided")
	b.press(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierCtrl))
	b.sees("a is resolved")
	want := `"clean":` + text("one", "ONE", "nine", "NINE") + `,"both":` + text("two", "zwo", "six", "six or 7", "nine", "NINE", "four", "FOUR") +
		`,"long":"It was a short day, and nobody in the whole house had had anything to eat since the late evening."`
	if got := p.do(200, "GET", "/recipes/a", ""); !strings.Contains(got, want) {
		t.Errorf("a is %s\nwant …%s", got, want)
	}
	if one, other := p.do(200, "GET", "/recipes/a/photo.txt", ""), p.do(200, "GET", "/recipes/a/other.txt", ""); one != "right" || other != "left" {
		t.Errorf("the attachments are %q and %q", one, other)
	}

	// Each pair is compared with its own ancestor, so nothing is left to decide.
	b.finds("heading", "b")
	b.sees("parted from Second at 2-second", "parted from First at 1-first", "All 3 differences are decided")
	b.look("conflicts-ancestors")
	b.press(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierCtrl))
	b.sees("b is resolved")
	if got := p.do(200, "GET", "/recipes/b", ""); !strings.Contains(got, `"x":3,"y":2,"z":true`) {
		t.Errorf("b is %s", got)
	}
}
