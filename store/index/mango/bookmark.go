package mango

import (
	"encoding/base64"
	"encoding/binary"

	"github.com/tododb/tododb/store/jsonscan"
)

// bookmark is where a query's answer ended: after a document's row. It names the index, so that
// the next page comes from the same one, whatever was written or indexed in the meantime. If
// that index is gone, or the name has another one, the bookmark is useless. It also says what the pages so far were read of
// (marks), so that a document that moves does not come twice.
//
//	version | bytes design document | bytes index | bytes key | bytes document id |
//	bytes union | uvarint part | uvarint marks | marks times:
//	  uvarint sequence | uvarint part | bytes key | bytes document id
//	| bytes digest | bytes epoch
//
// Version 1 ends after the document id, version 2 before the digest.
type bookmark struct {
	ddoc, name string // both empty: all documents
	key        string // JSON; empty for all documents
	id         string
	union      string // the names of a union's indexes, "" if it is none
	part       int    // of the union
	marks      marks  // the last may end where the bookmark does; then it is written without key and id
	digest     string // of the indexes (Plan.digest); "": unknown
	epoch      string // of the newest sequence in marks; "": unknown
}

const bookmarkVersion = 3

// noBookmark is CouchDB's bookmark when nothing was found.
const noBookmark = "nil"

func (m *bookmark) String() string {
	b := []byte{bookmarkVersion}
	add := func(parts ...string) {
		for _, s := range parts {
			b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
		}
	}
	add(m.ddoc, m.name, m.key, m.id, m.union)
	b = binary.AppendUvarint(b, uint64(m.part))
	b = binary.AppendUvarint(b, uint64(len(m.marks)))
	for _, one := range m.marks {
		b = binary.AppendUvarint(b, one.seq)
		b = binary.AppendUvarint(b, uint64(one.part))
		if one.key == m.key && one.id == m.id {
			one.key, one.id = "", ""
		}
		add(one.key, one.id)
	}
	add(m.digest, m.epoch)
	return base64.RawURLEncoding.EncodeToString(b)
}

func badBookmark(raw []byte) error {
	return &Error{"invalid_bookmark", "Invalid bookmark value: " + string(raw)}
}

func parseBookmark(s string) (m bookmark, err error) {
	bad := badBookmark(jsonscan.AppendString(nil, s))
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) == 0 || b[0] < 1 || b[0] > bookmarkVersion {
		return m, bad
	}
	version := b[0]
	r := bookmarkReader{rest: b[1:]}
	for _, part := range []*string{&m.ddoc, &m.name, &m.key, &m.id} {
		*part = r.text()
	}
	if version > 1 {
		m.union, m.part = r.text(), r.small()
		for range r.small() {
			m.marks = append(m.marks, mark{seq: r.number(), part: r.small(), key: r.text(), id: r.text()})
			if r.bad || len(m.marks) > maxMarks {
				return m, bad
			}
		}
	}
	if version > 2 {
		m.digest, m.epoch = r.text(), r.text()
	}
	if r.bad || len(r.rest) > 0 || m.id == "" || m.union == "" && (m.ddoc == "") != (m.key == "") || !isKey(m.key) {
		return m, bad
	}
	for i := range m.marks {
		one := &m.marks[i]
		if one.id == "" {
			one.key, one.id = m.key, m.id
		}
		if !isKey(one.key) {
			return m, bad
		}
	}
	return m, nil
}

// isKey reports whether a text can be the key of a row: none, or a JSON array.
func isKey(s string) bool { return s == "" || s[0] == '[' && jsonscan.Valid([]byte(s)) }

// bookmarkReader reads the parts of a bookmark; bad says that there was something else.
type bookmarkReader struct {
	rest []byte
	bad  bool
}

func (r *bookmarkReader) number() uint64 {
	n, w := binary.Uvarint(r.rest)
	if w <= 0 || r.bad {
		r.bad = true
		return 0
	}
	r.rest = r.rest[w:]
	return n
}

// small is a number of things, which have at least a byte each or are few.
func (r *bookmarkReader) small() int {
	n := r.number()
	if n > maxMarks {
		r.bad = true
		return 0
	}
	return int(n)
}

func (r *bookmarkReader) text() string {
	n := r.number()
	if r.bad || n > uint64(len(r.rest)) {
		r.bad = true
		return ""
	}
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}
