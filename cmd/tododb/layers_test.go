package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/tododb/tododb/"

// layer says which of our packages one package may import, and which other imports are
// refused. A package must have a layer.
type layer struct {
	path string
	ours []string // packages; with /... also all packages below
	not  []string // import path prefixes that are refused all the same
}

// purity has the imports that would make a package's answers depend on more than its arguments.
var purity = []string{"os", "io", "net", "context", "log", "time", "math/rand", "crypto/rand"}

const (
	bbolt = "go.etcd.io/bbolt"
	web   = "net/http"
	eng   = module + "store/engine"
)

// layers are the rules of the house: imports point down, bbolt is known to one
// package, HTTP to the rooms that speak it.
var layers = []layer{
	{"cmd/tododb", []string{"cmd/tododb/...", "httpapi/...", "replicate/...", "store/..."}, []string{bbolt}},
	{"cmd/tododb/authority", []string{"store/durable"}, []string{bbolt, web}},
	{"cmd/tododb/doctor", []string{"store/health"}, []string{bbolt}},
	{"cmd/tododb/transfer", []string{"httpapi/backups/client", "store/durable", "store/jsonscan"}, []string{bbolt, eng}},
	{"httpapi", []string{"httpapi/...", "replicate", "store/...", "revtree"}, []string{bbolt, eng}},
	{"httpapi/httpapitest", []string{"httpapi", "httpapi/config", "httpapi/snapshot", "store/..."}, []string{bbolt, eng}},
	{"httpapi/config", []string{"store/durable"}, []string{bbolt, web}},
	{"httpapi/metrics", nil, []string{bbolt}},
	{"httpapi/audit", nil, []string{bbolt, web}},
	{"httpapi/logging", nil, []string{bbolt, web}},
	{"httpapi/tracing", nil, []string{bbolt, web}},
	{"httpapi/intake", nil, []string{bbolt, web}},
	{"httpapi/auth", []string{"store/fair", "store/jsonscan", "store/pattern"}, []string{bbolt}},
	{"httpapi/backups/client", []string{"store", "store/backup", "store/backup/repository", "revtree"}, []string{bbolt, eng}},
	{"httpapi/uuids", nil, []string{bbolt, web}},
	{"httpapi/wire", []string{"httpapi/auth", "httpapi/uuids", "httpapi/config", "httpapi/intake", "store", "store/design", "store/document", "store/fair", "store/jsonscan", "store/script", "revtree"}, []string{bbolt, eng}},
	{"httpapi/fault", []string{"httpapi/auth", "httpapi/intake", "httpapi/wire", "replicate/...", "store/...", "revtree"}, []string{bbolt, eng}},
	// Rooms of the API use these, and no room uses another. If a room needs something of another, it
	// declares an interface, or the thing moves down here.
	{"httpapi/attachments", []string{"httpapi/wire", "store/...", "revtree"}, []string{bbolt, eng}},
	{"httpapi/access", []string{"httpapi/attachments", "httpapi/wire", "httpapi/auth", "httpapi/config", "replicate", "store/...", "revtree"}, []string{bbolt, eng}},
	{"httpapi/write", []string{"httpapi/access", "httpapi/fault", "httpapi/wire", "store/...", "revtree"}, []string{bbolt, eng}},
	{"httpapi/peruser", []string{"httpapi/access", "httpapi/auth", "httpapi/config", "httpapi/wire", "store/..."}, []string{bbolt, eng}},
	{"httpapi/preset", []string{"httpapi/access", "httpapi/auth", "httpapi/config", "httpapi/wire", "store", "store/document"}, []string{bbolt, eng}},
	{"httpapi/documents", []string{"httpapi/write", "httpapi/access", "httpapi/fault", "httpapi/attachments", "httpapi/wire", "httpapi/config", "httpapi/intake", "httpapi/metrics", "httpapi/uuids", "store/...", "revtree"}, []string{bbolt, eng}},
	{"httpapi/operate", []string{"httpapi/access", "httpapi/wire", "httpapi/auth", "httpapi/config", "httpapi/logging", "httpapi/metrics", "httpapi/uuids", "store/..."}, []string{bbolt, eng}},
	{"httpapi/page", []string{"httpapi/wire", "httpapi/config"}, []string{bbolt, eng, module + "store"}},
	{"httpapi/page/bundle", nil, []string{bbolt, web}},
	{"httpapi/query", []string{"httpapi/access", "httpapi/attachments", "httpapi/fault", "httpapi/wire", "httpapi/config", "store/...", "revtree"}, []string{bbolt, eng}},
	{"httpapi/backups", []string{"httpapi/access", "httpapi/fault", "httpapi/wire", "httpapi/auth", "httpapi/config", "httpapi/intake", "store", "store/backup", "store/backup/repository", "store/document", "revtree"}, []string{bbolt, eng}},
	{"httpapi/account", []string{"httpapi/access", "httpapi/wire", "httpapi/auth", "httpapi/config", "httpapi/uuids", "store/..."}, []string{bbolt, eng}},
	{"httpapi/changes", []string{"httpapi/access", "httpapi/attachments", "httpapi/wire", "store/..."}, []string{bbolt, eng}},
	{"httpapi/snapshot", []string{"httpapi/access", "httpapi/attachments", "httpapi/wire", "httpapi/config", "store/...", "revtree"}, []string{bbolt, eng}},
	{"httpapi/replications", []string{"httpapi/access", "httpapi/wire", "replicate/...", "store/..."}, []string{bbolt, eng}},
	{"replicate", []string{"store/...", "revtree"}, []string{bbolt, eng}},
	{"replicate/synchronize", []string{"replicate", "store/...", "revtree"}, []string{bbolt, eng}},
	{"store", []string{"store/document", "store/engine", "store/engine/anykey", "store/jsonscan", "store/ranks", "store/record", "revtree"}, []string{bbolt, web}},
	{"store/backup", []string{"store", "store/record", "revtree"}, []string{bbolt, web, eng}},
	{"store/backup/repository", []string{"store", "store/backup", "store/durable", "store/record", "revtree"}, []string{bbolt, web, eng}},
	{"store/backup/repository/s3", []string{"store/backup/repository"}, []string{bbolt, eng}},
	{"store/backup/schedule", []string{"store", "store/backup", "store/backup/repository", "store/members"}, []string{bbolt, web, eng}},
	{"store/collate", []string{"store/jsonscan"}, []string{bbolt, web, "os"}},
	{"store/design", []string{"store", "store/jsonscan", "store/script", "revtree"}, []string{bbolt, web, "os"}},
	{"store/document", []string{"store/jsonscan", "revtree"}, []string{bbolt, web, "os"}},
	{"store/engine", nil, []string{bbolt, web}},
	{"store/engine/anykey", []string{"store/engine"}, []string{bbolt, web, "os"}},
	{"store/engine/bolt", []string{"store/disk", "store/durable", "store/engine", "store/engine/journal"}, []string{web}},
	{"store/engine/chaos", []string{"store/engine"}, []string{bbolt, web}},
	{"store/engine/enginetest", []string{"store/engine"}, []string{bbolt, web}},
	{"store/engine/journal", []string{"store/durable", "store/engine"}, []string{bbolt, web}},
	{"store/engine/pg", []string{"store/engine"}, []string{bbolt, web, "os"}},
	{"store/engine/pg/pgtest", []string{"store/engine/pg"}, []string{bbolt, web}},
	{"store/expiry", []string{"store"}, []string{bbolt, web, "os"}},
	{"store/fair", nil, []string{bbolt, web, "os"}},
	{"store/filter", []string{"store", "store/design", "store/index/mango", "store/index/view", "store/jsonscan", "store/script"}, []string{bbolt, web, "os"}},
	{"store/health", []string{"store/disk"}, []string{bbolt, web}},
	{"store/index", []string{"store", "store/collate", "store/document", "store/engine", "store/jsonscan", "store/members", "store/record"}, []string{bbolt, web}},
	{"store/index/mango", []string{"store", "store/collate", "store/design", "store/document", "store/index", "store/index/view", "store/jsonscan", "store/pattern", "store/script"}, []string{bbolt, web, "os"}},
	{"store/index/view", []string{"store", "store/collate", "store/design", "store/index", "store/jsonscan"}, []string{bbolt, web, "os"}},
	{"store/index/view/javascript", []string{"store", "store/design", "store/index", "store/index/view", "store/script"}, []string{bbolt, web, "os"}},
	{"store/jsonscan", nil, []string{bbolt, web, "os"}},
	{"store/members", []string{"store"}, []string{bbolt, web, eng, "os"}},
	{"store/move", []string{"store/engine", "store/engine/anykey"}, []string{bbolt, web, "os"}},
	{"store/pattern", nil, purity},
	{"store/ranks", []string{"store/engine"}, []string{bbolt, web, "os"}},
	{"store/record", []string{"revtree"}, []string{bbolt, web, "os"}},
	{"store/script", []string{"store/jsonscan", "store/pattern"}, []string{bbolt, web, "os"}},
	{"store/script/worker", []string{"store/fair", "store/script", "store/collate", "store/jsonscan"}, []string{bbolt, web}},
	{"store/durable", nil, []string{bbolt, web}},
	{"store/disk", nil, []string{bbolt, web}},
	{"store/updates", []string{"store", "store/members"}, []string{bbolt, web, eng, "os"}},
	{"store/smoosh", []string{"store", "store/engine", "store/index"}, []string{bbolt, web}},
	{"store/storetest", []string{"store", "store/engine/..."}, []string{bbolt, web}},
	{"store/widetest", nil, []string{bbolt, web}},
	{"revtree", nil, append([]string{bbolt}, purity...)},
}

// rooms are the top folders with packages.
var rooms = []string{"cmd/tododb", "httpapi", "replicate", "store", "revtree"}

func TestLayers(t *testing.T) {
	t.Parallel()
	found := listPackages(t)
	for _, p := range found {
		path := strings.TrimPrefix(p.ImportPath, module)
		if !slices.ContainsFunc(rooms, func(r string) bool { return below(path, r) }) {
			t.Errorf("%s stands in no room; there are %s", path, strings.Join(rooms, ", "))
		}
		rule, is := layerOf(path)
		if !is {
			t.Errorf("%s has no layer", path)
			continue
		}
		for _, imported := range p.Imports {
			if reason := rule.refuses(imported); reason != "" {
				t.Errorf("%s imports %s: %s", path, imported, reason)
			}
			if ours, is := strings.CutPrefix(imported, module); is && forTests(ours) && !forTests(path) {
				t.Errorf("%s imports %s, which is for tests", path, imported)
			}
		}
	}
	for _, l := range layers {
		if !slices.ContainsFunc(found, func(p goPackage) bool { return p.ImportPath == module+l.path }) {
			t.Errorf("there is no package %s", l.path)
		}
	}
}

// The page that a newcomer reads first has every package.
func TestLayersAreListed(t *testing.T) {
	page, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(page), "## Rooms\n\n```text\n")
	list, _, _ = strings.Cut(list, "```")
	var listed, there []string
	for line := range strings.Lines(list) {
		listed = append(listed, strings.Fields(line)[0])
	}
	for _, p := range listPackages(t) {
		there = append(there, strings.TrimPrefix(p.ImportPath, module))
	}
	slices.Sort(listed)
	slices.Sort(there)
	if !slices.Equal(listed, there) {
		t.Errorf("docs/architecture.md lists\n%q\nand the packages are\n%q", listed, there)
	}
}

// objectStore is the one package below store that speaks HTTP: object stores understand nothing else.
// Who is given it does not have to know.
const objectStore = "store/backup/repository/s3"

// A refused import must not come in through another package either.
func TestLayersReach(t *testing.T) {
	all := map[string]goPackage{}
	for _, p := range listPackages(t) {
		all[p.ImportPath] = p
	}
	for _, p := range all {
		path := strings.TrimPrefix(p.ImportPath, module)
		for _, dep := range p.Deps {
			switch {
			case dep == bbolt && path != "cmd/tododb" && path != "store/engine/bolt" && !forTests(path):
				t.Errorf("%s reaches %s", path, dep)
			case dep == web && below(path, "store") && path != objectStore:
				t.Errorf("%s reaches %s", path, dep)
			}
		}
	}
}

// forTests tells by the name whether a package is only for tests.
func forTests(path string) bool { return strings.HasSuffix(path, "test") }

func layerOf(path string) (l layer, is bool) {
	i := slices.IndexFunc(layers, func(l layer) bool { return l.path == path })
	if i < 0 {
		return layer{}, false
	}
	return layers[i], true
}

func (l layer) refuses(imported string) string {
	if ours, is := strings.CutPrefix(imported, module); is {
		may := slices.ContainsFunc(l.ours, func(p string) bool {
			top, all := strings.CutSuffix(p, "/...")
			return ours == top || all && below(ours, top)
		})
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
		{"store", module + "store/index", true}, {"store/record", module + "store/index", true},
		{"httpapi/documents", module + "httpapi/query", true}, {"httpapi/query", module + "store/index/view", false},
	} {
		rule, is := layerOf(c.path)
		if got := rule.refuses(c.imported); !is || (got != "") != c.refused {
			t.Errorf("%s imports %s: %q", c.path, c.imported, got)
		}
	}
	if _, is := layerOf("httpapi/backup"); is {
		t.Error("a package that nobody gave a layer has one")
	}
}

type goPackage struct {
	ImportPath    string
	Imports, Deps []string
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	found, err := ourPackages()
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// ourPackages asks the go command, once, for our packages and what they import outside tests.
var ourPackages = sync.OnceValues(func() (found []goPackage, err error) {
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports,Deps", module+"...")
	out, err := cmd.Output()
	if err != nil {
		if e, ok := errors.AsType[*exec.ExitError](err); ok {
			err = fmt.Errorf("go list: %w\n%s", err, e.Stderr)
		}
		return nil, err
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		if strings.HasPrefix(p.ImportPath, module) {
			found = append(found, p)
		}
	}
	if len(found) == 0 {
		return nil, errors.New("go list found none of our packages")
	}
	return found, nil
})
