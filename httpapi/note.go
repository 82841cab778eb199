package httpapi

import (
	"log/slog"
	"net/http"

	"github.com/tododb/tododb/store"
)

// audited tells whether what is noted of a request will be recorded.
func audited(r *http.Request) bool { return exchangeOf(r).shared.opt.Audited() }

// Note adds to what the trail will say of the exchange.
func (x *exchange) Note(attrs ...slog.Attr) { x.Notes = append(x.Notes, attrs...) }

// note adds to what the trail will say of a request, if there is one.
func note(r *http.Request, attrs ...slog.Attr) {
	if audited(r) {
		exchangeOf(r).Note(attrs...)
	}
}

// noteWritten notes how many documents were written and, if the settings want it, which
// revisions they have now.
func noteWritten(r *http.Request, results []store.Result) {
	if !audited(r) {
		return
	}
	x := exchangeOf(r)
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

// count adds to a number that the trail will tell.
func (x *exchange) count(name string, n int) {
	for i := range x.Notes {
		if x.Notes[i].Key == name {
			x.Notes[i].Value = slog.IntValue(int(x.Notes[i].Value.Int64()) + n)
			return
		}
	}
	x.Note(slog.Int(name, n))
}
