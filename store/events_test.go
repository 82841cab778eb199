package store

import (
	"fmt"
	"testing"
)

// Databases that come and go do not pile up in memory; those that are there stay.
func TestEventsForgetDeletedDatabases(t *testing.T) {
	e := newEvents()
	e.add(Event{DB: "stays", Type: "updated"})
	for i := range 3 * maxGone {
		name := fmt.Sprint("db", i)
		e.add(Event{DB: name, Type: "created"})
		e.add(Event{DB: name, Type: "deleted"})
	}
	all, last, _ := e.Since(0)
	if len(all) != 1+maxGone || all[0].DB != "stays" || all[len(all)-1].Seq != last {
		t.Errorf("%d events are in memory, from %+v to %+v of %d", len(all), all[0], all[len(all)-1], last)
	}
}

// An event that another process tells late does not stand for what this process has done since: what it
// writes of the database would stay wrong.
func TestEventsToldLate(t *testing.T) {
	e := newEvents()
	latest := func() Event {
		evs, _, _ := e.Since(0)
		if len(evs) != 1 {
			t.Fatal(evs)
		}
		return evs[0]
	}
	of := At{Of: "a"}
	e.add(Event{DB: "db", Type: "created", At: of})
	e.add(Event{DB: "db", Type: "updated", At: At{Seq: 9, Of: "a"}})
	for _, told := range []Event{{Type: "created", At: of}, {Type: "created", At: At{Seq: 5, Of: "a"}}, {Type: "created", At: At{Seq: 9, Of: "a"}}, {Type: "updated", At: At{Seq: 4, Of: "a"}}} {
		e.Tell("db", told.Type, told.At)
		if ev := latest(); ev.Type != "updated" || ev.At != (At{Seq: 9, Of: "a"}) || ev.Own != 2 {
			t.Errorf("after %v: %+v", told, ev)
		}
	}
	e.Tell("db", "updated", At{Seq: 12, Of: "a"})
	if ev := latest(); ev.Type != "updated" || ev.At.Seq != 12 || ev.Own != 2 {
		t.Errorf("%+v", ev)
	}
	e.add(Event{DB: "db", Type: "updated", At: At{Seq: 5, Of: "a", Era: 2}}) // the storage was put back
	if ev := latest(); ev.At.Seq != 5 || ev.At.Era != 2 {
		t.Errorf("%+v", ev)
	}
	e.Tell("db", "created", At{Seq: 1, Of: "b"}) // another database of the name
	if ev := latest(); ev.Type != "created" || ev.At != (At{Seq: 1, Of: "b"}) {
		t.Errorf("%+v", ev)
	}
	e.Tell("db", "deleted", At{Of: "b"})
	for _, late := range []Event{{Type: "created", At: At{Seq: 0, Of: "b"}}, {Type: "updated", At: At{Seq: 7, Of: "b"}}, {Type: "deleted", At: At{Of: "b"}}} {
		e.Tell("db", late.Type, late.At)
		if ev := latest(); ev.Type != "deleted" {
			t.Errorf("after %v: %+v", late, ev)
		}
	}
	e.Tell("db", "created", At{Of: "c"})
	if ev := latest(); ev.Type != "created" {
		t.Errorf("%+v", ev)
	}
}

// Who follows some events is woken for them, and not for the writes of all databases.
func TestEventsFollowedBySome(t *testing.T) {
	e := newEvents()
	e.add(Event{DB: "a", Type: "created"})
	f := e.Follow(func(ev *Event) bool { return ev.DB == "a" })
	woken := func() bool {
		select {
		case <-f.News():
			return true
		default:
			return false
		}
	}
	evs, last := f.Since(0)
	if len(evs) != 1 || last != 1 || woken() {
		t.Fatal(evs, last)
	}
	e.add(Event{DB: "b", Type: "updated"})
	if woken() {
		t.Error("woken for another database")
	}
	e.add(Event{DB: "a", Type: "updated"})
	e.add(Event{DB: "a", Type: "updated"})
	e.add(Event{DB: "b", Type: "updated"})
	if !woken() || woken() {
		t.Error("it is to be woken once")
	}
	if evs, last = f.Since(last); len(evs) != 1 || evs[0].DB != "a" || last != 5 {
		t.Error(evs, last)
	}
	f.Close()
	e.add(Event{DB: "a", Type: "updated"})
	if woken() {
		t.Error("woken after Close")
	}
}
