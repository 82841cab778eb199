package replicate

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/storetest"
)

// fill gives a database documents that are edited, deleted, in conflict and with attachments.
func fill(t *testing.T, p Peer) {
	t.Helper()
	if err := p.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	var docs [][]byte
	var revs []*Revision
	for i := range 6 {
		docs = append(docs,
			fmt.Appendf(nil, `{"_id":"d%d","_rev":"2-b","_revisions":{"start":2,"ids":["b","a"]},"v":%d}`, i, i),
			fmt.Appendf(nil, `{"_id":"d%d","_rev":"2-c","_revisions":{"start":2,"ids":["c","a"]},"v":"conflict"}`, i),
			fmt.Appendf(nil, `{"_id":"gone%d","_rev":"2-b","_revisions":{"start":2,"ids":["b","a"]},"_deleted":true}`, i))
	}
	for _, doc := range docs {
		revs = append(revs, readRevision(doc))
	}
	if refused, err := p.Store(t.Context(), revs); err != nil || len(refused) > 0 {
		t.Fatal(refused, err)
	}
	for i := range 3 {
		a := &Revision{Doc: document.Doc{ID: fmt.Sprintf("att%d", i), Rev: revtree.Rev{Gen: 1, ID: "a"}, Body: []byte("{}")},
			Attachments: []Attachment{{Name: "f", Type: "text/plain", RevPos: 1, Length: 5}}}
		open := func(context.Context, *Attachment) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader("bytes")), nil
		}
		if refused, err := p.StoreAttached(t.Context(), a, open); err != nil || refused != nil {
			t.Fatal(refused, err)
		}
	}
}

// holds shows the leaves of each document, the winner first, with their content.
func holds(t *testing.T, p Peer) string {
	t.Helper()
	var rows []string
	_, err := p.Changes(t.Context(), ChangesQuery{Limit: 1000}, func(c Change) error {
		row := fmt.Sprint(c.ID, c.Revs)
		err := p.Fetch(t.Context(), []Wanted{{ID: c.ID, Revs: c.Revs}}, func(r *Revision) error {
			row += string(r.json())
			return nil
		})
		rows = append(rows, row)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(rows)
	return strings.Join(rows, "\n")
}

// failing counts the calls of the peers that share it, and makes one of them fail, or that one
// and all later ones.
type failing struct {
	mu     sync.Mutex // guards n
	n      int        // calls so far
	at     int
	late   bool // the call does what it should and then fails
	dead   bool // all later calls fail too
	failed bool
}

func (f *failing) call(fn func() error) error {
	f.mu.Lock()
	bad := f.n == f.at || f.dead && f.n > f.at
	late := f.late && f.n == f.at
	f.n++
	f.failed = f.failed || bad
	f.mu.Unlock()
	if bad && !late {
		return ErrNoDB // permanent: it is not tried again
	}
	err := fn()
	if bad {
		err = ErrNoDB
	}
	return err
}

type failingPeer struct {
	Peer
	*failing
	mu  sync.Mutex // guards got
	got int64      // revisions that were written
}

func (p *failingPeer) Info(ctx context.Context) (out Info, err error) {
	err = p.call(func() (err error) { out, err = p.Peer.Info(ctx); return err })
	return out, err
}

func (p *failingPeer) Changes(ctx context.Context, q ChangesQuery, fn func(Change) error) (end ChangesEnd, err error) {
	err = p.call(func() (err error) { end, err = p.Peer.Changes(ctx, q, fn); return err })
	return end, err
}

func (p *failingPeer) Missing(ctx context.Context, c []Change) (out []Wanted, err error) {
	err = p.call(func() (err error) { out, err = p.Peer.Missing(ctx, c); return err })
	return out, err
}

func (p *failingPeer) Fetch(ctx context.Context, w []Wanted, fn func(*Revision) error) error {
	return p.call(func() error { return p.Peer.Fetch(ctx, w, fn) })
}

func (p *failingPeer) wrote(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got += int64(n)
}

func (p *failingPeer) Store(ctx context.Context, docs []*Revision) (refused []Refusal, err error) {
	err = p.call(func() (err error) {
		refused, err = p.Peer.Store(ctx, docs)
		p.wrote(len(docs) - len(refused))
		return err
	})
	return refused, err
}

func (p *failingPeer) StoreAttached(ctx context.Context, r *Revision, open opener) (refused *Refusal, err error) {
	err = p.call(func() (err error) {
		if refused, err = p.Peer.StoreAttached(ctx, r, open); err == nil && refused == nil {
			p.wrote(1)
		}
		return err
	})
	return refused, err
}

func (p *failingPeer) OpenAttachment(ctx context.Context, r *Revision, att *Attachment) (in io.ReadCloser, err error) {
	err = p.call(func() (err error) { in, err = p.Peer.OpenAttachment(ctx, r, att); return err })
	if err != nil && in != nil {
		in.Close()
	}
	return in, err
}

func (p *failingPeer) GetLocal(ctx context.Context, id string) (b []byte, err error) {
	err = p.call(func() (err error) { b, err = p.Peer.GetLocal(ctx, id); return err })
	return b, err
}

func (p *failingPeer) PutLocal(ctx context.Context, id string, body []byte) error {
	return p.call(func() error { return p.Peer.PutLocal(ctx, id, body) })
}

// A job that is stopped at any of its calls, before or after the call has done its work,
// leaves checkpoints that are true, and the next job brings the rest.
func TestStopAtEveryStep(t *testing.T) {
	s := storetest.Open(t, store.Options{})
	source := localPeerOf(s, "source")
	fill(t, source)
	want := holds(t, source)
	for mode := range 4 {
		late, dead := mode&1 != 0, mode&2 != 0
		for n := 0; ; n++ {
			if n > 1000 {
				t.Fatal("there is always one more call")
			}
			target := localPeerOf(s, fmt.Sprintf("target%d-%d", mode, n))
			if err := target.Create(t.Context()); err != nil {
				t.Fatal(err)
			}
			f := &failing{at: n, late: late, dead: dead}
			spec := Spec{Source: Endpoint{Local: "source"}, Target: Endpoint{Local: target.Name()}, BatchSize: 4, Workers: 2, CheckpointInterval: 1}
			got := &failingPeer{Peer: target, failing: f}
			result, err := NewJob(spec, JobOptions{Source: &failingPeer{Peer: source, failing: f}, Target: got}).Run(t.Context())
			if (err != nil) != f.failed {
				t.Fatalf("call %d fails: %v, the job says %v", n, f.failed, err)
			}
			for _, side := range []Peer{source, target} {
				checkCheckpoint(t, side, source, target, spec.BaseID(""), got.got)
			}
			if read, written, refused := result.Counts(); !f.failed && (written != got.got || read != written || refused != 0) {
				t.Errorf("read %d, wrote %d, refused %d; the target got %d", read, written, refused, got.got)
			}
			if _, err := NewJob(spec, JobOptions{Source: source, Target: target}).Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if now := holds(t, target); now != want {
				t.Fatalf("stopped at call %d (late %v, dead %v) and resumed, the target holds\n%s\nwant\n%s", n, late, dead, now, want)
			}
			if err := s.Drop(t.Context(), target.Name()); err != nil {
				t.Fatal(err)
			}
			if !f.failed {
				break
			}
		}
	}
}

// checkCheckpoint checks that a side's checkpoint claims nothing that the target does not have.
func checkCheckpoint(t *testing.T, side, source, target Peer, id string, got int64) {
	t.Helper()
	c, err := readCheckpoint(t.Context(), side, id)
	if err != nil {
		t.Fatal(err)
	}
	if c.SessionID == "" {
		return
	}
	var done []Change
	_, err = source.Changes(t.Context(), ChangesQuery{Limit: 1000}, func(c Change) error {
		done = append(done, c)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(done, func(ch Change) bool { return ch.Seq == string(c.SourceLastSeq) })
	if at < 0 {
		t.Fatalf("the checkpoint of %s is at %s, which is no change", side.Name(), c.SourceLastSeq)
	}
	missing, err := target.Missing(t.Context(), done[:at+1])
	if err != nil || len(missing) > 0 {
		t.Errorf("%s says that all up to %s is at the target, which lacks %v, %v", side.Name(), c.SourceLastSeq, missing, err)
	}
	if c.History[0].DocsWritten > got {
		t.Errorf("%s says that %d were written, the target got %d", side.Name(), c.History[0].DocsWritten, got)
	}
}

// If the target is put back to an earlier state within a session, it gets what it lost again.
func TestTargetSetBack(t *testing.T) {
	s := storetest.Open(t, store.Options{})
	source, target := localPeerOf(s, "source"), localPeerOf(s, "target")
	fill(t, source)
	if err := target.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	spec := Spec{Source: Endpoint{Local: "source"}, Target: Endpoint{Local: "target"}, BatchSize: 4, Workers: 1, CheckpointInterval: 1}
	kept := &keeping{Peer: target}
	if _, err := NewJob(spec, JobOptions{Source: source, Target: kept}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(kept.all) < 3 {
		t.Fatalf("%d checkpoints were written", len(kept.all))
	}
	for _, old := range kept.all {
		if err := s.Drop(t.Context(), "target"); err != nil {
			t.Fatal(err)
		}
		if err := target.Create(t.Context()); err != nil {
			t.Fatal(err)
		}
		first := spec // the state of the target when it wrote this checkpoint
		first.NoCheckpoints = true
		var c checkpoint
		if err := json.Unmarshal(old, &c); err != nil {
			t.Fatal(err)
		}
		if _, err := NewJob(first, JobOptions{Server: "other", Source: &upTo{source, string(c.SourceLastSeq)}, Target: target}).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := target.PutLocal(t.Context(), spec.BaseID(""), old); err != nil {
			t.Fatal(err)
		}
		if _, err := NewJob(spec, JobOptions{Source: source, Target: target}).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, want := holds(t, target), holds(t, source); got != want {
			t.Errorf("set back to %s, the target holds\n%s\nwant\n%s", c.SourceLastSeq, got, want)
		}
	}
}

// keeping remembers the checkpoints that are written.
type keeping struct {
	Peer
	all [][]byte
}

func (p *keeping) PutLocal(ctx context.Context, id string, body []byte) error {
	p.all = append(p.all, bytes.Clone(body))
	return p.Peer.PutLocal(ctx, id, body)
}

// upTo is a source as it was when its sequence was at a certain point.
type upTo struct {
	Peer
	seq string
}

func (p *upTo) Changes(ctx context.Context, q ChangesQuery, fn func(Change) error) (ChangesEnd, error) {
	past := false
	end := ChangesEnd{LastSeq: p.seq}
	_, err := p.Peer.Changes(ctx, ChangesQuery{Limit: 1000}, func(c Change) error {
		if past || q.Since == p.seq {
			return nil
		}
		past = c.Seq == p.seq
		end.Rows++
		return fn(c)
	})
	return end, err
}

// idle is a source without changes, all of which the target has. Its sequence has gone on by something else.
type idle struct{ *stubPeer }

func (p idle) Info(context.Context) (Info, error) { return Info{UpdateSeq: "3"}, nil }

func (p idle) Changes(ctx context.Context, q ChangesQuery, _ func(Change) error) (ChangesEnd, error) {
	select {
	case <-time.After(q.Wait):
	case <-ctx.Done():
	}
	return ChangesEnd{LastSeq: q.Since}, ctx.Err()
}

// A continuous job that goes on where it ended says that nothing is left, once the source has said so.
func TestNothingLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		job := NewJob(Spec{Continuous: true, SinceSeq: "2"}, JobOptions{
			Source: idle{&stubPeer{name: "source", local: map[string][]byte{}}},
			Target: &stubPeer{name: "target", local: map[string][]byte{}},
		})
		done := make(chan error, 1)
		go func() {
			_, err := job.Run(ctx)
			done <- err
		}()
		synctest.Wait()
		if p := job.progress(); p.Pending != -1 {
			t.Errorf("before the source has said anything, %d changes are pending", p.Pending)
		}
		time.Sleep(2 * waitForChange)
		synctest.Wait()
		if p := job.progress(); p.Pending != 0 {
			t.Errorf("%d changes are pending", p.Pending)
		}
		cancel()
		<-done
	})
}
