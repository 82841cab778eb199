package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/acme/autocert"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/tododb/tododb/cmd/tododb/authority"
	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/store/widetest"
)

// names answers questions of DNS over TCP: every name is 127.0.0.1.
func names(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() { l.Close(); all.Wait() })
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(5 * time.Second))
				for answerName(conn) == nil {
				}
			})
		}
	})
	return l.Addr().String()
}

func answerName(conn net.Conn) error {
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return err
	}
	b := make([]byte, int(length[0])<<8|int(length[1]))
	if _, err := io.ReadFull(conn, b); err != nil {
		return err
	}
	var m dnsmessage.Message
	if err := m.Unpack(b); err != nil {
		return err
	}
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1},
			Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
		}}
	}
	answer, err := m.Pack()
	if err != nil {
		return err
	}
	_, err = conn.Write(append([]byte{byte(len(answer) >> 8), byte(len(answer))}, answer...))
	return err
}

// pebble is an ACME server that a test started.
type pebble struct {
	directory string // URL
	trust     string // file with the authority of its own HTTPS
	roots     *x509.CertPool
	stop      func()
}

func portOf(t *testing.T, address string) int {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// startPebble starts one that looks for proofs at two addresses of its choice, and whose certificates last so long.
func startPebble(t *testing.T, http01, alpn01 string, life time.Duration) *pebble {
	t.Helper()
	path, err := filepath.Abs("../../bin/pebble")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("make bin/pebble builds the ACME server that this test needs")
	}
	dir := t.TempDir()
	own := authority.Folder(dir)
	if _, err := own.Keep(authority.Names{Hosts: []string{"localhost"}, Addresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, time.Now()); err != nil {
		t.Fatal(err)
	}
	listen, manage := freeAddress(t), freeAddress(t)
	text, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": listen, "managementListenAddress": manage, "certificate": own.Server(), "privateKey": own.Server(),
		"httpPort": portOf(t, http01), "tlsPort": portOf(t, alpn01), "keyAlgorithm": "ecdsa",
		"retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles":   map[string]any{"default": map[string]any{"description": "for a test", "validityPeriod": int(life.Seconds())}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "pebble.json")
	if err := os.WriteFile(conf, text, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-config", conf, "-dnsserver", names(t))
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0")
	var log syncBuffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &pebble{directory: "https://" + listen + "/dir", trust: own.Certificate(), stop: func() { cmd.Process.Kill(); cmd.Wait() }}
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	cert, err := os.ReadFile(own.Certificate())
	if err != nil {
		t.Fatal(err)
	}
	client := trusting(t, cert)
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		resp, err := client.Get("https://" + manage + "/roots/0")
		if err == nil {
			defer resp.Body.Close()
			root, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			p.roots = x509.NewCertPool()
			if !p.roots.AppendCertsFromPEM(root) {
				t.Fatalf("no root: %s", root)
			}
			return p
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// shown is the certificate that a server shows for a name. It must come from one of the roots, whatever the time is.
func shown(t *testing.T, address, name string, roots *x509.CertPool) *x509.Certificate {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 120*time.Second)
	defer cancel()
	conn, err := (&tls.Dialer{Config: &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: []string{"h2"}}}).DialContext(ctx, "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	state := conn.(*tls.Conn).ConnectionState()
	leaf, between := state.PeerCertificates[0], x509.NewCertPool()
	for _, one := range state.PeerCertificates[1:] {
		between.AddCert(one)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, Intermediates: between, CurrentTime: leaf.NotBefore.Add(time.Second)}); err != nil {
		t.Fatal(err)
	}
	if state.NegotiatedProtocol != "h2" {
		t.Errorf("protocol %q", state.NegotiatedProtocol)
	}
	return leaf
}

// serveACME starts a server with certificates of pebble. Its plain port and its HTTPS port are given.
func serveACME(t *testing.T, data string, p *pebble, plain, secure string) (log *syncBuffer, stop func() error) {
	t.Helper()
	ini := filepath.Join(t.TempDir(), "tododb.ini")
	text := "[ssl]\nhttps = notes.example.test\nport = " + strconv.Itoa(portOf(t, secure)) + "\nbind_address = 127.0.0.1\nacme_directory = " + p.directory +
		"\nacme_ca_file = " + p.trust + "\nacme_email = me@example.test\n[chttpd_auth]\niterations = 10\n[admins]\nadmin = secret\n" +
		"[log]\nwriter = file\nfile = " + filepath.Join(data, "log") + "\n"
	if err := os.WriteFile(ini, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, log, stop = background(t, "serve", "--data", data, "--listen", plain, "--config", ini)
	return log, stop
}

// A certificate comes from an ACME server that looks for the proof on the HTTPS port, before anybody asks
// for it, and is renewed while the server runs.
func TestACME(t *testing.T) {
	t.Parallel()
	plain, secure := freeAddress(t), freeAddress(t)
	p := startPebble(t, freeAddress(t), secure, 18*time.Second)
	data := t.TempDir()
	serveACME(t, data, p, plain, secure)
	first := shown(t, secure, "notes.example.test", p.roots)
	for end := time.Now().Add(180 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if now := shown(t, secure, "notes.example.test", p.roots); now.SerialNumber.Cmp(first.SerialNumber) != 0 && now.NotAfter.After(first.NotAfter) {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the certificate is not renewed")
		}
	}
	// Whoever asks for another name gets none, and the authority is not asked.
	if conn, err := tls.Dial("tcp", secure, &tls.Config{ServerName: "other.example.test", InsecureSkipVerify: true}); err == nil {
		conn.Close()
		t.Error("a certificate for another name")
	}
	keys, err := filepath.Glob(filepath.Join(data, "https", "acme", "*"))
	if err != nil || len(keys) < 2 {
		t.Errorf("%v, %v", keys, err)
	}
	for _, key := range keys {
		if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", key, info.Mode(), err)
		}
	}
}

// The same over the plain port, for servers behind something that keeps port 443 to itself. A restart
// needs no authority.
func TestACMEOverPlainHTTP(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	plain, secure := freeAddress(t), freeAddress(t)
	p := startPebble(t, plain, freeAddress(t), 90*24*time.Hour)
	data := t.TempDir()
	_, stop := serveACME(t, data, p, plain, secure)
	log := func() string { text, _ := os.ReadFile(filepath.Join(data, "log")); return string(text) }
	for end := time.Now().Add(120 * time.Second); !strings.Contains(log(), `"host":"notes.example.test","until"`); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not ask by itself:\n%s", log())
		}
	}
	first := shown(t, secure, "notes.example.test", p.roots)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	p.stop()
	serveACME(t, data, p, plain, secure)
	if again := shown(t, secure, "notes.example.test", p.roots); again.SerialNumber.Cmp(first.SerialNumber) != 0 {
		t.Error("another certificate")
	}
	if resp, err := http.Get("http://" + plain + "/.well-known/acme-challenge/none"); err != nil || resp.StatusCode == 200 {
		t.Error(resp, err)
	}
}

// An authority that cannot be asked is no reason not to start, or not to stop.
func TestACMEWithoutAnAuthority(t *testing.T) {
	t.Parallel()
	data, nobody := t.TempDir(), freeAddress(t)
	trust := newPemFiles(t)
	cert, _ := pemPair(t, "an authority")
	trust.write(trust.authy, cert)
	plain := freeAddress(t)
	_, stop := serveACME(t, data, &pebble{directory: "https://" + nobody + "/dir", trust: trust.authy}, plain, freeAddress(t))
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if text, _ := os.ReadFile(filepath.Join(data, "log")); strings.Contains(string(text), "no certificate; does the name lead to this machine") {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the log does not say why there is no certificate")
		}
	}
	if status := get(t, "http://"+plain+"/_up", "", ""); status != 200 {
		t.Errorf("plain HTTP: %d", status)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}

	if cfg, err := config.Open(config.Options{Flags: map[config.Name]string{
		{Section: "ssl", Name: "https"}: "db.example.org", {Section: "ssl", Name: "acme_ca_file"}: trust.key,
	}}); err != nil {
		t.Fatal(err)
	} else if _, err := newPublic(cfg, data); err == nil || !strings.Contains(err.Error(), "acme_ca_file") {
		t.Errorf("a file that is not there: %v", err)
	}
}

// A key of the account that is damaged is made again, and one that is whole is kept.
func TestDamagedKeyOfAnAccount(t *testing.T) {
	dir := t.TempDir()
	cfg, err := config.Open(config.Options{Flags: map[config.Name]string{{Section: "ssl", Name: "https"}: "notes.example.org"}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPublic(cfg, dir)
	if err != nil {
		t.Fatal(err)
	}
	const name, key = "acme_account+key", "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"
	cache := p.manager.Cache
	if err := cache.Put(t.Context(), name, []byte(key)); err != nil {
		t.Fatal(err)
	}
	if text, err := cache.Get(t.Context(), name); err != nil || string(text) != key {
		t.Errorf("a whole key: %q, %v", text, err)
	}
	for _, torn := range []string{"", key[:40], strings.Repeat("\x00", len(key))} {
		if err := os.WriteFile(filepath.Join(dir, "acme", name), []byte(torn), 0o600); err != nil {
			t.Fatal(err)
		}
		if text, err := cache.Get(t.Context(), name); err != autocert.ErrCacheMiss {
			t.Errorf("%q: %q, %v", torn, text, err)
		}
	}
	if files, err := os.ReadDir(filepath.Join(dir, "acme")); err != nil || len(files) != 1 {
		t.Errorf("%v, %v", files, err)
	}
}
