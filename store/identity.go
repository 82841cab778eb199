package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/record"
)

// identity distinguishes a database from every other. It is written once, when the database is
// first opened.
type identity struct {
	Instance string    `json:"instance"`
	Created  time.Time `json:"created"`
}

// loadIdentity reads the identity, or gives the database one, and a security object with it if
// there is one for new databases. A crash between creating a database and this leaves an empty
// database, which gets its identity at the next opening.
func loadIdentity(ctx context.Context, edb engine.DB, now time.Time, security []byte) (id identity, err error) {
	var raw []byte
	err = edb.View(ctx, func(r engine.Reader) error {
		v, err := r.Get(spaceMeta, metaIdentity)
		raw = append([]byte(nil), v...)
		return err
	})
	if err != nil {
		return id, err
	}
	if len(raw) == 0 {
		b := make([]byte, 12)
		rand.Read(b)
		fresh, err := json.Marshal(identity{Instance: hex.EncodeToString(b), Created: now.UTC()})
		if err != nil {
			return id, err
		}
		err = settledUpdate(ctx, edb, func(tx engine.Tx) error {
			v, err := tx.Get(spaceMeta, metaIdentity) // another process may have been quicker
			if err != nil {
				return err
			}
			if v == nil {
				v = append([]byte{record.Version}, fresh...)
				if err := tx.Put(spaceMeta, metaIdentity, v); err != nil {
					return err
				}
				if security != nil {
					if err := tx.Put(spaceMeta, metaSecurity, append([]byte{record.Version}, security...)); err != nil {
						return err
					}
				}
			}
			raw = append([]byte(nil), v...)
			return nil
		})
		if err != nil {
			return id, err
		}
	}
	if raw[0] != record.Version {
		return id, corrupt("identity of unknown version")
	}
	if err := json.Unmarshal(raw[1:], &id); err != nil {
		return id, fmt.Errorf("%w: identity: %w", ErrCorrupt, err)
	}
	return id, nil
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
