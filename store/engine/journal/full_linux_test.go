package journal_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/journal"
)

// On a full disk nothing is written, and the error says so; Release still makes room, and when there is room everything
// goes on.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("a small file system cannot be mounted:", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	dir := filepath.Join(disk, "journal")
	opt := journal.Options{SegmentBytes: 100_000}
	l, _ := open(t, dir, opt)
	acked := map[journal.Pos][]byte{}
	n := 0
	fill := func(size int) (last journal.Pos) {
		t.Helper()
		for {
			n++
			rec := bytes.Repeat(fmt.Appendf(nil, "%d ", n), size/4)
			at, err := l.Append(t.Context(), rec)
			if errors.Is(err, engine.ErrFull) {
				return last
			}
			if err != nil {
				t.Fatal(err)
			}
			acked[at] = rec
			last = at
		}
	}
	fill(9000)
	fill(900) // what is left of the room
	last := fill(10)
	for n := range 5 { // some urgent ones go into what is reserved
		rec := fmt.Append(nil, "urgent", n)
		at, err := l.AppendUrgent(t.Context(), rec)
		if err != nil {
			t.Fatalf("an urgent record: %v", err)
		}
		acked[at] = rec
	}
	before := l.Size()
	if err := l.Release(last); err != nil {
		t.Fatalf("a full disk keeps what was released: %v", err)
	}
	if l.Size() > before/2 {
		t.Errorf("%d bytes are left of %d", l.Size(), before)
	}
	start := l.Start()
	fill(5000)
	if l.Size() < before/2 {
		t.Errorf("only %d bytes go into the room of %d", l.Size(), before)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	check(t, dir)
	l, r := open(t, dir, opt) // full as it is
	if r.at[0] < start {
		t.Errorf("the record at %d was released", r.at[0])
	}
	there := map[journal.Pos]bool{}
	for i, at := range r.at {
		there[at] = true
		if !bytes.Equal(acked[at], r.rec[i]) {
			t.Fatalf("at %d there is %.20q", at, r.rec[i])
		}
	}
	for at := range acked {
		if at >= start && !there[at] {
			t.Errorf("the record at %d is lost", at)
		}
	}
	if err := l.Close(); err != nil { // before the disk goes
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}
