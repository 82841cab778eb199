package audit

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
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
