package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	qr "github.com/piglig/go-qr"
)

// LiveSync checks a server in fourteen ways before it uses it, and offers to change what is not
// as it should be. With the preset, a server that has just been started for the first time needs
// nothing of that.
func TestPresetObsidianPassesTheChecks(t *testing.T) {
	t.Parallel()
	base, out, _ := background(t, "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--log-level", "none", "--config", quickLogins(t), "--preset", "obsidian")
	user, password := testUser, printed(t, out, `administrator admin with the password (\w+),`)
	ask := func(origin string) (*http.Response, map[string]map[string]string) {
		q, err := http.NewRequest("GET", base+"/_node/_local/_config", nil)
		if err != nil {
			t.Fatal(err)
		}
		q.SetBasicAuth(user, password)
		q.Header.Set("Origin", origin)
		a, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		var config map[string]map[string]string
		if err := json.NewDecoder(a.Body).Decode(&config); err != nil || a.StatusCode != 200 {
			t.Fatalf("%d: %v", a.StatusCode, err)
		}
		return a, config
	}
	a, config := ask("app://obsidian.md")
	checks := 0
	check := func(what string, ok bool) {
		t.Helper()
		if checks++; !ok {
			t.Errorf("%s is not as LiveSync wants it", what)
		}
	}
	number := func(section, name string) int64 {
		n, _ := strconv.ParseInt(config[section][name], 10, 64)
		return n
	}
	// What the plugin looks at depends on the version: from 3.2 on at [chttpd].
	version := regexp.MustCompile(`CouchDB/(\d+)\.(\d+)`).FindStringSubmatch(a.Header.Get("Server"))
	if version == nil || version[1]+"."+version[2] < "3.2" {
		t.Fatalf("Server: %s", a.Header.Get("Server"))
	}
	_, admin := config["admins"][user]
	check("the administrator", admin)
	check("chttpd/require_valid_user", config["chttpd"]["require_valid_user"] == "true")
	check("httpd/WWW-Authenticate", config["httpd"]["WWW-Authenticate"] != "")
	check("chttpd/enable_cors", config["chttpd"]["enable_cors"] == "true")
	check("chttpd/max_http_request_size", number("chttpd", "max_http_request_size") >= 4294967296)
	check("couchdb/max_document_size", number("couchdb", "max_document_size") >= 50000000)
	check("cors/credentials", config["cors"]["credentials"] == "true")
	origins := strings.Split(config["cors"]["origins"], ",")
	wanted := []string{"app://obsidian.md", "capacitor://localhost", "http://localhost"}
	check("cors/origins", fmt.Sprint(origins) == fmt.Sprint(wanted))
	for _, origin := range wanted {
		a, _ := ask(origin)
		check("credentials from "+origin, a.Header.Get("Access-Control-Allow-Credentials") == "true")
		check("the origin "+origin, a.Header.Get("Access-Control-Allow-Origin") == origin)
	}
	if checks != 14 {
		t.Errorf("%d checks", checks)
	}
	for path, want := range map[string]int{"/_up": 200, "/": 401, "/obsidian": 401} {
		if got := get(t, base+path, "", ""); got != want {
			t.Errorf("GET %s by nobody: %d, want %d", path, got, want)
		}
	}
	if got := get(t, base+"/_utils/", "", ""); got == 401 {
		t.Errorf("nobody can log in at the page: %d", got)
	}
}

// The plugin's library opens the link that is printed, and PouchDB synchronizes with what is in it.
func TestPresetObsidianLink(t *testing.T) {
	t.Parallel()
	scriptFolder(t)
	_, out, _ := background(t, "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--log-level", "none", "--config", quickLogins(t), "--preset", "obsidian")
	link := printed(t, out, `(?m)^(obsidian://\S+)$`)
	steps, err := converse(t, []string{"setuplink.js", link, printed(t, out, `asks for the passphrase (\w+):`)}, nil)
	if err != nil || steps != 2 {
		t.Errorf("%d steps, %v", steps, err)
	}
}

func TestPresetMakesOnlyWhatIsNotThere(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"pouchdb", "rxdb", "obsidian"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := filepath.Join(t.TempDir(), "tododb.ini")
			if err := os.WriteFile(file, []byte("[chttpd_auth]\niterations = 10\n[tododb]\npreset = "+name+"\n[couchdb]\nmax_document_size = 1000\n[admins]\nadmin = secret\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			args := []string{"serve", "--data", dir, "--listen", "127.0.0.1:0", "--log-level", "none", "--config", file}
			base, out, stop := background(t, args...)
			password := printed(t, out, `the user `+name+` has the password (\w+),`)
			if want := "the database is " + base + "/" + name + "\n"; !strings.Contains(out.String(), want) {
				t.Errorf("%q is not in\n%s", want, out)
			}
			for _, c := range []struct {
				method, path, user, password, body string
				want                               int
			}{
				{"PUT", "/" + name + "/doc", name, password, `{}`, 201},
				{"POST", "/" + name + "/_compact", name, password, ``, 202},
				{"PUT", "/" + name + "/long", name, password, `{"a":"` + strings.Repeat("x", 1000) + `"}`, 413}, // the operator's limit
				{"GET", "/" + name + "/doc", "", "", ``, 401},
				{"GET", "/_all_dbs", name, password, ``, 401},
				{"GET", "/_replicator", name, password, ``, 403},
			} {
				if got := send(t, c.method, base+c.path, c.user, c.password, c.body); got != c.want {
					t.Errorf("%s %s as %q: %d, want %d", c.method, c.path, c.user, got, c.want)
				}
			}
			q, err := http.NewRequest("OPTIONS", base+"/"+name+"/", nil)
			if err != nil {
				t.Fatal(err)
			}
			q.Header.Set("Origin", "http://localhost")
			q.Header.Set("Access-Control-Request-Method", "PUT")
			a, err := http.DefaultClient.Do(q)
			if err != nil {
				t.Fatal(err)
			}
			a.Body.Close()
			if a.Header.Get("Access-Control-Allow-Origin") != "http://localhost" || a.Header.Get("Access-Control-Allow-Credentials") != "true" {
				t.Errorf("a page's preflight: %v", a.Header)
			}
			if err := stop(); err != nil {
				t.Fatal(err)
			}

			settings, err := os.ReadFile(filepath.Join(dir, "local.ini"))
			if err != nil || !strings.Contains(string(settings), "prepared = "+name) || strings.Contains(string(settings), "cors") {
				t.Errorf("%v\n%s", err, settings)
			}
			base, out, stop = background(t, args...)
			if got := out.String(); strings.Contains(got, "not shown again") || strings.Contains(got, "obsidian://") || !strings.Contains(got, "the database is "+base+"/"+name+"\n") {
				t.Errorf("the second start prints\n%s", got)
			}
			if got := send(t, "GET", base+"/"+name+"/doc", name, password, ""); got != 200 {
				t.Errorf("the password at the second start: %d", got)
			}
			for _, path := range []string{"/" + name, "/_users/org.couchdb.user:" + name} { // the operator wants neither
				target := base + path
				if strings.HasPrefix(path, "/_users") {
					target += "?rev=" + revisionOf(t, base+path)
				}
				if got := send(t, "DELETE", target, "admin", "secret", ""); got != 200 {
					t.Fatalf("DELETE %s: %d", path, got)
				}
			}
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			again, err := os.ReadFile(filepath.Join(dir, "local.ini"))
			if err != nil || !bytes.Equal(again, settings) {
				t.Errorf("the second start changed local.ini:\n%s\n%s", settings, again)
			}
			base, out, _ = background(t, args...)
			if got := out.String(); !strings.Contains(got, "there is no database "+name) || strings.Contains(got, "the database is") {
				t.Errorf("without its database it prints\n%s", got)
			}
			if got := send(t, "GET", base+"/"+name, "admin", "secret", ""); got != 404 {
				t.Errorf("what was deleted is made again: %d", got)
			}
		})
	}
}

// A database and a user that are there are nobody else's than before.
func TestPresetLeavesWhatIsThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	args := []string{"serve", "--data", dir, "--listen", "127.0.0.1:0", "--log-level", "none", "--config", quickLogins(t)}
	base, out, stop := background(t, args...)
	admin := printed(t, out, `administrator admin with the password (\w+),`)
	for _, c := range [][2]string{
		{"/obsidian", ""}, {"/obsidian/_security", `{"members":{"names":["ann"]}}`},
		{"/_users/org.couchdb.user:obsidian", `{"type":"user","name":"obsidian","roles":[],"password":"mine"}`},
	} {
		if got := send(t, "PUT", base+c[0], "admin", admin, c[1]); got > 201 {
			t.Fatalf("PUT %s: %d", c[0], got)
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	base, out, _ = background(t, append(args, "--preset", "obsidian")...)
	if got := out.String(); strings.Contains(got, "has the password") || !strings.Contains(got, "the user obsidian may not use the database obsidian") {
		t.Errorf("prints %s", got)
	}
	for path, want := range map[string]int{"/": 200, "/obsidian": 403} {
		if got := get(t, base+path, "obsidian", "mine"); got != want {
			t.Errorf("GET %s: %d, want %d", path, got, want)
		}
	}
}

// The operator's database of users, and their rules for passwords, are heeded.
func TestPresetHeedsRulesForUsers(t *testing.T) {
	t.Parallel()
	for text, c := range map[string]struct {
		says, path string
		want       int
	}{
		"authentication_db = people":               {"has the password", "/people/org.couchdb.user:rxdb", 200},
		`password_regexp = [{"!!", "Two marks."}]`: {"Two marks. Make the user with tododb user add rxdb", "/_users/org.couchdb.user:rxdb", 404},
	} {
		file := filepath.Join(t.TempDir(), "tododb.ini")
		if err := os.WriteFile(file, []byte("[chttpd_auth]\niterations = 10\n"+text+"\n[admins]\nadmin = secret\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		base, out, stop := background(t, "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--log-level", "none", "--config", file, "--preset", "rxdb")
		_, port, _ := strings.Cut(base, "127.0.0.1:")
		if got := out.String(); !strings.Contains(got, c.says) || !strings.Contains(got, "start with --listen 0.0.0.0:"+port+";") {
			t.Errorf("%s: prints\n%s", text, got)
		}
		if got := get(t, base+c.path, "admin", "secret"); got != c.want {
			t.Errorf("%s: GET %s: %d", text, c.path, got)
		}
		stop()
	}
}

func TestPresetBehindAProxy(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "tododb.ini")
	if err := os.WriteFile(file, []byte("[chttpd_auth]\niterations = 10\n[tododb]\nurl = https://notes.example/db/\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, out, _ := background(t, "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--log-level", "none", "--config", file, "--preset", "rxdb", "--origins", "https://notes.example")
	if got := out.String(); !strings.Contains(got, "'https://notes.example/db/rxdb/'") || strings.Contains(got, "only this machine") {
		t.Errorf("prints\n%s", got)
	}
}

// What is drawn is read again as a camera would read it.
func TestDrawQR(t *testing.T) {
	t.Parallel()
	text := "obsidian://setuplivesync?settings=%25%24" + strings.Repeat("wa%2BJvmfg8LDmG", 50)
	var out bytes.Buffer
	wide, err := drawQR(&out, text, 60)
	if err != nil || out.Len() > 0 || wide <= 60 {
		t.Fatalf("on a narrow terminal: %d columns, %v, %q", wide, err, out.String())
	}
	if wide, err = drawQR(&out, text, wide); err != nil {
		t.Fatal(err)
	}
	const dot, margin = 4, 10
	img := image.NewGray(image.Rect(0, 0, (wide+2*margin)*dot, (wide+2*margin)*dot))
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	for y, line := range strings.Split(out.String(), "\n") {
		line = strings.TrimSuffix(strings.TrimPrefix(line, "\x1b[30;107m"), "\x1b[0m")
		for x, r := range []rune(line) {
			for half, dark := range []bool{r == '█' || r == '▀', r == '█' || r == '▄'} {
				for i := range dot * dot {
					if dark {
						img.SetGray((margin+x)*dot+i%dot, (margin+2*y+half)*dot+i/dot, color.Gray{})
					}
				}
			}
		}
	}
	if got, err := qr.Decode(img); err != nil || got != text {
		t.Errorf("%q, %v", got, err)
	}
}

// printed finds what a server printed.
func printed(t *testing.T, out *syncBuffer, expression string) string {
	t.Helper()
	m := regexp.MustCompile(expression).FindStringSubmatch(out.String())
	if m == nil {
		t.Fatalf("no %s in\n%s", expression, out)
	}
	return m[1]
}

func send(t *testing.T, method, url, user, password, body string) int {
	t.Helper()
	q, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		q.SetBasicAuth(user, password)
	}
	q.Header.Set("Content-Type", "application/json")
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	a.Body.Close()
	return a.StatusCode
}

// revisionOf is a document's revision, as the administrator sees it.
func revisionOf(t *testing.T, url string) string {
	t.Helper()
	q, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	q.SetBasicAuth("admin", "secret")
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	var doc struct {
		Rev string `json:"_rev"`
	}
	if err := json.NewDecoder(a.Body).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	return doc.Rev
}
