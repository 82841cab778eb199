package query

import (
	"context"
	"net/http"
	"strconv"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/collate"
	"github.com/tododb/tododb/store/index/mango"
	"github.com/tododb/tododb/store/index/view"
)

// indexOf opens the index of a design document, given its name; the caller releases it.
func (room *Room) indexOf(ctx context.Context, db *store.DB, name string) (*view.Index, error) {
	d, err := room.design(ctx, db, name)
	if err != nil {
		return nil, err
	}
	return room.openIndex(ctx, db, d)
}

// CompactIndex compacts the index of a design document, given its name.
func (room *Room) CompactIndex(r *http.Request, db *store.DB, name string) error {
	ix, err := room.indexOf(r.Context(), db, name)
	if err != nil {
		return err
	}
	defer ix.Release()
	ix.StartCompact()
	return nil
}

// ViewCleanup answers POST _view_cleanup: it removes the indexes that no design document
// asks for any more.
func (room *Room) ViewCleanup(w http.ResponseWriter, r *http.Request) error {
	db, err := room.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	if room.indexes == nil {
		return wire.ErrNotBuilt
	}
	docs, err := room.designs.All(r.Context(), db)
	if err != nil {
		return err
	}
	wanted := mango.Wanted(docs)
	if err := room.indexes.Cleanup(r.Context(), db, func(signature string) bool { return wanted[signature] }); err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusAccepted, []byte(`{"ok":true}`))
}

// DesignInfo answers GET of a design document's _info: what its index says about itself.
func (room *Room) DesignInfo(w http.ResponseWriter, r *http.Request) error {
	db, err := room.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	name, err := wire.Segment(r, "ddoc")
	if err != nil {
		return err
	}
	ix, err := room.indexOf(r.Context(), db, name)
	if err != nil {
		return err
	}
	defer ix.Release()
	info, err := ix.Info(r.Context())
	if err != nil {
		return err
	}
	of, err := db.Info(r.Context())
	if err != nil {
		return err
	}
	pending := of.UpdateSeq - min(info.Seq, of.UpdateSeq)
	b := wire.AppendString([]byte(`{"name":`), name)
	b = wire.AppendString(append(b, `,"view_index":{"signature":`...), info.Signature)
	b = wire.AppendString(append(b, `,"language":`...), ix.Design.Language)
	b = append(b, `,"sizes":{"file":`...)
	b = wire.AppendInt(b, int(info.File))
	b = wire.AppendInt(append(b, `,"external":`...), int(info.Active))
	b = wire.AppendInt(append(b, `,"active":`...), int(info.Active))
	b = wire.AppendInt(append(b, `},"update_seq":`...), int(info.Seq))
	b = wire.AppendInt(append(b, `,"purge_seq":`...), int(info.PurgeSeq))
	b = wire.AppendInt(append(b, `,"updates_pending":{"minimum":`...), int(pending))
	b = wire.AppendInt(append(b, `,"preferred":`...), int(pending))
	b = wire.AppendInt(append(b, `,"total":`...), int(pending))
	b = wire.AppendInt(append(b, `},"waiting_clients":`...), info.WaitingClients)
	b = strconv.AppendBool(append(b, `,"updater_running":`...), info.Building)
	b = strconv.AppendBool(append(b, `,"compact_running":`...), info.Compacting)
	// Everything that the index has reached is on disk.
	b = append(b, `,"waiting_commit":false,"collator_versions":["`+collate.Version+`"]}}`...)
	return wire.WriteJSON(w, r, http.StatusOK, b)
}
