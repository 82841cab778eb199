package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/record"
)

// identity distinguishes a database from every other, and has what is fixed at its creation, when it
// is written: version | JSON. A partitioned database has a version of its own, so that nothing that
// does not know partitions, or other records of their totals, takes it for one of its own.
type identity struct {
	Instance    string    `json:"instance"`
	Created     time.Time `json:"created"`
	Partitioned bool      `json:"partitioned,omitempty"`
	// Former are the instances of the databases that it was restored from, one after the other. The epochs do not
	// tell: a database in which nothing was written has none of its own, and begins one when it is next opened.
	Former []string `json:"former,omitempty"`
}

// mostFormer is how many of these are kept, the newest.
const mostFormer = 100

// restored is the identity of what is restored from a backup of the database.
func (id identity) restored() identity {
	id.Former = append(slices.Clone(id.Former), id.Instance)
	id.Former = id.Former[max(0, len(id.Former)-mostFormer):]
	id.Instance = newInstance()
	return id
}

// identityPartitioned is the version of a partitioned database's identity. Those of version 2 had a
// record for each partition.
const identityPartitioned = 3

// encode writes the JSON as encoding/json would.
func (id *identity) encode() []byte {
	version := byte(record.Version)
	if id.Partitioned {
		version = identityPartitioned
	}
	b := append(make([]byte, 0, 128), version)
	b = append(append(b, `{"instance":"`...), id.Instance...) // hexadecimal digits
	b = id.Created.AppendFormat(append(b, `","created":"`...), time.RFC3339Nano)
	b = append(b, '"')
	if id.Partitioned {
		b = append(b, `,"partitioned":true`...)
	}
	for i, was := range id.Former {
		b = append(b, `,"`...)
		if i == 0 {
			b = append(b[:len(b)-1], `"former":["`...)
		}
		b = append(append(b, was...), '"')
	}
	if len(id.Former) > 0 {
		b = append(b, ']')
	}
	return append(b, '}')
}

func parseIdentity(v []byte) (id identity, err error) {
	if len(v) == 0 {
		return id, corrupt("identity without a version")
	}
	if v[0] != record.Version && v[0] != identityPartitioned {
		return id, corrupt("identity of version %d; perhaps a newer tododb has made this database", v[0])
	}
	if err := json.Unmarshal(v[1:], &id); err != nil {
		return id, fmt.Errorf("%w: identity: %w", ErrCorrupt, err)
	}
	if id.Partitioned != (v[0] == identityPartitioned) {
		return id, corrupt("identity of version %d", v[0])
	}
	return id, nil
}

// instanceBytes is how long an instance is, in bytes.
const instanceBytes = 12

func newInstance() string {
	b := make([]byte, instanceBytes)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// firstEntries are what a new database begins with: its identity, and a security object if there is
// one for new databases.
func (s *Store) firstEntries(name string, p Properties) (identity, []engine.Entry, error) {
	id := identity{Instance: newInstance(), Created: s.opt.Clock().UTC().Round(0), Partitioned: p.Partitioned}
	first := []engine.Entry{
		{SpaceKey: engine.SpaceKey{Space: spaceMeta, Key: metaIdentity}, Value: id.encode()},
		{SpaceKey: engine.SpaceKey{Space: spaceConflict, Key: conflictsNoteKey}, Value: noConflicts(id.Instance)},
	}
	if security := s.newSecurity(name); security != nil {
		first = append(first, engine.Entry{SpaceKey: engine.SpaceKey{Space: spaceMeta, Key: metaSecurity}, Value: append([]byte{record.Version}, security...)})
	}
	if era, known, err := eraOf(s.eng); err != nil {
		return id, nil, err
	} else if known {
		first = append(first, engine.Entry{SpaceKey: engine.SpaceKey{Space: spaceMeta, Key: metaEra}, Value: encodeEra(era)})
	}
	return id, first, nil
}

// giveIdentity gives a database what it should have begun with. One that has no identity is empty, and of an
// earlier release: a crash cut its creation short.
func (db *DB) giveIdentity(ctx context.Context, edb engine.DB) error {
	_, first, err := db.store.firstEntries(db.name, Properties{})
	if err != nil {
		return err
	}
	return settledUpdate(ctx, edb, func(tx engine.Tx) error {
		v, err := tx.Get(spaceMeta, metaIdentity)
		if err != nil || v != nil { // another process may have been quicker
			return err
		}
		for _, e := range first {
			if err := tx.Put(e.Space, e.Key, e.Value); err != nil {
				return err
			}
		}
		return nil
	})
}

// settledUpdate is Update for something that may safely be done twice: if the engine does not
// know whether it took place, it is done again.
func settledUpdate(ctx context.Context, edb engine.DB, fn func(engine.Tx) error) (err error) {
	for range unknownRetries {
		if err = edb.Update(ctx, fn); !errors.Is(err, engine.ErrUnknown) {
			break
		}
	}
	return err
}
