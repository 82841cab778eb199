package replicate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	userAgent = "tododb-replicator"
	// defaultSilence is how long a peer may be silent. It is CouchDB's connection_timeout.
	defaultSilence = 30 * time.Second
)

// remotePeer is a database behind HTTP.
type remotePeer struct {
	at     Endpoint
	name   string // for logs and users
	client *http.Client
	// session proves who we are. nil: nothing does, or the endpoint's headers do.
	session *login
	silence time.Duration // how long the peer may be silent
	near    bool          // on this machine, where compressing takes longer than sending
	pace    pace
	// plain is set once the peer turns out to have no _bulk_get.
	plain atomic.Bool
}

func newRemotePeer(at Endpoint, client *http.Client, by *login) *remotePeer {
	p := &remotePeer{at: at, name: at.URL, client: client, session: by, silence: at.Silence}
	if p.silence <= 0 {
		p.silence = defaultSilence
	}
	if u, err := url.Parse(at.URL); err == nil {
		ip := net.ParseIP(u.Hostname())
		p.near = u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	}
	p.plain.Store(at.NoBulkGet)
	return p
}

func (p *remotePeer) Name() string { return p.name }
func (p *remotePeer) Close()       {}

// request sends a request with a JSON body or none. The path is below the database; "" is
// the database itself. The answer has a status of success, and the caller closes its body.
func (p *remotePeer) request(ctx context.Context, method string, path dbPath, query url.Values, body []byte) (*http.Response, error) {
	return p.send(ctx, sendingJSON(method, path, query, body))
}

// sending is a request to be sent.
type sending struct {
	method string
	path   dbPath
	query  url.Values
	header http.Header
	body   io.Reader     // nil: none; an io.ReaderAt can be sent again
	size   int64         // of the body
	wait   time.Duration // how long the peer may wait before it answers
}

// sendingJSON makes a request with a JSON body or none.
func sendingJSON(method string, path dbPath, query url.Values, body []byte) sending {
	q := sending{method: method, path: path, query: query, header: http.Header{"Accept": {"application/json"}}}
	if body != nil {
		q.header.Set("Content-Type", "application/json")
		q.body, q.size = bytes.NewReader(body), int64(len(body))
	}
	return q
}

// send sends a request. If its session has ended, it sends the request again in a new one,
// provided that the body can be sent again.
func (p *remotePeer) send(ctx context.Context, q sending) (*http.Response, error) {
	for again := false; ; again = true {
		resp, cookie, err := p.sendOnce(ctx, &q)
		if err != nil {
			return nil, err
		}
		if p.session != nil {
			p.session.heard(resp)
		}
		if resp.StatusCode < 300 {
			return resp, nil
		}
		err = statusError(resp, q.path == "")
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized || cookie == "" || again {
			return nil, err
		}
		p.session.refused(cookie)
		if _, ok := q.body.(io.ReaderAt); !ok && q.body != nil {
			return nil, errSessionEnded
		}
	}
}

// errSessionEnded says that a request must be made again from the start, in a new session.
var errSessionEnded = errors.New("the session at the peer has ended")

// sendOnce sends a request. It returns the answer, whatever it is, and the cookie that was
// sent.
func (p *remotePeer) sendOnce(ctx context.Context, q *sending) (resp *http.Response, cookie string, err error) {
	target := p.at.URL + string(q.path)
	if q.path == "" {
		target = strings.TrimSuffix(target, "/")
	}
	if len(q.query) > 0 {
		target += "?" + escapedQuery(q.query)
	}
	ctx, w := newWatch(ctx, p.silence+q.wait)
	defer func() {
		if err != nil {
			w.over()
		}
	}()
	var body io.Reader
	var again func() (io.ReadCloser, error)
	if q.body != nil {
		from := q.body
		if at, ok := from.(io.ReaderAt); ok { // package http may not be through with that of an earlier try
			from = io.NewSectionReader(at, 0, q.size)
			again = func() (io.ReadCloser, error) {
				return io.NopCloser(&watchedBody{Reader: io.NewSectionReader(at, 0, q.size), w: w, ctx: ctx}), nil
			}
		}
		body = &watchedBody{Reader: from, w: w, ctx: ctx}
	}
	req, err := http.NewRequestWithContext(ctx, q.method, target, body)
	if err != nil {
		return nil, "", err
	}
	if q.body != nil {
		req.ContentLength, req.GetBody = q.size, again
	}
	for name, values := range p.at.Headers {
		req.Header[name] = values
	}
	for name, values := range q.header {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", userAgent)
	if p.near && req.Header.Get("Accept-Encoding") == "" {
		req.Header.Set("Accept-Encoding", "identity")
	}
	if p.session != nil {
		if cookie, err = p.session.sign(ctx, req.Header); err != nil {
			return nil, "", err
		}
	}
	resp, err = p.client.Do(req)
	if err != nil {
		err = withoutURL(err)
		if _, told := errors.AsType[*unreachable](err); !told && errors.Is(context.Cause(ctx), errStalled) {
			err = errStalled
		}
		return nil, cookie, err
	}
	w.rest()
	resp.Body = &watchedAnswer{ReadCloser: resp.Body, w: w, ctx: ctx}
	return resp, cookie, nil
}

// withoutURL removes the URL from a client's error, because it may hold a password.
func withoutURL(err error) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		return outer.Err
	}
	return err
}

// statusError reads an answer that is not a success.
func statusError(resp *http.Response, database bool) error {
	var said struct{ Error, Reason string }
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // whatever arrived is enough
	_ = json.Unmarshal(text, &said)
	e := &StatusError{Status: resp.StatusCode, Word: said.Error, Reason: said.Reason}
	e.RetryAfter = retryAfter(resp.Header.Get("Retry-After"))
	switch {
	case resp.StatusCode/100 == 3:
		return fmt.Errorf("%w: %w", errMoved, e)
	case resp.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("%w: %w", ErrUnauthorized, e)
	case resp.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%w: %w", ErrForbidden, e)
	case resp.StatusCode == http.StatusNotFound && (database || strings.HasPrefix(said.Reason, "Database does not exist") || said.Reason == "no_db_file"):
		return ErrNoDB
	}
	return e
}

// retryAfter reads the header Retry-After: seconds or a date.
func retryAfter(text string) time.Duration {
	if s, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(max(s, 0), math.MaxInt32)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}

// call sends a request and reads a small answer.
func (p *remotePeer) call(ctx context.Context, method string, path dbPath, query url.Values, body []byte) ([]byte, error) {
	resp, err := p.request(ctx, method, path, query, body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return readAnswer(resp.Body)
}

func (p *remotePeer) Info(ctx context.Context) (Info, error) {
	b, err := p.call(ctx, http.MethodGet, "", nil, nil)
	if err != nil {
		return Info{}, err
	}
	var info struct {
		UpdateSeq any    `json:"update_seq"`
		Opened    any    `json:"instance_start_time"`
		Name      string `json:"db_name"`
		Cluster   struct{ N int }
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(&info); err != nil || info.UpdateSeq == nil {
		return Info{}, ErrNoDB // something else answers there
	}
	seq := fmt.Sprint(info.UpdateSeq)
	return Info{UpdateSeq: seq, Opened: fmt.Sprint(info.Opened), Steady: info.Cluster.N <= 1}, nil
}

// Holds asks for no change after the sequence. A server that knows it then says that this is how far
// one has come; tododb names an earlier one if it has been put back.
func (p *remotePeer) Holds(ctx context.Context, seq string) (bool, error) {
	b, err := p.call(ctx, http.MethodGet, "_changes", url.Values{"since": {seq}, "limit": {"0"}}, nil)
	if err != nil {
		return false, err
	}
	var end struct {
		LastSeq json.RawMessage `json:"last_seq"`
	}
	err = json.Unmarshal(b, &end)
	return err == nil && seqText(end.LastSeq) == seq, err
}

func (p *remotePeer) Create(ctx context.Context) error {
	_, err := p.call(ctx, http.MethodPut, "", p.at.NewDB, nil)
	if s, ok := errors.AsType[*StatusError](err); ok && s.Status == http.StatusPreconditionFailed {
		return nil // it exists
	}
	return err
}

func (p *remotePeer) GetLocal(ctx context.Context, id string) ([]byte, error) {
	b, err := p.call(ctx, http.MethodGet, localPath(id), nil, nil)
	if s, ok := errors.AsType[*StatusError](err); ok && s.Status == http.StatusNotFound {
		return nil, errMissing
	}
	return b, err
}

// PutLocal overwrites the document. After a conflict it reads the new revision and replaces it.
func (p *remotePeer) PutLocal(ctx context.Context, id string, body []byte) error {
	for try := 0; ; try++ {
		var old struct {
			Rev string `json:"_rev"`
		}
		b, err := p.GetLocal(ctx, id)
		if err != nil && !errors.Is(err, errMissing) {
			return err
		}
		if err == nil {
			if err := json.Unmarshal(b, &old); err != nil {
				return err
			}
		}
		query := url.Values{}
		if old.Rev != "" {
			query.Set("rev", old.Rev)
		}
		_, err = p.call(ctx, http.MethodPut, localPath(id), query, body)
		if s, ok := errors.AsType[*StatusError](err); ok && s.Status == http.StatusConflict && try < 3 {
			continue
		}
		return err
	}
}
