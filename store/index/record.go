package index

import (
	"encoding/binary"
	"fmt"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/record"
)

// The spaces of an index's storage. Their numbers are on disk: they never change.
const (
	spaceState   engine.Space = 16
	spaceRows    engine.Space = 17
	spaceByDoc   engine.Space = 18
	spaceSummary engine.Space = 19
	spaceBySeq   engine.Space = 20
)

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

// A row's record has the key view | collated key | document id and the value
//
//	version | uvarint length of view and collated key | uvarint n | n times: bytes key, bytes value
//
// with the rows that one document has under one key.
type rowRecord struct {
	prefix []byte // view and collated key; aliases the record's key
	id     []byte // aliases that key too
	n      int
	pairs  []byte
}

func appendRowHead(b []byte, prefix, n int) []byte {
	b = binary.AppendUvarint(append(b, record.Version), uint64(prefix))
	return binary.AppendUvarint(b, uint64(n))
}

func parseRow(k, v []byte) (rowRecord, error) {
	r := record.Read(v)
	if r.Byte() != record.Version {
		return rowRecord{}, corrupt("row of unknown version")
	}
	prefix, n := r.Uvarint(), r.Uvarint()
	if r.Bad || prefix == 0 || prefix >= uint64(len(k)) || n == 0 {
		return rowRecord{}, corrupt("row of %d bytes", len(v))
	}
	return rowRecord{prefix: k[:prefix:prefix], id: k[prefix:], n: int(n), pairs: r.Rest}, nil
}

// each calls fn for the rows of the record, in order.
func (r *rowRecord) each(fn func(key, value []byte) error) error {
	rd := record.Read(r.pairs)
	for range r.n {
		key, value := rd.Bytes(), rd.Bytes()
		if rd.Bad {
			return corrupt("row of %q", r.id)
		}
		if err := fn(key, value); err != nil {
			return err
		}
	}
	return nil
}

// firstKey is the JSON of the key of the first row.
func (r *rowRecord) firstKey() ([]byte, error) {
	rd := record.Read(r.pairs)
	key := rd.Bytes()
	if rd.Bad {
		return nil, corrupt("row of %q", r.id)
	}
	return key, nil
}

// docRecord is what the index knows of a document:
//
//	version | flags | uvarint seq | uvarint n | n times: bytes prefix |
//	uvarint m | m times: bytes prefix
//
// where a prefix is view and collated key. The first list is for the document's rows. The second,
// with Definition.Changes, is for rows that it had before.
type docRecord struct {
	deleted bool // its entries by sequence report a deletion
	seq     uint64
	now     [][]byte
	past    [][]byte
}

const docDeleted = 1

func (d *docRecord) appendTo(b []byte) []byte {
	flags := byte(0)
	if d.deleted {
		flags = docDeleted
	}
	b = append(b, record.Version, flags)
	b = binary.AppendUvarint(b, d.seq)
	for _, list := range [][][]byte{d.now, d.past} {
		b = binary.AppendUvarint(b, uint64(len(list)))
		for _, p := range list {
			b = record.AppendBytes(b, p)
		}
	}
	return b
}

func parseDoc(v []byte) (d docRecord, err error) {
	if v == nil {
		return d, nil
	}
	r := record.Read(v)
	if r.Byte() != record.Version {
		return d, corrupt("document record of unknown version")
	}
	d.deleted = r.Byte()&docDeleted != 0
	d.seq = r.Uvarint()
	for _, list := range []*[][]byte{&d.now, &d.past} {
		for n := r.Uvarint(); n > 0 && !r.Bad; n-- {
			*list = append(*list, r.Bytes())
		}
	}
	if r.Bad {
		return d, corrupt("document record of %d bytes", len(v))
	}
	return d, nil
}

// state is where an index stands:
//
//	version | bytes signature | uvarint of | bytes epoch | uvarint seq | uvarint purge seq |
//	uvarint bytes of rows | uvarint views | for each: uvarint rows, uvarint changed |
//	while it is loaded: bytes loader
//
// An index of another version is built anew: up to version 2, rows had only the beginning of a long key.
type state struct {
	loader        string // the mark of the loader; "": none
	signature     string
	of            store.Seq // the newest state of the database from which the index may have data
	seq, purgeSeq uint64
	bytes         int64
	views         []viewState
}

// viewState is how many rows a view has, and the sequence at which they last changed.
type viewState struct{ rows, changed uint64 }

var stateKey = []byte("state")

const stateVersion = 3

func (s *state) appendTo(b []byte) []byte {
	b = record.AppendBytes(append(b, stateVersion), s.signature)
	b = binary.AppendUvarint(b, s.of.N)
	b = record.AppendBytes(b, s.of.Epoch)
	b = binary.AppendUvarint(b, s.seq)
	b = binary.AppendUvarint(b, s.purgeSeq)
	b = binary.AppendUvarint(b, uint64(s.bytes))
	b = binary.AppendUvarint(b, uint64(len(s.views)))
	for _, v := range s.views {
		b = binary.AppendUvarint(b, v.rows)
		b = binary.AppendUvarint(b, v.changed)
	}
	if s.loader != "" {
		b = record.AppendBytes(b, s.loader)
	}
	return b
}

// readState reads the state; there is none in a new index.
func readState(r engine.Reader, views int) (s state, found bool, err error) {
	v, err := r.Get(spaceState, stateKey)
	if err != nil || v == nil {
		return state{views: make([]viewState, views)}, false, err
	}
	s, err = parseState(v, views)
	return s, err == nil, err
}

func parseState(v []byte, views int) (s state, err error) {
	s.views = make([]viewState, views)
	rd := record.Read(v)
	if rd.Byte() != stateVersion {
		return s, corrupt("state of unknown version")
	}
	s.signature = string(rd.Bytes())
	s.of.N = rd.Uvarint()
	s.of.Epoch = string(rd.Bytes())
	s.seq, s.purgeSeq, s.bytes = rd.Uvarint(), rd.Uvarint(), int64(rd.Uvarint())
	n := rd.Uvarint()
	for i := uint64(0); i < n && !rd.Bad; i++ {
		if v := (viewState{rd.Uvarint(), rd.Uvarint()}); i < uint64(views) {
			s.views[i] = v
		}
	}
	if len(rd.Rest) > 0 {
		s.loader = string(rd.Bytes())
	}
	if rd.Bad {
		return s, corrupt("state of %d bytes", len(v))
	}
	return s, nil
}

// An entry by sequence has the key view | collated key | sequence. The entry for all keys together
// has view | sequence, which is less than all others of its view. The value is version | flags
// | document id.

func appendSeqKey(dst, prefix []byte, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, prefix...), seq)
}
