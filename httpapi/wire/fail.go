package wire

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/intake"
	"github.com/tododb/tododb/store"
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
	status, _, _, known := AnswerOf(err)
	if !known || status == http.StatusInternalServerError || x.begun() {
		x.shared.opt.Log.ErrorContext(r.Context(), "request failed", "request", x.ID, "method", r.Method, "path", r.URL.EscapedPath(), "error", err)
	}
	if x.begun() {
		x.IsCut = true
		panic(http.ErrAbortHandler)
	}
	if e, ok := errors.AsType[*auth.TokenError](err); ok {
		// RFC 6750: a client then gets another token, instead of asking for a password.
		w.Header()["Www-Authenticate"] = []string{fmt.Sprintf(`Bearer error="invalid_token", error_description=%q`, e.Reason)}
	}
	if errors.Is(err, auth.ErrBusy) {
		w.Header()["Retry-After"] = []string{"5"}
	}
	x.sendError(w, r, status, err)
}

// sendError sends an error as JSON instead of what a handler had prepared.
func (x *Exchange) sendError(w http.ResponseWriter, r *http.Request, status int, cause error) {
	h := w.Header()
	for _, name := range []string{"Content-Encoding", "Content-Length", "Content-Type", "Cache-Control", "Etag", "Location", "X-Couch-Update-Newrev"} {
		delete(h, name)
	}
	if status == http.StatusRequestTimeout && r.ProtoMajor == 1 {
		h["Connection"] = []string{"close"} // do not wait for the rest of the body
	}
	if errors.Is(cause, intake.ErrBusy) || errors.Is(cause, store.ErrUploadsBusy) {
		h["Retry-After"] = []string{"5"}
	}
	if status == http.StatusUnauthorized {
		x.challenge(h, r)
	}
	b := GetBuf()
	defer PutBuf(b)
	*b = append(AppendErrorOf(append(*b, '{'), cause), '}')
	if err := WriteJSON(w, r, status, *b); err != nil {
		// The connection is broken; the log says what the answer would have been.
		x.shared.opt.Log.DebugContext(r.Context(), "answer not sent", "error", err)
	}
}

// challenge asks a browser for a password if the settings or the requesting page say so.
func (x *Exchange) challenge(h http.Header, r *http.Request) {
	if h["Www-Authenticate"] != nil {
		return
	}
	if own := r.Header["X-Couchdb-Www-Authenticate"]; len(own) == 1 {
		h["Www-Authenticate"] = own
	} else if set := x.shared.settings().Challenge; set != nil {
		h["Www-Authenticate"] = set
	}
}
