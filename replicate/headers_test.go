package replicate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Only an administrator's replication may send a proxy's headers, to either side and in any
// spelling. Credentials and other headers that a gateway may want go through.
func TestHeadersOfReplications(t *testing.T) {
	for name, want := range map[string]bool{
		"X-Auth-CouchDB-UserName": false, "x-auth-couchdb-roles": false, "X_Auth_CouchDB_Token": false, "X-Who": false, "x_who": false,
		"X-Forwarded-For": false, "x-forwarded-HOST": false, "X_Forwarded_Proto": false, "Forwarded": false, "X-Real-IP": false,
		"Host": false, "Connection": false, "TE": false, "transfer-encoding": false, "Proxy-Authorization": false, "X-HTTP-Method-Override": false,
		"Authorization": true, "Cookie": true, "X-Api-Key": true, "Accept-Language": true, "X-Auth-Token": true,
	} {
		for _, side := range []string{`{"source":%s,"target":"http://h/t"}`, `{"source":"http://h/t","target":%s}`} {
			spec, err := ParseSpec(fmt.Appendf(nil, side, fmt.Sprintf(`{"url":"http://h/s","headers":{%q:"x"}}`, name)))
			if err != nil {
				t.Fatal(err)
			}
			h := Headers{Proxies: []string{"X-Who"}}
			err = h.Check(&spec)
			if _, refused := errors.AsType[*RefusedHeader](err); refused == want {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// The replication of a document stops sending such headers when its owner is no longer an
// administrator.
func TestHeadersAfterAnAdministrator(t *testing.T) {
	var asked, admin atomic.Int64
	peer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.Error(w, `{"error":"unauthorized"}`, http.StatusUnauthorized)
	}))
	defer peer.Close()
	m, err := NewManager(t.Context(), Options{Settings: Settings{StartupJitter: -1, FirstPause: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	spec, err := ParseSpec(fmt.Appendf(nil, `{"source":{"url":"%s/a","headers":{"X-Forwarded-For":"10.0.0.1"}},"target":"%[1]s/b"}`, peer.URL))
	if err != nil {
		t.Fatal(err)
	}
	for _, is := range []bool{true, false} {
		if admin.Store(0); is {
			admin.Store(1)
		}
		asked.Store(0)
		crashed := make(chan error, 10)
		id, err := m.Add(Request{Spec: spec, Owner: Owner{"_replicator", "r"}, sender: func() User { return User{Name: "anna", Admin: admin.Load() == 1} },
			Notify: func(_ context.Context, s Status) {
				if s.State == Crashing || s.State == Failed {
					select {
					case crashed <- errors.New(s.LastError):
					default:
					}
				}
			}})
		if err != nil {
			t.Fatal(err)
		}
		why := <-crashed
		if err := m.Remove(t.Context(), id); err != nil && !errors.Is(err, ErrNoJob) {
			t.Fatal(err)
		}
		if sent := asked.Load() > 0; sent != is {
			t.Errorf("an administrator %v: the peer was asked %v, %v", is, sent, why)
		}
	}
}

// Others do not see the headers that carry credentials, however their names are written.
func TestHeadersThatOthersDoNotSee(t *testing.T) {
	secret := []string{"authorization", "Cookie", "PROXY-AUTHORIZATION", "X-Auth-CouchDB-Token", "X_Api_Key", "x-api-key", "api_secret", "Access_Token", "X-Password"}
	headers := map[string]string{"X-Trace": "seen"}
	for _, name := range secret {
		headers[name] = "hunter2"
	}
	side := map[string]any{"url": "http://h/x", "headers": headers}
	clean, err := WithoutSecrets(Marshal(map[string]any{"source": side, "target": side}))
	if err != nil || strings.Contains(string(clean), "hunter2") || strings.Count(string(clean), `"X-Trace":"seen"`) != 2 {
		t.Errorf("%s, %v", clean, err)
	}
}
