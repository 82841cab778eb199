package repository

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/tododb/tododb/store"
)

// DocumentSink takes single documents in.
type DocumentSink interface {
	// Standing tells how a document stands there.
	Standing(ctx context.Context, database, id string) (Standing, error)
	// PutLeaf writes a leaf of a document.
	PutLeaf(ctx context.Context, w Writing) error
}

// Standing is how a document stands in a database.
type Standing struct {
	Rev     string // of the winner; "" if the database does not know the document
	Deleted bool
}

// Writing is a leaf of a document that is to be written: as what it is, a revision with its ancestors,
// or as a new edit, which has its content.
type Writing struct {
	Database, ID string
	Edit         bool
	Rev          string // that is edited, "" if the document is not there or is deleted
	Leaf         *Leaf
	// Content writes the content of one of its attachments.
	Content func(ctx context.Context, d store.Digest, w io.Writer) error
}

// RestoringDocuments says which documents are to be restored.
type RestoringDocuments struct {
	Database string
	As       string // the database that they come to; "": the one of the same name
	IDs      []string
	Replace  bool // documents that are there
	Dry      bool // change nothing
	// Done is called for each document; nil: nobody wants to know.
	Done func(RestoredDocument)
}

// RestoredDocument is a document that was restored.
type RestoredDocument struct {
	ID      string
	Rev     string // of which it has the content now
	Already bool   // it was at this revision, so nothing was written
}

// DocumentThereError says that a document would have to be replaced.
type DocumentThereError struct{ ID, Now, Was string }

func (e *DocumentThereError) Error() string {
	return fmt.Sprintf("document %q is there, at revision %s; nothing was changed. If it is replaced, its content becomes that of revision %s again", e.ID, e.Now, e.Was)
}

// RestoreDocuments restores documents of a database. What the backup has of a document becomes its
// newest revision; a document that the database does not know comes back with its history. The error is
// *DocumentThereError if one is there with other content and is not to be replaced; then nothing has
// changed.
func (r *Repository) RestoreDocuments(ctx context.Context, sink DocumentSink, b *Backup, q RestoringDocuments) (err error) {
	i, err := b.Find(q.Database)
	if err != nil {
		return err
	}
	// Until the last content was read: prune deletes what it has merged.
	ctx, release, err := r.lock(ctx, reading, "", r.Wait)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	if b, err = r.again(ctx, b); err != nil {
		return err
	}
	docs, err := r.documents(ctx, b.Chains[i].Segments, q.IDs)
	if err != nil {
		return err
	}
	into := q.Database
	if q.As != "" {
		into = q.As
	}
	// Look at all before anything is written.
	standing := make([]Standing, len(docs))
	for i, d := range docs {
		if standing[i], err = sink.Standing(ctx, into, d.ID); err != nil {
			return err
		}
		now, was := standing[i], d.Leaves[0].Path[0].String()
		if now.Rev != "" && !now.Deleted && now.Rev != was && !q.Replace {
			return &DocumentThereError{ID: d.ID, Now: now.Rev, Was: was}
		}
	}
	content := func(ctx context.Context, d store.Digest, w io.Writer) error {
		return r.WriteContent(ctx, b, q.Database, d, w)
	}
	for i := range docs {
		d, now := &docs[i], standing[i]
		done := RestoredDocument{ID: d.ID, Rev: d.Leaves[0].Path[0].String()}
		leaves, edit, rev := d.Leaves, false, ""
		switch {
		case now.Rev == done.Rev:
			leaves, done.Already = nil, true
		case now.Rev != "": // its history is there
			leaves, edit = d.Leaves[:1], true
			if !now.Deleted {
				rev = now.Rev
			}
		}
		if q.Dry {
			leaves = nil
		}
		for j := range leaves {
			if err := sink.PutLeaf(ctx, Writing{Database: into, ID: d.ID, Edit: edit, Rev: rev, Leaf: &leaves[j], Content: content}); err != nil {
				return fmt.Errorf("restore document %q: %w", d.ID, err)
			}
		}
		if q.Done != nil {
			q.Done(done)
		}
	}
	return nil
}
