package query

import (
	"net/http"
	"strconv"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store/document"
)

var (
	errNotPartitioned    = wire.BadRequest("database is not partitioned")
	errPartitionConflict = wire.BadRequest("Conflicting value for `partition` in query string")
	errPartitionBody     = wire.BadRequest("Conflicting value for `partition` in the body")
	errPartitionRequest  = wire.BadRequest("invalid_partition_req")
	errPartitionHere     = wire.QueryError("`partition` parameter is not supported on this db")
)

// PartitionOf is the partition that the path of a request names, "" if it names none. InPartition
// has checked it.
func PartitionOf(r *http.Request) (string, error) {
	if _, in := wire.Part(r, "partition"); !in {
		return "", nil
	}
	return wire.Segment(r, "partition")
}

// InPartition makes a handler that works below _partition/P. It checks that the user may use the
// database, that the database is partitioned, and that the name can be a partition's. Then it calls
// h, which gets the name with PartitionOf. There is no other way below _partition.
func (room *Room) InPartition(h wire.Handler) wire.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := room.checkPartition(r); err != nil {
			return err
		}
		return h(w, r)
	}
}

func (room *Room) checkPartition(r *http.Request) error {
	db, err := room.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	if !db.Partitioned() {
		return errNotPartitioned
	}
	name, err := PartitionOf(r)
	if err != nil {
		return err
	}
	if err := document.ValidPartition(name); err != nil {
		return err
	}
	query, err := wire.QueryOf(r)
	if err != nil {
		return err
	}
	if other, given := query.Get("partition"); given && other != name {
		return errPartitionConflict
	}
	return nil
}

// capLimit applies a setting that caps how many rows a query returns: no limit means the cap.
func (p *viewParams) capLimit(most int) error {
	switch {
	case p.limit < 0 && most < maxLimit:
		p.limit = most
	case p.limit > most:
		return wire.QueryError("Limit is too large, must not exceed %d", most)
	}
	return nil
}

// PartitionInfo answers GET /db/_partition/P.
func (room *Room) PartitionInfo(w http.ResponseWriter, r *http.Request) error {
	db, err := room.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	name, err := PartitionOf(r)
	if err != nil {
		return err
	}
	if err := document.ValidPartition(name); err != nil {
		return err
	}
	if !db.Partitioned() {
		return errNotPartitioned
	}
	info, err := db.PartitionInfo(r.Context(), name)
	if err != nil {
		return err
	}
	b := wire.AppendString([]byte(`{"db_name":`), db.Name())
	b = strconv.AppendInt(append(b, `,"sizes":{"active":`...), info.Active, 10)
	b = strconv.AppendInt(append(b, `,"external":`...), info.External, 10)
	b = wire.AppendString(append(b, `},"partition":`...), name)
	b = strconv.AppendUint(append(b, `,"doc_count":`...), info.DocCount, 10)
	b = strconv.AppendUint(append(b, `,"doc_del_count":`...), info.DelCount, 10)
	return wire.WriteJSON(w, r, http.StatusOK, append(b, '}'))
}

// NoPartition answers _partition without the name of one.
func (room *Room) NoPartition(_ http.ResponseWriter, r *http.Request) error {
	db, err := room.access.Open(r)
	if err != nil {
		return err
	}
	db.Release()
	return errPartitionRequest
}
