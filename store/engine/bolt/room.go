package bolt

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/tododb/tododb/store/disk"
	"github.com/tododb/tododb/store/engine"
)

// The journal takes room until the files have what it has, and for that they may have to grow. On a disk that is wholly
// full they cannot, so nothing would ever be let go of. Therefore so much of the disk stays free as the files may grow
// by, and a margin. As that comes near, the flusher brings everything to the files. Behind it, a transaction goes to
// its database's file at once, with what stands above that, so the journal gets no longer; and bbolt, which knows before it
// writes how long the file gets, refuses one that would take what is kept. Only what makes room itself may have most of
// the margin (engine.UseReserve), and, if it is small, the last of it while nothing stands above any file. So an estimate
// has things go to the files earlier, and refuses no write; it does refuse a new database.

// room knows how much of the disk may be taken.
type room struct {
	needed atomic.Int64 // about how much the files may grow by until the journal is not needed, at the most
	left   atomic.Int64 // so much may be taken before the system is asked again
	spare  atomic.Int64 // so much was to spare at the last look
	scarce atomic.Bool  // there was little then: everything is to go to the files
	blind  atomic.Bool  // there was nothing then

	patience time.Duration // how long a writer waits for others before he is refused (settleWithin)
	settling chan struct{} // holds one for each who has others flushed

	asking sync.Mutex // guards what follows
	of     func(folder string) (disk.Space, error)
	wonder int64 // so much was taken of nothing
}

const (
	mostMargin  = 16 << 20
	marginShare = 16 // of a small disk it is this part
	flushShare  = 4  // this part of it is for bringing things to the files alone, which may need more than was thought
	// nothing is what cannot be told from no room at all. A system that says so may know nothing of the disk. So then it is
	// the disk itself that refuses; and if it takes so much all the same, the system is not believed any more.
	nothing   = 8 << 10
	wonderful = 64 << 10
)

// margin is how much stays free of a disk of some size, besides what the files need.
func margin(total int64) int64 { return min(total/marginShare, mostMargin) }

// growth is about how much longer a file gets at the most when so many entries are brought there that take so many bytes of
// memory. size is its length, 0 if there is none, and empty how much of that its free pages take. Those count for nothing:
// what is brought may need more of them in a row than there are. It is too little where small entries lie among
// much larger ones, which are written anew with them.
func growth(keys, bytes, size, empty int64) int64 {
	const (
		first  = 64 << 10 // pages that each transaction writes, or each new file has
		split  = 2        // pages that have just been split may be half empty
		around = 4        // an entry lies among others, mostly of its size
	)
	used := max(size-empty, 0)
	// Each entry may lie in a page of its own, which is written anew, as are those that lead there, and the list of all
	// that has become free.
	again := min(max(keys*pageBytes*9/8, around*bytes), used) + used/256
	return first + split*bytes + again
}

// growth is by how much the file may grow until it has what stands above it.
func (f *file) growth() int64 {
	bytes, size := f.above.Load(), f.size.Load()
	if bytes == 0 && size > 0 {
		return 0
	}
	return growth(f.aboveKeys.Load(), bytes, size, f.empty.Load())
}

// unknownSize is the size of a file that nobody has looked at yet.
const unknownSize = math.MaxInt64 / 4

// measured notes how long the file is. The caller holds flush.
func (f *file) measured() {
	if info, err := f.opened.Stat(); err == nil {
		f.size.Store(info.Size())
	}
	f.eng.room.left.Store(0)
	f.eng.weigh(f)
}

// wonders is called when a transaction has taken what there is not. Before it, the file's pages took so much. The caller holds flush.
func (f *file) wonders(before int64) {
	end, _ := f.inUse()
	f.eng.room.wonders(max(end-before, 0))
}

func (r *room) wonders(bytes int64) {
	r.asking.Lock()
	defer r.asking.Unlock()
	r.wonder += bytes
}

// inUse is where the file's last page ends, and how long the file is.
func (f *file) inUse() (end, size int64) {
	info, err := f.opened.Stat()
	if err != nil {
		return 0, 0
	}
	p, err := openPages(f.opened, info.Size())
	if err != nil {
		return 0, 0
	}
	return int64(p.high) * p.size, info.Size()
}

// weighs is what is to be counted of a file. Nothing comes to one that is given up: who opens another one in its place has what
// stands above it, and counts that.
func (f *file) weighs() (bytes, needs int64) {
	if f.removed.Load() || f.givenUp.Load() {
		return 0, 0
	}
	return f.above.Load(), f.growth()
}

// weigh counts what stands above a file, and what that needs, after something of that has changed.
func (e *Engine) weigh(f *file) {
	for {
		bytes, needs := f.weighs()
		e.unflushedBytes.Add(bytes - f.weighed.Swap(bytes))
		e.room.needed.Add(needs - f.needs.Swap(needs))
		if b, n := f.weighs(); b == bytes && n == needs { // else the last word may be an old one
			return
		}
	}
}

// remove says that the file is gone, and what the journal has of it.
func (f *file) remove() {
	f.removed.Store(true)
	f.eng.weigh(f)
}

// look is what the system says of the disk.
type look struct {
	free, margin int64
}

// look asks the system. It is not ok if that cannot tell. The caller holds asking.
func (r *room) look(folder string) (l look, ok bool) {
	space, err := r.of(folder)
	free, total := space.Free, space.Free+space.Used
	if os.Geteuid() == 0 {
		free += space.Root
	}
	if err != nil || total == 0 {
		return l, false
	}
	l = look{clamp(free), margin(clamp(total))}
	if l.free >= nothing { // it knows something, or somebody has made room
		r.wonder = 0
	}
	return l, r.wonder <= wonderful
}

func clamp(n uint64) int64 { return int64(min(n, math.MaxInt64/4)) }

// spare is how much may be taken of what is free if so much is needed.
func (l look) spare(needed int64, reserve bool) int64 {
	if !reserve {
		return l.free - needed - l.margin
	}
	last := l.margin / flushShare
	may := l.free - needed - last
	if needed == 0 { // what is kept for bringing things to the files waits for nothing
		may = max(may, min(l.free, last))
	}
	return may
}

// take tells whether so many bytes may be taken. It asks the system only now and then.
func (e *Engine) take(bytes int64) bool {
	r := &e.room
	if r.left.Add(-bytes) >= 0 {
		return true
	}
	r.asking.Lock()
	defer r.asking.Unlock()
	l, ok := e.lookAtDisk()
	if !ok {
		return true
	}
	if r.scarce.Load() {
		e.wakeFlusher()
	}
	spare := l.spare(r.needed.Load(), false) - bytes
	if spare >= 0 {
		r.left.Store(spare / 2) // others take room as well
	}
	return spare >= 0
}

// lookAtDisk has all know how the disk is. The caller holds asking.
func (e *Engine) lookAtDisk() (look, bool) {
	r := &e.room
	needed := r.needed.Load()
	l, ok := r.look(e.dir)
	if !ok {
		r.scarce.Store(false)
		r.blind.Store(false)
		r.spare.Store(math.MaxInt64 / 4)
		r.left.Store(math.MaxInt64 / 4)
		return l, false
	}
	spare := l.spare(needed, false)
	r.scarce.Store(spare < max(needed, l.margin))
	r.blind.Store(l.free < nothing)
	r.spare.Store(max(spare, 0))
	r.left.Store(0)
	return l, true
}

// scarce looks whether there is little room.
func (e *Engine) scarce() bool {
	e.room.asking.Lock()
	defer e.room.asking.Unlock()
	e.lookAtDisk()
	return e.room.scarce.Load()
}

// settleOthers brings to the files what stands above all others but one, if so much may not be taken as long as room is kept for
// them. It waits for those that are in use, but not for ever: who uses them may wait for this one.
func (e *Engine) settleOthers(ctx context.Context, f *file, cost int64, reserve bool) {
	timed, cancel := context.WithTimeout(ctx, e.room.patience)
	defer cancel()
	for pause := lookAgain; ; pause = min(2*pause, longPause) {
		e.room.asking.Lock()
		l, ok := e.lookAtDisk()
		e.room.asking.Unlock()
		others := e.room.needed.Load() - f.needs.Load()
		if !ok || others <= 0 || l.spare(others, reserve) >= cost {
			return
		}
		var settled chan bool
		var again <-chan time.Time
		select {
		case e.room.settling <- struct{}{}:
			settled = make(chan bool, 1)
			e.wg.Go(func() { // a file that outgrows its map waits for its readers
				flushed, all := e.trySettle(f)
				<-e.room.settling
				settled <- all
				for _, other := range flushed {
					e.letGo(other)
				}
			})
		default: // some do it already
			again = time.After(pause)
		}
		select {
		case all := <-settled:
			if all || timed.Err() != nil || e.untilStop.Err() != nil {
				return
			}
			time.Sleep(pause)
		case <-again:
		case <-timed.Done():
			return
		case <-e.untilStop.Done(): // who stops waits for this one
			return
		}
	}
}

const (
	settlers  = 4 // so many of those who wait have it flushed; the others see what comes of it
	longPause = 50 * time.Millisecond
)

// settleWithin is room.patience but in tests.
const settleWithin = 2 * time.Second

// trySettle tries once. It returns what it has flushed, and reports that there is none left that it is worth to wait for.
func (e *Engine) trySettle(f *file) (flushed []*file, all bool) {
	all = true
	for other := range e.dues.all() {
		if other != f && other.needs.Load() > 0 && !other.failing.Load() {
			err := other.flushOnce(e.untilStop, false)
			all = !errors.Is(err, errBusy) && all
			if err == nil {
				flushed = append(flushed, other)
			}
		}
	}
	return flushed, all
}

// limit has bbolt refuse a transaction of a file if that would take what is kept. Before, the file is so long, and
// so much of what is needed will not be any more.
func (e *Engine) limit(b *bbolt.DB, size, settled int64, reserve bool) {
	r := &e.room
	r.asking.Lock()
	l, ok := e.lookAtDisk()
	r.asking.Unlock()
	b.MaxSize = 0
	if runtime.GOOS == "windows" { // there the file is as long as its map, and bbolt goes by how long the next one is
		if info, err := os.Stat(b.Path()); err == nil {
			size = max(size, info.Size())
		}
	}
	if ok && l.free >= nothing {
		may := max(l.spare(r.needed.Load()-settled, reserve), 0)
		b.MaxSize = int(min(size+may+int64(b.AllocSize), math.MaxInt))
	}
}

var errKept = fmt.Errorf("%w: what is left is kept for what the journal has", engine.ErrFull)

// roomFor tells whether a database may be made that takes so much.
func (e *Engine) roomFor(ctx context.Context, f *file, cost int64) error {
	if e.take(cost) {
		return nil
	}
	e.settleOthers(ctx, f, cost, false)
	if e.take(cost) {
		return nil
	}
	if e.room.blind.Load() {
		return e.tryRoom(cost)
	}
	return errKept
}

// tryRoom finds out whether so much can be written, where the system says that nothing can.
func (e *Engine) tryRoom(bytes int64) error {
	path := filepath.Join(e.dir, "room"+asideSuffix) // the next start removes it
	err := os.WriteFile(path, make([]byte, bytes), 0o600)
	if err = errors.Join(err, removeIfThere(path)); err != nil {
		return err
	}
	e.room.wonders(bytes)
	return nil
}

// limited says of a transaction that limit has refused that there is no room.
func limited(err error) error {
	if errors.Is(err, berrors.ErrMaxSizeReached) {
		return errKept
	}
	return err
}

// giveBack shortens the file after a transaction that did not fit: what it has written there is for nothing, and takes the room
// that others need. The caller holds flush.
func (f *file) giveBack() {
	if end, size := f.inUse(); end < size {
		_ = f.opened.Truncate(end) // it costs room, if that fails
	}
}
