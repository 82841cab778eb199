package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup"
)

// Server is a server behind HTTP.
type Server struct {
	base           url.URL // without credentials
	socket         string  // the path of its socket, or ""
	name, password string
	near           bool // on this machine, where compressing costs more than it saves
	http           *http.Client
}

// New returns the server at an address such as http://admin:password@127.0.0.1:5984, or
// unix://admin:password@/run/tododb.sock for its socket on this machine. A nil transport is the usual
// one. It does not connect yet.
func New(address string, transport http.RoundTripper) (*Server, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "unix" && !atSocket(u) || u.Scheme != "unix" && (u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return nil, errors.New("the address of a server is like http://admin:password@127.0.0.1:5984, or unix://admin:password@/run/tododb.sock")
	}
	s := &Server{base: *u}
	s.name = u.User.Username()
	s.password, _ = u.User.Password()
	if u.Scheme == "unix" {
		s.socket = cmp.Or(u.Path, u.Opaque)
		s.base = url.URL{Scheme: "http", Host: "localhost"}
		if transport == nil {
			transport = socketTransport(s.socket)
		}
	}
	s.http = &http.Client{Transport: transport}
	s.base.User, s.base.RawQuery, s.base.Fragment = nil, "", ""
	s.base.Path = strings.TrimSuffix(s.base.Path, "/")
	s.near = s.base.Hostname() == "localhost" || net.ParseIP(s.base.Hostname()).IsLoopback()
	return s, nil
}

// atSocket tells whether an address names a socket: unix:/PATH, unix:PATH or unix://NAME:PASSWORD@/PATH.
func atSocket(u *url.URL) bool {
	return u.Host == "" && (u.Path != "" || u.Opaque != "") && u.RawQuery == ""
}

// socketTransport sends everything to a socket.
func socketTransport(path string) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil
	t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	return t
}

// String is the address without credentials.
func (s *Server) String() string {
	if s.socket != "" {
		return "unix:" + s.socket
	}
	return s.base.String()
}

// Refused is an answer that is no success.
type Refused struct {
	Status       int
	Word, Reason string
	at           string
}

func (e *Refused) Error() string {
	if e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden {
		return fmt.Sprintf("%s: %s (%d): say who you are with COUCHDB_USER and COUCHDB_PASSWORD, or in the address", e.at, e.Reason, e.Status)
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
		b.WriteString(escaped(p))
	}
	return b.String()
}

// escaped writes a name as one segment of a path. Servers read a plus as a space, as CouchDB does, and
// a name of only dots would be a step in the path.
func escaped(name string) string {
	if strings.Trim(name, ".") == "" {
		return strings.ReplaceAll(name, ".", "%2E")
	}
	return strings.ReplaceAll(url.PathEscape(name), "+", "%2B")
}

// message is a request.
type message struct {
	method, path string
	query        url.Values
	json         any       // the body, unless it is body
	body         io.Reader // nil: there is none
	kind         string    // of the body, "" for JSON
	packed       bool      // the body is zstd
	accept       string    // "": anything
	unpack       bool      // the answer may come as zstd
}

// send sends a request and returns the answer, which is a success. The caller closes its body.
func (s *Server) send(ctx context.Context, m message) (*http.Response, error) {
	if m.json != nil {
		b, err := json.Marshal(m.json)
		if err != nil {
			return nil, err
		}
		m.body = bytes.NewReader(b)
	}
	at := s.base.String() + m.path
	q, err := http.NewRequestWithContext(ctx, m.method, at, m.body)
	if err != nil {
		return nil, err
	}
	q.URL.RawQuery = m.query.Encode()
	if s.name != "" {
		q.SetBasicAuth(s.name, s.password)
	}
	q.Header.Set("User-Agent", "tododb")
	if m.accept != "" {
		q.Header.Set("Accept", m.accept)
	}
	q.Header.Set("Accept-Encoding", "identity") // or the client would ask for gzip
	if m.unpack && !s.near {
		q.Header.Set("Accept-Encoding", "zstd")
	}
	if m.packed {
		q.Header.Set("Content-Encoding", "zstd")
	}
	if m.body != nil {
		if m.kind == "" {
			m.kind = "application/json"
		}
		q.Header.Set("Content-Type", m.kind)
	}
	a, err := s.http.Do(q)
	if err != nil {
		return nil, err
	}
	if a.StatusCode >= 300 {
		defer a.Body.Close()
		return nil, refused(a, m.method+" "+s.String()+m.path)
	}
	return a, nil
}

// refused reads an answer that is no success.
func refused(a *http.Response, at string) *Refused {
	e := &Refused{Status: a.StatusCode, at: at}
	var said struct{ Error, Reason string }
	text, err := io.ReadAll(io.LimitReader(a.Body, 64<<10))
	if err == nil && json.Unmarshal(text, &said) == nil {
		e.Word, e.Reason = said.Error, said.Reason
	}
	if e.Word == "" {
		e.Word, e.Reason = "the answer is not that of a tododb", a.Status
		if line := strings.TrimSpace(string(text)); len(line) < 100 && !strings.ContainsAny(line, "<\n") && line != "" {
			e.Reason += ", " + line // such as that this port wants HTTPS
		}
	}
	return e
}

// ask sends a request and reads the JSON of its answer, unless out is nil.
func (s *Server) ask(ctx context.Context, m message, out any) error {
	a, err := s.send(ctx, m)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, a.Body)
		return err
	}
	if err := json.NewDecoder(a.Body).Decode(out); err != nil {
		return fmt.Errorf("%s %s: %w", m.method, s.String()+m.path, err)
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
	err = s.ask(ctx, message{method: "GET", path: "/"}, &id)
	if err == nil && id.UUID == "" {
		err = fmt.Errorf("%s is no tododb", s)
	}
	return id, err
}

// Databases lists the databases.
func (s *Server) Databases(ctx context.Context) (names []string, err error) {
	err = s.EachNames(ctx, url.Values{}, 10_000, func(some []string) error {
		names = append(names, some...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	there, err := s.synchronizations(ctx)
	if there {
		names = append(names, store.SynchronizationsDB) // which no list has
	}
	return names, err
}

// EachNames calls fn with the names of databases, a page of them at a time; bounds may have a start_key and an end_key.
// The name that a page ends with may be gone when the next one is asked for, so that begins with it and is compared.
func (s *Server) EachNames(ctx context.Context, bounds url.Values, page int, fn func(names []string) error) error {
	q := maps.Clone(bounds)
	q.Set("limit", strconv.Itoa(page))
	for last := ""; ; {
		var names []string
		if err := s.ask(ctx, message{method: "GET", path: "/_all_dbs", query: q}, &names); err != nil {
			return err
		}
		more := len(names) == page
		if len(names) > 0 && names[0] == last {
			names = names[1:]
		}
		if len(names) > 0 {
			if err := fn(names); err != nil {
				return err
			}
			last = names[len(names)-1]
		}
		if !more {
			return nil
		}
		from, err := json.Marshal(last)
		if err != nil {
			return err
		}
		q.Set("start_key", string(from))
	}
}

// synchronizations tells whether the server has a database of synchronizations.
func (s *Server) synchronizations(ctx context.Context) (there bool, err error) {
	err = s.ask(ctx, message{method: "HEAD", path: path(store.SynchronizationsDB) + "/_backup"}, nil)
	if refused, is := errors.AsType[*Refused](err); is && refused.Status == http.StatusNotFound {
		return false, nil
	}
	return err == nil, err
}

// whole is what a server is made of besides its databases (package httpapi/backups).
type whole struct {
	Version  int                          `json:"version"`
	UUID     string                       `json:"uuid,omitempty"`
	Settings map[string]map[string]string `json:"settings,omitempty"`
}

// Settings are what the server's own file sets.
func (s *Server) Settings(ctx context.Context) (map[string]map[string]string, error) {
	var all whole
	err := s.ask(ctx, message{method: "GET", path: "/_backup"}, &all)
	return all.Settings, err
}

// SetSettings sets settings again, all or none. Others stay.
func (s *Server) SetSettings(ctx context.Context, settings map[string]map[string]string) error {
	return s.ask(ctx, message{method: "PUT", path: "/_restore", json: whole{Version: 1, Settings: settings}}, nil)
}

// RenewUUID gives the server another uuid, so that every client compares anew.
func (s *Server) RenewUUID(ctx context.Context) error {
	return s.ask(ctx, message{method: "PUT", path: "/_restore", json: whole{Version: 1, UUID: "new"}}, nil)
}

// Stream opens the stream of a database.
func (s *Server) Stream(ctx context.Context, database string, opt backup.Options) (io.ReadCloser, error) {
	q := url.Values{}
	if !opt.Since.IsZero() {
		q.Set("since", opt.Since.String())
	}
	if opt.NoContent {
		q.Set("attachments", "list")
	}
	if opt.Checkpoints {
		q.Set("checkpoints", "true")
	}
	return s.stream(ctx, message{method: "GET", path: path(database) + "/_backup", query: q})
}

// Contents opens a stream of attachments.
func (s *Server) Contents(ctx context.Context, database string, digests []store.Digest) (io.ReadCloser, error) {
	var body struct {
		Digests []string `json:"digests"`
	}
	for _, d := range digests {
		body.Digests = append(body.Digests, d.String())
	}
	return s.stream(ctx, message{method: "POST", path: path(database) + "/_backup", json: body})
}

func (s *Server) stream(ctx context.Context, m message) (io.ReadCloser, error) {
	m.unpack = true
	a, err := s.send(ctx, m)
	if err != nil || a.Header.Get("Content-Encoding") != "zstd" {
		if err != nil {
			return nil, err
		}
		return a.Body, nil
	}
	plain, err := zstd.NewReader(a.Body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(64<<20))
	if err != nil {
		return nil, errors.Join(err, a.Body.Close())
	}
	return &unpacked{plain, a.Body}, nil
}

// unpacked is an answer that came as zstd.
type unpacked struct {
	*zstd.Decoder
	packed io.Closer
}

func (u *unpacked) Close() error {
	u.Decoder.Close()
	return u.packed.Close()
}

// Updates waits for databases to change.
type Updates struct {
	server *Server
	since  string
}

// Updates begins to wait: for whatever changes from now on.
func (s *Server) Updates(ctx context.Context) (*Updates, error) {
	u := &Updates{server: s, since: "now"}
	_, err := u.Next(ctx, 0)
	return u, err
}

// Next waits until databases have changed, for as long as limit says, and names them.
func (u *Updates) Next(ctx context.Context, limit time.Duration) (names []string, err error) {
	q := url.Values{"since": {u.since}}
	if limit > 0 {
		q.Set("feed", "longpoll")
		q.Set("timeout", strconv.FormatInt(limit.Milliseconds(), 10))
	}
	var answer struct {
		Results []struct {
			Name string `json:"db_name"`
		}
		Last string `json:"last_seq"`
	}
	if err := u.server.ask(ctx, message{method: "GET", path: "/_db_updates", query: q}, &answer); err != nil {
		return nil, err
	}
	u.since = answer.Last
	for _, r := range answer.Results {
		names = append(names, r.Name)
	}
	return names, nil
}
