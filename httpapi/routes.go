package httpapi

import (
	"net/http"

	"github.com/gorilla/mux"
)

// Path segments. The path reaches the router escaped, cleared of doubled and
// trailing slashes; segment() unescapes one.
const (
	dbSeg  = "/{db:[^_/][^/]*|_users|_replicator|_global_changes}"
	docSeg = dbSeg + "/{doc:[^_/][^/]*}"
	rest   = "{rest:(?:/.*)?}"
)

// routes lists every path the server answers. The router tries them in order, so the
// busiest come first; one route serves all methods of a path.
func (s *Server) routes() *mux.Router {
	r := mux.NewRouter().UseEncodedPath().SkipClean(true)
	path := func(pattern string, m methods) { r.Handle(pattern, s.handle(m)) }

	path(docSeg, s.documentMethods())
	path(dbSeg+"/_bulk_docs"+rest, on("POST", "POST", s.writing(s.bulkDocs)))
	path(dbSeg+"/_bulk_get"+rest, on("POST", "POST", s.bulkGet))
	path(dbSeg+"/_changes"+rest, on("GET,POST,HEAD", "GET,POST", s.changes))
	path(dbSeg+"/_revs_diff"+rest, on("POST", "POST", s.revsDiff))
	path(dbSeg+"/_all_docs", on("GET,HEAD,POST", "GET,POST", s.allDocs))
	path("/favicon.ico", on("GET,HEAD", "GET", s.favicon)) // before the databases, whose names it could be one of
	path(dbSeg, on("DELETE,GET,HEAD,POST", "GET", s.dbInfo, "PUT", s.dbCreate, "DELETE", s.dbDelete, "POST", s.writing(s.dbPost)))
	path(dbSeg+"/_local/{doc}", s.localMethods())

	path(dbSeg+"/_all_docs/queries", on("POST", "POST", s.allDocsQueries))
	path(dbSeg+"/_design_docs", on("GET,HEAD,POST", "GET,POST", s.designDocs))
	path(dbSeg+"/_design_docs/queries", on("POST", "POST", s.designDocsQueries))
	path(dbSeg+"/_local_docs", on("GET,HEAD,POST", "GET,POST", s.localDocs))
	path(dbSeg+"/_local_docs/queries", on("POST", "POST", s.localDocsQueries))
	path(dbSeg+"/_missing_revs"+rest, on("POST", "POST", s.missingRevs))
	path(dbSeg+"/_revs_limit"+rest, on("PUT,GET", "GET", s.revsLimit, "PUT", s.setRevsLimit))
	path(dbSeg+"/_security"+rest, on("PUT,GET", "GET", s.security, "PUT", s.setSecurity))
	path(dbSeg+"/_compact"+rest, on("POST", "POST", s.compact))
	path(dbSeg+"/_ensure_full_commit"+rest, on("POST", "POST", s.ensureFullCommit))
	path(dbSeg+"/_purge"+rest, on("POST", "POST", s.purge))
	path(dbSeg+"/_purged_infos_limit"+rest, on("GET,PUT", "GET", s.purgedInfosLimit, "PUT", s.setPurgedInfosLimit))
	path(dbSeg+"/_purged_infos"+rest, on("GET", "GET", s.purgedInfos))
	path(dbSeg+"/_design/{ddoc}", s.documentMethods())
	path(dbSeg+"/_design/{ddoc}/{rest:.*}", s.designRest())
	path(dbSeg+"/_find"+rest, on("POST", "POST", s.find))
	path(dbSeg+"/_explain"+rest, on("POST", "POST", s.explain))
	path(dbSeg+"/_index"+rest, always(s.indexes))
	path(dbSeg+"/_view_cleanup"+rest, on("POST", "POST", s.viewCleanup))
	path(dbSeg+"/_partition"+rest, on("GET,HEAD,POST", "GET,POST", s.partition))
	path(dbSeg+"/_temp_view"+rest, always(s.tempView))
	path(dbSeg+"/_synchronizations", on("GET,HEAD,POST", "GET", s.listSynchronizations, "POST", s.createSynchronization))
	path(dbSeg+"/_synchronizations/{id}", on("DELETE,GET,HEAD,PUT", "GET", s.getSynchronization, "PUT", s.changeSynchronization, "DELETE", s.deleteSynchronization))
	path(dbSeg+"/{name:_[^/]*}"+rest, always(s.unknownInDB))
	path(docSeg+"/{att:.+}", s.attachmentMethods())

	path("/", on("GET,HEAD", "GET", s.welcome))
	path("/_up"+rest, on("GET,HEAD", "GET", s.up))
	path("/_session/tokens", on("GET,HEAD,POST", "GET", s.listTokens, "POST", s.issueToken))
	path("/_session/tokens/{token}", on("DELETE", "DELETE", s.revokeToken))
	path("/_session"+rest, on("GET,HEAD,POST,DELETE", "GET", s.session, "POST", s.login, "DELETE", s.logout))
	path("/_all_dbs"+rest, on("GET,HEAD", "GET", s.allDBs))
	path("/_dbs_info"+rest, on("GET,HEAD,POST", "GET,POST", s.dbsInfo))
	path("/_uuids"+rest, on("GET", "GET", s.getUUIDs))
	path("/_active_tasks"+rest, on("GET,HEAD", "GET", s.activeTasks))
	path("/_db_updates"+rest, on("GET,HEAD", "GET", s.dbUpdates))
	path("/_membership"+rest, on("GET", "GET", s.membership))
	path("/_replicate"+rest, always(s.replicate))
	path("/_reload_query_servers"+rest, on("POST", "POST", s.unbuiltForAdmin))
	node := func(pattern string, may func(*http.Request) error, m methods) {
		path("/_node/{node}"+pattern, s.onNode(may, m))
	}
	node("", s.requireAdmin, on("GET", "GET", s.node))
	node("/_versions", s.requireAdmin, on("GET", "GET", s.versions))
	node("/_config", s.requireAdmin, on("GET", "GET", s.configAll))
	node("/_config/_reload", s.requireAdmin, on("POST", "POST", s.reloadConfig))
	node("/_config/{section}", s.requireAdmin, on("GET", "GET", s.configSection))
	node("/_config/{section}/{key}", s.requireAdmin, on("GET,PUT,DELETE", "GET", s.configValue, "PUT", s.setConfigValue, "DELETE", s.deleteConfigValue))
	node("/_stats"+rest, s.requireMetrics, on("GET", "GET", s.stats))
	node("/_system", s.requireMetrics, on("GET", "GET", s.system))
	node("/_prometheus", s.requireMetrics, on("GET", "GET", s.prometheus))
	node(rest, s.requireAdmin, always(s.unbuiltOnNode))
	path("/_cluster_setup", s.adminMethods(on("GET,POST", "GET", s.clusterState, "POST", s.clusterSetup)))
	path("/_utils"+rest, on("GET,HEAD", "GET", s.utils))
	path("/_scheduler"+rest, on("GET,HEAD", "GET", s.scheduler))
	path("/{_:_reshard|_search_analyze|_nouveau_analyze|_prometheus|_metrics}"+rest, always(s.unbuiltForAdmin))
	r.NotFoundHandler = http.HandlerFunc(s.unknownOnServer)
	return r
}
