package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/youmark/pkcs8"

	"github.com/tododb/tododb/httpapi/config"
)

// pemPair makes a certificate for 127.0.0.1 that is its own authority, and its key.
func pemPair(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

// pemFiles is a folder with the files of a certificate.
type pemFiles struct {
	t                *testing.T
	cert, key, authy string
}

func newPemFiles(t *testing.T) *pemFiles {
	dir := t.TempDir()
	return &pemFiles{t, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "ca.pem")}
}

func (f *pemFiles) write(path string, text []byte) {
	f.t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f *pemFiles) settings() map[config.Name]string {
	return map[config.Name]string{
		{Section: "ssl", Name: "enable"}: "true", {Section: "ssl", Name: "port"}: "0",
		{Section: "ssl", Name: "cert_file"}: f.cert, {Section: "ssl", Name: "key_file"}: f.key, {Section: "ssl", Name: "cacert_file"}: f.authy,
	}
}

func TestCertificateIsReadAgain(t *testing.T) {
	t.Parallel()
	files := newPemFiles(t)
	cert, key := pemPair(t, "first")
	files.write(files.cert, cert)
	files.write(files.key, key)
	files.write(files.authy, cert)
	cfg, err := config.Open(config.Options{Flags: files.settings()})
	if err != nil {
		t.Fatal(err)
	}
	c, err := newCertificate(cfg, t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := c.listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.NotFoundHandler(), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)}
	go server.Serve(listener)
	defer server.Close()
	var log syncBuffer
	ctx, stop := context.WithCancel(t.Context())
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		c.keep(ctx, time.Millisecond, slog.New(slog.NewTextHandler(&log, nil)))
	}()
	defer func() { stop(); <-kept }()

	// presented is the name in the certificate that a new connection gets.
	presented := func(conf *tls.Config) (string, error) {
		conf.InsecureSkipVerify = true
		conn, err := tls.Dial("tcp", listener.Addr().String(), conf)
		if err != nil {
			return "", err
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(time.Minute))
		if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n"); err != nil {
			return "", err
		}
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			return "", err // in TLS 1.3 a client learns later that its certificate was refused
		}
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName, nil
	}
	wait := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s does not come\n%s", what, log.String())
			}
		}
	}
	if name, err := presented(&tls.Config{}); err != nil || name != "first" {
		t.Fatalf("%q, %v", name, err)
	}
	if _, err := presented(&tls.Config{MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is taken")
	}
	next, nextKey := pemPair(t, "second")
	files.write(files.cert, next) // the key does not fit yet
	wait("the error", func() bool { return strings.Contains(log.String(), "keeping the old one") })
	if name, err := presented(&tls.Config{}); err != nil || name != "first" {
		t.Errorf("while the files do not fit: %q, %v", name, err)
	}
	files.write(files.key, nextKey)
	wait("the new certificate", func() bool { name, err := presented(&tls.Config{}); return err == nil && name == "second" })

	if err := cfg.Set("ssl", "verify_ssl_certificates", "true"); err != nil {
		t.Fatal(err)
	}
	wait("the check of clients", func() bool { _, err := presented(&tls.Config{}); return err != nil })
	mine, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	if name, err := presented(&tls.Config{Certificates: []tls.Certificate{mine}}); err != nil || name != "second" {
		t.Errorf("with a certificate: %q, %v", name, err)
	}
}

func TestBadCertificates(t *testing.T) {
	files := newPemFiles(t)
	cert, key := pemPair(t, "a")
	_, other := pemPair(t, "b")
	files.write(files.authy, []byte("nothing"))
	for _, c := range []struct {
		cert, key []byte
		verify    string
		want      string
	}{
		{nil, key, "false", "cert_file"}, {cert, nil, "false", "key_file"}, {cert, other, "false", "cert_file and key_file"}, {cert, key, "true", "cacert_file"},
	} {
		os.Remove(files.cert)
		os.Remove(files.key)
		if c.cert != nil {
			files.write(files.cert, c.cert)
		}
		if c.key != nil {
			files.write(files.key, c.key)
		}
		set := files.settings()
		set[config.Name{Section: "ssl", Name: "verify_ssl_certificates"}] = c.verify
		cfg, err := config.Open(config.Options{Flags: set})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := newCertificate(cfg, t.TempDir(), slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
	cfg, err := config.Open(config.Options{Flags: map[config.Name]string{{Section: "ssl", Name: "enable"}: "true"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newCertificate(cfg, t.TempDir(), slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "cert_file is not set") {
		t.Errorf("no file: %v", err)
	}
}

// The whole server over HTTPS: HTTP/2 and HTTP/1.1 get the same answers, and session
// cookies stay within HTTPS.
func TestServesHTTPS(t *testing.T) {
	files := newPemFiles(t)
	cert, key := pemPair(t, "server")
	files.write(files.cert, cert)
	files.write(files.key, key)
	file := filepath.Join(t.TempDir(), "tododb.ini")
	files.write(file, []byte("[ssl]\nenable = true\nport = 0\ncert_file = "+files.cert+"\nkey_file = "+files.key+"\n"))
	t.Setenv("COUCHDB_USER", testUser)
	t.Setenv("COUCHDB_PASSWORD", testPassword)
	_, out, stop := background(t, "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--log-level", "none", "--config", file)
	secure := regexp.MustCompile(`listening on (https://\S+)/\n`)
	for end := time.Now().Add(time.Minute); !secure.MatchString(out.String()); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no HTTPS: %q", out)
		}
	}
	base := secure.FindStringSubmatch(out.String())[1]
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	for _, proto := range []string{"HTTP/2.0", "HTTP/1.1"} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, Protocols: new(http.Protocols)}
		transport.Protocols.SetHTTP1(proto == "HTTP/1.1")
		transport.Protocols.SetHTTP2(proto == "HTTP/2.0")
		client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
		do := func(method, path, body string) (*http.Response, string) {
			t.Helper()
			r, err := http.NewRequest(method, base+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.SetBasicAuth(testUser, testPassword)
			r.Header.Set("Content-Type", "application/json")
			resp, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			return resp, string(text)
		}
		name := "/db" + strings.TrimSuffix(strings.TrimPrefix(proto, "HTTP/"), ".0")[:1]
		resp, _ := do("PUT", name, "")
		if resp.StatusCode != 201 || resp.Proto != proto || !strings.HasPrefix(resp.Header.Get("Location"), "https://") {
			t.Errorf("%s: %s %s, at %q", proto, resp.Proto, resp.Status, resp.Header.Get("Location"))
		}
		if resp, text := do("PUT", name+"/doc", `{"x":1}`); resp.StatusCode != 201 || !strings.Contains(text, "1-0785e9eb543380151003dc452c3a001a") {
			t.Errorf("%s: %s %s", proto, resp.Status, text)
		}
		if resp, text := do("GET", name+"/_changes?feed=longpoll&since=0", ""); resp.StatusCode != 200 || !strings.Contains(text, `"id":"doc"`) {
			t.Errorf("%s: %s %s", proto, resp.Status, text)
		}
		if resp, _ := do("POST", "/_session", `{"name":"admin","password":"secret"}`); !strings.Contains(resp.Header.Get("Set-Cookie"), "Secure") {
			t.Errorf("%s: the cookie is %q", proto, resp.Header.Get("Set-Cookie"))
		}
		client.CloseIdleConnections()
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// A key may be encrypted, clients may come without a certificate if the settings say so, and a
// version of TLS may be left out.
func TestCertificatesAsTheSettingsSay(t *testing.T) {
	files := newPemFiles(t)
	cert, key := pemPair(t, "server")
	files.write(files.cert, cert)
	files.write(files.authy, cert)
	files.write(files.key, encrypted(t, key, "hunter2"))
	open := func(more ...string) (string, error) {
		t.Helper()
		set := files.settings()
		for i := 0; i < len(more); i += 2 {
			set[config.Name{Section: "ssl", Name: more[i]}] = more[i+1]
		}
		cfg, err := config.Open(config.Options{Flags: set})
		if err != nil {
			t.Fatal(err)
		}
		c, err := newCertificate(cfg, t.TempDir(), slog.New(slog.DiscardHandler))
		if err != nil {
			return "", err
		}
		listener, err := c.listen(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: http.NotFoundHandler(), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)}
		go server.Serve(listener)
		t.Cleanup(func() { server.Close() })
		return "https://" + listener.Addr().String(), nil
	}
	mine, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	stranger, strangers := pemPair(t, "stranger")
	theirs, err := tls.X509KeyPair(stranger, strangers)
	if err != nil {
		t.Fatal(err)
	}
	gets := func(url string, conf *tls.Config) error {
		conf.InsecureSkipVerify = true
		resp, err := (&http.Client{Transport: &http.Transport{TLSClientConfig: conf, DisableKeepAlives: true}}).Get(url)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
	for _, password := range []string{"", "wrong"} {
		if _, err := open("password", password); err == nil || !strings.Contains(err.Error(), "encrypted") {
			t.Errorf("with the password %q: %v", password, err)
		}
	}
	checked, err := open("password", "hunter2", "verify_ssl_certificates", "true", "fail_if_no_peer_cert", "false", "tls_versions", "[tlsv1, 'tlsv1.1', 'tlsv1.2']")
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		conf *tls.Config
		may  bool
	}{
		"nobody": {&tls.Config{}, true}, "known": {&tls.Config{Certificates: []tls.Certificate{mine}}, true},
		"stranger": {&tls.Config{GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &theirs, nil }}, false},
		"TLS 1.3":  {&tls.Config{MinVersion: tls.VersionTLS13}, false}, "TLS 1.1": {&tls.Config{MaxVersion: tls.VersionTLS11}, false},
	} {
		if err := gets(checked, c.conf); (err == nil) != c.may {
			t.Errorf("%s: %v", what, err)
		}
	}

	// Replications show a certificate to a peer that asks for one.
	strict, err := open("password", "hunter2", "verify_ssl_certificates", "true")
	if err != nil {
		t.Fatal(err)
	}
	for password, may := range map[string]bool{"hunter2": true, "wrong": false} {
		cfg, err := config.Open(config.Options{Flags: map[config.Name]string{
			{Section: "replicator", Name: "cert_file"}: files.cert, {Section: "replicator", Name: "key_file"}: files.key, {Section: "replicator", Name: "password"}: password,
		}})
		if err != nil {
			t.Fatal(err)
		}
		trust, err := replicatorTLS(cfg)
		if (err == nil) != may {
			t.Fatalf("%s: %v", password, err)
		}
		if may {
			if err := gets(strict, trust); err != nil {
				t.Errorf("a replication: %v", err)
			}
		}
	}
	if err := gets(strict, &tls.Config{}); err == nil {
		t.Error("a client without a certificate gets in")
	}
}

// encrypted encrypts a plain key.
func encrypted(t *testing.T, key []byte, password string) []byte {
	t.Helper()
	block, _ := pem.Decode(key)
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	der, err := pkcs8.MarshalPrivateKey(private, []byte(password), nil)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der})
}
