package index

import (
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/tododb/tododb/store/engine"
)

// entry is an entry of an index's storage that is still to be written.
type entry struct {
	space      engine.Space
	key, value []byte
}

func (r *entry) compare(o *entry) int {
	return cmp.Or(cmp.Compare(r.space, o.space), bytes.Compare(r.key, o.key))
}

// runs sorts more records than fit in memory: each batch becomes a sorted run in a file, and
// merge reads all runs side by side. A single batch needs no file. If no later process may go on with
// them, the file has no name while in use, where the system allows that, so nothing is left of it
// whatever happens to this one.
type runs struct {
	dir    string
	head   *runsHead // what they are of, if a later process may go on with them; nil: it may not
	kept   bool      // the file has its name, and a list
	list   *os.File
	memory []entry // the only run
	order  []place // of memory
	file   *os.File
	w      *runWriter
	ends   []int64 // of the runs in the file
	buf    []byte
}

// runsPrefix begins the names of the files.
const runsPrefix = "rows-"

// add takes in a batch; last says that there will be no other. If it is the only one, its
// memory is kept until close. st is the state of an index that has it, and all before.
func (r *runs) add(batch []entry, last bool, st *state) error {
	order := inOrder(batch)
	if last && r.file == nil {
		r.memory, r.order = batch, order
		return nil
	}
	if r.file == nil {
		if err := r.open(); err != nil {
			return fmt.Errorf("create a file for sorted rows: %w", err)
		}
	}
	for _, p := range order {
		b := &batch[p.at]
		r.buf = append(r.buf[:0], byte(b.space))
		r.buf = binary.AppendUvarint(r.buf, uint64(len(b.key)))
		r.buf = binary.AppendUvarint(r.buf, uint64(len(b.value)))
		for _, part := range [][]byte{r.buf, b.key, b.value} {
			if err := r.w.write(part); err != nil {
				return fmt.Errorf("write sorted rows: %w", err)
			}
		}
	}
	end, err := r.w.endRun()
	if err == nil && r.kept {
		err = r.made(end, st)
	}
	if err != nil {
		return fmt.Errorf("write sorted rows: %w", err)
	}
	r.ends = append(r.ends, end)
	return nil
}

// open makes the file.
func (r *runs) open() (err error) {
	if r.head != nil {
		err = r.create()
	} else if r.file, err = os.CreateTemp(r.dir, runsPrefix+"*"); err == nil {
		_ = os.Remove(r.file.Name()) // if an open file keeps its name, close removes it
	}
	if err == nil {
		r.w = newRunWriter(r.file)
	}
	return err
}

// close ends the use of the file. If keep is set, a later process may go on with it.
func (r *runs) close(keep bool) (err error) {
	for _, f := range []*os.File{r.list, r.file} {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	switch {
	case r.kept && !keep:
		err = errors.Join(err, r.remove(filepath.Join(r.dir, r.head.name())))
	case !r.kept && r.file != nil:
		err = errors.Join(err, r.remove(r.file.Name()))
	}
	return err
}

// remove removes a file of runs, after the list that says that there are any.
func (r *runs) remove(path string) (err error) {
	for _, name := range []string{path + madeSuffix, path} {
		if e := os.Remove(name); !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// mergeMemory is the size of all runs' buffers during a merge.
const mergeMemory = 8 << 20

// merge calls fn for all records in order. They are valid during the call.
func (r *runs) merge(ctx context.Context, fn func(*entry) error) error {
	pace := engine.NewPace(ctx)
	if r.file == nil {
		for _, p := range r.order {
			e := &r.memory[p.at]
			if err := errors.Join(pace.Step(len(e.value)), fn(e)); err != nil {
				return err
			}
		}
		return nil
	}
	if err := r.w.w.Flush(); err != nil {
		return fmt.Errorf("write sorted rows: %w", err)
	}
	buffer := min(max(mergeMemory/len(r.ends), runBlock), 128<<10)
	var h runHeap
	from := int64(0)
	for _, end := range r.ends {
		one := &run{r: newRunReader(r.file, from, end, buffer)}
		from = end
		more, err := one.next()
		if err != nil {
			return err
		}
		if more {
			h = append(h, one)
		}
	}
	heap.Init(&h)
	for len(h) > 0 {
		first := h[0]
		if err := first.load(); err != nil {
			return err
		}
		if err := errors.Join(pace.Step(len(first.now.value)), fn(&first.now)); err != nil {
			return err
		}
		more, err := first.next()
		if err != nil {
			return err
		}
		if more {
			heap.Fix(&h, 0)
		} else {
			heap.Pop(&h)
		}
	}
	return nil
}

// keptValue is the most memory for a key or a value that a run keeps for a shorter one.
const keptValue = 4 << 10

// run is one sorted run being read. There may be thousands side by side, so a record's value is
// read only when its turn comes.
type run struct {
	r     *runReader
	now   entry
	value int // the length of the value that load reads
}

// load reads the value of the record.
func (r *run) load() error {
	r.now.value = slices.Grow(r.now.value[:0], r.value)[:r.value]
	if _, err := io.ReadFull(r.r, r.now.value); err != nil {
		return fmt.Errorf("read sorted rows: %w", err)
	}
	return nil
}

// next reads the next record without its value. The previous value must have been read. At the
// end it returns false.
func (r *run) next() (more bool, err error) {
	space, err := r.r.ReadByte()
	if err == io.EOF {
		return false, nil
	}
	var keyLen, valueLen uint64
	if err == nil {
		keyLen, err = binary.ReadUvarint(r.r)
	}
	if err == nil {
		valueLen, err = binary.ReadUvarint(r.r)
	}
	if err == nil {
		r.now.space = engine.Space(space)
		if cap(r.now.key) > keptValue && keyLen <= keptValue {
			r.now.key = nil
		}
		r.now.key = slices.Grow(r.now.key[:0], int(keyLen))[:keyLen]
		r.value = int(valueLen)
		if cap(r.now.value) > keptValue {
			r.now.value = nil
		}
		_, err = io.ReadFull(r.r, r.now.key)
	}
	if err != nil {
		return false, fmt.Errorf("read sorted rows: %w", err)
	}
	return true, nil
}

// runHeap has the run with the least record first.
type runHeap []*run

func (h runHeap) Len() int           { return len(h) }
func (h runHeap) Less(i, j int) bool { return h[i].now.compare(&h[j].now) < 0 }
func (h runHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *runHeap) Push(x any)        { *h = append(*h, x.(*run)) }

// Pop is part of heap.Interface.
func (h *runHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
