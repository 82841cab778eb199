package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/tododb/tododb/store/engine/pg/pgtest"
)

// TestDocumentation tries README.md, CONTRIBUTING.md and the pages of docs/ with the real
// program. The commands of a page's console blocks run in their order, in one shell, and must
// print what the page says; an ellipsis stands for anything. A page finds two servers, at
// 127.0.0.1:5984 and :5985, whose administrator is admin with the password secret. If its commands
// name docsStorage, they are two processes over a PostgreSQL, which is there.
//
// A block that cannot run says so, and why, behind its language: console not run: REASON.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	needTools(t, "curl")
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) < 8 {
		t.Fatalf("docs/ has the pages %v, %v", pages, err)
	}
	commands, notRun := 0, 0
	for _, path := range append(pages, "../../README.md", "../../CONTRIBUTING.md") {
		page := readPage(t, path)
		commands += len(page.steps)
		notRun += page.notRun
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			page.checkSettings(t)
			if len(page.steps) > 0 {
				page.run(t)
			}
		})
	}
	if commands < 90 {
		t.Errorf("only %d commands are found", commands)
	}
	if notRun > 6 {
		t.Errorf("%d blocks are not run: too many to be believed", notRun)
	}
}

// docsStorage is where the storage is on pages about processes that share one.
const docsStorage = "postgres://tododb@db.example.com/tododb"

// page has the parts of a page that can be tried.
type page struct {
	steps    []consoleStep
	settings []string // files of settings
	notRun   int      // console blocks that say why they cannot run
}

// consoleStep is a command of a page, and what the page says that it prints.
type consoleStep struct {
	line            int
	command, output string
}

// readPage takes a page apart, and fails if code in it is of an unknown kind.
func readPage(t *testing.T, path string) (p page) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	kind, begun, block := "", 0, ""
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimRight(line, "\n")
		fence, isFence := strings.CutPrefix(line, "```")
		at := fmt.Sprintf("%s:%d", filepath.Base(path), number)
		switch {
		case isFence && begun == 0:
			kind, begun, block = fence, number, ""
		case isFence:
			p.add(t, fmt.Sprintf("%s:%d", filepath.Base(path), begun), kind, block, begun)
			begun = 0
		case begun > 0:
			block += line + "\n"
		case strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "\t"):
			t.Errorf("%s: code without a fence that says what it is", at)
		default:
			checkLinks(t, path, number, line)
		}
	}
	if begun > 0 {
		t.Errorf("%s:%d: a block without an end", filepath.Base(path), begun)
	}
	return p
}

func (p *page) add(t *testing.T, at, kind, block string, begun int) {
	reason, excused := strings.CutPrefix(kind, "console not run: ")
	switch {
	case kind == "console":
		steps := consoleSteps(block, begun)
		if len(steps) == 0 {
			t.Errorf("%s: no command", at)
		}
		p.steps = append(p.steps, steps...)
	case excused && len(reason) > 10:
		p.notRun++
	case kind == "json":
		if !json.Valid([]byte(block)) {
			t.Errorf("%s: not JSON", at)
		}
	case kind == "ini":
		p.settings = append(p.settings, block)
	case kind == "text" || kind == "js" || kind == "yaml" || kind == "go" || kind == "html":
	default:
		t.Errorf("%s: a block of an unknown kind, %q", at, kind)
	}
}

var (
	links = regexp.MustCompile(`\]\(([^)]*)\)`)
	ours  = regexp.MustCompile("`((?:cmd|docs|httpapi|replicate|revtree|store)/[^` ]*)`")
)

// checkLinks checks that the files, folders and headings that a line refers to exist.
func checkLinks(t *testing.T, path string, number int, line string) {
	for _, named := range ours.FindAllStringSubmatch(line, -1) {
		if _, err := os.Stat(filepath.Join("../..", named[1])); err != nil {
			t.Errorf("%s:%d: %v", filepath.Base(path), number, err)
		}
	}
	for _, link := range links.FindAllStringSubmatch(line, -1) {
		if strings.Contains(link[1], "://") {
			continue // the network is not asked
		}
		file, heading, _ := strings.Cut(link[1], "#")
		target := filepath.Join(filepath.Dir(path), file)
		if file == "" {
			target = path
		}
		text, err := os.ReadFile(target)
		if err != nil {
			t.Errorf("%s:%d: %v", filepath.Base(path), number, err)
		}
		if heading != "" && !slices.Contains(headings(string(text)), heading) {
			t.Errorf("%s:%d: %s has no heading %q", filepath.Base(path), number, target, heading)
		}
	}
}

// headings are the names by which links refer to the headings of a page.
func headings(text string) (names []string) {
	for line := range strings.Lines(text) {
		if title, ok := strings.CutPrefix(strings.TrimLeft(strings.TrimSpace(line), "#"), " "); ok && line[0] == '#' {
			name := strings.Map(func(r rune) rune {
				if r == ' ' {
					return '-'
				}
				if r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) {
					return unicode.ToLower(r)
				}
				return -1
			}, title)
			names = append(names, name)
		}
	}
	return names
}

// consoleSteps finds the commands of a console block: a line with a dollar, lines with an
// angle that continue it, and what is printed.
func consoleSteps(block string, begun int) (steps []consoleStep) {
	for line := range strings.Lines(block) {
		begun++
		line = strings.TrimRight(line, "\n")
		command, begins := strings.CutPrefix(line, "$ ")
		more, continues := strings.CutPrefix(line, "> ")
		switch {
		case begins:
			steps = append(steps, consoleStep{line: begun, command: command})
		case len(steps) == 0:
			return nil // it begins with something that is not a command
		case continues:
			steps[len(steps)-1].command += "\n" + more
		default:
			steps[len(steps)-1].output = strings.TrimPrefix(steps[len(steps)-1].output+"\n"+line, "\n")
		}
	}
	return steps
}

// checkSettings has the program read the files of settings that a page shows.
func (p page) checkSettings(t *testing.T) {
	for _, s := range p.settings {
		file := filepath.Join(t.TempDir(), "local.ini")
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, code := tododb(t, "config", "--data", t.TempDir(), "--config", file); code != 0 {
			t.Errorf("%s\nis refused: %s", s, out)
		}
	}
}

// run runs the commands against two servers.
func (p page) run(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	var environment []string
	url := docsStorage
	if slices.ContainsFunc(p.steps, func(s consoleStep) bool { return strings.Contains(s.command, docsStorage) }) {
		url = pgtest.URL(t)
		environment = []string{"TODODB_STORAGE=" + url}
	}
	first, second := startServerWith(t, environment, t.TempDir(), ""), startServerWith(t, environment, t.TempDir(), "")
	here := strings.NewReplacer("127.0.0.1:5984", first.address(), "127.0.0.1:5985", second.address(), docsStorage, "'"+url+"'")
	var script strings.Builder
	for i, s := range p.steps {
		fmt.Fprintf(&script, "echo '@@@ %d'\n%s\n", i, here.Replace(s.command))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // some commands wait for something, and a busy machine is slow
	defer cancel()
	shell := exec.CommandContext(ctx, "bash", "-c", script.String())
	shell.Dir = t.TempDir()
	shell.Env = append(os.Environ(), "PATH="+filepath.Dir(path)+":"+os.Getenv("PATH"))
	out, err := shell.CombinedOutput()
	if err != nil {
		t.Logf("the shell ended: %v", err) // its last command may be one that fails
	}
	got := strings.Split(string(out), "@@@ ")[1:]
	if len(got) != len(p.steps) {
		t.Fatalf("%d of %d commands were run\n%s", len(got), len(p.steps), out)
	}
	for i, s := range p.steps {
		_, printed, _ := strings.Cut(got[i], "\n")
		printed = strings.TrimRight(strings.ReplaceAll(printed, "\r", ""), "\n")
		if !matchesElided(printed, here.Replace(s.output)) {
			t.Errorf("line %d: $ %s\nprinted\n%s\nwant\n%s", s.line, s.command, printed, s.output)
		}
	}
	first.stop()
	second.stop()
}

// matchesElided compares, with an ellipsis standing for anything.
func matchesElided(got, want string) bool {
	parts := strings.Split(want, "…")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile("(?s)^" + strings.Join(parts, ".*") + "$").MatchString(got)
}
