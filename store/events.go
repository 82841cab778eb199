package store

import (
	"container/list"
	"context"
	"slices"
	"sync"

	"github.com/tododb/tododb/store/engine"
)

// Event is the last thing that happened to a database.
type Event struct {
	DB   string
	Type string // "created", "updated" or "deleted"
	Seq  uint64 // of this event among all that this process knows of
	At   At     // how far the database is with it; of a deleted one Of says which it was, if that is known
	// Own is the number of the last event of this database that this process has brought about, 0 for none:
	// others have told of the rest.
	Own uint64
}

// At says how far a database is, so that it can be seen later whether something has happened to it.
type At struct {
	Seq uint64 // the newest sequence
	Of  string // what it is a sequence of: another database of the name, or another history, has another one
	// Era is that of the storage in which it was (Store.Era). In a later one the database may have been put back to
	// an earlier sequence.
	Era uint64
}

// Before tells whether an event is older than another one of the same database: a database is made once, and
// then its sequences only grow, until it is deleted. Who tells of an event last need not tell of the last event.
// Of two databases that had one name it tells nothing, and nothing of two eras of the storage.
func (ev Event) Before(other Event) bool {
	if ev.At.Of == "" || ev.At.Of != other.At.Of || ev.At.Era != other.At.Era {
		return false
	}
	if ev.Type == "deleted" || other.Type == "deleted" {
		return ev.Type != "deleted"
	}
	if ev.At.Seq == other.At.Seq {
		return ev.Type == "created" && other.Type != "created"
	}
	return ev.At.Seq < other.At.Seq
}

// Events is what this process knows to have happened to the databases of a store. It holds one event for
// each database, the latest, in memory (of deleted ones the last maxGone), and begins anew with each process: package updates has what lasts.
type Events struct {
	mu     sync.Mutex // guards what follows
	seq    uint64
	latest map[string]*list.Element
	order  *list.List    // of Event, the latest last
	gone   []deletion    // the oldest first
	wake   chan struct{} // closed at the next event; nil: nobody waits for it
	choosy map[*Follower]bool
}

// deletion is the event of a database that was deleted.
type deletion struct {
	db  string
	seq uint64
}

// maxGone is how many deletions are remembered.
const maxGone = 10_000

func newEvents() *Events {
	return &Events{latest: map[string]*list.Element{}, order: list.New(), choosy: map[*Follower]bool{}}
}

// Tell adds what another process has done.
func (e *Events) Tell(db, what string, at At) { e.put(Event{DB: db, Type: what, At: at}, false) }

func (e *Events) add(ev Event) { e.put(ev, true) }

func (e *Events) put(ev Event, own bool) {
	if Hidden(ev.DB) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seq++
	ev.Seq = e.seq
	if own {
		ev.Own = e.seq
	}
	if at := e.latest[ev.DB]; at != nil {
		was := at.Value.(Event)
		if !own {
			ev.Own = was.Own
		}
		if ev.Before(was) { // it is told later than this process has known of the other
			ev.Type, ev.At = was.Type, was.At
		}
		at.Value = ev
		e.order.MoveToBack(at)
	} else {
		e.latest[ev.DB] = e.order.PushBack(ev)
	}
	if ev.Type == "deleted" {
		e.forgetGone(deletion{ev.DB, ev.Seq})
	}
	if e.wake != nil {
		close(e.wake)
		e.wake = nil
	}
	for f := range e.choosy {
		f.tell(&ev)
	}
}

// forgetGone takes a deletion in, and forgets the oldest one if there are too many. The caller holds mu.
func (e *Events) forgetGone(d deletion) {
	if e.gone = append(e.gone, d); len(e.gone) <= maxGone {
		return
	}
	old := e.gone[0]
	e.gone = e.gone[1:]
	if at := e.latest[old.db]; at != nil && at.Value.(Event).Seq == old.seq {
		e.order.Remove(at)
		delete(e.latest, old.db)
	}
}

// Last is the number of the newest event.
func (e *Events) Last() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.seq
}

// Since returns the events after n in order, the number of the newest, and a channel that is
// closed when a newer one comes.
func (e *Events) Since(n uint64) (evs []Event, last uint64, wait <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.wake == nil {
		e.wake = make(chan struct{})
	}
	return e.after(n, func(*Event) bool { return true }), e.seq, e.wake
}

// after lists the events after n that are wanted. The caller holds mu.
func (e *Events) after(n uint64, wants func(*Event) bool) (evs []Event) {
	for at := e.order.Back(); at != nil; at = at.Prev() {
		ev := at.Value.(Event)
		if ev.Seq <= n {
			break
		}
		if wants(&ev) {
			evs = append(evs, ev)
		}
	}
	slices.Reverse(evs)
	return evs
}

// Follower follows only some events. To be woken for each of the others would cost every commit as much as
// the most of its own work.
type Follower struct {
	events *Events
	wants  func(*Event) bool
	news   chan struct{}
}

// Follow begins to follow the events that are wanted. wants is called by whoever writes: it is quick, and calls nothing
// of Events. The caller closes the Follower.
func (e *Events) Follow(wants func(*Event) bool) *Follower {
	f := &Follower{events: e, wants: wants, news: make(chan struct{}, 1)}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.choosy[f] = true
	return f
}

// Since returns the wanted events after n in order, and the number of the newest of all.
func (f *Follower) Since(n uint64) (evs []Event, last uint64) {
	f.events.mu.Lock()
	defer f.events.mu.Unlock()
	return f.events.after(n, f.wants), f.events.seq
}

// News gets something when there is a wanted event that the last Since may not have returned.
func (f *Follower) News() <-chan struct{} { return f.news }

// Close ends the following.
func (f *Follower) Close() {
	f.events.mu.Lock()
	defer f.events.mu.Unlock()
	delete(f.events.choosy, f)
}

func (f *Follower) tell(ev *Event) {
	if !f.wants(ev) {
		return
	}
	select {
	case f.news <- struct{}{}:
	default:
	}
}

// at says how far the database is at a sequence that it has just reached, in an era of the storage.
func (db *DB) at(seq, era uint64) At {
	if _, tells := db.store.eng.(engine.Newest); tells {
		return At{seq, string(db.edb.ID()), era}
	}
	return At{seq, db.Seq(seq).Epoch, era}
}

// Era is the era of the storage (engine.Era) that was lately seen, 0 if it knows of none.
func (s *Store) Era() uint64 {
	era, _, _ := eraOf(s.eng) // of an engine it does not fail
	return era.ID
}

// Reached reads how far the database is.
func (db Bare) Reached(ctx context.Context) (At, error) {
	seq, err := db.UpdateSeq(ctx)
	if err != nil {
		return At{}, err
	}
	return db.at(seq, db.era.Load()), nil
}

// Reached calls fn for the databases after a name, in the order of names and at most limit of them (some
// of which it leaves out: Hidden), and returns the last name. known is false if the engine cannot tell
// that without opening each of them.
func (s *Store) Reached(ctx context.Context, after string, limit int, fn func(name string, at At) error) (last string, known bool, err error) {
	n, known := s.eng.(engine.Newest)
	if !known {
		return "", false, nil
	}
	era := s.Era() // from before: what is of a later one is at worst taken for older
	err = n.Newest(ctx, spaceSeq, after, limit, func(name string, id engine.DBID, k []byte) error {
		last = name
		at := At{Of: string(id), Era: era}
		if k != nil {
			var err error
			if at.Seq, err = seqOfKey(k); err != nil {
				return err
			}
		}
		if Hidden(name) {
			return nil
		}
		return fn(name, at)
	})
	return last, true, translate(err)
}
