package wire

import (
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/design"
)

// FunctionRequest returns the request as functions see it (chttpd_external:json_req_obj).
func FunctionRequest(r *http.Request, db *store.DB, id *string, body []byte) ([]byte, error) {
	query, err := QueryOf(r)
	if err != nil {
		return nil, err
	}
	path := PathParts(r.URL.EscapedPath())
	requested := r.RequestURI
	if requested == "" {
		requested = r.URL.RequestURI()
	}
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		peer = r.RemoteAddr
	}
	params, bad := design.NewQuery(query.ByName())
	if bad != "" {
		return nil, ErrNotJSON
	}
	object, err := design.NewRequest(r.Context(), db)
	if err != nil {
		return nil, err
	}
	if body != nil {
		object.Body = string(body)
	}
	requestedOnly, _, _ := strings.Cut(requested, "?")
	object.ID, object.UUID, object.Method, object.Peer = id, ExchangeOf(r).shared.ids.ID(), r.Method, peer
	object.RequestedPath, object.Path, object.RawPath = PathParts(requestedOnly), path, r.URL.RequestURI()
	object.Query, object.Headers, object.Form, object.Cookie = params, headersOf(r), formOf(r, body), cookiesOf(r)
	return json.Marshal(object)
}

// PathParts returns the segments of an escaped path, unescaped.
func PathParts(escaped string) []string {
	parts := []string{}
	for part := range strings.SplitSeq(strings.Trim(escaped, "/"), "/") {
		if plain, err := url.PathUnescape(part); err == nil {
			part = plain
		}
		parts = append(parts, part)
	}
	return parts
}

// headersOf returns the headers that functions see. It leaves out credentials, because a
// database's administrators write the functions and must not act as its users.
func headersOf(r *http.Request) map[string]string {
	out := map[string]string{"Host": r.Host}
	for name, values := range r.Header {
		if name != "Authorization" && name != "Cookie" && name != SettingsOf(r).ProxyToken {
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
	if !IsType(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return map[string]string{}
	}
	form, err := ParseQuery(string(body))
	if err != nil {
		return map[string]string{} // the function can look at the body itself
	}
	return form.ByName()
}

// cookiesOf returns the cookies that functions see: all but the session.
func cookiesOf(r *http.Request) map[string]string {
	out := map[string]string{}
	for _, c := range r.Cookies() {
		if c.Name != auth.CookieName {
			out[c.Name] = c.Value
		}
	}
	return out
}
