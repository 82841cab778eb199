package intake

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/gzip"
)

func text(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + i%23)
	}
	return b
}

// However long a body is, however it comes and whatever the budget, its bytes are those
// that were sent; nothing is left of it.
func TestRead(t *testing.T) {
	spool, err := OpenSpool(filepath.Join(t.TempDir(), "spool"))
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 1, 511, 512, 513, 5 * unseen, Free, inMemory - 1, inMemory, inMemory + 513, 3 << 20} {
		for _, ahead := range []int64{-1, 0, 10, int64(size), int64(size) + 5, 5 << 20} {
			for _, used := range []bool{false, true} {
				budget := NewBudget(16<<20, time.Second)
				other := Share{}
				if used && !budget.more(&other, 4<<20) {
					t.Fatal("the whole is not to be had")
				}
				sent := text(size)
				var seen bytes.Buffer
				b, err := Read(iotest.HalfReader(bytes.NewReader(sent)), Reading{Budget: budget, Spool: spool, Ahead: ahead, Limit: 4 << 20, Watch: func(p []byte) error { seen.Write(p); return nil }})
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(b.Bytes(), sent) {
					t.Errorf("%d bytes, %d announced: %d came", size, ahead, len(b.Bytes()))
				}
				if b.Mapped() && size > 0 && !bytes.Equal(seen.Bytes(), sent) {
					t.Errorf("%d bytes, of which %d were watched", size, seen.Len())
				}
				if size >= 2*inMemory && !b.Mapped() || used && size > 4*unseen && !b.Mapped() {
					t.Errorf("%d bytes are in memory", size)
				}
				if err := b.Close(); err != nil {
					t.Error(err)
				}
				other.Release()
				if !budget.reading.TryAcquire(budget.readingBytes) {
					t.Errorf("%d bytes, %d announced: some of the budget is gone", size, ahead)
				}
			}
		}
	}
	if left, err := os.ReadDir(spool.dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
	if err := spool.Close(); err != nil {
		t.Error(err)
	}
}

// A body that must end ends without a trace.
func TestReadEnds(t *testing.T) {
	spool, err := OpenSpool(filepath.Join(t.TempDir(), "spool"))
	if err != nil {
		t.Fatal(err)
	}
	budget := NewBudget(16<<20, time.Second)
	cut, unwanted := errors.New("cut"), errors.New("unwanted")
	for size, limit := range map[int]int64{100: 99, 2 << 20: 2<<20 - 1} {
		if _, err := Read(bytes.NewReader(text(size)), Reading{Budget: budget, Spool: spool, Limit: limit}); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%d bytes of %d: %v", size, limit, err)
		}
		if _, err := Read(io.MultiReader(bytes.NewReader(text(size)), iotest.ErrReader(cut)), Reading{Budget: budget, Spool: spool, Limit: 1 << 30}); !errors.Is(err, cut) {
			t.Errorf("%d bytes and an error: %v", size, err)
		}
	}
	if _, err := Read(bytes.NewReader(text(2<<20)), Reading{Budget: budget, Spool: spool, Limit: 1 << 30, Watch: func([]byte) error { return unwanted }}); !errors.Is(err, unwanted) {
		t.Error(err)
	}
	if left, _ := os.ReadDir(spool.dir); len(left) > 0 || !budget.reading.TryAcquire(budget.readingBytes) {
		t.Errorf("something is left: %v", left)
	}
}

// What a crash has left is removed at the next start.
func TestSpoolIsEmptied(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "body-1"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSpool(dir); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v %v", left, err)
	}
}

// A spool that a link puts on another disk is there at the next start too.
func TestSpoolElsewhere(t *testing.T) {
	dir, elsewhere := filepath.Join(t.TempDir(), "spool"), t.TempDir()
	if err := os.Symlink(elsewhere, dir); err != nil {
		t.Skip(err)
	}
	spool, err := OpenSpool(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(elsewhere, "body-1"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := spool.Close(); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(dir); err != nil || to != elsewhere {
		t.Errorf("the link: %q, %v", to, err)
	}
	if left, err := os.ReadDir(elsewhere); err != nil || len(left) > 0 {
		t.Errorf("%v %v", left, err)
	}
}

// Work waits for its turn, the long apart from the short, and not for ever.
func TestWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(64<<20, 30*time.Second)
		all, err := b.Work(t.Context(), 1<<40)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Work(t.Context(), Free); err != nil {
			t.Errorf("what is free waits: %v", err)
		}
		short, err := b.Work(t.Context(), 1<<20)
		if err != nil {
			t.Errorf("short work waits for long work: %v", err)
		}
		short.Release()
		began := time.Now()
		if _, err := b.Work(t.Context(), 8<<20); !errors.Is(err, ErrBusy) || time.Since(began) != 30*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		gone, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		if _, err := b.Work(gone, 8<<20); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a client who has gone: %v", err)
		}
		go func() {
			time.Sleep(3 * time.Second)
			all.Release()
			all.Release()
		}()
		if _, err := b.Work(t.Context(), 8<<20); err != nil {
			t.Errorf("when there was room: %v", err)
		}
	})
}

// A little gzip that becomes very much is stopped soon; text that is compressed well is not.
func TestUnpack(t *testing.T) {
	unpack := func(in io.Reader) (int64, error) {
		u, err := Unpack(in)
		if err != nil {
			return 0, err
		}
		defer u.Close()
		return io.Copy(io.Discard, u)
	}
	reader, writer := io.Pipe()
	go func() {
		z := gzip.NewWriter(writer)
		nothing := make([]byte, 1<<20)
		var err error
		for i := 0; i < 1<<10 && err == nil; i++ {
			_, err = z.Write(nothing)
		}
		writer.CloseWithError(errors.Join(err, z.Close()))
	}()
	n, err := unpack(reader)
	reader.Close()
	if !errors.Is(err, ErrBomb) || n > 64<<20 {
		t.Errorf("after %d bytes: %v", n, err)
	}
	var honest bytes.Buffer
	z := gzip.NewWriter(&honest)
	row := strings.Repeat(`{"name":"Anna","city":"Berlin","n":`, 1)
	for i := range 500_000 {
		z.Write([]byte(row))
		z.Write([]byte{byte('0' + i%10), byte('0' + i/10%10), byte('0' + i/100%10), '}', ','})
	}
	z.Close()
	if n, err := unpack(&honest); err != nil || n != int64(500_000*(len(row)+5)) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// FuzzUnpack: whatever comes as gzip is read like package gzip reads it.
func FuzzUnpack(f *testing.F) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(`{"docs":[{}]}`))
	z.Close()
	f.Add(b.Bytes())
	f.Add(append(bytes.Clone(b.Bytes()), b.Bytes()...))
	f.Add(b.Bytes()[:20])
	f.Fuzz(func(t *testing.T, packed []byte) {
		var want []byte
		r, wantErr := gzip.NewReader(bytes.NewReader(packed))
		if wantErr == nil {
			want, wantErr = io.ReadAll(io.LimitReader(r, ratioFrom))
		}
		var got []byte
		u, err := Unpack(bytes.NewReader(packed))
		if err == nil {
			got, err = io.ReadAll(io.LimitReader(u, ratioFrom))
			u.Close()
		}
		if (err == nil) != (wantErr == nil) || !bytes.Equal(got, want) {
			t.Errorf("%d bytes, %v; want %d, %v", len(got), err, len(want), wantErr)
		}
	})
}
