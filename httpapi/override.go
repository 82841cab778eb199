package httpapi

import "net/http"

// overrideMethod lets a POST stand for another method, for clients and proxies that
// cannot send it. As in CouchDB, an unknown name is ignored.
func overrideMethod(r *http.Request) {
	if r.Method != http.MethodPost {
		return
	}
	switch method := r.Header.Get("X-HTTP-Method-Override"); method {
	case "GET", "HEAD", "PUT", "DELETE", "COPY", "TRACE", "CONNECT":
		r.Method = method
	}
}
