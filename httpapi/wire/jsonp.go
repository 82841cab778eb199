package wire

import (
	"bytes"
	"net/http"
	"strings"
)

// JSONP is JSON as the argument of a call, which a page of another server loads as a script. It
// makes what a user may read readable to every page that the user visits, so it is off unless
// [chttpd] allow_jsonp is set.

var (
	typeScript  = []string{"application/javascript"}
	errCallback = BadRequest("invalid_callback")
)

const (
	// A script that begins with a comment of ours is no file of another kind, whatever name the
	// callback has.
	callBegins = "/* CouchDB */"
	callEnds   = ");\n"
)

// ReadCallback reads which function the JSON of the answer, or of an error, is to be passed to.
// Its error refuses the name before anything is done.
func (x *Exchange) ReadCallback(r *http.Request) error {
	if !x.shared.settings().JSONP || !strings.Contains(r.URL.RawQuery, "callback") {
		return nil
	}
	query, err := QueryOf(r)
	if err != nil {
		return nil // whoever reads the query says so
	}
	name, _ := query.Get("callback")
	if strings.ContainsFunc(name, func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("_.[]", c))
	}) {
		return errCallback
	}
	x.callback = name
	return nil
}

// callbackOf returns the function that an answer is passed to; "" if there is none or if what
// is answered is not JSON.
func callbackOf(w http.ResponseWriter) string {
	x, is := w.(*Exchange)
	if !is || x.callback == "" {
		return ""
	}
	if h := x.Header()["Content-Type"]; h != nil && h[0] != TypeJSON[0] {
		return ""
	}
	return x.callback
}

// appendCall appends the beginning of a call.
func appendCall(b []byte, callback string) []byte {
	return append(append(append(b, callBegins...), callback...), '(')
}

// endCall ends a call after its argument.
func endCall(b []byte) []byte {
	return append(bytes.TrimRight(b, "\r\n"), callEnds...)
}
