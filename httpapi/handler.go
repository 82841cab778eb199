package httpapi

import "net/http"

// handler answers a request or returns the error to answer it with. Where a handler has
// written to w and then fails, the connection is cut.
type handler func(w http.ResponseWriter, r *http.Request) error
