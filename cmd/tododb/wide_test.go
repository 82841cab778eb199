package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// make wide finds the tests by the way in which they call widetest.Only.
func TestWideRunsThemAll(t *testing.T) {
	t.Parallel()
	needTools(t, "make")
	function := regexp.MustCompile(`(?m)^func (\w+)\(`)
	var want []string
	for _, room := range rooms {
		err := filepath.WalkDir(filepath.Join("../..", room), func(path string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && entry.Name() == "node_modules":
				return fs.SkipDir
			case !strings.HasSuffix(path, "_test.go"):
				return nil
			}
			text, err := os.ReadFile(path)
			at := function.FindAllSubmatchIndex(text, -1)
			for i, f := range at {
				end := len(text)
				if i+1 < len(at) {
					end = at[i+1][0]
				}
				if strings.Contains(string(text[f[0]:end]), "\n\twidetest.Only(t)\n") {
					want = append(want, string(text[f[2]:f[3]]))
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	show := exec.Command("make", "-s", "--no-print-directory", "-C", "../..", "wide-tests")
	out, err := show.Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSpace(string(out)), "|")
	slices.Sort(want)
	if want = slices.Compact(want); !slices.Equal(got, want) {
		t.Errorf("make wide runs %q, want %q", got, want)
	}
}
