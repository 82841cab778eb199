package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gorilla/mux"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/design"
)

// deprecation is the header that answers of shows, lists and rewrites carry: CouchDB 3.0,
// of that day, has declared them to be on their way out.
const deprecation = "@1582675200"

// design finds a design document by its name, without _design/.
func (s *Server) design(ctx context.Context, db *store.DB, name string) (*design.Document, error) {
	return s.designs.Find(ctx, db, "_design/"+name)
}

// functionCall is a request to a function of a design document.
type functionCall struct {
	db     *store.DB
	design *design.Document
	name   string // of the function
	rest   string // of the path behind it
}

// functionOf takes the path apart: group is _show, _update or _list. The caller releases
// the database.
func (s *Server) functionOf(r *http.Request, group string) (c functionCall, err error) {
	if c.db, err = s.access.Open(r); err != nil {
		return c, err
	}
	defer func() {
		if err != nil {
			c.db.Release()
		}
	}()
	ddoc, err := wire.Segment(r, "ddoc")
	if err != nil {
		return c, err
	}
	if c.design, err = s.design(r.Context(), c.db, ddoc); err != nil {
		return c, err
	}
	path := strings.TrimPrefix(strings.TrimPrefix(mux.Vars(r)["rest"], group), "/")
	if path == "" {
		return c, wire.Errorf(http.StatusNotFound, strings.TrimPrefix(group, "_")+"_error", "Invalid path.")
	}
	name, rest, _ := strings.Cut(path, "/")
	if c.name, err = url.PathUnescape(name); err != nil {
		return c, wire.ErrURLEncoding
	}
	if c.rest, err = url.PathUnescape(rest); err != nil {
		return c, wire.ErrURLEncoding
	}
	_, err = c.design.Find(groupMembers[group], c.name)
	return c, err
}

// groupMembers are the members of a design document that the functions stand in.
var groupMembers = map[string]string{"_show": "shows", "_update": "updates", "_list": "lists"}

// target reads the document that a function is called for, as JSON; nil if the path names
// none or there is none.
func (c *functionCall) target(ctx context.Context) (doc *store.Document, js []byte, err error) {
	if c.rest == "" {
		return nil, nil, nil
	}
	doc, err = c.db.Get(ctx, c.rest, store.ReadOptions{Revs: true})
	if errors.Is(err, store.ErrMissing) || errors.Is(err, store.ErrDeleted) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	return doc, doc.AppendJSON(nil, store.JSONOptions{}), nil
}

// id is the document's id for the request object; nil if the path names none.
func (c *functionCall) id() *string {
	if c.rest == "" {
		return nil
	}
	return &c.rest
}

// requestObject is the request as functions see it (chttpd_external:json_req_obj).
func (s *Server) requestObject(r *http.Request, db *store.DB, id *string, body []byte) ([]byte, error) {
	query, err := wire.QueryOf(r)
	if err != nil {
		return nil, err
	}
	path := pathParts(r.URL.EscapedPath())
	requested := r.RequestURI
	if requested == "" {
		requested = r.URL.RequestURI()
	}
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		peer = r.RemoteAddr
	}
	object, err := design.NewRequest(r.Context(), db)
	if err != nil {
		return nil, err
	}
	if body != nil {
		object.Body = string(body)
	}
	requestedOnly, _, _ := strings.Cut(requested, "?")
	object.ID, object.UUID, object.Method, object.Peer = id, s.uuids.ID(), r.Method, peer
	object.RequestedPath, object.Path, object.RawPath = pathParts(requestedOnly), path, r.URL.RequestURI()
	object.Query, object.Headers, object.Form, object.Cookie = query.ByName(), s.headersOf(r), formOf(r, body), cookiesOf(r)
	return json.Marshal(object)
}

// pathParts are the segments of an escaped path, unescaped.
func pathParts(escaped string) []string {
	parts := []string{}
	for part := range strings.SplitSeq(strings.Trim(escaped, "/"), "/") {
		if plain, err := url.PathUnescape(part); err == nil {
			part = plain
		}
		parts = append(parts, part)
	}
	return parts
}

// headersOf is the headers that functions see: not what their caller proves himself with,
// since the administrator of a database, who writes them, is not to act for its users.
func (s *Server) headersOf(r *http.Request) map[string]string {
	out := map[string]string{"Host": r.Host}
	for name, values := range r.Header {
		if name != "Authorization" && name != "Cookie" && name != s.settings().proxyToken {
			out[name] = strings.Join(values, ", ")
		}
	}
	var cookies []string
	for name, value := range cookiesOf(r) {
		cookies = append(cookies, name+"="+value)
	}
	if len(cookies) > 0 {
		slices.Sort(cookies)
		out["Cookie"] = strings.Join(cookies, "; ")
	}
	return out
}

func formOf(r *http.Request, body []byte) map[string]string {
	if !wire.IsType(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return map[string]string{}
	}
	form, err := wire.ParseQuery(string(body))
	if err != nil {
		return map[string]string{} // it is the function's to look at the body
	}
	return form.ByName()
}

// cookiesOf is the cookies that functions see: all but the session.
func cookiesOf(r *http.Request) map[string]string {
	out := map[string]string{}
	for _, c := range r.Cookies() {
		if c.Name != auth.CookieName {
			out[c.Name] = c.Value
		}
	}
	return out
}
