package doctor_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/cmd/tododb/authority"
	"github.com/tododb/tododb/cmd/tododb/doctor"
	"github.com/tododb/tododb/httpapi"
	"github.com/tododb/tododb/httpapi/httpapitest"
	"github.com/tododb/tododb/store/health"
)

const page = "https://notes.example.org"

// database is a server with the database db, its administrator root, and CORS for the page.
func database(t *testing.T) *httptest.Server {
	t.Helper()
	cfg := httpapitest.Settings(t, "chttpd/enable_cors", "true", "cors/origins", page, "cors/credentials", "true",
		"chttpd_auth/same_site", "none", "limits/trusted_proxies", "127.0.0.0/8,::1")
	s := httpapitest.OpenWithUsers(t, httpapi.Options{Config: cfg, Version: "v1"})
	s.Create(t, "db")
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server
}

// behind puts something before a server that may change requests and answers. It speaks HTTPS and HTTP/2, and
// does without faults what a proxy has to do.
func behind(t *testing.T, server *httptest.Server, spoil func(next http.Handler) http.Handler) *httptest.Server {
	t.Helper()
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	pass := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(at)
			r.SetXForwarded()
			r.Out.Host = r.In.Host
		},
		FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0),
	}
	var h http.Handler = pass
	if spoil != nil {
		h = spoil(h)
	}
	proxy := httptest.NewUnstartedServer(h)
	proxy.EnableHTTP2 = true
	proxy.Config.ErrorLog = log.New(io.Discard, "", 0)
	proxy.StartTLS()
	t.Cleanup(proxy.Close)
	return proxy
}

func look(t *testing.T, address string, change func(v *doctor.Visit)) []health.Finding {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	v := doctor.Visit{URL: u, Name: "admin", Password: "secret", Origin: page, Idle: 600 * time.Millisecond, Patience: 20 * time.Second, Version: "v1"}
	if change != nil {
		change(&v)
	}
	return doctor.Look(t.Context(), v)
}

func trust(proxy *httptest.Server) func(v *doctor.Visit) {
	return func(v *doctor.Visit) {
		v.Roots = x509.NewCertPool()
		v.Roots.AddCert(proxy.Certificate())
	}
}

// wants checks one finding, and that nothing else is a fault.
func wants(t *testing.T, list []health.Finding, check string, state health.State, says string) {
	t.Helper()
	seen := false
	for _, one := range list {
		if one.Check == check {
			seen = true
			if one.State != state || !strings.Contains(one.Says, says) {
				t.Errorf("%+v, want %s %q", one, state, says)
			}
		} else if one.State == health.Fault {
			t.Errorf("also: %+v", one)
		}
		if bad := one.State == health.Fault || one.State == health.Warning; bad != (one.Cure != "") {
			t.Errorf("the cure of %+v", one)
		}
	}
	if !seen {
		t.Errorf("nothing about %s in %+v", check, list)
	}
}

func TestSoundServer(t *testing.T) {
	t.Parallel()
	proxy := behind(t, database(t), nil)
	for _, path := range []string{"", "/", "/db", "/db/"} {
		list := look(t, proxy.URL+path, trust(proxy))
		for _, one := range list {
			if one.State != health.OK {
				t.Errorf("%s: %+v", path, one)
			}
		}
		if len(list) < 9 {
			t.Errorf("%s: only %+v", path, list)
		}
	}
	wants(t, look(t, proxy.URL+"/dbb", trust(proxy)), "database", health.Fault, "There is no database dbb")
	// Below a path of the proxy.
	sub := behind(t, database(t), func(next http.Handler) http.Handler { return http.StripPrefix("/couch", next) })
	wants(t, look(t, sub.URL+"/couch/db", trust(sub)), "reachable", health.OK, "/couch/")
	// Without a name less is seen, and nothing is wrong.
	wants(t, look(t, proxy.URL, func(v *doctor.Visit) { trust(proxy)(v); v.Name = "" }), "feeds", health.Skipped, "")
}

// What common proxies do to a server.
func TestFaultsOfProxies(t *testing.T) {
	t.Parallel()
	hidden := func(name string) func(next http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(&without{w, name}, r) })
		}
	}
	for what, c := range map[string]struct {
		path  string
		spoil func(next http.Handler) http.Handler
		check string
		says  string
	}{
		"buffers": {"/db", func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				kept := httptest.NewRecorder()
				next.ServeHTTP(kept, r)
				for name, values := range kept.Header() {
					w.Header()[name] = values
				}
				w.WriteHeader(kept.Code)
				w.Write(kept.Body.Bytes())
			})
		}, "feeds", "Nothing of a feed arrives"},
		"cuts idle connections": {"/db", func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if beat, _ := strconv.Atoi(r.URL.Query().Get("heartbeat")); beat < 2000 {
					next.ServeHTTP(w, r) // it is silent for so long only if this process stands still
					return
				}
				ctx, cancel := context.WithCancel(r.Context())
				defer cancel()
				quiet := time.AfterFunc(2*time.Second, cancel) // and the late feed is silent for longer
				defer quiet.Stop()
				next.ServeHTTP(&busy{w, quiet}, r.WithContext(ctx))
			})
		}, "idle connections", "is cut after"},
		"answers OPTIONS": {"", func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodOptions {
					w.WriteHeader(http.StatusNoContent)
					return
				}
				next.ServeHTTP(w, r)
			})
		}, "CORS", "answers OPTIONS itself"},
		"refuses OPTIONS without a password": {"", func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodOptions && r.Header.Get("Authorization") == "" {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				next.ServeHTTP(w, r)
			})
		}, "CORS", "answers OPTIONS itself, with 401"},
		"adds CORS of its own": {"", func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Add("Access-Control-Allow-Origin", "*")
				next.ServeHTTP(w, r)
			})
		}, "CORS", "Two answer for CORS"},
		"takes CORS out": {"", hidden("Access-Control-Allow-Credentials"), "CORS", "may not sign in"},
		"strips cookies": {"", hidden("Set-Cookie"), "cookies", "takes Set-Cookie out"},
		"strips the cookies of requests": {"", func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.Header.Del("Cookie")
				next.ServeHTTP(w, r)
			})
		}, "cookies", "does not know its cookie again"},
		"strips credentials": {"/db", func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.Header.Del("Authorization")
				next.ServeHTTP(w, r)
			})
		}, "credentials", "takes the header Authorization out"},
		"reaches no server": {"", func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusBadGateway) })
		}, "reachable", "reaches no server behind it: 502"},
		"refuses long requests": {"/db", func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.ContentLength > 1<<20 {
					w.WriteHeader(http.StatusRequestEntityTooLarge)
					return
				}
				next.ServeHTTP(w, r)
			})
		}, "limits", "takes no request of 3 MiB"},
		"unescapes paths": {"/db", func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.URL.RawPath = ""
				next.ServeHTTP(w, r)
			})
		}, "paths", "takes %2F"},
		"has a wrong clock": {"", func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Date", time.Now().Add(-10*time.Minute).UTC().Format(http.TimeFormat))
				next.ServeHTTP(w, r)
			})
		}, "clock", "behind this machine's"},
		"has a page of its own": {"", func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>It works!</html>") })
		}, "reachable", "no database server: "},
		"redirects": {"", func(http.Handler) http.Handler {
			return http.RedirectHandler("https://elsewhere.example.org/", http.StatusMovedPermanently)
		}, "reachable", "leads elsewhere, to https://elsewhere"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			proxy := behind(t, database(t), c.spoil)
			list := look(t, proxy.URL+c.path, func(v *doctor.Visit) {
				trust(proxy)(v)
				switch what {
				case "buffers":
					v.Patience = 4 * time.Second
				case "cuts idle connections":
					v.Idle = 5 * time.Second
				}
			})
			if what == "buffers" && len(list) > 0 && list[len(list)-1].Check != c.check {
				t.Errorf("it goes on after %+v", list)
			}
			wants(t, list, c.check, health.Fault, c.says)
		})
	}
}

// without takes a header out of answers.
type without struct {
	http.ResponseWriter
	name string
}

func (w *without) WriteHeader(status int) {
	w.Header().Del(w.name)
	w.ResponseWriter.WriteHeader(status)
}

func (w *without) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// busy puts a timer off with each write.
type busy struct {
	http.ResponseWriter
	quiet *time.Timer
}

func (w *busy) Write(b []byte) (int, error) {
	w.quiet.Reset(2 * time.Second)
	return w.ResponseWriter.Write(b)
}

func (w *busy) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// What servers are set wrongly.
func TestFaultsOfSettings(t *testing.T) {
	t.Parallel()
	plain := httptest.NewServer(httpapitest.OpenWithUsers(t, httpapi.Options{Config: httpapitest.Settings(t, "chttpd/enable_cors", "true", "cors/origins", "https://other.example.org", "cors/credentials", "true")}))
	t.Cleanup(plain.Close)
	list := look(t, plain.URL, nil)
	wants(t, list, "CORS", health.Fault, "lets no page of "+page)
	wants(t, look(t, plain.URL, func(v *doctor.Visit) { v.Origin = "https://other.example.org" }), "CORS", health.OK, "")
	wants(t, look(t, plain.URL, func(v *doctor.Visit) { v.Origin, v.Password = "", "wrong" }), "credentials", health.Fault, "does not know admin")
	if u := strings.Replace(plain.URL, "http:", "https:", 1); true {
		wants(t, look(t, u, nil), "reachable", health.Fault, "is plain HTTP, and not HTTPS")
	}
	shut := httptest.NewServer(httpapitest.OpenWithUsers(t, httpapi.Options{Config: httpapitest.Settings(t, "chttpd/require_valid_user", "true")}))
	t.Cleanup(shut.Close)
	wants(t, look(t, shut.URL, func(v *doctor.Visit) { v.Name = "" }), "reachable", health.Fault, "asks who you are")
	wants(t, look(t, shut.URL, func(v *doctor.Visit) { v.Origin, v.Password = "", "wrong" }), "credentials", health.Fault, "does not know admin")
	strips := behind(t, shut, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("Authorization")
			next.ServeHTTP(w, r)
		})
	})
	wants(t, look(t, strips.URL, trust(strips)), "credentials", health.Fault, "takes the header Authorization out")
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	wants(t, look(t, "http://"+free.Addr().String(), nil), "reachable", health.Fault, "Nobody listens")
}

// What certificates do not prove.
func TestFaultsOfCertificates(t *testing.T) {
	t.Parallel()
	db := database(t)
	own := authority.Folder(t.TempDir())
	began := time.Now().Add(-70 * 24 * time.Hour)
	if _, err := own.Keep(authority.Names{Hosts: []string{"localhost"}}, began); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(own.Server(), own.Server())
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(own.Certificate())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	serve := func(chain [][]byte) string {
		server := httptest.NewUnstartedServer(db.Config.Handler)
		server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: chain, PrivateKey: pair.PrivateKey}}}
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.EnableHTTP2 = true
		server.StartTLS()
		t.Cleanup(server.Close)
		_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
		return port
	}
	whole, alone := serve(pair.Certificate), serve(pair.Certificate[:1])
	for what, c := range map[string]struct {
		host  string
		roots *x509.CertPool
		at    time.Duration // after it began
		state health.State
		says  string
	}{
		"good":      {"localhost:" + whole, roots, 60 * 24 * time.Hour, health.OK, "valid until"},
		"soon over": {"localhost:" + whole, roots, 85 * 24 * time.Hour, health.Warning, "ends at"},
		"over":      {"localhost:" + whole, roots, 100 * 24 * time.Hour, health.Fault, "ended at"},
		"to come":   {"localhost:" + whole, roots, -100 * 24 * time.Hour, health.Fault, "is to come"},
		"a name":    {"127.0.0.1:" + whole, roots, 60 * 24 * time.Hour, health.Fault, "not for 127.0.0.1, but for localhost"},
		"unknown":   {"localhost:" + whole, x509.NewCertPool(), 60 * 24 * time.Hour, health.Fault, "does not trust the authority"},
		"alone":     {"localhost:" + alone, x509.NewCertPool(), 60 * 24 * time.Hour, health.Fault, "without the one of"},
	} {
		list := look(t, "https://"+c.host, func(v *doctor.Visit) {
			v.Roots, v.Name = c.roots, ""
			v.Now = func() time.Time { return began.Add(c.at) }
		})
		for _, one := range list {
			if one.Check == "certificate" && (one.State != c.state || !strings.Contains(one.Says, c.says)) {
				t.Errorf("%s: %+v", what, one)
			}
		}
		if !bytes.Contains([]byte(list[0].Check), []byte("certificate")) {
			t.Errorf("%s: %+v", what, list)
		}
	}
}
