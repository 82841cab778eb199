package bolt

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tododb/tododb/store/engine"
)

// freeLag is how much may lie above a file before Free has it brought there: what it frees is not known before.
const freeLag = 128 << 10

// Free counts the pages on the free list, and what the file has behind its last page.
func (d *db) Free(ctx context.Context) (free int64, err error) {
	if err := d.ready(ctx); err != nil {
		return 0, err
	}
	if d.file.above.Load() > freeLag {
		_ = d.file.flushOut(ctx) // if there is no room for it, the figure is older
	}
	d.file.recount()
	size, err := d.Size(ctx)
	if err != nil {
		return 0, err
	}
	err = d.View(ctx, func(r engine.Reader) error {
		tx := r.(*reader).tx
		if tx == nil {
			return nil
		}
		used := tx.Size()
		free = min(max(size-used, 0)+min(d.file.empty.Load(), used), size)
		return nil
	})
	return free, err
}

// recount counts free pages after a large transaction. The next one that would tell may be far.
func (f *file) recount() {
	if !f.uncounted.Swap(false) {
		return
	}
	f.flush.Lock()
	defer f.flush.Unlock()
	if f.bolt != nil && f.stateNow() == nil {
		f.empty.Store(countFree(f.opened))
	}
}

// countFree reads how many free pages a file has that is not written to at the moment.
func countFree(file *os.File) int64 {
	info, err := file.Stat()
	if err != nil {
		return 0
	}
	p, err := openPages(file, info.Size())
	if err != nil {
		return 0
	}
	_, ids, err := p.freePages()
	if err != nil {
		return 0
	}
	return int64(len(ids)) * p.size
}

// Packed adds up the pages that a compaction would fill.
func (d *db) Packed(ctx context.Context) (parts []engine.Packed, err error) {
	if err := errors.Join(d.ready(ctx), d.file.stateNow()); err != nil {
		return nil, err
	}
	if err := d.file.flushOut(ctx); err != nil {
		return nil, err
	}
	defer heedNoFaults(heedFaults())
	c := copier{ctx: ctx, from: d.file}
	names, err := c.buckets()
	if err != nil {
		return nil, err
	}
	// Two meta pages, the buckets, the free list, and what was free when it was written.
	parts = []engine.Packed{{Size: 6 * pageBytes}}
	for _, name := range names {
		part := engine.Packed{}
		if len(name) == 1 {
			part.Space = engine.Space(name[0])
		}
		leaves, branches := &packing{}, &packing{}
		var after []byte
		for more := true; more; {
			read := 0
			err := c.view(func(r *reader) (err error) {
				after, more, err = walkPart(r, name, after, func(k, v []byte) error {
					part.Bytes += int64(len(k) + len(v))
					read += len(k) + min(len(v), int(pageBytes)) // the rest of a long value is not looked at
					if leaves.add(len(k) + len(v)) {
						branches.add(len(k))
					}
					return nil
				})
				return err
			})
			if err == nil {
				err = engine.Throttled(ctx, read)
			}
			if err != nil {
				return nil, err
			}
		}
		inline := leaves.pages == 0 && leaves.page <= pageBytes/4 // it stands in the page of the buckets
		switch part.Size = leaves.end(); {
		case inline:
			part.Size = 0
		case leaves.pages > 1:
			part.Size += branches.end()
		}
		parts = append(parts, part)
	}
	return parts, nil
}

// pageBytes is the size of a page of a new file, which is the system's.
var pageBytes = int64(os.Getpagesize())

// packing fills pages as bbolt does when entries come in order.
type packing struct {
	pages, n, page int64
}

// add puts an entry in, and reports whether it begins a page.
func (p *packing) add(size int) (begins bool) {
	size += elementLen
	if p.n >= 2 && p.page+int64(size) > int64(copyFill*float64(pageBytes)) {
		p.close()
	}
	if p.n == 0 {
		p.page, begins = pageHead, true
	}
	p.n++
	p.page += int64(size)
	return begins
}

func (p *packing) close() {
	p.pages += (p.page + pageBytes - 1) / pageBytes
	p.n, p.page = 0, 0
}

func (p *packing) end() int64 {
	p.close()
	return p.pages * pageBytes
}

// sizeToBe is about how long the file of a database gets that has none yet.
func (f *file) sizeToBe() int64 { return 4*pageBytes + f.above.Load() }

// Stat is part of engine.Stater.
func (e *Engine) Stat(ctx context.Context, name string) (engine.Stat, error) {
	path := e.path(name)
	var st engine.Stat
	e.mu.Lock()
	f := e.files[path]
	e.mu.Unlock()
	if f != nil && f.isVirtual() {
		st.Size = f.sizeToBe()
	} else {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return engine.Stat{}, engine.ErrNoDB
		}
		if err != nil {
			return engine.Stat{}, systemError(err)
		}
		st.Size, st.Changed = info.Size(), info.ModTime()
	}
	if f != nil {
		f.swap.RLock()
		if f.changed.After(st.Changed) {
			st.Changed = f.changed
		}
		f.swap.RUnlock()
	}
	subs, err := os.ReadDir(subsPath(path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return st, systemError(err)
	}
	for _, sub := range subs {
		if info, err := sub.Info(); err == nil && filepath.Ext(sub.Name()) == suffix { // else it has just been dropped
			st.Subs += info.Size()
		}
	}
	return st, nil
}
