package snapshot

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the module
	"fmt"
	"net/http"
	"time"

	"github.com/tododb/tododb/httpapi/wire"
)

// module is the ES module that loads a snapshot into PouchDB.
//
//go:embed firstsync.js
var module []byte

var moduleETag = fmt.Sprintf(`"%x"`, sha256.Sum256(module))

// Module answers GET and HEAD /_snapshot.js.
func (a *Room) Module(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h["Etag"] = []string{moduleETag}
	h["Cache-Control"] = wire.MustRevalidate
	h["Content-Type"] = []string{"text/javascript; charset=utf-8"}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(module))
	return nil
}
