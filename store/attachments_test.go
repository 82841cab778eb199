package store_test

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

// blob is some bytes that do not compress.
func blob(seed uint64, size int) []byte {
	b := make([]byte, size)
	r := rand.New(rand.NewPCG(seed, 9))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func stage(t *testing.T, db *store.DB, b []byte) *store.Staged {
	t.Helper()
	st, err := db.StageAttachment(t.Context(), bytes.NewReader(b), store.StageOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if st.Digest != store.Digest(md5.Sum(b)) || st.Length != int64(len(b)) {
		t.Fatalf("%d bytes are staged as %s, %d", len(b), st.Digest, st.Length)
	}
	return &st
}

// attach writes a document with attachments.
func attach(t *testing.T, db *store.DB, rev revtree.Rev, id string, atts ...store.EditAttachment) (revtree.Rev, error) {
	t.Helper()
	doc := parse(t, `{"_id":%q}`, id)
	doc.Rev, doc.HasRev = rev, !rev.IsZero()
	res, err := db.Write(t.Context(), []store.Edit{{Doc: doc, Attachments: atts}}, store.WriteOptions{})
	if err != nil {
		return revtree.Rev{}, err
	}
	return res[0].Rev, res[0].Err
}

func content(t *testing.T, db *store.DB, id, name string) []byte {
	t.Helper()
	d, err := db.Get(t.Context(), id, store.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range d.Attachments {
		if a.Name == name {
			r := db.ReadAttachment(t.Context(), a.Digest, 0, a.Length)
			defer r.Close()
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
	}
	return nil
}

func TestAttachmentBytes(t *testing.T) {
	db := storetest.DB(t, storetest.Open(t, store.Options{}), "db")
	var rev revtree.Rev
	for i, size := range []int{0, 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 1 << 20, 3<<20 + 5} {
		for _, b := range [][]byte{blob(uint64(i), size), bytes.Repeat([]byte("ab"), size/2)} {
			var err error
			if rev, err = attach(t, db, rev, "d", store.EditAttachment{Name: "f", Type: "text/plain", Staged: stage(t, db, b)}); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(content(t, db, "d", "f"), b) {
				t.Errorf("%d bytes read back otherwise", len(b))
			}
			if size < 10 {
				continue
			}
			at, n := int64(size/3), int64(size/2)
			part, err := io.ReadAll(db.ReadAttachment(t.Context(), md5.Sum(b), at, min(n, int64(len(b))-at)))
			if err != nil || !bytes.Equal(part, b[at:min(at+n, int64(len(b)))]) {
				t.Errorf("a part of %d bytes reads otherwise, %v", len(b), err)
			}
		}
	}
	checkClean(t, t.Context(), db)
}

func TestStubs(t *testing.T) {
	db := storetest.DB(t, storetest.Open(t, store.Options{}), "db")
	one := store.EditAttachment{Name: "one", Type: "a/b", Staged: stage(t, db, []byte("1"))}
	rev, err := attach(t, db, revtree.Rev{}, "d", one)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]store.EditAttachment{
		"unknown":            {Name: "none"},
		"another generation": {Name: "one", RevPos: 7, HasRevPos: true},
	} {
		if _, err := attach(t, db, rev, "d", bad); func() bool { _, ok := errors.AsType[*store.MissingStub](err); return !ok }() {
			t.Errorf("%s: %v", name, err)
		}
	}
	rev, err = attach(t, db, rev, "d", store.EditAttachment{Name: "one", RevPos: 1, HasRevPos: true}, store.EditAttachment{Name: "two", Staged: stage(t, db, []byte("2"))})
	if err != nil {
		t.Fatal(err)
	}
	d, err := db.Get(t.Context(), "d", store.ReadOptions{})
	if err != nil || len(d.Attachments) != 2 || d.Attachments[0].RevPos != 1 || d.Attachments[0].Type != "a/b" || d.Attachments[1].RevPos != 2 {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := attach(t, db, rev, "d"); err != nil { // attachments that are left out are removed
		t.Fatal(err)
	}
	if content(t, db, "d", "one") != nil {
		t.Error("an attachment that was left out is there")
	}
	checkClean(t, t.Context(), db)
}

// clock is a time that tests move.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func TestSweep(t *testing.T) {
	var c clock
	db := storetest.DB(t, storetest.Open(t, store.Options{Clock: c.now}), "db")
	kept, shared, gone, never := blob(1, 200<<10), blob(2, 200<<10), blob(3, 200<<10), blob(4, 200<<10)
	var revs []revtree.Rev
	for i, atts := range [][][]byte{{kept, shared}, {shared, gone}} {
		var list []store.EditAttachment
		for k, b := range atts {
			list = append(list, store.EditAttachment{Name: fmt.Sprint(k), Staged: stage(t, db, b)})
		}
		rev, err := attach(t, db, revtree.Rev{}, fmt.Sprintf("d%d", i), list...)
		if err != nil {
			t.Fatal(err)
		}
		revs = append(revs, rev)
	}
	stage(t, db, never)
	if _, err := write(t, db, revs[1], `{"_id":"d1","_deleted":true}`); err != nil {
		t.Fatal(err)
	}
	if err := db.Compact(t.Context()); err != nil { // this removes the body that had them
		t.Fatal(err)
	}
	there := func(b []byte) bool {
		got, err := io.ReadAll(db.ReadAttachment(t.Context(), md5.Sum(b), 0, int64(len(b))))
		return err == nil && bytes.Equal(got, b)
	}
	sweep := func() {
		if err := db.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		checkClean(t, t.Context(), db)
	}
	sweep()
	if !there(kept) || !there(shared) || !there(gone) {
		t.Error("something went before its time")
	}
	c.ahead.Store(int64(25 * time.Hour))
	sweep()
	if !there(kept) || !there(shared) {
		t.Error("what is referred to has gone")
	}
	if there(gone) {
		t.Error("what nothing refers to has stayed")
	}
	// Purged, the last references go too.
	if _, _, err := db.Purge(t.Context(), []string{"d0"}, [][]revtree.Rev{{revs[0]}}); err != nil {
		t.Fatal(err)
	}
	c.ahead.Store(int64(50 * time.Hour))
	sweep()
	if there(kept) || there(shared) {
		t.Error("what was purged has stayed")
	}
}

// readerFunc is an io.Reader.
type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// An upload during which the clock goes on by a day, set or after the machine has slept, and a sweep takes what was there of it,
// is no attachment without its beginning.
func TestSweepDuringUpload(t *testing.T) {
	for _, sweeps := range []bool{false, true} {
		var c clock
		db := storetest.DB(t, storetest.Open(t, store.Options{Clock: c.now}), "db")
		b := blob(1, 16<<20)
		rest := bytes.NewReader(b)
		slow := readerFunc(func(p []byte) (int, error) {
			if sweeps && rest.Len() < len(b)/2 && c.ahead.CompareAndSwap(0, int64(25*time.Hour)) {
				if err := db.Sweep(t.Context()); err != nil {
					t.Error(err)
				}
			}
			return rest.Read(p)
		})
		st, err := db.StageAttachment(t.Context(), slow, store.StageOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = attach(t, db, revtree.Rev{}, "d", store.EditAttachment{Name: "f", Staged: &st})
		if sweeps != errors.Is(err, store.ErrMissingAttachment) || !sweeps && (err != nil || !bytes.Equal(content(t, db, "d", "f"), b)) {
			t.Errorf("swept: %v, written: %v", sweeps, err)
		}
	}
}

// A sweeper in a hurry removes nothing that a running write needs.
func TestSweepBesideWriters(t *testing.T) {
	var c clock
	db := storetest.DB(t, storetest.Open(t, store.Options{Clock: c.now}), "db")
	stop := make(chan struct{})
	var sweeper, writers sync.WaitGroup
	sweeper.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			c.ahead.Add(int64(5 * time.Hour))
			if err := db.Sweep(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	for w := range 4 {
		writers.Go(func() {
			var rev revtree.Rev
			for i := range 30 {
				b := blob(uint64(i%3), 100<<10) // the same bytes from all of them
				id := fmt.Sprintf("d%d", w)
				next, err := attach(t, db, rev, id, store.EditAttachment{Name: "f", Staged: stage(t, db, b)})
				if errors.Is(err, store.ErrMissingAttachment) {
					continue // the sweeper was quicker, and the writer has been told
				}
				if err != nil {
					t.Error(err)
					return
				}
				rev = next
				if !bytes.Equal(content(t, db, id, "f"), b) {
					t.Errorf("%s has lost its attachment", id)
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	sweeper.Wait()
	checkClean(t, t.Context(), db)
}

// An upload that is cut short shows nothing and leaves nothing behind.
func TestUploadCutShort(t *testing.T) {
	db := storetest.DB(t, storetest.Open(t, store.Options{}), "db")
	before, err := db.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cut := errors.New("cut")
	_, err = db.StageAttachment(t.Context(), io.MultiReader(bytes.NewReader(blob(1, 3<<20)), iotest.ErrReader(cut)), store.StageOptions{})
	if !errors.Is(err, cut) {
		t.Errorf("the error is %v", err)
	}
	if _, err := db.StageAttachment(t.Context(), bytes.NewReader(blob(2, 2<<20)), store.StageOptions{Limit: 1 << 20}); !errors.Is(err, store.ErrAttachmentTooLarge) {
		t.Errorf("more than allowed: %v", err)
	}
	after, err := db.Info(t.Context())
	if err != nil || after.UpdateSeq != before.UpdateSeq {
		t.Errorf("the sequence has moved: %+v, %v", after, err)
	}
	checkClean(t, t.Context(), db)
}

// Slow uploads take a few KiB each, and more only while there is memory for them. An upload that
// gets none is told so before long. Small ones, and ones that are counted elsewhere, go on.
func TestSlowUploads(t *testing.T) {
	const rooms = 3
	db := storetest.DB(t, storetest.Open(t, store.Options{UploadMemory: rooms * 64 << 10, UploadWait: 500 * time.Millisecond}), "db")
	stage := func(size int, opt store.StageOptions) error {
		st, err := db.StageAttachment(t.Context(), bytes.NewReader(blob(uint64(size), size)), opt)
		if err == nil && (st.Length != int64(size) || st.Digest != store.Digest(md5.Sum(blob(uint64(size), size)))) {
			t.Errorf("of %d bytes %d are stored, as %v", size, st.Length, st.Digest)
		}
		return err
	}
	type slow struct {
		in    *io.PipeWriter
		ended chan error
	}
	begin := func(sends int) slow {
		out, in := io.Pipe()
		u := slow{in, make(chan error, 1)}
		go func() {
			st, err := db.StageAttachment(t.Context(), out, store.StageOptions{})
			if err == nil && st.Length != int64(sends)+1 {
				err = fmt.Errorf("%d bytes are stored", st.Length)
			}
			out.CloseWithError(err)
			u.ended <- err
		}()
		if _, err := in.Write(blob(uint64(sends), sends)); err != nil { // returns when it was read
			t.Fatal(err)
		}
		return u
	}
	end := func(u slow) {
		t.Helper()
		_, err := u.in.Write([]byte("!"))
		u.in.Close()
		if err := errors.Join(err, <-u.ended); err != nil {
			t.Errorf("a slow upload ends with %v", err)
		}
	}
	var few, many []slow
	for range 5 * rooms {
		few = append(few, begin(5000))
	}
	for range rooms {
		many = append(many, begin(20_000))
	}
	if err := stage(100_000, store.StageOptions{}); !errors.Is(err, store.ErrUploadsBusy) {
		t.Errorf("beside as many slow uploads as there is memory for: %v", err)
	}
	if err := stage(5000, store.StageOptions{}); err != nil {
		t.Errorf("a small upload beside them: %v", err)
	}
	if err := stage(3<<20, store.StageOptions{Bounded: true}); err != nil {
		t.Errorf("one that is counted elsewhere: %v", err)
	}
	end(many[0])
	if err := stage(3<<20, store.StageOptions{}); err != nil {
		t.Errorf("when one of them has ended: %v", err)
	}
	for _, u := range append(few, many[1:]...) {
		end(u)
	}
	for range 2 * rooms { // nothing of it is lost
		if err := stage(100_000, store.StageOptions{}); err != nil {
			t.Error(err)
		}
	}
}

// An upload whose connection ends before its length is no attachment.
func TestUploadEndsEarly(t *testing.T) {
	db := storetest.DB(t, storetest.Open(t, store.Options{}), "db")
	for _, size := range []int{10, 9000, 100_000, 2 << 20} {
		cut := io.MultiReader(bytes.NewReader(blob(uint64(size), size)), iotest.ErrReader(io.ErrUnexpectedEOF))
		if st, err := db.StageAttachment(t.Context(), cut, store.StageOptions{}); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes that were to be more: %d are taken, %v", size, st.Length, err)
		}
	}
}
