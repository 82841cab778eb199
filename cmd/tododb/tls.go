package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/youmark/pkcs8"

	"github.com/tododb/tododb/httpapi/config"
)

// lookEvery is how often the files of the certificate are checked.
const lookEvery = 5 * time.Second

// certificate is the server's certificate. It is read again when its files change. If they
// cannot be read, the last good one stays in use.
type certificate struct {
	cfg *config.Config
	now atomic.Pointer[tls.Config]

	public *public       // gets certificates, instead of files; or nil
	own    *ownAuthority // makes the file; or nil
	isNew  bool          // own has just been made, and nobody trusts it

	mu   sync.Mutex // guards seen
	seen []byte     // the contents that now was made from
}

// newCertificate reads the certificate, or makes it if the settings say so. What is made, or comes from an
// authority, is kept in the folder dir. It returns nil if the server has no HTTPS.
func newCertificate(cfg *config.Config, dir string, log *slog.Logger) (c *certificate, err error) {
	if !cfg.HasHTTPS() {
		return nil, nil
	}
	c = &certificate{cfg: cfg, own: newOwnAuthority(cfg, dir)}
	if c.public, err = newPublic(cfg, dir); err != nil {
		return nil, err
	}
	if c.own != nil {
		changed, err := c.own.look(log)
		if err != nil {
			return nil, err
		}
		c.isNew = changed.Authority
	}
	if _, err := c.read(); err != nil {
		return nil, err
	}
	return c, nil
}

// files are the paths of the certificate, its key, and the authorities for clients; "" for none.
func (c *certificate) files() ([3]string, error) {
	authorities := c.cfg.String("ssl", "cacert_file")
	switch {
	case c.own != nil:
		return [3]string{c.own.folder.Server(), c.own.folder.Server(), authorities}, nil
	case c.public != nil:
		return [3]string{"", "", authorities}, nil
	}
	for _, name := range []string{"cert_file", "key_file"} {
		if c.cfg.String("ssl", name) == "" {
			return [3]string{}, fmt.Errorf("[ssl] %s is not set", name)
		}
	}
	return [3]string{c.cfg.String("ssl", "cert_file"), c.cfg.String("ssl", "key_file"), authorities}, nil
}

// read reads the files and tells whether they have changed.
func (c *certificate) read() (changed bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	paths, err := c.files()
	if err != nil {
		return false, err
	}
	var files [3][]byte
	for i, name := range []string{"cert_file", "key_file", "cacert_file"} {
		if paths[i] == "" {
			continue
		}
		if files[i], err = os.ReadFile(paths[i]); err != nil {
			return false, fmt.Errorf("[ssl] %s: %w", name, err)
		}
	}
	verify, must := c.cfg.Bool("ssl", "verify_ssl_certificates"), c.cfg.Bool("ssl", "fail_if_no_peer_cert")
	oldest, newest := c.cfg.TLSVersions()
	password := c.cfg.String("ssl", "password")
	seen := bytes.Join(append(files[:], fmt.Append(nil, verify, must, oldest, newest, password)), []byte{0})
	if bytes.Equal(seen, c.seen) {
		return false, nil
	}
	next := &tls.Config{MinVersion: oldest, MaxVersion: newest, NextProtos: []string{"h2", "http/1.1"}}
	if c.public != nil {
		next = c.public.answersFor(next)
	} else {
		pair, err := keyPair(files[0], files[1], password)
		if err != nil {
			return false, fmt.Errorf("[ssl] cert_file and key_file: %w", err)
		}
		next.Certificates = []tls.Certificate{pair}
	}
	if verify {
		next.ClientCAs, next.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		if !must {
			next.ClientAuth = tls.VerifyClientCertIfGiven
		}
		if !next.ClientCAs.AppendCertsFromPEM(files[2]) {
			return false, errors.New("[ssl] cacert_file contains no usable certificate")
		}
	}
	c.seen = seen
	c.now.Store(next)
	return true, nil
}

// readPair reads the certificate and the key that a section of the settings names.
func readPair(cfg *config.Config, section string) (tls.Certificate, error) {
	var files [2][]byte
	for i, name := range []string{"cert_file", "key_file"} {
		text, err := os.ReadFile(cfg.String(section, name))
		if err != nil {
			return tls.Certificate{}, fmt.Errorf("[%s] %s: %w", section, name, err)
		}
		files[i] = text
	}
	pair, err := keyPair(files[0], files[1], cfg.String(section, "password"))
	if err != nil {
		return pair, fmt.Errorf("[%s] cert_file and key_file: %w", section, err)
	}
	return pair, nil
}

// keyPair parses a certificate and its key, which may be encrypted.
func keyPair(cert, key []byte, password string) (tls.Certificate, error) {
	for rest := key; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type == "ENCRYPTED PRIVATE KEY" {
			private, err := pkcs8.ParsePKCS8PrivateKey(block.Bytes, []byte(password))
			if err != nil {
				return tls.Certificate{}, fmt.Errorf("the key is encrypted, and password does not open it: %w", err)
			}
			raw, err := x509.MarshalPKCS8PrivateKey(private)
			if err != nil {
				return tls.Certificate{}, err
			}
			key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
			break
		}
		if block.Headers["DEK-Info"] != "" {
			return tls.Certificate{}, errors.New("the key is encrypted in an old form that is not safe; openssl pkcs8 -topk8 makes a new one of it")
		}
	}
	return tls.X509KeyPair(cert, key)
}

// keep checks the files from time to time until ctx ends.
func (c *certificate) keep(ctx context.Context, every time.Duration, log *slog.Logger) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	said := ""
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		changed, err := c.look(log)
		switch {
		case err == nil && changed:
			log.Info("certificate reloaded")
		case err != nil && err.Error() != said: // once for each error, not every few seconds
			log.Error("cannot load the certificate; keeping the old one", "error", err)
		}
		said = ""
		if err != nil {
			said = err.Error()
		}
	}
}

// look makes the files if that is the server's business, and reads them.
func (c *certificate) look(log *slog.Logger) (changed bool, err error) {
	if c.own != nil {
		if _, err := c.own.look(log); err != nil {
			return false, err
		}
	}
	return c.read()
}

// listen opens the port for HTTPS.
func (c *certificate) listen(ctx context.Context) (net.Listener, error) {
	listener, err := listenTCP(ctx, c.cfg.ListenTLS(), "[ssl] port")
	if err != nil {
		return nil, err
	}
	return tls.NewListener(listener, &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: c.now.Load().NextProtos,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.now.Load(), nil },
	}), nil
}
