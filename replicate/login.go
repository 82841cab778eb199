package replicate

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	// cookieName is what CouchDB calls the cookie of a session.
	cookieName = "AuthSession"
	// refreshCookie is how long a session is used if its cookie does not say how long it
	// lasts. CouchDB's sessions last ten minutes.
	refreshCookie = 550 * time.Second
	// retryLogin is how long to wait before asking a server again that gave no session.
	retryLogin = 10 * time.Minute
	// maxSessions is how many sessions are remembered.
	maxSessions = 10_000
)

// login proves to a server who we are. It uses a cookie from the server's _session, so the
// server checks the password once and not with each request. If there is no cookie, it sends
// the password itself. It serves any number of jobs at once.
type login struct {
	client         *http.Client
	at             string // URL of _session
	user, password string
	now            func() time.Time

	mu     sync.Mutex // guards what follows; held while logging in, so one job does it for all
	cookie string
	renew  time.Time // when to replace the cookie; without one, when to ask again
}

// newLogin makes a login for a database's server. It is nil if no user is known.
func newLogin(e *Endpoint, client *http.Client) *login {
	if e.User == "" {
		return nil
	}
	return &login{client: client, at: sessionURL(e), user: e.User, password: e.Password, now: time.Now}
}

// sessionURL is where a database's server tells who one is.
func sessionURL(e *Endpoint) string {
	server := e.URL
	if u, err := url.Parse(e.URL); err == nil && len(u.EscapedPath()) > 1 { // else the server is one database
		server = e.URL[:strings.LastIndexByte(strings.TrimSuffix(e.URL, "/"), '/')+1]
	}
	return server + "_session"
}

// key tells logins apart.
func (s *login) key(who User, proxy *url.URL) [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %t %q", s.at, s.user, s.password, who.Name, who.Admin, proxyText(proxy)))
}

// sign adds our credentials to a request. It returns the cookie, or "" if it used the
// password.
func (s *login) sign(ctx context.Context, header http.Header) (cookie string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.now().Before(s.renew) {
		if err := s.begin(ctx); err != nil {
			return "", err
		}
	}
	if s.cookie == "" {
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(s.user+":"+s.password)))
		return "", nil
	}
	header.Add("Cookie", cookieName+"="+s.cookie)
	return s.cookie, nil
}

// begin logs in. A server that refuses has no sessions or does not know us. The password
// will show which.
func (s *login) begin(ctx context.Context) error {
	body := Marshal(map[string]string{"name": s.user, "password": s.password})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.at, strings.NewReader(string(body)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", userAgent)
	resp, err := s.client.Do(req)
	if err != nil {
		return withoutURL(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so the connection can be reused
	if transient(&StatusError{Status: resp.StatusCode}) {
		return statusError(resp, false)
	}
	s.cookie, s.renew = "", s.now().Add(retryLogin)
	if resp.StatusCode == http.StatusOK {
		s.take(resp)
	}
	return nil
}

// take stores the cookie of an answer, if it has one. The lock is held.
func (s *login) take(resp *http.Response) {
	for _, c := range resp.Cookies() {
		if c.Name != cookieName || c.Value == "" {
			continue
		}
		s.cookie = c.Value
		good := refreshCookie
		if c.MaxAge > 0 {
			good = time.Duration(min(c.MaxAge, math.MaxInt32)) * time.Second / 2
		}
		s.renew = s.now().Add(good)
	}
}

// heard looks at an answer, because servers renew a cookie that is in use.
func (s *login) heard(resp *http.Response) {
	if len(resp.Header["Set-Cookie"]) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.take(resp)
}

// refused makes the next request start a new session, unless another request has done so
// since the cookie was used.
func (s *login) refused(cookie string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cookie == cookie {
		s.cookie, s.renew = "", time.Time{}
	}
}
