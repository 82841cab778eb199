package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine/pg/pgtest"
)

// The password of the storage is in nothing that a server says, whichever way it fails: in no log, no answer, no
// figure, no report of its end, no list of the machine's processes; nor in what commands say.
func TestPGPasswordStaysSecret(t *testing.T) {
	longOnly(t)
	t.Parallel()
	const password, wrong = "hush:1%of/them", "hush:2%of/them"
	said := map[string]string{}
	judge := func() {
		t.Helper()
		for what, text := range said {
			for _, form := range []string{"hush", url.QueryEscape(password), url.PathEscape(password)} {
				if at := strings.Index(text, form); at >= 0 {
					t.Errorf("%s has the password: %q", what, text[max(0, at-200):min(len(text), at+50)])
				}
			}
		}
		clear(said)
	}
	server := pgtest.Start(t, pgtest.Options{})
	server.Exec(t, "create role keeper login password '"+password+"'")
	server.Exec(t, "create database kept owner keeper")
	hba := filepath.Join(server.Dir, "data", "pg_hba.conf")
	if err := os.WriteFile(hba, []byte("host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server.Exec(t, "select pg_reload_conf()")
	storage := func(password string) string {
		return fmt.Sprintf("postgres://keeper:%s@127.0.0.1:%d/kept?sslmode=disable", url.QueryEscape(password), server.Port)
	}
	listens := fmt.Sprintf("postgres://127.0.0.1:%d/kept?sslmode=disable&user=keeper&password=%s", server.Port, url.QueryEscape(password))

	dir := t.TempDir()
	secret := filepath.Join(dir, "storage")
	settings := filepath.Join(dir, "one.ini")
	for path, text := range map[string]string{secret: storage(password) + "\n", settings: "[storage]\nlisten_url = " + listens + "\ngone_after = 4000\n[chttpd_auth]\niterations = 10\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	started := map[string]*process{
		"by the environment": startServerWith(t, []string{"TODODB_STORAGE=" + storage(password)}, t.TempDir(), "", "--config", settings, "--log-level", "debug"),
		"by a file":          startServer(t, t.TempDir(), "", "--config", settings, "--log-level", "debug", "--storage", secret),
	}
	ask := func(when string) {
		t.Helper()
		began := time.Now()
		var mu sync.Mutex // guards said
		var asking sync.WaitGroup
		for how, p := range started {
			take := func(what, text string) {
				mu.Lock()
				defer mu.Unlock()
				said[fmt.Sprintf("%s, %s, %s", how, when, what)] = text
			}
			for _, path := range []string{
				"GET /", "GET /_up", "GET /_node/_local/_config", "GET /_node/_local/_config/storage", "GET /_node/_local/_config/storage/listen_url",
				"GET /_settings", "GET /_node/_local/_settings", "GET /_node/_local/_prometheus", "GET /_node/_local/_stats", "GET /_node/_local/_system",
				"GET /_node/_local/_log", "GET /_node/_local/_doctor", "GET /_node/_local/_history", "GET /_membership", "GET /_active_tasks", "GET /_all_dbs",
				"GET /_scheduler/docs", "GET /db/doc", "GET /db/_changes", "GET /_session", "GET /_db_updates?feed=longpoll&timeout=100",
				"PUT /db/doc", "PUT /more", "POST /_node/_local/_config/_reload",
				`POST /_replicate {"source":"db","target":"more"}`, `PUT /_node/_local/_config/storage/url "` + storage(wrong) + `"`,
			} {
				asking.Go(func() {
					words := strings.SplitN(path+"  ", " ", 3)
					body := strings.TrimSpace(words[2])
					if words[0] == "PUT" && strings.HasPrefix(words[1], "/db/") {
						body = "{}"
					}
					take(words[0]+" "+words[1], p.says(words[0], words[1], body))
				})
			}
		}
		asking.Wait()
		for how, p := range started {
			if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.cmd.Process.Pid)); err == nil {
				said[how+", its arguments"] = string(line)
			}
			said[how+", its log"] = p.log.String() + p.out.String()
		}
		t.Logf("%s: %d answers in %v", when, len(said), time.Since(began).Round(time.Millisecond))
		judge()
	}
	for _, p := range started {
		p.try("PUT", "/db", "")
	}
	ask("as it should be")
	for name, sql := range map[string]string{
		"a role that may not log in": "alter role keeper nologin; select pg_terminate_backend(pid) from pg_stat_activity where usename = 'keeper'",
		"another password":           "alter role keeper login password '" + wrong + "'; select pg_terminate_backend(pid) from pg_stat_activity where usename = 'keeper'",
	} {
		server.Exec(t, sql)
		ask(name)
		server.Exec(t, "alter role keeper login password '"+password+"'")
	}
	for _, p := range started {
		within(t, time.Minute, func() bool { status, _ := p.try("GET", "/_up", ""); return status == 200 })
	}
	pgtest.ExecAt(t, storage(password), "alter table td_kv rename to hidden")
	ask("tables that are not there")
	server.Stop()
	ask("PostgreSQL is away")

	bads := []string{strings.Replace(storage(password), "sslmode=disable", "sslmode=none", 1), strings.Replace(storage(password), "127.0.0.1:", "127.0.0.1:x", 1)}
	for i, bad := range append(bads, storage(password)) {
		file := filepath.Join(t.TempDir(), "bad")
		if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		commands := [][]string{{"check", "--storage", file}}
		if i < len(bads) { // the others would wait for PostgreSQL
			commands = append(commands, []string{"pg", "init", "--storage", file}, []string{"move", "--from", t.TempDir(), "--to", file}, []string{"move", "--undo", "--from", bad})
		}
		for _, args := range commands {
			out, code := tododb(t, args...)
			said[fmt.Sprint(args[:2], i)] = out
			if code == 0 {
				t.Errorf("%v: %s", args, out)
			}
		}
	}
	judge()
	// Reports of the end: with all that runs, and as a crash.
	for how, p := range started {
		signal := syscall.SIGQUIT
		if how == "by a file" {
			signal = syscall.SIGABRT
		}
		if err := p.cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		<-p.done
		if said[how+", the report of its end"] = p.log.String(); !strings.Contains(p.log.String(), "goroutine ") {
			t.Errorf("%s: there is no report", how)
		}
	}
	judge()
}

// says makes a request, and returns all of the answer.
func (p *process) says(method, path, body string) string {
	r := p.request(method, path, body)
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	began := time.Now()
	answer, err := http.DefaultClient.Do(r.WithContext(ctx))
	if took := time.Since(began); took > 50*time.Second {
		p.t.Errorf("%s %s took %v", method, path, took)
	}
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	return fmt.Sprint(answer.Status, answer.Header, string(text))
}
