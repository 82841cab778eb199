package backup

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/tododb/tododb/store"
)

// stream writes a stream with some documents.
func stream(t testing.TB, since store.Point, seqs ...uint64) (out []byte, end store.Point) {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b)
	end = store.Point{Epoch: "e", Seq: since.Seq, Base: since.Seq}
	if err := w.Begin(Header{Database: "db", Instance: "i", Epoch: "e", Last: 100, Since: since}); err != nil {
		t.Fatal(err)
	}
	for _, seq := range seqs {
		d := Document{ID: []byte("d"), Seq: seq, Record: []byte("record"), Entry: []byte("entry")}
		end.Seq, end.Base = seq, seq
		heads, toEntry := d.appendHeads(nil)
		if err := w.Item(KindDocument, heads[:toEntry], d.Record, heads[toEntry:], d.Entry); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.End(End{Point: end, Documents: uint64(len(seqs))}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), end
}

// readAll reads streams to their end.
func readAll(b []byte) (items []int, last *Reader, err error) {
	r := NewReader(bytes.NewReader(b))
	at := 0
	for {
		i, err := r.Next()
		if err == io.EOF {
			return items, r, nil
		}
		if err != nil {
			return items, r, err
		}
		if !bytes.Equal(i.Bytes(), b[at:at+len(i.Bytes())]) {
			return items, r, errors.New("an item's bytes are not those of the stream")
		}
		at += len(i.Bytes())
		items = append(items, at)
	}
}

func TestStreamsContinue(t *testing.T) {
	one, end := stream(t, store.Point{}, 1, 2, 5)
	two, _ := stream(t, end, 7)
	other, _ := stream(t, store.Point{Epoch: "e", Seq: 4, Base: 4}, 7)
	if items, r, err := readAll(append(bytes.Clone(one), two...)); err != nil || len(items) != 8 || r.Reached().Seq != 7 {
		t.Errorf("%d items, %+v, %v", len(items), r.Reached(), err)
	}
	for name, b := range map[string][]byte{
		"another point": append(bytes.Clone(one), other...),
		"twice":         append(bytes.Clone(one), one...),
		"no header":     one[20:],
		"nonsense":      []byte("nonsense"),
	} {
		if _, _, err := readAll(b); !isBroken(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Cut behind a document, it is continued from there.
	items, _, _ := readAll(one)
	part := one[:items[2]]
	_, r, err := readAll(part)
	if err != io.ErrUnexpectedEOF || r.Reached() != (store.Point{Epoch: "e", Seq: 2}) {
		t.Fatalf("%+v, %v", r.Reached(), err)
	}
	rest, _ := stream(t, r.Reached(), 5)
	if _, r, err := readAll(append(bytes.Clone(part), rest...)); err != nil || r.Reached().Seq != 5 {
		t.Errorf("%+v, %v", r.Reached(), err)
	}
}

func isBroken(err error) bool {
	_, is := errors.AsType[*Broken](err)
	return is
}

// Nothing that is changed, left out, repeated or cut is taken for whole.
func TestDamageIsNoticed(t *testing.T) {
	whole, _ := stream(t, store.Point{}, 1, 2, 5)
	items, _, err := readAll(whole)
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		b := bytes.Clone(whole)
		b[i] ^= 1
		if _, _, err := readAll(b); !isBroken(err) && err != io.ErrUnexpectedEOF {
			t.Errorf("with byte %d changed: %v", i, err)
		}
		if _, _, err := readAll(whole[:i]); i > 0 && err != io.ErrUnexpectedEOF {
			t.Errorf("cut at byte %d: %v", i, err)
		}
	}
	for i := 1; i < len(items); i++ {
		from, to := items[i-1], items[i]
		left := append(bytes.Clone(whole[:from]), whole[to:]...)
		if _, _, err := readAll(left); !isBroken(err) && err != io.ErrUnexpectedEOF {
			t.Errorf("without item %d: %v", i, err)
		}
		twice := append(bytes.Clone(whole[:to]), whole[from:]...)
		if _, _, err := readAll(twice); !isBroken(err) {
			t.Errorf("with item %d twice: %v", i, err)
		}
	}
}

func TestPointsAreText(t *testing.T) {
	for _, p := range []store.Point{{}, {Epoch: "0123", Seq: 5, Base: 3, Purge: 2, Dead: 1 << 40, Once: 7, Meta: [8]byte{1}, Local: [8]byte{255}}} {
		if got, err := store.ParsePoint(p.String()); err != nil || got != p {
			t.Errorf("%+v is read as %+v, %v", p, got, err)
		}
	}
	for _, bad := range []string{"!", "AA", "AQ", "5", "not a point"} {
		if p, err := store.ParsePoint(bad); !errors.Is(err, store.ErrBadPoint) {
			t.Errorf("%q is %+v, %v", bad, p, err)
		}
	}
}
