package store

import (
	"bytes"
	"slices"

	"github.com/tododb/tododb/revtree"
)

// checkPage is what the records of some documents name, which is read together: each by itself would be a round trip
// where the engine is behind a network.
type checkPage struct {
	entries []checkedEntry
	bodies  []checkedBody
	keys    [][]byte // room
}

// checkedEntry is a document's place in the sequence.
type checkedEntry struct {
	id     []byte
	seq    uint64
	data   []byte
	leaves []revtree.Node
}

// checkedBody is the body of a revision.
type checkedBody struct {
	id  []byte
	rev revtree.Rev
	ref bodyRef
}

// The most that a page has. Bodies are read in parts of so many bytes; a single one may be larger.
const (
	checkPageDocs   = 1000
	checkPageBodies = 4000
	checkPageBytes  = 4 << 20
)

// full reports whether the page is to be checked before there is more.
func (p *checkPage) full() bool {
	return len(p.entries) >= checkPageDocs || len(p.bodies) >= checkPageBodies
}

// checkNamed checks what the documents of the page name, and begins another one.
func (c *checker) checkNamed() error {
	p := &c.page
	if err := c.notDead(p); err != nil {
		return err
	}
	keys := p.keys[:0] // no engine keeps them
	for i := range p.entries {
		keys = append(keys, seqKey(p.entries[i].seq))
	}
	err := c.r.GetMulti(spaceSeq, keys, func(i int, v []byte) error { c.entryOf(&p.entries[i], v); return nil })
	for at := 0; at < len(p.bodies) && err == nil; {
		from, size := at, int64(0)
		for keys = keys[:0]; at < len(p.bodies) && (at == from || size+p.bodies[at].ref.stored <= checkPageBytes); at++ {
			keys, size = append(keys, bodyKey(p.bodies[at].ref)), size+p.bodies[at].ref.stored
		}
		err = c.r.GetMulti(spaceBody, keys, func(i int, v []byte) error { c.bodyAt(&p.bodies[from+i], v); return nil })
	}
	clear(p.entries)
	clear(p.bodies)
	p.entries, p.bodies, p.keys = p.entries[:0], p.bodies[:0], keys
	return err
}

// entryOf checks a document's place in the sequence.
func (c *checker) entryOf(d *checkedEntry, v []byte) {
	if v == nil {
		c.report("document %q stands at sequence %d, which is not there", d.id, d.seq)
		return
	}
	e, err := parseSeqEntry(v)
	if err != nil {
		c.report("sequence %d: %v", d.seq, err)
		return
	}
	others, err := e.others(nil)
	if err != nil {
		c.report("sequence %d: %v", d.seq, err)
		return
	}
	got := append([]leaf{{rev: e.winner, deleted: e.deleted()}}, others...)
	same := slices.EqualFunc(got, d.leaves, func(a leaf, b revtree.Node) bool {
		return a.rev == b.Rev && a.deleted == b.Deleted
	})
	if !bytes.Equal(e.id, d.id) || !same || !bytes.Equal(e.data, d.data) {
		c.report("sequence %d of document %q tells of %q at %s", d.seq, d.id, e.id, e.winner)
	}
}

// bodyAt checks the body of a revision.
func (c *checker) bodyAt(b *checkedBody, v []byte) {
	if v == nil {
		c.report("revision %s of document %q has lost its body", b.rev, b.id)
		return
	}
	stored, err := parseBody(v)
	var json []byte
	var atts []Attachment
	if err == nil {
		json, err = stored.appendJSON(nil)
	}
	if err == nil {
		atts, err = parseAttachments(stored.atts)
	}
	for i := 0; i < len(atts) && c.refs != nil; i++ {
		c.refs[atts[i].Digest]++
	}
	attached := int64(0)
	if c.partitioned {
		attached = attachedBytes(atts)
	}
	if err != nil {
		c.report("revision %s of document %q: %v", b.rev, b.id, err)
	} else if int64(len(json)) != b.ref.size || int64(len(v)) != b.ref.stored || attached != b.ref.attached {
		c.report("revision %s of document %q has a body of %d bytes, stored as %d, and attachments of %d bytes, where %d, %d and %d were noted",
			b.rev, b.id, len(json), len(v), attached, b.ref.size, b.ref.stored, b.ref.attached)
	}
}
