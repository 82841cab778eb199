package httpapi

import (
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/httpapi/write"
)

// The table's words for who may (Rule tells what they mean).
const (
	anyone   = wire.Anyone
	user     = wire.User
	member   = wire.Member
	lister   = wire.Lister
	dbLister = wire.DBLister
	dbAdmin  = wire.DBAdmin
	figures  = wire.Metrics
	admin    = wire.Admin
	door     = wire.Door
	health   = wire.Health
)

// The table's words for which tokens may (Scope tells what they mean).
const (
	every   = wire.EveryToken
	readers = wire.Readers
	whole   = wire.WholeReaders
	writers = wire.Writers
)

// table lists every path that the server answers, with its methods in the words of CouchDB's
// header Allow. For each method it says whether it only asks or what it does in the words of
// the audit trail, who may use it, what answers, and which tokens of devices may use it: none
// unless the line says so. Lines are tried in order, so the busiest come first. Dots at the end
// of a path stand for any rest.
func (s *Server) table() []Route {
	documents := func(action string, get, change wire.Scope) []Verb {
		return []Verb{
			asks("GET", member, s.documents.Get).tokens(get),
			does("PUT", action, member, s.writing(s.documents.Put)).tokens(change),
			does("DELETE", action, member, s.writing(s.documents.Delete)).tokens(change),
			does("COPY", "write", member, s.writing(s.documents.Copy)).tokens(change), // to the id in Destination
			does("POST", action, member, s.writing(s.documents.PostForm)).tokens(change),
		}
	}
	attachments := func(action string, get, change wire.Scope) []Verb {
		return []Verb{
			asks("GET", member, s.documents.GetAttachment).tokens(get),
			does("PUT", action, member, s.writing(s.documents.PutAttachment)).tokens(change),
			does("DELETE", action, member, s.writing(s.documents.DeleteAttachment)).tokens(change),
		}
	}
	in := s.query.InPartition
	const (
		ofDocuments   = "DELETE,GET,HEAD,POST,PUT,COPY"
		ofAttachments = "DELETE,GET,HEAD,PUT"
	)
	s.toDocument, s.toAttachment = at("/{db}/{doc}", ofDocuments, documents("write", readers, writers)...), at("/{db}/{doc}/{att}", ofAttachments, attachments("write", readers, writers)...)

	return []Route{
		s.toDocument,
		at("/{db}/_bulk_docs", "POST", does("POST", "write", member, s.writing(s.documents.BulkDocs)).tokens(writers)),
		at("/{db}/_bulk_get", "POST", asks("POST", member, s.documents.BulkGet).tokens(readers)),
		at("/{db}/_changes...", "GET,POST,HEAD", asks("GET,POST", lister, s.changes.Changes).tokens(readers)),
		at("/{db}/_conflicts", "GET,HEAD", asks("GET", lister, s.changes.Conflicts).tokens(readers)),
		at("/{db}/_conflicts/{doc}", "GET,HEAD,POST", asks("GET", member, s.documents.GetConflict).tokens(readers), does("POST", "write", member, s.writing(s.documents.Resolve)).tokens(writers)),
		at("/{db}/_conflicts/_design/{ddoc}", "GET,HEAD,POST", asks("GET", member, s.documents.GetConflict).tokens(whole), does("POST", "design", member, s.writing(s.documents.Resolve))),
		at("/{db}/_snapshot", "GET,HEAD", asks("GET", lister, s.snapshots.Get).tokens(whole)),
		at("/{db}/_revs_diff", "POST", asks("POST", member, s.documents.RevsDiff).tokens(readers)),
		at("/{db}/_all_docs", "GET,HEAD,POST", asks("GET,POST", lister, s.query.AllDocs).tokens(readers)),
		at("/favicon.ico", "GET,HEAD", asks("GET", anyone, s.operate.Favicon)), // before the databases, because one could have this name
		at("/{db}", "DELETE,GET,HEAD,POST", asks("GET", member, s.operate.DatabaseInfo).tokens(readers), does("PUT", "create database", admin, s.operate.CreateDatabase), does("DELETE", "delete database", admin, s.operate.DeleteDatabase), does("POST", "write", member, s.writing(s.documents.Post)).tokens(writers)),
		at("/{db}/_local/{doc}", ofDocuments, asks("GET", member, s.documents.GetLocal).tokens(readers),
			does("PUT", unrecorded, member, s.writing(s.documents.PutLocal)).tokens(writers), does("DELETE", unrecorded, member, s.writing(s.documents.DeleteLocal)).tokens(writers),
			does("COPY", "write", member, s.writing(s.documents.CopyLocal)).tokens(writers), does("POST", unrecorded, member, s.documents.PostLocalForm).tokens(writers)),

		at("/{db}/_all_docs/queries", "POST", asks("POST", lister, s.query.AllDocsQueries).tokens(readers)),
		at("/{db}/_try_view", "POST", asks("POST", dbAdmin, s.query.TryView)),
		at("/{db}/_design_docs", "GET,HEAD,POST", asks("GET,POST", lister, s.query.DesignDocs).tokens(whole)),
		at("/{db}/_design_docs/queries", "POST", asks("POST", lister, s.query.DesignDocsQueries).tokens(whole)),
		at("/{db}/_local_docs", "GET,HEAD,POST", asks("GET,POST", lister, s.query.LocalDocs)),
		at("/{db}/_local_docs/queries", "POST", asks("POST", lister, s.query.LocalDocsQueries)),
		at("/{db}/_missing_revs", "POST", asks("POST", member, s.documents.MissingRevs).tokens(readers)),
		at("/{db}/_revs_limit", "PUT,GET", asks("GET", member, s.operate.RevsLimit), does("PUT", "database", dbAdmin, s.operate.SetRevsLimit)),
		at("/{db}/_auto_purge", "PUT,GET", asks("GET", member, s.operate.AutoPurge), does("PUT", "database", dbAdmin, s.operate.SetAutoPurge)),
		at("/{db}/_tombstones", "PUT,GET", asks("GET", dbAdmin, s.operate.Tombstones), does("PUT", "database", dbAdmin, s.operate.SetTombstones)),
		at("/{db}/_revivals", "GET", asks("GET", dbAdmin, s.operate.Revivals)),
		at("/{db}/_security", "PUT,GET", asks("GET", member, s.operate.Security).tokens(whole), does("PUT", "security", dbAdmin, s.operate.SetSecurity)),
		at("/{db}/_compact...", "POST", does("POST", "database", dbAdmin, s.operate.Compact)),
		at("/{db}/_ensure_full_commit", "POST", asks("POST", member, s.operate.EnsureFullCommit).tokens(readers)),
		at("/{db}/_shards", "GET", asks("GET", member, s.operate.Shards)),
		at("/{db}/_shards/{doc}", "GET", asks("GET", member, s.operate.ShardOf)),
		at("/{db}/_shards...", "GET"),
		at("/{db}/_sync_shards", "POST", asks("POST", admin, s.operate.SyncShards)),
		at("/{db}/_sync_shards...", "POST"),
		at("/{db}/_purge", "POST", does("POST", "database", admin, s.documents.Purge)),
		at("/{db}/_purged_infos_limit", "GET,PUT", asks("GET", member, s.operate.PurgedInfosLimit), does("PUT", "database", dbAdmin, s.operate.SetPurgedInfosLimit)),
		at("/{db}/_purged_infos", "GET", asks("GET", member, s.documents.PurgedInfos)),

		// Closed to tokens: a backup has everything.
		at("/{db}/_backup", "GET,HEAD,POST", does("GET", "backup", admin, s.backups.Backup), does("POST", "backup", admin, s.backups.Contents)),
		at("/{db}/_restore", "PUT", does("PUT", "restore", admin, s.backups.Restore)),

		at("/{db}/_design/{ddoc}", ofDocuments, documents("design", whole, wire.NoToken)...),
		at("/{db}/_design/{ddoc}/_view/{view}", "GET,POST,HEAD", asks("GET,POST", member, s.query.View).tokens(whole)),
		at("/{db}/_design/{ddoc}/_view/{view}/queries", "POST", asks("POST", member, s.query.ViewQueries).tokens(whole)),
		at("/{db}/_design/{ddoc}/_view...", "GET,POST,HEAD"),
		at("/{db}/_design/{ddoc}/_info...", "GET", asks("GET", member, s.query.DesignInfo).tokens(whole)),
		at("/{db}/_design/{ddoc}/_show...", "", asks("GET", member, s.query.Show).tokens(whole), asks("", member, s.query.Show)),
		at("/{db}/_design/{ddoc}/_update...", "", asks("GET", member, s.query.Update).tokens(whole), does("", "write", member, s.query.Update)),
		at("/{db}/_design/{ddoc}/_list...", "GET,POST,HEAD", asks("GET", member, s.query.List).tokens(whole), asks("POST", member, s.query.List)),
		// Closed to tokens, although the path that it leads to is judged too.
		at("/{db}/_design/{ddoc}/_rewrite...", "", does("", "write", member, s.query.Rewrite)),
		at("/{db}/_design/{ddoc}/_search...", "", asks("GET", member, s.unbuiltInDB).tokens(whole), asks("", member, s.unbuiltInDB)),
		at("/{db}/_design/{ddoc}/_search_info...", "", asks("GET", member, s.unbuiltInDB).tokens(whole), asks("", member, s.unbuiltInDB)),
		at("/{db}/_design/{ddoc}/_nouveau...", "", asks("GET", member, s.unbuiltInDB).tokens(whole), asks("", member, s.unbuiltInDB)),
		at("/{db}/_design/{ddoc}/_nouveau_info...", "", asks("GET", member, s.unbuiltInDB).tokens(whole), asks("", member, s.unbuiltInDB)),
		at("/{db}/_design/{ddoc}/{att}", ofAttachments, attachments("design", whole, wire.NoToken)...),

		at("/{db}/_find...", "POST", asks("POST", member, s.query.Find).tokens(readers)),
		at("/{db}/_explain...", "POST", asks("POST", member, s.query.Explain).tokens(whole)),
		at("/{db}/_index", "GET,POST", asks("GET", member, s.query.ListIndexes).tokens(whole), does("POST", "index", dbAdmin, s.query.CreateIndex)),
		at("/{db}/_index/_bulk_delete", "POST", does("POST", "index", dbAdmin, s.query.DeleteIndexes)),
		at("/{db}/_index/_design/{ddoc}/{type}/{index}", "DELETE", does("DELETE", "index", dbAdmin, s.query.DeleteIndex)),
		at("/{db}/_index/{ddoc}/{type}/{index}", "DELETE", does("DELETE", "index", dbAdmin, s.query.DeleteIndex)),
		at("/{db}/_index...", "", asks("GET", member, s.missingInDB).tokens(whole), does("", "index", member, s.missingInDB)),
		at("/{db}/_view_cleanup...", "POST", does("POST", "database", dbAdmin, s.query.ViewCleanup)),
		at("/{db}/_partition/{partition}", "GET", asks("GET", member, s.query.PartitionInfo).tokens(whole)),
		at("/{db}/_partition/{partition}/_all_docs", "GET,HEAD,POST", asks("GET,POST", lister, in(s.query.AllDocs)).tokens(readers)),
		at("/{db}/_partition/{partition}/_all_docs/queries", "POST", asks("POST", lister, in(s.query.AllDocsQueries)).tokens(readers)),
		at("/{db}/_partition/{partition}/_design/{ddoc}/_view/{view}", "GET,POST,HEAD", asks("GET,POST", member, in(s.query.View)).tokens(whole)),
		at("/{db}/_partition/{partition}/_design/{ddoc}/_view/{view}/queries", "POST", asks("POST", member, in(s.query.ViewQueries)).tokens(whole)),
		at("/{db}/_partition/{partition}/_design/{ddoc}/_info...", "GET", asks("GET", member, in(s.query.DesignInfo)).tokens(whole)),
		at("/{db}/_partition/{partition}/_design/{ddoc}/_show...", "GET,HEAD,POST", asks("GET", member, in(s.query.Show)).tokens(whole), asks("POST", member, in(s.query.Show))),
		at("/{db}/_partition/{partition}/_design/{ddoc}/_update...", "", asks("GET", member, in(s.query.Update)).tokens(whole), does("", "write", member, in(s.query.Update))),
		at("/{db}/_partition/{partition}/_design/{ddoc}/_list...", "GET,HEAD,POST", asks("GET", member, in(s.query.List)).tokens(whole), asks("POST", member, in(s.query.List))),
		at("/{db}/_partition/{partition}/_find...", "POST", asks("POST", member, in(s.query.Find)).tokens(readers)),
		at("/{db}/_partition/{partition}/_explain...", "POST", asks("POST", member, in(s.query.Explain)).tokens(whole)),
		at("/{db}/_partition/{partition}/_index", "GET,POST", asks("GET", member, in(s.query.ListIndexes)).tokens(whole), does("POST", "index", dbAdmin, in(s.query.CreateIndex))),
		at("/{db}/_partition/{partition}/_index/_bulk_delete", "POST", does("POST", "index", dbAdmin, in(s.query.DeleteIndexes))),
		at("/{db}/_partition/{partition}/_index/_design/{ddoc}/{type}/{index}", "DELETE", does("DELETE", "index", dbAdmin, in(s.query.DeleteIndex))),
		at("/{db}/_partition/{partition}/_index/{ddoc}/{type}/{index}", "DELETE", does("DELETE", "index", dbAdmin, in(s.query.DeleteIndex))),
		at("/{db}/_partition/{partition}...", "", asks("", member, in(s.missingInDB))),
		at("/{db}/_partition...", "", asks("", member, s.query.NoPartition).tokens(whole)),
		at("/{db}/_temp_view...", "", asks("", anyone, s.tempView)),
		at("/{db}/_synchronizations", "GET,HEAD,POST", asks("GET", dbAdmin, s.replications.ListSynchronizations), does("POST", "replication", dbAdmin, s.replications.CreateSynchronization)),
		at("/{db}/_synchronizations/{id}", "DELETE,GET,HEAD,PUT", asks("GET", dbAdmin, s.replications.GetSynchronization), does("PUT", "replication", dbAdmin, s.replications.ChangeSynchronization), does("DELETE", "replication", dbAdmin, s.replications.DeleteSynchronization)),
		at("/{db}/{name}...", "", does("", "write", member, s.unknownInDB)),
		s.toAttachment,

		at("/", "GET,HEAD", asks("GET", anyone, s.operate.Welcome).tokens(every)),
		always(at("/_up...", "GET,HEAD", asks("GET", health, s.operate.Up).tokens(every))),
		everyHost(always(at("/_session/tokens", "GET,HEAD,POST", asks("GET", user, s.account.ListTokens), does("POST", "token", user, s.account.IssueToken)))),
		everyHost(always(at("/_session/tokens/{token}", "DELETE", does("DELETE", "token", user, s.account.RevokeToken)))),
		everyHost(always(at("/_session", "GET,HEAD,POST,DELETE", asks("GET", door, s.account.Session).tokens(every), does("POST", "login", door, s.account.Login), does("DELETE", "logout", door, s.account.Logout).tokens(every)))),
		everyHost(always(at("/_session...", "GET,HEAD,POST,DELETE", asks("GET", anyone, s.account.Session), does("POST", "login", anyone, s.account.Login), does("DELETE", "logout", anyone, s.account.Logout)))),
		at("/_all_dbs...", "GET,HEAD", asks("GET", dbLister, s.operate.AllDBs)),
		at("/_dbs_info...", "GET,HEAD,POST", asks("GET,POST", dbLister, s.operate.DBsInfo)),
		everyHost(at("/_uuids...", "GET", asks("GET", anyone, s.operate.UUIDs).tokens(every))),
		at("/_backup", "GET,HEAD", does("GET", "backup", admin, s.backups.Server)),
		at("/_restore", "PUT", does("PUT", "restore", admin, s.backups.RestoreServer)),
		at("/_synchronizations/_backup", "GET,HEAD,POST", does("GET", "backup", admin, s.backups.Backup), does("POST", "backup", admin, s.backups.Contents)),
		at("/_synchronizations/_restore", "PUT", does("PUT", "restore", admin, s.backups.Restore)),
		at("/_active_tasks...", "GET,HEAD", asks("GET", admin, s.replications.ActiveTasks)),
		at("/_backups", "GET,HEAD,POST", asks("GET", admin, s.operate.Backups), does("POST", "server", admin, s.operate.StartBackup)),
		at("/_backups/_all", "GET,HEAD", asks("GET", admin, s.backups.List)),
		at("/_backups/_restores", "GET,HEAD", asks("GET", admin, s.backups.ListRestores)),
		at("/_backups/_restores/{id}", "GET,HEAD,DELETE", asks("GET", admin, s.backups.GetRestore), does("DELETE", "restore", admin, s.backups.StopRestore)),
		at("/_backups/{id}", "GET,HEAD", asks("GET", admin, s.backups.Show)),
		at("/_backups/{id}/_restore", "POST", does("POST", "restore", admin, s.backups.StartRestore)),
		at("/_backups/{id}/{name}", "GET,HEAD", asks("GET", admin, s.backups.Documents)),
		at("/_backups/{id}/{name}/{doc}", "GET,HEAD", asks("GET", admin, s.backups.Document)),
		at("/_backups/{id}/{name}/_design/{doc}", "GET,HEAD", asks("GET", admin, s.backups.DesignDocument)),
		at("/_db_updates...", "GET,HEAD", asks("GET", admin, s.changes.DBUpdates)),
		at("/_membership...", "GET", asks("GET", admin, s.operate.Membership)),
		// Closed to tokens: a replication has all the rights of the token's owner.
		at("/_replicate/_check", "POST", does("POST", "replication", user, s.replications.Check)),
		at("/_replicate...", "", does("", "replication", user, s.replications.Replicate)),
		at("/_reload_query_servers...", "POST", does("POST", "server", admin, s.operate.ReloadQueryServers)),

		at("/_node", "", asks("", admin, s.operate.NoNode)),
		first(s.operate.IsHere, at("/_node/{node}", "GET", asks("GET", admin, s.operate.Node))),
		first(s.operate.IsHere, at("/_node/{node}/_versions", "GET", asks("GET", admin, s.operate.Versions))),
		first(s.operate.IsHere, always(at("/_node/{node}/_config", "GET", asks("GET", admin, s.operate.ConfigAll)))),
		first(s.operate.IsHere, always(at("/_node/{node}/_config/_reload", "POST", does("POST", "configuration", admin, s.operate.ReloadConfig)))),
		first(s.operate.IsHere, always(at("/_node/{node}/_config/{section}", "GET", asks("GET", admin, s.operate.ConfigSection)))),
		first(s.operate.IsHere, always(at("/_node/{node}/_config/{section}/{key}", "GET,PUT,DELETE", asks("GET", admin, s.operate.ConfigValue), does("PUT", "configuration", admin, s.operate.SetConfigValue), does("DELETE", "configuration", admin, s.operate.DeleteConfigValue)))),
		first(s.operate.IsHere, always(at("/_node/{node}/_config/{section}/{key}...", "", does("", "configuration", admin, s.operate.NoConfig)))),
		first(s.operate.IsHere, at("/_node/{node}/_stats...", "GET", asks("GET", figures, s.operate.Stats))),
		first(s.operate.IsHere, at("/_node/{node}/_system", "GET", asks("GET", figures, s.operate.System))),
		first(s.operate.IsHere, at("/_node/{node}/_smoosh/status", "GET", asks("GET", admin, s.operate.SmooshStatus))),
		first(s.operate.MayBe, at("/_node/{node}/_history", "GET", asks("GET", figures, s.operate.History))),
		first(s.operate.MayBe, at("/_node/{node}/_log", "GET", asks("GET", admin, s.operate.Log))),
		first(s.operate.IsHere, at("/_node/{node}/_doctor", "GET", asks("GET", admin, s.operate.Doctor))),
		first(s.operate.IsHere, at("/_node/{node}/_settings", "GET", asks("GET", admin, s.operate.Settings))),
		first(s.operate.IsHere, at("/_node/{node}/_prometheus", "GET", asks("GET", figures, s.operate.Prometheus))),
		first(s.operate.IsHere, at("/_node/{node}...", "", does("", "server", admin, s.unbuiltForAdmin))),
		at("/_cluster_setup", "GET,POST", asks("GET", admin, s.operate.ClusterState), does("POST", "configuration", admin, s.operate.ClusterSetup)),

		at("/_snapshot.js", "GET,HEAD", asks("GET", anyone, s.snapshots.Module).tokens(every)),
		everyHost(at("/_utils...", "GET,HEAD", asks("GET", door, s.page.Serve))),
		at("/_scheduler/synchronizations", "GET,HEAD", asks("GET", admin, s.replications.AllSynchronizations)),
		at("/_scheduler/jobs/{id}/_retry", "POST", does("POST", "replication", admin, s.replications.RetryJob)),
		at("/_scheduler/jobs...", "GET,HEAD", asks("GET", admin, s.replications.SchedulerJobs)),
		at("/_scheduler/docs...", "GET,HEAD", asks("GET", admin, s.replications.SchedulerDocs)),
		at("/_scheduler...", "GET,HEAD", asks("GET", anyone, s.replications.NoScheduler)),
		at("/_search_analyze...", "", asks("", admin, s.unbuiltForAdmin)),
		at("/_nouveau_analyze...", "", asks("", admin, s.unbuiltForAdmin)),
		at("/_reshard", "GET,HEAD", asks("GET", admin, s.operate.Resharding)),
		at("/_reshard/state", "GET,HEAD,PUT", asks("GET", admin, s.operate.ReshardingState), does("PUT", "server", admin, s.operate.SetReshardingState)),
		at("/_reshard/jobs", "GET,HEAD,POST", asks("GET", admin, s.operate.ReshardJobs), does("POST", "server", admin, s.operate.StartReshardJob)),
		at("/_reshard/jobs/{job}", "GET,HEAD,DELETE", asks("GET", admin, s.operate.ReshardJob), does("DELETE", "server", admin, s.operate.ReshardJob)),
		at("/_reshard/jobs/{job}/state", "GET,HEAD,PUT", asks("GET", admin, s.operate.ReshardJob), does("PUT", "server", admin, s.operate.SetReshardJobState)),
		at("/_prometheus...", "", does("", "server", admin, s.unbuiltForAdmin)),
		at("/_metrics...", "", does("", "server", admin, s.unbuiltForAdmin)),
		at("/{name}...", "", does("", "server", admin, s.unknownOnServer)),
	}
}

// writing wraps a handler that writes documents.
func (s *Server) writing(h wire.Handler) wire.Handler { return write.Handler(s.access, h) }
