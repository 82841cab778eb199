package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
)

// Request is any request to a server's API.
type Request struct {
	Method string
	Path   []string // its segments, unescaped; "_design/x" and "_local/x" are ids of one segment
	Query  url.Values
	JSON   any       // the body, unless it is Body
	Body   io.Reader // JSON; nil: there is none
	Accept string    // what the answer may be; "": anything
}

// message puts a request into its form.
func (q Request) message() message {
	m := message{method: q.Method, query: q.Query, json: q.JSON, body: q.Body, accept: q.Accept}
	for i, segment := range q.Path {
		if i > 0 {
			m.path += docPath(segment)
		} else {
			m.path = path(segment)
		}
	}
	if m.path == "" {
		m.path = "/"
	}
	return m
}

// Open sends a request and returns its answer, which is a success. The caller closes its body.
// An answer that is none is a *Refused.
func (s *Server) Open(ctx context.Context, q Request) (*http.Response, error) {
	return s.send(ctx, q.message())
}

// Ask sends a request and reads the JSON of its answer, unless out is nil.
func (s *Server) Ask(ctx context.Context, q Request, out any) error {
	return s.ask(ctx, q.message(), out)
}

// User is the name with which requests come; "" for nobody's.
func (s *Server) User() string { return s.name }

// Near tells whether the server is on this machine.
func (s *Server) Near() bool { return s.near }
