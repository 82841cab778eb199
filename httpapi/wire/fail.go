package wire

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// Fail answers a request with the error that ended it.
func Fail(w http.ResponseWriter, r *http.Request, err error) {
	x := ExchangeOf(r)
	// A read that took too long also ends the context, but then the client is still there.
	if r.Context().Err() != nil && !errors.Is(err, errStalled) || x.broken {
		// The client has gone; there is nobody to answer.
		x.IsCut = true
		panic(http.ErrAbortHandler)
	}
	f := x.shared.opt.Faults(err)
	if f.Status == http.StatusInternalServerError || x.begun() {
		x.shared.opt.Log.ErrorContext(r.Context(), "request failed", "request", x.ID, "method", r.Method, "path", r.URL.EscapedPath(), "error", err)
	}
	if x.begun() {
		x.IsCut = true
		panic(http.ErrAbortHandler)
	}
	x.sendError(w, r, &f)
}

// sendError sends an error as JSON instead of what a handler had prepared.
func (x *Exchange) sendError(w http.ResponseWriter, r *http.Request, f *Failure) {
	h := w.Header()
	for _, name := range []string{"Content-Encoding", "Content-Length", "Content-Type", "Cache-Control", "Etag", "Location", "X-Couch-Update-Newrev"} {
		delete(h, name)
	}
	if f.Status == http.StatusRequestTimeout && r.ProtoMajor == 1 {
		h["Connection"] = []string{"close"} // do not wait for the rest of the body
	}
	if f.RetryAfter != "" {
		h["Retry-After"] = []string{f.RetryAfter}
	}
	if f.Challenge != "" {
		h["Www-Authenticate"] = []string{f.Challenge}
	} else if f.Status == http.StatusUnauthorized && x.challenge(h, r, f.Reason) {
		f.Status = http.StatusFound
	}
	b := GetBuf()
	defer PutBuf(b)
	*b = append(f.Append(append(*b, '{')), '}')
	if err := WriteJSON(w, r, f.Status, *b); err != nil {
		// The connection is broken; the log says what the answer would have been.
		x.shared.opt.Log.DebugContext(r.Context(), "answer not sent", "error", err)
	}
}

// challenge asks a browser for a password if the settings or the requesting page say so. elsewhere
// says that it sends a person who looks at a page to another one, to log in, as CouchDB does.
func (x *Exchange) challenge(h http.Header, r *http.Request, reason string) (elsewhere bool) {
	if h["Www-Authenticate"] != nil {
		return false
	}
	set := x.shared.settings()
	if own := r.Header["X-Couchdb-Www-Authenticate"]; len(own) == 1 {
		h["Www-Authenticate"] = own
	} else if set.Challenge != nil {
		h["Www-Authenticate"] = set.Challenge
	} else if set.LoginPage != "" && wantsPage(r) {
		h["Location"] = []string{Absolute(r, set.LoginPage+"?return="+url.QueryEscape(r.URL.Path)+"&reason="+url.QueryEscape(reason))}
		return true
	}
	return false
}

// wantsPage tells whether a person looks at the answer in a browser.
func wantsPage(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	return strings.Contains(accept, "text/html") && !strings.Contains(accept, "application/json")
}
