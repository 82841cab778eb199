package main

import (
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/wire"
)

// beforeAPI answers what is the business of HTTPS and not of the API: proofs for an authority that asks over plain
// HTTP, and requests that are to come again over HTTPS.
func (p *prepared) beforeAPI(api http.Handler) http.Handler {
	if p.cert == nil {
		return api
	}
	_, port, _ := net.SplitHostPort(p.listening.secure.Addr().String()) // an address of TCP has a port
	plain := toHTTPS(p.cfg, port, api)
	if p.cert.public != nil {
		plain = p.cert.public.handler(plain)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if at, is := r.Context().Value(http.LocalAddrContextKey).(net.Addr); r.TLS != nil || is && at.Network() == "unix" {
			api.ServeHTTP(w, r)
			return
		}
		plain.ServeHTTP(w, r)
	})
}

// toHTTPS redirects requests if the settings say so, unless they have come to a proxy over HTTPS.
// Whoever asks whether the server is up gets to know it in any case.
func toHTTPS(cfg *config.Config, port string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !cfg.Bool("ssl", "redirect") || r.URL.Path == "/_up" || cameByHTTPS(cfg, r) {
			next.ServeHTTP(w, r)
			return
		}
		host := (&url.URL{Host: r.Host}).Hostname()
		switch {
		case port != "443":
			host = net.JoinHostPort(host, port)
		case strings.Contains(host, ":"):
			host = "[" + host + "]"
		}
		w.Header().Set("Location", "https://"+host+r.URL.RequestURI())
		w.WriteHeader(http.StatusPermanentRedirect)
	})
}

func cameByHTTPS(cfg *config.Config, r *http.Request) bool {
	return wire.Proxies(cfg.Networks("limits", "trusted_proxies")).Sent(r) &&
		(r.Header.Get(cfg.String("chttpd", "x_forwarded_proto")) == "https" || r.Header.Get(cfg.String("chttpd", "x_forwarded_ssl")) == "on")
}
