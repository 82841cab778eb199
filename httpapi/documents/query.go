package documents

import (
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/tododb/tododb/httpapi/attachments"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
)

var errEtagRev = wire.BadRequest("Document rev and etag have different values")

// docQuery is the query of a document's request. As in CouchDB, a boolean that is not "true" is
// ignored, even after one that is "true", and so are unknown parameters.
type docQuery struct {
	rev      revtree.Rev
	hasRev   bool
	openRevs string // "" if it is absent

	revs, revsInfo, conflicts, deletedConflicts bool
	localSeq, latest, deleted                   bool
	attachments                                 attachments.Wanted

	replicated bool // new_edits=false
	batch      bool // batch=ok
}

func parseDocQuery(r *http.Request) (q docQuery, err error) {
	if r.URL.RawQuery == "" {
		return q, nil
	}
	query, err := wire.QueryOf(r)
	if err != nil {
		return q, err
	}
	err = query.Each(func(name, value string) (err error) {
		yes := value == "true"
		switch name {
		case "rev":
			q.rev, err = revtree.Parse(value)
			q.hasRev = true
		case "open_revs":
			if q.openRevs = value; value == "" { // which is no JSON
				err = wire.ErrNotJSON
			}
		case "revs":
			q.revs = q.revs || yes
		case "revs_info":
			q.revsInfo = q.revsInfo || yes
		case "conflicts":
			q.conflicts = q.conflicts || yes
		case "deleted_conflicts":
			q.deletedConflicts = q.deletedConflicts || yes
		case "meta":
			if yes {
				q.revsInfo, q.conflicts, q.deletedConflicts = true, true, true
			}
		case "local_seq":
			q.localSeq = q.localSeq || yes
		case "latest":
			q.latest = q.latest || yes
		case "deleted":
			q.deleted = q.deleted || yes
		case "attachments":
			q.attachments.All = q.attachments.All || yes
		case "atts_since":
			q.attachments.Since, err = parseRevList([]byte(value))
			q.attachments.HasSince = true
		case "att_encoding_info":
			q.attachments.Encodings = q.attachments.Encodings || yes
		case "new_edits":
			q.replicated = value == "false"
		case "batch":
			q.batch = value == "ok"
		}
		return err
	})
	return q, err
}

// docID is the id of the document that the path names.
func docID(r *http.Request) (string, error) {
	if _, ok := wire.Part(r, "ddoc"); ok {
		name, err := wire.Segment(r, "ddoc")
		return "_design/" + name, err
	}
	return wire.Segment(r, "doc")
}

// readableID checks the id of a document to read. No document can have an id that is not
// UTF-8.
func readableID(id string) error {
	if !utf8.ValidString(id) {
		return store.ErrMissing
	}
	return document.ValidID(id)
}

// ifMatch is the revision in the If-Match header, with or without quotes.
func ifMatch(r *http.Request) (rev revtree.Rev, given bool, err error) {
	value := r.Header.Get("If-Match")
	if value == "" {
		return rev, false, nil
	}
	rev, err = revtree.Parse(strings.Trim(value, `"`))
	return rev, true, err
}

// editRev is the revision that a request wants to replace. The query, the If-Match
// header and the body may all name it, but not different ones.
func editRev(r *http.Request, q *docQuery, body revtree.Rev, inBody bool) (revtree.Rev, error) {
	rev, known := body, inBody
	if q.hasRev {
		if known && rev != q.rev {
			return rev, wire.BadRequest("Document rev from request body and query string have different values")
		}
		rev, known = q.rev, true
	}
	etag, given, err := ifMatch(r)
	if err != nil {
		return rev, err
	}
	if given {
		if known && rev != etag {
			return rev, errEtagRev
		}
		rev = etag
	}
	return rev, nil
}
