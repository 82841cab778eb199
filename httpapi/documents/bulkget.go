package documents

import (
	"errors"
	"net/http"

	"github.com/tododb/tododb/httpapi/attachments"
	"github.com/tododb/tododb/httpapi/fault"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/jsonscan"
)

var (
	errNoDocsList   = wire.BadRequest("Missing JSON list of 'docs'.")
	errOpenRevsHere = wire.BadRequest("\"open_revs\" query parameter is not acceptable")
	errItemShape    = wire.BadRequest("document must be a JSON object")
	errItemID       = wire.BadRequest("document id missed")
)

// bulkItem is one of the documents that a _bulk_get asks for.
type bulkItem struct {
	id, rev []byte // JSON as it came; nil if absent
	docID   string
	revs    []revtree.Rev // nil: all leaves

	attsSince []byte // JSON as it came; nil if absent
	since     []revtree.Rev
}

// parseBulkItem reads an item. It returns the raw id and rev even with an error, because the
// answer has that error in the item's place.
func parseBulkItem(raw []byte) (item bulkItem, err error) {
	if jsonscan.Kind(raw) != '{' {
		return item, errItemShape
	}
	err = jsonscan.EachMember(raw, func(name, value []byte) error {
		switch string(name) {
		case "id":
			item.id = value
		case "rev":
			item.rev = value
		case "atts_since":
			item.attsSince = value
		}
		return nil
	})
	if err != nil {
		return item, err
	}
	if item.id == nil {
		item.rev = nil
		return item, errItemID
	}
	if item.docID, err = jsonscan.Text(item.id); err != nil {
		return item, wire.Errorf(http.StatusBadRequest, "illegal_docid", "Document id must be a string")
	}
	if err := document.ValidID(item.docID); err != nil {
		return item, err
	}
	if item.rev != nil {
		rev, err := parseRevText(item.rev)
		if err != nil {
			return item, err
		}
		item.revs = []revtree.Rev{rev}
	}
	return item, item.checkAttsSince()
}

func parseRevText(raw []byte) (revtree.Rev, error) {
	text, err := jsonscan.Text(raw)
	if err != nil {
		return revtree.Rev{}, revtree.ErrBadRev
	}
	return revtree.Parse(text)
}

// checkAttsSince judges atts_since. As in CouchDB, the answer shows the wrong value in the
// place of the revision.
func (item *bulkItem) checkAttsSince() error {
	if item.attsSince == nil {
		return nil
	}
	if jsonscan.Kind(item.attsSince) != '[' {
		item.rev = item.attsSince
		return revtree.ErrBadRev
	}
	return jsonscan.EachElement(item.attsSince, func(raw []byte) error {
		rev, err := parseRevText(raw)
		if err != nil {
			item.rev = raw
		}
		item.since = append(item.since, rev)
		return err
	})
}

// bulkAnswer writes the items of a _bulk_get in one of its two shapes.
type bulkAnswer interface {
	open(b []byte) []byte
	item(send *revSender, item *bulkItem, found []store.OpenRev, err error) error
	close(b []byte) []byte
}

// BulkGet answers POST /db/_bulk_get. Results are in the order of the request, and an error of
// one takes the place of its result. The whole request must not fail, because clients would then
// never use _bulk_get again.
func (d *Room) BulkGet(w http.ResponseWriter, r *http.Request) error {
	db, err := d.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	query, err := wire.QueryOf(r)
	if err != nil {
		return err
	}
	if _, there := query.Get("open_revs"); there {
		return errOpenRevsHere
	}
	if err := wire.RequireJSON(r); err != nil {
		return err
	}
	body, err := wire.ReadBody(w, r)
	if err != nil {
		return err
	}
	docs, err := bulkGetDocs(body)
	if err != nil {
		return err
	}
	revs := query.Is("revs")
	wanted := attachments.Wanted{All: query.Is("attachments"), Encodings: query.Is("att_encoding_info")}
	var answer bulkAnswer = jsonBulk{}
	switch accept := r.Header.Get("Accept"); accept {
	case "multipart/mixed", "multipart/related":
		parts := &multipartBulk{boundary: attachments.NewBoundary()}
		answer = parts
		wanted.All = true // a client that wants parts wants the attachments
		w.Header()["Content-Type"] = []string{accept + `; boundary="` + parts.boundary + `"`}
	}
	st := wire.NewStream(w, r, http.StatusOK)
	defer st.Drop()
	st.Buf = answer.open(st.Buf)
	first := true
	err = jsonscan.EachElement(docs, func(raw []byte) error {
		item, err := parseBulkItem(raw)
		var found []store.OpenRev
		if err == nil {
			err = db.CheckNewID(item.docID)
		}
		if err == nil {
			opt := store.ReadOptions{Revs: revs || item.since != nil, Latest: query.Is("latest"), Paged: true}
			found, err = db.OpenRevs(r.Context(), item.docID, item.revs, opt)
			if err != nil && !errors.Is(err, store.ErrMissing) {
				return err
			}
		}
		if _, plain := answer.(jsonBulk); plain && !first {
			st.Buf = append(st.Buf, ',')
		}
		first = false
		send := revSender{ctx: r.Context(), st: st, db: db, wanted: wanted, revs: revs}
		send.wanted.Since, send.wanted.HasSince = item.since, item.since != nil
		if err := answer.item(&send, &item, found, err); err != nil {
			return err
		}
		if st.Full() {
			return st.Flush()
		}
		return nil
	})
	if err != nil {
		return err
	}
	st.Buf = answer.close(st.Buf)
	return st.End()
}

// bulkGetDocs finds the list of items in the body.
func bulkGetDocs(body []byte) (docs []byte, err error) {
	if err := wire.RequireObject(body); err != nil {
		return nil, err
	}
	err = jsonscan.EachMember(body, func(name, value []byte) error {
		if string(name) == "docs" {
			docs = value
		}
		return nil
	})
	if err == nil && jsonscan.Kind(docs) != '[' {
		err = errNoDocsList
	}
	return docs, err
}

type jsonBulk struct{}

func (jsonBulk) open(b []byte) []byte  { return append(b, `{"results":[`...) }
func (jsonBulk) close(b []byte) []byte { return append(b, "]}\n"...) }

func (jsonBulk) item(send *revSender, item *bulkItem, found []store.OpenRev, err error) error {
	st := send.st
	st.Buf = appendOrNull(append(st.Buf, `{"id":`...), item.id)
	st.Buf = append(st.Buf, `,"docs":[`...)
	if err != nil {
		st.Buf = append(item.appendError(append(st.Buf, `{"error":`...), err), "}]}"...)
		return nil
	}
	for i := range found {
		if i > 0 {
			st.Buf = append(st.Buf, ',')
		}
		if found[i].Doc == nil {
			st.Buf = append(appendMissing(append(st.Buf, `{"error":`...), item.id, found[i].Missing), '}')
			continue
		}
		if err := send.row(&found[i]); err != nil {
			return err
		}
		if err := st.FlushFull(); err != nil {
			return err
		}
	}
	st.Buf = append(st.Buf, "]}"...)
	return nil
}

// multipartBulk sends each document as a part.
type multipartBulk struct{ boundary string }

func (m *multipartBulk) open(b []byte) []byte { return b }

func (m *multipartBulk) close(b []byte) []byte {
	return append(append(append(b, "\r\n--"...), m.boundary...), "--"...)
}

func (m *multipartBulk) item(send *revSender, item *bulkItem, found []store.OpenRev, err error) error {
	st := send.st
	if err != nil {
		st.Buf = item.appendError(m.part(st.Buf, "application/json; error=true"), err)
		return nil
	}
	for i := range found {
		if found[i].Doc == nil {
			st.Buf = appendMissing(m.part(st.Buf, "application/json; error=true"), nil, found[i].Missing)
			continue
		}
		if err := send.part(m.boundary, &found[i]); err != nil {
			return err
		}
		if err := st.FlushFull(); err != nil {
			return err
		}
	}
	return nil
}

func (m *multipartBulk) part(b []byte, kind string) []byte {
	b = append(append(append(b, "\r\n--"...), m.boundary...), "\r\nContent-Type: "...)
	return append(append(b, kind...), "\r\n\r\n"...)
}

// appendError appends what is wrong with an item. As in CouchDB, a missing document has the
// revision "undefined" unless the request named one.
func (item *bulkItem) appendError(b []byte, err error) []byte {
	f := fault.Of(err)
	b = appendOrNull(append(b, `{"id":`...), item.id)
	b = append(b, `,"rev":`...)
	if item.rev == nil && errors.Is(err, store.ErrMissing) {
		b = append(b, `"undefined"`...)
	} else {
		b = appendOrNull(b, item.rev)
	}
	b = wire.AppendString(append(b, `,"error":`...), f.Word)
	b = wire.AppendString(append(b, `,"reason":`...), f.Reason)
	return append(b, '}')
}

// appendMissing appends the error of a missing revision. id is nil if a part of a multipart
// answer shows it already.
func appendMissing(b, id []byte, rev revtree.Rev) []byte {
	b = append(b, '{')
	if id != nil {
		b = append(append(append(b, `"id":`...), id...), ',')
	}
	b = wire.AppendRev(append(b, `"rev":`...), rev)
	return append(b, `,"error":"not_found","reason":"missing"}`...)
}

func appendOrNull(b, value []byte) []byte {
	if value == nil {
		return append(b, "null"...)
	}
	return append(b, value...)
}
