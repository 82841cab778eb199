package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestSyncDocumentation runs the commands of docs/sync.md, in their order and in one
// shell, against two servers, and compares what they print with what it says.
func TestSyncDocumentation(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip(err)
	}
	local, remote := startServer(t, t.TempDir(), ""), startServer(t, t.TempDir(), "")
	runPage(t, "../../docs/sync.md", 20, strings.NewReplacer("127.0.0.1:5984", local.address(), "127.0.0.1:5985", remote.address()))
	local.stop()
	remote.stop()
}

// TestFunctionsDocumentation does so with docs/design-functions.md.
func TestFunctionsDocumentation(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip(err)
	}
	server := startServer(t, t.TempDir(), "")
	runPage(t, "../../docs/design-functions.md", 4, strings.NewReplacer("localhost:5984", server.address(), "admin:secret", testUser+":"+testPassword))
	server.stop()
}

// runPage runs the commands of a page, which has so many at the least.
func runPage(t *testing.T, page string, least int, here *strings.Replacer) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	steps := consoleSteps(here.Replace(string(text)))
	if len(steps) < least {
		t.Fatalf("only %d commands are found", len(steps))
	}
	var script strings.Builder
	for i, s := range steps {
		fmt.Fprintf(&script, "echo '@@@ %d'\n%s\n", i, s.command)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // some commands wait for something
	defer cancel()
	shell := exec.CommandContext(ctx, "bash", "-c", script.String())
	shell.Dir = t.TempDir()
	out, err := shell.CombinedOutput()
	if err != nil {
		t.Logf("the shell ended: %v", err) // its last command may be one that fails
	}
	got := strings.Split(string(out), "@@@ ")[1:]
	if len(got) != len(steps) {
		t.Fatalf("%d of %d commands were run\n%s", len(got), len(steps), out)
	}
	for i, s := range steps {
		_, printed, _ := strings.Cut(got[i], "\n")
		printed = strings.TrimRight(strings.ReplaceAll(printed, "\r", ""), "\n")
		if !matchesElided(printed, s.output) {
			t.Errorf("$ %s\nprinted\n%s\nwant\n%s", s.command, printed, s.output)
		}
	}
}

// consoleStep is a command of a page, and what it says that it prints.
type consoleStep struct{ command, output string }

// consoleSteps finds the commands in the console blocks of a page: a line with a dollar,
// lines with an angle that continue it, and what is printed.
func consoleSteps(page string) (steps []consoleStep) {
	inside := false
	for line := range strings.Lines(page) {
		line = strings.TrimRight(line, "\n")
		command, begins := strings.CutPrefix(line, "$ ")
		more, continues := strings.CutPrefix(line, "> ")
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == "```console"
		case !inside:
		case begins:
			steps = append(steps, consoleStep{command: command})
		case continues:
			steps[len(steps)-1].command += "\n" + more
		default:
			steps[len(steps)-1].output = strings.TrimPrefix(steps[len(steps)-1].output+"\n"+line, "\n")
		}
	}
	return steps
}

// matchesElided compares, with an ellipsis standing for anything.
func matchesElided(got, want string) bool {
	parts := strings.Split(want, "…")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile("(?s)^" + strings.Join(parts, ".*") + "$").MatchString(got)
}
