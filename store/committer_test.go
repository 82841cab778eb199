package store_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/chaos"
	"github.com/tododb/tododb/store/storetest"
)

// Writes that wait while their database goes are answered, and what is on its way to disk is waited for.
func TestWritersAreAnsweredWhenTheDatabaseGoes(t *testing.T) {
	eng := &meddled{Engine: chaos.New(chaos.Options{Alone: true})}
	s := storetest.On(t, eng, store.Options{})
	db := storetest.Bare(t, s, "db")
	begun, release := make(chan bool, 10), make(chan bool)
	eng.before = func() { begun <- true; <-release }
	write := func(id string) chan error {
		over := make(chan error, 1)
		go func() {
			_, err := db.Unguarded().Put(t.Context(), editsOf(t, `{"_id":"`+id+`"}`)[0], store.WriteOptions{})
			over <- err
		}()
		return over
	}
	first := write("first")
	<-begun
	second, third := write("second"), write("third")
	for store.Queued(db.Unguarded()) < 2 {
		time.Sleep(time.Millisecond)
	}
	dropped := make(chan error, 1)
	go func() { dropped <- s.Drop(t.Context(), "db") }()
	<-db.Gone()
	if err := write("late"); !errors.Is(<-err, store.ErrNoDB) {
		t.Error("a write was taken after the end")
	}
	close(release)
	if err := <-first; err != nil && !errors.Is(err, store.ErrNoDB) {
		t.Error(err)
	}
	for _, over := range []chan error{second, third} {
		if err := <-over; !errors.Is(err, store.ErrNoDB) {
			t.Errorf("a write that waited: %v", err)
		}
	}
	if err := <-dropped; err != nil {
		t.Error(err)
	}
}

// A panic in a transaction ends the process, whoever would catch it: nobody knows what is half done.
func TestPanicInTransactionEndsTheProcess(t *testing.T) {
	const inside = "TODODB_TEST_PANIC"
	if os.Getenv(inside) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), inside+"=1")
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "panic: broken, in a transaction") || strings.Contains(string(out), "caught") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	eng := &meddled{Engine: chaos.New(chaos.Options{Alone: true})}
	s := storetest.On(t, eng, store.Options{})
	db := storetest.Bare(t, s, "db")
	eng.before = func() { panic("broken") }
	defer func() {
		if recover() != nil {
			t.Log("caught")
		}
	}()
	put(t, db, `{"_id":"a"}`)
}

// failing is an engine whose next transactions end with errors, the first of them after its commit.
type failing struct {
	engine.Engine
	next []error
}

type failingDB struct {
	engine.DB
	eng *failing
}

func (e *failing) Create(ctx context.Context, name string, first ...engine.Entry) (engine.DB, error) {
	db, err := e.Engine.Create(ctx, name, first...)
	return &failingDB{db, e}, err
}

func (d *failingDB) Update(ctx context.Context, fn func(engine.Tx) error) error {
	if len(d.eng.next) == 0 {
		return d.DB.Update(ctx, fn)
	}
	err := d.eng.next[0]
	if d.eng.next = d.eng.next[1:]; errors.Is(err, engine.ErrUnknown) {
		return errors.Join(d.DB.Update(ctx, fn), err)
	}
	return err
}

// Whoever tries a commit of unknown outcome again, and fails, does not know more than before: nobody is told that nothing was
// written.
func TestUnknownStaysUnknown(t *testing.T) {
	for _, then := range []error{engine.ErrUnavailable, engine.ErrFull} {
		e := &failing{Engine: storetest.Engine(t)}
		s := storetest.On(t, e, store.Options{})
		db := storetest.Bare(t, s, "db")
		e.next = []error{engine.ErrUnknown, then}
		news, told := db.Changed(0), s.Events().Last()
		_, err := db.Put(t.Context(), store.Edit{Doc: parse(t, `{"_id":"a","_deleted":true}`)}, store.WriteOptions{})
		if !errors.Is(err, store.ErrUnknown) || errors.Is(err, store.ErrFull) {
			t.Errorf("%v: %v", then, err)
		}
		if _, err := db.Get(t.Context(), "a", store.ReadOptions{Deleted: true}); err != nil {
			t.Error(err)
		}
		// It is there, so who waits for it must not wait on.
		select {
		case <-news:
		case <-time.After(10 * time.Second):
			t.Fatalf("%v: a feed goes on waiting for a change that can be read", then)
		}
		events, _, more := s.Events().Since(told)
		if len(events) == 0 {
			<-more
			events, _, _ = s.Events().Since(told)
		}
		if len(events) != 1 || events[0].At.Seq != 1 {
			t.Errorf("%v: told is %v", then, events)
		}
	}
}
