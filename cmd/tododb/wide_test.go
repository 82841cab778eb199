package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// wideEnv has the tests run that make test leaves to make wide.
const wideEnv = "TODODB_TEST_WIDE"

// wide is called first by a test that make test leaves out, so that it takes a few minutes: of what is attacked, killed and cut
// off, and of the finer points of the page, make test has samples. make wide runs these, and so does CI.
func wide(t *testing.T) {
	t.Helper()
	if testing.Short() && os.Getenv(wideEnv) == "" {
		t.Skip("make wide runs it")
	}
}

// make wide finds the tests by the way in which they call wide.
func TestWideRunsThemAll(t *testing.T) {
	t.Parallel()
	needTools(t, "make")
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	function := regexp.MustCompile(`(?m)^func (\w+)\(`)
	var want []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		at := function.FindAllSubmatchIndex(text, -1)
		for i, f := range at {
			end := len(text)
			if i+1 < len(at) {
				end = at[i+1][0]
			}
			if strings.Contains(string(text[f[0]:end]), "\twide(t)\n") {
				want = append(want, string(text[f[2]:f[3]]))
			}
		}
	}
	show := exec.Command("make", "-s", "--no-print-directory", "-C", "../..", "wide-tests")
	out, err := show.Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSpace(string(out)), "|")
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("make wide runs %q, want %q", got, want)
	}
}
