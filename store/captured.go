package store

import (
	"fmt"

	"github.com/tododb/tododb/revtree"
)

// Captured is what the record of a document says that a Capture has read.
type Captured struct {
	Deleted bool // the winner is a tombstone
	Tree    revtree.Tree
}

// BodyKey is the key under which a Capture gives the body of a revision.
type BodyKey [12]byte

// ParseCaptured takes a document's record apart. The error is ErrCorrupt.
func ParseCaptured(rec []byte) (c Captured, err error) {
	d, err := parseDocRecord(rec)
	if err != nil {
		return c, err
	}
	c.Deleted = d.deleted()
	c.Tree, err = d.decode()
	return c, err
}

// Skimmed is what the record of a document with one leaf says without its tree.
type Skimmed struct {
	Deleted   bool // the leaf is a tombstone
	Gen       uint64
	ID        []byte // of the leaf; aliases the record
	Revisions int
}

// SkimCaptured reads that; ok is false if the document has more than one leaf. The error is ErrCorrupt.
func SkimCaptured(rec []byte) (s Skimmed, ok bool, err error) {
	d, err := skimDocRecord(rec)
	if err != nil || d.flags&docForked != 0 {
		return s, false, err
	}
	s = Skimmed{Deleted: d.deleted(), Gen: d.winner.Gen, ID: d.id}
	if s.Revisions, err = revtree.EncodedLen(d.tree); err != nil {
		return s, false, corrupt("tree: %v", err)
	}
	return s, true, nil
}

// BodyOf returns the key of a revision's body; ok is false if it has none.
func (c *Captured) BodyOf(n revtree.Node) (key BodyKey, ok bool, err error) {
	if n.Data == nil {
		return key, false, nil
	}
	ref, err := parseBodyRef(n.Data)
	if err != nil {
		return key, false, err
	}
	return BodyKey(bodyKey(ref)), true, nil
}

// Bodies returns the keys of the bodies of all revisions that have one.
func (c *Captured) Bodies() (keys []BodyKey, err error) {
	c.Tree.Nodes(func(n revtree.Node, _ bool) bool {
		key, ok, e := c.BodyOf(n)
		if err = e; ok {
			keys = append(keys, key)
		}
		return err == nil
	})
	return keys, err
}

// CapturedAttachments returns the attachments of a body that a Capture has read. The error is
// ErrCorrupt.
func CapturedAttachments(body []byte) ([]Attachment, error) {
	b, err := parseBody(body)
	if err != nil {
		return nil, err
	}
	return parseAttachments(b.atts)
}

// AppendCapturedJSON appends the JSON of such a body, an object without _id, _rev and the like.
func AppendCapturedJSON(dst, body []byte) ([]byte, error) {
	b, err := parseBody(body)
	if err != nil {
		return dst, err
	}
	return b.appendJSON(dst)
}

// AppendCapturedChunk appends the bytes of a chunk of an attachment that was read as the store has
// it.
func AppendCapturedChunk(dst, chunk []byte) ([]byte, error) {
	was := len(dst)
	dst, err := appendChunk(dst, chunk)
	if err == nil && len(dst)-was > chunkSize {
		err = corrupt("chunk of %d bytes", len(dst)-was)
	}
	return dst, err
}

func (k BodyKey) String() string { return fmt.Sprintf("%x", k[:]) }

// CapturedSequences is the space whose entry, if a Capture gives one, stands for a newest sequence
// that no document has.
const CapturedSequences = byte(spaceSeq)
