package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/store/widetest"
)

// secrets is a server that gets many secrets, and everything that it has said since.
type secrets struct {
	*process
	t    *testing.T
	said map[string]string // by what was asked
}

// ask asks as a user, "" for nobody, and remembers the answer, headers too.
func (s *secrets) ask(user, password, method, path, body string, headers ...string) (int, string) {
	s.t.Helper()
	r, err := http.NewRequest(method, s.base+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if user != "" {
		r.SetBasicAuth(user, password)
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	said := string(text)
	for name, values := range answer.Header {
		if name != "Set-Cookie" { // that is for whoever gave the password
			said += fmt.Sprintf("\n%s: %q", name, values)
		}
	}
	s.said[fmt.Sprintf("%s %s by %q", method, path, user)] += said
	return answer.StatusCode, string(text)
}

// The server repeats secrets to nobody: not in its log, its trail, its errors, its tasks or its
// settings.
func TestSecretsStaySecret(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	const (
		admin2    = "s3cret-of-a-second-administrator"
		cookieKey = "s3cret-of-the-cookies-0123456789"
		user      = "s3cret-of-a-user"
		peer      = "s3cret-of-a-peer"
		header    = "s3cret-in-a-header"
		mistyped  = "s3cret-almost-right"
		inQuery   = "s3cret-in-a-query"
		inFile    = "s3cret-in-a-file"
	)
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "tododb.ini")
	trail := filepath.Join(t.TempDir(), "audit.log")
	if err := os.WriteFile(file, []byte("[admins]\nfiled = "+inFile+"\n[chttpd_auth]\niterations = 10\n[audit]\nfile = "+trail+"\nrevisions = true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &secrets{startServer(t, dir, "", "--config", file, "--log-level", "debug"), t, map[string]string{}}
	as := func(method, path, body string, headers ...string) string {
		t.Helper()
		_, text := s.ask(testUser, testPassword, method, path, body, headers...)
		return text
	}
	// Told.
	as("PUT", "/_node/_local/_config/admins/second", `"`+admin2+`"`)
	as("PUT", "/_node/_local/_config/chttpd_auth/secret", `"`+cookieKey+`"`)
	as("PUT", "/_node/_local/_config/chttpd_auth/secret", `{"`+cookieKey+`":1}`)
	as("PUT", "/_node/_local/_config/jwt_keys/hmac:_default", `"`+base64.StdEncoding.EncodeToString([]byte(cookieKey))+`"`)
	as("PUT", "/_node/_local/_config/admins/third", `"-pbkdf2-`+admin2+`"`)
	as("POST", "/_cluster_setup", `{"action":"enable_single_node","username":"fourth","password":"`+admin2+`"}`)
	as("PUT", "/_users", "")
	as("PUT", "/_users/org.couchdb.user:jan", `{"name":"jan","password":"`+user+`","roles":[],"type":"user"}`)
	as("PUT", "/_users/org.couchdb.user:jan", `{"name":"jan","password":"`+user+`","roles":5,"type":"user"}`)
	as("PUT", "/db", "")
	as("PUT", "/other", "")
	as("PUT", "/db/doc", `{"x":1}`)
	for _, body := range []string{
		`{"name":"jan","password":"` + user + `"}`, `{"name":"` + testUser + `","password":"` + mistyped + `"}`, `{"name":5,"password":"` + mistyped + `"}`, `{"password":"` + mistyped + `"`,
	} {
		s.ask("", "", "POST", "/_session", body)
	}
	s.ask(testUser, mistyped, "GET", "/db", "")
	s.ask("", "", "GET", "/db/doc?password="+inQuery, "")
	s.ask("", "", "GET", "/db/doc", "", "Authorization", "Bearer "+mistyped, "Cookie", "AuthSession="+mistyped)
	_, cookie := func() (int, string) {
		r := s.request("POST", "/_session", `{"name":"`+testUser+`","password":"`+testPassword+`"}`)
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		value, _, _ := strings.Cut(strings.TrimPrefix(answer.Header.Get("Set-Cookie"), "AuthSession="), ";")
		return answer.StatusCode, value
	}()
	s.ask("", "", "GET", "/db/doc", "", "Cookie", "AuthSession="+cookie)

	var device struct{ Token string }
	r := s.request("POST", "/_session/tokens", `{"device":"phone","databases":["db"]}`)
	r.SetBasicAuth("jan", user)
	if answer, err := http.DefaultTransport.RoundTrip(r); err != nil || answer.StatusCode != 201 || json.NewDecoder(answer.Body).Decode(&device) != nil || device.Token == "" {
		t.Fatalf("a token: %v %v", answer, err)
	}
	s.ask("", "", "GET", "/db/doc", "", "Authorization", "Bearer "+device.Token)
	s.ask("", "", "PUT", "/db/doc2", "{}", "Authorization", "Bearer "+device.Token)

	// Replications: one that goes on, some that fail, documents that ask for them.
	with := func(credentials, rest string) string {
		return strings.Replace(s.base, "http://", "http://"+credentials+"@", 1) + rest
	}
	as("POST", "/_replicate", `{"source":"`+with("second:"+admin2, "/db")+`","target":"other","continuous":true}`)
	for _, body := range []string{
		`{"source":"` + with("u:"+peer, "/db") + `","target":"other"}`,
		`{"source":"http://u:` + peer + `@127.0.0.1:1/db","target":"other"}`,
		`{"source":{"url":"` + s.base + `/db","headers":{"Authorization":"Basic ` + base64.StdEncoding.EncodeToString([]byte("u:"+header)) + `","X-Token":"` + header + `"}},"target":"other"}`,
		`{"source":{"url":"` + s.base + `/db","auth":{"basic":{"username":"u","password":"` + peer + `"}}},"target":"other"}`,
		`{"source":"` + with("u:"+peer, "/db?token="+inQuery) + `","target":"other"}`,
		`{"source":"http://u:` + peer + `@[bad/db","target":"other"}`,
		`{"source":"` + with("u:"+peer, "/db") + `"}`,
	} {
		as("POST", "/_replicate", body)
	}
	as("PUT", "/_replicator", "")
	as("PUT", "/_replicator/goes-on", `{"source":"`+with("second:"+admin2, "/db")+`","target":"`+with("second:"+admin2, "/other")+`","continuous":true}`)
	as("PUT", "/_replicator/fails", `{"source":"`+with("u:"+peer, "/db")+`","target":"http://u:`+peer+`@127.0.0.1:1/other"}`)

	// Asked.
	all := append([]string{"/", "/_session", "/_active_tasks", "/_scheduler/jobs", "/_scheduler/docs", "/_scheduler/docs/_replicator/fails", "/_all_dbs", "/_membership", "/_db_updates"},
		"/_node/_local/_config", "/_node/_local/_config/admins", "/_node/_local/_config/admins/second", "/_node/_local/_config/chttpd_auth/secret", "/_node/_local/_config/jwt_keys",
		"/_node/_local/_config/chttpd_auth", "/_node/_local/_prometheus", "/_node/_local/_stats", "/_node/_local/_system", "/_node/_local/_versions", "/_session/tokens")
	tasks := false
	for end := time.Now().Add(time.Minute); !tasks && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		tasks = strings.Contains(as("GET", "/_active_tasks", ""), `"source"`)
	}
	if !tasks {
		t.Error("no replication is under way")
	}
	for _, path := range all {
		for _, who := range [][2]string{{"", ""}, {"jan", user}, {testUser, testPassword}} {
			s.ask(who[0], who[1], "GET", path, "")
		}
	}
	as("DELETE", "/_node/_local/_config/chttpd_auth/secret", "")
	as("DELETE", "/_node/_local/_config/admins/second", "")
	s.process.stop()
	out, _ := tododb(t, "config", "--data", dir, "--config", file)
	s.said["tododb config"] = out
	s.said["the log"] = s.log.String()
	written, err := os.ReadFile(trail)
	if err != nil || len(written) == 0 {
		t.Fatalf("the trail: %v", err)
	}
	s.said["the trail"] = string(written)

	hidden := []string{testUser + ":" + testPassword, admin2, cookieKey, user, peer, header, mistyped, inQuery, inFile, cookie, device.Token}
	kept, err := os.ReadFile(filepath.Join(dir, "local.ini"))
	if err != nil {
		t.Fatal(err)
	}
	for hash := range strings.SplitSeq(string(kept), "-pbkdf2:sha256-") {
		if key, _, ok := strings.Cut(hash, ","); ok {
			hidden = append(hidden, key)
		}
	}
	if len(hidden) < 14 {
		t.Errorf("of the hashes of administrators only %d are kept", len(hidden)-11)
	}
	for _, secret := range hidden {
		for form, text := range map[string]string{
			"": secret, " in base64": strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(secret)), "="),
			" in base64 behind a name": base64.RawStdEncoding.EncodeToString([]byte("u:" + secret)), " escaped": url.QueryEscape(secret),
		} {
			for where, said := range s.said {
				if strings.Contains(said, text) {
					short, _ := json.Marshal(said[max(0, strings.Index(said, text)-200):min(len(said), strings.Index(said, text)+200)])
					t.Errorf("%s gives away %q%s: ...%s...", where, secret, form, short)
				}
			}
		}
	}
}
