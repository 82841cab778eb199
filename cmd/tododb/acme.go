package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/store/durable"
)

// public gets certificates from a public authority, by ACME, and renews them when a third of their life is left.
type public struct {
	hosts   []string
	manager *autocert.Manager
}

// newPublic returns nil if the settings name no hosts. The account's key and the certificates are kept in the
// folder dir.
func newPublic(cfg *config.Config, dir string) (*public, error) {
	hosts, is := cfg.ACMEHosts()
	if !is {
		return nil, nil
	}
	client := &acme.Client{DirectoryURL: cfg.String("ssl", "acme_directory"), UserAgent: "tododb/" + version}
	if path := cfg.String("ssl", "acme_ca_file"); path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("[ssl] acme_ca_file: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(text) {
			return nil, errors.New("[ssl] acme_ca_file contains no usable certificate")
		}
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
		client.HTTPClient = &http.Client{Transport: transport}
	}
	return &public{hosts, &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: acmeFolder{autocert.DirCache(filepath.Join(dir, "acme"))},
		HostPolicy: autocert.HostWhitelist(hosts...), Client: client, Email: cfg.String("ssl", "acme_email"),
	}}, nil
}

// acmeFolder keeps the account's key and the certificates.
type acmeFolder struct{ autocert.DirCache }

// Get finds no key of an account in a file that a power cut, or somebody, has left without one: the manager would
// get no certificate ever again, and another account costs nothing. It looks at certificates itself.
func (f acmeFolder) Get(ctx context.Context, name string) ([]byte, error) {
	text, err := f.DirCache.Get(ctx, name)
	if err == nil && strings.HasPrefix(name, "acme_account") {
		if block, _ := pem.Decode(text); block == nil {
			return nil, autocert.ErrCacheMiss
		}
	}
	return text, err
}

// Put returns when the file is there for good.
func (f acmeFolder) Put(_ context.Context, name string, text []byte) error {
	if err := os.MkdirAll(string(f.DirCache), 0o700); err != nil {
		return err
	}
	return durable.Replace(filepath.Join(string(f.DirCache), filepath.Clean("/"+name)), text, 0o600)
}

// answersFor returns the settings of connections with what they need to show the certificates and to prove, in a
// handshake, that the names are this server's.
func (p *public) answersFor(conf *tls.Config) *tls.Config {
	conf.GetCertificate = p.manager.GetCertificate
	conf.NextProtos = append(conf.NextProtos, acme.ALPNProto)
	return conf
}

// handler also proves it over plain HTTP, for authorities that ask on port 80 and find next there.
func (p *public) handler(next http.Handler) http.Handler {
	proofs := p.manager.HTTPHandler(http.NotFoundHandler())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/.well-known/acme-challenge/") {
			next.ServeHTTP(w, r)
			return
		}
		asked := r.Clone(r.Context())
		asked.Host = (&url.URL{Host: r.Host}).Hostname() // a proxy may name its port, which the manager would not know
		proofs.ServeHTTP(w, asked)
	})
}

// obtain gets all certificates, so that the first visitor does not have to wait and mistakes are known at once.
// It tries until ctx ends.
func (p *public) obtain(ctx context.Context, log *slog.Logger) {
	for _, host := range p.hosts {
		wait := backoff.NewExponentialBackOff()
		wait.InitialInterval, wait.MaxInterval, wait.RandomizationFactor = 2*time.Minute, 2*time.Hour, 0.25 // the manager keeps a failure for a minute
		for {
			pair, err := p.certificate(ctx, host)
			if ctx.Err() != nil {
				return
			}
			if err == nil {
				log.Info("certificate", "host", host, "until", pair.Leaf.NotAfter)
				break
			}
			next := wait.NextBackOff()
			log.Error("no certificate; does the name lead to this machine, and the name's port 443 to the HTTPS port, or its port 80 to the plain one?",
				"host", host, "error", strings.TrimPrefix(err.Error(), "acme/autocert: "), "next try in", next.Round(time.Second).String())
			select {
			case <-time.After(next):
			case <-ctx.Done():
				return
			}
		}
	}
}

// certificate returns what a browser would be shown. The manager cannot be interrupted while it asks the authority,
// as it cannot while it renews: a server that stops does not wait for it.
func (p *public) certificate(ctx context.Context, host string) (*tls.Certificate, error) {
	type answer struct {
		pair *tls.Certificate
		err  error
	}
	done := make(chan answer, 1) // perhaps nobody hears it any more
	go func() {
		pair, err := p.manager.GetCertificate(&tls.ClientHelloInfo{ServerName: host, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}})
		done <- answer{pair, err}
	}()
	select {
	case a := <-done:
		return a.pair, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
