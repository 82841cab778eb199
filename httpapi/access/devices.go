package access

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
)

// deviceRecords is the beginning of the ids of token records. They are local documents of
// _users: durable, never replicated, and gone for good when deleted.
const deviceRecords = ServerRecords + "device."

// Devices keeps the records of tokens.
type Devices struct{ store *store.Store }

// Device finds a record; nil if there is none.
func (d *Devices) Device(ctx context.Context, id string) (*auth.Device, error) {
	db, err := d.store.Bare(ctx, UsersDB, store.ForTokens)
	if errors.Is(err, store.ErrNoDB) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer db.Release()
	doc, err := db.GetLocal(ctx, deviceRecords+id)
	if errors.Is(err, store.ErrMissing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseDevice(doc.Body)
}

func parseDevice(body []byte) (*auth.Device, error) {
	record := deviceRecord{Device: &auth.Device{}}
	if err := json.Unmarshal(body, &record); err != nil {
		return nil, errors.Join(store.ErrCorrupt, err)
	}
	record.Device.Account = record.Account
	return record.Device, nil
}

// deviceRecord is what is stored about a token.
type deviceRecord struct {
	*auth.Device
	Account string `json:"account"`
}

// Put stores a record.
func (d *Devices) Put(ctx context.Context, device *auth.Device) error {
	body, err := json.Marshal(deviceRecord{device, device.Account})
	if err != nil {
		return err
	}
	var doc document.Doc
	if err := doc.SetBody(body); err != nil {
		return err
	}
	doc.ID, doc.HasID = deviceRecords+device.ID, true
	return d.write(ctx, []store.Edit{{Doc: doc}})
}

// Remove deletes records. When it returns, their tokens are worth nothing.
func (d *Devices) Remove(ctx context.Context, ids ...string) error {
	edits := make([]store.Edit, len(ids))
	for i, id := range ids {
		edits[i].Doc = document.Tombstone(deviceRecords + id)
	}
	return d.write(ctx, edits)
}

func (d *Devices) write(ctx context.Context, edits []store.Edit) error {
	db, err := d.store.Bare(ctx, UsersDB, store.ForTokens)
	if err != nil {
		return err
	}
	defer db.Release()
	results, err := db.Write(ctx, edits, store.WriteOptions{})
	for i := range results {
		err = errors.Join(err, results[i].Err)
	}
	return err
}

// List returns the records of an owner, or of everybody if owner is "". It removes expired
// ones.
func (d *Devices) List(ctx context.Context, owner string, now time.Time) ([]*auth.Device, error) {
	db, err := d.store.Bare(ctx, UsersDB, store.ForTokens)
	if errors.Is(err, store.ErrNoDB) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer db.Release()
	var found []*auth.Device
	var over []string
	q := store.AllDocsQuery{
		Space: store.LocalDocs, Limit: -1, IncludeDocs: true,
		Start: deviceRecords, HasStart: true, End: deviceRecords + "\xff", HasEnd: true,
	}
	err = db.AllDocs(ctx, q, func(store.Page) error { return nil }, func(row *store.Row) error {
		device, err := parseDevice(row.Doc.Body)
		if err != nil {
			return err
		}
		if !now.Before(device.Expires) {
			over = append(over, strings.TrimPrefix(string(row.ID), deviceRecords))
		} else if owner == "" || device.Owner == owner {
			found = append(found, device)
		}
		return nil
	}, func() error { return nil })
	if err == nil && len(over) > 0 {
		err = d.Remove(ctx, over...)
	}
	return found, err
}
