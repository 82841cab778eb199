package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Any page of a database is damaged in any way. The database says so or answers as if nothing had
// happened, and another database answers all the time. A sound file in its place is used without
// a restart. check looks at every database and comes to its end.
func TestDamageStaysInItsDatabase(t *testing.T) {
	t.Parallel()
	const page = 4096
	dir := t.TempDir()
	server := startServer(t, dir, "")
	for _, db := range []string{"/db", "/other"} {
		server.do(201, "PUT", db, "")
	}
	fill(server, 300)
	server.do(201, "PUT", "/db/_design/d", `{"views":{"v":{"map":"function(doc){emit(doc.n,1)}","reduce":"_count"}}}`)
	server.do(200, "GET", "/db/_design/d/_view/v", "")
	databases := filepath.Join(dir, "databases")
	inFile(t, server, "db")
	good, err := os.ReadFile(filepath.Join(databases, "db.bolt"))
	if err != nil {
		t.Fatal(err)
	}
	pages := len(good) / page
	random := rand.New(rand.NewPCG(4, 6))
	harms := map[string]func(p []byte){
		"zeroed":  func(p []byte) { clear(p) },
		"noise":   func(p []byte) { fillNoise(random, p) },
		"another": func(p []byte) { copy(p, bytes.Clone(good[random.IntN(pages)*page:][:page])) },
		"flipped": func(p []byte) { p[random.IntN(200)] ^= 1 << random.IntN(8) },
	}
	damaged := 0
	tried := 0
	for n := range pages {
		if testing.Short() && n%5 != 0 {
			continue
		}
		for _, name := range []string{"zeroed", []string{"noise", "another", "flipped"}[n%3]} {
			harm := harms[name]
			tried++
			db := fmt.Sprintf("d%d-%s", n, name)
			bad := bytes.Clone(good)
			harm(bad[n*page:][:page])
			path := filepath.Join(databases, db+".bolt")
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			if useDamaged(t, server, db) {
				damaged++
			}
			server.do(201, "POST", "/other", "{}")
			if n%7 == 0 { // an operator brings a copy back
				if err := os.WriteFile(path+".copy", good, 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(path+".copy", path); err != nil {
					t.Fatal(err)
				}
				await(t, "the whole file", func() bool { return status(t, server, "/"+db+"/_all_docs") == 200 })
				if err := os.WriteFile(path, bad, 0o600); err != nil { // for check
					t.Fatal(err)
				}
			}
		}
	}
	if damaged < tried/2 {
		t.Errorf("of %d damaged databases %d have said so", tried, damaged)
	}
	if !strings.Contains(server.log.String(), "d2-zeroed.bolt") && !testing.Short() {
		t.Error("the log does not name the file")
	}
	server.stop()

	out, code := tododb(t, "check", "--data", dir)
	if code != 3 || !strings.Contains(out, "d5-zeroed: ") || strings.Contains(out, "goroutine ") || strings.Contains(out, "\ndb: ") || strings.Contains(out, "\nother: ") {
		t.Errorf("check: exit %d\n%s", code, out)
	}
	if n := strings.Count(out, "\n"); n < damaged {
		t.Errorf("check says %d lines, %d databases were damaged\n%s", n, damaged, out)
	}
}

func fillNoise(random *rand.Rand, p []byte) {
	for i := range p {
		p[i] = byte(random.Uint32())
	}
}

// useDamaged uses a database in every way, and tells whether it says that it is damaged.
func useDamaged(t *testing.T, server *process, db string) (damaged bool) {
	t.Helper()
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/0000007", ""}, {"PUT", "/0000007-x", "{}"}, {"GET", "/_all_docs?include_docs=true", ""},
		{"GET", "/_changes?include_docs=true", ""}, {"GET", "/_design/d/_view/v", ""}, {"POST", "/_bulk_docs", `{"docs":[{"_id":"0"},{"_id":"0000100-x"},{"_id":"zz"}]}`},
		{"POST", "/_compact", "{}"}, {"GET", "", ""}, {"PUT", "/0000250-x", "{}"},
	} {
		answer, err := http.DefaultClient.Do(server.request(c.method, "/"+db+c.path, c.body))
		if err != nil {
			t.Fatalf("%s %s%s: %v\n%s", c.method, db, c.path, err, server.log)
		}
		text, cut := io.ReadAll(answer.Body) // an answer that has begun is cut off
		answer.Body.Close()
		if answer.StatusCode == 500 && strings.Contains(string(text), `"database_damaged"`) {
			damaged = true
		} else if answer.StatusCode == 500 && strings.HasSuffix(db, "flipped") {
			// A bit of a document was changed: it is not JSON any more.
		} else if answer.StatusCode/100 != 2 && cut == nil && !strings.Contains(string(text), "damaged") && !(damaged && answer.StatusCode == 503) {
			t.Errorf("%s %s%s: %s %s", c.method, db, c.path, answer.Status, text)
		}
	}
	return damaged
}
