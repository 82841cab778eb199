package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/intake"
)

// handler answers a request or returns the error to answer it with. A handler that
// has written to w and then fails returns errCut, or any error: the wrapper sees that
// the answer has begun and cuts the connection.
type handler func(w http.ResponseWriter, r *http.Request) error

// methods is what a path can do, by HTTP method. GET also serves HEAD unless HEAD is
// there itself. Any other method is a 405 that names Allow.
type methods struct {
	Allow string // as CouchDB spells it in the header: "GET,HEAD"
	By    map[string]handler
	Any   handler // if not nil: whatever the method
}

// get returns the handler of a method.
func (m methods) get(method string) (handler, bool) {
	if m.Any != nil {
		return m.Any, true
	}
	h, ok := m.By[method]
	if !ok && method == http.MethodHead {
		h, ok = m.By[http.MethodGet]
	}
	return h, ok
}

// on builds a methods value: on("GET,HEAD", "GET", s.welcome, ...).
func on(allow string, pairs ...any) methods {
	m := methods{Allow: allow, By: map[string]handler{}}
	for i := 0; i < len(pairs); i += 2 {
		for _, name := range strings.Split(pairs[i].(string), ",") {
			m.By[name] = pairs[i+1].(func(http.ResponseWriter, *http.Request) error)
		}
	}
	return m
}

// always builds a methods value for a path that judges the method itself.
func always(h handler) methods { return methods{Any: h} }

// adminMethods builds the methods of a path that is for administrators of the server
// alone: others are not told which methods there are.
func (s *Server) adminMethods(m methods) methods {
	return always(func(w http.ResponseWriter, r *http.Request) error {
		if err := s.requireAdmin(r); err != nil {
			return err
		}
		s.handle(m).ServeHTTP(w, r)
		return nil
	})
}

// handle turns a path's methods into an http.Handler.
func (s *Server) handle(m methods) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, ok := m.get(r.Method)
		if !ok {
			w.Header().Set("Allow", m.Allow)
			s.fail(w, r, errorf(http.StatusMethodNotAllowed, "method_not_allowed", "Only %s allowed", m.Allow))
			return
		}
		if err := h(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

// fail answers a request with the error that ended it.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	x := exchangeOf(r)
	// A read that took too long ends the context as well, but then there is somebody.
	if r.Context().Err() != nil && !errors.Is(err, errStalled) || x.broken {
		// The client has gone; there is nobody to answer.
		x.cut = true
		panic(http.ErrAbortHandler)
	}
	status, _, _, known := answerOf(err)
	if !known || status == http.StatusInternalServerError || x.begun() {
		s.log.ErrorContext(r.Context(), "request failed", "request", x.id, "method", r.Method, "path", r.URL.EscapedPath(), "error", err)
	}
	if x.begun() {
		x.cut = true
		panic(http.ErrAbortHandler)
	}
	if e, ok := errors.AsType[*auth.TokenError](err); ok {
		// RFC 6750: a client then gets another token, instead of asking for a password.
		w.Header()["Www-Authenticate"] = []string{fmt.Sprintf(`Bearer error="invalid_token", error_description=%q`, e.Reason)}
	}
	if errors.Is(err, auth.ErrBusy) {
		w.Header()["Retry-After"] = []string{"5"}
	}
	s.sendError(w, r, status, err)
}

// sendError sends an error as JSON, in place of whatever a handler had prepared.
func (s *Server) sendError(w http.ResponseWriter, r *http.Request, status int, cause error) {
	h := w.Header()
	for _, name := range []string{"Content-Encoding", "Content-Length", "Content-Type", "Cache-Control", "Etag", "Location", "X-Couch-Update-Newrev"} {
		delete(h, name)
	}
	if status == http.StatusRequestTimeout && r.ProtoMajor == 1 {
		h["Connection"] = []string{"close"} // what is left of the body is not waited for
	}
	if errors.Is(cause, intake.ErrBusy) {
		h["Retry-After"] = []string{"5"}
	}
	if status == http.StatusUnauthorized {
		s.challenge(h, r)
	}
	b := getBuf()
	defer putBuf(b)
	*b = append(appendErrorOf(append(*b, '{'), cause), '}')
	if err := writeJSON(w, r, status, *b); err != nil {
		// The connection is broken; the log's line tells what would have been said.
		s.log.DebugContext(r.Context(), "answer not sent", "error", err)
	}
}

// challenge asks a browser for a password, if the settings say so or the page that the
// request comes from does.
func (s *Server) challenge(h http.Header, r *http.Request) {
	if h["Www-Authenticate"] != nil {
		return
	}
	if own := r.Header["X-Couchdb-Www-Authenticate"]; len(own) == 1 {
		h["Www-Authenticate"] = own
	} else if set := s.set.Load().challenge; set != nil {
		h["Www-Authenticate"] = set
	}
}
