package backups

import (
	"context"
	"fmt"
	"io"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup"
	"github.com/tododb/tododb/store/backup/repository"
	"github.com/tododb/tododb/store/document"
)

// sink takes what a user restores into this server.
type sink struct {
	repository.Local
	room     *Room
	user     auth.User
	progress func(backup.Progress)
}

// Restore makes a database of streams, and tells the server.
func (s *sink) Restore(ctx context.Context, database string, streams io.Reader, opt backup.RestoreOptions) error {
	opt.Progress = s.progress
	if err := s.Local.Restore(ctx, database, streams, opt); err != nil {
		return err
	}
	if s.room.restored == nil || opt.DryRun {
		return nil
	}
	return s.room.restored(context.WithoutCancel(ctx), database)
}

// Standing tells how a document stands.
func (s *sink) Standing(ctx context.Context, database, id string) (now repository.Standing, err error) {
	err = s.with(ctx, database, func(db *store.DB) error {
		_, err := db.DocsByKeys(ctx, store.KeysQuery{Keys: []string{id}}, func(_ int, r *store.Row) error {
			if r != nil {
				now = repository.Standing{Rev: r.Rev.String(), Deleted: r.Deleted}
			}
			return nil
		}, func() error { return nil })
		return err
	})
	return now, err
}

// with opens a database for the user, who may not write everything though they are an administrator:
// validation functions and the server's own rules count for them too.
func (s *sink) with(ctx context.Context, database string, fn func(*store.DB) error) error {
	db, err := s.room.access.OpenNamed(ctx, database, s.user, wire.Member)
	if err != nil {
		return err
	}
	defer db.Release()
	return fn(db)
}

// PutLeaf writes a leaf of a document.
func (s *sink) PutLeaf(ctx context.Context, w repository.Writing) error {
	doc, err := document.Parse(w.Leaf.JSON, document.Options{})
	if err != nil {
		return err
	}
	doc.ID, doc.HasID, doc.Deleted = w.ID, true, w.Leaf.Deleted
	if w.Edit {
		if w.Rev != "" {
			if doc.Rev, err = revtree.Parse(w.Rev); err != nil {
				return err
			}
			doc.HasRev = true
		}
	} else {
		doc.Rev, doc.HasRev, doc.Path = w.Leaf.Path[0], true, w.Leaf.Path
	}
	return s.with(ctx, w.Database, func(db *store.DB) error {
		if err := db.CheckNewID(w.ID); err != nil {
			return err
		}
		edit := store.Edit{Doc: doc}
		for _, a := range w.Leaf.Attachments {
			staged, err := stage(ctx, db, &a, &w)
			if err != nil {
				return err
			}
			edit.Attachments = append(edit.Attachments, store.EditAttachment{
				Name: a.Name, Type: a.Type, Staged: &staged, RevPos: a.RevPos, HasRevPos: !w.Edit, Encoding: a.Encoding, DecodedLength: a.DecodedLength,
			})
		}
		result, err := db.Put(ctx, edit, store.WriteOptions{Replicated: !w.Edit})
		if err == nil {
			err = result.Err
		}
		return err
	})
}

// stage stores the content of an attachment.
func stage(ctx context.Context, db *store.DB, a *store.Attachment, w *repository.Writing) (store.Staged, error) {
	ctx, cancel := context.WithCancel(ctx)
	out, in := io.Pipe()
	over := make(chan struct{})
	go func() { // ends with the reader, which closes out
		defer close(over)
		in.CloseWithError(w.Content(ctx, a.Digest, in))
	}()
	staged, err := db.StageAttachment(ctx, out, store.StageOptions{Bounded: true})
	cancel()
	out.CloseWithError(io.ErrClosedPipe)
	<-over
	if err == nil && staged.Digest != a.Digest {
		err = &repository.DamagedError{Name: fmt.Sprintf("the content of attachment %q", a.Name), Reason: "it has another digest"}
	}
	return staged, err
}
