package mango

import (
	"encoding/base64"
	"encoding/binary"

	"github.com/tododb/tododb/store/jsonscan"
)

// bookmark is where a query's answer ended: after a document's row. It names the index, so that
// the next page comes from the same one, whatever was written or indexed in the meantime. If
// that index is gone, the bookmark is useless.
//
//	version | bytes design document | bytes index | bytes key | bytes document id
type bookmark struct {
	ddoc, name string // both empty: all documents
	key        string // JSON; empty for all documents
	id         string
}

const bookmarkVersion = 1

// noBookmark is CouchDB's bookmark when nothing was found.
const noBookmark = "nil"

func (m *bookmark) String() string {
	b := []byte{bookmarkVersion}
	for _, s := range []string{m.ddoc, m.name, m.key, m.id} {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func badBookmark(raw []byte) error {
	return &Error{"invalid_bookmark", "Invalid bookmark value: " + string(raw)}
}

func parseBookmark(s string) (m bookmark, err error) {
	bad := badBookmark(jsonscan.AppendString(nil, s))
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) == 0 || b[0] != bookmarkVersion {
		return m, bad
	}
	b = b[1:]
	for _, part := range []*string{&m.ddoc, &m.name, &m.key, &m.id} {
		n, w := binary.Uvarint(b)
		if w <= 0 || n > uint64(len(b)-w) {
			return m, bad
		}
		*part = string(b[w : w+int(n)])
		b = b[w+int(n):]
	}
	if len(b) > 0 || m.id == "" || (m.ddoc == "") != (m.key == "") || m.key != "" && (!jsonscan.Valid([]byte(m.key)) || m.key[0] != '[') {
		return m, bad
	}
	return m, nil
}
