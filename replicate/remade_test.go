package replicate

import (
	"context"
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

// remadePeer is deleted and made again as its first checkpoint is about to be written.
type remadePeer struct {
	Peer
	remake func()
}

func (p *remadePeer) PutLocal(ctx context.Context, id string, body []byte) error {
	if remake := p.remake; remake != nil {
		p.remake = nil
		remake()
	}
	return p.Peer.PutLocal(ctx, id, body)
}

// A checkpoint that goes into another database than the one that was written is taken back: it would say that everything
// is there.
func TestTargetIsMadeAgainBeforeItsCheckpoint(t *testing.T) {
	s := storetest.Open(t, store.Options{})
	source, target := storetest.DB(t, s, "source"), localPeerOf(s, "target")
	var doc store.Edit
	doc.Doc.ID, doc.Doc.HasID, doc.Doc.Body = "a", true, []byte("{}")
	if _, err := source.Put(t.Context(), doc, store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := target.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	remade := &remadePeer{target, func() {
		if err := s.Drop(t.Context(), "target"); err != nil {
			t.Error(err)
		}
		if err := target.Create(t.Context()); err != nil {
			t.Error(err)
		}
	}}
	if _, err := NewJob(Spec{Retries: 3}, JobOptions{Server: "s", Source: localPeerOf(s, "source"), Target: remade}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if info, err := target.Info(t.Context()); err != nil || info.UpdateSeq == "" || numberOf(info.UpdateSeq) != 1 {
		t.Errorf("the target is at %q, %v: it lacks the document", info.UpdateSeq, err)
	}
}
