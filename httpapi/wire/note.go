package wire

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/tododb/tododb/store"
)

// Audited tells whether notes about a request will be recorded.
func Audited(r *http.Request) bool { return ExchangeOf(r).shared.opt.Audited() }

// Note adds to what the audit trail will say about the exchange.
func (x *Exchange) Note(attrs ...slog.Attr) { x.Notes = append(x.Notes, attrs...) }

// Note adds to what the audit trail will say about a request, if there is a trail.
func Note(r *http.Request, attrs ...slog.Attr) {
	if Audited(r) {
		ExchangeOf(r).Note(attrs...)
	}
}

// NoteDocument notes which document a request writes that does not name it in its path. The
// action of a request that writes a design document is design, also if it writes others too.
func NoteDocument(r *http.Request, id string) {
	if strings.HasPrefix(id, "_design/") {
		ExchangeOf(r).Action = "design"
	}
}

// NoteWritten notes how many documents were written and, if the settings want it, which
// revisions they have now.
func NoteWritten(r *http.Request, results []store.Result) {
	if !Audited(r) {
		return
	}
	x := ExchangeOf(r)
	all := x.shared.settings().AuditRevisions
	var revisions []string
	written := 0
	for i := range results {
		if results[i].Err != nil {
			continue
		}
		written++
		if all {
			revisions = append(revisions, results[i].ID+" "+results[i].Rev.String())
		}
	}
	x.count("documents", written)
	x.count("refused", len(results)-written)
	if revisions != nil {
		for i := range x.Notes {
			if before, ok := x.Notes[i].Value.Any().([]string); ok && x.Notes[i].Key == "revisions" {
				x.Notes[i].Value = slog.AnyValue(append(before, revisions...))
				return
			}
		}
		x.Note(slog.Any("revisions", revisions))
	}
}

// count adds to a number in the audit trail.
func (x *Exchange) count(name string, n int) {
	for i := range x.Notes {
		if x.Notes[i].Key == name {
			x.Notes[i].Value = slog.IntValue(int(x.Notes[i].Value.Int64()) + n)
			return
		}
	}
	x.Note(slog.Int(name, n))
}
