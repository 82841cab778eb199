package document

import (
	"bytes"

	"github.com/tododb/tododb/store/jsonscan"
)

// Meter measures the documents in JSON that comes in pieces, so that one that is too
// large is known before it has come to its end. It counts what a document keeps, which is
// all but the bytes of attachments; whether the JSON is any is for Parse to say.
type Meter struct {
	limit int64
	most  int // documents
	doc   int // how deep in the JSON the members of a document stand

	depth  int
	kinds  [8]byte // what is open at each depth, { or [; deeper ones do not matter
	keys   [8]key  // the member that it is at
	text   bool    // within a string
	escape bool
	naming bool // that string is the name of a member
	name   bool // a string that comes now would be one

	inside        bool // a document
	body, special int64
	meter         Measure
}

// Measure is what a Meter has found: sizes are bytes without the bytes of attachments.
type Measure struct {
	Docs           int
	Largest, Total int64
}

// key is the beginning of a member's name, long enough to tell those that matter.
type key struct {
	text [25]byte // one more than "docs" has when all of it is escaped
	n    int
}

func (k *key) is(name string) bool { return string(k.text[:k.n]) == name }

// means is is, for a name that may be written with escapes.
func (k *key) means(name string) bool {
	if bytes.IndexByte(k.text[:k.n], '\\') < 0 {
		return k.is(name)
	}
	text, err := jsonscan.Text(append(append([]byte{'"'}, k.text[:k.n]...), '"'))
	return err == nil && text == name
}

// meterSlack is by how much a document may seem too large and not be: its exact size is
// known when it has been parsed.
const meterSlack = 64 << 10

// NewMeter makes a Meter for one document, or for the documents of a _bulk_docs request,
// each of which may be as large, and all as many, as opt says.
func NewMeter(bulk bool, opt Options) *Meter {
	m := &Meter{limit: opt.MaxSize, most: opt.MostDocs, doc: 1}
	if bulk {
		m.doc = 3
	}
	return m
}

// Measure is what has been found so far, a document that has not come to its end included:
// who reads it goes as far, to find out that it is none.
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

// Add takes the next bytes: an *Error of kind TooLarge once a document is too large, TooMany
// once there are too many.
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

// string goes on within a string, up to its end if that is there.
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

// data tells whether a string is the bytes of an attachment.
func (m *Meter) data() bool {
	return m.inside && !m.naming && m.depth == m.doc+2 && m.keys[m.doc].is("_attachments") && m.keys[m.depth].is("data")
}

// note keeps what belongs to a member's name. One that is written with escapes is not
// taken for the plain one; it only counts when it need not.
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
		m.depth = max(m.depth-1, 0) // of what is no JSON Parse will say so
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

// count counts bytes where they belong.
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
