package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
	"github.com/tododb/tododb/store/widetest"
)

// smallDisk mounts a disk of some size, in memory.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size="+size); err != nil {
		t.Skip("a small file system cannot be mounted:", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	return disk
}

// fullDisk is a small disk that databases fill.
type fullDisk struct {
	name, disk string
	opt        bolt.Options
	databases  int
	sizes      []int // of documents
}

// Nothing but databases fills a disk: in the end writes are refused, though the files can still get what the journal
// has, which is let go of, and what makes room is written. Then all goes on, and nothing is lost.
func TestDiskFullOfDocuments(t *testing.T) {
	t.Parallel()
	testFullDisks(t, []fullDisk{
		{"several", "6m", bolt.Options{}, 3, []int{100, 2000, 9000}},
		{"tiny", "3m", bolt.Options{}, 2, []int{700}},
	})
}

// What makes room may have the last of it, if the journal has nothing that needs it: bbolt writes a leaf anew, with its
// neighbour's large entries, when one of them goes.
func TestDeletionHasTheLastRoom(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, "12m")
	e, err := bolt.Open(filepath.Join(disk, "data"), neverFlush)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	db := made(t, e, "db")
	for i := range 100 {
		put(t, db, fmt.Sprintf("%03d", i), strings.Repeat("x", 20_000))
	}
	if err := e.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.(engine.Compacter).Compact(t.Context()); err != nil { // so that no page is free
		t.Fatal(err)
	}
	ballast := filepath.Join(disk, "ballast")
	fillUp(t, ballast)
	info, err := os.Stat(ballast)
	if err == nil {
		err = os.Truncate(ballast, info.Size()-220<<10) // a quarter of the margin is 192 KiB of it
	}
	if err != nil {
		t.Fatal(err)
	}
	for i := range 33 {
		err := db.Update(engine.UseReserve(t.Context()), func(tx engine.Tx) error { return tx.Delete(space, fmt.Appendf(nil, "%03d", 3*i)) })
		if err != nil {
			t.Fatalf("after %d deletions: %v", i, err)
		}
	}
	if n := len(contents(t, db)); n != 67 {
		t.Errorf("%d documents are left", n)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// It is so whatever the journal, the databases and the documents are like.
func TestDisksFullOfDocuments(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	testFullDisks(t, []fullDisk{
		{"one", "6m", bolt.Options{}, 1, []int{900}},
		{"large", "12m", bolt.Options{}, 2, []int{900, 20_000}},
		{"segments", "8m", bolt.Options{SegmentBytes: 1 << 20, FlushBytes: 1 << 20}, 3, []int{300, 4000}},
		{"direct", "6m", bolt.Options{Direct: true}, 2, []int{3000}},
	})
}

func testFullDisks(t *testing.T, disks []fullDisk) {
	for _, c := range disks {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := &documents{dir: filepath.Join(smallDisk(t, c.disk), "data"), opt: c.opt}
			d.opt.FlushAfter = time.Hour // so only the lack of room has anything flushed
			d.opt.CloseWithin = 1        // nor has the end
			d.start(t)
			t.Cleanup(func() { d.e.Close() })
			for i := range c.databases {
				d.make(t, fmt.Sprint("db", i))
			}
			for round := range 2 {
				d.fill(t, c.sizes)
				d.same(t, "full")
				if round > 0 {
					d.stop(t)
					d.start(t)
					d.same(t, "full, and opened again")
				}
				if err := d.e.Flush(t.Context()); err != nil {
					t.Fatalf("round %d: on a full disk the files do not get what the journal has: %v", round, err)
				}
				if n := d.e.Figures(); n.Journal > 100_000 || n.Unflushed != 0 {
					t.Fatalf("round %d: everything is in the files, and the journal has %+v", round, n)
				}
				for n := 0; ; n++ {
					db, err := d.e.Create(t.Context(), fmt.Sprint("more", round, "/", n))
					if errors.Is(err, engine.ErrFull) {
						break
					}
					if err != nil || n == 1000 { // more than there is room for, however much the flush has left
						t.Fatalf("round %d: database %d on a full disk: %v", round, n, err)
					}
					if err := db.Close(); err != nil {
						t.Error(err)
					}
				}
				d.remove(t)
				d.same(t, "with room")
				for range 20 { // that has made room in the file of what is large
					if err := d.write(c.databases-1, c.sizes[0]); err != nil {
						t.Fatalf("round %d: after a third was deleted: %v", round, err)
					}
				}
			}
			if c.databases == 1 {
				return
			}
			d.fill(t, c.sizes)
			largest := fmt.Sprint("db", c.databases-1)
			if err := errors.Join(d.dbs[largest].Close(), d.e.Drop(t.Context(), largest)); err != nil {
				t.Fatal(err)
			}
			delete(d.dbs, largest)
			delete(d.want, largest)
			for n, end := 0, time.Now().Add(time.Minute); n < 20; {
				if err := d.write(0, c.sizes[0]); err == nil {
					n++
				} else if !errors.Is(err, engine.ErrFull) || time.Now().After(end) { // a flush may have its file open
					t.Fatalf("a database was dropped: %v", err)
				}
			}
			for name, db := range d.dbs {
				if err := db.(engine.Compacter).Compact(t.Context()); err != nil && !errors.Is(err, engine.ErrFull) {
					t.Errorf("compact %s: %v", name, err)
				}
			}
			d.same(t, "at the end")
		})
	}
}

// documents are databases and what is in them.
type documents struct {
	dir  string
	opt  bolt.Options
	e    *bolt.Engine
	dbs  map[string]engine.DB
	want map[string]map[string]string
	n    int
}

func (d *documents) start(t *testing.T) {
	t.Helper()
	var err error
	if d.e, err = bolt.Open(d.dir, d.opt); err != nil {
		t.Fatal(err)
	}
	if d.want == nil {
		d.dbs, d.want = map[string]engine.DB{}, map[string]map[string]string{}
	}
	for name := range d.want {
		if d.dbs[name], err = d.e.Open(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
}

func (d *documents) stop(t *testing.T) {
	t.Helper()
	for _, db := range d.dbs {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.e.Close(); err != nil {
		t.Fatal(err)
	}
}

func (d *documents) make(t *testing.T, name string) {
	t.Helper()
	db, err := d.e.Create(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	d.dbs[name], d.want[name] = db, map[string]string{}
}

// write writes a document as the store does: under a random key, under one that grows, and its body.
func (d *documents) write(n, size int) error {
	names := make([]string, 0, len(d.dbs))
	for i := range len(d.dbs) + 1 {
		if name := fmt.Sprint("db", i); d.dbs[name] != nil {
			names = append(names, name)
		}
	}
	name := names[n%len(names)]
	d.n++
	id, seq, body := fmt.Sprintf("%016x", rand.Uint64()), fmt.Sprintf("%016d", d.n), strings.Repeat("x", size)
	err := d.dbs[name].Update(context.Background(), func(tx engine.Tx) error {
		return errors.Join(tx.Put(space, []byte("i"+id), []byte(seq)), tx.Put(space+1, []byte("s"+seq), []byte(id)), tx.Put(space+2, []byte("b"+seq), []byte(body)))
	})
	if err == nil {
		d.want[name]["i"+id] = seq
	}
	return err
}

func (d *documents) fill(t *testing.T, sizes []int) (wrote int) {
	t.Helper()
	end := time.Now().Add(time.Minute)
	for refused, i := 0, 0; refused < 3*len(sizes)*len(d.dbs); i++ {
		err := d.write(i, sizes[i%len(sizes)])
		switch {
		case errors.Is(err, engine.ErrFull):
			refused++
		case err != nil:
			t.Fatal(err)
		default:
			refused = 0
			wrote++
		}
		if time.Now().After(end) {
			t.Fatal("the disk does not get full")
		}
	}
	return wrote
}

func (d *documents) same(t *testing.T, when string) {
	t.Helper()
	for name, db := range d.dbs {
		if got := contents(t, db); !maps.Equal(got, d.want[name]) {
			t.Fatalf("%s: %s has %d entries that are not the %d there should be", when, name, len(got), len(d.want[name]))
		}
	}
}

// remove deletes every third document, as somebody does who needs room.
func (d *documents) remove(t *testing.T) {
	t.Helper()
	for name, db := range d.dbs {
		n := 0
		for id, seq := range d.want[name] {
			if n++; n%3 > 0 {
				continue
			}
			err := db.Update(engine.UseReserve(t.Context()), func(tx engine.Tx) error {
				return errors.Join(tx.Delete(space, []byte(id)), tx.Delete(space+1, []byte("s"+seq)), tx.Delete(space+2, []byte("b"+seq)))
			})
			if err != nil {
				t.Fatalf("%s, after %d deletions of %d: %v", name, n/3, len(d.want[name]), err)
			}
			delete(d.want[name], id)
		}
	}
}
