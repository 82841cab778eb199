package repository

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup"
)

// Listed is what a backup has of a document.
type Listed struct {
	ID      string
	Deleted bool // the winner is a tombstone
	Leaves  []revtree.Node
	Revs    int // revisions that the tree knows
}

// EachDocument calls fn for every document of a database in a backup, in the order of their ids.
func (r *Repository) EachDocument(ctx context.Context, b *Backup, name string, fn func(Listed) error) error {
	return r.eachListed(ctx, b, name, "", func(d Listed) (bool, error) { return true, fn(d) })
}

// eachListed calls fn for the documents from start on, until it is false.
func (r *Repository) eachListed(ctx context.Context, b *Backup, name, start string, fn func(Listed) (more bool, err error)) (err error) {
	i, err := b.Find(name)
	if err != nil {
		return err
	}
	ctx, release, err := r.lock(ctx, reading, "", r.Wait)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	if b, err = r.again(ctx, b); err != nil {
		return err
	}
	return r.documentsIn(ctx, b.Chains[i].Segments, start, func(f found) (bool, error) { return fn(f.Listed) })
}

// Document is a document as a backup has it.
type Document struct {
	ID      string
	Deleted bool
	Leaves  []Leaf // the winner first
}

// Leaf is a leaf of it.
type Leaf struct {
	Path        []revtree.Rev // the revision and its ancestors, the newest first
	Deleted     bool
	JSON        []byte // without _id and the like
	Attachments []store.Attachment
}

// Documents reads documents of a database in a backup. The error is ErrNoDoc if one is not there.
func (r *Repository) Documents(ctx context.Context, b *Backup, name string, ids []string) (docs []Document, err error) {
	i, err := b.Find(name)
	if err != nil {
		return nil, err
	}
	ctx, release, err := r.lock(ctx, reading, "", r.Wait)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	if b, err = r.again(ctx, b); err != nil {
		return nil, err
	}
	return r.documents(ctx, b.Chains[i].Segments, ids)
}

func (r *Repository) documents(ctx context.Context, segments []Part, ids []string) ([]Document, error) {
	trees := map[string]store.Captured{}
	bodies := &wantedBodies{repo: r, all: map[store.BodyKey][]byte{}}
	last := map[int]map[string]uint64{} // by the segment: the ids whose last capture it has, with the sequences
	likely := map[int]bool{}            // segments that have captures of the documents
	for _, id := range ids {
		there := false
		err := r.documentsIn(ctx, segments, id, func(f found) (bool, error) {
			if there = f.ID == id; !there {
				return false, nil
			}
			if last[f.segment] == nil {
				last[f.segment] = map[string]uint64{}
			}
			last[f.segment][id] = f.seq
			for _, i := range f.captured {
				likely[i] = true
			}
			return false, nil
		})
		if err != nil {
			return nil, err
		}
		if !there {
			return nil, fmt.Errorf("%q: %w", id, ErrNoDoc)
		}
	}
	for i, wanted := range last {
		if err := r.treesOf(ctx, segments[i], wanted, trees); err != nil {
			return nil, err
		}
	}
	for _, rec := range trees {
		for _, leaf := range rec.Tree.Leaves() {
			if key, is, err := rec.BodyOf(leaf); err != nil {
				return nil, err
			} else if is {
				bodies.want(key)
			}
		}
	}
	// A body came with a capture of its document, or, where segments were merged, with that of another one.
	for _, first := range []bool{true, false} {
		for i := len(segments) - 1; i >= 0 && bodies.missing > 0; i-- {
			if likely[i] == first {
				if err := bodies.read(ctx, segments[i]); err != nil {
					return nil, err
				}
			}
		}
	}
	var docs []Document
	for _, id := range ids {
		d, err := assemble(id, trees[id], bodies.all)
		if err != nil {
			return nil, fmt.Errorf("document %q: %w", id, err)
		}
		docs = append(docs, d)
	}
	return docs, nil
}

// treesOf reads captures in a segment: of each id the one of its sequence.
func (r *Repository) treesOf(ctx context.Context, segment Part, wanted map[string]uint64, trees map[string]store.Captured) error {
	left := len(wanted)
	err := r.eachIn(ctx, segment, func(item *backup.Item) error {
		if item.Kind != backup.KindDocument {
			return nil
		}
		d, err := item.Document()
		if err != nil {
			return err
		}
		if seq, is := wanted[string(d.ID)]; !is || seq != d.Seq {
			return nil
		}
		rec, err := store.ParseCaptured(append([]byte(nil), d.Record...))
		if err != nil {
			return fmt.Errorf("document %q: %w", d.ID, err)
		}
		trees[string(d.ID)] = rec
		if left--; left == 0 {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	if err == nil && left > 0 {
		err = &DamagedError{idsName(segment.Name), "it has documents that the segment lacks"}
	}
	return err
}

// wantedBodies are the bodies of revisions that somebody looks for.
type wantedBodies struct {
	repo    *Repository
	all     map[store.BodyKey][]byte // nil: not found yet
	missing int
}

func (w *wantedBodies) want(key store.BodyKey) {
	if _, is := w.all[key]; !is {
		w.all[key] = nil
		w.missing++
	}
}

// read takes from a segment what is wanted.
func (w *wantedBodies) read(ctx context.Context, segment Part) error {
	err := w.repo.eachIn(ctx, segment, func(item *backup.Item) error {
		if item.Kind != backup.KindBody {
			return nil
		}
		key, value, err := item.Body()
		if err != nil {
			return err
		}
		if had, wanted := w.all[store.BodyKey(key)]; !wanted || had != nil {
			return nil
		}
		w.all[store.BodyKey(key)] = append([]byte(nil), value...)
		if w.missing--; w.missing == 0 {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

func assemble(id string, rec store.Captured, bodies map[store.BodyKey][]byte) (Document, error) {
	d := Document{ID: id, Deleted: rec.Deleted}
	for _, n := range rec.Tree.Leaves() {
		leaf := Leaf{Path: rec.Tree.Path(n.Rev), Deleted: n.Deleted, JSON: []byte("{}")}
		key, is, err := rec.BodyOf(n)
		if err != nil {
			return d, err
		}
		if is {
			body := bodies[key]
			if body == nil {
				return d, &MissingError{"the body of revision " + n.Rev.String()}
			}
			if leaf.JSON, err = store.AppendCapturedJSON(nil, body); err != nil {
				return d, err
			}
			if leaf.Attachments, err = store.CapturedAttachments(body); err != nil {
				return d, err
			}
		}
		d.Leaves = append(d.Leaves, leaf)
	}
	return d, nil
}

// WriteContent writes the content of an attachment as the store has it: encoded if the attachment is.
func (r *Repository) WriteContent(ctx context.Context, b *Backup, name string, d store.Digest, w io.Writer) error {
	i, err := b.Find(name)
	if err != nil {
		return err
	}
	have, err := newContents(r)
	if err != nil {
		return err
	}
	defer have.close()
	if err := have.load(ctx, b.Chains[i].Packs); err != nil {
		return err
	}
	var chunk []byte
	return have.chunks(ctx, b.Chains[i].Key, d, func(c []byte) (err error) {
		if chunk, err = store.AppendCapturedChunk(chunk[:0], c); err == nil {
			_, err = w.Write(chunk)
		}
		return err
	})
}
