package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"syscall"
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

// The effects of settings that the program itself reads: most at its start, [replicator] after
// each change.
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
		"replicator/use_checkpoints":               {"false", func(c *config.Config) any { return replicatorSettings(c).Defaults.NoCheckpoints }, true},
		"replicator/valid_endpoint_protocols":      {"https", func(c *config.Config) any { return fmt.Sprint(replicatorSettings(c).Networks.Protocols) }, "[https]"},
		"replicator/valid_proxy_protocols":         {"", func(c *config.Config) any { return replicatorSettings(c).Networks.ProxyProtocols }, []string{}},
		"log/write_buffer":                         {"7", func(c *config.Config) any { return logPlace(c, "").Buffer }, 7},
		"log/write_delay":                          {"7", func(c *config.Config) any { return logPlace(c, "").Delay }, 7 * time.Millisecond},
		"log/syslog_host":                          {"192.0.2.1", func(c *config.Config) any { return logPlace(c, "").Host }, "192.0.2.1:514"},
		"log/syslog_port":                          {"7", func(c *config.Config) any { return logPlace(c, "").Host }, "localhost:7"},
		"log/syslog_appid":                         {"db", func(c *config.Config) any { return logPlace(c, "").AppID }, "db"},
		"log/syslog_facility":                      {"user", func(c *config.Config) any { return logPlace(c, "").Facility }, "user"},
		"prometheus/bind_address":                  {"::1", func(c *config.Config) any { return c.ListenFigures() }, "[::1]:17986"},
		"prometheus/port":                          {"7", func(c *config.Config) any { return c.ListenFigures() }, "127.0.0.1:7"},
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

// The effects of settings that only the whole program can show.
func TestSettingsOfARunningServer(t *testing.T) {
	t.Parallel()
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
	if open == 0 || open > 4 { // databases in use stay open
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
	await(t, "the address in uri_file", func() bool { // which is written after it is printed
		text, _ := os.ReadFile(uri)
		return string(text) == server.base+"/\n"
	})
	if kept := server.do(200, "GET", "/_node/_local/_config/app%20of%20mine", ""); strings.TrimSpace(kept) != `{"a=b; c":"=[ü];\t#"}` {
		t.Error(kept)
	}
}

// A server writes its log into the file that the settings name, and after SIGHUP into a new one. It
// serves its figures on their own port to everybody.
func TestLogFileAndFiguresPort(t *testing.T) {
	t.Parallel()
	dir, figures := t.TempDir(), freeAddress(t)
	file, ini := filepath.Join(dir, "couch.log"), filepath.Join(dir, "some.ini")
	port := figures[strings.LastIndexByte(figures, ':')+1:]
	if err := os.WriteFile(ini, []byte("[log]\nwriter = file ; not stderr\nfile = "+file+"\nwrite_buffer = 100\nwrite_delay = 20\n[prometheus]\nadditional_port = true\nport = "+port+"\n[chttpd_auth]\niterations = 10\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := startServer(t, filepath.Join(dir, "data"), "", "--config", ini)
	has := func(part string) {
		t.Helper()
		for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
			text, err := os.ReadFile(file)
			if err == nil && strings.Contains(string(text), part) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s never has %q: %v, %s", file, part, err, text)
			}
		}
	}
	has(`"msg":"listening"`)
	if err := os.Rename(file, file+".old"); err != nil {
		t.Fatal(err)
	}
	if err := server.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	has(`"msg":"settings reloaded"`)

	for path, status := range map[string]int{"/_node/_local/_prometheus": 200, "/_node/_local/_config": 404, "/": 404} {
		resp, err := http.Get("http://127.0.0.1:" + port + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != status || strings.Contains(string(text), "couchdb_httpd_requests_total") != (status == 200) {
			t.Errorf("%s: %s, %v, %.100s", path, resp.Status, err, text)
		}
	}
	server.do(403, "PUT", "/_node/_local/_config/log/file", strconv.Quote(filepath.Join(dir, "other")))
	server.do(200, "PUT", "/_node/_local/_config/log/writer", `"journald"`)
	server.do(201, "PUT", "/db", "")
	server.stop()
	if text := server.log.String(); !strings.Contains(text, "<6>{") || !strings.Contains(text, `"msg":"stopping"`) {
		t.Errorf("the journal has %s", text)
	}
}

// couchDBsFile has every setting in CouchDB 3.5's own file, with its value there, and the settings
// that administrators change first, with comments as they write them.
const couchDBsFile = `
[vendor]
name = The Apache Software Foundation
[couchdb]
uuid = 0123456789abcdef0123456789abcdef
database_dir = ./data
view_index_dir = ./data
util_driver_dir =
plugin_dir =
os_process_timeout = 5000 ; 5 seconds. for view servers.
max_dbs_open = 500
file_compression = snappy
attachment_stream_buffer_size = 4096
default_security = admin_only
btree_chunk_size = 1279
maintenance_mode = false
stem_interactive_updates = true
uri_file =
changes_doc_ids_optimization_threshold = 1000
max_document_id_length = infinity
max_document_size = 8000000 ; bytes
max_attachment_size = 1073741824 ; 1 gibibyte
update_lru_on_read = false
default_engine = couch
enable_database_recovery = true
max_partition_size = 10737418240
single_node = true
users_db_security_editable = false
attachment_writer_timeout = 300000
compaction_log_level = info
write_xxhash_checksums = false
js_engine = spidermonkey
use_cfile = true
cfile_skip_ioq = false
[purge]
max_document_id_number = 100
max_revisions_number = 1000
index_lag_warn_seconds = 86400
[couchdb_engines]
couch = couch_bt_engine
[process_priority]
couch_server = false
[cluster]
q=2
n=3
placement = metro-dc-a:2,metro-dc-b:1
seedlist =
reconnect_interval_sec = 37
[chttpd]
port = 0
bind_address = 127.0.0.1
backlog = 512
socket_options = [{sndbuf, 262144}, {nodelay, true}]
server_options = [{recbuf, undefined}, {acceptor_pool_size, 32}, {max, 65536}]
require_valid_user = false
require_valid_user_except_for_up = false
prefer_minimal = Cache-Control, Content-Length, Content-Range, Content-Type, ETag, Server, Transfer-Encoding, Vary
max_db_number_for_dbs_info_req = 100
buffer_response = false
authentication_handlers = {chttpd_auth, proxy_authentication_handler}, {chttpd_auth, jwt_authentication_handler}, {chttpd_auth, cookie_authentication_handler}, {chttpd_auth, default_authentication_handler}
admin_only_all_dbs = true
secure_rewrites = true
allow_jsonp = false
enable_cors = true
enable_xframe_options = false
max_uri_length = 8000
changes_timeout = 60000
config_whitelist =
rewrite_limit = 100
x_forwarded_host = X-Forwarded-Host
x_forwarded_proto = X-Forwarded-Proto
x_forwarded_ssl = X-Forwarded-Ssl
max_http_request_size = 4294967296 ; 4GB
decode_plus_to_space = true
bulk_get_use_batches = true
server_header_versions = true
disconnect_check_msec = 30000
disconnect_check_jitter_msec = 15000
scrub_json_request = false
[jwt_auth]
required_claims = exp, {iss, "IssuerNameHere"}
roles_claim_name = my-couchdb-roles
roles_claim_path = my.nested._couchdb\\.roles
[jwt_keys]
hmac:_default = aGVsbG8=
[couch_peruser]
enable = false
delete_dbs = false
q = 1
database_prefix = userdb-
[httpd]
port = 5986
bind_address = 127.0.0.1
authentication_handlers = {couch_httpd_auth, cookie_authentication_handler}, {couch_httpd_auth, default_authentication_handler}
server_options = [{backlog, 128}, {acceptor_pool_size, 16}]
socket_options = [{sndbuf, 262144}]
[httpd_design_handlers]
_view =
[ioq]
concurrency = 10
ratio = 0.01
[ssl]
enable = false
port = 6984
cert_file = /full/path/to/server_cert.pem
key_file = /full/path/to/server_key.pem
password = somepassword
verify_ssl_certificates = false
fail_if_no_peer_cert = false
cacert_file = /full/path/to/cacertf
ssl_certificate_max_depth = 1
secure_renegotiate = true
ciphers = ["ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-SHA"]
tls_versions = [tlsv1, 'tlsv1.1', 'tlsv1.2']
[chttpd_auth]
authentication_db = _users
authentication_redirect = /_utils/session.html
timeout = 600 ; number of seconds before automatic logout
auth_cache_size = 50 ; size is number of cache entries
allow_persistent_cookies = true ; set to false to disallow persistent cookies
iterations = 10 ; iterations for password hashing
min_iterations = 1
max_iterations = 1000000000
password_scheme = pbkdf2
pbkdf2_prf = sha256 ; must be one of sha | sha224 | sha256 | sha384 | sha512
upgrade_hash_on_auth = true
password_regexp = []
proxy_use_secret = true
public_fields =
secret = 72196e6c8b1d4c6f9f9a
users_db_public = false
cookie_domain = example.com
same_site =
hash_algorithms = sha256, sha
[chttpd_auth_cache]
max_lifetime = 600000
max_objects =
max_size = 104857600
[mem3]
nodes_db = _nodes
shard_cache_size = 25000
shards_db = _dbs
sync_concurrency = 10
replicate_purges = true
[fabric]
all_docs_concurrency = 10
changes_duration =
shard_timeout_factor = 2
uuid_prefix_len = 7
request_timeout = 60000
view_timeout = infinity
[rexi]
buffer_count = 2000
stream_limit = 5
use_kill_all = true
[global_changes]
max_event_delay = 25
max_write_delay = 500
update_db = true
[view_updater]
min_writer_items = 100
min_writer_size = 16777216
[couch_httpd_auth]
authentication_db = _users
[csp]
utils_enable = true
utils_header_value = default-src 'self'; img-src 'self'; font-src *; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline';
attachments_enable = true
attachments_header_value = sandbox
showlist_enable = true
showlist_header_value = sandbox
[cors]
credentials = false
origins = *
headers =
methods =
[cors:http://example.com]
credentials = false
origins = https://app.example.com
headers =
methods =
[ddoc_cache]
max_size = 104857600 ; 100MiB
refresh_timeout = 67000
[x_frame_options]
same_origin = true
hosts =
[native_query_servers]
enable_erlang_query_server = false
[query_server_config]
commit_freq = 5
reduce_limit = true
os_process_limit = 100
os_process_idle_limit = 300
os_process_soft_limit = 100
group_info_timeout = 5000
query_limit = 268435456
partition_query_limit = 268435456
db_tag = name
[mango]
index_all_disabled = false
default_limit = 25
index_scan_warning_threshold = 10
[indexers]
couch_mrview = true
[feature_flags]
partitioned||* = true
[uuids]
algorithm = sequential
utc_id_suffix =
max_count = 1000
[attachments]
compression_level = 8 ; from 1 (lowest, fastest) to 9 (highest, slowest), 0 to disable compression
compressible_types = text/*, application/javascript, application/json, application/xml
[replicator]
startup_jitter = 5000
max_jobs = 500
interval = 60000
max_churn = 20
max_history = 20
update_docs = false
worker_processes = 4
worker_batch_size = 500
http_connections = 20
connection_timeout = 30000
request_timeout = infinity
retries_per_request = 5
use_checkpoints = true
use_bulk_get = true
checkpoint_interval = 30000
socket_options = [{keepalive, true}, {nodelay, false}]
valid_socket_options = buffer,keepalive,nodelay,priority,recbuf,sndbuf
valid_endpoint_protocols = http,https
valid_endpoint_protocols_log = false
verify_ssl_certificates_log = false
valid_proxy_protocols = http,https,socks5
cert_file =
key_file =
password =
verify_ssl_certificates = false
ssl_trusted_certificates_file =
ssl_certificate_max_depth = 3
max_document_id_length = infinity
missing_doc_retry_msec = 2000
cluster_start_period = 5
auth_plugins = couch_replicator_auth_session,couch_replicator_auth_noop
session_refresh_interval_sec = 550
usage_coeff = 0.5
priority_coeff = 0.98
[replicator.shares]
_replicator = 100
[log]
level = info
max_message_size = 16000
strip_last_msg = true
filter_fields = [pid, registered_name, error_info, messages]
writer = stderr
file = ./couch.log ; Path name to write logs to
write_buffer = 0
write_delay = 0
syslog_host =
syslog_port = 514
syslog_appid = couchdb
syslog_facility = local2
[stats]
interval = 10
[smoosh]
db_channels = upgrade_dbs,ratio_dbs,slack_dbs
view_channels = upgrade_views,ratio_views,slack_views
state_dir = ./data
compaction_log_level = debug
persist = false
[smoosh.ratio_dbs]
priority = ratio
min_priority = 2.0
[smoosh.slack_views]
priority = slack
min_priority = 536870912
[ioq.bypass]
os_process = true
read = true
write = true
view_update = true
shard_sync = false
compaction = false
[dreyfus]
name = clouseau@127.0.0.1
retry_limit = 5
limit = 25
max_limit = 200
[reshard]
max_jobs = 48
max_history = 20
[prometheus]
additional_port = true
bind_address = 127.0.0.1
port = 0
interval = 5
[view_upgrade]
compact_on_collator_upgrade = true
commit_on_header_upgrade = true
[custodian]
use_cluster_n_as_expected_n = false
[nouveau]
enable = false
url = http://127.0.0.1:5987
[disk_monitor]
enable = false
background_view_indexing_threshold = 80
interactive_view_indexing_threshold = 90
interactive_database_writes_threshold = 90
[couch_passwords_cache]
max_objects = 10000
max_idle = 600000
enable = true
[quickjs]
memory_limit_bytes = 67108864
[couch_scanner]
interval_sec = 5
[couch_scanner_plugins]
couch_scanner_plugin_doc_conflicts_finder = true
[couch_scanner_plugin_find]
debug = false
[chttpd_auth_lockout]
mode = enforce
threshold = 5
max_objects = 10000
max_lifetime = 300000
[off_heap_mqd]
rexi_server = true
[vhosts]
example.com = /database/
[admins]
anna = -pbkdf2:sha256-6ac7ddfd8e47a8ebf8b6dfbd4b9ae7f8c02d4de4ba39a4d8cd7ac8ac2fe8dd68,0123456789abcdef0123456789abcdef,10
`

// The files of a CouchDB start the server. This one keeps deleted databases, which come back when
// their files get their names again.
func TestStartsWithCouchDBsFile(t *testing.T) {
	t.Parallel()
	ini := filepath.Join(t.TempDir(), "couchdb.ini")
	if err := os.WriteFile(ini, []byte(couchDBsFile), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	server := startServer(t, dir, "", "--config", ini)
	if all := server.do(200, "GET", "/_node/_local/_config", ""); !strings.Contains(all, `"max_attachment_size":"1073741824"`) {
		t.Error(all)
	}
	server.do(201, "PUT", "/db", "")
	server.do(201, "PUT", "/db/a", "{}")
	info := server.do(200, "GET", "/db", "")
	server.do(200, "DELETE", "/db", "")
	server.do(404, "GET", "/db/a", "")
	if dbs := server.do(200, "GET", "/_all_dbs", ""); strings.Contains(dbs, "db") {
		t.Error(dbs)
	}
	kept, err := filepath.Glob(filepath.Join(dir, "databases", "db.20*.deleted"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("%q, %v", kept, err)
	}
	if err := os.Rename(kept[0], filepath.Join(dir, "databases", "db.bolt")); err != nil {
		t.Fatal(err)
	}
	server.do(200, "GET", "/db/a", "")
	opened := regexp.MustCompile(`"instance_start_time":"\d+"|"file":\d+`) // it has been opened since, and may have had no file before
	again := server.do(200, "GET", "/db", "")
	if opened.ReplaceAllString(again, "") != opened.ReplaceAllString(info, "") {
		t.Errorf("%s, formerly %s", again, info)
	}
	server.stop()
}
