package replicate

import (
	"context"
	"errors"
	"io"
	"net/http"
)

// servedPeer makes a Peer of a database of this server that is reached through the
// server's own API.
func servedPeer(name string, api http.Handler) Peer {
	at := Endpoint{URL: "http://localhost/" + escaped(name) + "/"}
	p := newRemotePeer(at, &http.Client{Transport: &handlerTransport{api}}, nil)
	p.name = name
	return p
}

// handlerTransport hands requests to a handler of this process.
type handlerTransport struct{ handler http.Handler }

// RoundTrip gives the answer as soon as its head is known. The handler's goroutine ends
// with the answer's body, which the caller closes.
func (t *handlerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(req.Context())
	in := req.Clone(ctx)
	in.RequestURI = req.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	body, out := io.Pipe()
	w := &pipedAnswer{header: http.Header{}, out: out, begun: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer cancel()
		err := errors.New("the handler was aborted")
		defer func() { // an abort, which is how a handler cuts an answer, is the only panic that gets here
			if cause := recover(); cause != nil && cause != any(http.ErrAbortHandler) {
				panic(cause)
			}
			w.fail(err)
			out.CloseWithError(err)
		}()
		t.handler.ServeHTTP(w, in)
		w.WriteHeader(http.StatusOK) // unless it has been
		err = nil
	}()
	select {
	case <-w.begun:
	case <-ctx.Done():
		body.CloseWithError(ctx.Err())
		<-done
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, context.Cause(req.Context())
	}
	if w.failed != nil {
		<-done
		return nil, w.failed
	}
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, ContentLength: -1, Request: req,
		Body: &pipedBody{body, func() { cancel(); <-done }},
	}, nil
}

// pipedBody is the body of an answer that a handler is still writing.
type pipedBody struct {
	*io.PipeReader
	end func()
}

func (b *pipedBody) Close() error {
	b.PipeReader.Close()
	b.end()
	return nil
}

// pipedAnswer is the ResponseWriter of a handler whose answer is read in this process.
type pipedAnswer struct {
	header http.Header
	out    *io.PipeWriter
	begun  chan struct{} // closed when what follows is set

	status int
	sent   http.Header
	failed error
}

func (w *pipedAnswer) Header() http.Header { return w.header }

func (w *pipedAnswer) WriteHeader(status int) {
	if w.status == 0 && w.failed == nil && status >= 200 {
		w.status, w.sent = status, w.header.Clone()
		close(w.begun)
	}
}

func (w *pipedAnswer) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.out.Write(b)
}

// Flush is there for feeds; nothing is held back.
func (w *pipedAnswer) Flush() {}

// fail tells of an answer that never began.
func (w *pipedAnswer) fail(err error) {
	if w.status == 0 && w.failed == nil {
		if err == nil {
			err = errors.New("no answer")
		}
		w.failed = err
		close(w.begun)
	}
}
