package document

import (
	"bytes"

	"github.com/tododb/tododb/store/jsonscan"
)

// Meter measures documents in JSON that comes in pieces, to notice a document that is too large
// before its end. It counts everything that is kept, which is all but the bytes of attachments.
// It does not check the JSON; Parse does.
type Meter struct {
	limit int64
	most  int // documents
	doc   int // the depth of a document's members in the JSON

	depth  int
	kinds  [8]byte // what is open at each depth, { or [; deeper ones do not matter
	keys   [8]key  // the current member at each depth
	text   bool    // within a string
	escape bool
	naming bool // the string is the name of a member
	name   bool // the next string would be a name

	inside        bool // a document
	body, special int64
	meter         Measure
}

// Measure is the result of a Meter: sizes are bytes without the bytes of attachments.
type Measure struct {
	Docs           int
	Largest, Total int64
}

// key is the beginning of a member's name, long enough to recognize the names that matter.
type key struct {
	text [25]byte // one more than "docs" has when all of it is escaped
	n    int
}

func (k *key) is(name string) bool { return string(k.text[:k.n]) == name }

// means is like is, but for a name that may contain escapes.
func (k *key) means(name string) bool {
	if bytes.IndexByte(k.text[:k.n], '\\') < 0 {
		return k.is(name)
	}
	text, err := jsonscan.Text(append(append([]byte{'"'}, k.text[:k.n]...), '"'))
	return err == nil && text == name
}

// meterSlack is how far a document may exceed the limit here without being refused: only
// parsing gives its exact size.
const meterSlack = 64 << 10

// NewMeter makes a Meter for one document. opt limits its size.
func NewMeter(opt Options) *Meter {
	return &Meter{limit: opt.MaxSize, most: opt.MostDocs, doc: 1}
}

// NewBulkMeter makes a Meter for a _bulk_docs request. opt limits the size of each document, and
// how many there may be.
func NewBulkMeter(opt Options) *Meter {
	m := NewMeter(opt)
	m.doc = 3
	return m
}

// Measure returns what was found so far, including an unfinished document: a reader goes that
// far before it finds that the document is broken.
func (m *Meter) Measure() Measure {
	found := m.meter
	if m.inside {
		size := m.body + m.special
		found.Docs++
		found.Total += size
		found.Largest = max(found.Largest, size)
	}
	return found
}

// Add takes the next bytes. The error is an *Error: of kind TooLarge once a document is too
// large, of kind TooMany once there are too many.
func (m *Meter) Add(p []byte) error {
	for i := 0; i < len(p); {
		if m.text {
			data := m.data()
			n := m.string(p[i:])
			if !data {
				m.count(n)
			}
			i += n
		} else {
			m.byte(p[i])
			i++
		}
		if m.limit > 0 && (m.body > m.limit+meterSlack || m.special > m.limit+meterSlack) {
			return &Error{TooLarge, ""}
		}
		if m.most > 0 && m.meter.Docs > m.most {
			return tooMany(m.most)
		}
	}
	return nil
}

// string continues within a string, up to its end if that is in p.
func (m *Meter) string(p []byte) (n int) {
	if m.escape {
		m.escape = false
		m.note('\\', p[:1])
		return 1
	}
	end := bytes.IndexByte(p, '"')
	if end < 0 {
		end = len(p)
	}
	if slash := bytes.IndexByte(p[:end], '\\'); slash >= 0 {
		m.note(0, p[:slash])
		m.escape = true
		return slash + 1
	}
	m.note(0, p[:end])
	if end == len(p) {
		return end
	}
	m.text, m.naming = false, false
	return end + 1
}

// data reports whether a string is the bytes of an attachment.
func (m *Meter) data() bool {
	return m.inside && !m.naming && m.depth == m.doc+2 && m.keys[m.doc].is("_attachments") && m.keys[m.depth].is("data")
}

// note keeps a piece of a member's name. A name written with escapes is not recognized; the
// only effect is that bytes count that need not.
func (m *Meter) note(before byte, p []byte) {
	if !m.naming || m.depth >= len(m.keys) {
		return
	}
	k := &m.keys[m.depth]
	if before != 0 {
		k.n += copy(k.text[k.n:], []byte{before})
	}
	k.n += copy(k.text[k.n:], p)
}

// byte takes a byte outside of strings.
func (m *Meter) byte(c byte) {
	switch c {
	case ' ', '\t', '\r', '\n':
		return
	case '{', '[':
		m.depth++
		if m.depth < len(m.kinds) {
			m.kinds[m.depth] = c
			m.keys[m.depth].n = 0
		}
		m.name = c == '{'
		if c == '{' && m.depth == m.doc && (m.doc == 1 || m.kinds[1] == '{' && m.keys[1].means("docs") && m.kinds[2] == '[') {
			m.inside, m.body, m.special = true, 0, 0
		}
		m.count(1)
		return
	case '}', ']':
		m.count(1)
		if m.inside && m.depth == m.doc {
			m.inside = false
			size := m.body + m.special
			m.meter.Docs++
			m.meter.Total += size
			m.meter.Largest = max(m.meter.Largest, size)
		}
		m.depth = max(m.depth-1, 0) // Parse will report broken JSON
		m.name = false
		return
	case '"':
		m.text, m.naming = true, m.name
		if m.naming && m.depth < len(m.keys) {
			m.keys[m.depth].n = 0
		}
		m.name = false
	case ',':
		m.name = m.depth > 0 && (m.depth >= len(m.kinds) || m.kinds[m.depth] == '{')
		if m.depth == m.doc {
			m.keys[m.depth].n = 0
		}
	default:
		m.name = false
	}
	m.count(1)
}

// count adds bytes to the count they belong to.
func (m *Meter) count(n int) {
	if !m.inside {
		return
	}
	k := &m.keys[m.doc]
	if m.depth == m.doc && m.naming || k.n == 0 || k.text[0] != '_' {
		m.body += int64(n)
	} else {
		m.special += int64(n)
	}
}
