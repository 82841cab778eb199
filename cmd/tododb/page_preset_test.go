package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// A web page from another origin synchronizes by PouchDB, live, with a server that was started for it: the
// browser asks first whether it may, and nobody has set anything.
func TestPresetSynchronizesAPageFromElsewhere(t *testing.T) {
	t.Parallel()
	dir := scriptFolder(t)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/pouchdb.js" {
			http.ServeFile(w, r, filepath.Join(dir, "node_modules", "pouchdb", "dist", "pouchdb.min.js"))
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!doctype html><html lang="en"><title>Recipes</title><link rel="icon" href="data:,"><script src="pouchdb.js"></script><p>A page of somebody else</p></html>`)
	}))
	t.Cleanup(app.Close)
	base, out, _ := background(t, "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--log-level", "none", "--config", quickLogins(t), "--preset", "pouchdb", "--origins", app.URL)
	password := printed(t, out, `the user pouchdb has the password (\w+),`)
	put := func(id, body string) {
		t.Helper()
		if got := send(t, "PUT", base+"/pouchdb/"+id, "pouchdb", password, body); got != 201 {
			t.Fatalf("PUT %s: %d", id, got)
		}
	}
	put("from-here", `{"x":1}`)
	b := browse(t, &process{base: app.URL})
	b.base = app.URL + "/"
	b.open("")
	b.sees("A page of somebody else")
	b.eval(fmt.Sprintf(`
		window.local = new PouchDB('recipes')
		window.remote = new PouchDB(%q, {auth: {username: 'pouchdb', password: %q}})
		window.sync = local.sync(remote, {live: true, retry: true})
		local.put({_id: 'from-there', note: 'déjà vu', _attachments: {photo: {content_type: 'text/plain', data: btoa('a picture')}}}).then((r) => r.ok)`, base+"/pouchdb", password))
	b.until("what the server had", chromedp.Evaluate[bool]("local.get('from-here').then((d) => d.x === 1, () => false)", chromedp.EvalAwaitPromise))
	within(t, patience, func() bool {
		return get(t, base+"/pouchdb/from-there/photo", "pouchdb", password) == 200
	})
	put("later", `{"x":2}`)
	b.until("what comes later", chromedp.Evaluate[bool]("local.get('later').then((d) => d.x === 2, () => false)", chromedp.EvalAwaitPromise))

	// With a session's cookie, as apps sign in.
	signedIn := b.eval(fmt.Sprintf(`fetch(%q, {method: 'POST', credentials: 'include', headers: {'Content-Type': 'application/json'}, body: JSON.stringify({name: 'pouchdb', password: %q})}).then((r) => r.json()).then((a) => a.name)`, base+"/_session", password))
	if signedIn != `"pouchdb"` {
		t.Errorf("signed in as %s", signedIn)
	}
	b.eval("sync.cancel(); local.destroy().then(() => true)")
}
