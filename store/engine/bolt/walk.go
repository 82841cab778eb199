package bolt

import (
	"context"
	"fmt"
)

// walk goes through all pages in use. It reports faults and continues.
type walk struct {
	*pages
	ctx    context.Context // when it ends, so does the walk
	leaves bool            // read the leaves of the buckets too
	report func(format string, args ...any)

	used, free bitset
	below      []child        // where the last branch page leads
	head       [pageHead]byte // of a page that was looked at
	// tangled says that a page is reached by two ways, or is also free: following the pages
	// might never end.
	tangled bool
}

// untangled says why the tree of pages cannot be followed, if so. It reads only the pages that
// lead to others, about a hundredth of all.
func (p *pages) untangled() (err error) {
	w := walk{pages: p, ctx: context.Background(), report: func(format string, args ...any) {
		if err == nil {
			err = fmt.Errorf(format, args...)
		}
	}}
	w.freelist()
	if err != nil { // it is read when the file is opened
		return err
	}
	err = nil
	w.buckets()
	if !w.tangled {
		err = nil // whoever reads a damaged page will notice
	}
	return err
}

// check reports every fault of the pages, and returns whether they can be followed. Once ctx
// has ended, that is unknown.
func (p *pages) check(ctx context.Context, report func(string)) (sound bool) {
	w := walk{pages: p, ctx: ctx, leaves: true, report: func(format string, args ...any) { report(fmt.Sprintf(format, args...)) }}
	w.freelist()
	w.buckets()
	if ctx.Err() != nil {
		return false
	}
	lost := 0
	for id := uint64(2); id < p.high; id++ {
		if !w.used.has(id) && !w.free.has(id) {
			lost++
		}
	}
	if lost > 0 {
		w.report("%d pages are neither in use nor free", lost)
	}
	return !w.tangled
}

func (w *walk) freelist() {
	w.used, w.free = make(bitset, w.high/64+1), make(bitset, w.high/64+1)
	pg, ids, err := w.freePages()
	if err != nil {
		w.report("%v", err)
		return
	}
	w.claim(pg.id, pg.more)
	for _, id := range ids {
		if w.free.has(id) || w.used.has(id) {
			w.report("page %d is free twice, or in use as well", id)
		}
		w.free.set(id)
	}
}

// claim records that a page, and those that continue it, are in use.
func (w *walk) claim(id, more uint64) bool {
	for i := id; i <= id+more; i++ {
		switch {
		case i < 2 || i >= w.high:
			w.report("page %d is beyond the last of %d pages", i, w.high)
		case w.free.has(i):
			w.report("page %d is in use, and free", i)
		case w.used.has(i):
			w.report("page %d is in use twice", i)
		default:
			w.used.set(i)
			continue
		}
		w.tangled = true
		return false
	}
	return true
}

// step is a page to visit, with the bounds of its keys.
type step struct {
	id       uint64
	from, to []byte
}

func (w *walk) buckets() {
	var roots []uint64
	w.tree(w.root, true, func(e leaf) {
		switch {
		case !e.bucket:
			w.report("%x stands where buckets do, and is none", e.key)
		case len(e.value) < bucketHead:
			w.report("bucket %x has no root", e.key)
		case order.Uint64(e.value) == 0:
			w.inline(e)
		default:
			roots = append(roots, order.Uint64(e.value))
		}
	})
	for _, root := range roots {
		w.tree(root, w.leaves, func(leaf) {})
	}
}

// inline checks a small bucket, whose only page is in its entry.
func (w *walk) inline(e leaf) {
	data := e.value[bucketHead:]
	if len(data) < pageHead {
		w.report("bucket %x is cut off", e.key)
		return
	}
	pg := page{flags: order.Uint16(data[8:]), count: int(order.Uint16(data[10:])), data: data}
	if pg.flags != isLeaf {
		w.report("bucket %x has a page that is no leaf", e.key)
		return
	}
	w.entries(&pg, step{}, func(leaf) {})
}

// tree goes through the pages of a bucket. What entry is given it may use until it returns.
func (w *walk) tree(root uint64, leaves bool, entry func(leaf)) {
	var spare []byte // of a page to which no step refers
	for todo := []step{{id: root}}; len(todo) > 0 && w.ctx.Err() == nil; {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		pg, err := w.readInto(spare, s.id)
		spare = nil
		if err != nil {
			if w.claim(s.id, 0) {
				w.report("%v", err)
			}
			continue
		}
		if !w.claim(s.id, pg.more) {
			continue
		}
		switch pg.flags {
		case isLeaf:
			w.entries(&pg, s, entry)
			spare = pg.data
		case isBranch:
			next := w.branch(&pg, s, leaves)
			todo = append(todo, next...)
			if len(next) == 0 {
				spare = pg.data
			}
		default:
			w.report("page %d is a free list where entries should be", pg.id)
		}
	}
}

func (w *walk) entries(pg *page, s step, entry func(leaf)) {
	list, err := pg.leaves()
	if err != nil {
		w.report("%v", err)
		return
	}
	before := []byte(nil)
	for i, e := range list {
		if outOfOrder(e.key, before, s.to) || i == 0 && s.from != nil && string(e.key) < string(s.from) {
			w.report("page %d: key %d is out of order", pg.id, i)
		}
		before = e.key
		entry(e)
	}
}

// branch returns where a branch page leads. All leaves of a tree are at one depth: if leaves
// are not wanted and the first child is one, so are the others.
func (w *walk) branch(pg *page, s step, leaves bool) (next []step) {
	list, err := pg.children(w.below)
	if err != nil {
		w.report("%v", err)
		return nil
	}
	if len(list) == 0 {
		w.report("page %d leads nowhere", pg.id)
		return nil
	}
	w.below = list
	before := []byte(nil)
	for i, c := range list {
		// The first key of a branch may have been deleted, and be below what its parent says.
		if i > 0 && outOfOrder(c.key, before, s.to) {
			w.report("page %d: key %d is out of order", pg.id, i)
		}
		before = c.key
	}
	if !leaves {
		// The head of the first one tells, and a file has many branches of which only that is asked.
		if first, err := w.begin(w.head[:], list[0].id); err != nil || first.flags != isBranch {
			for _, c := range list {
				w.claim(c.id, 0)
			}
			return nil
		}
	}
	next = make([]step, len(list))
	for i, c := range list {
		next[i] = step{id: c.id, from: c.key, to: s.to}
		if i > 0 {
			next[i-1].to = c.key
		}
	}
	return next
}

// bitset is a set of pages.
type bitset []uint64

func (b bitset) has(id uint64) bool { return b[id/64]&(1<<(id%64)) != 0 }
func (b bitset) set(id uint64)      { b[id/64] |= 1 << (id % 64) }
