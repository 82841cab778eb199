// Command bundle makes the files of the web page from its sources.
//
//	go run ./httpapi/page/bundle
//	go run ./httpapi/page/bundle -bill FILE    adds the npm packages in it to a bill of materials
//
// It reads httpapi/page/src and the packages that npm has installed beside it, and writes
// httpapi/page/dist: scripts and one style sheet, whose names have hashes of their contents, and
// index.html, which names them. Each is compressed, and nothing else of a former run stays there.
package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

const room = "httpapi/page"

// maxSize is what all files may have together, compressed, in bytes.
const maxSize = 300_000

func main() {
	bill := flag.String("bill", "", "bill of materials to add the npm packages to that are in the page, in CycloneDX's form; then nothing else is written")
	flag.Parse()
	err := error(nil)
	if *bill != "" {
		err = addToBill(room, *bill)
	} else {
		err = run(room)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bundle:", err)
		os.Exit(1)
	}
}

func run(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	files, _, err := build(dir)
	if err != nil {
		return err
	}
	return write(filepath.Join(dir, "dist"), files)
}

// browsers are those that the page is written for.
var browsers = []api.Engine{{Name: api.EngineChrome, Version: "110"}, {Name: api.EngineFirefox, Version: "110"}, {Name: api.EngineSafari, Version: "16.4"}}

// build returns the files by their names, and of which files of the sources and of packages something is in them.
func build(dir string) (files map[string][]byte, inputs []string, err error) {
	styles, err := allStyles(dir)
	if err != nil {
		return nil, nil, err
	}
	opt := api.BuildOptions{
		AbsWorkingDir: dir, Outdir: filepath.Join(dir, "dist"), EntryNames: "[name]-[hash]", ChunkNames: "[name]-[hash]", AssetNames: "[name]-[hash]",
		Bundle: true, MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true, Metafile: true, LegalComments: api.LegalCommentsNone,
		Engines: browsers, Loader: map[string]api.Loader{".svg": api.LoaderFile, ".woff2": api.LoaderFile}, LogLevel: api.LogLevelWarning,
	}
	scripts := opt
	scripts.EntryPointsAdvanced = []api.EntryPoint{{InputPath: "src/main.tsx", OutputPath: "main"}}
	scripts.Format, scripts.Splitting = api.FormatESModule, true
	scripts.JSX, scripts.JSXImportSource = api.JSXAutomatic, "preact"
	scripts.Define = map[string]string{"process.env.NODE_ENV": `"production"`}
	sheet := opt
	sheet.Stdin = &api.StdinOptions{Contents: styles, ResolveDir: dir, Sourcefile: "style.css", Loader: api.LoaderCSS}

	files = map[string][]byte{}
	var first page
	for _, o := range []api.BuildOptions{scripts, sheet} {
		result := api.Build(o)
		if len(result.Errors) > 0 {
			return nil, nil, errors.New("the sources have errors")
		}
		for _, f := range result.OutputFiles {
			files[filepath.Base(f.Path)] = f.Contents
		}
		if err := first.read(result.Metafile); err != nil {
			return nil, nil, err
		}
	}
	html, err := os.ReadFile(filepath.Join(dir, "src", "index.html"))
	if err != nil {
		return nil, nil, err
	}
	files["index.html"] = first.fill(html)
	return files, first.inputs, nil
}

// allStyles imports every style sheet of the sources into one: that of the page first, then
// those of its parts and screens, in the order of their names.
func allStyles(dir string) (string, error) {
	var names []string
	err := filepath.WalkDir(filepath.Join(dir, "src"), func(p string, d fs.DirEntry, err error) error {
		if err == nil && path.Ext(p) == ".css" {
			rel, e := filepath.Rel(dir, p)
			names, err = append(names, filepath.ToSlash(rel)), e
		}
		return err
	})
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(strings.Count(a, "/"), strings.Count(b, "/")), strings.Compare(a, b))
	})
	var b strings.Builder
	b.WriteString("@import \"uplot/dist/uPlot.min.css\";\n")
	for _, name := range names {
		fmt.Fprintf(&b, "@import \"./%s\";\n", name)
	}
	return b.String(), err
}

// page is what index.html names.
type page struct {
	script, style string
	needed        []string // scripts that the first one imports at once
	inputs        []string
}

// read takes the names from what esbuild tells of its output.
func (p *page) read(metafile string) error {
	var meta struct {
		Outputs map[string]struct {
			EntryPoint string `json:"entryPoint"`
			Imports    []struct{ Path, Kind string }
			Inputs     map[string]struct{ BytesInOutput int }
		} `json:"outputs"`
	}
	if err := json.Unmarshal([]byte(metafile), &meta); err != nil {
		return err
	}
	for name, out := range meta.Outputs {
		for input, of := range out.Inputs {
			if of.BytesInOutput > 0 {
				p.inputs = append(p.inputs, input)
			}
		}
		switch {
		case out.EntryPoint == "src/main.tsx":
			p.script = path.Base(name)
			for _, i := range out.Imports {
				if i.Kind == "import-statement" {
					p.needed = append(p.needed, path.Base(i.Path))
				}
			}
			slices.Sort(p.needed)
		case path.Ext(name) == ".css":
			p.style = path.Base(name)
		}
	}
	return nil
}

// fill puts the names into index.html, at the end of its head.
func (p *page) fill(html []byte) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "<link rel=\"stylesheet\" href=\"%s\">\n", p.style)
	for _, name := range p.needed {
		fmt.Fprintf(&b, "<link rel=\"modulepreload\" href=\"%s\">\n", name)
	}
	fmt.Fprintf(&b, "<script type=\"module\" src=\"%s\"></script>\n", p.script)
	return bytes.Replace(html, []byte("</head>"), []byte(b.String()+"</head>"), 1)
}

// write replaces what a former run left in the folder.
func write(dir string, files map[string][]byte) error {
	old, err := filepath.Glob(filepath.Join(dir, "*.gz"))
	if err != nil {
		return err
	}
	total := 0
	keep := map[string]bool{}
	for name, b := range files {
		packed, err := compress(b)
		if err != nil {
			return err
		}
		total += len(packed)
		to := filepath.Join(dir, name+".gz")
		keep[to] = true
		if has, err := os.ReadFile(to); err == nil && bytes.Equal(has, packed) {
			continue // its time stays, so go build has nothing to do
		}
		if err := os.WriteFile(to, packed, 0o644); err != nil {
			return err
		}
	}
	for _, p := range old {
		if !keep[p] {
			if err := os.Remove(p); err != nil {
				return err
			}
		}
	}
	fmt.Printf("the page has %d files of %d kB together, compressed\n", len(files), (total+999)/1000)
	if total > maxSize {
		return fmt.Errorf("the page may have %d kB", maxSize/1000)
	}
	return nil
}

func compress(b []byte) ([]byte, error) {
	var to bytes.Buffer
	z, err := gzip.NewWriterLevel(&to, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(b); err != nil {
		return nil, err
	}
	err = z.Close()
	return to.Bytes(), err
}
