package replicate

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	// cookieName is what CouchDB calls the cookie of a session.
	cookieName = "AuthSession"
	// refreshCookie is when a session is begun anew whose cookie does not say how long it
	// is good for: CouchDB's are good for ten minutes.
	refreshCookie = 550 * time.Second
	// retryLogin is how long a server that gave no session is not asked for one.
	retryLogin = 10 * time.Minute
	// maxSessions bounds how many are remembered.
	maxSessions = 10_000
)

// login proves who we are to a server: by a cookie that its _session gave us, so that
// it checks the password once and not with each request, or, where it gives none, by the
// password itself. It serves any number of jobs at once.
type login struct {
	client         *http.Client
	at             string // URL of _session
	user, password string
	now            func() time.Time

	mu     sync.Mutex // guards what follows; held while logging in, so that one does it for all
	cookie string
	renew  time.Time // when the cookie is to be replaced; without one, when to ask again
}

// newLogin makes a login for a database's server; nil if no password is known.
func newLogin(e *Endpoint, client *http.Client) *login {
	if e.User == "" {
		return nil
	}
	server := e.URL
	if u, err := url.Parse(e.URL); err == nil && len(u.EscapedPath()) > 1 { // else the server is one database
		server = e.URL[:strings.LastIndexByte(strings.TrimSuffix(e.URL, "/"), '/')+1]
	}
	return &login{client: client, at: server + "_session", user: e.User, password: e.Password, now: time.Now}
}

// key tells logins apart.
func (s *login) key(who User, proxy *url.URL) [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %t %q", s.at, s.user, s.password, who.Name, who.Admin, proxyText(proxy)))
}

// sign puts what proves who we are on a request. It returns the cookie, "" if it is the
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

// begin logs in. A server that does not let us has no sessions or does not know us; the
// password will show which.
func (s *login) begin(ctx context.Context) error {
	body := marshal(map[string]string{"name": s.user, "password": s.password})
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
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	if transient(&StatusError{Status: resp.StatusCode}) {
		return statusError(resp, false)
	}
	s.cookie, s.renew = "", s.now().Add(retryLogin)
	if resp.StatusCode == http.StatusOK {
		s.take(resp)
	}
	return nil
}

// take keeps the cookie that an answer brings, if any. The lock is held.
func (s *login) take(resp *http.Response) {
	for _, c := range resp.Cookies() {
		if c.Name != cookieName || c.Value == "" {
			continue
		}
		s.cookie = c.Value
		good := refreshCookie
		if c.MaxAge > 0 {
			good = time.Duration(c.MaxAge) * time.Second / 2
		}
		s.renew = s.now().Add(good)
	}
}

// heard takes in an answer: servers renew a cookie that is in use.
func (s *login) heard(resp *http.Response) {
	if len(resp.Header["Set-Cookie"]) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.take(resp)
}

// refused has the next request begin a new session, unless another has done so since the
// cookie was used.
func (s *login) refused(cookie string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cookie == cookie {
		s.cookie, s.renew = "", time.Time{}
	}
}
