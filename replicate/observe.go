package replicate

import "context"

// Observer hears what a job does with one of its peers. Its functions are called from several
// goroutines; nil ones are not called.
type Observer struct {
	// Read hears how far the peer's changes have been read.
	Read func(ChangesEnd)
	// Asked hears about which documents the peer has been asked. Its error is the call's, which is made again.
	Asked func(ctx context.Context, ids []string) error
	// Wrote hears which documents the peer has accepted, once for each revision, and how many
	// it has refused. The job continues only after it returns. Its error is the call's, which is made again.
	Wrote func(ctx context.Context, ids []string, refused int) error
	// Recorded hears that the peer has a new checkpoint.
	Recorded func()
	// Called hears the result of every call that may fail because of the peer.
	Called func(error)
}

// observe wraps a peer if anybody listens.
func observe(p Peer, o Observer) Peer {
	if o.Read == nil && o.Asked == nil && o.Wrote == nil && o.Recorded == nil && o.Called == nil {
		return p
	}
	return &observedPeer{p, o}
}

type observedPeer struct {
	Peer
	o Observer
}

func (p *observedPeer) called(ctx context.Context, err error) {
	if p.o.Called != nil && ctx.Err() == nil {
		p.o.Called(err)
	}
}

func (p *observedPeer) Info(ctx context.Context) (Info, error) {
	info, err := p.Peer.Info(ctx)
	p.called(ctx, err)
	return info, err
}

func (p *observedPeer) Changes(ctx context.Context, q ChangesQuery, fn func(Change) error) (ChangesEnd, error) {
	end, err := p.Peer.Changes(ctx, q, fn)
	p.called(ctx, err)
	if err == nil && p.o.Read != nil {
		p.o.Read(end)
	}
	return end, err
}

func (p *observedPeer) Missing(ctx context.Context, changes []Change) ([]Wanted, error) {
	wanted, err := p.Peer.Missing(ctx, changes)
	p.called(ctx, err)
	if err == nil && p.o.Asked != nil {
		ids := make([]string, len(changes))
		for i, c := range changes {
			ids[i] = c.ID
		}
		err = p.o.Asked(ctx, ids)
	}
	return wanted, err
}

func (p *observedPeer) Fetch(ctx context.Context, wanted []Wanted, fn func(r *Revision) error) error {
	err := p.Peer.Fetch(ctx, wanted, fn)
	p.called(ctx, err)
	return err
}

func (p *observedPeer) Store(ctx context.Context, revs []*Revision) ([]Refusal, error) {
	refused, err := p.Peer.Store(ctx, revs)
	p.called(ctx, err)
	if err == nil && p.o.Wrote != nil {
		not := map[string]int{}
		for _, r := range refused {
			not[r.ID]++
		}
		ids := make([]string, 0, len(revs))
		for _, r := range revs {
			if id := r.Doc.ID; not[id] > 0 {
				not[id]--
			} else {
				ids = append(ids, id)
			}
		}
		err = p.o.Wrote(ctx, ids, len(refused))
	}
	return refused, err
}

func (p *observedPeer) StoreAttached(ctx context.Context, r *Revision, open opener) (*Refusal, error) {
	refused, err := p.Peer.StoreAttached(ctx, r, open)
	p.called(ctx, err)
	switch {
	case err != nil || p.o.Wrote == nil:
	case refused != nil:
		err = p.o.Wrote(ctx, nil, 1)
	default:
		err = p.o.Wrote(ctx, []string{r.Doc.ID}, 0)
	}
	return refused, err
}

func (p *observedPeer) PutLocal(ctx context.Context, id string, body []byte) error {
	err := p.Peer.PutLocal(ctx, id, body)
	p.called(ctx, err)
	if err == nil && p.o.Recorded != nil {
		p.o.Recorded()
	}
	return err
}
