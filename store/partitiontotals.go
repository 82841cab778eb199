package store

import (
	"bytes"
	"slices"
	"strings"

	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/record"
)

// totalsFrom is where the totals of partitions stand in the doc space: behind all documents, whose
// ids are UTF-8. No document has such an id, and none can be asked for (CheckID). Those of all
// partitions stand together, and many in one record, so that a commit to many partitions writes
// little:
//
//	key    totalsFrom | name
//	value  version | flags: docDeleted, docTotals | for each partition: bytes name | totals: 4 uvarints
//
// The names in a record are in order, from the one in its key up to that of the next record. The
// first record has none in its key. A partition without documents is in no record, and there is no
// record without a partition.
const totalsFrom = 0xff

// partitionKey is the key of a record that begins with a partition.
func partitionKey[T string | []byte](name T) []byte { return append([]byte{totalsFrom}, name...) }

// partitionsSize is how long a record gets, in bytes, if it has more than one partition. Each commit
// to one of them writes it anew.
const partitionsSize = 1000

// isTotals reports whether a record of the doc space has totals of partitions.
func isTotals(v []byte) bool { return len(v) > 1 && v[1]&docTotals != 0 }

// partitionTotals are the totals of a partition.
type partitionTotals struct {
	name []byte
	totals
}

func (p *partitionTotals) size() int { return len(p.name) + 12 }

func appendPartitions(b []byte, all []partitionTotals) []byte {
	b = append(b, record.Version, docDeleted|docTotals)
	for i := range all {
		b = appendTotals(record.AppendBytes(b, all[i].name), all[i].totals)
	}
	return b
}

// parsePartitions appends what is in a record, whose memory the names share.
func parsePartitions(dst []partitionTotals, k, v []byte) ([]partitionTotals, error) {
	r := record.Read(v)
	version, flags := r.Byte(), r.Byte()
	if version != record.Version || flags != docDeleted|docTotals || len(k) == 0 || k[0] != totalsFrom || len(r.Rest) == 0 {
		return dst, corrupt("totals of partitions at %q", k)
	}
	least := k[1:]
	for first := true; len(r.Rest) > 0; first = false {
		p := partitionTotals{name: r.Bytes(), totals: readTotals(&r)}
		if c := bytes.Compare(p.name, least); r.Bad || c < 0 || c == 0 && !first || p.totals == (totals{}) {
			return dst, corrupt("totals of partitions at %q, after %q", k, least)
		}
		dst, least = append(dst, p), p.name
	}
	return dst, nil
}

// partitionRecord finds the record that has a partition, or would have it: the last one that begins
// no later. v is nil if there is none yet.
func partitionRecord(r engine.Reader, name string) (k, v []byte, err error) {
	to := append(partitionKey(name), 0)
	k = to[:1:1] // the first record
	err = r.Scan(spaceDoc, engine.Range{From: k, To: to, Reverse: true, Limit: 1}, func(key, value []byte) (bool, error) {
		k, v = key, value
		return false, nil
	})
	return k, v, err
}

// readPartition reads the totals of a partition.
func readPartition(r engine.Reader, name string) (t totals, err error) {
	k, v, err := partitionRecord(r, name)
	if v == nil || err != nil {
		return t, err
	}
	all, err := parsePartitions(nil, k, v)
	for i := range all {
		if string(all[i].name) == name {
			t = all[i].totals
		}
	}
	return t, err
}

// partitionDelta is what a transaction adds to the totals of a partition.
type partitionDelta struct {
	name string
	totals
}

// countInPartition adds figures of a document to those of its partition.
func (w *writer) countInPartition(id string, t *totals) {
	name, ok := document.Partition(id)
	if !ok {
		return
	}
	// Documents come in the order of their ids, so those of a partition come together.
	if n := len(w.partitions); n == 0 || w.partitions[n-1].name != name {
		w.partitions = append(w.partitions, partitionDelta{name: name})
	}
	w.partitions[len(w.partitions)-1].add(t)
}

// savePartitions writes the totals of the partitions that the transaction changed.
func (w *writer) savePartitions() error {
	if len(w.partitions) == 0 {
		return nil
	}
	byName := func(a, b partitionDelta) int { return strings.Compare(a.name, b.name) }
	if !slices.IsSortedFunc(w.partitions, byName) { // there was more than one op
		slices.SortFunc(w.partitions, byName)
	}
	added := w.partitions[:0]
	for _, d := range w.partitions {
		if n := len(added); n > 0 && added[n-1].name == d.name {
			added[n-1].add(&d.totals)
		} else {
			added = append(added, d)
		}
	}
	added = slices.DeleteFunc(added, func(d partitionDelta) bool { return d.totals == totals{} })
	if len(added) == 0 {
		return nil
	}
	k, v, err := partitionRecord(w.tx, added[0].name)
	var had, has []partitionTotals // their memory is used for one record after the other
	for len(added) > 0 && err == nil {
		had = had[:0]
		if v != nil {
			if had, err = parsePartitions(had, k, v); err != nil {
				return err
			}
		}
		n, nextK, nextV := 1, k, v
		for n < len(added) && bytes.Equal(k, nextK) {
			if last := len(had) - 1; last < 0 || string(had[last].name) < added[n].name {
				if nextK, nextV, err = partitionRecord(w.tx, added[n].name); err != nil {
					return err
				}
			}
			if bytes.Equal(k, nextK) {
				n++
			}
		}
		has = mergePartitions(has[:0], had, added[:n])
		err = w.putPartitions(k, has)
		added, k, v = added[n:], nextK, nextV
	}
	return err
}

// mergePartitions appends the totals of partitions after what has been added to them.
func mergePartitions(dst, had []partitionTotals, added []partitionDelta) []partitionTotals {
	for _, d := range added {
		for len(had) > 0 && string(had[0].name) < d.name {
			dst, had = append(dst, had[0]), had[1:]
		}
		var p partitionTotals
		if len(had) > 0 && string(had[0].name) == d.name {
			p, had = had[0], had[1:]
		} else {
			p.name = []byte(d.name)
		}
		if p.add(&d.totals); p.totals != (totals{}) {
			dst = append(dst, p)
		}
	}
	return append(dst, had...)
}

// putPartitions writes what belongs to the record at k, as several records of about the same length
// if it is too long for one.
func (w *writer) putPartitions(k []byte, all []partitionTotals) error {
	if len(all) == 0 {
		return w.tx.Delete(spaceDoc, k)
	}
	size := 0
	for i := range all {
		size += all[i].size()
	}
	part := size/(size/partitionsSize+1) + 1
	for len(all) > 0 {
		n := 1
		for size = all[0].size(); n < len(all) && size < part; n++ {
			size += all[n].size()
		}
		v := w.keep(func(b []byte) []byte { return appendPartitions(b, all[:n]) })
		if err := w.tx.Put(spaceDoc, k, v); err != nil {
			return err
		}
		if all = all[n:]; len(all) > 0 {
			k = partitionKey(all[0].name)
		}
	}
	return nil
}
