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
