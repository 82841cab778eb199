package config

// settings is the table of all settings: section and name as CouchDB has them where it
// has them, the default, what values look like, what is special, and the meaning.
//
// To add a setting, add a row, read it where it counts with the getter of its kind, and
// run "make docs", which writes docs/configuration.md. The reader must see changes:
// either it calls the getter each time (they are cheap: a map and a number), or it
// keeps a copy and renews it in a function given to Config.Watch, as httpapi does in
// Server.configure. A setting that cannot change while the server runs has the trait
// Restart.
var settings = []Setting{
	{Name{"couchdb", "uuid"}, "", Text, Restart, "identity of the server; made at the first start and then kept, because clients build their checkpoints on it"},
	{Name{"couchdb", "max_document_size"}, "8000000", Size, 0, "bytes of JSON that one document may have, its attachments and other special members aside"},
	{Name{"couchdb", "max_attachment_size"}, "infinity", Limit, 0, "bytes that one attachment may have, or infinity"},
	{Name{"couchdb", "max_dbs_open"}, "500", Count, 0, "databases kept open at once; others are opened when they are asked for"},
	{Name{"couchdb", "os_process_timeout"}, "5000", Millis, Restart, "milliseconds that one call of a function of a design document may take"},
	{Name{"couchdb", "users_db_security_editable"}, "false", Bool, 0, "the security object of _users may be changed, which lets others in than administrators"},
	{Name{"couchdb", "single_node"}, "true", Bool, Inert, "a server is always a node by itself"},

	{Name{"cluster", "q"}, "1", Count, Inert, "a database is one piece"},
	{Name{"cluster", "n"}, "1", Count, Inert, "a database is kept once"},

	{Name{"chttpd", "bind_address"}, "127.0.0.1", Text, Restart, "address to listen on; 0.0.0.0, :: or any for every interface"},
	{Name{"chttpd", "port"}, "5984", Port, Restart, "port to listen on; 0 for any free one"},
	{Name{"chttpd", "max_http_request_size"}, "4294967296", Size, 0, "bytes that the body of one request may have, after decompression"},
	{Name{"chttpd", "enable_cors"}, "false", Bool, 0, "answer web pages of other origins, as [cors] says"},
	{Name{"chttpd", "authentication_handlers"}, "{chttpd_auth, cookie_authentication_handler}, {chttpd_auth, default_authentication_handler}", Ways, 0, "how to find out who asks, in this order: cookie, default (Basic), proxy, jwt; tokens of devices are always taken"},
	{Name{"chttpd", "require_valid_user"}, "false", Bool, 0, "nothing is answered to who has not proved who he is, not even the welcome"},
	{Name{"chttpd", "require_valid_user_except_for_up"}, "false", Bool, 0, "the same, but for /_up"},

	{Name{"chttpd", "WWW-Authenticate"}, "", Text, 0, "header of that name to send with 401, such as Basic realm=\"tododb\"; browsers then ask for a password"},

	{Name{"httpd", "enable_cors"}, "false", Bool, 0, "what [chttpd] enable_cors is while that is not set"},
	{Name{"httpd", "WWW-Authenticate"}, "", Text, 0, "what [chttpd] WWW-Authenticate is while that is not set"},

	{Name{"cors", "origins"}, "", List, 0, "origins that may ask, comma-separated, or *"},
	{Name{"cors", "credentials"}, "false", Bool, 0, "those origins may send cookies and credentials"},
	{Name{"cors", "headers"}, "", List, 0, "request headers that they may send besides the usual ones, comma-separated"},
	{Name{"cors", "methods"}, "", List, 0, "methods that they may use, comma-separated; none given: all that the API has"},
	{Name{"cors", "max_age"}, "600", Seconds, 0, "seconds for which a browser may remember the answer to a preflight request"},

	{Name{"csp", "attachments_enable"}, "true", Bool, 0, "send Content-Security-Policy with attachments, so that a page which is one cannot act for who looks at it"},
	{Name{"csp", "attachments_header_value"}, "sandbox", Text, 0, "the value of that header"},

	{Name{"chttpd_auth", "secret"}, "", Text, Secret, "key that signs session cookies; made at the first start; a new one ends all sessions"},
	{Name{"chttpd_auth", "timeout"}, "600", Seconds, 0, "seconds that a session cookie is good for"},
	{Name{"chttpd_auth", "allow_persistent_cookies"}, "true", Bool, 0, "a session outlives the browser; false: it ends with it"},
	{Name{"chttpd_auth", "same_site"}, "", OneOf("none", "lax", "strict"), 0, "SameSite attribute of the session cookie: none, lax or strict; empty: browsers decide"},
	{Name{"chttpd_auth", "cookie_domain"}, "", Text, 0, "Domain attribute of the session cookie; empty: the server's own"},
	{Name{"chttpd_auth", "hash_algorithms"}, "sha256, sha", List, 0, "hash functions of session cookies and tokens of proxies: the first signs, all are taken; sha, sha224, sha256, sha384, sha512"},
	{Name{"chttpd_auth", "password_scheme"}, "pbkdf2", OneOf("pbkdf2", "simple", "tododb-scrypt", "tododb-argon2id"), 0, "how new passwords of users are stored: pbkdf2, which CouchDB knows too, tododb-scrypt or tododb-argon2id; CouchDB's simple, one round of SHA-1, is taken and means pbkdf2"},
	{Name{"chttpd_auth", "pbkdf2_prf"}, "sha256", OneOf("sha", "sha224", "sha256", "sha384", "sha512"), 0, "hash function of pbkdf2 for new passwords"},
	{Name{"chttpd_auth", "iterations"}, "600000", Count, 0, "iterations of pbkdf2 for new passwords"},
	{Name{"chttpd_auth", "min_iterations"}, "1", Count, 0, "nobody logs in whose hash has fewer iterations"},
	{Name{"chttpd_auth", "max_iterations"}, "10000000", Count, 0, "nobody logs in whose hash has more iterations: they would keep the server busy"},
	{Name{"chttpd_auth", "upgrade_hash_on_auth"}, "true", Bool, 0, "store the password of a user who logs in anew when its hash was made another way"},
	{Name{"chttpd_auth", "users_db_public"}, "false", Bool, 0, "let who may use _users see the public_fields of all users"},
	{Name{"chttpd_auth", "public_fields"}, "", List, 0, "members of users' documents that others see, comma-separated; never passwords"},
	{Name{"chttpd_auth", "proxy_use_secret"}, "true", Bool, 0, "headers of a proxy count only with a token; false: they are believed as they come"},
	{Name{"chttpd_auth", "x_auth_username"}, "X-Auth-CouchDB-UserName", Text, 0, "header in which a proxy names the user"},
	{Name{"chttpd_auth", "x_auth_roles"}, "X-Auth-CouchDB-Roles", Text, 0, "header in which a proxy gives the roles, comma-separated"},
	{Name{"chttpd_auth", "x_auth_token"}, "X-Auth-CouchDB-Token", Text, 0, "header with the token of a proxy: the hex HMAC of the name under the secret"},
	{Name{"chttpd_auth", "require_valid_user"}, "false", Bool, 0, "the same as [chttpd] require_valid_user; either will do"},

	{Name{"ssl", "enable"}, "false", Bool, Restart, "listen for HTTPS too"},
	{Name{"ssl", "bind_address"}, "", Text, Restart, "address to listen on for HTTPS; none given: that of [chttpd]"},
	{Name{"ssl", "port"}, "6984", Port, Restart, "port to listen on for HTTPS"},
	{Name{"ssl", "cert_file"}, "", Text, 0, "file with the certificate in PEM, then those that lead to its root; a changed file is read again within seconds"},
	{Name{"ssl", "key_file"}, "", Text, 0, "file with the key of the certificate"},
	{Name{"ssl", "cacert_file"}, "", Text, 0, "file with the authorities that clients' certificates are checked by"},
	{Name{"ssl", "verify_ssl_certificates"}, "false", Bool, 0, "take only clients that have a certificate by an authority of cacert_file"},

	{Name{"limits", "user_requests"}, "0", Rate, 0, "requests a second that one user may make, administrators excepted; 429 beyond it; 0: any number"},
	{Name{"limits", "user_burst"}, "100", Count, 0, "requests that a user who has been quiet may make at once"},
	{Name{"limits", "address_requests"}, "0", Rate, 0, "requests a second that may come from one address, or one /64 network of IPv6; 429 beyond it; 0: any number"},
	{Name{"limits", "address_burst"}, "200", Count, 0, "requests that may come at once from an address that has been quiet"},
	{Name{"limits", "trusted_proxies"}, "", Nets, 0, "addresses and networks of proxies whose X-Forwarded-For says where a request comes from, and whose X-Forwarded-Host and -Proto say how the server is reached"},
	{Name{"limits", "feeds_per_user"}, "0", Number, 0, "feeds that one user, or one address of anonymous ones, may have waiting at once, administrators excepted; 429 beyond it; 0: any number"},
	{Name{"limits", "header_timeout"}, "30", Seconds, Restart, "seconds to send the head of a request"},
	{Name{"limits", "idle_timeout"}, "300", Seconds, Restart, "seconds that a connection may be without a request"},
	{Name{"limits", "body_stall"}, "60", Wait, 0, "seconds in which something of a request's body must come; 408 beyond it; 0: any time"},
	{Name{"limits", "body_memory"}, "67108864", Size, 0, "bytes of memory, at least 16777216, that all long bodies of requests, what is made of them, and large documents that are read may take at once; what does not fit in waits, bodies in files in the data folder"},
	{Name{"limits", "body_wait"}, "30", Seconds, 0, "seconds that a request waits for that memory; 503 beyond it"},
	{Name{"limits", "answer_stall"}, "60", Wait, 0, "seconds in which a client must take something of its answer, or it is cut off; 0: any time. A feed may wait longer for what it tells of"},

	{Name{"chttpd_auth_lockout", "mode"}, "enforce", OneOf("enforce", "warn", "off"), 0, "after too many wrong passwords for a user from an address: enforce refuses the right one too, warn writes it to the log"},
	{Name{"chttpd_auth_lockout", "threshold"}, "5", Count, 0, "how many wrong passwords are too many"},
	{Name{"chttpd_auth_lockout", "max_objects"}, "10000", Count, 0, "users and addresses that are counted at once"},
	{Name{"chttpd_auth_lockout", "max_lifetime"}, "300000", Millis, 0, "milliseconds after which a count is forgotten"},

	{Name{"jwt_auth", "required_claims"}, "", Text, 0, "claims that a JWT must have, comma-separated: names, and {name, \"value\"} for one that must have a value; exp if nothing is set, and none if it is set to nothing"},
	{Name{"jwt_auth", "roles_claim_name"}, "", Text, 0, "claim with the user's roles (_couchdb.roles)"},
	{Name{"jwt_auth", "roles_claim_path"}, "", Text, 0, "path to the roles instead: names with dots between, a dot in a name as \\."},
	{Name{"jwt_keys", Any}, "", Text, Secret, "keys of JWTs: KIND:ID = key, where KIND is hmac (secret in base64), rsa, ec or eddsa (public key in PEM, lines joined by \\n); ID is the token's kid or _default"},

	{Name{"device_tokens", "lifetime"}, "86400", Seconds, 0, "seconds that the token of a device is good for unless its owner says so"},
	{Name{"device_tokens", "max_lifetime"}, "2592000", Seconds, 0, "the most that the owner may say"},

	{Name{"query_server_config", "os_process_limit"}, "50", Count, Restart, "processes that run functions of design documents, at once; 8 at the least"},
	{Name{"query_server_config", "os_process_idle_limit"}, "300", Seconds, Restart, "seconds for which such a process is kept that nobody asks for"},
	{Name{"query_server_config", "os_process_memory_limit"}, "268435456", Size, Restart, "bytes of memory that one of them may have; 64 MiB at the least"},
	{Name{"query_server_config", "os_process_memory_total"}, "1073741824", Size, Restart, "bytes of memory that they may have all together"},

	{Name{"couch_peruser", "enable"}, "false", Bool, 0, "make a database for each user"},
	{Name{"couch_peruser", "delete_dbs"}, "false", Bool, 0, "delete it with the user"},
	{Name{"couch_peruser", "database_prefix"}, "userdb-", Text, 0, "what its name begins with; the user's name in hex follows"},
	{Name{"couch_peruser", "q"}, "1", Count, Inert, "a database is one piece"},
	{Name{"couch_peruser", "n"}, "1", Count, Inert, "a database is kept once"},

	{Name{"admins", Any}, "", Text, Secret, "administrators: name = password, which the server replaces by its hash"},

	{Name{"audit", "file"}, "", Text, Filed, "file that tells who changed what and when, a line of JSON for each change, or stdout; none given: nothing is recorded"},
	{Name{"audit", "revisions"}, "false", Bool, Filed, "name in it the revisions that documents got"},

	{Name{"opentelemetry", "endpoint"}, "", Text, Restart, "URL of a collector of traces, http://127.0.0.1:4318 for one; none given: that of OTEL_EXPORTER_OTLP_ENDPOINT; none there either: nothing is traced"},
	{Name{"opentelemetry", "sample_ratio"}, "1", Share, Restart, "share of the requests that are traced; one that comes within a trace goes by that"},

	{Name{"replicator", "max_jobs"}, "500", Count, 0, "replications that run at once; the others wait for their turn"},
	{Name{"replicator", "interval"}, "60000", Count, 0, "milliseconds after which continuous replications make room for those that wait"},
	{Name{"replicator", "max_churn"}, "20", Count, 0, "how many of them at a time"},
	{Name{"replicator", "startup_jitter"}, "5000", Number, 0, "milliseconds over which replications are spread after a start of the server; 0: they begin at once"},
	{Name{"replicator", "max_history"}, "20", Count, 0, "events that are remembered of a replication"},
	{Name{"replicator", "checkpoint_interval"}, "30000", Count, 0, "milliseconds between two checkpoints of a replication that does not say"},
	{Name{"replicator", "worker_processes"}, "4", Count, 0, "batches that it has under way at once"},
	{Name{"replicator", "worker_batch_size"}, "500", Count, 0, "changes in a batch"},
	{Name{"replicator", "http_connections"}, "20", Count, 0, "requests that it has under way at a peer; bounds worker_processes"},
	{Name{"replicator", "connection_timeout"}, "30000", Count, 0, "milliseconds for which a peer may say nothing"},
	{Name{"replicator", "retries_per_request"}, "5", Count, 0, "how often it tries a request again before it crashes"},
	{Name{"replicator", "allowed_networks"}, "", Nets, 0, "networks that replications may connect to, also where a wider one is refused, and where link-local addresses and those by which clouds give out credentials are refused to everybody; the narrowest network that an address is in decides"},
	{Name{"replicator", "refused_networks"}, "", Nets, 0, "networks that replications of others than administrators may not connect to, by name, redirect or address; 0.0.0.0/0, ::/0 for all that are not allowed"},
	{Name{"replicator", "allowed_ports"}, "", Ports, 0, "the only ports that they may connect to; none given: all"},
	{Name{"replicator", "refused_ports"}, "", Ports, 0, "ports that they may not connect to"},
	{Name{"replicator", "verify_ssl_certificates"}, "true", Bool, Restart, "refuse peers whose certificate does not prove who they are; without, anybody on the way can read and change what is replicated"},
	{Name{"replicator", "ssl_trusted_certificates_file"}, "", Text, Restart, "file of certificates, in PEM, of authorities to trust for peers beside those of the system"},
	{Name{"replicator", "update_docs"}, "false", Bool, 0, "write the states triggered and error into documents of _replicator too, not only completed and failed"},

	{Name{"log", "level"}, "info", Level, 0, "least level that is logged: debug, info, notice, warning, error, critical, alert, emergency or none, CouchDB's shorter words warn, err, crit and emerg, or its numbers from 1 (debug) to 9 (none); any other word is info"},
}
