package replicate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

// A source may report no progress, or have a document that no one can read. Neither ends a job.
func TestOddSources(t *testing.T) {
	taken := func() error { return nil }
	still := &stillPeer{stubPeer{name: "source", local: map[string][]byte{}}}
	target := &stubPeer{name: "target", store: taken, local: map[string][]byte{}}
	result, err := NewJob(Spec{SinceSeq: "2"}, JobOptions{Source: still, Target: target}).Run(t.Context())
	if read, written, _ := result.Counts(); err != nil || read != 1 || written != 1 {
		t.Errorf("read %d, wrote %d, %v", read, written, err)
	}
	odd := &oddPeer{stubPeer{name: "source", local: map[string][]byte{}}}
	result, err = NewJob(Spec{}, JobOptions{Source: odd, Target: target}).Run(t.Context())
	if read, written, refused := result.Counts(); err != nil || read != 2 || written != 1 || refused != 1 {
		t.Errorf("read %d, wrote %d, refused %d, %v", read, written, refused, err)
	}
}

// stillPeer has a change after which its sequence is the same as before.
type stillPeer struct{ stubPeer }

func (p *stillPeer) Changes(_ context.Context, q ChangesQuery, fn func(Change) error) (ChangesEnd, error) {
	return ChangesEnd{LastSeq: q.Since, Rows: 1}, fn(Change{Seq: q.Since, ID: "a"})
}

// oddPeer has a row that is not a document, and one that is.
type oddPeer struct{ stubPeer }

func (p *oddPeer) Fetch(_ context.Context, _ []Wanted, fn func(*Revision) error) error {
	return errors.Join(fn(readRevision([]byte(`{"_id":"a","_rev":5,"_attachments":{}}`))), fn(readRevision([]byte(`{"_id":"a"}`))))
}

// The request chooses what is replicated, and from where.
func TestChoices(t *testing.T) {
	s := storetest.Open(t, store.Options{})
	source := localPeerOf(s, "source")
	fill(t, source)
	var seqs []string
	if _, err := source.Changes(t.Context(), ChangesQuery{Limit: 1000}, func(c Change) error {
		seqs = append(seqs, c.Seq)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	m, err := NewManager(t.Context(), Options{Store: s, Open: Everything(s)})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for i, c := range []struct {
		more   string
		docs   int
		answer string // what the second of two runs begins with
	}{
		{``, 15, `{"ok":true,"no_changes":true,"session_id":`},
		{`,"doc_ids":["d1","gone1","none"]`, 2, `{"ok":true,"no_changes":true,"session_id":`},
		{`,"doc_ids":[]`, 0, `{"ok":true,"no_changes":true}`},
		{`,"selector":{"v":3}`, 1, `{"ok":true,"no_changes":true,"session_id":`},
		{`,"use_checkpoints":false`, 15, `{"ok":true,"use_checkpoints":false}`},
		{`,"worker_batch_size":1,"worker_processes":1`, 15, `{"ok":true,"no_changes":true`},
		{fmt.Sprintf(`,"since_seq":%q`, seqs[len(seqs)-4]), 3, `{"ok":true,"session_id":`},
		{fmt.Sprintf(`,"since_seq":%q`, seqs[len(seqs)-1]), 0, `{"ok":true,"no_changes":true}`},
	} {
		target := fmt.Sprintf("target%d", i)
		request := fmt.Appendf(nil, `{"source":"source","target":%q,"create_target":true%s}`, target, c.more)
		if _, _, err := m.Replicate(t.Context(), request, User{Admin: true}); err != nil {
			t.Errorf("%s: %v", c.more, err)
			continue
		}
		answer, _, err := m.Replicate(t.Context(), request, User{Admin: true})
		if err != nil || !strings.HasPrefix(string(answer), c.answer) {
			t.Errorf("%s, again: %s, %v, want %s", c.more, answer, err, c.answer)
		}
		docs := 0
		if got := holds(t, localPeerOf(s, target)); got != "" {
			docs = strings.Count(got, "\n") + 1
		}
		if docs != c.docs {
			t.Errorf("%s: %d documents came, want %d", c.more, docs, c.docs)
		}
	}
	m.SetSettings(Settings{Defaults: Defaults{NoCheckpoints: true}})
	var last string
	for more, want := range map[string]string{"": `{"ok":true,"use_checkpoints":false}`, `,"use_checkpoints":true`: `{"ok":true,"no_changes":true`} {
		request := fmt.Appendf(nil, `{"source":"source","target":"without%d","create_target":true%s}`, len(more), more)
		for range 2 {
			answer, _, err := m.Replicate(t.Context(), request, User{Admin: true})
			if err != nil {
				t.Fatal(err)
			}
			last = string(answer)
		}
		if !strings.HasPrefix(last, want) {
			t.Errorf("without checkpoints unless it says so:%s: %s, want %s", more, last, want)
		}
	}
	m.SetSettings(Settings{})
	for request, want := range map[string]error{
		`{"source":"source","target":"none"}`:                                      ErrNoDB,
		`{"source":"none","target":"target0"}`:                                     ErrNoDB,
		`{"source":"none","target":"new","create_target":true}`:                    ErrNoDB,
		`{"source":"source","target":"target0","filter":"d/f"}`:                    ErrNotBuilt,
		`{"source":"source","target":"target0","cancel":true}`:                     ErrNoJob,
		`{"replication_id":"none","cancel":true,"source":"source","target":"new"}`: ErrNoJob,
	} {
		if _, _, err := m.Replicate(t.Context(), []byte(request), User{Admin: true}); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", request, err, want)
		}
	}
	if _, err := localPeerOf(s, "new").Info(t.Context()); !errors.Is(err, ErrNoDB) {
		t.Errorf("a target was created for a source that is not there: %v", err)
	}
}

// A one-time job runs once for everybody who asks for it. It stops when the last of them has gone,
// and runs again for requests that come while it stops.
func TestWaiters(t *testing.T) {
	s := storetest.Open(t, store.Options{})
	asked, answer := make(chan bool, 10), make(chan string)
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/db" {
			io.WriteString(w, `{"results":[],"last_seq":"0","pending":0}`)
			return
		}
		asked <- true
		select {
		case a := <-answer:
			io.WriteString(w, a)
		case <-r.Context().Done():
		}
	}))
	defer source.Close()
	m, err := NewManager(t.Context(), Options{Store: s, Open: Everything(s)})
	if err != nil {
		t.Fatal(err)
	}
	request := fmt.Appendf(nil, `{"source":%q,"target":"target","create_target":true}`, source.URL+"/db")
	ask := func(ctx context.Context) <-chan error {
		done := make(chan error, 1)
		go func() {
			_, _, err := m.Replicate(ctx, request, User{Admin: true})
			done <- err
		}()
		return done
	}
	waiters := func(n int) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			m.mu.Lock()
			now := 0
			for _, task := range m.tasks {
				now += task.waiters
			}
			m.mu.Unlock()
			if now == n {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d wait, want %d", now, n)
			}
		}
	}
	one, leave := context.WithCancel(t.Context())
	defer leave()
	first, second := ask(one), ask(t.Context())
	<-asked
	waiters(2)
	if n := len(m.Tasks()); n != 1 {
		t.Errorf("%d jobs run", n)
	}
	leave()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("who left got %v", err)
	}
	answer <- `{"update_seq":"0"}`
	if err := <-second; err != nil || len(asked) > 0 {
		t.Errorf("who stayed got %v, after %d more jobs", err, len(asked))
	}

	for range 20 { // the last one leaves, another comes
		one, leave := context.WithCancel(t.Context())
		first := ask(one)
		<-asked
		leave()
		second := ask(t.Context())
		<-first
		for done := false; !done; {
			select {
			case <-asked:
			case answer <- `{"update_seq":"0"}`:
			case err := <-second:
				if done = true; err != nil {
					t.Fatalf("who came got %v", err)
				}
			case <-time.After(time.Minute):
				t.Fatal("who came waits for ever")
			}
		}
		for len(asked) > 0 {
			<-asked
		}
	}

	cancel := fmt.Appendf(request[:len(request)-1:len(request)-1], `,"cancel":true}`)
	for range 50 { // who asked may hardly have begun to wait
		cancelled := ask(t.Context())
		<-asked
		if _, _, err := m.Replicate(t.Context(), cancel, User{Admin: true}); err != nil {
			t.Error(err)
		}
		select {
		case err := <-cancelled:
			if !errors.Is(err, ErrCancelled) {
				t.Errorf("who waits when it is cancelled got %v", err)
			}
		case <-asked:
			t.Fatal("what is cancelled begins again")
		}
	}

	last := ask(t.Context())
	<-asked
	m.Close()
	if err := <-last; !errors.Is(err, ErrClosed) {
		t.Errorf("with the manager closed: %v", err)
	}
	if _, _, err := m.Replicate(t.Context(), request, User{Admin: true}); !errors.Is(err, ErrClosed) {
		t.Errorf("after that: %v", err)
	}
	if n := len(m.Tasks()); n != 0 {
		t.Errorf("%d jobs are left", n)
	}
}
