package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/httpapi/config"
)

// trusting makes a client that trusts the authorities in a PEM file, or in text, and no others.
func trusting(t *testing.T, text []byte) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		t.Fatalf("no certificate: %s", text)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// With --https self the server has HTTPS at its first start, tells how to trust it, and keeps
// its authority. Plain HTTP leads there once it is asked to.
func TestHTTPSOfItsOwn(t *testing.T) {
	t.Setenv("COUCHDB_USER", testUser)
	t.Setenv("COUCHDB_PASSWORD", testPassword)
	data := t.TempDir()
	ini := filepath.Join(t.TempDir(), "tododb.ini")
	if err := os.WriteFile(ini, []byte("[ssl]\nport = 0\n[chttpd_auth]\niterations = 10\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	start := func() (plain, secure, said string, stop func() error) {
		t.Helper()
		plain, out, stop := background(t, "serve", "--data", data, "--listen", "127.0.0.1:0", "--log-level", "none", "--config", ini, "--https", "self,notes.example.org")
		for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			if m := regexp.MustCompile(`listening on https://127\.0\.0\.1:(\d+)/\n`).FindStringSubmatch(out.String()); m != nil {
				return plain, m[1], out.String(), stop
			}
			if time.Now().After(end) {
				t.Fatalf("no HTTPS: %q", out)
			}
		}
	}
	// A start that fails says nothing of an authority, and leaves none.
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if err := run(t.Context(), []string{"serve", "--data", data, "--listen", taken.Addr().String(), "--log-level", "none", "--https", "self"}, io.Discard); err == nil {
		t.Fatal("it starts on a port in use")
	}
	plain, port, said, stop := start()
	file := filepath.Join(data, "https", "authority.crt")
	for _, part := range []string{file, "update-ca-certificates", "add-trusted-cert", "certutil -addstore", "Firefox", "iPhone", "Android", "fingerprint: ", "https://localhost:" + port + "/"} {
		if !strings.Contains(said, part) {
			t.Errorf("it does not say %q:\n%s", part, said)
		}
	}
	cert, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	client := trusting(t, cert)
	for _, host := range []string{"localhost", "127.0.0.1"} {
		resp, err := client.Get("https://" + host + ":" + port + "/")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 || resp.Proto != "HTTP/2.0" {
			t.Errorf("%s: %s %s", host, resp.Proto, resp.Status)
		}
	}
	if status := get(t, plain+"/_up", "", ""); status != 200 {
		t.Errorf("plain HTTP: %d", status)
	}

	set, err := http.NewRequest("PUT", plain+"/_node/_local/_config/ssl/redirect", strings.NewReader(`"true"`))
	if err != nil {
		t.Fatal(err)
	}
	set.SetBasicAuth(testUser, testPassword)
	if resp, err := client.Do(set); err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	resp, err := client.Get(plain + "/db/a%2Fb?x=1")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if at := resp.Header.Get("Location"); resp.StatusCode != 308 || at != "https://127.0.0.1:"+port+"/db/a%2Fb?x=1" {
		t.Errorf("%s to %q", resp.Status, at)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}

	_, port, said, _ = start()
	if strings.Contains(said, "fingerprint") {
		t.Errorf("it tells again how to trust the authority:\n%s", said)
	}
	if resp, err := client.Get("https://localhost:" + port + "/"); err != nil {
		t.Errorf("after a restart: %v", err)
	} else {
		resp.Body.Close()
	}
}

// A certificate of the machine's own authority is renewed while the server runs.
func TestOwnCertificateIsMadeAgain(t *testing.T) {
	cfg, err := config.Open(config.Options{Flags: map[config.Name]string{{Section: "ssl", Name: "https"}: "self"}})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	dir := t.TempDir()
	c, err := newCertificate(cfg, dir, log)
	if err != nil {
		t.Fatal(err)
	}
	first := c.now.Load().Certificates[0].Leaf
	if changed, err := c.look(log); err != nil || changed {
		t.Errorf("with nothing to do: %v, %v", changed, err)
	}
	if err := os.Remove(filepath.Join(dir, "server.pem")); err != nil {
		t.Fatal(err)
	}
	if changed, err := c.look(log); err != nil || !changed {
		t.Errorf("%v, %v", changed, err)
	}
	if again := c.now.Load().Certificates[0].Leaf; again.SerialNumber.Cmp(first.SerialNumber) == 0 {
		t.Error("it is the old one")
	}
}

func TestRedirect(t *testing.T) {
	cfg, err := config.Open(config.Options{Flags: map[config.Name]string{
		{Section: "ssl", Name: "redirect"}: "true", {Section: "limits", Name: "trusted_proxies"}: "192.0.2.0/24",
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ host, port, from, proto, want string }{
		{"db.example.org:5984", "443", "198.51.100.1:1", "", "https://db.example.org/x?y"},
		{"db.example.org", "6984", "198.51.100.1:1", "", "https://db.example.org:6984/x?y"},
		{"[::1]:5984", "6984", "198.51.100.1:1", "", "https://[::1]:6984/x?y"},
		{"[::1]", "443", "198.51.100.1:1", "", "https://[::1]/x?y"},
		{"db.example.org", "443", "198.51.100.1:1", "https", "https://db.example.org/x?y"}, // anybody may say so
		{"db.example.org", "443", "192.0.2.7:1", "https", ""},
		{"db.example.org", "443", "192.0.2.7:1", "http", "https://db.example.org/x?y"},
	} {
		r := httptest.NewRequest("GET", "/x?y", nil)
		r.Host, r.RemoteAddr = c.host, c.from
		r.Header.Set("X-Forwarded-Proto", c.proto)
		w := httptest.NewRecorder()
		toHTTPS(cfg, c.port, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) })).ServeHTTP(w, r)
		if got := w.Header().Get("Location"); got != c.want || (w.Code == 308) != (c.want != "") {
			t.Errorf("%+v: %d to %q", c, w.Code, got)
		}
	}
}

func TestNamesForHTTPS(t *testing.T) {
	for value, want := range map[string]string{
		"self": "127.0.0.1:6984", "self, notes.lan, 10.0.0.7": "127.0.0.1:6984", "db.example.org": ":443", "a.example.org,b.example.org": ":443",
		"*.example.org": "", "localhost": "", "10.0.0.7": "", "db.example.org,self": "", "self,a b": "", "https://db.example.org": "",
	} {
		cfg, err := config.Open(config.Options{Flags: map[config.Name]string{{Section: "ssl", Name: "https"}: value}})
		if (err == nil) != (want != "") {
			t.Errorf("%s: %v", value, err)
		}
		if err == nil && (cfg.ListenTLS() != want || !cfg.HasHTTPS()) {
			t.Errorf("%s: at %s", value, cfg.ListenTLS())
		}
	}
	set := func(address, port string) string {
		cfg, err := config.Open(config.Options{Flags: map[config.Name]string{
			{Section: "ssl", Name: "https"}: "db.example.org", {Section: "ssl", Name: "port"}: port, {Section: "ssl", Name: "bind_address"}: address,
		}})
		if err != nil {
			t.Fatal(err)
		}
		return cfg.ListenTLS()
	}
	if at := set("127.0.0.1", "6984"); at != "127.0.0.1:6984" {
		t.Errorf("what the operator has set does not count: %s", at)
	}
	if _, err := runFor(t, "serve", "--data", t.TempDir(), "--https", "localhost"); exitCode(err) != 2 {
		t.Errorf("--https localhost: %v", err)
	}
}
