package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/tododb/tododb/store/widetest"
)

// loadAgain has a document's screen load it, and waits for its revision.
func (b *browser) loadAgain(rev string) {
	b.t.Helper()
	b.click("button", "More for this document")
	b.click("menuitem", "Load again")
	b.until("see revision "+rev, chromedp.Evaluate[bool](fmt.Sprintf(`document.querySelector('.doc-head .badge')?.title === %q`, rev)))
}

// The editor shows what is saved once it has no changes of the visitor, whatever it has shown before.
func TestPageShowsWhatIsSaved(t *testing.T) {
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	p.do(201, "PUT", "/notes/cake", `{"n":1}`)
	somebodySaves := func(doc string) string {
		return docRev(p, p.do(201, "PUT", "/notes/cake?rev="+docRev(p, p.do(200, "GET", "/notes/cake", "")), doc))
	}
	b.signIn()
	b.open("#/db/notes/doc/cake")
	b.sees(`"n": 1`)
	b.fill(content, "{\n  \"n\": 2\n}") // to the letter as it is shown when it is loaded
	b.click("button", "Save")
	b.misses("Not saved")
	p.holds("/notes/cake", `"n":2`)
	b.loadAgain(somebodySaves(`{"n":1}`)) // as it was at first
	b.sees(`"n": 1`)

	b.fill(content, `{"n":3}`)
	b.loadAgain(somebodySaves(`{"n":7}`))
	b.sees(`{"n":3}`, "Not saved")
	b.click("button", "Undo all changes")
	b.sees(`"n": 7`)
}

// While the visitor decides between their version and that of somebody else, a third one is saved: nothing of
// it is overwritten unseen, and what the visitor has made of two stays.
func TestPageCollisionAgain(t *testing.T) {
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	rev := docRev(p, p.do(201, "PUT", "/notes/cake", `{"title":"Cake","eggs":2,"milk":100}`))
	b.signIn()
	b.open("#/db/notes/doc/cake")
	b.sees(`"eggs": 2`)
	rev = docRev(p, p.do(201, "PUT", "/notes/cake?rev="+rev, `{"title":"Cake","eggs":2,"milk":200}`))
	b.fill(content, `{"title":"Cake","eggs":3,"milk":100}`)
	b.click("button", "Save")
	b.sees("both can stay", rev[:10])
	rev = docRev(p, p.do(201, "PUT", "/notes/cake?rev="+rev, `{"title":"Torte","eggs":2,"milk":300}`))
	b.click("button", "Save the result")
	b.sees(rev[:10])
	b.click("button", "Write by hand")
	b.sees(`"title": "Torte"`, `"eggs": 3`, `"milk": 300`)
	b.fill("The result, written by hand", `{"title":"Torte","eggs":4,"milk":300}`)
	b.asks("going back to the fields", func() { b.click("button", "Back to the fields") })
	b.sees(`"eggs":4`)
	rev = docRev(p, p.do(201, "PUT", "/notes/cake?rev="+rev, `{"title":"Torte","eggs":2,"milk":400}`))
	b.click("button", "Save the result")
	b.sees(rev[:10])
	b.eval("window.confirm = () => true")
	b.press(kb.Escape)
	b.misses("Somebody else has saved this document")
	b.sees(`"eggs":4`, "Not saved")
	b.click("button", "Save")
	b.sees("both can stay")
	b.click("button", "Save the result")
	b.sees("Saved.")
	p.holds("/notes/cake", `"title":"Torte","eggs":4,"milk":400}`)
}

// Who has gone on writing when somebody else's version shows is not interrupted.
func TestPageCollisionLate(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	rev := docRev(p, p.do(201, "PUT", "/notes/cake", `{"eggs":2,"milk":100}`))
	b.signIn()
	b.open("#/db/notes/doc/cake")
	b.sees(`"eggs": 2`)
	p.do(201, "PUT", "/notes/cake?rev="+rev, `{"eggs":2,"milk":200}`)
	b.eval(slowNetwork)
	b.fill(content, `{"eggs":3,"milk":100}`)
	b.click("button", "Save")
	b.until("ask", chromedp.Evaluate[bool]("held.length > 0"))
	b.fill(content, `{"eggs":3,"milk":100,"flour`)
	b.eval("held.forEach((go) => go())")
	b.sees("Save again, and you see both versions.", `"flour`)
	b.fill(content, `{"eggs":3,"milk":100,"flour":1}`)
	b.eval("held.length = 0")
	b.click("button", "Save")
	b.until("ask again", chromedp.Evaluate[bool]("held.length > 0"))
	b.eval("held.splice(0).forEach((go) => go())")
	b.sees("both can stay")
	b.click("button", "Save the result")
	b.until("save the result", chromedp.Evaluate[bool]("held.length > 0"))
	b.eval("held.splice(0).forEach((go) => go())")
	b.sees("Saved.")
	p.holds("/notes/cake", `"eggs":3,"milk":200,"flour":1}`)
}

// Somebody else deletes the document while the visitor writes: what the visitor has is kept whole.
func TestPageCollisionDeleted(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	rev := docRev(p, p.do(201, "PUT", "/notes/cake", `{"title":"Cake","eggs":2}`))
	b.signIn()
	b.open("#/db/notes/doc/cake")
	b.sees(`"eggs": 2`)
	p.do(200, "DELETE", "/notes/cake?rev="+rev, "")
	b.fill(content, `{"title":"Cake","eggs":3}`)
	b.click("button", "Save")
	b.sees("What you save makes it live again.")
	b.click("button", "Save the result")
	b.sees("Saved.")
	p.holds("/notes/cake", `"title":"Cake"`, `"eggs":3`)
}

// What fails in a dialog is told in it: what stands behind a dialog is read to nobody.
func TestPageDialogTellsWhatFails(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	p.do(201, "PUT", "/notes/_design/rules", `{"validate_doc_update":"function (doc) { if (doc.eggs + doc.milk > 4) throw({forbidden: 'too much'}) }"}`)
	p.do(200, "POST", "/notes/_index", `{"index":{"fields":["eggs"]},"name":"by-eggs","ddoc":"eggs"}`)
	rev := docRev(p, p.do(201, "PUT", "/notes/cake", `{"eggs":1,"milk":1}`))
	b.signIn()
	tells := func(text string) {
		t.Helper()
		b.until("say it in the dialog", chromedp.Evaluate[bool](fmt.Sprintf(`document.querySelector('dialog [role=alert]')?.innerText.includes(%q) ?? false`, text)))
		b.press(kb.Escape)
		b.until("close the dialog", chromedp.Evaluate[bool](`document.querySelector('dialog') === null`))
	}
	b.open("#/db/notes/doc/cake")
	b.sees(`"eggs": 1`)
	p.do(201, "PUT", "/notes/cake?rev="+rev, `{"eggs":1,"milk":2}`)
	b.fill(content, `{"eggs":3,"milk":1}`)
	b.click("button", "Save")
	b.sees("both can stay")
	b.click("button", "Save the result")
	tells("too much")
	b.eval("window.confirm = () => true")

	b.open("#/tokens")
	b.click("button", "New token")
	b.fill("Device", "phone")
	b.fill("Databases", "notes")
	b.click("button", "Make it")
	b.click("button", "It is on the device")
	b.eval(`window.fetch = ((send) => async (a, o) => { if (o.method === 'DELETE') throw new TypeError('no network'); return send(a, o) })(window.fetch)`)
	const silent = "The server does not answer."
	b.click("button", "Revoke the token of phone")
	b.click("button", "Revoke")
	tells(silent)
	b.open("#/db/notes/mango")
	b.click("button", "Delete the index by-eggs")
	b.click("button", "Delete")
	tells(silent)
	b.open("#/db/notes/design")
	b.click("button", "Delete rules")
	b.fill("Type the name", "rules")
	b.click("button", "Delete")
	tells(silent)
	b.open("#/db/notes/security")
	b.click("button", "Delete this database")
	b.fill("To be sure, type its name", "notes")
	b.click("button", "Delete for good")
	tells(silent)
}

// A text in a dialog is marked with the mouse, which is let go beside it. That does not close the dialog.
func TestPageDialogStaysWhileTextIsMarked(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	b.signIn()
	b.open("#/tokens")
	b.click("button", "New token")
	b.fill("Device", "phone")
	b.fill("Databases", "notes")
	b.click("button", "Make it")
	b.sees("It is shown only now.")
	mouse := func(what input.DispatchMouseEventType, x float64) chromedp.Action[chromedp.Void] {
		return command(input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: what, X: x, Y: 300, Button: input.MouseButtonLeft, ClickCount: 1})
	}
	b.eval(`window.clicks = 0; addEventListener('click', () => clicks++, {capture: true})`)
	b.do("mark a text", mouse(input.DispatchMouseEventTypeMousePressed, 640), mouse(input.DispatchMouseEventTypeMouseMoved, 1250), mouse(input.DispatchMouseEventTypeMouseReleased, 1250))
	b.until("a click", chromedp.Evaluate[bool]("clicks === 1"))
	b.sees("It is shown only now.")
	b.do("press beside it, and let go in it", mouse(input.DispatchMouseEventTypeMousePressed, 1250), mouse(input.DispatchMouseEventTypeMouseMoved, 640), mouse(input.DispatchMouseEventTypeMouseReleased, 640))
	b.until("another click", chromedp.Evaluate[bool]("clicks === 2"))
	b.sees("It is shown only now.")
	beside := func() {
		t.Helper()
		b.do("click beside it", mouse(input.DispatchMouseEventTypeMousePressed, 1250), mouse(input.DispatchMouseEventTypeMouseReleased, 1250))
	}
	b.asks("a click beside it", beside) // since a token is not shown again
	b.asks("Esc", func() { b.press(kb.Escape) })
	b.sees("It is shown only now.")
	b.click("button", "It is on the device")
	b.misses("It is shown only now.")
	b.click("button", "New token")
	b.sees("Only ids that begin with")
	beside()
	b.misses("Only ids that begin with")
}

// Two people change who may use a database. Neither loses what the other has saved.
func TestPageTwoWindows(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	p.do(200, "PUT", "/notes/_security", `{"admins":{"names":[],"roles":["_admin"]},"members":{"names":["ben","carl"],"roles":[]}}`)
	b.signIn()
	b.open("#/db/notes/security")
	b.fill("Members: users", "anna")
	b.press(kb.Enter)
	b.click("button", "Remove ben")
	p.do(200, "PUT", "/notes/_security", `{"admins":{"names":["zoe"],"roles":["_admin"]},"members":{"names":["ben","dora"],"roles":[]}}`)
	b.click("button", "Save")
	b.sees("Saved who may use the database.", "zoe", "dora")
	if got := p.do(200, "GET", "/notes/_security", ""); !strings.Contains(got, `"names":["zoe"]`) || !strings.Contains(got, `"names":["dora","anna"]`) {
		t.Errorf("after two people have changed it, security is %s", got)
	}

	// What is changed before the lists have come again is added to what comes.
	b.fill("Members: users", "eve")
	b.press(kb.Enter)
	p.do(200, "PUT", "/notes/_security", `{"admins":{"names":["zoe","yara"],"roles":["_admin"]},"members":{"names":["dora","anna"],"roles":[]}}`)
	b.eval("window.saved = false")
	b.hold("path === '/notes/_security' && (opt.method === 'PUT' ? (saved = true, false) : saved)")
	b.click("button", "Save")
	b.holds()
	b.fill("Members: users", "fay")
	b.press(kb.Enter)
	b.eval("letGo()")
	b.sees("yara", "fay")
	b.click("button", "Save")
	b.until("have nothing to save", chromedp.Evaluate[bool]("![...document.querySelectorAll('.card button')].some((x) => x.innerText === 'Undo')"))
	p.holds("/notes/_security", `"names":["zoe","yara"]`, `"names":["dora","anna","eve","fay"]`)
}

// Two people change the same view. The second one sees what the first has saved before it is overwritten.
func TestPageTwoWindowsOfAView(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	rev := docRev(p, p.do(201, "PUT", "/notes/_design/app", `{"views":{"v":{"map":"function (d) { emit(1) }"}}}`))
	b.signIn()
	b.open("#/db/notes/design")
	b.click("button", "Edit the view v of app")
	b.fill("Map function", "function (d) { emit(2) }")
	p.do(201, "PUT", "/notes/_design/app?rev="+rev, `{"views":{"v":{"map":"function (d) { emit(3) }"}}}`)
	b.click("button", "Save")
	b.sees("Somebody else has changed this view", "emit(3)", "emit(2)")
	p.holds("/notes/_design/app", "emit(3)")
	b.everythingHasAName()
	b.click("button", "Save over theirs")
	b.sees("v is saved.")
	p.holds("/notes/_design/app", "emit(2)")
}

// Files that are being sent are not given up without a question.
func TestPageAsksBeforeItGivesUpFiles(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	p.do(201, "PUT", "/notes/cake", `{"eggs":1}`)
	b.signIn()
	b.open("#/db/notes/doc/cake?tab=attachments")
	b.finds("button", "Choose files")
	b.eval(`(() => {
		const send = XMLHttpRequest.prototype.send
		XMLHttpRequest.prototype.send = function (body) { window.go = () => send.call(this, body) }
		const all = new DataTransfer()
		all.items.add(new File(['a label'], 'label.txt'))
		const field = document.querySelector('input[type=file]')
		field.files = all.files
		field.dispatchEvent(new Event('change', { bubbles: true }))
	})()`)
	b.sees("label.txt")
	b.asks("another tab", func() { b.click("link", "Content") })
	b.asks("another screen", func() { b.click("link", "Changes") })
	b.eval("go()")
	b.sees("Added label.txt.")
	p.holds("/notes/cake", `"label.txt":{`)
	b.click("link", "Content") // and nobody is asked any more
	b.sees(`"eggs": 1`)
}

func manyDocs(p *process, db, format string, from, to int) {
	var docs []string
	for i := from; i < to; i++ {
		docs = append(docs, fmt.Sprintf(format, i))
	}
	p.do(201, "POST", "/"+db+"/_bulk_docs", `{"docs":[`+strings.Join(docs, ",")+`]}`)
}

// Documents come in before those that are seen. Every row is in its place then, once.
func TestPageListGrows(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/many", "")
	manyDocs(p, "many", `{"_id":"m-%04d"}`, 0, 1000)
	b.signIn()
	b.open("#/db/many/docs")
	b.sees("1,000 documents")
	b.eval(`(() => { const send = window.fetch; window.infos = 0; window.fetch = async (a, o) => {
		const answer = await send(a, o)
		if (new URL(a, location.href).pathname === '/many') infos++
		return answer
	} })()`)
	b.fill("Jump to id", "m-0985")
	b.press(kb.Enter)
	b.finds("link", "m-0999")
	b.until("know the present state", chromedp.Evaluate[bool]("infos > 0"))
	manyDocs(p, "many", `{"_id":"a-%04d"}`, 0, 100)
	b.sees("1,100 documents")
	// The rows that are seen are those before 1,000 of 1,100.
	b.until("see the row in its place", chromedp.Evaluate[bool](`document.querySelector('tr[data-row="985"]')?.innerText.startsWith('m-0885') && document.querySelector('tr[data-row="1000"]')?.innerText.startsWith('m-0900')`))
}

// hold has the page wait for answers to some requests until the test lets them go: those for which is, of the
// path with its query and the body, is true.
func (b *browser) hold(is string) {
	b.t.Helper()
	b.eval(`(() => {
		const send = window.fetch
		window.held = []
		window.fetch = async (address, opt) => {
			const url = new URL(address, location.href), path = decodeURIComponent(url.pathname + url.search), body = String(opt.body ?? '')
			if (window.held && (` + is + `)) await new Promise((go, give) => {
				held.push(go)
				opt.signal?.addEventListener('abort', () => give(opt.signal.reason))
			})
			return send(address, opt)
		}
		window.letGo = () => { const all = held; held = undefined; all.forEach((go) => go()) }
	})()`)
}

func (b *browser) holds() {
	b.t.Helper()
	b.until("wait for an answer", chromedp.Evaluate[bool]("held.length > 0"))
}

const toTheEnd = `document.querySelector('.table').scrollTop = 1e6`

// What a query has found is of the one that was asked last, all of it and nothing else, in whatever order answers come.
func TestPageMangoRowsAreOfOneQuery(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	manyDocs(p, "notes", `{"_id":"old%03d","kind":"old"}`, 0, 240)
	manyDocs(p, "notes", `{"_id":"new%03d","kind":"new"}`, 0, 10)
	b.signIn()
	b.open("#/db/notes/docs?by=mango")
	b.fill("Mango query", `{"selector":{"kind":"old"},"skip":5}`)
	b.click("button", "Find")
	b.sees("The first 100; more come as you scroll", "old005")
	b.hold("body.includes('bookmark')")
	b.eval(toTheEnd)
	b.holds()
	b.fill("Mango query", `{"selector":{"kind":"new"}}`)
	b.click("button", "Find")
	b.sees("10 found")
	b.eval("letGo()")
	b.eval("new Promise((shown) => requestAnimationFrame(() => setTimeout(shown, 300)))")
	b.sees("10 found", "new009")

	b.fill("Mango query", `{"selector":{"kind":"old"},"skip":5}`)
	b.click("button", "Find")
	b.sees("The first 100; more come as you scroll")
	b.eval(`(() => { const send = window.fetch; window.tries = 0; window.fetch = (a, o) => String(o.body).includes('bookmark') && window.tries !== undefined ? (tries++, Promise.reject(new TypeError('no network'))) : send(a, o) })()`)
	b.eval(toTheEnd)
	b.sees("The server does not answer.", "The first 100; more come as you scroll")
	if tries := b.eval("tries"); tries != "1" {
		t.Errorf("without a network the page asks for more %s times at once", tries)
	}
	b.eval("delete window.tries")
	b.click("button", "Try again")
	b.sees("The first 200; more come as you scroll")
	b.eval(toTheEnd)
	b.sees("235 found")
	b.eval(toTheEnd)
	b.sees("old239")
}

// More rows of a view belong to the range that was asked, whatever is typed since.
func TestPageViewRowsAreOfOneQuestion(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	p.do(201, "PUT", "/notes/_design/app", `{"views":{"v":{"map":"function (d) { emit(d._id) }"}}}`)
	manyDocs(p, "notes", `{"_id":"r%03d"}`, 0, 250)
	b.signIn()
	b.open("#/db/notes/design?view=app%2Fv")
	b.sees("The first 100; more come as you scroll")
	b.fill("From key", `"r150"`) // and is not asked yet
	b.eval(toTheEnd)
	b.sees("The first 200; more come as you scroll")
	b.eval(`document.querySelector('.table').scrollTop = 3900`)
	b.until("see the rows that follow", chromedp.Evaluate[bool](`document.querySelector('tr[data-row="100"]')?.innerText.includes('r100')`))
}

// More documents of a backup belong to the ids that are looked for.
func TestPageBackupRowsAreOfOneQuestion(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	_, b := servePage(t)
	b.signIn()
	// The server has no backup.
	b.eval(`(() => { const send = window.fetch; window.fetch = async (a, o) => {
		const url = new URL(a, location.href)
		if (!url.pathname.startsWith('/_backups/b/')) return send(a, o)
		await send('/', o)
		const key = JSON.parse(url.searchParams.get('startkey')), next = key === '' || key === 'z' ? key + 'next' : null
		return Response.json({ rows: [{ id: 'after ' + key, rev: '1-a', deleted: false, leaves: [{ rev: '1-a', deleted: false }], revisions: 1 }], next })
	} })()`)
	b.hold(`path.includes('"next"')`)
	b.open("#/backups?id=b&db=notes")
	b.click("button", "More")
	b.holds()
	b.fill("Ids that begin with", "z")
	b.click("button", "Find")
	b.sees("after z")
	b.eval("letGo()")
	b.eval("new Promise((shown) => requestAnimationFrame(() => setTimeout(shown, 300)))")
	b.misses("after next")
	b.click("button", "More")
	b.sees("after znext")
}

// The server is started again while its databases and its log are looked at: the page goes on.
func TestPageServerRestarts(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	dir := t.TempDir()
	p := startServer(t, dir, "")
	b := browse(t, p)
	p.do(201, "PUT", "/notes", "")
	b.signIn()
	b.finds("link", "notes")
	other := browse(t, p)
	other.signIn()
	other.open("#/operate")
	other.sees("What is going on")
	other.until("see the log", chromedp.Evaluate[bool]("document.querySelectorAll('.operate-log li').length > 3"))
	p.stop()
	p = startServer(t, dir, p.address())
	p.do(201, "PUT", "/recipes", "")
	p.do(201, "PUT", "/notes/cake", "{}")
	b.finds("link", "recipes")
	b.until("see the new count", chromedp.Evaluate[bool](`[...document.querySelectorAll('tr')].some((row) => /^notes\t1/.test(row.innerText))`))
	other.sees("listening")
	for _, w := range []*browser{b, other} {
		w.do("leave", chromedp.Navigate("about:blank"))
		w.mu.Lock()
		w.wrong = nil // that the server was not there
		w.mu.Unlock()
	}
}

// Without a network nobody knows what is going on, and nothing old passes for it.
func TestPageTasksWithoutNetwork(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	_, b := servePage(t)
	b.signIn()
	b.open("#/operate")
	tells := func(text string) {
		t.Helper()
		b.until("say "+text, chromedp.Evaluate[bool](fmt.Sprintf(`document.querySelector('[aria-labelledby="operate-tasks"]')?.innerText.includes(%q) ?? false`, text)))
	}
	tells("Nothing but requests.")
	b.eval(`window.cut = true; window.fetch = ((send) => async (a, o) => { if (window.cut) throw new TypeError('no network'); return send(a, o) })(window.fetch)`)
	tells("The server does not answer.")
	b.eval("cut = false")
	tells("Nothing but requests.")
}

// Views of a partitioned database are asked within one partition, on both screens that show them.
func TestPagePartitioned(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes?partitioned=true", "")
	p.do(201, "PUT", "/notes/_design/within", `{"views":{"v":{"map":"function (d) { emit(d._id) }"}}}`)
	p.do(201, "PUT", "/notes/_design/across", `{"options":{"partitioned":false},"views":{"w":{"map":"function (d) { emit(d._id) }"}}}`)
	for _, id := range []string{"a:1", "a:2", "b:1"} {
		p.do(201, "PUT", "/notes/"+id, "{}")
	}
	b.signIn()
	b.open("#/db/notes/design?view=within%2Fv")
	b.sees("Which partition?")
	b.fill("Partition", "a")
	b.press(kb.Enter)
	b.sees("2 rows", "a:2")
	b.open("#/db/notes/design?view=across%2Fw")
	b.sees("3 rows")
	b.open("#/db/notes/docs?by=view&view=within%2Fv")
	b.sees("This view is asked within one partition")
	b.everythingHasAName()
	b.click("link", "Ask the view")
	b.sees("Which partition?")
	b.open("#/db/notes/docs?by=view&view=across%2Fw")
	b.sees("3 rows", "a:1")
}
