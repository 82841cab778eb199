package index

import (
	"context"
	"errors"
	"slices"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/jsonscan"
)

// Exact groups rows by their complete keys.
const Exact = -1

// ReduceQuery says what to reduce.
type ReduceQuery struct {
	// Ranges belong to one view, and are reduced one after the other.
	Ranges     []Range
	Descending bool
	// GroupLevel is how many elements of array keys form a group; 0: all rows of a range are
	// one group; Exact: every key is one.
	GroupLevel int
	Skip       int // groups
	Limit      int // groups; negative: none
}

// Group is the reduction of one group's rows. Its slices are valid during the call that brings
// it.
type Group struct {
	Key   []byte // JSON; nil if all rows are one group
	Value []byte // JSON
	Err   *ReduceError
}

// settleBytes is the most bytes that may wait to be reduced.
const settleBytes = 1 << 20

// snapshotGroups is the most groups for which one snapshot is held.
const snapshotGroups = 256

// GroupsTo takes groups as they are reduced. Its functions are called as RowsTo's are.
type GroupsTo struct {
	Head  func(Head) error
	Group func(*Group) error
	Flush func() error
}

// Reduce reduces ranges of a view that has a reducer. A range without rows has no groups.
func (ix *Index) Reduce(ctx context.Context, view int, q ReduceQuery, to GroupsTo) error {
	if ix.def.Views[view].NewReducer == nil {
		return errors.New("index: the view has no reducer")
	}
	red, err := ix.def.Views[view].NewReducer(ctx)
	if err != nil {
		return err
	}
	defer red.Close()
	g := grouper{q: &q, def: ix.def, ranges: slices.Clone(q.Ranges), red: red, left: q.Limit, skip: q.Skip, view: view, to: to}
	return ix.pages(ctx, to.Flush, &g)
}

// grouper reduces groups over several snapshots.
type grouper struct {
	q      *ReduceQuery
	def    *Definition
	ranges []Range // those still to read
	red    Reducer
	left   int // negative: no limit
	skip   int
	view   int
	to     GroupsTo

	out        Group
	key, value []byte

	// With a BatchReducer: the groups of this snapshot that are still to be reduced.
	waiting  []Group
	gathered []any
	size     int
}

func (g *grouper) begin(r engine.Reader) error {
	if g.to.Head == nil {
		return nil
	}
	st, _, err := readState(r, len(g.def.Views))
	if err != nil {
		return err
	}
	return g.to.Head(Head{Seq: st.seq, Total: st.views[g.view].rows, Changed: st.views[g.view].changed})
}

// page reduces as many groups as one snapshot allows.
func (g *grouper) page(ctx context.Context, r engine.Reader) (more bool, err error) {
	for n := 0; len(g.ranges) > 0 && g.left != 0; n++ {
		if n == snapshotGroups {
			return true, g.settle()
		}
		if err := ctx.Err(); err != nil {
			return false, err
		}
		found, err := g.next(r, &g.ranges[0])
		if err != nil {
			return false, err
		}
		if !found || g.q.GroupLevel == 0 {
			g.ranges = g.ranges[1:]
		}
	}
	return false, g.settle()
}

// settle reduces the waiting groups.
func (g *grouper) settle() error {
	if len(g.waiting) == 0 {
		return nil
	}
	got, err := g.red.(BatchReducer).Results(g.gathered)
	if err != nil {
		return err
	}
	for i := range g.waiting {
		out := &g.waiting[i]
		if out.Value, out.Err = got[i].Value, got[i].Err; out.Err != nil {
			out.Value = nil
		}
		if err := g.to.Group(out); err != nil {
			return err
		}
	}
	clear(g.gathered)
	g.waiting, g.gathered, g.size = g.waiting[:0], g.gathered[:0], 0
	return nil
}

// next reduces the next group of a range and moves the range's beginning past it.
func (g *grouper) next(r engine.Reader, rg *Range) (found bool, err error) {
	first, found, err := firstOf(r, rg, g.q.Descending)
	if !found || err != nil {
		return false, err
	}
	part := *rg
	g.out = Group{}
	if g.q.GroupLevel != 0 {
		whole, err := g.groupOf(&first, rg.View)
		if err != nil {
			return false, err
		}
		if rg.Low.Key == nil || less(&whole.Low, &rg.Low) > 0 {
			part.Low = whole.Low
		}
		if rg.High.Key == nil || less(&whole.High, &rg.High) < 0 {
			part.High = whole.High
		}
		if g.q.Descending {
			rg.High = whole.Low
		} else {
			rg.Low = whole.High
		}
	}
	if g.skip > 0 {
		g.skip--
		return true, nil
	}
	g.red.Reset()
	if err := fold(r, &part, &reduction{red: g.red}); err != nil {
		return false, err
	}
	if batch, ok := g.red.(BatchReducer); ok {
		gathered, size := batch.Take()
		g.waiting = append(g.waiting, Group{Key: slices.Clone(g.out.Key)})
		g.gathered = append(g.gathered, gathered)
		if g.left > 0 {
			g.left--
		}
		if g.size += size; g.size >= settleBytes {
			return true, g.settle()
		}
		return true, nil
	}
	g.value, err = g.red.AppendResult(g.value[:0])
	g.out.Value = g.value
	if e, ok := errors.AsType[*ReduceError](err); ok {
		g.out.Value, g.out.Err, err = nil, e, nil
	}
	if err != nil {
		return false, err
	}
	if g.left > 0 {
		g.left--
	}
	return true, g.to.Group(&g.out)
}

// groupOf finds the range of the group that a row belongs to, and the group's key.
func (g *grouper) groupOf(first *rowRecord, view int) (Range, error) {
	json, err := first.firstKey()
	if err != nil {
		return Range{}, err
	}
	g.out.Key = json
	if g.q.GroupLevel > 0 && jsonscan.Kind(json) == '[' {
		cut, n, err := firstElements(g.key[:0], json, g.q.GroupLevel)
		if err != nil {
			return Range{}, err
		}
		if n == g.q.GroupLevel {
			g.key, g.out.Key = cut, cut
			prefix, err := g.def.appendKey(nil, view, first.id, cut)
			return Prefix(view, prefix[:len(prefix)-1]), err
		}
	}
	return Key(view, slices.Clone(first.prefix[1:])), nil
}

// firstElements appends an array of the first elements of an array, at most limit, and returns
// how many there are.
func firstElements(dst, array []byte, limit int) (cut []byte, n int, err error) {
	dst = append(dst, '[')
	err = jsonscan.EachElement(array, func(element []byte) error {
		if n == limit {
			return nil
		}
		if n++; n > 1 {
			dst = append(dst, ',')
		}
		dst = append(dst, element...)
		return nil
	})
	return append(dst, ']'), n, err
}

// Count counts the rows of ranges, at a cost that does not grow with their number.
func (ix *Index) Count(ctx context.Context, ranges []Range) (n int, err error) {
	err = ix.read().view(ctx, func(r engine.Reader) error {
		n = 0
		for i := range ranges {
			some, err := countRange(r, &ranges[i])
			if err != nil {
				return err
			}
			n += some
		}
		return nil
	})
	return n, err
}
