package store_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/store"
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
