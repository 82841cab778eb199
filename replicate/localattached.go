package replicate

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
)

// OpenAttachment reads an attachment as it is stored. The database stays open until the
// reader is closed.
func (p *localPeer) OpenAttachment(ctx context.Context, id string, rev revtree.Rev, name string) (io.ReadCloser, error) {
	db, err := p.db(ctx)
	if err != nil {
		return nil, err
	}
	doc, err := db.Get(ctx, id, store.ReadOptions{Rev: rev})
	if err == nil {
		for _, a := range doc.Attachments {
			if a.Name == name {
				return &localAttachment{db.ReadAttachment(ctx, a.Digest, 0, a.Length), db}, nil
			}
		}
		err = store.ErrMissingAttachment
	}
	db.Release()
	return nil, err
}

type localAttachment struct {
	*store.AttachmentReader
	db *store.DB
}

func (a *localAttachment) Close() error {
	a.AttachmentReader.Close()
	a.db.Release()
	return nil
}

// StoreAttached stores the bytes as they come and then writes the revision.
func (p *localPeer) StoreAttached(ctx context.Context, a *Attached, open opener) (refused *Refusal, err error) {
	doc, err := document.Parse(a.Doc, document.Options{MaxSize: p.store.Limits().MaxDocumentSize})
	if err != nil {
		return &Refusal{ID: a.ID, Reason: err.Error()}, nil
	}
	err = p.with(ctx, func(db *store.DB) error {
		edit := store.Edit{Doc: doc}
		for _, att := range a.Attachments {
			e := store.EditAttachment{Name: att.Name, Type: att.Type, RevPos: att.RevPos, HasRevPos: true, Encoding: att.Encoding, DecodedLength: att.Unpacked}
			if att.Stub {
				e.Digest, e.HasDigest = store.ParseDigest(att.Digest)
			} else {
				if e.Staged, err = stage(ctx, db, &att, open); err != nil {
					return err
				}
			}
			edit.Attachments = append(edit.Attachments, e)
		}
		results, err := db.Write(ctx, []store.Edit{edit}, store.WriteOptions{Replicated: true})
		if _, missing := errors.AsType[*store.MissingStub](err); missing {
			return errMissingStub
		}
		if err == nil && results[0].Err != nil {
			refused = &Refusal{ID: a.ID, Reason: results[0].Err.Error()}
		}
		return err
	})
	return refused, err
}

// stage stores the bytes of an attachment. As many must come as the source has said.
func stage(ctx context.Context, db *store.DB, att *Attachment, open opener) (*store.Staged, error) {
	in, err := open(ctx, att.Name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	staged, err := db.StageAttachment(ctx, in, store.StageOptions{})
	if err == nil && att.Length > 0 && staged.Length != att.Length {
		err = fmt.Errorf("attachment %s has %d bytes where %d were announced: %w", att.Name, staged.Length, att.Length, io.ErrUnexpectedEOF)
	}
	return &staged, err
}
