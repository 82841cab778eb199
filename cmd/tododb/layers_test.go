package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/tododb/tododb/"

// layer says what a package, and every package below it that has no row of its own,
// may import: of ours by prefix, and what it keeps away from of the rest. The most
// particular row counts.
type layer struct {
	path string
	ours []string // path prefixes; a package may always import those below it
	not  []string // import path prefixes that are refused all the same
}

// purity is what would make a package's answers depend on more than its arguments.
var purity = []string{"os", "io", "net", "context", "log", "time", "math/rand", "crypto/rand"}

const (
	bbolt = "go.etcd.io/bbolt"
	web   = "net/http"
	eng   = module + "store/engine"
)

// layers are the rules of the house: imports point down, bbolt is known to one
// package, HTTP to the rooms that speak it.
var layers = []layer{
	{"cmd/tododb", []string{""}, []string{bbolt}},
	{"httpapi", []string{"httpapi", "replicate", "store", "revtree"}, []string{bbolt, eng}},
	{"httpapi/config", nil, []string{bbolt, web}},
	{"httpapi/metrics", nil, []string{bbolt}},
	{"httpapi/audit", nil, []string{bbolt, web}},
	{"httpapi/tracing", nil, []string{bbolt, web}},
	{"httpapi/intake", nil, []string{bbolt, web}},
	{"httpapi/auth", []string{"store/fair", "store/jsonscan"}, []string{bbolt}},
	{"httpapi/uuids", nil, []string{bbolt, web}},
	{"httpapi/wire", []string{"httpapi/auth", "httpapi/uuids", "httpapi/config", "httpapi/intake", "replicate", "store", "revtree"}, []string{bbolt, eng}},
	// Rooms of the API stand on these, and none on another room: what one wants of another it
	// declares as an interface, or it moves down here.
	{"httpapi/attachments", []string{"httpapi/wire", "store", "revtree"}, []string{bbolt, eng}},
	{"httpapi/access", []string{"httpapi/attachments", "httpapi/wire", "httpapi/auth", "httpapi/config", "replicate", "store", "revtree"}, []string{bbolt, eng}},
	{"httpapi/write", []string{"httpapi/access", "httpapi/wire", "store", "revtree"}, []string{bbolt, eng}},
	{"httpapi/peruser", []string{"httpapi/access", "httpapi/auth", "httpapi/config", "httpapi/wire", "store"}, []string{bbolt, eng}},
	{"httpapi/documents", []string{"httpapi/write", "httpapi/access", "httpapi/attachments", "httpapi/wire", "httpapi/config", "httpapi/intake", "httpapi/metrics", "httpapi/uuids", "store", "revtree"}, []string{bbolt, eng}},
	{"httpapi/operate", []string{"httpapi/access", "httpapi/wire", "httpapi/auth", "httpapi/config", "httpapi/metrics", "httpapi/uuids", "store"}, []string{bbolt, eng}},
	{"httpapi/query", []string{"httpapi/access", "httpapi/attachments", "httpapi/wire", "store", "revtree"}, []string{bbolt, eng}},
	{"httpapi/account", []string{"httpapi/access", "httpapi/wire", "httpapi/auth", "httpapi/config", "httpapi/uuids", "store"}, []string{bbolt, eng}},
	{"httpapi/changes", []string{"httpapi/access", "httpapi/attachments", "httpapi/wire", "store"}, []string{bbolt, eng}},
	{"httpapi/replications", []string{"httpapi/access", "httpapi/wire", "replicate", "replicate/synchronize", "store"}, []string{bbolt, eng}},
	{"replicate", []string{"store", "revtree"}, []string{bbolt, eng}},
	{"replicate/synchronize", []string{"replicate", "store", "revtree"}, []string{bbolt, eng}},
	{"store", []string{"store", "revtree"}, []string{bbolt, web}},
	{"store/document", []string{"store/jsonscan", "revtree"}, []string{bbolt, web, "os"}},
	{"store/design", []string{"store", "revtree"}, []string{bbolt, web, "os"}},
	{"store/jsonscan", nil, []string{bbolt, web, "os"}},
	{"store/collate", []string{"store/jsonscan"}, []string{bbolt, web, "os"}},
	{"store/pattern", nil, purity},
	{"store/fair", nil, []string{bbolt, web, "os"}},
	{"store/script", []string{"store/jsonscan", "store/pattern"}, []string{bbolt, web, "os"}},
	{"store/script/worker", []string{"store/fair", "store/script", "store/collate", "store/jsonscan"}, []string{bbolt, web}},
	{"store/engine", nil, []string{bbolt, web}},
	{"store/engine/bolt", []string{"store/engine"}, []string{web}},
	{"store/engine/chaos", []string{"store/engine"}, []string{bbolt, web}},
	{"store/engine/enginetest", []string{"store/engine"}, []string{bbolt, web}},
	{"revtree", nil, append([]string{bbolt}, purity...)},
}

// rooms are the folders that packages may stand in.
var rooms = []string{"cmd/tododb", "httpapi", "replicate", "store", "revtree"}

func TestLayers(t *testing.T) {
	for _, p := range listPackages(t) {
		path := strings.TrimPrefix(p.ImportPath, module)
		if !slices.ContainsFunc(rooms, func(r string) bool { return below(path, r) }) {
			t.Errorf("%s stands in no room; there are %s", path, strings.Join(rooms, ", "))
			continue
		}
		rule := ruleFor(path)
		for _, imported := range p.Imports {
			if reason := rule.refuses(path, imported); reason != "" {
				t.Errorf("%s imports %s: %s", path, imported, reason)
			}
		}
	}
}

// What one engine or room must not know it must not get to know through a friend.
func TestLayersReach(t *testing.T) {
	all := map[string]goPackage{}
	for _, p := range listPackages(t) {
		all[p.ImportPath] = p
	}
	for _, p := range all {
		path := strings.TrimPrefix(p.ImportPath, module)
		for _, dep := range p.Deps {
			switch {
			case dep == bbolt && path != "cmd/tododb" && path != "store/engine/bolt":
				t.Errorf("%s reaches %s", path, dep)
			case dep == web && below(path, "store"):
				t.Errorf("%s reaches %s", path, dep)
			}
		}
	}
}

func ruleFor(path string) layer {
	var best layer
	for _, l := range layers {
		if below(path, l.path) && len(l.path) > len(best.path) {
			best = l
		}
	}
	return best
}

func (l layer) refuses(path, imported string) string {
	ours, isOurs := strings.CutPrefix(imported, module)
	if isOurs {
		may := below(ours, path) || slices.ContainsFunc(l.ours, func(p string) bool { return p == "" || below(ours, p) })
		if !may {
			return "imports point down"
		}
	}
	for _, p := range l.not {
		if below(imported, p) {
			return "not in this room"
		}
	}
	return ""
}

func below(path, prefix string) bool {
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

func TestLayerRulesCatch(t *testing.T) {
	for _, c := range []struct {
		path, imported string
		refused        bool
	}{
		{"revtree", "time", true}, {"revtree", module + "store", true}, {"revtree", "crypto/md5", false},
		{"store", web, true}, {"store", bbolt, true}, {"store", module + "httpapi/config", true},
		{"store/engine/bolt", bbolt, false}, {"store/engine/bolt", module + "store", true},
		{"replicate", module + "httpapi", true}, {"replicate", web, false},
		{"httpapi", module + "replicate", false}, {"httpapi/auth", module + "httpapi", true},
		{"httpapi", module + "store/engine/bolt", true}, {"cmd/tododb", module + "store/engine/bolt", false},
		{"store/document", module + "store/jsonscan", false}, {"store/document", module + "store", true},
	} {
		if got := ruleFor(c.path).refuses(c.path, c.imported); (got != "") != c.refused {
			t.Errorf("%s imports %s: %q", c.path, c.imported, got)
		}
	}
}

type goPackage struct {
	ImportPath    string
	Imports, Deps []string
}

// listPackages asks the go command for our packages, and what they import outside tests.
func listPackages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports,Deps", module+"...")
	out, err := cmd.Output()
	if err != nil {
		if e, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("go list: %v\n%s", err, e.Stderr)
		}
		t.Fatal(err)
	}
	var found []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(p.ImportPath, module) {
			found = append(found, p)
		}
	}
	if len(found) == 0 {
		t.Fatal("go list found none of our packages")
	}
	return found
}
