package main

import (
	"net/http"
	"strings"
)

// afterSettled lets requests with credentials wait until it is settled who the
// administrators are.
type afterSettled struct {
	http.Handler
	settled <-chan struct{}
}

func (a *afterSettled) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" || strings.HasPrefix(r.URL.Path, "/_session") {
		select {
		case <-a.settled:
		case <-r.Context().Done():
		}
	}
	a.Handler.ServeHTTP(w, r)
}
