package journal

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tododb/tododb/store/engine"
)

// written is a journal of some segments, and what it replays. One batch is longer than a window
// of the reader if long is set.
func written(t *testing.T, closed bool) (map[string][]byte, *teller) {
	t.Helper()
	w := newTeller(Options{SegmentBytes: 1500})
	if err := w.open(); err != nil {
		t.Fatal(err)
	}
	for _, sizes := range [][]int{{10}, {300, 20, 5}, {700}, {600, 30}, {12}, {400, 400}, {900}, {30}, {40, 50, 60}} {
		if err := w.append(sizes...); err != nil {
			t.Fatal(err)
		}
	}
	if closed {
		if err := w.l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	files := map[string][]byte{}
	for name, i := range w.d.live {
		files[name] = slices.Clone(i.live)
	}
	return files, w
}

// folderOf is a disk with these files.
func folderOf(files map[string][]byte) *disk {
	d := newDisk()
	for name, b := range files {
		d.live[name] = &inode{live: slices.Clone(b), synced: slices.Clone(b)}
	}
	d.synced = maps.Clone(d.live)
	return d
}

// replayed opens a journal; a DamageError must leave it as it is.
func replayed(t *testing.T, files map[string][]byte) (*told, *Log, error) {
	t.Helper()
	d := folderOf(files)
	r := &told{}
	l, err := openIn(d, Options{}, r.replay)
	if err == nil {
		return r, l, nil
	}
	var damage *DamageError
	if !errors.As(err, &damage) || !errors.Is(err, engine.ErrForeign) || damage.Path == "" || damage.Why == "" {
		t.Errorf("not a damage: %v", err)
	}
	for name, i := range d.live {
		if string(i.live) != string(files[name]) || len(d.live) != len(files) {
			t.Errorf("%s was changed, though the error is %v", name, err)
		}
	}
	return r, nil, err
}

func (w *teller) inOrder() (at []Pos) { return slices.Sorted(maps.Keys(w.acked)) }

// last is the name of the last segment that has been begun.
func last(files map[string][]byte) (name string) {
	for n, b := range files {
		if !unbegun(b) {
			name = max(name, n)
		}
	}
	return name
}

func unbegun(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// A file that ends anywhere: what is whole before that is there. In a segment that is not the last one, something
// is missing then.
func TestEveryPrefix(t *testing.T) {
	t.Parallel()
	files, w := written(t, true)
	order := w.inOrder()
	for name, b := range files {
		h, _ := decodeHeader(b)
		for n := range len(b) {
			short := maps.Clone(files)
			short[name] = b[:n]
			r, l, err := replayed(t, short)
			if name != last(files) || n < headerSize {
				// The note at the end of a segment may be missing: the next segment is there.
				if err == nil && n < len(b)-frameSize {
					t.Fatalf("the first %d bytes of %s will do", n, name)
				}
				continue
			}
			if err != nil {
				t.Fatalf("the first %d bytes of %s: %v", n, name, err)
			}
			if l.End() > h.first+Pos(n-headerSize) {
				t.Fatalf("the journal ends at %d, of a file of %d bytes from %d on", l.End(), n, h.first)
			}
			for i, at := range order {
				if whole := at < l.End(); whole != (i < len(r.at)) || whole && (r.at[i] != at || r.rec[i] != w.acked[at]) {
					t.Fatalf("the first %d bytes of %s have other records than there were", n, name)
				}
			}
			if n >= len(b)-frameSize && len(r.at) != len(order) {
				t.Fatalf("%d of %d records are in %d of %d bytes", len(r.at), len(order), n, len(b))
			}
		}
	}
}

// One byte that is another one, wherever it is: all that was acknowledged is there, or the damage is named. In a journal
// that was not closed the last batch may be taken for a torn one.
func TestEveryByte(t *testing.T) {
	t.Parallel()
	flips := []byte{1, 0x80, 0xff}
	if testing.Short() {
		flips = flips[1:2]
	}
	for _, closed := range []bool{true, false} {
		files, w := written(t, closed)
		if !closed {
			// As if the note that comes after the last batch were not on disk yet.
			b := files[last(files)]
			off := w.l.w.offset(w.l.End())
			clear(b[off : off+frameSize])
		}
		order := w.inOrder()
		named := 0
		for name, b := range files {
			if unbegun(b) {
				continue
			}
			end := headerSize + int(w.l.End()) - int(must(decodeHeader(b)).first)
			for n := range min(len(b), max(end, 0)+100) {
				for _, flip := range flips {
					bent := maps.Clone(files)
					bent[name] = slices.Clone(b)
					bent[name][n] ^= flip
					r, l, err := replayed(t, bent)
					if err != nil {
						named++
						if !strings.Contains(err.Error(), name) {
							t.Fatalf("byte %d of %s: the error is about something else: %v", n, name, err)
						}
						continue
					}
					lost := len(order) - len(r.at)
					torn := name == last(files) && !closed && lost == 3
					if lost != 0 && !torn {
						t.Fatalf("byte %d of %s: %d records are lost, and nothing is said", n, name, lost)
					}
					for i, at := range r.at {
						if at != order[i] || r.rec[i] != w.acked[at] {
							t.Fatalf("byte %d of %s: at %d there is %.20q", n, name, at, r.rec[i])
						}
					}
					if _, err := l.Append(t.Context(), []byte("more")); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		if named == 0 {
			t.Error("nothing was damaged")
		}
	}
}

func must(h header, wrong string) header {
	if wrong != "" {
		panic(wrong)
	}
	return h
}

// Segments that are missing, of another journal, under another name or older than they should be are refused.
func TestOtherSegments(t *testing.T) {
	t.Parallel()
	files, w := written(t, true)
	others, _ := written(t, true)
	names := slices.Sorted(maps.Keys(files))
	if len(names) < 4 {
		t.Fatalf("only %d segments", len(names))
	}
	older := map[string][]byte{} // copies made when only the first records were there
	{
		w := newTeller(w.opt)
		w.d = folderOf(map[string][]byte{names[0]: files[names[0]][:headerSize]})
		if err := w.open(); err != nil {
			t.Fatal(err)
		}
		if err := w.append(10); err != nil {
			t.Fatal(err)
		}
		for name, i := range w.d.live {
			older[name] = i.live
		}
	}
	refused := func(what, why string, change func(files map[string][]byte)) {
		t.Helper()
		bent := maps.Clone(files)
		change(bent)
		_, _, err := replayed(t, bent)
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want %q", what, err, why)
		}
	}
	for i, name := range names {
		refused("without segment "+name, name+", at byte 0: the segment is missing", func(files map[string][]byte) { delete(files, name) })
		other := names[(i+1)%len(names)]
		refused("another segment under its name", "under another name", func(files map[string][]byte) { files[name] = files[other] })
		refused("a foreign segment", "another journal", func(files map[string][]byte) { files[name] = others[name] })
		refused("an empty file", "shorter than its header", func(files map[string][]byte) { files[name] = nil })
		refused("something else", "does not begin", func(files map[string][]byte) { files[name] = bytes.Repeat([]byte("x"), 100) })
	}
	refused("a last one without a header", "the segment is missing", func(files map[string][]byte) {
		n := names[len(names)-1]
		files[n] = append(make([]byte, headerSize), files[n][headerSize:]...)
	})
	refused("an older first segment", "the frame is bad", func(files map[string][]byte) { files[names[0]] = older[names[0]] })
	if _, err := w.l.Sealed(); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("Sealed after Close: %v", err)
	}
}

// What was written to the wrong place is not what is asked for there.
func TestWrongPlace(t *testing.T) {
	t.Parallel()
	w := newTeller(Options{})
	if err := w.open(); err != nil {
		t.Fatal(err)
	}
	const each = frameSize + lengthSize + 100
	for range 4 {
		if err := w.append(100); err != nil {
			t.Fatal(err)
		}
	}
	for from := range 4 {
		for to := range 4 {
			d := w.d.copied()
			b := d.live[segmentName(1)].live
			copy(b[headerSize+to*each:][:each], b[headerSize+from*each:])
			_, err := openIn(d, w.opt, (&told{}).replay)
			if (err == nil) != (from == to) {
				t.Errorf("frame %d in the place of frame %d: %v", from, to, err)
			}
		}
	}
}

// What was released does not come back, and what was not released is missed.
func TestMissingAfterRelease(t *testing.T) {
	t.Parallel()
	w := newTeller(Options{SegmentBytes: 500})
	if err := w.open(); err != nil {
		t.Fatal(err)
	}
	for range 12 {
		if err := w.append(400); err != nil {
			t.Fatal(err)
		}
	}
	sealed, err := w.l.Sealed()
	if err != nil {
		t.Fatal(err)
	}
	whole := w.d.copied()
	for i := range sealed {
		// The files are removed one after the other, and each is gone before the next.
		w.d.fails = func(call, name string) error {
			if call == "remove" && name == sealed[i].Path {
				return errors.New("stop here")
			}
			return nil
		}
		if err := w.l.Release(sealed[i].End); err == nil {
			t.Fatal("Release did not stop")
		}
		d := w.d.killed()
		r := &told{}
		l, err := openIn(d, w.opt, r.replay)
		if err != nil {
			t.Fatal(err)
		}
		if got := l.Start(); got != sealed[i].End {
			t.Errorf("after a Release that was stopped it begins at %d, want %d", got, sealed[i].End)
		}
		l.Close()
		w.d.fails = nil
		if err := w.l.Release(sealed[i].End); err != nil {
			t.Fatal(err)
		}
		next := w.d.copied()
		if i+1 < len(sealed) {
			delete(next.live, sealed[i+1].Path)
			if _, err := openIn(next, w.opt, r.replay); err == nil || !strings.Contains(err.Error(), "not released") {
				t.Errorf("segment %s is missing: %v", sealed[i+1].Path, err)
			}
		}
	}
	if n := len(whole.live); n < 10 {
		t.Errorf("only %d segments", n)
	}
}

// Whatever the bytes are, the reader neither fails badly nor takes memory that the file does not have, and what it
// replays was written.
func FuzzReader(f *testing.F) {
	files := map[string][]byte{}
	w := newTeller(Options{SegmentBytes: 1500})
	if err := w.open(); err != nil {
		f.Fatal(err)
	}
	for _, sizes := range [][]int{{10}, {300, 20, 5}, {700}, {600, 30}, {12}} {
		if err := w.append(sizes...); err != nil {
			f.Fatal(err)
		}
	}
	w.l.Close()
	for name, i := range w.d.live {
		files[name] = i.live
	}
	names := slices.Sorted(maps.Keys(files))
	for _, name := range names {
		f.Add(files[name], uint64(0), 0)
		f.Add(files[name][:len(files[name])-40], uint64(7), 3)
	}
	f.Add([]byte("todojnl1"), uint64(1), 1)
	f.Fuzz(func(t *testing.T, b []byte, seed uint64, changes int) {
		// As bytes from anywhere.
		alone := folderOf(map[string][]byte{segmentName(1): b})
		r := &told{}
		in := newReader(alone, r.replay)
		if _, err := in.all([]uint64{1}); err == nil && len(b) < headerSize {
			t.Fatalf("%d bytes are a segment", len(b))
		}
		if cap(in.in.buf) > len(b) {
			t.Fatalf("%d bytes of memory for a file of %d", cap(in.in.buf), len(b))
		}
		// As changes of bytes that were written.
		random := rand.New(rand.NewPCG(seed, 1))
		bent := maps.Clone(files)
		hit := map[string][]int{}
		for range min(max(changes, 0), 20) {
			name := names[random.IntN(len(names))]
			bent[name] = slices.Clone(bent[name])
			from := random.IntN(len(bent[name]))
			n := min(1+random.IntN(40), len(bent[name])-from)
			for i := range n {
				c := byte(random.Uint32())
				if len(b) > 0 {
					c = b[(from+i)%len(b)]
				}
				if bent[name][from+i] != c {
					hit[name] = append(hit[name], from+i)
				}
				bent[name][from+i] = c
			}
		}
		r, l, err := replayed(t, bent)
		if err != nil {
			return
		}
		defer l.Close()
		order := w.inOrder()
		for i, at := range r.at {
			if at != order[i] || r.rec[i] != w.acked[at] {
				t.Fatalf("at %d there is %.20q", at, r.rec[i])
			}
		}
		if lost := order[len(r.at):]; len(lost) > 0 {
			// Then the beginnings of all later frames were hit, and the note at the end too.
			lastName := names[len(names)-1]
			first := must(decodeHeader(bent[lastName])).first
			for _, off := range append(starts(files[lastName], lost[0]), len(files[lastName])-frameSize) {
				if !slices.ContainsFunc(hit[lastName], func(n int) bool { return n >= off && n < off+frameSize }) {
					t.Fatalf("records from %d on are lost, though the frame at byte %d is good (first %d)", lost[0], off, first)
				}
			}
		}
	})
}

// starts lists where frames begin behind the one that has a record.
func starts(b []byte, rec Pos) (offs []int) {
	h := must(decodeHeader(b))
	at := h.first
	for {
		off := headerSize + int(at-h.first)
		f, ok := decodeFrame(b[off:], h.mark, at)
		if !ok || f.kind == syncedKind {
			return offs
		}
		if at > rec {
			offs = append(offs, off)
		}
		at += Pos(f.size())
	}
}
