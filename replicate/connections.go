package replicate

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	// maxWays is the number of proxies for which connections are kept.
	maxWays = 256
	// dialFor is how long it may take to make a connection.
	dialFor = 30 * time.Second
)

// errMoved says that a request was not sent where a peer sends us: it cannot be sent twice, or would be another one there.
var errMoved = errors.New("redirected to another address, which the URL of the peer must have itself")

// errRedirect says that a peer sends us elsewhere, where our credentials must not go.
var errRedirect = errors.New("redirected to another host")

// ways are the ways from here to peers, directly or through a proxy. Administrators have
// their own, because they may go where others may not. They share no connection with others.
type ways struct {
	trust    *tls.Config                               // which certificates are trusted; nil: as the system says
	wrap     func(http.RoundTripper) http.RoundTripper // nil: nothing
	breakers *breakers
	networks atomic.Pointer[Networks]

	mu sync.Mutex // guards by
	by *simplelru.LRU[wayKey, *way]
}

type wayKey struct {
	admin bool
	proxy string
}

func newWays(trust *tls.Config, wrap func(http.RoundTripper) http.RoundTripper) *ways {
	w := &ways{trust: trust, wrap: wrap, breakers: newBreakers()}
	// A forgotten way can still be used by whoever has it. NewLRU fails only for a size below 1.
	w.by, _ = simplelru.NewLRU(maxWays, func(_ wayKey, old *way) { old.base.CloseIdleConnections() })
	w.networks.Store(&Networks{})
	return w
}

// client returns the HTTP client of one user. It keeps connections, checks certificates, refuses
// redirects to other hosts, and leaves failing hosts alone for a while. It uses the proxy or, if
// that is nil, what the environment says.
func (w *ways) client(who User, proxy *url.URL) *http.Client {
	return &http.Client{
		Transport: &asking{way: w.way(wayKey{who.Admin, proxyText(proxy)}, proxy), who: who.Name},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			first := via[0].URL
			if req.URL.Host != first.Host || first.Scheme == "https" && req.URL.Scheme != "https" || len(via) > 5 {
				return errRedirect
			}
			return sameRequest(req, via[len(via)-1])
		},
	}
}

// sameRequest has a redirected request be the one that it was, as in CouchDB (couch_replicator_httpc): package http makes a
// GET of one that writes, whose answer would pass for that of the write. If it cannot be sent again, or the answer
// is to be had elsewhere though nobody knows of what (303), the redirect itself is the answer.
func sameRequest(req, was *http.Request) error {
	if req.Method == was.Method && (req.Body != nil || was.Body == nil) { // behind a 301, package http sends no body any more
		return nil
	}
	if req.Response.StatusCode == http.StatusSeeOther || was.Body != nil && was.GetBody == nil {
		return http.ErrUseLastResponse
	}
	for name, values := range was.Header {
		if strings.HasPrefix(name, "Content-") {
			req.Header[name] = values
		}
	}
	req.Method = was.Method
	if was.Body == nil {
		return nil
	}
	body, err := was.GetBody()
	req.Body, req.GetBody, req.ContentLength = body, was.GetBody, was.ContentLength
	return err
}

func proxyText(proxy *url.URL) string {
	if proxy == nil {
		return ""
	}
	return proxy.String()
}

func (w *ways) way(key wayKey, proxy *url.URL) *way {
	w.mu.Lock()
	defer w.mu.Unlock()
	one, known := w.by.Get(key)
	if !known {
		one = newWay(w, key.admin, proxy)
		w.by.Add(key, one)
	}
	return one
}

// setNetworks changes where connections may go. It ends those that are no longer allowed.
func (w *ways) setNetworks(n Networks) {
	w.networks.Store(&n)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range w.by.Values() {
		one.cut(&n)
	}
}

// close closes connections that nobody uses.
func (w *ways) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range w.by.Values() {
		one.base.CloseIdleConnections()
	}
}

// way is one way to peers.
type way struct {
	*ways
	admin bool
	base  *http.Transport
	next  http.RoundTripper // base, wrapped
	given bool              // the proxy was named explicitly, not by the environment

	mu      sync.Mutex // guards what follows
	conns   map[*keptConn]struct{}
	proxies map[string]bool // addresses of the environment's proxies, which the server's owner has chosen
}

func newWay(w *ways, admin bool, proxy *url.URL) *way {
	one := &way{ways: w, admin: admin, given: proxy != nil, conns: map[*keptConn]struct{}{}, proxies: map[string]bool{}}
	one.base = http.DefaultTransport.(*http.Transport).Clone()
	one.base.MaxIdleConnsPerHost = 20
	one.base.ResponseHeaderTimeout = 0 // a peer may search for a long time before its first row
	one.base.TLSClientConfig = w.trust.Clone()
	one.base.DialContext = one.dial
	if proxy != nil {
		one.base.Proxy = http.ProxyURL(proxy)
	}
	one.next = one.base
	if w.wrap != nil {
		one.next = w.wrap(one.base)
	}
	return one
}

// dial connects to an address. It checks the address once the name has been resolved.
func (w *way) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialFor, KeepAlive: dialFor}
	w.mu.Lock()
	chosen := w.proxies[addr]
	w.mu.Unlock()
	if !chosen {
		d.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil || !w.networks.Load().permits(to, w.admin) {
				return ErrNetwork
			}
			return nil
		}
	}
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	kept := &keptConn{Conn: c, way: w, chosen: chosen}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !kept.permitted(w.networks.Load()) { // what is allowed has changed since, and cut may have been there
		return nil, errors.Join(ErrNetwork, c.Close())
	}
	w.conns[kept] = struct{}{}
	return kept, nil
}

// keptConn is a connection that its way knows.
type keptConn struct {
	net.Conn
	way    *way
	chosen bool // leads to a proxy of the environment
}

func (c *keptConn) Close() error {
	c.way.mu.Lock()
	delete(c.way.conns, c)
	c.way.mu.Unlock()
	return c.Conn.Close()
}

// permitted tells whether it leads where its way may go.
func (c *keptConn) permitted(n *Networks) bool {
	to, err := netip.ParseAddrPort(c.RemoteAddr().String())
	return err != nil || c.chosen || n.permits(to, c.way.admin)
}

// cut ends the connections that are no longer allowed.
func (w *way) cut(n *Networks) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		if !c.permitted(n) {
			_ = c.Conn.Close() // whoever uses it notices, and closes it
		}
	}
}

// allowed checks a request before a connection is made or found for it.
func (w *way) allowed(req *http.Request) error {
	if only := w.networks.Load().Protocols; only != nil && !slices.Contains(only, req.URL.Scheme) {
		return ErrNetwork
	}
	return w.proxied(req)
}

// proxied checks a request that goes through a proxy. The proxy resolves the name, so the
// check uses the addresses that the name has here, if it has any.
func (w *way) proxied(req *http.Request) error {
	proxy, err := w.base.Proxy(req)
	if proxy == nil || err != nil {
		return err
	}
	if only := w.networks.Load().ProxyProtocols; w.given && only != nil && !slices.Contains(only, proxy.Scheme) {
		return ErrNetwork
	}
	if !w.given {
		w.mu.Lock()
		w.proxies[hostPort(proxy)] = true
		w.mu.Unlock()
	}
	port, err := net.DefaultResolver.LookupPort(req.Context(), "tcp", portOf(req.URL))
	if err != nil {
		return err
	}
	addrs, err := net.DefaultResolver.LookupNetIP(req.Context(), "ip", req.URL.Hostname())
	switch {
	case err == nil:
	case w.given || w.admin:
		return nil // the proxy may know it
	default: // the environment's proxy may resolve the name to an address that the user must not reach
		return err
	}
	for _, addr := range addrs {
		if !w.networks.Load().permits(netip.AddrPortFrom(addr, uint16(port)), w.admin) {
			return ErrNetwork
		}
	}
	return nil
}

func hostPort(u *url.URL) string { return net.JoinHostPort(u.Hostname(), portOf(u)) }

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	case u.Scheme == "socks5", u.Scheme == "socks5h":
		return "1080"
	}
	return "80"
}
