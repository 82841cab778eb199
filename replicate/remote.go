package replicate

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Endpoint is a source or target as a request names it.
type Endpoint struct {
	URL      string // without credentials, ending in a slash; "" for a local database
	Local    string // name of a local database
	Headers  http.Header
	User     string
	Password string
}

// Name is the endpoint without credentials.
func (e *Endpoint) Name() string {
	if e.URL != "" {
		return e.URL
	}
	return e.Local
}

// errRedirect is a peer that sends us elsewhere, where our credentials have no business.
var errRedirect = errors.New("redirected to another host")

// NewClient makes an HTTP client for peers: connections are kept, redirects to other
// hosts are refused.
func NewClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 20
	transport.ResponseHeaderTimeout = 0 // a peer may search for long before its first row
	return &http.Client{
		Transport: transport,
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			first := via[0].URL
			if req.URL.Host != first.Host || first.Scheme == "https" && req.URL.Scheme != "https" || len(via) > 5 {
				return errRedirect
			}
			return nil
		},
	}
}

// remotePeer is a database behind HTTP.
type remotePeer struct {
	at     Endpoint
	name   string // how it is told of
	client *http.Client
	// plain is set once the peer turns out to have no _bulk_get.
	plain atomic.Bool
}

// RemotePeer makes a Peer of a database behind HTTP.
func RemotePeer(at Endpoint, client *http.Client) Peer {
	return &remotePeer{at: at, name: at.URL, client: client}
}

func (p *remotePeer) Name() string { return p.name }
func (p *remotePeer) Close()       {}

// request sends a request with a JSON body, or without any; path is below the database,
// "" for itself. The answer's status is a success; the caller closes its body.
func (p *remotePeer) request(ctx context.Context, method, path string, query url.Values, body []byte) (*http.Response, error) {
	header := http.Header{"Accept": {"application/json"}}
	if body == nil {
		return p.send(ctx, method, path, query, nil, 0, header)
	}
	header.Set("Content-Type", "application/json")
	return p.send(ctx, method, path, query, bytes.NewReader(body), int64(len(body)), header)
}

// send sends a request; size is that of the body.
func (p *remotePeer) send(ctx context.Context, method, path string, query url.Values, body io.Reader, size int64, header http.Header) (*http.Response, error) {
	target := p.at.URL + path
	if path == "" {
		target = strings.TrimSuffix(target, "/")
	}
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.ContentLength = size
	}
	for name, values := range p.at.Headers {
		req.Header[name] = values
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", "tododb-replicator")
	if p.at.User != "" {
		token := base64.StdEncoding.EncodeToString([]byte(p.at.User + ":" + p.at.Password))
		req.Header.Set("Authorization", "Basic "+token)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		var outer *url.Error
		if errors.As(err, &outer) { // its text has the whole URL
			err = outer.Err
		}
		return nil, err
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, statusError(resp, path == "")
}

// statusError reads an answer that is no success.
func statusError(resp *http.Response, database bool) error {
	var said struct{ Error, Reason string }
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // whatever came is enough
	_ = json.Unmarshal(text, &said)
	e := &StatusError{Status: resp.StatusCode, Word: said.Error, Reason: said.Reason}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
		e.RetryAfter = time.Duration(s) * time.Second
	}
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("%w: %w", ErrUnauthorized, e)
	case resp.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%w: %w", ErrForbidden, e)
	case resp.StatusCode == http.StatusNotFound && (database || strings.HasPrefix(said.Reason, "Database does not exist") || said.Reason == "no_db_file"):
		return ErrNoDB
	}
	return e
}

// call sends a request and reads a small answer.
func (p *remotePeer) call(ctx context.Context, method, path string, query url.Values, body []byte) ([]byte, error) {
	resp, err := p.request(ctx, method, path, query, body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

func (p *remotePeer) Info(ctx context.Context) (Info, error) {
	b, err := p.call(ctx, http.MethodGet, "", nil, nil)
	if err != nil {
		return Info{}, err
	}
	var info struct {
		UpdateSeq any    `json:"update_seq"`
		Name      string `json:"db_name"`
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(&info); err != nil || info.UpdateSeq == nil {
		return Info{}, ErrNoDB // something else answers there
	}
	return Info{UpdateSeq: fmt.Sprint(info.UpdateSeq)}, nil
}

func (p *remotePeer) Create(ctx context.Context) error {
	_, err := p.call(ctx, http.MethodPut, "", nil, nil)
	if s, ok := errors.AsType[*StatusError](err); ok && s.Status == http.StatusPreconditionFailed {
		return nil // it is there
	}
	return err
}

func (p *remotePeer) GetLocal(ctx context.Context, id string) ([]byte, error) {
	b, err := p.call(ctx, http.MethodGet, "_local/"+url.PathEscape(id), nil, nil)
	if s, ok := errors.AsType[*StatusError](err); ok && s.Status == http.StatusNotFound {
		return nil, errMissing
	}
	return b, err
}

// PutLocal writes over what is there: another writer's revision is read and replaced.
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
		_, err = p.call(ctx, http.MethodPut, "_local/"+url.PathEscape(id), query, body)
		if s, ok := errors.AsType[*StatusError](err); ok && s.Status == http.StatusConflict && try < 3 {
			continue
		}
		return err
	}
}
