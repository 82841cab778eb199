package script

import (
	"slices"
	"strings"
)

// Response is a function's answer to a request.
type Response struct {
	Code    int // 0: the caller's
	Headers []Header
	Body    []byte
	Type    string // the Content-Type that goes with the form of the body, if no header says another
	NoBody  bool   // neither body, json nor base64 was given
}

// Header is one header of a Response.
type Header struct{ Name, Value string }

// setDefault gives a response a Content-Type unless it has one.
func (r *Response) setDefault(contentType string) {
	if contentType == "" || slices.ContainsFunc(r.Headers, func(h Header) bool { return strings.EqualFold(h.Name, "Content-Type") }) {
		return
	}
	r.Headers = append(r.Headers, Header{"Content-Type", contentType})
}
