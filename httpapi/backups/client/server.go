package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup"
)

// Server is a server behind HTTP.
type Server struct {
	base           url.URL // without credentials
	name, password string
	http           *http.Client
}

// New returns the server at an address such as http://admin:password@127.0.0.1:5984. It does not
// connect yet.
func New(address string, transport http.RoundTripper) (*Server, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the address of a server is like http://admin:password@127.0.0.1:5984")
	}
	s := &Server{base: *u, http: &http.Client{Transport: transport}}
	s.name = u.User.Username()
	s.password, _ = u.User.Password()
	s.base.User, s.base.RawQuery, s.base.Fragment = nil, "", ""
	s.base.Path = strings.TrimSuffix(s.base.Path, "/")
	return s, nil
}

// String is the address without credentials.
func (s *Server) String() string { return s.base.String() }

// Refused is an answer that is no success.
type Refused struct {
	Status       int
	Word, Reason string
	at           string
}

func (e *Refused) Error() string {
	if e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden {
		return fmt.Sprintf("%s: %s (%d): a backup needs an administrator's name and password in the address", e.at, e.Reason, e.Status)
	}
	return fmt.Sprintf("%s: %s: %s (%d)", e.at, e.Word, e.Reason, e.Status)
}

// Is gives answers the meaning that the errors of a store have.
func (e *Refused) Is(target error) bool {
	switch target {
	case store.ErrNoDB:
		return e.Status == http.StatusNotFound && e.Reason == "Database does not exist."
	case store.ErrDBExists:
		return e.Status == http.StatusPreconditionFailed && e.Word == "file_exists"
	case backup.ErrContinue:
		return e.Word == "backup_not_continued"
	}
	return false
}

// path is the path of a database or of something in it.
func path(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString("/")
		b.WriteString(url.PathEscape(p))
	}
	return b.String()
}

// do sends a request, with JSON if there is a body, as send does.
func (s *Server) do(ctx context.Context, method, path string, query url.Values, body io.Reader) (*http.Response, error) {
	return s.send(ctx, method, path, query, "application/json", body)
}

// send sends a request and returns the answer, which is a success. The caller closes its body.
func (s *Server) send(ctx context.Context, method, path string, query url.Values, kind string, body io.Reader) (*http.Response, error) {
	at := s.base.String() + path
	q, err := http.NewRequestWithContext(ctx, method, at, body)
	if err != nil {
		return nil, err
	}
	q.URL.RawQuery = query.Encode()
	if s.name != "" {
		q.SetBasicAuth(s.name, s.password)
	}
	q.Header.Set("User-Agent", "tododb-backup")
	if body != nil {
		q.Header.Set("Content-Type", kind)
	}
	a, err := s.http.Do(q)
	if err != nil {
		return nil, err
	}
	if a.StatusCode >= 300 {
		defer a.Body.Close()
		refused := &Refused{Status: a.StatusCode, at: method + " " + at}
		var said struct{ Error, Reason string }
		if text, err := io.ReadAll(io.LimitReader(a.Body, 64<<10)); err == nil && json.Unmarshal(text, &said) == nil {
			refused.Word, refused.Reason = said.Error, said.Reason
		}
		if refused.Word == "" {
			refused.Word, refused.Reason = "the answer is not that of a tododb", a.Status
		}
		return nil, refused
	}
	return a, nil
}

// ask sends a request with JSON, if in is not nil, and reads the JSON of its answer.
func (s *Server) ask(ctx context.Context, method, path string, query url.Values, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	a, err := s.do(ctx, method, path, query, body)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, a.Body)
		return err
	}
	if err := json.NewDecoder(a.Body).Decode(out); err != nil {
		return fmt.Errorf("%s %s: %w", method, s.base.String()+path, err)
	}
	return nil
}

// Identity is who a server is.
type Identity struct {
	UUID   string
	Vendor struct{ Name, Version string }
}

// Identity asks who the server is.
func (s *Server) Identity(ctx context.Context) (id Identity, err error) {
	err = s.ask(ctx, "GET", "/", nil, nil, &id)
	if err == nil && id.UUID == "" {
		err = fmt.Errorf("%s is no tododb", s)
	}
	return id, err
}

// Databases lists the databases.
func (s *Server) Databases(ctx context.Context) (names []string, err error) {
	const page = 10000
	for {
		q := url.Values{"limit": {strconv.Itoa(page)}}
		if len(names) > 0 {
			last, err := json.Marshal(names[len(names)-1])
			if err != nil {
				return nil, err
			}
			q.Set("start_key", string(last))
			q.Set("skip", "1")
		}
		var some []string
		if err := s.ask(ctx, "GET", "/_all_dbs", q, nil, &some); err != nil {
			return nil, err
		}
		names = append(names, some...)
		if len(some) < page {
			return names, nil
		}
	}
}

// Settings are the settings of the server.
func (s *Server) Settings(ctx context.Context) (all map[string]map[string]string, err error) {
	err = s.ask(ctx, "GET", "/_node/_local/_config", nil, nil, &all)
	return all, err
}

// SetSetting changes a setting.
func (s *Server) SetSetting(ctx context.Context, section, name, value string) error {
	return s.ask(ctx, "PUT", "/_node/_local/_config"+path(section, name), nil, value, nil)
}

// Stream opens the stream of a database.
func (s *Server) Stream(ctx context.Context, database string, opt backup.Options) (io.ReadCloser, error) {
	q := url.Values{}
	if !opt.Since.IsZero() {
		q.Set("since", opt.Since.String())
	}
	if opt.NoContent {
		q.Set("content", "false")
	}
	if opt.Checkpoints {
		q.Set("checkpoints", "true")
	}
	a, err := s.do(ctx, "GET", path(database)+"/_backup", q, nil)
	if err != nil {
		return nil, err
	}
	return a.Body, nil
}

// Contents opens a stream of attachments.
func (s *Server) Contents(ctx context.Context, database string, digests []store.Digest) (io.ReadCloser, error) {
	var body struct {
		Digests []string `json:"digests"`
	}
	for _, d := range digests {
		body.Digests = append(body.Digests, d.String())
	}
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	a, err := s.do(ctx, "POST", path(database)+"/_backup", nil, bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return a.Body, nil
}

// Updates waits for databases to change.
type Updates struct {
	server *Server
	since  string
}

// Updates begins to wait: for whatever changes from now on.
func (s *Server) Updates(ctx context.Context) (*Updates, error) {
	u := &Updates{server: s, since: "now"}
	_, err := u.read(ctx, 0)
	return u, err
}

// Next waits until databases have changed, for as long as limit says, and names them.
func (u *Updates) Next(ctx context.Context, limit time.Duration) (names []string, err error) {
	return u.read(ctx, limit)
}

func (u *Updates) read(ctx context.Context, limit time.Duration) (names []string, err error) {
	q := url.Values{"since": {u.since}}
	if limit > 0 {
		q.Set("feed", "longpoll")
		q.Set("timeout", strconv.FormatInt(limit.Milliseconds(), 10))
		q.Set("heartbeat", "false")
	}
	var answer struct {
		Results []struct {
			Name string `json:"db_name"`
		}
		Last json.RawMessage `json:"last_seq"`
	}
	if err := u.server.ask(ctx, "GET", "/_db_updates", q, nil, &answer); err != nil {
		return nil, err
	}
	var last string
	if err := json.Unmarshal(answer.Last, &last); err != nil {
		last = string(answer.Last)
	}
	u.since = last
	for _, r := range answer.Results {
		names = append(names, r.Name)
	}
	return names, nil
}
