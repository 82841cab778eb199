package move

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tododb/tododb/store/engine"
)

// journalName is no name that a database can have.
const journalName = "_move"

const (
	journalHead engine.Space = 1
	journalDone engine.Space = 2
)

var journalKey = []byte("move")

// journal says in a new home what has arrived.
type journal struct {
	db engine.DB
	head
}

// head says which move it is. One that was made, and has no head yet, is of no move.
type head struct {
	Move string `json:"move"`
	From string `json:"from"` // without a password
}

// arrived is what is known of a database that has arrived.
type arrived struct {
	Spaces  []sum            `json:"spaces"`
	Indexes map[string][]sum `json:"indexes,omitempty"`
	Lost    []string         `json:"lost,omitempty"` // indexes that are built anew
}

// openJournal opens the journal, nil if there is none.
func openJournal(ctx context.Context, eng engine.Engine) (*journal, error) {
	db, err := eng.Open(ctx, journalName)
	if errors.Is(err, engine.ErrNoDB) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	j := &journal{db: db}
	if _, err = j.read(ctx, journalHead, journalKey, &j.head); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return j, nil
}

func makeJournal(ctx context.Context, eng engine.Engine, h head) (*journal, error) {
	v, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	first := engine.Entry{SpaceKey: engine.SpaceKey{Space: journalHead, Key: journalKey}, Value: v}
	db, err := eng.Create(ctx, journalName, first)
	if err != nil {
		return nil, err
	}
	return &journal{db, h}, nil
}

func (j *journal) read(ctx context.Context, s engine.Space, key []byte, into any) (found bool, err error) {
	err = j.db.View(ctx, func(r engine.Reader) error {
		v, err := r.Get(s, key)
		if found = v != nil; err != nil || !found {
			return err
		}
		if err := json.Unmarshal(v, into); err != nil {
			return fmt.Errorf("the journal of the move: %w", err)
		}
		return nil
	})
	return found, err
}

// note says that a database has arrived.
func (j *journal) note(ctx context.Context, name string, a *arrived) error {
	return j.put(ctx, journalDone, []byte(name), a)
}

// forget makes it the journal of no move.
func (j *journal) forget(ctx context.Context) error {
	j.head.Move = ""
	return j.put(ctx, journalHead, journalKey, j.head)
}

func (j *journal) put(ctx context.Context, s engine.Space, key []byte, what any) error {
	v, err := json.Marshal(what)
	if err != nil {
		return err
	}
	return patient(ctx, func() error {
		return j.db.Update(ctx, func(tx engine.Tx) error { return tx.Put(s, key, v) })
	})
}

func (j *journal) close() error { return j.db.Close() }
