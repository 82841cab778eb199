package query

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"io"
	"iter"
	"net/http"

	"github.com/tododb/tododb/httpapi/fault"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/script"
)

// List answers _design/D/_list/F/V and _design/D/_list/F/OTHER/V: the rows of a view, as the
// function F of D writes them. The view belongs to D or to OTHER. V may also be _all_docs.
func (room *Room) List(w http.ResponseWriter, r *http.Request) error {
	w.Header()["Deprecation"] = []string{deprecation}
	of, err := listedOf(r)
	if err != nil {
		return err
	}
	if of.view == allDocs { // needs the right to list the documents
		if err := room.access.MayList(r); err != nil {
			return err
		}
	}
	c, err := room.functionOf(r, "_list")
	if err != nil {
		return err
	}
	defer c.db.Release()
	if of.wrong != nil {
		return of.wrong
	}
	body, err := functionBody(w, r)
	if err != nil {
		return err
	}
	req, err := wire.FunctionRequest(r, c.db, nil, body)
	if err != nil {
		return err
	}
	if body != nil {
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		r.Header.Del("Content-Encoding") // it has been unpacked
	}
	p, err := readViewParams(w, r, refuseQueries)
	if err != nil {
		return err
	}
	plan, release, err := room.planListed(w, r, &c, of, &p)
	if err != nil {
		return err
	}
	defer release()
	next, stop := iter.Pull2(rowsOf(r.Context(), plan))
	defer stop()
	head, err, _ := next()
	if errors.Is(err, errKnown) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	if err != nil {
		return err
	}
	rows := func() ([]byte, error) {
		row, err, _ := next()
		return row, err
	}
	answer := &listAnswer{w: w, r: r}
	if err := c.design.List(r.Context(), script.ListCall{Name: c.name, Head: head, Req: req}, rows, answer); err != nil {
		answer.fail(err)
		return err
	}
	return nil
}

// allDocs, in the place of a view's name, means all documents of the database.
const allDocs = "_all_docs"

// listed is what the path of a list names: a view and its design document.
type listed struct {
	ddoc, view string
	wrong      error // set if the path names none; a missing right to the database is reported first
}

func listedOf(r *http.Request) (of listed, err error) {
	path, err := wire.Rest(r) // the function, and what is wanted
	if err != nil {
		return of, err
	}
	switch len(path) {
	case 2:
		of.ddoc, err = wire.Segment(r, "ddoc")
	case 3:
		of.ddoc = path[1]
	default:
		of.wrong = wire.Errorf(http.StatusNotFound, "list_error", "Invalid path.")
		return of, nil
	}
	of.view = path[len(path)-1]
	return of, err
}

// planListed makes the query of the rows that a list function gets. The caller calls release
// when they have been read.
func (room *Room) planListed(w http.ResponseWriter, r *http.Request, c *functionCall, of listed, p *viewParams) (plan rangePlan, release func(), err error) {
	if of.view == allDocs {
		if _, err := room.design(r.Context(), c.db, of.ddoc); err != nil {
			return nil, nil, err
		}
		d, err := room.planDocRange(c.db, store.Docs, p)
		return d, func() {}, err
	}
	v, err := room.openViewOf(r.Context(), c.db, of.ddoc, of.view)
	if err != nil {
		return nil, nil, err
	}
	q, err := room.plan(v, p)
	if err != nil {
		v.Release()
		return nil, nil, err
	}
	if r.Method != http.MethodPost {
		q.known = func(rows string) bool {
			sum := md5.Sum([]byte(rows + functionETag(r, c, nil, nil)))
			etag := `"` + base64.StdEncoding.EncodeToString(sum[:]) + `"`
			w.Header()["Etag"] = []string{etag}
			return wire.MatchesETag(r, etag)
		}
	}
	return q, v.Release, nil
}

// rowsOf yields what surrounds the rows of a view, as a list function gets it, and then each
// row as JSON. No snapshot is open while it yields rows, so the function and its client may
// take their time.
func rowsOf(ctx context.Context, q rangePlan) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		lines := &rowLines{header: http.Header{}, yield: yield}
		// Nothing but the bytes of the answer matters.
		st := wire.NewStream(lines, (&http.Request{Method: http.MethodGet, Header: http.Header{}}).WithContext(ctx), http.StatusOK)
		defer st.Drop()
		err := q.write(ctx, st)
		if err == nil {
			err = st.End()
		}
		if err != nil && !errors.Is(err, errNoMoreRows) {
			yield(nil, err)
		}
	}
}

// errNoMoreRows ends the reading when nobody wants more rows.
var errNoMoreRows = errors.New("no more rows are wanted")

// rowLines takes the answer of a view apart. Each row is on its own line there.
type rowLines struct {
	header http.Header
	yield  func([]byte, error) bool
	begun  bool
	rest   []byte
}

func (l *rowLines) Header() http.Header { return l.header }
func (l *rowLines) WriteHeader(int)     {}

func (l *rowLines) Write(b []byte) (int, error) {
	l.rest = append(l.rest, b...)
	for {
		i := bytes.Index(l.rest, []byte("\r\n"))
		if i < 0 {
			return len(b), nil
		}
		line := l.rest[:i]
		if !l.begun {
			line = append(bytes.TrimSuffix(bytes.TrimSuffix(line, []byte(`"rows":[`)), []byte{','}), '}')
			l.begun = true
		} else {
			line = bytes.TrimSuffix(line, []byte{','})
		}
		if !l.yield(bytes.Clone(line), nil) {
			return 0, errNoMoreRows
		}
		l.rest = l.rest[i+2:]
	}
}

// listAnswer sends what a list function writes.
type listAnswer struct {
	w     http.ResponseWriter
	r     *http.Request
	begun bool
}

// Begin is part of script.ListWriter, as is Chunk.
func (a *listAnswer) Begin(resp script.Response) error {
	status := http.StatusOK
	if resp.Code != 0 {
		if status = resp.Code; status < 200 || status > 599 {
			return badCode(status)
		}
	}
	h := a.w.Header()
	h["Content-Type"] = wire.TypeJSON // unless the function says otherwise
	setResponseHeaders(h, &resp, wire.SettingsOf(a.r).FunctionPolicy)
	a.begun = true
	a.w.WriteHeader(status)
	return nil
}

// fail writes what a function threw, after what it has sent, as CouchDB does (chttpd.erl,
// send_chunked_error). The caller's error then cuts the connection: the answer is incomplete.
func (a *listAnswer) fail(err error) {
	if _, threw := errors.AsType[*script.Error](err); !threw || !a.begun || a.r.Method == http.MethodHead {
		return
	}
	f := fault.Of(err)
	b := append(wire.AppendInt([]byte("\n{\"code\":"), f.Status), ',')
	if a.Chunk(append(f.Append(b), "}\n"...)) == nil {
		_ = http.NewResponseController(a.w).Flush() // an error means that the client has gone
	}
}

func (a *listAnswer) Chunk(b []byte) error {
	if a.r.Method == http.MethodHead {
		return nil
	}
	_, err := a.w.Write(b)
	return err
}
