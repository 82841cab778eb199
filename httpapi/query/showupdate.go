package query

import (
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/tododb/tododb/httpapi/attachments"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/script"
)

// Show answers GET and POST of _design/D/_show/F and of _design/D/_show/F/ID.
func (room *Room) Show(w http.ResponseWriter, r *http.Request) error {
	w.Header()["Deprecation"] = []string{deprecation}
	c, err := room.functionOf(r, "_show")
	if err != nil {
		return err
	}
	defer c.db.Release()
	body, err := functionBody(w, r)
	if err != nil {
		return err
	}
	doc, js, err := c.target(r.Context())
	if err != nil {
		return err
	}
	etag := functionETag(r, &c, doc, body)
	w.Header()["Etag"] = []string{etag}
	if wire.MatchesETag(r, etag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	req, err := wire.FunctionRequest(r, c.db, c.id(), body)
	if err != nil {
		return err
	}
	resp, err := c.design.Show(r.Context(), c.name, js, req)
	if err != nil {
		return err
	}
	// Only the server can tell whether a client has the answer already.
	resp.Headers = slices.DeleteFunc(resp.Headers, func(h script.Header) bool { return strings.EqualFold(h.Name, "Etag") })
	return sendResponse(w, r, &resp, http.StatusOK)
}

// functionBody reads the body of a request; nil if it has none.
func functionBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil, nil
	}
	return wire.ReadKeptBody(w, r)
}

// functionETag stands for all that the answer of a function may depend on.
func functionETag(r *http.Request, c *functionCall, doc *store.Document, body []byte) string {
	h := md5.New()
	rev := ""
	if doc != nil {
		rev = doc.Rev.String()
	}
	user := wire.UserOf(r)
	fmt.Fprintf(h, "%q %q %q %q %q %q %q %q", c.design.Rev, rev, r.Method, r.URL.RequestURI(), r.Header["Accept"], user.Name, user.Roles, body)
	return `"` + base64.StdEncoding.EncodeToString(h.Sum(nil)) + `"`
}

// Update answers PUT and POST of _design/D/_update/F and of _design/D/_update/F/ID.
func (room *Room) Update(w http.ResponseWriter, r *http.Request) error {
	c, err := room.functionOf(r, "_update")
	if err != nil {
		return err
	}
	defer c.db.Release()
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return wire.Errorf(http.StatusMethodNotAllowed, "method_not_allowed", "Update functions do not allow GET")
	}
	body, err := wire.ReadKeptBody(w, r)
	if err != nil {
		return err
	}
	_, js, err := c.target(r.Context())
	if err != nil {
		return err
	}
	req, err := wire.FunctionRequest(r, c.db, c.id(), body)
	if err != nil {
		return err
	}
	write, resp, err := c.design.Update(r.Context(), c.name, js, req)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if write != nil {
		status = http.StatusCreated
		result, err := writeUpdated(w, r, c.db, write)
		if err != nil {
			return err
		}
		w.Header()["X-Couch-Update-Newrev"] = []string{result.Rev.String()}
		w.Header()["X-Couch-Id"] = []string{wire.EscapeSegment(result.ID)}
	}
	return sendResponse(w, r, &resp, status)
}

// writeUpdated writes the document that an update function has made.
func writeUpdated(w http.ResponseWriter, r *http.Request, db *store.DB, made []byte) (result store.Result, err error) {
	doc, err := document.Parse(made, document.Options{MaxSize: wire.SettingsOf(r).MaxDocumentSize, MaxID: wire.SettingsOf(r).MaxIDLength})
	if err != nil {
		return result, err
	}
	if err := document.ValidID(doc.ID); err != nil {
		return result, err
	}
	wire.NoteDocument(r, doc.ID)
	if err := db.MayEdit(r.Context(), doc.ID); err != nil {
		return result, err
	}
	edit, err := attachments.EditOf(r.Context(), db, doc, wire.SettingsOf(r).MaxAttachmentSize)
	if err != nil {
		return result, err
	}
	result, err = db.Put(r.Context(), edit, store.WriteOptions{})
	if err == nil || result.Err != nil {
		wire.NoteWritten(r, []store.Result{result})
	}
	return result, err
}

// sendResponse sends the response of a function.
func sendResponse(w http.ResponseWriter, r *http.Request, resp *script.Response, status int) error {
	if resp.Code != 0 {
		if resp.Code < 200 || resp.Code > 599 {
			return badCode(resp.Code)
		}
		status = resp.Code
	}
	setResponseHeaders(w.Header(), resp, wire.SettingsOf(r).FunctionPolicy)
	if resp.Type == wire.TypeJSON[0] {
		w.Header()["Cache-Control"] = wire.MustRevalidate
	}
	w.WriteHeader(status)
	if r.Method == http.MethodHead || status == http.StatusNotModified || status == http.StatusNoContent {
		return nil
	}
	if len(resp.Body) > wire.LongAnswer {
		return wire.ExchangeOf(r).HandOn(w, &resp.Body)
	}
	_, err := w.Write(resp.Body)
	return err
}

func badCode(code int) error {
	return wire.Errorf(http.StatusInternalServerError, "render_error", "The function answers with code %d.", code)
}

// setResponseHeaders sets the headers that a function returns, and the ones that all functions
// get: a page that a function writes must not use the rights of the people who look at it.
func setResponseHeaders(h http.Header, resp *script.Response, policy []string) {
	h["Vary"] = []string{"Accept"}
	if policy != nil {
		h["Content-Security-Policy"] = slices.Clone(policy) // the function may add to them
	}
	if resp.Type != "" {
		h["Content-Type"] = []string{resp.Type}
	}
	for _, one := range resp.Headers {
		switch name := http.CanonicalHeaderKey(one.Name); name {
		case "Content-Length", "Transfer-Encoding", "Connection", "Set-Cookie2", "Deprecation", "X-Content-Type-Options", "Server", "X-Couch-Request-Id":
			// These are the server's.
		case "Content-Security-Policy":
			h.Add(name, one.Value) // browsers heed both
		default:
			h.Set(name, one.Value)
		}
	}
}
