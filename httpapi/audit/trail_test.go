package audit

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// No line is lost or torn while the file is renamed away and opened anew.
func TestRotation(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.log")
	var trail Trail
	if err := trail.Record(t.Context(), time.Now(), Event{Action: "nowhere"}); err != nil || trail.On() {
		t.Errorf("without a file: %v", err)
	}
	if err := trail.Open(path); err != nil {
		t.Fatal(err)
	}
	const writers, each = 8, 500
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				if err := trail.Record(t.Context(), time.Now(), Event{Action: "write", User: strings.Repeat("u", w), Status: i}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 5 {
		if err := os.Rename(path, filepath.Join(dir, string(rune('a'+i)))); err != nil {
			t.Fatal(err)
		}
		if err := trail.Open(path); err != nil {
			t.Fatal(err)
		}
	}
	all.Wait()
	if err := trail.Open(filepath.Join(dir, "missing", "audit.log")); err == nil || trail.Path() != path {
		t.Errorf("a folder that is not there: %v, now %q", err, trail.Path())
	}
	if err := trail.Close(); err != nil || trail.On() {
		t.Errorf("close: %v", err)
	}
	lines := 0
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if !json.Valid([]byte(line)) {
				t.Fatalf("%s has %q", f.Name(), line)
			}
			lines++
		}
	}
	if lines != writers*each {
		t.Errorf("%d lines, want %d", lines, writers*each)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

// filling is a file on a disk that has room for some bytes only.
type filling struct {
	*os.File
	room int
}

func (f *filling) Write(p []byte) (int, error) {
	n, err := f.File.Write(p[:min(len(p), f.room)])
	f.room -= n
	if err == nil && n < len(p) {
		err = syscall.ENOSPC
	}
	return n, err
}

// A line that is torn takes no other one with it: not when a process was cut short, and not when the disk was full.
func TestTornLineStaysAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	if err := os.WriteFile(path, []byte(`{"time":"2026`), 0o600); err != nil {
		t.Fatal(err)
	}
	var trail Trail
	if err := trail.Open(path); err != nil {
		t.Fatal(err)
	}
	record := func(action string) error {
		return trail.Record(t.Context(), time.Now(), Event{Action: action})
	}
	if err := record("first"); err != nil {
		t.Fatal(err)
	}
	out := trail.now.Load().out
	disk := &filling{File: out.f.(*os.File), room: 10}
	out.f = disk
	for range 2 {
		if err := record("lost"); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("on a full disk: %v", err)
		}
	}
	disk.room = 1 << 20
	if err := record("second"); err != nil {
		t.Fatal(err)
	}
	if err := trail.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var whole []string
	for line := range strings.Lines(string(text)) {
		var e struct{ Msg string }
		if json.Unmarshal([]byte(line), &e) == nil {
			whole = append(whole, e.Msg)
		}
	}
	if !slices.Equal(whole, []string{"first", "second"}) {
		t.Errorf("whole are %q of\n%s", whole, text)
	}
}
