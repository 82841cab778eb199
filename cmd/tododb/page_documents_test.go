package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/tododb/tododb/store/widetest"
)

const content = "Content of the document"

// holds checks that a document has parts, to the letter.
func (p *process) holds(path string, parts ...string) {
	p.t.Helper()
	got := p.do(200, "GET", path, "")
	for _, part := range parts {
		if !strings.Contains(got, part) {
			p.t.Errorf("%s is %s, and lacks %s", path, got, part)
		}
	}
}

// A document is changed and saved. Numbers and the order of members stay to the letter.
func TestPageEditor(t *testing.T) {
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	odd := `"big":12345678901234567890,"2":"two","1":"one","exact":1.0,"tiny":1E-7,"deep":{"__proto__":{"x":-0.0}}`
	p.do(201, "PUT", "/notes/n", "{"+odd+"}")
	b.signIn()
	b.open("#/db/notes/doc/n")
	b.sees(`"big": 12345678901234567890,`, `"tiny": 1E-7,`, `"__proto__": {`)
	b.everythingHasAName()
	b.fill(content, `{`+odd+`,"huge":1e400}`)
	b.press("s", chromedp.KeyModifiers(chromedp.ModifierCtrl))
	b.sees("invalid UTF-8 JSON", `1e400`) // the server takes no such number; the page keeps it all the same
	b.fill(content, `{`+odd+`,}`)
	b.click("button", "Save")
	b.sees("there is a comma too many before this")
	b.fill(content, `{`+odd+`,"huge":1e300}`)
	b.click("button", "Save")
	b.sees("Saved.")
	p.holds("/notes/n", odd+`,"huge":1e300}`)

	b.open("#/db/notes/docs")
	b.click("button", "New document")
	b.fill("Id", "مرحبا 🥞/1")
	b.press(kb.Enter)
	b.sees("There is no such document yet.")
	b.fill(content, `{"<script>document.title='hit'</script>":"</textarea><img src=x onerror=alert(1)>"}`)
	b.asked()
	b.click("link", "Documents")
	b.until("the question", chromedp.Evaluate[bool]("document.title.includes('Leave all the same?')"))
	b.click("button", "Save")
	b.misses("There is no such document yet.")
	p.holds("/notes/"+url.PathEscape("مرحبا 🥞/1"), `{"_id":"مرحبا 🥞/1"`, `<img src=x`)
	b.click("link", "Documents")
	b.click("checkbox", "Contents")
	b.sees("<img src=x")
	b.finds("link", "مرحبا 🥞/1")
}

// What a validation function refuses is marked where it stands.
func TestPageValidation(t *testing.T) {
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	p.do(201, "PUT", "/notes/_design/rules", `{"validate_doc_update":"function (doc) { if (typeof doc.eggs == 'string') throw({forbidden: 'eggs must be a number'}) }"}`)
	p.do(201, "PUT", "/notes/cake", `{"title":"Cake","eggs":2}`)
	b.signIn()
	b.open("#/db/notes/doc/cake")
	b.fill(content, `{"title":"Cake","eggs":"two"}`)
	b.click("button", "Save")
	b.sees("eggs must be a number")
	b.until("see the member marked", func(ctx context.Context, t *tab) (bool, error) {
		marked, err := chromedp.Evaluate[string](`[...document.querySelector('.editor').shadowRoot.querySelectorAll('.cm-lintRange-error')].map((e) => e.textContent).join('')`)(ctx, t)
		return marked == `"eggs":"two"`, err
	})
	p.holds("/notes/cake", `"eggs":2`)
}

// Somebody else saves the document first. What only one has changed stays without a question, and
// who saves chooses where both did.
func TestPageCollision(t *testing.T) {
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	rev := docRev(p, p.do(201, "PUT", "/notes/cake", `{"title":"Cake","eggs":2,"milk":100}`))
	b.signIn()
	b.open("#/db/notes/doc/cake")
	b.sees(`"eggs": 2`)
	p.do(201, "PUT", "/notes/cake?rev="+rev, `{"title":"Cake","eggs":2,"milk":200}`)
	b.fill(content, `{"title":"Cake","eggs":3,"milk":100}`)
	b.click("button", "Save")
	b.finds("dialog", "Somebody else has saved this document")
	b.sees("both can stay")
	b.everythingHasAName()
	b.click("button", "Save the result")
	b.sees("Saved.")
	p.holds("/notes/cake", `"title":"Cake","eggs":3,"milk":200}`)

	rev = docRev(p, p.do(200, "GET", "/notes/cake", ""))
	b.sees(rev[:10]) // the page has it too
	p.do(201, "PUT", "/notes/cake?rev="+rev, `{"title":"Torte","eggs":3,"milk":200}`)
	b.fill(content, `{"title":"Gateau","eggs":3,"milk":200}`)
	b.click("button", "Save")
	b.sees("One field was changed by both")
	b.click("button", "title: take what is saved now")
	b.click("button", "title: take yours")
	b.click("button", "Save the result")
	b.misses("One field was changed by both")
	p.holds("/notes/cake", `"title":"Gateau"`)
}

// docRev is the revision in an answer about a document.
func docRev(p *process, answer string) string {
	p.t.Helper()
	for _, name := range []string{`"rev":"`, `"_rev":"`} {
		if _, rest, is := strings.Cut(answer, name); is {
			rev, _, _ := strings.Cut(rest, `"`)
			return rev
		}
	}
	p.t.Fatalf("no revision in %s", answer)
	return ""
}

// Files are chosen and dropped, seen, and removed.
func TestPageAttachments(t *testing.T) {
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	p.do(201, "PUT", "/notes/cake", `{"n":1.0}`)
	picture := filepath.Join(t.TempDir(), "dot.svg")
	if err := os.WriteFile(picture, []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20"><script>alert(1)</script><rect width="20" height="20"/></svg>`), 0o644); err != nil {
		t.Fatal(err)
	}
	b.signIn()
	b.open("#/db/notes/doc/cake?tab=attachments")
	b.sees("No attachments")
	b.choose("input[type=file]", picture)
	b.sees("Added dot.svg.")
	b.eval(`(() => {
		const d = new DataTransfer()
		d.items.add(new File(['first line\n<b>not bold</b>'], 'notes.txt', { type: 'text/plain' }))
		document.querySelector('.attachments').dispatchEvent(new DragEvent('drop', { dataTransfer: d, bubbles: true, cancelable: true }))
	})()`)
	b.sees("Added notes.txt.")
	b.click("button", "notes.txt")
	b.sees("<b>not bold</b>")
	b.click("button", "dot.svg")
	b.until("see the picture", func(ctx context.Context, t *tab) (bool, error) {
		width, err := chromedp.Evaluate[int](`document.querySelector('img.preview')?.naturalWidth ?? 0`)(ctx, t)
		return width == 20, err
	})
	b.everythingHasAName()
	b.click("button", "Remove notes.txt")
	b.click("button", "Remove")
	b.sees("Removed notes.txt.")
	p.holds("/notes/cake", `"n":1.0`, `"dot.svg":{`)

	// Saving the content keeps the attachments.
	b.click("link", "Content")
	b.fill(content, `{"n":2.0}`)
	b.click("button", "Save")
	b.sees("Saved.")
	p.holds("/notes/cake", `"n":2.0`, `"dot.svg":{`)

	// An attachment that comes while the content is edited is no conflict with it.
	b.fill(content, `{"n":3.0}`)
	b.sees("Not saved")
	_, rev, _ := strings.Cut(p.do(200, "GET", "/notes/cake", ""), `"_rev":"`)
	rev, _, _ = strings.Cut(rev, `"`)
	p.do(201, "PUT", "/notes/cake/late.txt?rev="+rev, "late")
	b.click("button", "Save")
	b.misses("Not saved")
	p.holds("/notes/cake", `"n":3.0`, `"dot.svg":{`, `"late.txt":{`)
}

// What the visitor writes while a document is saved, or loaded again after that, stays and can be saved.
func TestPageKeepsWhatIsWrittenMeanwhile(t *testing.T) {
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	p.do(201, "PUT", "/notes/cake", `{"n":1.0}`)
	b.signIn()
	b.open("#/db/notes/doc/cake")
	b.sees(`"n": 1.0`)

	// A save whose answer takes its time.
	b.eval(`(() => {
		const send = window.fetch
		window.fetch = async (...a) => {
			const answer = await send(...a)
			if ((a[1]?.method ?? a[0]?.method) === 'PUT') await new Promise((done) => (window.answerNow = done))
			return answer
		}
		window.restore = () => (window.fetch = send, answerNow())
	})()`)
	b.fill(content, `{"n":2.0}`)
	b.click("button", "Save")
	b.until("have saved", func(ctx context.Context, t *tab) (bool, error) {
		return chromedp.Evaluate[bool](`window.answerNow !== undefined`)(ctx, t)
	})
	b.fill(content, `{"n":3.0}`)
	b.eval(`restore()`)
	b.sees("Saved.", "Not saved", `{"n":3.0}`)
	p.holds("/notes/cake", `"n":2.0`)

	// The document is shown as loaded again, and what is to be done after the next paint is not done yet.
	b.eval(`(() => {
		const later = window.setTimeout, held = []
		window.setTimeout = (f, ms, ...a) => ms ? later(f, ms, ...a) : held.push(f)
		window.release = () => held.splice(0).forEach((f) => f())
		window.restore = () => (window.setTimeout = later, release())
	})()`)
	b.click("button", "Save")
	b.misses("Not saved")
	rev := docRev(p, p.do(200, "GET", "/notes/cake", ""))
	b.until("see the new revision", func(ctx context.Context, t *tab) (bool, error) {
		return chromedp.Evaluate[bool](fmt.Sprintf(`document.querySelector('.doc-head .badge').title === %q || (release(), false)`, rev))(ctx, t)
	})
	b.fill(content, `{"n":4.0}`)
	b.eval(`restore()`)
	b.sees("Not saved", `{"n":4.0}`)
	b.click("button", "Save")
	b.misses("Not saved")
	p.holds("/notes/cake", `"n":4.0`)
}

// The tree of revisions has all branches. Two revisions of it are compared, by keyboard.
func TestPageRevisions(t *testing.T) {
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	hash := func(c string) string { return strings.Repeat(c, 32) }
	rev := func(body string, generation int, hashes ...string) string {
		for i, h := range hashes {
			hashes[i] = `"` + hash(h) + `"`
		}
		return fmt.Sprintf(`{"_id":"tree",%s,"_revisions":{"start":%d,"ids":[%s]}}`, body, generation, strings.Join(hashes, ","))
	}
	p.do(201, "POST", "/notes/_bulk_docs", `{"new_edits":false,"docs":[`+strings.Join([]string{
		rev(`"title":"base"`, 2, "b", "a"), rev(`"title":"left"`, 3, "c", "b", "a"), rev(`"title":"right"`, 3, "d", "b", "a"), rev(`"_deleted":true`, 3, "e", "b", "a"),
	}, ",")+`]}`)
	b.signIn()
	b.open("#/db/notes/doc/tree?tab=revisions")
	b.sees("3 branches, 2 of them live")
	b.finds("button", "Revision 3-eeeeeeee, deleted")
	b.finds("button", "Revision 1-aaaaaaaa, older, body is gone")
	b.sees(`"title": "right"`) // the winner
	b.everythingHasAName()
	b.click("button", "Revision 3-dddddddd, winner")
	b.misses(`"title": "right"`)
	b.click("button", "Revision 3-dddddddd, winner")
	b.press(kb.ArrowLeft + kb.Enter)
	b.sees("From 2-bbbbbbbb to 3-dddddddd", `"title": "base"`, `"title": "right"`)
	b.narrow()
	b.sees(`"title": "base"`)
}

// A document of nearly 8 MB, or 2 MB in the short form, is opened, changed and saved.
func TestPageLargeDocument(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	count := 70_000
	if testing.Short() {
		count = 18_000
	}
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	var items []string
	for i := range count {
		items = append(items, fmt.Sprintf(`{"n":%d,"name":"an item of the list, number %d","exact":%d.0,"tags":["one","two","three"]}`, i, i, i))
	}
	all := strings.Join(items, ",")
	p.do(201, "PUT", "/notes/long", `{"first":1.0,"items":[`+all+`]}`)
	b.signIn()
	b.open("#/db/notes/doc/long")
	b.sees(`"first": 1.0,`)
	b.focus("textbox", content)
	b.press(kb.Home, chromedp.KeyModifiers(chromedp.ModifierCtrl))
	b.press(kb.ArrowRight)
	b.do("type", chromedp.KeyEvent(`"added": 2.0,`))
	b.sees(`"added": 2.0,`)
	b.press("s", chromedp.KeyModifiers(chromedp.ModifierCtrl))
	b.sees("Saved.")
	got := p.do(200, "GET", "/notes/long", "")
	if !strings.Contains(got, `"added":2.0,`) || !strings.Contains(got, fmt.Sprintf(`"exact":%d.0`, count-1)) {
		t.Errorf("saved %d bytes: %.200s", len(got), got)
	}
}

// Documents as a view has them, and as a query finds them.
func TestPageViewAndMango(t *testing.T) {
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	p.do(201, "PUT", "/notes/_design/app", `{"views":{"by_eggs":{"map":"function (d) { if (d.eggs) emit(d.eggs, d.title) }","reduce":"_count"}}}`)
	var docs []string
	for i := range 250 {
		docs = append(docs, fmt.Sprintf(`{"_id":"r%03d","eggs":%d,"title":"Recipe %d","price":%d.0}`, i, i+1, i, i))
	}
	p.do(201, "POST", "/notes/_bulk_docs", `{"docs":[`+strings.Join(docs, ",")+`]}`)
	b.signIn()
	b.open("#/db/notes/docs?by=view")
	b.sees("250 rows", "Recipe 0")
	b.fill("Jump to key", "200")
	b.press(kb.Enter)
	b.finds("link", "r199")
	b.open("#/db/notes/docs?by=mango")
	b.fill("Mango query", `{"selector":{"eggs":{"$gt":40}}}`)
	b.click("button", "Find")
	b.sees("The first 100; more come as you scroll", `"price":40.0`)
	b.eval(`document.querySelector('.table').scrollTop = 1e6`)
	b.sees("The first 200; more come as you scroll")
}
