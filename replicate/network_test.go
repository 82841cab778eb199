package replicate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/widetest"
)

// The password goes to _session once. After that the cookie is used, also when the server renews
// it. When it has expired, another one is requested.
func TestLogin(t *testing.T) {
	logins, passwords := 0, 0
	good := "one"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			passwords++
		}
		if r.URL.Path == "/base/_session" {
			logins++
			b, _ := io.ReadAll(r.Body)
			if string(b) != `{"name":"user","password":"s/cret"}` {
				t.Errorf("it logs in with %s", b)
			}
			http.SetCookie(w, &http.Cookie{Name: "AuthSession", Value: good, MaxAge: 600})
			io.WriteString(w, `{"ok":true}`)
			return
		}
		switch c, err := r.Cookie("AuthSession"); {
		case err != nil || c.Value != good:
			w.WriteHeader(http.StatusUnauthorized)
			return
		case good == "two":
			good = "three"
			http.SetCookie(w, &http.Cookie{Name: "AuthSession", Value: good, MaxAge: 600})
		}
		io.WriteString(w, `{"update_seq":"0"}`)
	}))
	defer s.Close()
	e, err := endpointOf(strings.Replace(s.URL, "://", "://user:s%2Fcret@", 1)+"/base/db%2Fx", nil)
	if err != nil {
		t.Fatal(err)
	}
	p := remotePeerAt(e, newClient(nil))
	for i, want := range []int{1, 1, 2, 2} {
		if i == 2 {
			good = "two" // the server no longer knows the old one
		}
		if _, err := p.Info(t.Context()); err != nil || logins != want {
			t.Errorf("request %d: %d logins, %v", i, logins, err)
		}
	}
	if passwords != 0 || good != "three" {
		t.Errorf("%d requests had a password, the cookie is %s", passwords, good)
	}
}

// A session that never ends, as it is set where nobody is to log in again, is used for all requests.
func TestLoginForEver(t *testing.T) {
	logins := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/_session" {
			logins++
			http.SetCookie(w, &http.Cookie{Name: "AuthSession", Value: "one", MaxAge: 9_999_999_999})
		}
		io.WriteString(w, `{"update_seq":"0"}`)
	}))
	defer s.Close()
	e, err := endpointOf(strings.Replace(s.URL, "://", "://user:secret@", 1)+"/db", nil)
	if err != nil {
		t.Fatal(err)
	}
	p := remotePeerAt(e, newClient(nil))
	for range 3 {
		if _, err := p.Info(t.Context()); err != nil || logins != 1 {
			t.Errorf("%d logins: %v", logins, err)
		}
	}
}

// If there are no sessions, the password is used.
func TestLoginWithoutSessions(t *testing.T) {
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/_session" {
			asked++
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if user, password, _ := r.BasicAuth(); user != "user" || password != "secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		io.WriteString(w, `{"update_seq":"0"}`)
	}))
	defer s.Close()
	e, _ := endpointOf(strings.Replace(s.URL, "://", "://user:secret@", 1)+"/db", nil)
	p := remotePeerAt(e, newClient(nil))
	for range 3 {
		if _, err := p.Info(t.Context()); err != nil || asked != 1 {
			t.Errorf("asked for %d sessions: %v", asked, err)
		}
	}
	e.Password = "wrong"
	if _, err := remotePeerAt(e, newClient(nil)).Info(t.Context()); !errors.Is(err, ErrUnauthorized) {
		t.Errorf("with the wrong password: %v", err)
	}
}

// transportFunc is an http.RoundTripper.
type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A host that always fails is left alone for a while, and the error says why. Other hosts and
// other users are not affected, and failures that never reached the host do not count.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, stays, fault := 0, false, errors.New("connection refused")
		b := newBreakers()
		host := transportFunc(func(r *http.Request) (*http.Response, error) {
			asked++
			if !stays {
				httptrace.ContextClientTrace(r.Context()).ConnectStart("tcp", r.URL.Host)
			}
			if r.URL.Host == "bad" && fault != nil {
				return nil, fault
			}
			if r.URL.Host == "away" {
				return &http.Response{StatusCode: 503, Body: http.NoBody}, nil
			}
			return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
		})
		ask := func(who, at string) error {
			_, err := b.roundTrip(breakerKey{who: who, host: at}, host, &http.Request{URL: &url.URL{Host: at}})
			return err
		}
		stays = true
		for range 3 * breakAfter {
			_ = ask("anna", "bad")
		}
		stays = false
		if asked != 3*breakAfter {
			t.Errorf("what never left was asked %d times", asked)
		}
		asked = 0
		for range 3 * breakAfter {
			_ = ask("anna", "bad")
		}
		err := ask("anna", "bad")
		if _, resting := errors.AsType[*errResting](err); !resting || asked != breakAfter || !strings.Contains(err.Error(), "connection refused") || !errors.Is(err, fault) {
			t.Errorf("it was asked %d times, %v", asked, err)
		}
		if err := ask("anna", "other"); err != nil {
			t.Error(err)
		}
		if err := ask("eve", "bad"); !errors.Is(err, fault) || asked != breakAfter+2 {
			t.Errorf("somebody else was kept from it: %v", err)
		}
		for range 2 * breakAfter {
			err = ask("eve", "away")
		}
		if _, resting := errors.AsType[*errResting](err); !resting || !strings.Contains(err.Error(), "503") {
			t.Errorf("a host that is away: %v", err)
		}
		time.Sleep(breakFor + time.Second)
		fault, asked = nil, 0
		for range 3 {
			if err := ask("anna", "bad"); err != nil {
				t.Errorf("when it is back: %v", err)
			}
		}
		if asked != 3 {
			t.Errorf("then it was asked %d times", asked)
		}
		fault = errors.New("no")
		for i := range 3 * maxBreakers {
			_ = ask(fmt.Sprint(i), "bad")
			_ = ask("anna", fmt.Sprint("fine", i))
		}
		if n := b.by.Len(); n > maxBreakers || n < maxBreakers/2 {
			t.Errorf("%d breakers are kept", n)
		}
	})
}

// A peer that goes silent does not hold a job for ever: before its answer or in it.
func TestSilentPeer(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	var halfway atomic.Bool
	p := remoteOf(t, func(w http.ResponseWriter, r *http.Request) {
		if halfway.Load() {
			io.WriteString(w, `{"results":[`)
			http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	}).(*remotePeer)
	p.silence = 20 * time.Millisecond
	for _, now := range []bool{false, true} {
		halfway.Store(now)
		if _, err := p.Changes(t.Context(), ChangesQuery{Limit: 1}, func(Change) error { return nil }); !errors.Is(err, errStalled) || !transient(err) {
			t.Errorf("it ends with %v", err)
		}
	}
	// A job waits for a peer that shows signs of life.
	const silence = 2 * time.Second
	late := make(chan bool, 10) // whether the signs came late, because all of this stood still
	beats := remoteOf(t, func(w http.ResponseWriter, r *http.Request) {
		stood := false
		defer func() { late <- stood }()
		for range 20 {
			io.WriteString(w, "\n")
			http.NewResponseController(w).Flush()
			began := time.Now()
			time.Sleep(150 * time.Millisecond)
			if stood = stood || time.Since(began) > silence/2; stood && r.Context().Err() != nil {
				return
			}
		}
		io.WriteString(w, `{"results":[],"last_seq":"7"}`)
	}).(*remotePeer)
	beats.silence = silence
	for again := true; again; {
		end, err := beats.Changes(t.Context(), ChangesQuery{Limit: 1}, nil)
		select {
		case again = <-late:
		case <-time.After(time.Minute): // it was not asked
			again = false
		}
		if !again && (err != nil || end.LastSeq != "7") {
			t.Errorf("with heartbeats: %+v, %v", end, err)
		}
	}
}

// The pace of a peer that takes few documents at once is remembered.
func TestPace(t *testing.T) {
	var refusals atomic.Int64
	p := remoteOf(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if strings.Count(string(b), "_id") > 100 {
			refusals.Add(1)
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `[]`)
	})
	docs := make([]*Revision, 1000)
	for i := range docs {
		docs[i] = &Revision{Doc: document.Doc{ID: fmt.Sprint(i)}}
	}
	for range 10 {
		if refused, err := p.Store(t.Context(), docs); err != nil || len(refused) > 0 {
			t.Fatal(refused, err)
		}
	}
	if n := refusals.Load(); n > 30 { // a hundred requests went well
		t.Errorf("%d requests were too large", n)
	}
}

func TestRetryAfter(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 0, "7": 7 * time.Second, "-1": 0, "x": 0, "9999999999": math.MaxInt32 * time.Second, "Mon, 02 Jan 2006 15:04:05 GMT": 0} {
		if got := retryAfter(text); got != want {
			t.Errorf("%q is %v", text, got)
		}
	}
	if got := retryAfter(time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)); got < 59*time.Minute || got > time.Hour {
		t.Errorf("in an hour is %v", got)
	}
}

// Certificates are checked. With a good one, the peer may speak HTTP/2.
func TestTrust(t *testing.T) {
	protocol := make(chan string, 10)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocol <- r.Proto
		io.WriteString(w, `{"update_seq":"0"}`)
	}))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	e, err := endpointOf(s.URL+"/db", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := remotePeerAt(e, newClient(nil)).Info(t.Context()); err == nil || len(protocol) > 0 {
		t.Errorf("a peer that nobody vouches for: %v", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	for _, trust := range []*tls.Config{{RootCAs: roots}, {InsecureSkipVerify: true}} {
		c := newClient(trust)
		if _, err := remotePeerAt(e, c).Info(t.Context()); err != nil {
			t.Errorf("one that is trusted: %v", err)
		} else if got := <-protocol; got != "HTTP/2.0" {
			t.Errorf("they speak %s", got)
		}
		c.CloseIdleConnections()
	}
}

// If the target refuses a document with attachments, the job skips it. If the target refuses us
// altogether, the job skips nothing.
func TestRefusedAttachments(t *testing.T) {
	for _, c := range []struct {
		status, info int
		refused      bool
		err          error
	}{
		{403, 200, true, nil}, {401, 200, true, nil}, {413, 200, true, nil},
		{403, 403, false, ErrForbidden}, {401, 401, false, ErrUnauthorized}, {503, 200, false, nil},
	} {
		p := remoteOf(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			if r.Method == http.MethodPut {
				w.WriteHeader(c.status)
			} else {
				w.WriteHeader(c.info)
			}
			if r.Method == http.MethodPost && c.info == 200 { // a write of nothing
				io.WriteString(w, `[]`)
				return
			}
			io.WriteString(w, `{"update_seq":"0","error":"forbidden","reason":"no"}`)
		})
		a := &Revision{Doc: document.Doc{ID: "a"}, Attachments: []Attachment{{Name: "x", Length: 1}}}
		refusal, err := p.StoreAttached(t.Context(), a, func(context.Context, *Attachment) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader("x")), nil
		})
		if (refusal != nil) != c.refused || c.err != nil && !errors.Is(err, c.err) || (err != nil) == c.refused {
			t.Errorf("%d and %d: %v, %v", c.status, c.info, refusal, err)
		}
	}
}
