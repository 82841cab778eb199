package wire

import "net/http"

// Handler answers a request or returns the error to answer it with. If it fails after writing
// to w, the connection is cut.
type Handler func(w http.ResponseWriter, r *http.Request) error
