package replicate

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/tododb/tododb/store"
)

// OpenAttachment reads an attachment as it is stored. The database stays open until the
// reader is closed.
func (p *localPeer) OpenAttachment(ctx context.Context, _ *Revision, att *Attachment) (io.ReadCloser, error) {
	digest, ok := store.ParseDigest(att.Digest)
	if !ok {
		return nil, store.ErrMissingAttachment
	}
	db, err := p.db(ctx)
	if err != nil {
		return nil, err
	}
	return &localAttachment{db.ReadAttachment(ctx, digest, 0, att.Length), db}, nil
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
func (p *localPeer) StoreAttached(ctx context.Context, r *Revision, open opener) (refused *Refusal, err error) {
	if err := r.Doc.CheckSize(p.store.Limits().MaxDocumentSize); err != nil {
		return &Refusal{ID: r.Doc.ID, Reason: err.Error()}, nil
	}
	err = p.with(ctx, func(db *store.DB) error {
		edit := store.Edit{Doc: r.Doc}
		for _, att := range r.Attachments {
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
		result, err := db.Put(ctx, edit, store.WriteOptions{Replicated: true})
		if _, missing := errors.AsType[*store.MissingStub](err); missing {
			return errMissingStub
		}
		if result.Err != nil {
			refused = &Refusal{ID: r.Doc.ID, Reason: result.Err.Error()}
			return nil
		}
		return err
	})
	return refused, err
}

// stage stores the bytes of an attachment. There must be as many as the source announced.
func stage(ctx context.Context, db *store.DB, att *Attachment, open opener) (*store.Staged, error) {
	in, err := open(ctx, att)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	staged, err := db.StageAttachment(ctx, in, store.StageOptions{Bounded: true})
	if err == nil && att.Length > 0 && staged.Length != att.Length {
		err = fmt.Errorf("attachment %s has %d bytes instead of the announced %d: %w", att.Name, staged.Length, att.Length, io.ErrUnexpectedEOF)
	}
	return &staged, err
}
