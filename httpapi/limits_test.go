package httpapi_test

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store/widetest"
)

// clock is a time that stands until a test moves it.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

// Anybody may try to log in, but must not fill the memory with it.
func TestALoginIsShort(t *testing.T) {
	t.Parallel()
	s := openWithUsers(t, Options{}, "anna")
	const login = `{"name":"anna","password":"annapw"`
	wants(t, call(s, "POST", "/_session", login+strings.Repeat(" ", 1000)+"}"), 200, "anna")
	wants(t, call(s, "POST", "/_session", login+strings.Repeat(" ", wire.MaxOpenBody)+"}"), 413, "too_large")
	var packed strings.Builder
	z := gzip.NewWriter(&packed)
	fmt.Fprint(z, login, strings.Repeat(" ", 16<<20), "}")
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	wants(t, call(s, "POST", "/_session", packed.String(), "Content-Encoding", "gzip"), 413, "too_large")
}

func TestRateByAddress(t *testing.T) {
	t.Parallel()
	c := &clock{time.Unix(1700000000, 0)}
	s := openServer(t, Options{Now: c.Now, Config: settings(t, "limits/address_requests", "0.5", "limits/address_burst", "3", "limits/trusted_proxies", "10.0.0.0/8")})
	ask := func(remote, forwarded string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = remote
		if forwarded != "" {
			r.Header.Set("X-Forwarded-For", forwarded)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w
	}
	for range 3 {
		if w := ask("192.0.2.1:1", ""); w.Code != 200 {
			t.Fatalf("within the burst: %d", w.Code)
		}
	}
	w := ask("192.0.2.1:2", "198.51.100.7") // only a proxy may say who asks
	if w.Code != 429 || w.Header().Get("Retry-After") != "2" || !strings.Contains(w.Body.String(), `"error":"too_many_requests"`) {
		t.Errorf("beyond it: %d, after %q, %s", w.Code, w.Header().Get("Retry-After"), w.Body)
	}
	if w := ask("192.0.2.2:1", ""); w.Code != 200 {
		t.Errorf("another address: %d", w.Code)
	}
	c.now = c.now.Add(2 * time.Second)
	if w := ask("192.0.2.1:1", ""); w.Code != 200 {
		t.Errorf("after Retry-After: %d", w.Code)
	}
	for range 3 {
		ask("10.1.1.1:1", "6.6.6.6, 192.0.2.3, 10.2.2.2")
	}
	if w := ask("10.1.1.1:1", "7.7.7.7, 192.0.2.3"); w.Code != 429 {
		t.Errorf("behind a proxy: %d", w.Code)
	}
	if w := ask("10.1.1.1:1", "192.0.2.4"); w.Code != 200 {
		t.Errorf("another behind the proxy: %d", w.Code)
	}
	set(t, s.Config, "limits/address_requests", "0")
	if w := ask("192.0.2.1:1", ""); w.Code != 200 {
		t.Errorf("switched off: %d", w.Code)
	}
}

func TestAddressKey(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{"192.0.2.7": "192.0.2.7", "2001:db8:1:2:3::4": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64"} {
		if got := wire.AddressKey(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}

// serveOpen makes a server with a database db that everybody may use.
func serveOpen(t *testing.T, pairs ...string) (*Server, *httptest.Server) {
	t.Helper()
	s := openServer(t, Options{Config: settings(t, pairs...)})
	for path, body := range map[string]string{"/db": "", "/db/_security": `{}`} {
		call(s, "PUT", "/db", "", "Admin", "")
		if body == "" {
			continue
		}
		if w := call(s, "PUT", path, body, "Admin", ""); w.Code != 200 {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	server := httptest.NewUnstartedServer(s)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return s, server
}

func TestFeedsOfOneAddress(t *testing.T) {
	t.Parallel()
	s, server := serveOpen(t, "limits/feeds_per_user", "2")
	open := func() *http.Response {
		t.Helper()
		resp, err := server.Client().Get(server.URL + "/db/_changes?feed=continuous&heartbeat=100")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	first := open()
	if open().StatusCode != 200 {
		t.Error("the second feed is refused")
	}
	if resp := open(); resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("the third feed: %d", resp.StatusCode)
	}
	if w := call(s, "GET", "/db/_changes", ""); w.Code != 200 {
		t.Errorf("a feed that does not wait: %d", w.Code)
	}
	first.Body.Close()
	for end := time.Now().Add(time.Minute); open().StatusCode != 200; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a feed that has ended still counts")
		}
	}
}

// A feed may wait longer than the limit for a client that stands still, over HTTP/2 and HTTP/1.1.
func TestFeedsOutliveStalls(t *testing.T) {
	t.Parallel()
	_, server := serveOpen(t, "limits/answer_stall", "2", "limits/body_stall", "2")
	plain := server.Client().Transport.(*http.Transport).Clone()
	plain.ForceAttemptHTTP2, plain.TLSClientConfig.NextProtos, plain.TLSNextProto = false, nil, nil
	plain.Protocols = new(http.Protocols)
	plain.Protocols.SetHTTP1(true)
	t.Cleanup(plain.CloseIdleConnections)
	for proto, client := range map[string]*http.Client{"HTTP/2.0": server.Client(), "HTTP/1.1": {Transport: plain}} {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			resp, err := client.Post(server.URL+"/db/_changes?feed=continuous&filter=_doc_ids&heartbeat=2500", "application/json", strings.NewReader(`{"doc_ids":["`+strings.ReplaceAll(proto, "/", "")+`"]}`))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.Proto != proto {
				t.Fatalf("%s", resp.Proto)
			}
			put, err := http.NewRequest("PUT", server.URL+"/db/"+strings.ReplaceAll(proto, "/", ""), strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewReader(resp.Body)
			for i := range 2 {
				if line, err := lines.ReadString('\n'); err != nil || line != "\n" {
					t.Fatalf("heartbeat %d: %q %v", i, line, err)
				}
			}
			if resp, err := server.Client().Do(put); err != nil || resp.StatusCode != 201 {
				t.Fatalf("%v %v", resp, err)
			}
			for {
				line, err := lines.ReadString('\n')
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(line, strings.ReplaceAll(proto, "/", "")) {
					break
				}
			}
		})
	}
}

// A client that stops sending its body gets 408. One that stops taking its answer is cut off.
// Neither keeps the server from closing.
func TestStandstills(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	s := openServer(t, Options{Config: settings(t, "limits/answer_stall", "1", "limits/body_stall", "1", "couchdb/max_document_size", "20000000")})
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	if w := call(s, "PUT", "/db", "", "Admin", ""); w.Code != 201 {
		t.Fatal(w.Body)
	}
	if w := call(s, "PUT", "/db/large", `{"x":"`+strings.Repeat("x", 10<<20)+`"}`, "Admin", ""); w.Code != 201 {
		t.Fatal(w.Body)
	}
	dial := func(request string, args ...any) net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		fmt.Fprintf(c, request, args...)
		c.SetReadDeadline(time.Now().Add(time.Minute))
		return c
	}
	auth := basicAuth("admin", "secret")
	standing := dial("GET /db/large HTTP/1.1\r\nHost: h\r\nAuthorization: %s\r\n\r\n", auth)
	unfinished := map[string]net.Conn{}
	for path, method := range map[string]string{"/db/a": "PUT", "/db/a/attached": "PUT", "/db/_bulk_docs": "POST"} {
		unfinished[path] = dial("%s %s HTTP/1.1\r\nHost: h\r\nAuthorization: %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", method, path, auth)
	}
	for path, c := range unfinished {
		answer, err := io.ReadAll(c) // until the server closes
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 408 ") || !strings.Contains(string(answer), "request_timeout") {
			t.Errorf("%s: %v\n%s", path, err, answer)
		}
	}
	for end := time.Now().Add(time.Minute); s.Running() > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d requests are still running", s.Running())
		}
	}
	if n, err := io.Copy(io.Discard, standing); n >= 10<<20 {
		t.Errorf("the client that stood still got all: %d bytes, %v", n, err)
	}
}

// packed is a body compressed with gzip.
func packed(t testing.TB, body string) string {
	t.Helper()
	var b strings.Builder
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, body); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
