package backup

import (
	"encoding/binary"
	"fmt"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/record"
)

// Kind says what an item is.
type Kind byte

const (
	KindHeader     Kind = 'H'
	KindAttachment Kind = 'A'
	KindChunk      Kind = 'C'
	KindBody       Kind = 'B'
	KindDocument   Kind = 'D'
	KindGone       Kind = 'G'
	KindSurvivors  Kind = 'S'
	KindSpace      Kind = 'W'
	KindEntry      Kind = 'E'
	KindTrim       Kind = 'T'
	KindEnd        Kind = 'Z'
)

func (k Kind) String() string { return string(rune(k)) }

// Version is the format of streams that this package writes. It reads no other.
const Version = 1

// Header opens a stream.
type Header struct {
	Database string // its name when the stream was made
	Instance string // distinguishes the database from every other
	// Since is what the stream continues, zero for a whole one.
	Since store.Point
	// Epoch and Last are the newest sequence of the database when the stream began.
	Epoch string
	Last  uint64
	// Contents says that the stream has nothing but attachments (Contents).
	Contents bool
	// NoContent says that attachments come without content.
	NoContent bool
}

// Flags of a header.
const (
	flagContents = 1 << iota
	flagNoContent
)

func (h *Header) appendTo(b []byte) []byte {
	flags := byte(0)
	if h.Contents {
		flags |= flagContents
	}
	if h.NoContent {
		flags |= flagNoContent
	}
	b = append(b, Version)
	b = record.AppendBytes(b, h.Database)
	b = record.AppendBytes(b, h.Instance)
	b = binary.AppendUvarint(record.AppendBytes(b, h.Epoch), h.Last)
	return appendPoint(append(b, flags), h.Since)
}

func appendPoint(b []byte, p store.Point) []byte {
	raw, _ := p.AppendBinary(nil)
	return record.AppendBytes(b, raw)
}

// End closes a stream.
type End struct {
	Point store.Point // the state of the database that the fold is
	// Items is how many items came before this one; Documents and Deleted are the documents of the
	// database at that state, and those of them whose winner is a tombstone.
	Items, Documents, Deleted uint64
	Sum                       uint64 // xxHash of the stream's bytes before this item
}

func (e *End) appendTo(b []byte) []byte {
	b = appendPoint(b, e.Point)
	for _, n := range []uint64{e.Items, e.Documents, e.Deleted} {
		b = binary.AppendUvarint(b, n)
	}
	return binary.BigEndian.AppendUint64(b, e.Sum)
}

// Attachment is an attachment that documents refer to.
type Attachment struct {
	Digest  store.Digest
	Length  int64  // bytes as they are stored
	Linked  uint64 // the sequence since which the database has had it, 0 if that is not known
	Content bool   // chunks follow
}

func (a *Attachment) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(append(b, a.Digest[:]...), uint64(a.Length))
	b = binary.AppendUvarint(b, a.Linked)
	if a.Content {
		return append(b, 1)
	}
	return append(b, 0)
}

// Item is one item of a stream. It is valid until the next one is read.
type Item struct {
	Kind    Kind
	Payload []byte

	raw []byte
	doc *Document // that a Reader has read in it
}

// Bytes are the item's bytes in the stream.
func (i *Item) Bytes() []byte { return i.raw }

// Header reads a header. The error is *Broken, also for an unknown version.
func (i *Item) Header() (h Header, err error) {
	r := record.Read(i.Payload)
	if v := r.Byte(); v != Version {
		return h, broken("it is of version %d, this program knows version %d", v, Version)
	}
	h.Database, h.Instance, h.Epoch, h.Last = string(r.Bytes()), string(r.Bytes()), string(r.Bytes()), r.Uvarint()
	flags := r.Byte()
	h.Contents, h.NoContent = flags&flagContents != 0, flags&flagNoContent != 0
	since := r.Bytes()
	if r.Bad || len(r.Rest) > 0 || flags > flagContents|flagNoContent || h.Since.UnmarshalBinary(since) != nil {
		return h, broken("malformed header")
	}
	return h, nil
}

// End reads an end. The error is *Broken.
func (i *Item) End() (e End, err error) {
	r := record.Read(i.Payload)
	point := r.Bytes()
	e.Items, e.Documents, e.Deleted = r.Uvarint(), r.Uvarint(), r.Uvarint()
	var sum [8]byte
	r.Fill(sum[:])
	e.Sum = binary.BigEndian.Uint64(sum[:])
	if r.Bad || len(r.Rest) > 0 || e.Point.UnmarshalBinary(point) != nil {
		return e, broken("malformed end")
	}
	return e, nil
}

// Attachment reads an attachment. The error is *Broken.
func (i *Item) Attachment() (a Attachment, err error) {
	r := record.Read(i.Payload)
	r.Fill(a.Digest[:])
	a.Length, a.Linked = int64(r.Uvarint()), r.Uvarint()
	content := r.Byte()
	if r.Bad || len(r.Rest) > 0 || a.Length < 0 || content > 1 {
		return a, broken("malformed attachment")
	}
	a.Content = content == 1
	return a, nil
}

// Document is a document of a stream, as the store has it. The slices alias the item.
type Document struct {
	ID     []byte
	Seq    uint64
	Record []byte // store: the document's record, with its tree of revisions
	Entry  []byte // store: its entry in the feed
}

// appendHeads appends what stands before the record, and then, from toEntry on, what stands between it
// and the entry, which is behind all.
func (d *Document) appendHeads(b []byte) (heads []byte, toEntry int) {
	b = record.AppendBytes(b, d.ID)
	b = binary.AppendUvarint(b, d.Seq)
	b = binary.AppendUvarint(b, uint64(len(d.Record)))
	toEntry = len(b)
	return binary.AppendUvarint(b, uint64(len(d.Entry))), toEntry
}

// Document reads a document. The error is *Broken.
func (i *Item) Document() (d Document, err error) {
	if i.doc != nil {
		return *i.doc, nil
	}
	r := record.Read(i.Payload)
	d.ID, d.Seq = r.Bytes(), r.Uvarint()
	d.Record, d.Entry = r.Bytes(), r.Bytes()
	if r.Bad || len(r.Rest) > 0 || len(d.ID) == 0 || d.Seq == 0 {
		return d, broken("malformed document")
	}
	return d, nil
}

// bodyKeySize is the length of a body's key.
const bodyKeySize = 12

// Body reads the key and the record of a body. The error is *Broken.
func (i *Item) Body() (key, value []byte, err error) {
	if len(i.Payload) <= bodyKeySize {
		return nil, nil, broken("malformed body")
	}
	return i.Payload[:bodyKeySize], i.Payload[bodyKeySize:], nil
}

// Entry is an entry of a space other than those of documents. The slices alias the item.
type Entry struct {
	Space      byte
	Key, Value []byte
}

// Entry reads an entry. The error is *Broken.
func (i *Item) Entry() (e Entry, err error) {
	r := record.Read(i.Payload)
	e.Space, e.Key = r.Byte(), r.Bytes()
	e.Value = r.Rest
	if r.Bad || len(e.Key) == 0 || len(e.Value) == 0 {
		return Entry{}, broken("malformed entry")
	}
	return e, nil
}

// Survivors are all sequences From..To that documents have.
type Survivors struct {
	From, To uint64
	Seqs     []uint64
}

func (s *Survivors) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, s.From)
	b = binary.AppendUvarint(b, s.To-s.From)
	last := s.From
	for _, seq := range s.Seqs {
		b = binary.AppendUvarint(b, seq-last)
		last = seq
	}
	return b
}

// Survivors reads survivors. The error is *Broken.
func (i *Item) Survivors() (s Survivors, err error) {
	r := record.Read(i.Payload)
	s.From = r.Uvarint()
	s.To = s.From + r.Uvarint()
	last := s.From
	for len(r.Rest) > 0 && !r.Bad {
		n := r.Uvarint()
		if n == 0 && len(s.Seqs) > 0 || n > s.To-last {
			return s, broken("malformed survivors")
		}
		last += n
		s.Seqs = append(s.Seqs, last)
	}
	if r.Bad || s.From == 0 || s.To < s.From {
		return s, broken("malformed survivors")
	}
	return s, nil
}

// Space reads which space comes whole. The error is *Broken.
func (i *Item) Space() (byte, error) {
	if len(i.Payload) != 1 {
		return 0, broken("malformed space")
	}
	return i.Payload[0], nil
}

// Trim reads which space is trimmed, and before which key. The error is *Broken.
func (i *Item) Trim() (space byte, key []byte, err error) {
	if len(i.Payload) < 2 {
		return 0, nil, broken("malformed trim")
	}
	return i.Payload[0], i.Payload[1:], nil
}

func (k Kind) known() bool {
	switch k {
	case KindHeader, KindAttachment, KindChunk, KindBody, KindDocument, KindGone, KindSurvivors, KindSpace, KindEntry, KindTrim, KindEnd:
		return true
	}
	return false
}

func (i *Item) String() string { return fmt.Sprintf("%s of %d bytes", i.Kind, len(i.Payload)) }
