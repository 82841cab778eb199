package replicate

import (
	"context"
	"io"
	"testing"
	"testing/synctest"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/document"
)

// cutting is a source whose first answer ends behind a document with an attachment.
type cutting struct {
	*stubPeer
	tries int
}

func (p *cutting) Fetch(_ context.Context, _ []Wanted, fn func(*Revision) error) error {
	if err := fn(&Revision{Doc: document.Doc{ID: "a", Rev: revtree.Rev{Gen: 1, ID: "a"}}, Attachments: []Attachment{{Name: "f"}}}); err != nil {
		return err
	}
	if p.tries++; p.tries == 1 {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// refusing is a target that refuses documents with attachments.
type refusing struct{ *stubPeer }

func (p refusing) StoreAttached(_ context.Context, r *Revision, _ opener) (*Refusal, error) {
	return &Refusal{ID: r.Doc.ID, Reason: "forbidden"}, nil
}

// A document that is refused again, because the source has failed behind it and is asked again, is one that was refused.
func TestRefusedAgainCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &cutting{stubPeer: &stubPeer{name: "source", local: map[string][]byte{}}}
		result, err := NewJob(Spec{}, JobOptions{Source: source, Target: refusing{&stubPeer{name: "target", local: map[string][]byte{}}}}).Run(t.Context())
		if err != nil || source.tries != 2 {
			t.Fatalf("%d tries: %v", source.tries, err)
		}
		if _, written, refused := result.Counts(); written != 0 || refused != 1 {
			t.Errorf("%d documents are counted as written and %d as refused", written, refused)
		}
	})
}
