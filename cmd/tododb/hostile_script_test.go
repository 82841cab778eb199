package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/store/widetest"
)

// scriptLimit is what one call of a function may take in these tests.
const scriptLimit = 300 * time.Millisecond

// TestHostileScripts has the administrator of a database write functions of every kind that are
// meant to end, hang or bloat the server.
func TestHostileScripts(t *testing.T) {
	widetest.Only(t)
	besideOthers(t)
	s := besiege(t, confinement{Memory: 768 << 20}, fmt.Sprintf("[couchdb]\nos_process_timeout = %d\n", scriptLimit.Milliseconds()))
	s.run(explosions(t, func(name string) bool { return !strings.HasPrefix(name, "ok_") }))
}

// TestHostileSlowScripts has functions that harm nobody. They must get what they ask for, even
// if an engine is bad at it.
func TestHostileSlowScripts(t *testing.T) {
	widetest.Only(t)
	besideOthers(t)
	s := besiege(t, confinement{Memory: 768 << 20}, "")
	s.name = t.Name()
	s.run(explosions(t, func(name string) bool { return strings.HasPrefix(name, "ok_") }))
}

// explosions are the attacks with the bombs whose names are wanted.
func explosions(t *testing.T, wanted func(name string) bool) (attacks []attack) {
	bombs := bombs(t)
	for i, name := range slices.Sorted(maps.Keys(bombs)) {
		if !wanted(name) {
			continue
		}
		for j, kind := range functionKinds {
			attacks = append(attacks, attack{
				name: name + " " + kind.name,
				want: bombWant(name) + map[bool]string{true: "|cut"}[kind.name == "list"], // an answer that has begun can only be cut off
				do:   func(s *siege) string { return kind.explode(s, bombs[name]) },
				long: !slices.Contains(sampleBombs, name) || (i+j)%8 != 0,
			})
		}
	}
	return attacks
}

// bombs are the bodies of functions that try to do harm, by name. If the name begins with "ok_",
// the function only takes long if an engine is bad at it.
func bombs(t *testing.T) (all map[string]string) {
	t.Helper()
	text, err := os.ReadFile("../../store/script/worker/testdata/bombs.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &all); err != nil || len(all) < 80 {
		t.Fatalf("%d bombs, %v", len(all), err)
	}
	return all
}

var (
	// sampleBombs has one bomb for each kind of harm, for the short form.
	sampleBombs = []string{"flat", "split28", "replace16", "bind", "globals", "loop", "recursion", "regex_nested", "array_doubling", "catch_", "emit_many", "ok_unshift"}
	// endlessBombs never come to an end by themselves, whatever bounds an engine has.
	endlessBombs = []string{"loop", "array_push", "parse_loop", "catch_", "finally_", "iter_destruct", "symbol_iter", "map_loop"}
	// slowBombs do in a loop what docs/design-functions.md advises against: goja copies the whole
	// text at each +=, moves all entries at each shift and looks through all names at each delete.
	// With this many it may need longer than a function has.
	slowBombs = []string{"ok_concat", "ok_concat_read", "ok_shift", "ok_delete"}
)

// bombWant is the outcome for a bomb. An endless one must not look as if it had ended, and in all
// cases the answer comes from the server.
func bombWant(name string) string {
	switch {
	case slices.Contains(slowBombs, name):
		return `20[01]|500 os_process_error`
	case strings.HasPrefix(name, "ok_"):
		return "20[01]"
	case slices.Contains(endlessBombs, name):
		return "(500|400) .+"
	}
	return `20[01]|[45]\d\d .+`
}

// functionKind is a kind of function of design documents, and what calls it.
type functionKind struct {
	name    string
	design  func(body string) any // the design document with a function of this body
	explode func(s *siege, body string) string
}

// collected defines an emit that keeps its rows, for functions that have none.
const collected = "var out=[];var emit=function(k,v){out.push(k,v)};var doc={};"

var functionKinds = []functionKind{
	bombKind("map", func(f string) any { return views("function(doc){"+f+"}", "") }, "GET", "_view/v?limit=3"),
	bombKind("reduce", func(f string) any {
		return views("function(doc){emit(doc._id,1)}", "function(keys,values,rereduce){"+collected+f+";return 1}")
	}, "GET", "_view/v"),
	bombKind("filter", func(f string) any {
		return map[string]any{"filters": map[string]any{"f": "function(doc,req){" + collected + f + ";return true}"}}
	}, "GET", "../../_changes?limit=3&filter=bomb/f"),
	bombKind("validate", func(f string) any {
		return map[string]any{"validate_doc_update": "function(n,o,user,sec){" + collected + f + "}"}
	}, "PUT", "../../bombed"),
	bombKind("update", func(f string) any {
		return map[string]any{"updates": map[string]any{"u": "function(doc,req){" + collected + f + ";return [null,'done']}"}}
	}, "POST", "_update/u/doc01"),
	bombKind("show", func(f string) any {
		return map[string]any{"shows": map[string]any{"s": "function(doc,req){" + collected + f + ";return 'done'}"}}
	}, "GET", "_show/s/doc01"),
	bombKind("list", func(f string) any {
		d := views("function(doc){emit(doc._id,1)}", "")
		d["lists"] = map[string]any{"l": "function(head,req){" + collected + f + ";while(getRow());return 'done'}"}
		return d
	}, "GET", "_list/l/v"),
	bombKind("rewrite", func(f string) any {
		return map[string]any{"rewrites": "function(req){" + collected + f + ";return '../../doc01'}"}
	}, "GET", "_rewrite/x"),
}

func views(mapper, reducer string) map[string]any {
	v := map[string]any{"map": mapper}
	if reducer != "" {
		v["reduce"] = reducer
	}
	return map[string]any{"views": map[string]any{"v": v}}
}

// bombKind makes a kind whose functions are called by a request of a path below its design document.
func bombKind(name string, design func(body string) any, method, path string) functionKind {
	k := functionKind{name: name, design: design}
	k.explode = func(s *siege, body string) string {
		text, err := json.Marshal(design(body))
		if err != nil {
			panic(err)
		}
		const at = "/doras/_design/bomb"
		put := s.ask(dora, "PUT", at, text)
		if put.status != 201 {
			return put.String()
		}
		target := at + "/" + path
		if below, ok := strings.CutPrefix(path, "../../"); ok {
			target = "/doras/" + below
		}
		body = ""
		if method == "PUT" {
			body = "{}"
		}
		got := s.ask(dora, method, target, body)
		if got.took > 4*scriptLimit+lateBy && got.status >= 300 && !strings.Contains(s.name, "Slow") {
			s.t.Errorf("%s: answered %v after %v, want not much more than %v", name, got, got.took, scriptLimit)
		}
		// It can be deleted even while its functions are at work.
		for _, path := range []string{at, "/doras/bombed"} {
			now := s.ask(dora, "HEAD", path, nil)
			if now.status == 200 {
				if gone := s.ask(dora, "DELETE", path, nil, head("If-Match: "+strings.Trim(now.header.Get("ETag"), `"`))); gone.status != 200 {
					s.t.Errorf("%s: deleting %s: %v", name, path, gone)
				}
			}
		}
		return got.String()
	}
	return k
}

// lateBy is how much later than its limit a call may be answered: a worker starts first, and
// this machine has other things to do. If it is so busy that a call hardly gets a processor, the
// limit is four times as long.
const lateBy = 15 * time.Second
