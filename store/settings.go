package store

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/record"
)

// A limit's record is version | uvarint; that of the security object and of the properties of
// automatic purging is version | JSON.

func readLimit(r engine.Reader, name []byte, fallback int) (int, error) {
	v, err := r.Get(spaceMeta, name)
	if err != nil || v == nil {
		return fallback, err
	}
	rd := record.Read(v)
	if rd.Byte() != record.Version {
		return 0, corrupt("%s of unknown version", name)
	}
	n := rd.Uvarint()
	if rd.Bad {
		return 0, corrupt("%s of %d bytes", name, len(v))
	}
	return int(n), nil
}

func (db *DB) limit(ctx context.Context, name []byte, fallback int) (n int, err error) {
	err = db.view(ctx, func(r engine.Reader) error {
		n, err = readLimit(r, name, fallback)
		return err
	})
	return n, err
}

func (db *DB) setLimit(ctx context.Context, name []byte, n int) error {
	if n < 1 {
		return ErrBadLimit
	}
	return db.setMeta(ctx, name, binary.AppendUvarint([]byte{record.Version}, uint64(n)))
}

// setMeta writes a setting, for administrators (Guard.Admin). As in CouchDB, it moves the
// update sequence.
func (db *DB) setMeta(ctx context.Context, name, value []byte) error {
	var refusal error
	err := db.commits.submit(ctx, &op{bytes: len(value), apply: func(w *writer) (err error) {
		if refusal, err = db.mayAdminister(w.tx); refusal != nil || err != nil {
			return err
		}
		if err := errors.Join(w.restamp(), w.tx.Put(spaceMeta, name, value)); err != nil {
			return err
		}
		w.limit = 0 // read it anew: later writes in the group obey it
		return w.mark()
	}})
	if err == nil {
		err = refusal
	}
	return err
}

// RevsLimit is how many revisions of each branch are remembered (1,000 unless set).
func (db *DB) RevsLimit(ctx context.Context) (int, error) {
	return db.limit(ctx, metaRevsLimit, defaultRevsLimit)
}

// SetRevsLimit sets it. Trees are cut when they are next written. The error may be ErrBadLimit.
func (db *DB) SetRevsLimit(ctx context.Context, n int) error {
	return db.setLimit(ctx, metaRevsLimit, n)
}

// PurgedInfosLimit is how many purges are remembered (1,000 unless set).
func (db *DB) PurgedInfosLimit(ctx context.Context) (int, error) {
	return db.limit(ctx, metaPurgeLimit, defaultPurgeLimit)
}

// SetPurgedInfosLimit sets it. The next purge or compaction removes older ones. The error may
// be ErrBadLimit.
func (db *DB) SetPurgedInfosLimit(ctx context.Context, n int) error {
	return db.setLimit(ctx, metaPurgeLimit, n)
}

// Security is the security object as it was set, nil if it never was.
func (db *DB) Security(ctx context.Context) (raw []byte, err error) {
	err = db.view(ctx, func(r engine.Reader) error {
		raw, err = db.securityIn(r)
		return err
	})
	return raw, err
}

func readSecurity(r engine.Reader) ([]byte, error) { return readObject(r, metaSecurity) }

func readObject(r engine.Reader, name []byte) ([]byte, error) {
	v, err := r.Get(spaceMeta, name)
	if err != nil || v == nil {
		return nil, err
	}
	if v[0] != record.Version {
		return nil, corrupt("%s of unknown version", name)
	}
	return append([]byte(nil), v[1:]...), nil
}

// SetSecurity stores a security object; its meaning is the caller's business.
func (db *DB) SetSecurity(ctx context.Context, raw []byte) error {
	return db.setMeta(ctx, metaSecurity, append([]byte{record.Version}, raw...))
}

// AutoPurge is the properties of automatic purging as they were set, a JSON object with the TTL of
// Lifetime in deleted_document_ttl; nil if they never were.
func (db *DB) AutoPurge(ctx context.Context) (raw []byte, err error) {
	err = db.view(ctx, func(r engine.Reader) error {
		raw, err = readObject(r, metaAutoPurge)
		return err
	})
	return raw, err
}
