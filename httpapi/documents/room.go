package documents

import (
	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/intake"
	"github.com/tododb/tododb/httpapi/metrics"
	"github.com/tododb/tododb/httpapi/uuids"
)

// Room answers requests for documents.
type Room struct {
	access   *access.Access
	ids      *uuids.Source // for documents that come without one
	spool    *intake.Spool // where a long answer to _bulk_docs waits until it is complete
	metrics  *metrics.Metrics
	settings func() *settings
	pushes   *pushLogs
}

// New makes a Room.
func New(a *access.Access, c *config.Config, ids *uuids.Source, spool *intake.Spool, m *metrics.Metrics) *Room {
	return &Room{access: a, ids: ids, spool: spool, metrics: m, settings: config.Follow(c, readSettings), pushes: newPushLogs()}
}

// settings are the settings for documents.
type settings struct {
	sandbox              []string // Content-Security-Policy of attachments that browsers show; nil: none
	purgeDocs, purgeRevs int      // the most that one purge may name; purgeRevs 0: any number
}

func readSettings(c *config.Config, _ *settings) *settings {
	set := &settings{purgeDocs: int(c.Int("purge", "max_document_id_number")), purgeRevs: int(c.Int("purge", "max_revisions_number"))}
	if c.Bool("csp", "attachments_enable") {
		set.sandbox = []string{c.String("csp", "attachments_header_value")}
	}
	return set
}
