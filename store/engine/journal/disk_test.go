package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
)

// sector is what a disk writes whole or not at all.
const sector = 512

// disk is a folder in memory that forgets what was not synced, and fails when it is told to.
type disk struct {
	mu     sync.Mutex
	live   map[string]*inode // the names that the system knows
	synced map[string]*inode // those that a power cut leaves
	locked bool

	// pins says that a file that is open is neither renamed nor removed, as on Windows.
	pins bool
	// fails says with which error a call fails; calls are named as in the interfaces.
	fails func(call, name string) error
	// before is called before anything changes.
	before func()
	// keeps tells of each thing that a failed sync was to bring to the disk whether it is there (nil: some).
	keeps func() bool
}

// inode is the contents of a file.
type inode struct {
	live   []byte
	synced []byte
	// loose are the writes since the last sync, whose sectors may be on the disk or not.
	loose []looseWrite
	open  int // how often it is open
}

type looseWrite struct {
	off  int64 // of the data, or the size of a file that is cut or grows
	data []byte
}

func newDisk() *disk { return &disk{live: map[string]*inode{}, synced: map[string]*inode{}} }

// call notes that something is about to change, and says whether it fails.
func (d *disk) call(call, name string) error {
	if d.before != nil {
		d.before()
	}
	if d.fails != nil {
		return d.fails(call, name)
	}
	return nil
}

type diskLock struct{ d *disk }

func (l diskLock) Close() error { l.d.locked = false; return nil }

func (d *disk) lock() (io.Closer, error) {
	if d.locked {
		return nil, errors.New("the folder is in use")
	}
	d.locked = true
	return diskLock{d}, nil
}

func (d *disk) path(name string) string { return name }

func (d *disk) names() ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Keys(d.live)), nil
}

func (d *disk) open(name string, write bool) (file, error) {
	if err := d.call("open", name); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	i := d.live[name]
	if i == nil {
		return nil, fs.ErrNotExist
	}
	i.open++
	return &diskFile{d: d, i: i, name: name, write: write}, nil
}

func (d *disk) create(name string) (file, error) {
	if err := d.call("create", name); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.pinned(name); err != nil {
		return nil, err
	}
	i := &inode{open: 1}
	d.live[name] = i
	return &diskFile{d: d, i: i, name: name, write: true}, nil
}

// pinned says that a file cannot be renamed, replaced or removed. The caller holds mu.
func (d *disk) pinned(name string) error {
	if i := d.live[name]; d.pins && i != nil && i.open > 0 {
		return fmt.Errorf("%s is open", name)
	}
	return nil
}

func (d *disk) rename(from, to string) error {
	if err := d.call("rename", to); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := errors.Join(d.pinned(from), d.pinned(to)); err != nil {
		return err
	}
	d.live[to] = d.live[from]
	delete(d.live, from)
	return nil
}

func (d *disk) remove(name string) error {
	if err := d.call("remove", name); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.live[name] == nil {
		return fs.ErrNotExist
	}
	if err := d.pinned(name); err != nil {
		return err
	}
	delete(d.live, name)
	return nil
}

func (d *disk) sync() error {
	if err := d.call("names", ""); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.synced = maps.Clone(d.live)
	return nil
}

// killed is the disk as the next process finds it.
func (d *disk) killed() *disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.copied()
}

// copied copies everything; files of two names stay one.
func (d *disk) copied() *disk {
	next := newDisk()
	were := map[*inode]*inode{}
	for _, names := range []struct{ from, to map[string]*inode }{{d.live, next.live}, {d.synced, next.synced}} {
		for name, i := range names.from {
			if were[i] == nil {
				were[i] = &inode{live: slices.Clone(i.live), synced: slices.Clone(i.synced), loose: slices.Clone(i.loose)}
			}
			names.to[name] = were[i]
		}
	}
	return next
}

// cut is the disk after a power cut. arrived says of each thing that was not synced whether it is on the disk
// all the same: a sector of a write, a new size, a name.
func (d *disk) cut(arrived func() bool) *disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := newDisk()
	were := map[*inode]*inode{}
	names := slices.Sorted(maps.Keys(d.live))
	for name := range d.synced {
		if d.live[name] == nil {
			names = append(names, name)
		}
	}
	for _, name := range names {
		i := d.synced[name]
		if d.live[name] != i && arrived() {
			i = d.live[name]
		}
		if i == nil {
			continue
		}
		if were[i] == nil {
			b := i.cut(arrived)
			were[i] = &inode{live: b, synced: slices.Clone(b)}
		}
		next.live[name] = were[i]
		next.synced[name] = were[i]
	}
	return next
}

// unsynced is how many things arrived is asked for.
func (d *disk) unsynced() (n int) {
	d.cut(func() bool { n++; return false })
	return n
}

func (i *inode) cut(arrived func() bool) []byte {
	b := slices.Clone(i.synced)
	for _, w := range i.loose {
		if w.data == nil {
			if arrived() {
				b = resized(b, w.off)
			}
			continue
		}
		size := w.off + int64(len(w.data))
		if size > int64(len(b)) && arrived() {
			b = resized(b, size)
		}
		for from := int64(0); from < int64(len(w.data)); {
			n := min(sector-(w.off+from)%sector, int64(len(w.data))-from)
			at := w.off + from
			part := w.data[from : from+n]
			was := b[min(at, int64(len(b))):min(at+n, int64(len(b)))]
			same := bytes.Equal(was, part[:len(was)]) && len(bytes.Trim(part[len(was):], "\x00")) == 0
			if !same && arrived() { // what changes nothing arrives and does not
				b = resized(b, max(int64(len(b)), at+n))
				copy(b[at:], part)
			}
			from += n
		}
	}
	return b
}

func resized(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		return b[:size:size]
	}
	return append(b[:len(b):len(b)], make([]byte, size-int64(len(b)))...)
}

type diskFile struct {
	d     *disk
	i     *inode
	name  string
	write bool
	once  sync.Once
}

func (f *diskFile) Close() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	f.once.Do(func() { f.i.open-- })
	return nil
}

func (f *diskFile) Size() (int64, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return int64(len(f.i.live)), nil
}

func (f *diskFile) ReadAt(b []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return bytes.NewReader(f.i.live).ReadAt(b, off)
}

// WriteAt writes a part of b if it fails.
func (f *diskFile) WriteAt(b []byte, off int64) (int, error) {
	if !f.write {
		return 0, fs.ErrPermission
	}
	err := f.d.call("write", f.name)
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err != nil {
		b = b[:len(b)/2]
	}
	f.i.live = resized(f.i.live, max(int64(len(f.i.live)), off+int64(len(b))))
	copy(f.i.live[off:], b)
	f.i.loose = append(f.i.loose, looseWrite{off, append([]byte{}, b...)})
	return len(b), err
}

func (f *diskFile) Truncate(size int64) error {
	if !f.write {
		return fs.ErrPermission
	}
	if err := f.d.call("truncate", f.name); err != nil {
		return err
	}
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	f.i.live = resized(f.i.live, size)
	f.i.loose = append(f.i.loose, looseWrite{off: size})
	return nil
}

// Sync that fails behaves as Linux does: something of it is on disk, and the rest counts as if it were.
func (f *diskFile) Sync() error {
	err := f.d.call("sync", f.name)
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err != nil {
		n := uint64(len(f.i.loose))
		random := rand.New(rand.NewPCG(n, uint64(len(f.i.live))))
		keeps := f.d.keeps
		if keeps == nil {
			keeps = func() bool { return random.IntN(2) == 0 }
		}
		f.i.synced = f.i.cut(keeps)
	} else {
		f.i.synced = f.i.cut(func() bool { return true })
	}
	f.i.loose = nil
	return err
}
