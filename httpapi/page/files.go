package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"path"
	"strings"
	"sync"
)

// dist has what the bundler wrote: each file of the page, compressed. It has only a note if
// nobody ran the bundler.
//
//go:embed all:dist
var dist embed.FS

// file is one file of the page. Its bytes are kept only compressed; the few clients that do not
// understand gzip get it unpacked each time.
type file struct {
	gzip []byte
	etag string // a hash of gzip
	kind string // its media type
}

// index is the name of the file that browsers open. Its address is the page's.
const index = "index.html"

// bundled are the files of the page by their names; there are none if it was not built.
var bundled = sync.OnceValue(func() map[string]*file {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // the name is not a path
	}
	return load(sub)
})

// load reads the files that end in .gz. Names are without that ending.
func load(from fs.FS) map[string]*file {
	files := map[string]*file{}
	names, err := fs.Glob(from, "*.gz")
	if err != nil {
		panic(err) // the pattern is wrong
	}
	for _, name := range names {
		b, err := fs.ReadFile(from, name)
		if err != nil {
			panic(err) // it is in the program
		}
		plain := strings.TrimSuffix(name, ".gz")
		sum := sha256.Sum256(b)
		files[plain] = &file{gzip: b, etag: fmt.Sprintf("%x", sum[:12]), kind: kindOf(plain)}
	}
	return files
}

func kindOf(name string) string {
	switch ext := path.Ext(name); ext {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".woff2":
		return "font/woff2"
	default: // those that Go knows without asking the system
		return mime.TypeByExtension(ext)
	}
}

// plain returns the bytes that are compressed.
func (f *file) plain() ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(f.gzip))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// Built tells whether the program has the page in it.
func Built() bool { return bundled()[index] != nil }
