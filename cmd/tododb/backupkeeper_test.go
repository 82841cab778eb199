package main

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/store/backup/repository"
	"github.com/tododb/tododb/store/backup/schedule"
	"github.com/tododb/tododb/store/widetest"
)

// What the settings say is what backups are made with.
func TestBackupSettings(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	setup := func(more string) schedule.Setup {
		t.Helper()
		cfg, err := config.Open(config.Options{Local: file("local.ini", "[backup]\n"+more)})
		if err != nil {
			t.Fatal(err)
		}
		return backupSetup(cfg, dir)
	}
	if s := setup(""); s.Target != "" || s.Err != nil {
		t.Errorf("nothing is set, and %+v", s)
	}
	target := filepath.Join(dir, "backups")
	s := setup("target = " + target + "\nschedule = 02:00\nkeep_last = 1\nkeep_hourly = 2\nkeep_daily = 3\nkeep_weekly = 4\nkeep_monthly = 5\nkeep_yearly = 6\nkeep_within = 7d\n")
	want := repository.Keep{Last: 1, Hourly: 2, Daily: 3, Weekly: 4, Monthly: 5, Yearly: 6, Within: 7 * 24 * time.Hour}
	if s.Err != nil || s.Keep != want || s.Plan.Next(time.Unix(0, 0).UTC()).Hour() != 2 {
		t.Errorf("%+v", s)
	}
	for bad, part := range map[string]string{
		"target = https://example.com\n":                      "bucket",
		"target = s3:https://example.com\n":                   "bucket",
		"target = s3:https://h/b\ns3_key_file = /not/there\n": "/not/there",
	} {
		if s := setup(bad); s.Err == nil || !strings.Contains(s.Err.Error(), part) {
			t.Errorf("%s: %v", bad, s.Err)
		}
	}
	for _, more := range []string{"identity_file = /not/there\n", "identity_file = " + file("empty", "nothing") + "\n", "recipients = me\n"} {
		s := setup("target = " + target + "\n" + more)
		if s.Err == nil {
			_, s.Err = s.Open(t.Context())
		}
		if s.Err == nil {
			t.Errorf("%s is taken", more)
		}
	}
	s = setup("target = " + target + "\nrecipients = " + id.Recipient().String() + "\nidentity_file = " + file("id", id.String()) + "\n")
	repo, err := s.Open(t.Context())
	if err != nil || !repo.Encrypted() || !repo.CanRead() {
		t.Errorf("%+v, %v", s, err)
	}
	server := httptest.NewServer(gofakes3.New(s3mem.New(), gofakes3.WithAutoBucket(true)).Server())
	defer server.Close()
	s = setup("target = s3:" + server.URL + "/bucket/prefix\ns3_region = mars\ns3_key_file = " + file("keys", "key\nsecret\n") + "\n")
	if repo, err = s.Open(t.Context()); err != nil || repo.Encrypted() {
		t.Errorf("%+v, %v", s, err)
	}
}

// A server backs itself up, as its settings say, which change while it runs.
func TestServerBacksItselfUp(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	dir := t.TempDir()
	server := startServer(t, dir, "")
	set := func(name, value string) {
		t.Helper()
		b, _ := json.Marshal(value)
		server.do(200, "PUT", "/_node/_local/_config/backup/"+name, string(b))
	}
	state := func() (s schedule.State) {
		t.Helper()
		if err := json.Unmarshal([]byte(server.do(200, "GET", "/_backups", "")), &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	made := uint64(0)
	wait := func() schedule.Run {
		t.Helper()
		made++
		for end := time.Now().Add(time.Minute); ; {
			s := state()
			if s.Made >= made && s.Running == nil {
				made = s.Made
				return s.Last[0]
			}
			if s.Failed > 0 || time.Now().After(end) {
				t.Fatalf("no backup: %+v\n%s", s, server.log)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	list := func(target string, flags ...string) int {
		t.Helper()
		out, code := tododb(t, append([]string{"backup", "ls", target}, flags...)...)
		if code != 0 {
			t.Fatalf("ls %s: exit %d\n%s", target, code, out)
		}
		return strings.Count(out, "\n") - 1
	}
	server.do(409, "POST", "/_backups", "{}")
	server.do(201, "PUT", "/db", "")
	server.do(201, "PUT", "/db/a", `{"x":1}`)

	plain := filepath.Join(t.TempDir(), "plain")
	set("schedule", "manual")
	set("target", plain)
	server.do(202, "POST", "/_backups", "{}")
	if run := wait(); run.Databases != 3 || run.Documents != 2 || run.Stored == 0 {
		t.Errorf("the first one is %+v", run)
	}
	set("keep_last", "1")
	server.do(202, "POST", "/_backups", "{}")
	if run := wait(); run.Forgotten != 1 || list(plain) != 1 {
		t.Errorf("with keep_last: %+v, %d left", run, list(plain))
	}
	out, code := tododb(t, "backup", "ls", plain, "--json")
	var listed []struct {
		ID        string
		Databases int
		Documents int
	}
	if err := json.Unmarshal([]byte(out), &listed); err != nil || code != 0 || len(listed) != 1 || listed[0].ID == "" || listed[0].Databases != 3 || listed[0].Documents != 2 {
		t.Errorf("ls --json: exit %d, %v\n%s", code, err, out)
	}

	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	secret, identity := filepath.Join(t.TempDir(), "secret"), filepath.Join(t.TempDir(), "identity")
	if err := os.WriteFile(identity, []byte(id.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	set("recipients", id.Recipient().String())
	set("target", secret)
	server.do(202, "POST", "/_backups", "{}")
	wait()
	if out, code := tododb(t, "backup", "show", secret); code != 1 || !strings.Contains(out, "identity") {
		t.Errorf("an encrypted one without a key: exit %d\n%s", code, out)
	}
	if out, code := tododb(t, "backup", "show", secret, "--identity", identity, "--db", "db"); code != 0 || !strings.Contains(out, "1-0785e9eb543380151003dc452c3a001a") {
		t.Errorf("an encrypted one with its key: exit %d\n%s", code, out)
	}
	for flags, want := range map[string]string{
		"":                `"name":"db","documents":1,`,
		"--db db":         `"rev":"1-0785e9eb543380151003dc452c3a001a","deleted":false,"revisions":1,"conflicts":0}`,
		"--db db --doc a": `"leaves":[{"rev":"1-0785e9eb543380151003dc452c3a001a","deleted":false,"before":[],"doc":{`,
	} {
		args := append([]string{"backup", "show", secret, "--identity", identity, "--json"}, strings.Fields(flags)...)
		if out, code := tododb(t, args...); code != 0 || !json.Valid([]byte(out)) || !strings.Contains(out, want) {
			t.Errorf("%q for programs: exit %d\n%s", flags, code, out)
		}
	}

	bucket := httptest.NewServer(gofakes3.New(s3mem.New(), gofakes3.WithAutoBucket(true)).Server())
	defer bucket.Close()
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte("access\nverysecret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	object := "s3:" + bucket.URL + "/bucket/of/mine"
	set("recipients", "")
	set("s3_region", "us-east-1")
	set("s3_key_file", keys)
	set("target", object)
	server.do(202, "POST", "/_backups", "{}")
	wait()
	if n := list(object, "--s3-key-file", keys, "--s3-region", "us-east-1"); n != 1 {
		t.Errorf("%d backups in the bucket", n)
	}
	if strings.Contains(server.do(200, "GET", "/_node/_local/_config/backup", "")+server.log.String(), "verysecret") {
		t.Error("a secret is shown")
	}

	set("target", plain)
	set("schedule", "continuous")
	wait()
	server.do(201, "PUT", "/db/b", `{"x":2}`)
	for end := time.Now().Add(time.Minute); ; {
		if out, code := tododb(t, "backup", "show", plain, "--db", "db"); code == 0 && strings.Contains(out, "\nb ") {
			break
		} else if time.Now().After(end) {
			t.Fatalf("a change is not shipped: exit %d\n%s", code, out)
		}
	}
	if figures := server.do(200, "GET", "/_node/_local/_prometheus", ""); strings.Contains(figures, "\ntododb_backups_made_total 0\n") || !strings.Contains(figures, "\ntododb_backups_failed_total 0\n") {
		t.Error("figures do not know of the backups")
	}

	set("schedule", "1d")
	server.stop()
	server = startServer(t, dir, server.address())
	for end := time.Now().Add(time.Minute); ; {
		if s := state(); s.Next != nil {
			if in := time.Until(*s.Next); in < 23*time.Hour || in > 25*time.Hour || s.Made != 0 {
				t.Errorf("after a restart: the next one is in %v; %+v", in, s)
			}
			break
		} else if time.Now().After(end) {
			t.Fatalf("nothing is planned: %+v", s)
		}
	}
	// What does not work is told.
	for _, bad := range [][2]string{{"recipients", "age1nobody"}, {"target", "s3:nowhere"}} {
		set(bad[0], bad[1])
		for end := time.Now().Add(time.Minute); state().Error == "" || !strings.Contains(server.log.String(), "no backups are made"); {
			if time.Now().After(end) {
				t.Fatalf("%s = %s: %+v", bad[0], bad[1], state())
			}
			time.Sleep(20 * time.Millisecond)
		}
		if status, body := server.try("POST", "/_backups", "{}"); status/100 == 2 {
			t.Errorf("%s = %s: a backup begins: %s", bad[0], bad[1], body)
		}
		set(bad[0], "")
	}
	set("target", filepath.Join(keys, "under", "a", "file"))
	server.do(202, "POST", "/_backups", "{}")
	for end := time.Now().Add(time.Minute); ; {
		if s := state(); s.Failed > 0 {
			if s.Last[0].Error == "" || s.Last[0].ID != "" {
				t.Errorf("a failed one is %+v", s.Last[0])
			}
			break
		} else if time.Now().After(end) {
			t.Fatalf("it does not fail: %+v", fmt.Sprintf("%+v", s))
		}
	}
	server.stop()
}
