package httpapi_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"pgregory.net/rapid"

	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/httpapi/peruser"
	"github.com/tododb/tododb/store/widetest"
)

func TestAChangeOfAUserCountsAtOnce(t *testing.T) {
	t.Parallel()
	s := openWithUsers(t, Options{}, "anna")
	wants(t, call(s, "GET", "/_session", "", "Authorization", as("anna")), 200, `"name":"anna","roles":[]`)
	login := call(s, "POST", "/_session", `{"name":"anna","password":"annapw"}`)
	cookie := strings.Split(login.Header().Get("Set-Cookie"), ";")[0]
	session := func() string { return call(s, "GET", "/_session", "", "Cookie", cookie).Body.String() }

	const path = "/_users/org.couchdb.user:anna"
	edit := func(change func(doc map[string]any)) {
		t.Helper()
		var doc map[string]any
		if err := json.Unmarshal(call(s, "GET", path, "", "Admin", "").Body.Bytes(), &doc); err != nil {
			t.Fatal(err)
		}
		change(doc)
		b, _ := json.Marshal(doc)
		wants(t, call(s, "PUT", path, string(b), "Admin", ""), 201, "")
	}
	edit(func(doc map[string]any) { doc["roles"] = []string{"cook"} })
	if got := session(); !strings.Contains(got, `"cook"`) {
		t.Errorf("a new role in an old session: %s", got)
	}
	edit(func(doc map[string]any) { doc["password"] = "another" })
	if got := session(); !strings.Contains(got, `"name":null`) {
		t.Errorf("an old session after a new password: %s", got)
	}
	wants(t, call(s, "GET", "/_session", "", "Authorization", as("anna")), 401, "incorrect")
	rev := textOf(t, call(s, "GET", path, "", "Admin", "").Body.String(), "_rev")
	wants(t, call(s, "POST", "/_session", `{"name":"anna","password":"another"}`), 200, `"cook"`)
	wants(t, call(s, "DELETE", path+"?rev="+rev, "", "Admin", ""), 200, "")
	wants(t, call(s, "POST", "/_session", `{"name":"anna","password":"another"}`), 401, "incorrect")
}

func TestWhoKnowsThePasswordHearsOfConflicts(t *testing.T) {
	t.Parallel()
	s := openWithUsers(t, Options{}, "anna")
	const path = "/_users/org.couchdb.user:anna"
	doc := call(s, "GET", path, "", "Admin", "").Body.String()
	branch := strings.Replace(doc, textOf(t, doc, "_rev"), "1-abc", 1)
	wants(t, call(s, "PUT", path+"?new_edits=false", branch, "Admin", ""), 201, "")
	for range 2 { // the second time the password is remembered
		wants(t, call(s, "GET", "/_session", "", "Authorization", as("anna")), 401, "conflicts must be resolved")
		wants(t, call(s, "POST", "/_session", `{"name":"anna","password":"annapw"}`), 401, "conflicts must be resolved")
		wants(t, call(s, "POST", "/_session", `{"name":"anna","password":"no"}`), 401, "Name or password is incorrect.")
	}
	wants(t, call(s, "DELETE", path+"?rev=1-abc", "", "Admin", ""), 200, "")
	wants(t, call(s, "GET", "/_session", "", "Authorization", as("anna")), 200, `"name":"anna"`)
}

func TestNewPasswordsConformToTheRules(t *testing.T) {
	t.Parallel()
	s := openWithUsers(t, Options{}, "anna")
	const setting, reason = "/_node/_local/_config/couch_httpd_auth/password_regexp", "Password does not conform to requirements. Use digits."
	wants(t, call(s, "PUT", setting, `"[{\"[0-9]\", \"Use digits.\"}]"`, "Admin", ""), 200, "")
	const path = "/_users/org.couchdb.user:"
	user := func(name, password string) string {
		return `{"_id":"org.couchdb.user:` + name + `","type":"user","name":"` + name + `","roles":[],"password":"` + password + `"}`
	}
	wants(t, call(s, "PUT", path+"ben", user("ben", "none"), "Admin", ""), 400, `"error":"bad_request","reason":"`+reason)
	wants(t, call(s, "POST", "/_users/_bulk_docs", `{"docs":[`+user("ben", "none")+`]}`, "Admin", ""), 201, reason)
	wants(t, call(s, "GET", path+"ben", "", "Admin", ""), 404, "")
	wants(t, call(s, "PUT", path+"ben", user("ben", "4"), "Admin", ""), 201, "")
	wants(t, call(s, "POST", "/_session", `{"name":"anna","password":"annapw"}`), 200, "") // it is not new
	wants(t, call(s, "PUT", setting, `"[{]"`, "Admin", ""), 200, "")
	wants(t, call(s, "PUT", path+"cid", user("cid", "4"), "Admin", ""), 403, `"forbidden","reason":"Server cannot hash passwords at this time."`)
	wants(t, call(s, "DELETE", setting, "", "Admin", ""), 200, "")
	wants(t, call(s, "PUT", path+"cid", user("cid", "none"), "Admin", ""), 201, "")
}

func TestTokensHaveTheirRolesWhereTheSettingsSay(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{Config: settings(t, "chttpd/authentication_handlers", "{chttpd_auth, jwt_authentication_handler}",
		"jwt_keys/hmac:_default", "c2VjcmV0", "jwt_auth/required_claims", "", "jwt_auth/roles_claim_path", "realm.roles")})
	session := func(claims jwt.MapClaims) *httptest.ResponseRecorder {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte("secret"))
		if err != nil {
			t.Fatal(err)
		}
		return call(s, "GET", "/_session", "", "Authorization", "Bearer "+token)
	}
	wants(t, session(jwt.MapClaims{"sub": "anna", "realm": map[string]any{"roles": "cook, baker"}}), 200, `"roles":["cook","baker"]`)
	wants(t, session(jwt.MapClaims{"sub": "anna"}), 404, `"error":"not_found","reason":"missing json key: realm"`)
}

func TestAdministratorsHaveTheRolesOfTheirDocument(t *testing.T) {
	t.Parallel()
	s := openWithUsers(t, Options{})
	const path = "/_users/org.couchdb.user:admin"
	session := func() string { return call(s, "GET", "/_session", "", "Admin", "").Body.String() }
	put := func(rev, roles string) {
		t.Helper()
		wants(t, call(s, "PUT", path+rev, `{"type":"user","name":"admin","roles":`+roles+`,"password":"other"}`, "Admin", ""), 201, "")
	}
	put("", `["cook"]`)
	for range 2 {
		if got := session(); !strings.Contains(got, `"roles":["_admin","cook"]`) {
			t.Errorf("with a document of their own: %s", got)
		}
	}
	wants(t, call(s, "GET", "/_session", "", "Authorization", basicAuth("admin", "other")), 401, "")
	put("?rev="+revOf(t, s, path), `["baker"]`)
	if got := session(); !strings.Contains(got, `"roles":["_admin","baker"]`) {
		t.Errorf("with another role: %s", got)
	}
	wants(t, call(s, "DELETE", path+"?rev="+revOf(t, s, path), "", "Admin", ""), 200, "")
	if got := session(); !strings.Contains(got, `"roles":["_admin"]`) {
		t.Errorf("without it: %s", got)
	}
}

// Users log in while passwords change. As soon as a change is answered, the new password works
// and the old one does not.
func TestPasswordsChangeWhileUsersLogIn(t *testing.T) {
	t.Parallel()
	s := openWithUsers(t, Options{Config: settings(t, append(quickHashes, "chttpd_auth_lockout/mode", "off")...)}, "anna", "ben", "cid")
	stop := make(chan struct{})
	var all sync.WaitGroup
	for _, name := range []string{"anna", "ben", "cid"} {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					call(s, "GET", "/_session", "", "Authorization", as(name))
				}
			}
		})
	}
	defer all.Wait()
	defer close(stop)
	const path = "/_users/org.couchdb.user:anna"
	login := func(word string) int {
		return call(s, "POST", "/_session", `{"name":"anna","password":"`+word+`"}`).Code
	}
	last := "annapw"
	for n := range 30 {
		rev := textOf(t, call(s, "GET", path, "", "Admin", "").Body.String(), "_rev")
		next := fmt.Sprint("word", n)
		wants(t, call(s, "PUT", path+"?rev="+rev, `{"type":"user","name":"anna","roles":[],"password":"`+next+`"}`, "Admin", ""), 201, "")
		if now, before := login(next), login(last); now != 200 || before != 401 {
			t.Fatalf("change %d: the new password is answered %d and the old one %d", n, now, before)
		}
		last = next
	}
}

func TestBadAuthSettingsAreRefused(t *testing.T) {
	t.Parallel()
	s := openWithUsers(t, Options{})
	for _, c := range []struct{ path, value string }{
		{"jwt_keys/hmac:x", "!"}, {"jwt_keys/x", "eA=="}, {"jwt_keys/rsa:x", "x"},
		{"jwt_auth/required_claims", "{iss}"}, {"chttpd_auth/hash_algorithms", "md5"}, {"couch_httpd_auth/hash_algorithms", "md5"},
		{"chttpd/authentication_handlers", "{chttpd_auth, magic}"}, {"chttpd_auth/same_site", "often"},
	} {
		w := call(s, "PUT", "/_node/_local/_config/"+c.path, `"`+c.value+`"`, "Admin", "")
		if w.Code != 400 {
			t.Errorf("%s = %s: %d %s", c.path, c.value, w.Code, w.Body)
		}
	}
	wants(t, call(s, "PUT", "/_node/_local/_config/jwt_keys/hmac:_default", `"c2VjcmV0"`, "Admin", ""), 200, "")
}

func TestPasswordSchemes(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	for _, scheme := range []string{"pbkdf2", "tododb-scrypt", "tododb-argon2id"} {
		t.Run(scheme, func(t *testing.T) {
			s := openWithUsers(t, Options{Config: settings(t, append(quickHashes, "chttpd_auth/password_scheme", scheme)...)}, "anna")
			doc := call(s, "GET", "/_users/org.couchdb.user:anna", "", "Admin", "").Body.String()
			if !strings.Contains(doc, `"password_scheme":"`+scheme+`"`) || strings.Contains(doc, "annapw") {
				t.Errorf("stored as %s", doc)
			}
			wants(t, call(s, "GET", "/_session", "", "Authorization", as("anna")), 200, `"anna"`)
			wrong := "Basic " + base64.StdEncoding.EncodeToString([]byte("anna:annapW"))
			wants(t, call(s, "GET", "/_session", "", "Authorization", wrong), 401, "incorrect")
		})
	}
}

// Hashes of all the kinds that CouchDB has ever made still work, and are then replaced by the
// present kind.
func TestOldHashesAreMadeAnew(t *testing.T) {
	t.Parallel()
	s := openWithUsers(t, Options{})
	for name, fields := range map[string]string{
		"sha":    `"password_scheme":"pbkdf2","iterations":10,"salt":"abcdef","derived_key":"a3fd83e40f8abada8137590f69736c4d5abbd679"`,
		"simple": fmt.Sprintf(`"password_sha":"%x","salt":"x"`, sha1.Sum([]byte("secretx"))),
	} {
		path := "/_users/org.couchdb.user:" + name
		wants(t, call(s, "PUT", path, `{"type":"user","name":"`+name+`","roles":[],"kept":1,`+fields+`}`, "Admin", ""), 201, "")
		for range 2 {
			wants(t, call(s, "POST", "/_session", `{"name":"`+name+`","password":"secret"}`), 200, `"ok":true`)
		}
		doc := wants(t, call(s, "GET", path, "", "Admin", ""), 200, `"pbkdf2_prf":"sha256"`)
		if !strings.Contains(doc, `"kept":1`) || strings.Contains(doc, "password_sha") || !strings.HasPrefix(textOf(t, doc, "_rev"), "2-") {
			t.Errorf("%s: %s", name, doc)
		}
	}
}

func TestLockout(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	var mu sync.Mutex
	s := openWithUsers(t, Options{Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now }}, "anna", "ben")
	wrong := "Basic " + base64.StdEncoding.EncodeToString([]byte("anna:guess"))
	ask := func(header string) int { return call(s, "GET", "/_session", "", "Authorization", header).Code }
	if ask(as("anna")) != 200 {
		t.Fatal("the right password is refused")
	}
	for n := range 5 {
		if got := ask(wrong); got != 401 {
			t.Fatalf("wrong password %d: %d", n+1, got)
		}
	}
	wants(t, call(s, "GET", "/_session", "", "Authorization", as("anna")), 403, "temporarily locked")
	wants(t, call(s, "POST", "/_session", `{"name":"anna","password":"annapw"}`), 403, "temporarily locked")
	if ask(as("ben")) != 200 {
		t.Error("another user is locked out as well")
	}
	mu.Lock()
	now = now.Add(5 * time.Minute)
	mu.Unlock()
	if ask(as("anna")) != 200 {
		t.Error("still locked out after five minutes")
	}
	set(t, s.Config, "chttpd_auth_lockout/mode", "off")
	for range 9 {
		ask(wrong)
	}
	if ask(as("anna")) != 200 {
		t.Error("locked out though that is off")
	}
}

// Guesses count even if they come all at once.
func TestLockoutOfManyAtOnce(t *testing.T) {
	t.Parallel()
	s := openWithUsers(t, Options{}, "anna")
	codes := make([]int, 40)
	var all sync.WaitGroup
	for i := range codes {
		all.Go(func() {
			codes[i] = call(s, "POST", "/_session", fmt.Sprintf(`{"name":"anna","password":"guess %d"}`, i)).Code
		})
	}
	all.Wait()
	guessed := 0
	for _, code := range codes {
		if code == 401 {
			guessed++
		} else if code != 403 {
			t.Errorf("a guess is answered %d", code)
		}
	}
	if guessed != 5 {
		t.Errorf("%d of %d guesses were tried", guessed, len(codes))
	}
}

func TestRequireValidUser(t *testing.T) {
	t.Parallel()
	s := openWithUsers(t, Options{}, "anna")
	for _, c := range []struct {
		setting        string
		root, up, user int
	}{
		{"", 200, 200, 200},
		{"chttpd/require_valid_user_except_for_up", 401, 200, 200},
		{"chttpd/require_valid_user", 401, 401, 200},
	} {
		if c.setting != "" {
			set(t, s.Config, "chttpd/require_valid_user_except_for_up", "false", c.setting, "true")
		}
		if got := call(s, "GET", "/", "").Code; got != c.root {
			t.Errorf("%s: / is %d", c.setting, got)
		}
		if got := call(s, "GET", "/_up", "").Code; got != c.up {
			t.Errorf("%s: /_up is %d", c.setting, got)
		}
		if got := call(s, "GET", "/", "", "Authorization", as("anna")).Code; got != c.user {
			t.Errorf("%s: / for a user is %d", c.setting, got)
		}
		if got := call(s, "POST", "/_session", `{"name":"anna","password":"annapw"}`).Code; got != 200 {
			t.Errorf("%s: to log in is %d", c.setting, got)
		}
	}
}

// What users can see in _users, and may write there, is compared with a small model on every
// route.
func TestWhoSeesWhichUser(t *testing.T) {
	t.Parallel()
	names := []string{"anna", "ben", "zoe"}
	s := openWithUsers(t, Options{Config: settings(t, append(quickHashes, "couchdb/users_db_security_editable", "true", "chttpd_auth/public_fields", "nick, salt")...)}, names...)
	wants(t, call(s, "PUT", "/_users/_security", `{"admins":{"names":["zoe"]},"members":{}}`, "Admin", ""), 200, "")
	for _, name := range names {
		path := "/_users/org.couchdb.user:" + name
		doc := call(s, "GET", path, "", "Admin", "").Body.String()
		wants(t, call(s, "PUT", path, strings.Replace(doc, `"roles"`, `"nick":"nick of `+name+`","secret":"of `+name+`","roles"`, 1), "Admin", ""), 201, "")
	}
	rapid.Check(t, func(rt *rapid.T) {
		asker := rapid.SampledFrom(append([]string{"", "admin"}, names...)).Draw(rt, "asker")
		about := rapid.SampledFrom(names).Draw(rt, "about")
		public := rapid.Bool().Draw(rt, "public")
		set(t, s.Config, "chttpd_auth/users_db_public", fmt.Sprint(public))
		var headers []string
		switch asker {
		case "":
		case "admin":
			headers = []string{"Admin", ""}
		default:
			headers = []string{"Authorization", as(asker)}
		}
		all := asker == "admin" || asker == "zoe" || asker == about
		id := "org.couchdb.user:" + about
		for _, way := range []struct{ method, path, body string }{
			{"GET", "/_users/" + id, ""},
			{"GET", "/_users/" + id + "?open_revs=all", ""},
			{"GET", "/_users/" + id + "?revs=true&conflicts=true", ""},
			{"POST", "/_users/_bulk_get", `{"docs":[{"id":"` + id + `"}]}`},
			{"POST", "/_users/_all_docs?include_docs=true", `{"keys":["` + id + `"]}`},
			{"GET", "/_users/_changes?include_docs=true", ""},
		} {
			listing := strings.Contains(way.path, "_all_docs") || strings.Contains(way.path, "_changes")
			got := call(s, way.method, way.path, way.body, append(headers, "Accept", "application/json")...).Body.String()
			seesAll := strings.Contains(got, "of "+about+`","roles"`) && strings.Contains(got, `"derived_key"`)
			seesNick := strings.Contains(got, "nick of "+about)
			if listing && asker != "admin" {
				if seesAll || seesNick {
					rt.Fatalf("%q lists users by %s: %s", asker, way.path, got)
				}
				continue
			}
			if seesAll != all || seesNick != (all || public) {
				rt.Fatalf("%q, %s, public %v: sees all %v, sees what is public %v: %s", asker, way.path, public, seesAll, seesNick, got)
			}
		}
		edit := fmt.Sprintf(`{"docs":[{"_id":%q,"_rev":"1-abc","type":"user","name":%q,"roles":[]}]}`, id, about)
		got := call(s, "POST", "/_users/_bulk_docs", edit, headers...).Body.String()
		want := `"conflict"` // they could write it with the right revision
		switch {
		case asker == "": // signing up
			want = `"conflict"`
		case !all:
			want = `"not_found"`
		}
		if !strings.Contains(got, want) {
			rt.Fatalf("%q writes about %s: %s, want %s", asker, about, got, want)
		}
	})
}

func TestRulesOfUsers(t *testing.T) {
	t.Parallel()
	s := openWithUsers(t, Options{Config: settings(t, append(quickHashes, "couchdb/users_db_security_editable", "true")...)}, "anna", "ben")
	wants(t, call(s, "PUT", "/_users/_security", `{"admins":{},"members":{}}`, "Admin", ""), 200, "")
	path := "/_users/org.couchdb.user:anna"
	own := call(s, "GET", path, "", "Authorization", as("anna")).Body.String()
	rev := textOf(t, own, "_rev")
	change := func(old, new string) string { return strings.Replace(own, old, new, 1) }
	for _, c := range []struct {
		what, method, path, body string
		user                     string
		status                   int
		part                     string
	}{
		{"roles of one's own", "PUT", path, change(`"roles":[]`, `"roles":["boss"]`), "anna", 403, "Only _admin may edit roles"},
		{"somebody else's", "PUT", path, own, "ben", 404, "missing"},
		{"somebody else's deletion", "DELETE", path + "?rev=" + rev, "", "ben", 404, "missing"},
		{"another name", "PUT", path, change(`"name":"anna"`, `"name":"ben"`), "", 403, "Doc ID must be"},
		{"signing up with roles", "PUT", "/_users/org.couchdb.user:new", `{"type":"user","name":"new","roles":["boss"],"password":"x"}`, "-", 403, "Only _admin may set roles"},
		{"signing up", "PUT", "/_users/org.couchdb.user:new", `{"type":"user","name":"new","roles":[],"password":"newpw"}`, "-", 201, ""},
		{"signing up as somebody", "PUT", path, `{"type":"user","name":"anna","roles":[],"password":"x"}`, "-", 409, "conflict"},
		{"deleting anonymously", "DELETE", path + "?rev=" + rev, "", "-", 404, "missing"},
		{"a password that is no text", "PUT", "/_users/org.couchdb.user:n", `{"type":"user","name":"n","roles":[],"password":12345}`, "", 403, "must be a string"},
		{"an attachment at somebody else's", "PUT", path + "/a?rev=" + rev, "x", "ben", 409, "missing"},
		{"the rules", "GET", "/_users/_design/_auth", "", "anna", 403, "Only administrators can view"},
		{"a record of the server", "PUT", "/_users/_local/tododb.device.x", `{"owner":"anna"}`, "anna", 403, "server's own"},
		{"a record of the server, by an administrator", "PUT", "/_users/_local/tododb.device.x", `{}`, "", 403, "server's own"},
		{"a new password", "PUT", path, change(`"roles"`, `"password":"annapw","roles"`), "anna", 201, ""},
		{"one's own deletion", "DELETE", path, "", "anna", 200, ""},
	} {
		headers := []string{"Authorization", as(c.user)}
		switch c.user {
		case "":
			headers = []string{"Admin", ""}
		case "-":
			headers = nil
		}
		if c.what == "one's own deletion" {
			c.path += "?rev=" + textOf(t, call(s, "GET", path, "", headers...).Body.String(), "_rev")
		}
		w := call(s, c.method, c.path, c.body, headers...)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.part) {
			t.Errorf("%s: %d %s, want %d with %q", c.what, w.Code, w.Body, c.status, c.part)
		}
	}
	wants(t, call(s, "GET", "/_session", "", "Authorization", as("new")), 200, `"new"`)
}

// lines is a log that can be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.b.Write(b) }
func (l *lines) String() string              { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

// A password in a request, well formed or not, appears in no answer and in no log. Nor do tokens,
// hashes and the server's own secret.
func TestSecretsDoNotAppear(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t-Passw0rd"
	log := &lines{}
	s := openWithUsers(t, Options{
		Log:    slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Config: settings(t, append(quickHashes, "chttpd_auth/secret", secret+"-key")...),
	})
	user := `{"type":"user","name":"anna","roles":[],"password":"` + secret + `"}`
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("anna:"+secret))
	answers := ""
	for _, c := range []struct{ method, path, body, header string }{
		{"PUT", "/_users/org.couchdb.user:anna", user, ""},
		{"PUT", "/_users/org.couchdb.user:anna", user, ""},
		{"PUT", "/_users/org.couchdb.user:ben", user, ""},
		{"PUT", "/_users/org.couchdb.user:c", strings.Replace(user, `"`+secret+`"`, `["`+secret+`"]`, 1), ""},
		{"PUT", "/_users/org.couchdb.user:c", strings.TrimSuffix(user, "}"), ""},
		{"POST", "/_users/_bulk_docs", `{"docs":[` + user + `]}`, ""},
		{"POST", "/_session", `{"name":"anna","password":"` + secret + `"}`, ""},
		{"POST", "/_session", `{"name":"anna","password":"x` + secret + `"}`, ""},
		{"POST", "/_session", `{"name":"anna","password":["` + secret + `"]}`, ""},
		{"POST", "/_session", `{"name":"anna","password":"` + secret, ""},
		{"GET", "/_session", "", basic},
		{"GET", "/_session", "", basic + "!"},
		{"GET", "/nothing", "", "Bearer " + secret},
		{"GET", "/_all_dbs", "", basic},
		{"GET", "/_users/org.couchdb.user:anna", "", ""},
		{"GET", "/_node/_local/_config/chttpd_auth", "", ""},
		{"POST", "/_session/tokens", `{"databases":["db"],"device":"phone"}`, basic},
		{"GET", "/_session/tokens", "", basic},
	} {
		header := []string{"Admin", ""}
		if c.header != "" {
			header = []string{"Authorization", c.header}
		}
		w := call(s, c.method, c.path, c.body, header...)
		if token := ""; c.path == "/_session/tokens" && c.method == "POST" {
			if token = textOf(t, w.Body.String(), "token"); token == "" {
				t.Fatalf("no token: %s", w.Body)
			}
			for _, path := range []string{"/db", "/_all_dbs", "/db/_security"} {
				answers += call(s, "PUT", path, "{}", "Authorization", "Bearer "+token).Body.String()
			}
			answers += call(s, "GET", "/", "", "Authorization", "Bearer "+token+"x").Body.String()
			if strings.Contains(answers, token) || strings.Contains(log.String(), token) {
				t.Error("a token appears")
			}
			continue
		}
		answers += fmt.Sprint(w.Body.String(), w.Header())
	}
	for _, hidden := range []string{secret, basic, base64.StdEncoding.EncodeToString([]byte(secret))} {
		for where, text := range map[string]string{"an answer": answers, "the log": log.String()} {
			if i := strings.Index(text, hidden); i >= 0 {
				t.Errorf("%s tells a secret: ...%s", where, text[max(0, i-200):min(len(text), i+100)])
			}
		}
	}
}

func TestDatabasesOfUsers(t *testing.T) {
	t.Parallel()
	c := settings(t, append(quickHashes, "couch_peruser/enable", "true", "couch_peruser/delete_dbs", "true")...)
	s := openWithUsers(t, Options{Config: c}, "anna")
	run := func() (stop func()) {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			peruser.Run(ctx, peruser.Options{Store: s.Store, Config: s.Config, Log: slog.New(slog.DiscardHandler)})
		}()
		return func() { cancel(); <-done }
	}
	until := func(what string, holds func() bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("not in ten seconds: %s", what)
			}
		}
	}
	names := func() []string {
		var all []string
		if err := json.Unmarshal(call(s, "GET", "/_all_dbs", "", "Admin", "").Body.Bytes(), &all); err != nil {
			t.Fatal(err)
		}
		return all
	}
	has := func(name string) func() bool { return func() bool { return slices.Contains(names(), name) } }
	stop := run()
	until("anna's database", has("userdb-616e6e61"))
	until("anna may use it", func() bool {
		return call(s, "PUT", "/userdb-616e6e61/doc", "{}", "Authorization", as("anna")).Code == 201
	})
	wants(t, call(s, "GET", "/userdb-616e6e61/_security", "", "Authorization", as("anna")), 200, `"names":["anna"]`)
	putUser(t, s, "ben", "[]")
	until("ben's database", has("userdb-62656e"))
	wants(t, call(s, "GET", "/userdb-616e6e61", "", "Authorization", as("ben")), 403, "not allowed")
	users, err := s.Store.Bare(t.Context(), access.UsersDB, "a test")
	if err != nil {
		t.Fatal(err)
	}
	defer users.Release()
	until("it is written down how far that goes", func() bool {
		info, _ := users.Info(t.Context())
		seen, err := peruser.Seen(t.Context(), users)
		return err == nil && seen == info.UpdateSeq
	})
	stop()

	// The server catches up with what happened meanwhile.
	rev := textOf(t, call(s, "GET", "/_users/org.couchdb.user:anna", "", "Admin", "").Body.String(), "_rev")
	wants(t, call(s, "DELETE", "/_users/org.couchdb.user:anna?rev="+rev, "", "Admin", ""), 200, "")
	putUser(t, s, "cid", "[]")
	wants(t, call(s, "DELETE", "/userdb-62656e", "", "Admin", ""), 200, "")
	stop = run()
	defer stop()
	until("cid's database", has("userdb-636964"))
	until("anna's is gone", func() bool { return !has("userdb-616e6e61")() })
	if has("userdb-62656e")() {
		t.Error("a database that an administrator has deleted is made again without a change of the user")
	}
}

// The cost of Basic for a user of _users once it is verified, compared with an administrator's.
func BenchmarkBasic(b *testing.B) {
	s := openWithUsers(b, Options{}, "anna")
	for _, c := range []struct{ name, header string }{
		{"administrator", "Basic " + base64.StdEncoding.EncodeToString([]byte("admin:secret"))},
		{"user", as("anna")},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Authorization", c.header)
			b.ReportAllocs()
			for b.Loop() {
				if u, _, err := s.Access().Auth().Authenticate(r); err != nil || u.Anonymous() {
					b.Fatal(u, err)
				}
			}
		})
	}
}

// The rules of _users are back when the database is made anew.
func TestUsersMadeAnewHasItsDesign(t *testing.T) {
	t.Parallel()
	s := openWithUsers(t, Options{})
	wants(t, call(s, "DELETE", "/_users", "", "Admin", ""), 200, "")
	wants(t, call(s, "PUT", "/_users", "", "Admin", ""), 201, "")
	wants(t, call(s, "GET", "/_users/_design/_auth", "", "Admin", ""), 200, "validate_doc_update")
	wants(t, call(s, "DELETE", "/_users", "", "Admin", ""), 200, "")
	wants(t, call(s, "POST", "/_cluster_setup", `{"action":"finish_cluster"}`, "Admin", ""), 201, "")
	wants(t, call(s, "GET", "/_users/_design/_auth", "", "Admin", ""), 200, "validate_doc_update")
}
