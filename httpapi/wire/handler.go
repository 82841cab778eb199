package wire

import "net/http"

// Handler answers a request or returns the error to answer it with. Where a handler has
// written to w and then fails, the connection is cut.
type Handler func(w http.ResponseWriter, r *http.Request) error
