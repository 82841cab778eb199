package index

import (
	"bytes"

	"github.com/tododb/tododb/store/collate"
	"github.com/tododb/tododb/store/document"
)

// In an index whose definition is Partitioned, the collated key of a row is the name of the
// partition of its document, as a string in byte order, and then the row's own key. So rows,
// segments and reductions of a partition stand together in each view.

// appendPartition appends what the keys of a partition's rows begin with. No such beginning is the
// beginning of another.
func appendPartition(dst, name []byte) []byte { return collate.AppendText(dst, name) }

// In confines a range to the rows of a partition. The definition of its index is Partitioned.
func (rg Range) In(partition string) Range {
	begin := appendPartition(nil, []byte(partition))
	within := func(key []byte) []byte { return append(begin[:len(begin):len(begin)], key...) }
	if rg.Low.Key == nil {
		rg.Low = Bound{}
	}
	rg.Low.Key = within(rg.Low.Key)
	if rg.High.Key == nil {
		rg.High = Bound{Key: []byte{collate.After}}
	}
	rg.High.Key = within(rg.High.Key)
	return rg
}

// appendKey appends the collated key of a document's row, whose own key is JSON.
func (d *Definition) appendKey(dst []byte, view int, id, json []byte) ([]byte, error) {
	if d.Partitioned {
		name, _ := document.PartitionOf(id)
		dst = appendPartition(dst, name)
	}
	return d.Views[view].Order.AppendKey(dst, json)
}

// maps reports whether the documents of an id may have rows.
func (d *Definition) maps(id []byte) bool {
	if d.Partitioned {
		_, ok := document.PartitionOf(id)
		return ok
	}
	return d.IncludeDesign || !bytes.HasPrefix(id, []byte("_design/"))
}
