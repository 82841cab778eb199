package journal_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine/journal"
)

// The room of a segment that was prepared before the disk was full is there for the one that takes its place: so what
// was released goes, and what comes is written.
func TestFullDiskWithAPreparedSegment(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=8m"); err != nil {
		t.Skip("a small file system cannot be mounted:", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	const segment = 2 << 20
	dir := filepath.Join(disk, "journal")
	l, _ := open(t, dir, journal.Options{SegmentBytes: segment})
	rec := bytes.Repeat([]byte("x"), 100_000)
	for l.Size() < segment/3*2 {
		if _, err := l.Append(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
	}
	prepared := func() bool {
		files, err := filepath.Glob(filepath.Join(dir, "*"+journal.Suffix))
		return err == nil && len(files) == 2
	}
	for end := time.Now().Add(time.Minute); !prepared(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no segment is prepared")
		}
	}
	f, err := os.Create(filepath.Join(disk, "ballast"))
	for chunk := make([]byte, 64<<10); err == nil && len(chunk) > 0; {
		if _, err = f.Write(chunk); errors.Is(err, syscall.ENOSPC) {
			chunk, err = chunk[:len(chunk)/2], nil
		}
	}
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	if err := l.Release(l.End()); err != nil {
		t.Fatal(err)
	}
	if n := l.Size(); n > 1000 {
		t.Errorf("all was released, and %d bytes are there", n)
	}
	for i := range 8 {
		if _, err := l.Append(t.Context(), rec); err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
