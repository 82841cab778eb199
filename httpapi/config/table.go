package config

// table is the table of settings that mean something here: section and name (CouchDB's, if it has the setting),
// the default, what values look like, what is special, and the meaning.
//
// To add a setting, add a row, read it where it matters with the getter of its kind, and
// run "make docs", which writes docs/configuration.md. The reader must see changes:
// either it calls the getter each time (they are cheap: a map and a number), or it
// keeps a copy and renews it in a function given to Config.Watch, as httpapi does in
// Server.configure. A setting that cannot change while the server runs has the trait
// Restart.
var table = []Setting{
	{Name{"couchdb", "uuid"}, "", Text, Restart, "identity of the server; created at the first start and then kept, because clients build their checkpoints on it"},
	{Name{"couchdb", "max_document_size"}, "8000000", Size, 0, "bytes of JSON that one document may have, not counting its attachments and other special members"},
	{Name{"couchdb", "max_document_id_length"}, "infinity", Limit, 0, "bytes that the id of a document may have, _design/ and _local/ included, or infinity; no id is longer than max_document_size"},
	{Name{"couchdb", "max_attachment_size"}, "infinity", Limit, 0, "bytes that one attachment may have, or infinity"},
	{Name{"couchdb", "maintenance_mode"}, "false", OneOf("false", "true", "nolb"), 0, "true or nolb: /_up answers 404, so that a load balancer sends nothing here any more; whatever comes is served"},
	{Name{"couchdb", "uri_file"}, "", Text, Restart, "file into which the server writes its URLs when it starts; empty: none"},
	{Name{"couchdb", "max_dbs_open"}, "500", Count, 0, "databases kept open at once; others are opened on demand"},
	{Name{"couchdb", "os_process_timeout"}, "5000", Millis, Restart, "milliseconds that one call of a design document's function may take"},
	{Name{"couchdb", "enable_database_recovery"}, "false", OneOf("false"), Refused, "false: a deleted database is gone"},
	{Name{"couchdb", "users_db_suffix"}, "_users", OneOf("_users"), Refused, "_users: [chttpd_auth] authentication_db says where the users are"},
	{Name{"couchdb", "users_db_security_editable"}, "false", Bool, 0, "the security object of _users may be changed, to let in people who are not administrators"},
	{Name{"couchdb", "default_security"}, "admin_only", OneOf("admin_only", "admin_local", "everyone"), 0, "whose a new database is until its security object is set: admin_only, or everybody's (everyone, and admin_local, which means the same here)"},

	{Name{"chttpd", "bind_address"}, "127.0.0.1", Text, Restart | Given, "address to listen on; 0.0.0.0, :: or any: every interface"},
	{Name{"chttpd", "port"}, "5984", Port, Restart | Given, "port to listen on; 0: any free port"},
	{Name{"chttpd", "decode_plus_to_space"}, "true", Bool, 0, "a + in a path is a space, as in CouchDB; false: it is a plus. In queries it is always a space"},
	{Name{"chttpd", "x_forwarded_host"}, "X-Forwarded-Host", Text, Older, "header in which one of [limits] trusted_proxies says which host the client asked"},
	{Name{"chttpd", "x_forwarded_proto"}, "X-Forwarded-Proto", Text, Older, "header in which it says http or https"},
	{Name{"chttpd", "x_forwarded_ssl"}, "X-Forwarded-Ssl", Text, Older, "header in which it says on for https instead"},
	{Name{"chttpd", "max_db_number_for_dbs_info_req"}, "100", Count, 0, "databases that one _dbs_info may ask about by name"},
	{Name{"chttpd", "max_uri_length"}, "0", Number, Older, "bytes that the path and the query of a request may have; 414 beyond it; 0: as many as the head of a request may have"},
	{Name{"chttpd", "changes_timeout"}, "60000", Millis, Older, "milliseconds after which a feed without rows ends unless it says so itself; at most a minute"},
	{Name{"chttpd", "config_whitelist"}, "", Terms, Older, "the only settings that may be changed over HTTP, such as [{chttpd,config_whitelist}, {log,level}]; empty: all"},
	{Name{"chttpd", "prefer_minimal"}, "Cache-Control, Content-Length, Content-Range, Content-Type, ETag, Server, Transfer-Encoding, Vary", List, 0, "headers that an answer to Prefer: return=minimal has, with a few that protect browsers"},
	{Name{"chttpd", "server_header_versions"}, "true", Bool, 0, "the Server header tells versions; clients that look for CouchDB's need that"},
	{Name{"chttpd", "enable_xframe_options"}, "false", Bool, Older, "send X-Frame-Options, according to [x_frame_options]"},
	{Name{"x_frame_options", "same_origin"}, "false", Bool, 0, "pages of this server may show its answers in frames (SAMEORIGIN); otherwise nobody may (DENY)"},
	{Name{"x_frame_options", "hosts"}, "", List, 0, "names of this server, such as https://example.com, under which it says ALLOW-FROM itself, or *"},
	{Name{"chttpd", "scrub_json_request"}, "true", OneOf("true"), Refused, "true: functions of design documents do not get their caller's credentials"},
	{Name{"chttpd", "max_http_request_size"}, "4294967296", Size, Older, "bytes that the body of one request may have, after decompression"},
	{Name{"chttpd", "enable_cors"}, "false", Bool, Older, "answer web pages of other origins, according to [cors]"},
	{Name{"chttpd", "allow_jsonp"}, "false", Bool, Older, "JSONP: with a parameter callback, JSON is answered as a script that any web page may load, in the name of the user who looks at that page"},
	{Name{"chttpd", "secure_rewrites"}, "true", Bool, Older, "rewrites of design documents stay in their database; false: whoever may write a design document can lead others' requests, with their rights, to any path of the server"},
	{Name{"chttpd", "rewrite_limit"}, "100", Count, Older, "how often one request may be rewritten"},
	{Name{"chttpd", "authentication_handlers"}, "{chttpd_auth, cookie_authentication_handler}, {chttpd_auth, default_authentication_handler}", Ways, Given, "ways to log in, in the order in which they are tried: cookie, default (Basic), proxy, jwt; device tokens are always accepted"},
	{Name{"chttpd", "require_valid_user"}, "false", Bool, 0, "anonymous requests are refused, even for the welcome"},
	{Name{"chttpd", "require_valid_user_except_for_up"}, "false", Bool, 0, "the same, except for /_up"},

	{Name{"chttpd", "WWW-Authenticate"}, "", Text, Older, "value of the header of that name in a 401, such as Basic realm=\"tododb\"; browsers then ask for a password"},

	{Name{"cors", "origins"}, "", List, 0, "origins that may send requests, comma-separated, or *"},
	{Name{"cors", "credentials"}, "false", Bool, 0, "those origins may send cookies and credentials"},
	{Name{"cors", "headers"}, "", List, 0, "request headers that they may send besides the usual ones, comma-separated"},
	{Name{"cors", "methods"}, "", List, 0, "methods that they may use, comma-separated; empty: all methods of the API"},
	{Name{"cors", "max_age"}, "600", Seconds, 0, "seconds for which a browser may remember the answer to a preflight request"},

	{Name{"vhosts", Any}, "", Text, 0, "virtual hosts: HOST[:PORT][/PATH] = TARGET, the path that a request to that host is led to; *.example.com = /* and :db.example.com = /:db take labels of the host over"},

	{Name{"csp", "showlist_enable"}, "true", Bool, 0, "send Content-Security-Policy with what functions of design documents answer"},
	{Name{"csp", "showlist_header_value"}, "sandbox", Text, 0, "the value of that header"},
	{Name{"csp", "attachments_enable"}, "true", Bool, 0, "send Content-Security-Policy with attachments, so that an attached web page cannot act on behalf of the person who opens it"},
	{Name{"csp", "attachments_header_value"}, "sandbox", Text, 0, "the value of that header"},

	{Name{"chttpd_auth", "authentication_db"}, "_users", DBName, Older, "database whose documents are the users. _users keeps its rules whatever this says"},
	{Name{"chttpd_auth", "secret"}, "", Text, Secret | Older, "key that signs session cookies; created at the first start; a new one ends all sessions"},
	{Name{"chttpd_auth", "authentication_redirect"}, "", Text, Older, "path of a page to log in, to which a 401 sends people who look at pages (Accept: text/html); empty: none, because there is no page at /_utils"},
	{Name{"chttpd_auth", "timeout"}, "600", Seconds, Older, "seconds for which a session cookie is valid"},
	{Name{"chttpd_auth", "allow_persistent_cookies"}, "true", Bool, Older, "a session outlives the browser; false: it ends with the browser"},
	{Name{"chttpd_auth", "same_site"}, "", OneOf("none", "lax", "strict"), Older, "SameSite attribute of the session cookie: none, lax or strict; empty: browsers decide"},
	{Name{"chttpd_auth", "cookie_domain"}, "", Text, Older, "Domain attribute of the session cookie; empty: the server's own"},
	{Name{"chttpd_auth", "hash_algorithms"}, "sha256, sha", List, Older | Given, "hash functions for session cookies and proxies' tokens: the first one signs, all are accepted; sha, sha224, sha256, sha384, sha512"},
	{Name{"chttpd_auth", "password_regexp"}, "", Text, Older, "expressions that new passwords of users must match, in Erlang's form: [\"EXPRESSION\", {\"EXPRESSION\", \"REASON\"}], with every backslash doubled; if it cannot be read, no new password is accepted"},
	{Name{"chttpd_auth", "password_scheme"}, "pbkdf2", OneOf("pbkdf2", "simple", "tododb-scrypt", "tododb-argon2id"), Older, "how users' new passwords are stored: pbkdf2, which CouchDB also understands, tododb-scrypt or tododb-argon2id; CouchDB's simple, one round of SHA-1, is accepted and means pbkdf2"},
	{Name{"chttpd_auth", "pbkdf2_prf"}, "sha256", OneOf("sha", "sha224", "sha256", "sha384", "sha512"), Older, "hash function of pbkdf2 for new passwords"},
	{Name{"chttpd_auth", "iterations"}, "600000", Count, Older, "iterations of pbkdf2 for new passwords"},
	{Name{"chttpd_auth", "min_iterations"}, "1", Count, Older, "users whose hash has fewer iterations cannot log in"},
	{Name{"chttpd_auth", "max_iterations"}, "10000000", Count, Older, "users whose hash has more iterations cannot log in: they would keep the server busy"},
	{Name{"chttpd_auth", "upgrade_hash_on_auth"}, "true", Bool, Older, "when users log in whose password was hashed another way, hash it again"},
	{Name{"chttpd_auth", "users_db_public"}, "false", Bool, Older, "let everybody who may use _users see the public_fields of all users"},
	{Name{"chttpd_auth", "public_fields"}, "", List, Older, "members of users' documents that others see, comma-separated; never passwords"},
	{Name{"chttpd_auth", "proxy_use_secret"}, "true", Bool, Older, "a proxy's headers count only with a token; false: they are believed without one"},
	{Name{"chttpd_auth", "x_auth_username"}, "X-Auth-CouchDB-UserName", Text, Older, "header in which a proxy names the user"},
	{Name{"chttpd_auth", "x_auth_roles"}, "X-Auth-CouchDB-Roles", Text, Older, "header in which a proxy gives the roles, comma-separated"},
	{Name{"chttpd_auth", "x_auth_token"}, "X-Auth-CouchDB-Token", Text, Older, "header with the proxy's token: the hex HMAC of the name under the secret"},
	{Name{"chttpd_auth", "require_valid_user"}, "false", Bool, Older, "the same as [chttpd] require_valid_user; setting one of them is enough"},

	{Name{"couch_httpd_auth", "authentication_db"}, "_users", DBName, Given, "used for [chttpd_auth] authentication_db while that is not set"},

	{Name{"ssl", "enable"}, "false", Bool, Restart, "also listen for HTTPS"},
	{Name{"ssl", "bind_address"}, "", Text, Restart, "address to listen on for HTTPS; empty: the one in [chttpd]"},
	{Name{"ssl", "port"}, "6984", Port, Restart, "port to listen on for HTTPS"},
	{Name{"ssl", "cert_file"}, "", Text, 0, "PEM file with the certificate, then the intermediate certificates; a changed file is read again within seconds"},
	{Name{"ssl", "key_file"}, "", Text, 0, "file with the certificate's key"},
	{Name{"ssl", "cacert_file"}, "", Text, 0, "file with the authorities that clients' certificates are checked against"},
	{Name{"ssl", "verify_ssl_certificates"}, "false", Bool, 0, "accept only clients that have a certificate from an authority in cacert_file"},

	{Name{"limits", "user_requests"}, "0", Rate, 0, "requests per second that one user may make, except administrators; 429 beyond it; 0: no limit"},
	{Name{"limits", "user_burst"}, "100", Count, 0, "requests that a user may make at once after being quiet"},
	{Name{"limits", "address_requests"}, "0", Rate, 0, "requests per second from one address, or one /64 network of IPv6; 429 beyond it; 0: no limit"},
	{Name{"limits", "address_burst"}, "200", Count, 0, "requests that may come at once from an address after it has been quiet"},
	{Name{"limits", "trusted_proxies"}, "", Nets, 0, "addresses and networks of proxies whose X-Forwarded-For says where a request comes from, and whose X-Forwarded-Host and -Proto say how the server is reached"},
	{Name{"limits", "feeds_per_user"}, "0", Number, 0, "waiting feeds that one user, or one address without a login, may have at once, except administrators; 429 beyond it; 0: no limit"},
	{Name{"limits", "header_timeout"}, "30", Seconds, Restart, "seconds that a client has to send the head of a request"},
	{Name{"limits", "idle_timeout"}, "300", Seconds, Restart, "seconds that a connection may stay open without a request"},
	{Name{"limits", "body_stall"}, "60", Wait, 0, "seconds within which the next part of a request's body must arrive; 408 beyond it; 0: no limit"},
	{Name{"limits", "bulk_docs"}, "1000000", Count, 0, "documents that one _bulk_docs may have; 413 beyond it, as soon as they have come, and nothing is written. It bounds how long one request writes: its answer comes when all is written"},
	{Name{"limits", "body_memory"}, "67108864", Size, 0, "bytes of memory, at least 16777216, for everything made from long request bodies and for large documents that are read, all together; what does not fit waits, bodies in files in the data folder"},
	{Name{"limits", "body_wait"}, "30", Seconds, 0, "seconds that a request waits for that memory; 503 after that"},
	{Name{"limits", "answer_stall"}, "60", Wait, 0, "seconds within which a client must read the next part of its answer, or it is disconnected; 0: no limit. A feed may wait longer for a change to report"},

	{Name{"chttpd_auth_lockout", "mode"}, "enforce", OneOf("enforce", "warn", "off"), 0, "after too many wrong passwords for a user from an address: enforce refuses the right password too, warn only logs it"},
	{Name{"chttpd_auth_lockout", "threshold"}, "5", Count, 0, "how many wrong passwords are too many"},
	{Name{"chttpd_auth_lockout", "max_objects"}, "10000", Count, 0, "pairs of user and address that are counted at once"},
	{Name{"chttpd_auth_lockout", "max_lifetime"}, "300000", Millis, 0, "milliseconds after which a count is forgotten"},

	{Name{"jwt_auth", "required_claims"}, "", Text, 0, "claims that a JWT must have, comma-separated: names, or {name, \"value\"} for a required value; exp if this is not set, and none if it is set to an empty value"},
	{Name{"jwt_auth", "roles_claim_name"}, "", Text, 0, "claim with the user's roles (_couchdb.roles)"},
	{Name{"jwt_auth", "roles_claim_path"}, "", Text, 0, "path to the roles instead: names separated by dots, a dot in a name as \\."},
	{Name{"jwt_keys", Any}, "", Text, Secret, "keys of JWTs: KIND:ID = key, where KIND is hmac (secret in base64), rsa, ec or eddsa (public key in PEM, lines joined by \\n); ID is the token's kid or _default"},

	{Name{"device_tokens", "lifetime"}, "86400", Seconds, 0, "seconds for which a device token is valid unless its owner says otherwise"},
	{Name{"device_tokens", "max_lifetime"}, "2592000", Seconds, 0, "the most that its owner may ask for"},

	{Name{"query_server_config", "reduce_limit"}, "true", OneOf("true", "false", "log"), Restart, "a reduce function whose result grows too fast fails its query; log: it is logged; false: neither"},
	{Name{"query_server_config", "os_process_limit"}, "50", Count, Restart, "processes that run design documents' functions at once; at least 8"},
	{Name{"query_server_config", "os_process_idle_limit"}, "300", Seconds, Restart, "seconds for which an unused process is kept"},
	{Name{"query_server_config", "os_process_memory_limit"}, "268435456", Size, Restart, "bytes of memory that one process may use; at least 64 MiB"},
	{Name{"query_server_config", "partition_query_limit"}, "576460752303423487", OrDefault(Rows), 0, "rows that one query of a partition, or of a partitioned view, returns at the most; a greater limit in a query is refused"},
	{Name{"query_server_config", "query_limit"}, "576460752303423487", OrDefault(Rows), 0, "the same for queries of other views"},
	{Name{"query_server_config", "os_process_memory_total"}, "1073741824", Size, Restart, "bytes of memory that all processes together may use"},

	{Name{"mango", "default_limit"}, "25", Number, 0, "documents that _find gives unless it says otherwise"},
	{Name{"mango", "index_scan_warning_threshold"}, "10", Number, 0, "documents looked at for each that matches, from which on _find warns; 0: never"},

	{Name{"purge", "max_document_id_number"}, "100", Count, 0, "documents that one _purge may name"},
	{Name{"purge", "max_revisions_number"}, "1000", Limit, 0, "revisions that one _purge may name, or infinity"},

	{Name{"vendor", Any}, "", Text, 0, "names of whoever distributes the server, shown by the welcome: name and version, unless they are set tododb and its version"},

	{Name{"couch_peruser", "enable"}, "false", Bool, 0, "create a database for each user"},
	{Name{"couch_peruser", "delete_dbs"}, "false", Bool, 0, "delete it with the user"},
	{Name{"couch_peruser", "database_prefix"}, "userdb-", Text, 0, "beginning of its name; the user's name in hex follows"},

	{Name{"admins", Any}, "", Text, Secret, "administrators: name = password; the server replaces the password by its hash"},

	{Name{"audit", "file"}, "", Text, Filed, "file that records who changed what and when, one line of JSON for each change, or stdout; empty: nothing is recorded"},
	{Name{"audit", "revisions"}, "false", Bool, Filed, "also record the new revisions of documents"},

	{Name{"opentelemetry", "endpoint"}, "", Text, Restart, "URL of a collector of traces, such as http://127.0.0.1:4318; empty: OTEL_EXPORTER_OTLP_ENDPOINT; if that is empty too, nothing is traced"},
	{Name{"opentelemetry", "sample_ratio"}, "1", Share, Restart, "share of the requests that are traced; a request that is part of a trace follows that trace's decision"},

	{Name{"uuids", "algorithm"}, "sequential", OneOf("random", "sequential", "utc_random", "utc_id", "uuid_v7"), 0, "how ids are made for documents that come without one, and by _uuids: random, sequential (neighbours on disk), utc_random or utc_id (they begin with the time), or uuid_v7"},
	{Name{"uuids", "utc_id_suffix"}, "", Text, 0, "end of the ids of utc_id; servers that replicate with each other need different ones"},
	{Name{"uuids", "max_count"}, "1000", Count, 0, "ids that _uuids gives at once"},

	{Name{"replicator", "max_jobs"}, "500", Count, 0, "replications that run at once; the others wait their turn"},
	{Name{"replicator", "interval"}, "60000", Count, 0, "milliseconds after which continuous replications make room for waiting ones"},
	{Name{"replicator", "max_churn"}, "20", Count, 0, "how many of them make room each time"},
	{Name{"replicator", "startup_jitter"}, "5000", OrDefault(Number), 0, "milliseconds over which the start of replications is spread when the server starts; 0: all start at once; what is no number is kept and means 5000, as in CouchDB"},
	{Name{"replicator", "max_history"}, "20", Count, 0, "events that are remembered for each replication"},
	{Name{"replicator", "checkpoint_interval"}, "30000", Count, 0, "milliseconds between two checkpoints, unless the replication sets its own"},
	{Name{"replicator", "worker_processes"}, "4", Count, 0, "batches that a replication has in progress at once"},
	{Name{"replicator", "worker_batch_size"}, "500", Count, 0, "changes in a batch"},
	{Name{"replicator", "http_connections"}, "20", Count, 0, "requests that a replication has in progress at a peer; limits worker_processes"},
	{Name{"replicator", "connection_timeout"}, "30000", Count, 0, "milliseconds that a peer may stay silent"},
	{Name{"replicator", "retries_per_request"}, "5", Count, 0, "how often a replication retries a request before it crashes"},
	{Name{"replicator", "allowed_networks"}, "", Nets, 0, "networks that replications may connect to even if a wider network is refused, and even if they contain link-local addresses or the addresses at which clouds give out credentials, which are otherwise refused to everybody; the narrowest network that contains an address decides"},
	{Name{"replicator", "refused_networks"}, "", Nets, 0, "networks that replications may not connect to, whether by name, redirect or address, except for administrators; 0.0.0.0/0, ::/0: all networks that are not allowed"},
	{Name{"replicator", "allowed_ports"}, "", Ports, 0, "the only ports that they may connect to; empty: all ports"},
	{Name{"replicator", "refused_ports"}, "", Ports, 0, "ports that they may not connect to"},
	{Name{"replicator", "verify_ssl_certificates"}, "true", Bool, Restart, "refuse peers whose certificate does not prove who they are; if false, anybody on the network path can read and change what is replicated"},
	{Name{"replicator", "ssl_trusted_certificates_file"}, "", Text, Restart, "PEM file with the certificates of further authorities to trust for peers, in addition to the system's"},
	{Name{"replicator", "update_docs"}, "false", Bool, 0, "also write the states triggered and error into documents of _replicator, not only completed and failed"},

	{Name{"log", "level"}, "info", Level, 0, "least level that is logged: debug, info, notice, warning, error, critical, alert, emergency or none, CouchDB's shorter words warn, err, crit and emerg, or its numbers from 1 (debug) to 9 (none); any other word is info"},
}
