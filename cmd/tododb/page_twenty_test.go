package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/security"

	"github.com/tododb/tododb/store/widetest"
)

// Twenty live databases in one tab: over HTTPS all feeds and all writes share one connection, so none waits for
// another to end. Over plain HTTP a browser opens six connections, and the seventh feed would wait for ever.
func TestTwentyLiveDatabasesInOneTab(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	dir := t.TempDir()
	ini, uris := filepath.Join(dir, "tododb.ini"), filepath.Join(dir, "uris")
	if err := os.WriteFile(ini, []byte("[ssl]\nhttps = self\nport = 0\n[couchdb]\nuri_file = "+uris+"\n[chttpd_auth]\niterations = 10\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startServer(t, filepath.Join(dir, "data"), "", "--config", ini)
	t.Cleanup(p.stop)
	var secure string
	for end := time.Now().Add(patience); secure == ""; time.Sleep(5 * time.Millisecond) {
		text, _ := os.ReadFile(uris)
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "https://") {
				secure = strings.TrimSuffix(strings.TrimSpace(line), "/")
			}
		}
		if time.Now().After(end) {
			t.Fatalf("no HTTPS: %q", text)
		}
	}
	b := browse(t, p)
	b.base = secure + "/_utils/"
	b.do("trust the server", command(security.SetIgnoreCertificateErrors, security.SetIgnoreCertificateErrorsParams{Ignore: true}))
	b.signIn()
	var got struct {
		Rows     []string `json:"rows"`
		Protocol string   `json:"protocol"`
	}
	text := b.eval(fmt.Sprintf(liveDatabases, 20))
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if len(got.Rows) != 20 || got.Protocol != "h2" {
		t.Errorf("%d feeds have their row, over %q: %v", len(got.Rows), got.Protocol, got.Rows)
	}
	for i, row := range got.Rows {
		if !strings.Contains(row, fmt.Sprintf(`"id":"of live%d"`, i)) {
			t.Errorf("feed %d: %s", i, row)
		}
	}
}

// liveDatabases makes databases, opens a continuous feed of each, and, once all of them are open, writes a document
// into each. Its value is the row that each feed brings, while all stay open, and the protocol.
const liveDatabases = `(async () => {
	const names = [...Array(%d).keys()].map((n) => 'live' + n)
	const ask = async (path, init) => {
		const r = await fetch('/' + path, init)
		if (!r.ok) throw new Error(path + ': ' + r.status + ' ' + await r.text())
		return r
	}
	await Promise.all(names.map((db) => ask(db, {method: 'PUT'})))
	const feeds = await Promise.all(names.map((db) => ask(db + '/_changes?feed=continuous&since=now&heartbeat=500')))
	const rows = feeds.map(async (feed) => {
		const reader = feed.body.pipeThrough(new TextDecoderStream()).getReader()
		for (let text = ''; ; ) {
			const {done, value} = await reader.read()
			if (done) return 'the feed has ended: ' + text
			text += value
			const line = text.split('\n').find((l, i, all) => l.trim() && i < all.length - 1)
			if (line) return line
		}
	})
	await Promise.all(names.map((db) => ask(db + '/' + encodeURIComponent('of ' + db), {method: 'PUT', body: '{}'})))
	const all = await Promise.all(rows)
	let seen // the browser writes it down a while after the answer
	while (!(seen = performance.getEntriesByType('resource').find((e) => e.name.endsWith('/of%%20live0')))) await new Promise((r) => setTimeout(r, 20))
	return {rows: all, protocol: seen.nextHopProtocol}
})()`
