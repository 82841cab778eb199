package httpapi

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// maxAhead bounds what is reserved on the word of a Content-Length alone.
const maxAhead = 16 << 20

var errBodyTooLarge = errorf(http.StatusRequestEntityTooLarge, "too_large", "the request entity is too large")

// maxOpenBody bounds the bodies that are read before it is known who sends them.
const maxOpenBody = 64 << 10

// readBody reads the whole body, decompressed. The bytes are the caller's.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	return readBodyOf(w, r, s.set.Load().maxRequestSize)
}

// readBodyOf is readBody for a body of at most limit bytes.
func readBodyOf(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, errBodyTooLarge
	}
	// One more than the limit comes through, so that reaching it and exceeding it differ.
	body := io.Reader(http.MaxBytesReader(w, r.Body, limit))
	ahead := r.ContentLength
	switch coding := contentCoding(r); coding {
	case "", "identity":
	case "gzip", "x-gzip":
		z, _ := gzipReaders.Get().(*gzip.Reader)
		if z == nil {
			z = new(gzip.Reader)
		}
		defer gzipReaders.Put(z)
		if err := z.Reset(body); err != nil {
			return nil, bodyError(err)
		}
		body, ahead = io.LimitReader(z, limit+1), 4*ahead
	default:
		return nil, errorf(http.StatusUnsupportedMediaType, "bad_content_type", "%s is not a supported content encoding.", coding)
	}
	b, err := readAll(body, min(max(ahead, 0), maxAhead))
	if err != nil {
		return nil, bodyError(err)
	}
	if int64(len(b)) > limit {
		return nil, errBodyTooLarge
	}
	return b, nil
}

var gzipReaders sync.Pool

// contentCoding is how the bytes of a body are packed, whatever the case it is written in.
func contentCoding(r *http.Request) string {
	return strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding")))
}

// readAll is io.ReadAll with room made ahead.
func readAll(r io.Reader, ahead int64) ([]byte, error) {
	b := make([]byte, 0, ahead+512)
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return nil, err
		}
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
	}
}

// bodyError says what was wrong with a body that could not be read.
func bodyError(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return errBodyTooLarge
	}
	if errors.Is(err, errStalled) {
		return errStalled
	}
	return badRequest("The request body could not be read: %s", err)
}

// requireJSON refuses a body that does not say that it is JSON, as CouchDB does on
// POST: a web page can post other types across origins without asking.
func requireJSON(r *http.Request) error {
	if isType(r.Header.Get("Content-Type"), "application/json") {
		return nil
	}
	return errorf(http.StatusUnsupportedMediaType, "bad_content_type", "Content-Type must be application/json")
}

// isType compares a Content-Type, whatever its parameters, with a media type.
func isType(header, media string) bool {
	kind, _, _ := strings.Cut(header, ";")
	return strings.EqualFold(strings.TrimSpace(kind), media)
}

// params are the parameters of a query in the order in which they came. A semicolon
// separates them like an ampersand; of a repeated one the last counts.
type params struct{ list []param }

type param struct{ name, value string }

// queryOf parses the query of a request.
func queryOf(r *http.Request) (params, error) { return parseQuery(r.URL.RawQuery) }

func parseQuery(query string) (params, error) {
	var p params
	for query != "" {
		var part string
		if i := strings.IndexAny(query, "&;"); i >= 0 {
			part, query = query[:i], query[i+1:]
		} else {
			part, query = query, ""
		}
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return params{}, errURLEncoding
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return params{}, errURLEncoding
		}
		p.list = append(p.list, param{name, value})
	}
	return p, nil
}

var errURLEncoding = badRequest("invalid_url_encoding")

// get returns the value that counts.
func (p params) get(name string) (value string, ok bool) {
	for i := len(p.list) - 1; i >= 0; i-- {
		if p.list[i].name == name {
			return p.list[i].value, true
		}
	}
	return "", false
}

// is tells whether a parameter is "true".
func (p params) is(name string) bool {
	value, _ := p.get(name)
	return value == "true"
}

// each goes through all of them in order, until fn gives an error.
func (p params) each(fn func(name, value string) error) error {
	for _, one := range p.list {
		if err := fn(one.name, one.value); err != nil {
			return err
		}
	}
	return nil
}
