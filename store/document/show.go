package document

import (
	"strconv"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/jsonscan"
)

// AppendOpen appends the document as CouchDB shows it, without attachments and without the
// closing brace, for a caller that adds members. The body is copied as bytes.
func (d *Doc) AppendOpen(b []byte) []byte {
	b = append(b, `{"_id":`...)
	b = jsonscan.AppendString(b, d.ID)
	if !d.Rev.IsZero() { // a document that was never written has none
		b = append(b, `,"_rev":"`...)
		b = AppendRev(b, d.Rev)
		b = append(b, '"')
	}
	if len(d.Body) > 2 {
		b = append(b, ',')
		b = append(b, d.Body[1:len(d.Body)-1]...)
	}
	if d.Deleted {
		b = append(b, `,"_deleted":true`...)
	}
	if len(d.Path) > 0 {
		b = append(b, `,"_revisions":{"start":`...)
		b = strconv.AppendUint(b, d.Path[0].Gen, 10)
		b = append(b, `,"ids":[`...)
		for i, r := range d.Path {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendID(b, r)
		}
		b = append(b, `]}`...)
	}
	return b
}

// AppendRev appends the text of a revision for use in a JSON string.
func AppendRev(b []byte, r revtree.Rev) []byte {
	if len(r.ID) == 16 { // hex digits: nothing to escape
		return r.AppendTo(b)
	}
	quoted := jsonscan.AppendString(nil, r.String())
	return append(b, quoted[1:len(quoted)-1]...)
}

// appendID appends the part after the dash as a JSON string.
func appendID(b []byte, r revtree.Rev) []byte {
	if len(r.ID) == 16 {
		b = append(b, '"')
		b = r.AppendIDTo(b)
		return append(b, '"')
	}
	return jsonscan.AppendString(b, r.ID)
}
