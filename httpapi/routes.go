package httpapi

import (
	"net/http"
	"strings"

	"github.com/gorilla/mux"

	"github.com/tododb/tododb/httpapi/operate"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/httpapi/write"
)

// The table's words for who may (Rule tells what they mean).
const (
	anyone  = wire.Anyone
	user    = wire.User
	member  = wire.Member
	lister  = wire.Lister
	dbAdmin = wire.DBAdmin
	figures = wire.Metrics
	admin   = wire.Admin
)

// table lists every path that the server answers, with its methods in the words of CouchDB's
// header Allow, and for each method who may use it and what answers. Lines are tried in order,
// so the busiest come first. Dots at the end of a path stand for whatever follows.
func (s *Server) table() []Route {
	documents := []Verb{
		on("GET", member, s.documents.Get), on("PUT", member, s.writing(s.documents.Put)), on("DELETE", member, s.writing(s.documents.Delete)),
		on("COPY", member, s.writing(s.documents.Copy)), on("POST", member, s.documents.PostForm),
	}
	attachments := []Verb{
		on("GET", member, s.documents.GetAttachment), on("PUT", member, s.writing(s.documents.PutAttachment)), on("DELETE", member, s.writing(s.documents.DeleteAttachment)),
	}
	const (
		ofDocuments   = "DELETE,GET,HEAD,POST,PUT,COPY"
		ofAttachments = "DELETE,GET,HEAD,PUT"
	)
	s.toDocument, s.toAttachment = at("/{db}/{doc}", ofDocuments, documents...), at("/{db}/{doc}/{att}", ofAttachments, attachments...)

	return []Route{
		s.toDocument,
		at("/{db}/_bulk_docs...", "POST", on("POST", member, s.writing(s.documents.BulkDocs))),
		at("/{db}/_bulk_get...", "POST", on("POST", member, s.documents.BulkGet)),
		at("/{db}/_changes...", "GET,POST,HEAD", on("GET,POST", lister, s.changes.Changes)),
		at("/{db}/_revs_diff...", "POST", on("POST", member, s.documents.RevsDiff)),
		at("/{db}/_all_docs", "GET,HEAD,POST", on("GET,POST", lister, s.query.AllDocs)),
		at("/favicon.ico", "GET,HEAD", on("GET", anyone, s.operate.Favicon)), // before the databases, whose names it could be one of
		at("/{db}", "DELETE,GET,HEAD,POST", on("GET", member, s.operate.DatabaseInfo), on("PUT", admin, s.operate.CreateDatabase), on("DELETE", admin, s.operate.DeleteDatabase), on("POST", member, s.writing(s.documents.Post))),
		at("/{db}/_local/{doc}", ofDocuments, on("GET", member, s.documents.GetLocal), on("PUT", member, s.writing(s.documents.PutLocal)), on("DELETE", member, s.writing(s.documents.DeleteLocal)),
			on("COPY", member, s.writing(s.documents.CopyLocal)), on("POST", member, s.documents.PostForm)),

		at("/{db}/_all_docs/queries", "POST", on("POST", lister, s.query.AllDocsQueries)),
		at("/{db}/_design_docs", "GET,HEAD,POST", on("GET,POST", lister, s.query.DesignDocs)),
		at("/{db}/_design_docs/queries", "POST", on("POST", lister, s.query.DesignDocsQueries)),
		at("/{db}/_local_docs", "GET,HEAD,POST", on("GET,POST", lister, s.query.LocalDocs)),
		at("/{db}/_local_docs/queries", "POST", on("POST", lister, s.query.LocalDocsQueries)),
		at("/{db}/_missing_revs...", "POST", on("POST", member, s.documents.MissingRevs)),
		at("/{db}/_revs_limit...", "PUT,GET", on("GET", member, s.operate.RevsLimit), on("PUT", dbAdmin, s.operate.SetRevsLimit)),
		at("/{db}/_security...", "PUT,GET", on("GET", member, s.operate.Security), on("PUT", dbAdmin, s.operate.SetSecurity)),
		at("/{db}/_compact...", "POST", on("POST", dbAdmin, s.operate.Compact)),
		at("/{db}/_ensure_full_commit...", "POST", on("POST", member, s.operate.EnsureFullCommit)),
		at("/{db}/_purge...", "POST", on("POST", admin, s.documents.Purge)),
		at("/{db}/_purged_infos_limit...", "GET,PUT", on("GET", member, s.operate.PurgedInfosLimit), on("PUT", dbAdmin, s.operate.SetPurgedInfosLimit)),
		at("/{db}/_purged_infos...", "GET", on("GET", member, s.documents.PurgedInfos)),

		at("/{db}/_design/{ddoc}", ofDocuments, documents...),
		at("/{db}/_design/{ddoc}/_view/{view}", "GET,POST,HEAD", on("GET,POST", member, s.query.View)),
		at("/{db}/_design/{ddoc}/_view/{view}/queries", "POST", on("POST", member, s.query.ViewQueries)),
		at("/{db}/_design/{ddoc}/_view...", "GET,POST,HEAD"),
		at("/{db}/_design/{ddoc}/_info...", "GET", on("GET", member, s.query.DesignInfo)),
		at("/{db}/_design/{ddoc}/_show...", "GET,HEAD,POST", on("GET,POST", member, s.query.Show)),
		at("/{db}/_design/{ddoc}/_update...", "", always(member, s.query.Update)),
		at("/{db}/_design/{ddoc}/_list...", "GET,HEAD,POST", on("GET,POST", member, s.query.List)),
		at("/{db}/_design/{ddoc}/_rewrite...", "", always(member, s.query.Rewrite)),
		at("/{db}/_design/{ddoc}/{_:_search|_search_info|_nouveau|_nouveau_info}...", "", always(member, s.unbuiltInDB)),
		at("/{db}/_design/{ddoc}/{att}", ofAttachments, attachments...),

		at("/{db}/_find...", "POST", on("POST", member, s.query.Find)),
		at("/{db}/_explain...", "POST", on("POST", member, s.query.Explain)),
		at("/{db}/_index", "GET,POST", on("GET", member, s.query.ListIndexes), on("POST", dbAdmin, s.query.CreateIndex)),
		at("/{db}/_index/_bulk_delete", "POST", on("POST", dbAdmin, s.query.DeleteIndexes)),
		at("/{db}/_index/_design/{ddoc}/{type}/{index}", "DELETE", on("DELETE", dbAdmin, s.query.DeleteIndex)),
		at("/{db}/_index/{ddoc}/{type}/{index}", "DELETE", on("DELETE", dbAdmin, s.query.DeleteIndex)),
		at("/{db}/_index...", "", always(member, s.missingInDB)),
		at("/{db}/_view_cleanup...", "POST", on("POST", dbAdmin, s.query.ViewCleanup)),
		at("/{db}/_partition...", "GET,HEAD,POST", on("GET,POST", member, s.partition)),
		at("/{db}/_temp_view...", "", always(anyone, s.tempView)),
		at("/{db}/_synchronizations", "GET,HEAD,POST", on("GET", dbAdmin, s.replications.ListSynchronizations), on("POST", dbAdmin, s.replications.CreateSynchronization)),
		at("/{db}/_synchronizations/{id}", "DELETE,GET,HEAD,PUT", on("GET", dbAdmin, s.replications.GetSynchronization), on("PUT", dbAdmin, s.replications.ChangeSynchronization), on("DELETE", dbAdmin, s.replications.DeleteSynchronization)),
		at("/{db}/{name}...", "", always(member, s.unknownInDB)),
		s.toAttachment,

		at("/", "GET,HEAD", on("GET", anyone, s.operate.Welcome)),
		at("/_up...", "GET,HEAD", on("GET", anyone, s.operate.Up)),
		at("/_session/tokens", "GET,HEAD,POST", on("GET", user, s.account.ListTokens), on("POST", user, s.account.IssueToken)),
		at("/_session/tokens/{token}", "DELETE", on("DELETE", user, s.account.RevokeToken)),
		at("/_session...", "GET,HEAD,POST,DELETE", on("GET", anyone, s.account.Session), on("POST", anyone, s.account.Login), on("DELETE", anyone, s.account.Logout)),
		at("/_all_dbs...", "GET,HEAD", on("GET", admin, s.operate.AllDBs)),
		at("/_dbs_info...", "GET,HEAD,POST", on("GET,POST", admin, s.operate.DBsInfo)),
		at("/_uuids...", "GET", on("GET", anyone, s.operate.UUIDs)),
		at("/_active_tasks...", "GET,HEAD", on("GET", admin, s.replications.ActiveTasks)),
		at("/_db_updates...", "GET,HEAD", on("GET", admin, s.changes.DBUpdates)),
		at("/_membership...", "GET", on("GET", admin, s.operate.Membership)),
		at("/_replicate...", "", always(user, s.replications.Replicate)),
		at("/_reload_query_servers...", "POST", on("POST", admin, s.unbuiltForAdmin)),

		first(operate.IsHere, at("/_node/{node}", "GET", on("GET", admin, s.operate.Node))),
		first(operate.IsHere, at("/_node/{node}/_versions", "GET", on("GET", admin, s.operate.Versions))),
		first(operate.IsHere, at("/_node/{node}/_config", "GET", on("GET", admin, s.operate.ConfigAll))),
		first(operate.IsHere, at("/_node/{node}/_config/_reload", "POST", on("POST", admin, s.operate.ReloadConfig))),
		first(operate.IsHere, at("/_node/{node}/_config/{section}", "GET", on("GET", admin, s.operate.ConfigSection))),
		first(operate.IsHere, at("/_node/{node}/_config/{section}/{key}", "GET,PUT,DELETE", on("GET", admin, s.operate.ConfigValue), on("PUT", admin, s.operate.SetConfigValue), on("DELETE", admin, s.operate.DeleteConfigValue))),
		first(operate.IsHere, at("/_node/{node}/_stats...", "GET", on("GET", figures, s.operate.Stats))),
		first(operate.IsHere, at("/_node/{node}/_system", "GET", on("GET", figures, s.operate.System))),
		first(operate.IsHere, at("/_node/{node}/_prometheus", "GET", on("GET", figures, s.operate.Prometheus))),
		first(operate.IsHere, at("/_node/{node}...", "", always(admin, s.unbuiltForAdmin))),
		first(nil, at("/_cluster_setup", "GET,POST", on("GET", admin, s.operate.ClusterState), on("POST", admin, s.operate.ClusterSetup))),

		at("/_utils...", "GET,HEAD", on("GET", anyone, s.utils)),
		at("/_scheduler/jobs...", "GET,HEAD", on("GET", admin, s.replications.SchedulerJobs)),
		at("/_scheduler/docs...", "GET,HEAD", on("GET", admin, s.replications.SchedulerDocs)),
		at("/_scheduler...", "GET,HEAD", on("GET", anyone, s.replications.NoScheduler)),
		at("/{_:_reshard|_search_analyze|_nouveau_analyze|_prometheus|_metrics}...", "", always(admin, s.unbuiltForAdmin)),
	}
}

// writing wraps a handler that writes documents.
func (s *Server) writing(h wire.Handler) wire.Handler { return write.Handler(s.access, h) }

// belowDesign is the path that all functions and attachments of design documents are below.
const belowDesign = "/{db}/_design/{ddoc}/"

// route makes the router of a table.
func (s *Server) route(table []Route) *mux.Router {
	r := mux.NewRouter().UseEncodedPath().SkipClean(true)
	r.NotFoundHandler = http.HandlerFunc(s.unknownOnServer)
	var design *mux.Router // so that other paths are not held against each of them
	for i := range table {
		line := &table[i]
		if rest, is := strings.CutPrefix(line.Path, belowDesign); is {
			if design == nil {
				design = r.PathPrefix(template(belowDesign)).Subrouter()
			}
			design.Handle("/"+template(rest), s.serve(*line))
			continue
		}
		r.Handle(template(line.Path), s.serve(*line))
	}
	return r
}
