package store

import (
	"strconv"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/jsonscan"
)

// Document is one revision of a document as it is read.
type Document struct {
	ID      string
	Rev     revtree.Rev
	Deleted bool
	Body    []byte // JSON object without members that begin with an underscore
	Seq     uint64 // of the document's newest change

	Path                        []revtree.Rev // newest first, if it was asked for
	RevsInfo                    []RevInfo
	Conflicts, DeletedConflicts []revtree.Rev // in winner order

	Attachments []Attachment // in their order
}

// RevInfo is what is known of one revision on a path.
type RevInfo struct {
	Rev    revtree.Rev
	Status string // "available", "deleted", or "missing": its body is not here
}

// JSONOptions say what AppendJSON adds to what was read.
type JSONOptions struct {
	LocalSeq bool // the sequence, as _local_seq
	// Encodings adds to each attachment how its bytes are encoded (att_encoding_info).
	Encodings bool
	// Open leaves out _attachments and the closing brace, for a caller that sends the bytes of
	// attachments along.
	Open bool
}

// AppendJSON appends the document as CouchDB shows it. The body is copied as bytes.
func (d *Document) AppendJSON(b []byte, opt JSONOptions) []byte {
	said := document.Doc{ID: d.ID, Rev: d.Rev, Path: d.Path, Deleted: d.Deleted, Body: d.Body}
	b = said.AppendOpen(b)
	if len(d.RevsInfo) > 0 {
		b = append(b, `,"_revs_info":[`...)
		for i, info := range d.RevsInfo {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, `{"rev":"`...)
			b = document.AppendRev(b, info.Rev)
			b = append(b, `","status":"`...)
			b = append(b, info.Status...)
			b = append(b, `"}`...)
		}
		b = append(b, ']')
	}
	if opt.LocalSeq {
		b = append(b, `,"_local_seq":`...)
		b = strconv.AppendUint(b, d.Seq, 10)
	}
	b = appendRevList(b, `,"_conflicts":[`, d.Conflicts)
	b = appendRevList(b, `,"_deleted_conflicts":[`, d.DeletedConflicts)
	if opt.Open {
		return b
	}
	for i, a := range d.Attachments {
		if i == 0 {
			b = append(b, `,"_attachments":{`...)
		} else {
			b = append(b, ',')
		}
		b = jsonscan.AppendString(b, a.Name)
		b = a.AppendInfo(append(b, ':'), opt)
		b = a.AppendLength(b)
		b = append(b, `,"stub":true}`...)
		if i == len(d.Attachments)-1 {
			b = append(b, '}')
		}
	}
	return append(b, '}')
}

// AppendInfo appends an object that describes an attachment, without its length and its closing
// brace. Only opt.Encodings matters to it.
func (a *Attachment) AppendInfo(b []byte, opt JSONOptions) []byte {
	b = append(b, `{"content_type":`...)
	b = jsonscan.AppendString(b, a.Type)
	b = append(b, `,"revpos":`...)
	b = strconv.AppendUint(b, a.RevPos, 10)
	if a.Digest != (Digest{}) {
		b = append(b, `,"digest":"`...)
		b = append(b, a.Digest.String()...)
		b = append(b, '"')
	}
	if opt.Encodings && a.Encoding != "" {
		b = append(b, `,"encoding":`...)
		b = jsonscan.AppendString(b, a.Encoding)
		b = append(b, `,"encoded_length":`...)
		b = strconv.AppendInt(b, a.Length, 10)
	}
	return b
}

func appendRevList(b []byte, name string, revs []revtree.Rev) []byte {
	if len(revs) == 0 {
		return b
	}
	b = append(b, name...)
	for i, r := range revs {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = document.AppendRev(b, r)
		b = append(b, '"')
	}
	return append(b, ']')
}

// AppendLength appends the length as a member: the unpacked length, if it is known.
func (a *Attachment) AppendLength(b []byte) []byte {
	n := a.Length
	if a.DecodedLength > 0 {
		n = a.DecodedLength
	}
	return strconv.AppendInt(append(b, `,"length":`...), n, 10)
}
