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

// EachDocument calls fn for every document of a database in a backup, in the order of their last
// changes.
func (r *Repository) EachDocument(ctx context.Context, b *Backup, name string, fn func(Listed) error) (err error) {
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
	f, err := r.fold(ctx, b.Chains[i].Segments)
	if err == nil {
		err = r.each(ctx, b.Chains[i].Segments, func(_ *backup.Reader, item *backup.Item) error {
			if item.Kind != backup.KindDocument {
				return nil
			}
			d, err := item.Document()
			if err != nil {
				return err
			}
			if !f.has(&d) {
				return nil
			}
			rec, err := store.ParseCaptured(d.Record)
			if err != nil {
				return fmt.Errorf("document %q: %w", d.ID, err)
			}
			return fn(Listed{ID: string(d.ID), Deleted: rec.Deleted, Leaves: rec.Tree.Leaves(), Revs: rec.Tree.Len()})
		})
	}
	return err
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
	f, err := r.fold(ctx, segments)
	if err != nil {
		return nil, err
	}
	trees := map[string]store.Captured{}
	bodies := map[store.BodyKey][]byte{}
	for _, id := range ids {
		if _, is := f.docs[docKeyOf([]byte(id))]; !is {
			return nil, fmt.Errorf("%q: %w", id, ErrNoDoc)
		}
		trees[id] = store.Captured{}
	}
	err = r.each(ctx, segments, func(_ *backup.Reader, item *backup.Item) error {
		if item.Kind != backup.KindDocument {
			return nil
		}
		d, err := item.Document()
		if err != nil {
			return err
		}
		if _, wanted := trees[string(d.ID)]; !wanted {
			return nil
		}
		if !f.has(&d) {
			return nil
		}
		rec, err := store.ParseCaptured(append([]byte(nil), d.Record...))
		if err != nil {
			return fmt.Errorf("document %q: %w", d.ID, err)
		}
		trees[string(d.ID)] = rec
		for _, leaf := range rec.Tree.Leaves() {
			if key, is, err := rec.BodyOf(leaf); err != nil {
				return err
			} else if is {
				bodies[key] = nil
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = r.each(ctx, segments, func(_ *backup.Reader, item *backup.Item) error {
		if item.Kind != backup.KindBody {
			return nil
		}
		key, value, err := item.Body()
		if err != nil {
			return err
		}
		if _, wanted := bodies[store.BodyKey(key)]; wanted {
			bodies[store.BodyKey(key)] = append([]byte(nil), value...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var docs []Document
	for _, id := range ids {
		d, err := assemble(id, trees[id], bodies)
		if err != nil {
			return nil, fmt.Errorf("document %q: %w", id, err)
		}
		docs = append(docs, d)
	}
	return docs, nil
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
