package replicate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
	"github.com/tododb/tododb/store/widetest"
)

func TestNetworks(t *testing.T) {
	nets := func(list ...string) []netip.Prefix { return prefixes(list...) }
	for _, c := range []struct {
		n     Networks
		to    string
		user  bool
		admin bool
	}{
		{Networks{}, "127.0.0.1:5984", true, true},
		{Networks{}, "[::1]:5984", true, true},
		{Networks{}, "10.1.2.3:80", true, true},
		{Networks{}, "169.254.169.254:80", false, false},
		{Networks{}, "[::ffff:169.254.169.254]:80", false, false},
		{Networks{}, "[64:ff9b::a9fe:a9fe]:80", false, false},
		{Networks{}, "[::169.254.169.254]:80", false, false},
		{Networks{}, "[2002:a9fe:a9fe::1]:80", false, false},
		{Networks{}, "[fe80::1%lo]:80", false, false},
		{Networks{}, "[fd00:ec2::254]:80", false, false},
		{Networks{}, "0.0.0.0:80", false, false},
		{Networks{}, "[::]:80", false, false},
		{Networks{}, "224.0.0.1:80", false, false},
		{Networks{}, "255.255.255.255:80", false, false},
		{Networks{Allowed: nets("169.254.7.0/24")}, "169.254.7.1:80", true, true},
		{Networks{Allowed: nets("169.254.7.0/24")}, "169.254.169.254:80", false, false},
		{Networks{Allowed: nets("0.0.0.0/0")}, "169.254.169.254:80", false, false},
		{Networks{Refused: nets("127.0.0.0/8", "10.0.0.0/8")}, "127.0.0.1:5984", false, true},
		{Networks{Refused: nets("127.0.0.0/8", "10.0.0.0/8")}, "[::ffff:10.0.0.1]:5984", false, true},
		{Networks{Refused: nets("127.0.0.0/8", "10.0.0.0/8")}, "8.8.8.8:443", true, true},
		{Networks{Refused: nets("0.0.0.0/0", "::/0"), Allowed: nets("203.0.113.0/24")}, "203.0.113.9:443", true, true},
		{Networks{Refused: nets("0.0.0.0/0", "::/0"), Allowed: nets("203.0.113.0/24")}, "203.0.114.9:443", false, true},
		{Networks{Refused: nets("10.0.0.0/8"), Allowed: nets("10.0.0.0/8")}, "10.0.0.1:443", false, true},
		{Networks{AllowedPorts: []Ports{{443, 443}, {5984, 5989}}}, "8.8.8.8:5985", true, true},
		{Networks{AllowedPorts: []Ports{{443, 443}, {5984, 5989}}}, "8.8.8.8:22", false, true},
		{Networks{RefusedPorts: []Ports{{22, 25}}}, "8.8.8.8:25", false, true},
		{Networks{RefusedPorts: []Ports{{22, 25}}, AllowedPorts: []Ports{{1, 65535}}}, "8.8.8.8:26", true, true},
	} {
		to := netip.MustParseAddrPort(c.to)
		if user, admin := c.n.permits(to, false), c.n.permits(to, true); user != c.user || admin != c.admin {
			t.Errorf("%+v: to %s a user may %t, an administrator %t", c.n, c.to, user, admin)
		}
	}
}

// asks has a user replicate from a URL once.
func asks(t *testing.T, m *Manager, user User, url, more string) error {
	t.Helper()
	_, _, err := m.Replicate(t.Context(), fmt.Appendf(nil, `{"source":%q,"target":"target","retries_per_request":1,"connection_timeout":1000%s}`, url, more), user)
	if err == nil {
		t.Errorf("%s: it went well", url)
		err = errors.New("it went well")
	}
	return err
}

// Users do not learn what is in networks where their replications may not go: not which ports are
// open, and nothing through a name, a redirect or a proxy.
func TestRefusedNetworks(t *testing.T) {
	var asked atomic.Int64
	open := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if strings.HasPrefix(r.URL.Path, "/away") {
			http.Redirect(w, r, "http://127.0.0.1:1/db", http.StatusFound)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	defer open.Close()
	shut := httptest.NewServer(nil)
	shut.Close()
	port := open.URL[strings.LastIndexByte(open.URL, ':'):]
	s := storetest.Open(t, store.Options{})
	if err := s.Create(t.Context(), "target"); err != nil {
		t.Fatal(err)
	}
	refused := Networks{Refused: prefixes("127.0.0.0/8", "::1/128")}
	m, err := NewManager(t.Context(), Options{Store: s, Open: Everything(s), Settings: Settings{Networks: refused}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	eve, admin := User{Name: "eve"}, User{Name: "admin", Admin: true}
	for _, url := range []string{open.URL + "/db", shut.URL + "/db", "http://localhost" + port + "/db", "http://127.1.2.3" + port + "/db", "http://[::ffff:127.0.0.1]" + port + "/db"} {
		err := asks(t, m, eve, url, "")
		if !errors.Is(err, ErrNetwork) || err.Error() != url+"/: network refused" {
			t.Errorf("%s: %v", url, err)
		}
	}
	if err := asks(t, m, eve, "http://203.0.113.1/db", `,"source_proxy":"`+open.URL+`"`); !errors.Is(err, ErrNetwork) {
		t.Errorf("a proxy there: %v", err)
	}
	for _, user := range []User{eve, admin} {
		if err := asks(t, m, user, "http://169.254.169.254/latest/", ""); !errors.Is(err, ErrNetwork) {
			t.Errorf("%s: where clouds give out credentials: %v", user.Name, err)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("there were %d requests", n)
	}
	if err := asks(t, m, admin, open.URL+"/db", ""); !errors.Is(err, ErrNoDB) || asked.Load() == 0 {
		t.Errorf("an administrator: %v", err)
	}
	if err := asks(t, m, admin, shut.URL+"/db", ""); !strings.Contains(err.Error(), "refused") || errors.Is(err, ErrNetwork) {
		t.Errorf("an administrator is not told why: %v", err)
	}
	// Others cannot use the connection of an administrator.
	before := asked.Load()
	if err := asks(t, m, eve, open.URL+"/db", ""); !errors.Is(err, ErrNetwork) || asked.Load() != before {
		t.Errorf("over a connection that is open: %v", err)
	}
	// A change applies at once.
	m.SetSettings(Settings{})
	if err := asks(t, m, eve, open.URL+"/db", ""); !errors.Is(err, ErrNoDB) {
		t.Errorf("when it is allowed: %v", err)
	}
	if err := asks(t, m, eve, open.URL+"/away", ""); !errors.Is(err, errRedirect) {
		t.Errorf("a redirect: %v", err)
	}
	before = asked.Load()
	for name, only := range map[string]Networks{"protocol": {Protocols: []string{"https"}}, "no protocol": {Protocols: []string{}}} {
		m.SetSettings(Settings{Networks: only})
		for _, user := range []User{eve, admin} {
			if err := asks(t, m, user, open.URL+"/db", ""); !errors.Is(err, ErrNetwork) || asked.Load() != before {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	m.SetSettings(Settings{Networks: Networks{Protocols: []string{"http"}, ProxyProtocols: []string{"https", "socks5"}}})
	if err := asks(t, m, admin, open.URL+"/db", `,"source_proxy":"`+open.URL+`"`); !errors.Is(err, ErrNetwork) || asked.Load() != before {
		t.Errorf("the protocol of a proxy: %v", err)
	}
	if err := asks(t, m, admin, open.URL+"/db", ""); !errors.Is(err, ErrNoDB) {
		t.Errorf("without a proxy: %v", err)
	}
	before = asked.Load()
	m.SetSettings(Settings{Networks: refused})
	if err := asks(t, m, eve, open.URL+"/db", ""); !errors.Is(err, ErrNetwork) || asked.Load() != before {
		t.Errorf("when it is refused again: %v", err)
	}
}

// Users see answers from where they may go, but not what else is there.
func TestWhatIsTheir(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	talks, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer talks.Close()
	go func() { // ends with the listener
		for {
			c, err := talks.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "SSH-2.0-secret\r\n")
			c.Close()
		}
	}()
	s := storetest.Open(t, store.Options{})
	if err := s.Create(t.Context(), "target"); err != nil {
		t.Fatal(err)
	}
	m, err := NewManager(t.Context(), Options{Store: s, Open: Everything(s)})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, at := range []string{"http://" + silent.Addr().String(), "http://" + talks.Addr().String(), "https://" + talks.Addr().String(), "http://127.0.0.1:1", "http://no.such.host.invalid"} {
		err := asks(t, m, User{Name: "eve"}, at+"/db", "")
		if err.Error() != at+"/db/: the peer cannot be reached" {
			t.Errorf("%s: %v", at, err)
		}
	}
}

// A connection that could not be made any more ends.
func TestNetworksThatChange(t *testing.T) {
	source, waits := quietServer(t)
	s := storetest.Open(t, store.Options{})
	if err := s.Create(t.Context(), "target"); err != nil {
		t.Fatal(err)
	}
	m, err := NewManager(t.Context(), Options{Store: s, Open: Everything(s)})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ended := make(chan error, 1)
	go func() {
		_, _, err := m.Replicate(context.WithoutCancel(t.Context()), fmt.Appendf(nil, `{"source":"%s/db","target":"target"}`, source.URL), User{Name: "eve"})
		ended <- err
	}()
	select {
	case <-waits:
	case err := <-ended:
		t.Fatal(err)
	}
	m.SetSettings(Settings{Networks: Networks{Refused: prefixes("127.0.0.0/8")}})
	select {
	case err := <-ended:
		if !errors.Is(err, ErrNetwork) {
			t.Errorf("it ends with %v", err)
		}
	case <-time.After(time.Minute):
		t.Error("it goes on")
	}
}

// A connection that is made while its network is refused does not stay.
func TestNetworkThatIsRefusedMeanwhile(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for range 300 {
		w := newWays(nil, nil)
		w.setNetworks(Networks{Allowed: prefixes("127.0.0.0/8")})
		one := w.way(wayKey{}, nil)
		made := make(chan net.Conn, 1)
		go func() {
			c, _ := one.dial(t.Context(), "tcp", l.Addr().String())
			made <- c
		}()
		there, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		w.setNetworks(Networks{Refused: prefixes("127.0.0.0/8")})
		c := <-made
		there.Close()
		if c == nil {
			continue
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("it can be used: %v", err)
		}
		c.Close()
	}
}

// The environment's proxy may be anywhere, but nobody can use it to get around the check of
// addresses: neither to a refused address, nor to a name that only the proxy knows.
func TestTheEnvironmentsProxy(t *testing.T) {
	var asked atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer proxy.Close()
	at, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	w := newWays(nil, nil)
	w.setNetworks(Networks{Refused: prefixes("127.0.0.0/8")})
	for _, admin := range []bool{false, true} {
		w.way(wayKey{admin: admin}, nil).base.Proxy = http.ProxyURL(at)
		for _, c := range []struct {
			url     string
			carried bool
		}{
			{"http://203.0.113.1/db", true},
			{"http://169.254.169.254/latest/", false},
			{"http://[::ffff:169.254.169.254]/latest/", false},
			{"http://127.0.0.1:1/db", admin},
			{proxy.URL + "/db", admin},
			{"http://metadata.invalid/db", admin},
		} {
			before := asked.Load()
			resp, err := w.client(User{Name: "x", Admin: admin}, nil).Get(c.url)
			if err == nil {
				resp.Body.Close()
			}
			if carried := asked.Load() > before; carried != c.carried || (err == nil) != c.carried {
				t.Errorf("an administrator %t, %s: carried %t, %v", admin, c.url, carried, err)
			}
		}
	}
}
