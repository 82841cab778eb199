package config

import (
	"strings"
	"testing"
)

// ofCouchDB has the settings that CouchDB 3.5's own file and manual name.
const ofCouchDB = `
vendor: name version
couchdb: uuid database_dir view_index_dir util_driver_dir plugin_dir os_process_timeout max_dbs_open file_compression attachment_stream_buffer_size default_security btree_chunk_size maintenance_mode stem_interactive_updates uri_file changes_doc_ids_optimization_threshold max_document_id_length max_document_size max_attachment_size update_lru_on_read default_engine enable_database_recovery max_partition_size single_node users_db_security_editable attachment_writer_timeout compaction_log_level write_xxhash_checksums js_engine use_cfile cfile_skip_ioq users_db_suffix
purge: max_document_id_number max_revisions_number index_lag_warn_seconds
couchdb_engines: couch
process_priority: couch_server
cluster: q n placement seedlist reconnect_interval_sec
chttpd: port bind_address socket_options server_options backlog require_valid_user require_valid_user_except_for_up prefer_minimal max_db_number_for_dbs_info_req buffer_response authentication_handlers admin_only_all_dbs secure_rewrites allow_jsonp enable_cors enable_xframe_options max_uri_length changes_timeout config_whitelist rewrite_limit x_forwarded_host x_forwarded_proto x_forwarded_ssl max_http_request_size decode_plus_to_space bulk_get_use_batches server_header_versions disconnect_check_msec disconnect_check_jitter_msec scrub_json_request
jwt_auth: required_claims roles_claim_name roles_claim_path
jwt_keys: hmac:_default
couch_peruser: enable delete_dbs q database_prefix
httpd: port bind_address authentication_handlers server_options socket_options secure_rewrites allow_jsonp enable_cors enable_xframe_options max_uri_length changes_timeout config_whitelist rewrite_limit x_forwarded_host x_forwarded_proto x_forwarded_ssl max_http_request_size
ssl: enable port cert_file key_file password cacert_file ssl_certificate_max_depth verify_fun verify_ssl_certificates fail_if_no_peer_cert secure_renegotiate ciphers tls_versions
chttpd_auth: authentication_db authentication_redirect timeout auth_cache_size allow_persistent_cookies iterations min_iterations max_iterations password_scheme pbkdf2_prf upgrade_hash_on_auth password_regexp proxy_use_secret public_fields secret users_db_public cookie_domain same_site hash_algorithms x_auth_roles x_auth_token x_auth_username
chttpd_auth_cache: max_lifetime max_objects max_size
mem3: nodes_db shard_cache_size shards_db sync_concurrency replicate_purges
fabric: all_docs_concurrency changes_duration shard_timeout_factor uuid_prefix_len request_timeout view_timeout
rexi: buffer_count stream_limit use_kill_all
global_changes: max_event_delay max_write_delay update_db
view_updater: min_writer_items min_writer_size
couch_httpd_auth: authentication_db timeout secret iterations public_fields
csp: utils_enable utils_header_value attachments_enable attachments_header_value showlist_enable showlist_header_value enable header_value
cors: credentials origins headers methods max_age
ddoc_cache: max_size refresh_timeout
x_frame_options: same_origin hosts
native_query_servers: enable_erlang_query_server
query_server_config: commit_freq reduce_limit os_process_limit os_process_idle_limit os_process_soft_limit group_info_timeout query_limit partition_query_limit db_tag
mango: index_all_disabled default_limit index_scan_warning_threshold
indexers: couch_mrview
feature_flags: partitioned||*
uuids: algorithm utc_id_suffix max_count
attachments: compression_level compressible_types
replicator: startup_jitter max_jobs interval max_churn max_history update_docs worker_processes worker_batch_size http_connections connection_timeout request_timeout retries_per_request use_checkpoints use_bulk_get checkpoint_interval socket_options valid_socket_options valid_endpoint_protocols valid_endpoint_protocols_log verify_ssl_certificates_log valid_proxy_protocols cert_file key_file password verify_ssl_certificates ssl_trusted_certificates_file ssl_certificate_max_depth max_document_id_length missing_doc_retry_msec cluster_start_period auth_plugins session_refresh_interval_sec usage_coeff priority_coeff
replicator.shares: _replicator
log: level max_message_size strip_last_msg filter_fields writer file write_buffer write_delay syslog_host syslog_port syslog_appid syslog_facility
stats: interval
smoosh: db_channels view_channels cleanup_channels staleness wait_secs state_dir compaction_log_level persist cleanup_index_files
smoosh.ratio_dbs: priority min_priority max_priority min_size max_size min_changes concurrency capacity from to strict_window
smoosh.upgrade_dbs: priority min_priority
smoosh.index_cleanup: concurrency capacity from to
smoosh.ignore: db
smoosh.myown: priority min_priority max_size from strict_window
smoosh.ratio_views: priority min_priority
smoosh.slack_dbs: priority min_priority
smoosh.slack_views: priority min_priority
ken: batch_channels incremental_channels limit
ioq: concurrency ratio
ioq.bypass: os_process read write view_update shard_sync compaction
dreyfus: name retry_limit limit max_limit
nouveau: enable url
reshard: max_jobs max_history
prometheus: additional_port bind_address port interval
view_upgrade: compact_on_collator_upgrade commit_on_header_upgrade
custodian: use_cluster_n_as_expected_n
disk_monitor: enable background_view_indexing_threshold interactive_view_indexing_threshold interactive_database_writes_threshold
couch_passwords_cache: max_objects max_idle enable
quickjs: memory_limit_bytes
couch_scanner: interval_sec
couch_scanner_plugins: couch_scanner_plugin_find
couch_scanner_plugin_find: debug
couch_scanner_plugin_ddoc_features: updates
couch_quickjs_scanner_plugin: max_ddocs
chttpd_auth_lockout: mode threshold max_objects max_lifetime
off_heap_mqd: couch_server
vhosts: example.com
admins: anna
`

// The manual says of each of CouchDB's settings what becomes of it.
func TestCouchDBsSettingsAreKnown(t *testing.T) {
	for line := range strings.Lines(strings.TrimSpace(ofCouchDB)) {
		section, names, _ := strings.Cut(strings.TrimSpace(line), ": ")
		for name := range strings.FieldsSeq(names) {
			if _, known := lookup(Name{section, name}); !known {
				t.Errorf("nothing is said of [%s] %s", section, name)
			}
		}
	}
}
