package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A screen's code and style come into the page without being named anywhere but in the table of
// screens, and what a former run left goes.
func TestBundle(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"src/index.html":                        "<html><head></head></html>",
		"src/main.tsx":                          "import('./screens/a').then((m) => m.show())",
		"src/screens/a.ts":                      "export const show = () => document.title = 'shown'",
		"src/screens/a.css":                     ".a { color: red }",
		"src/style.css":                         ":root { --x: 1 }",
		"node_modules/uplot/dist/uPlot.min.css": ".u{}",
		"node_modules/uplot/package.json":       "{}",
		"dist/old-1.js.gz":                      "",
		"dist/README.md":                        "a note",
	} {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files, _, err := build(dir)
	if err != nil {
		t.Fatal(err)
	}
	var styles string
	for name, b := range files {
		if strings.HasSuffix(name, ".css") {
			styles = string(b)
			if !strings.Contains(string(files["index.html"]), `href="`+name+`"`) {
				t.Errorf("index.html does not name %s: %s", name, files["index.html"])
			}
		}
	}
	if !strings.Contains(styles, ".a{color:red}") || strings.Index(styles, "--x") > strings.Index(styles, ".a{") {
		t.Errorf("styles %q", styles)
	}
	if err := run(dir); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "dist", "*"))
	if err != nil || len(left) != len(files)+1 {
		t.Errorf("%q of %d files", left, len(files))
	}
}
