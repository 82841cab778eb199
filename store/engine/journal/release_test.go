package journal

import (
	"bytes"
	"sync/atomic"
	"testing"
	"time"
)

// A segment is removed only when its file is closed: one that is open keeps its room without a name.
func TestReleaseWaitsForSealing(t *testing.T) {
	t.Parallel()
	d := newDisk()
	first, removed := segmentName(1), make(chan struct{})
	var sealed atomic.Bool
	d.fails = func(call, name string) error {
		switch {
		case name != first:
		case call == "truncate": // a slow sealing
			select {
			case <-removed:
			case <-time.After(100 * time.Millisecond):
			}
			sealed.Store(true)
		case call == "remove":
			if !sealed.Load() {
				t.Error("it is removed while its file is open")
			}
			close(removed)
		}
		return nil
	}
	l, err := openIn(d, Options{SegmentBytes: 1000}, func(Pos, []byte) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	var last Pos
	for range 5 {
		if last, err = l.Append(t.Context(), bytes.Repeat([]byte("x"), 400)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Release(last); err != nil {
		t.Fatal(err)
	}
	select {
	case <-removed:
	default:
		t.Error("it is not removed")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
