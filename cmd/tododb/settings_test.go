package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/httpapi/config"
)

func trustOf(c *config.Config) *tls.Config {
	trust, err := replicatorTLS(c)
	if err != nil {
		panic(err)
	}
	return trust
}

// What the program makes of settings which it reads itself: most at its start, [replicator]
// after each change.
func TestSettingsOfTheProgram(t *testing.T) {
	cert, _ := pemPair(t, "an authority")
	certificate := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(certificate, cert, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		value string
		read  func(*config.Config) any
		want  any
	}{
		"chttpd/bind_address": {"::1", func(c *config.Config) any { return c.Listen() }, "[::1]:5984"},
		"chttpd/port":         {"80", func(c *config.Config) any { return c.Listen() }, "127.0.0.1:80"},
		"ssl/bind_address":    {"192.0.2.1", func(c *config.Config) any { return c.ListenTLS() }, "192.0.2.1:6984"},

		"limits/header_timeout": {"7", func(c *config.Config) any { return httpServer(c, slog.Default()).ReadHeaderTimeout }, 7 * time.Second},
		"limits/idle_timeout":   {"7", func(c *config.Config) any { return httpServer(c, slog.Default()).IdleTimeout }, 7 * time.Second},

		"opentelemetry/endpoint":     {"http://127.0.0.1:1", func(c *config.Config) any { return tracingOptions(c).Endpoint }, "http://127.0.0.1:1"},
		"opentelemetry/sample_ratio": {"0.5", func(c *config.Config) any { return tracingOptions(c).Share }, 0.5},

		"couchdb/os_process_timeout":                  {"70", func(c *config.Config) any { return workerOptions(c, "", nil).Timeout }, 70 * time.Millisecond},
		"query_server_config/os_process_limit":        {"9", func(c *config.Config) any { return workerOptions(c, "", nil).Workers }, 9},
		"query_server_config/os_process_idle_limit":   {"9", func(c *config.Config) any { return workerOptions(c, "", nil).Idle }, 9 * time.Second},
		"query_server_config/os_process_memory_limit": {"70000000", func(c *config.Config) any { return workerOptions(c, "", nil).Memory }, int64(70000000)},
		"query_server_config/os_process_memory_total": {"90000000", func(c *config.Config) any { return workerOptions(c, "", nil).TotalMemory }, int64(90000000)},
		"query_server_config/reduce_limit":            {"log", func(c *config.Config) any { return string(workerOptions(c, "", nil).Reductions) }, "log"},

		"replicator/max_jobs":                      {"7", func(c *config.Config) any { return replicatorSettings(c).MaxJobs }, 7},
		"replicator/interval":                      {"7", func(c *config.Config) any { return replicatorSettings(c).Interval }, 7 * time.Millisecond},
		"replicator/max_churn":                     {"7", func(c *config.Config) any { return replicatorSettings(c).MaxChurn }, 7},
		"replicator/startup_jitter":                {"0", func(c *config.Config) any { return replicatorSettings(c).StartupJitter }, time.Duration(-1)},
		"replicator/max_history":                   {"7", func(c *config.Config) any { return replicatorSettings(c).MaxHistory }, 7},
		"replicator/checkpoint_interval":           {"7", func(c *config.Config) any { return replicatorSettings(c).Defaults.CheckpointInterval }, 7 * time.Millisecond},
		"replicator/worker_processes":              {"7", func(c *config.Config) any { return replicatorSettings(c).Defaults.Workers }, 7},
		"replicator/worker_batch_size":             {"7", func(c *config.Config) any { return replicatorSettings(c).Defaults.BatchSize }, 7},
		"replicator/http_connections":              {"7", func(c *config.Config) any { return replicatorSettings(c).Defaults.Connections }, 7},
		"replicator/connection_timeout":            {"7", func(c *config.Config) any { return replicatorSettings(c).Defaults.Silence }, 7 * time.Millisecond},
		"replicator/retries_per_request":           {"7", func(c *config.Config) any { return replicatorSettings(c).Defaults.Retries }, 7},
		"replicator/allowed_networks":              {"10.0.0.0/8", func(c *config.Config) any { return fmt.Sprint(replicatorSettings(c).Networks.Allowed) }, "[10.0.0.0/8]"},
		"replicator/refused_networks":              {"10.0.0.0/8", func(c *config.Config) any { return fmt.Sprint(replicatorSettings(c).Networks.Refused) }, "[10.0.0.0/8]"},
		"replicator/allowed_ports":                 {"443", func(c *config.Config) any { return fmt.Sprint(replicatorSettings(c).Networks.AllowedPorts) }, "[{443 443}]"},
		"replicator/refused_ports":                 {"22-23", func(c *config.Config) any { return fmt.Sprint(replicatorSettings(c).Networks.RefusedPorts) }, "[{22 23}]"},
		"replicator/verify_ssl_certificates":       {"false", func(c *config.Config) any { return trustOf(c).InsecureSkipVerify }, true},
		"replicator/ssl_trusted_certificates_file": {certificate, func(c *config.Config) any { return trustOf(c).RootCAs != nil }, true},
		"replicator/update_docs":                   {"true", func(c *config.Config) any { return replicatorSettings(c).UpdateDocs }, true},
	} {
		cfg, err := config.Open(config.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.read(cfg); reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v without being set", name, got)
		}
		section, key, _ := strings.Cut(name, "/")
		if err := cfg.Set(section, key, c.value); err != nil {
			t.Fatal(err)
		}
		if got := c.read(cfg); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s = %s: %v, want %v", name, c.value, got, c.want)
		}
	}
}

// What the program makes of settings that only the whole of it can show.
func TestSettingsOfARunningServer(t *testing.T) {
	dir := t.TempDir()
	server := startServer(t, dir, "")
	set := func(name, value string) {
		t.Helper()
		server.do(200, "PUT", "/_node/_local/_config/"+name, strconv.Quote(value))
	}
	set("couchdb/max_dbs_open", "2")
	for i := range 6 {
		server.do(201, "PUT", fmt.Sprintf("/db%d", i), "")
	}
	var open int
	stats := server.do(200, "GET", "/_node/_local/_prometheus", "")
	for line := range strings.Lines(stats) {
		fmt.Sscanf(line, "couchdb_open_databases_total %d", &open)
	}
	if open == 0 || open > 4 { // those in use at the moment are open in any case
		t.Errorf("%d databases are open", open)
	}

	server.do(201, "PUT", "/parts?partitioned=true", "")
	server.do(201, "PUT", "/parts/p:a", `{"x":"more than ten bytes"}`)
	set("couchdb/max_partition_size", "10")
	if refusal := server.do(403, "PUT", "/parts/p:b", `{}`); !strings.Contains(refusal, "partition_overflow") {
		t.Error(refusal)
	}
	for i, none := range []string{"30", "0", "-1", "infinity"} {
		set("couchdb/max_partition_size", none)
		server.do(201, "PUT", fmt.Sprintf("/parts/p:c%d", i), `{}`)
	}

	uri := filepath.Join(t.TempDir(), "uri")
	set("couchdb/uri_file", uri)
	set("couchdb/uuid", "0123456789abcdef")
	set("app of mine/a=b; c", "=[ü];\t#")
	server.stop()

	server = startServer(t, dir, "")
	if welcome := server.do(200, "GET", "/", ""); !strings.Contains(welcome, `"uuid":"0123456789abcdef"`) {
		t.Error(welcome)
	}
	if text, err := os.ReadFile(uri); err != nil || string(text) != server.base+"/\n" {
		t.Errorf("%q, %v, want %s/", text, err, server.base)
	}
	if kept := server.do(200, "GET", "/_node/_local/_config/app%20of%20mine", ""); strings.TrimSpace(kept) != `{"a=b; c":"=[ü];\t#"}` {
		t.Error(kept)
	}
}
