package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/store/widetest"
)

// The clients that people use, from npm, against the real program.

func TestPouchDB(t *testing.T) { runScript(t, "pouchdb.js") }

// TestPouchDBViews compares what query() gets from the server with what PouchDB makes of the
// same documents itself.
func TestPouchDBViews(t *testing.T) {
	widetest.Only(t)
	runScript(t, "views.js")
}

// TestPouchDBFind does the same with find().
func TestPouchDBFind(t *testing.T) { runScript(t, "find.js") }

// TestPouchDBNames has PouchDB replicate things with every possible name, both ways.
func TestPouchDBNames(t *testing.T) {
	widetest.Only(t)
	runScript(t, "names.js")
}

// TestPouchDBDrawer sets how long tombstones live, and has a phone sleep for longer.
func TestPouchDBDrawer(t *testing.T) {
	widetest.Only(t)
	runScript(t, "drawer.js")
}

// TestPouchDBPutBack has the server's file put back to older copies under devices that sync.
func TestPouchDBPutBack(t *testing.T) {
	widetest.Only(t)
	runScript(t, "putback.js")
}

// TestPouchDBTabs does so under two tabs of one browser, which share what they hold and their checkpoints.
func TestPouchDBTabs(t *testing.T) {
	widetest.Only(t)
	runScript(t, "tabs.js")
}

func TestNano(t *testing.T) { runScript(t, "nano.js") }

// TestRxDB has two devices with RxDB. Its replication differs from CouchDB's: it knows no trees.
func TestRxDB(t *testing.T) { runScript(t, "rxdb.js") }

// TestCloudant has IBM's SDK, and couchbackup, whose copies must restore what they hold.
func TestCloudant(t *testing.T) {
	widetest.Only(t)
	runScript(t, "cloudant.js")
}

// TestLiveSync does what Obsidian's LiveSync asks of a server during set-up and its first copy.
func TestLiveSync(t *testing.T) { runScript(t, "livesync.js") }

// runScript runs a script of testdata/pouchdb against a server of its own. When the script
// prints "stop", the server is stopped. At "start" it is started again at the same address, with
// the same data. At "copy" the file of the database notes is copied, and at
// "put back" the copy takes its place.
func runScript(t *testing.T, name string) {
	t.Parallel()
	scriptFolder(t)
	data := t.TempDir()
	server := startServer(t, data, "")

	steps, err := converse(t, []string{name, server.base, testUser, testPassword}, map[string]func(){
		"stop":  func() { server.stop() },
		"start": func() { server = startServer(t, data, server.address()) },
		"copy": func() {
			inFile(t, server, "notes")
			atOneMoment(t, server, func() { putFile(t, filepath.Join(data, "databases", "notes.bolt"), filepath.Join(data, "copy")) })
		},
		"put back": func() {
			putFile(t, filepath.Join(data, "copy"), filepath.Join(data, "databases", "notes.bolt"))
		},
	})
	if err != nil {
		t.Fatalf("%s: %v\nthe server's log:\n%s", name, err, server.log)
	}
	if steps == 0 {
		t.Fatalf("%s did nothing", name)
	}
	server.stop()
	if out, code := tododb(t, "check", "--data", data); code != 0 {
		t.Fatalf("check after %s: exit %d\n%s", name, code, out)
	}
}

// converse runs a script of testdata/pouchdb and does what it asks for: a line that it prints and
// that acts names is answered with "done". It returns how many steps the script says are ok.
func converse(t *testing.T, script []string, acts map[string]func()) (steps int, err error) {
	t.Helper()
	dir := scriptFolder(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute+soakPG(t))
	defer cancel()
	node := exec.CommandContext(ctx, "node", script...)
	node.Dir = dir
	var problems bytes.Buffer
	node.Stderr = &problems
	stdin, err := node.StdinPipe()
	if err != nil {
		return 0, err
	}
	stdout, err := node.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := node.Start(); err != nil {
		return 0, err
	}
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		t.Log(lines.Text())
		if act := acts[lines.Text()]; act != nil {
			act()
			fmt.Fprintln(stdin, "done")
		} else if strings.HasPrefix(lines.Text(), "ok ") {
			steps++
		}
	}
	if err := node.Wait(); err != nil {
		return steps, fmt.Errorf("%w\n%s", err, &problems)
	}
	return steps, nil
}

// needTools skips a test if a program that it needs is missing. In CI it must be there.
func needTools(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
}

// A test whose program is missing is skipped, but never in CI.
func TestNothingIsSkippedInCI(t *testing.T) {
	t.Parallel()
	for ci, want := range map[string]int{"": 0, "true": 1} {
		for _, test := range []string{"TestDocumentation", "TestPouchDB"} {
			child := exec.Command(os.Args[0], "-test.run", "^"+test+"$")
			child.Env = append(os.Environ(), "PATH=", "CI="+ci)
			out, _ := child.CombinedOutput()
			if got := child.ProcessState.ExitCode(); got != want {
				t.Errorf("%s with CI=%q: exit %d, want %d\n%s", test, ci, got, want, out)
			}
		}
	}
}

// installing is held while the clients are installed: tests run beside one another.
var installing sync.Mutex

// scriptFolder has the clients installed. Without Node the test is skipped, except in CI,
// where Node must be there.
func scriptFolder(t *testing.T) string {
	t.Helper()
	needTools(t, "node", "npm")
	dir := filepath.Join("testdata", "pouchdb")
	installing.Lock()
	defer installing.Unlock()
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "octagonal-wheels")); err == nil {
		return dir
	}
	install := exec.Command("npm", "ci", "--no-audit", "--no-fund")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	return dir
}
