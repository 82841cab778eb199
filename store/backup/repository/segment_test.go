package repository

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/tododb/tododb/store/backup"
)

// written is a segment with this content, as it is stored.
func written(t testing.TB, content []byte, h *haste) []byte {
	t.Helper()
	dir := t.TempDir()
	s, err := (&Repository{storage: NewFolder(dir)}).newSegment(h)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, uint64(len(content))))
	for rest := content; len(rest) > 0; {
		piece := rest[:min(len(rest), 1+r.IntN(relaySize))]
		if n, err := s.Write(piece); n != len(piece) || err != nil {
			t.Fatal(n, err)
		}
		rest = rest[len(piece):]
	}
	p, err := s.keep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(dir + "/" + p.Name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// read is what a segment has.
func read(stored []byte) ([]byte, error) {
	u, err := unpack(bytes.NewReader(stored))
	if err != nil {
		return nil, err
	}
	defer u.close()
	return io.ReadAll(u)
}

func records(n int) []byte {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, `{"n":%d,"text":"%x"}`, i, i*i*2654435761)
	}
	return []byte(b.String()[:n])
}

// What is written into a segment is read again, whichever method its frames have.
func TestSegments(t *testing.T) {
	for _, size := range []int{0, 1, relaySize - 1, relaySize, relaySize + 1, 9*relaySize + 17} {
		content := records(size)
		for name, h := range map[string]*haste{"zstd": nil, "S2": {left: 1000}, "both": {left: 3}} {
			stored := written(t, content, h)
			if got, err := read(stored); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%d bytes by %s: %d are read, %v", size, name, len(got), err)
			}
			if size > relaySize && len(stored) > size*2/3 {
				t.Errorf("%d bytes by %s are stored in %d", size, name, len(stored))
			}
		}
	}
	content := records(3 * relaySize)
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := read(z.EncodeAll(content, nil)); err != nil || !bytes.Equal(got, content) {
		t.Errorf("of an earlier segment %d bytes are read, %v", len(got), err)
	}
}

// A segment that cannot be stored leaves nothing behind, also not the list of its ids, which is written as it grows.
func TestNothingIsLeftOfASegmentThatIsNotStored(t *testing.T) {
	for name, store := range map[string]func(*segment, *Repository) error{
		"kept": func(s *segment, _ *Repository) error { _, err := s.keep(t.Context()); return err },
		"passed": func(s *segment, r *Repository) error {
			to := newKeeping(r.storage)
			to.fail(errors.New("an earlier object cannot be stored"))
			_, err := s.pass(t.Context(), to)
			return err
		},
		"cut": func(s *segment, _ *Repository) error {
			if err := s.sealed.file.Close(); err != nil {
				return err
			}
			_, err := s.keep(t.Context())
			return err
		},
	} {
		dir := t.TempDir()
		r := &Repository{storage: NewFolder(dir)}
		s, err := r.newSegment(nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; s.ids.to == nil; i++ {
			s.wrote(&backup.Item{Kind: backup.KindGone, Payload: fmt.Appendf(nil, "%d%s", i, strings.Repeat("x", 1000))})
		}
		list := s.ids.to
		if err := os.WriteFile(filepath.Join(dir, "segments"), nil, 0o600); err != nil { // where the folder is to be
			t.Fatal(err)
		}
		if err := store(s, r); err == nil {
			t.Errorf("%s: it is stored", name)
		}
		if left, err := os.ReadDir(filepath.Join(dir, "staged")); len(left) > 0 || err != nil {
			t.Errorf("%s: %d staged files are left, %v", name, len(left), err)
		}
		if err := list.file.Close(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: the list's file is open", name)
		}
	}
}

// zstd is tried again and again, more and more seldom while it is too slow, and stays while it is not.
func TestHaste(t *testing.T) {
	h := &haste{}
	frames := func(n int, slow bool) (zstd int) {
		for range n {
			if !h.pressed() {
				zstd++
				h.learn(slow)
			}
		}
		return zstd
	}
	if n := frames(1000, false); n != 1000 {
		t.Errorf("%d of 1000 frames are zstd though nobody waits", n)
	}
	if n := frames(10_000, true); n < 10 || n > 100 {
		t.Errorf("%d of 10000 frames are zstd though somebody waits", n)
	}
	if n := frames(1000, false); n < 700 {
		t.Errorf("%d of 1000 frames are zstd though nobody waits any more", n)
	}
	if frames(1, false); frames(100, true) == 100 {
		t.Error("nobody notices who waits again")
	}
	h = nil
	if n := frames(1000, true); n != 1000 {
		t.Errorf("%d of 1000 frames are zstd where there is time", n)
	}
}

// Whatever the bytes of a segment say, reading them ends, with what was written or with an error.
func FuzzUnpack(f *testing.F) {
	content := records(2000)
	for _, h := range []*haste{nil, {left: 9}} {
		f.Add(written(f, content, h))
	}
	f.Add([]byte(segmentMagic + "x\x01\x01x"))
	f.Add([]byte(segmentMagic + "s\xff\xff\xff\xff\x0f\x01x"))
	f.Add([]byte(segmentMagic + "z\x05"))
	f.Fuzz(func(t *testing.T, stored []byte) {
		u, err := unpack(bytes.NewReader(stored))
		if err != nil {
			return
		}
		defer u.close()
		_, _ = io.Copy(io.Discard, io.LimitReader(u, 64<<20))
		if cap(u.plain) > 2*maxFrame || cap(u.taken) > 2*maxFrame {
			t.Errorf("%d bytes of memory for a frame", cap(u.plain)+cap(u.taken))
		}
	})
}

// A segment that was cut, and a frame that says something else than it holds, are errors.
func TestSegmentsThatLie(t *testing.T) {
	content := records(1000)
	for _, h := range []*haste{nil, {left: 9}} {
		stored := written(t, content, h)
		for n := len(segmentMagic) + 1; n < len(stored); n++ {
			if got, err := read(stored[:n]); err == nil {
				t.Fatalf("of %d of %d bytes %d are read, as if it were all", n, len(stored), len(got))
			}
		}
		method := len(segmentMagic)
		for at, lies := range map[int]byte{method: 'x', method + 1: stored[method+1] ^ 1, method + 3: stored[method+3] ^ 1} {
			other := bytes.Clone(stored)
			other[at] = lies
			if got, err := read(other); err == nil {
				t.Errorf("byte %d is another one, and %d bytes are read", at, len(got))
			}
		}
	}
}
