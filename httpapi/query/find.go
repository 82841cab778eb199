package query

import (
	"net/http"
	"strconv"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/index/mango"
	"github.com/tododb/tododb/store/jsonscan"
)

// Find answers POST /db/_find: the documents that match a selector.
func (room *Room) Find(w http.ResponseWriter, r *http.Request) error {
	db, q, err := room.readQuery(w, r)
	if err != nil {
		return err
	}
	defer db.Release()
	plan, err := room.finder.Plan(r.Context(), db, q)
	if err != nil {
		return err
	}
	st := wire.NewStream(w, r, http.StatusOK)
	defer st.Drop()
	st.Buf = append(st.Buf, `{"docs":[`...)
	first := true
	answer, err := room.finder.Run(r.Context(), db, plan, func(d *mango.Found) error {
		if !first {
			st.Buf = append(st.Buf, ',')
		}
		first = false
		st.Buf = d.AppendJSON(append(st.Buf, "\r\n"...))
		return nil
	}, st.FlushFull)
	if err != nil {
		return err
	}
	st.Buf = append(st.Buf, "\r\n]"...)
	if !answer.Silent {
		st.Buf = appendAnswer(st.Buf, q, answer)
	}
	st.Buf = append(st.Buf, "}\r\n"...)
	return st.End()
}

// appendAnswer appends what comes after the documents.
func appendAnswer(b []byte, q *mango.Query, a *mango.Answer) []byte {
	b = wire.AppendString(append(b, ",\r\n\"bookmark\":"...), a.Bookmark)
	if q.ExecutionStats {
		b = wire.AppendInt(append(b, ",\r\n\"execution_stats\":{\"total_keys_examined\":"...), a.Stats.Keys)
		b = wire.AppendInt(append(b, `,"total_docs_examined":`...), a.Stats.Docs)
		b = wire.AppendInt(append(b, `,"total_quorum_docs_examined":`...), a.Stats.QuorumDocs)
		b = wire.AppendInt(append(b, `,"results_returned":`...), a.Stats.Results)
		b = append(b, `,"execution_time_ms":`...)
		b = append(strconv.AppendFloat(b, a.Stats.Time.Seconds()*1000, 'f', 3, 64), '}')
	}
	if a.Warning != "" {
		b = wire.AppendString(append(b, ",\r\n\"warning\":"...), a.Warning)
	}
	return b
}

// Explain answers POST /db/_explain: how a query would be answered.
func (room *Room) Explain(w http.ResponseWriter, r *http.Request) error {
	db, q, err := room.readQuery(w, r)
	if err != nil {
		return err
	}
	defer db.Release()
	b, err := room.finder.Explain(r.Context(), db, q, nil)
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, b)
}

// readQuery opens the database, which the caller releases, and reads the query.
func (room *Room) readQuery(w http.ResponseWriter, r *http.Request) (*store.DB, *mango.Query, error) {
	db, err := room.access.Open(r)
	if err != nil {
		return nil, nil, err
	}
	if room.finder == nil {
		db.Release()
		return nil, nil, wire.ErrNotBuilt
	}
	q, err := room.queryBody(w, r)
	if err != nil {
		db.Release()
		return nil, nil, err
	}
	if err := inPartition(r, q); err != nil {
		db.Release()
		return nil, nil, err
	}
	return db, q, nil
}

// inPartition confines a query to the partition that the path names. CouchDB fails with a 500 if
// the body names one too.
func inPartition(r *http.Request, q *mango.Query) error {
	name, err := PartitionOf(r)
	switch {
	case err != nil || name == "":
		return err
	case q.Partition != "" && q.Partition != name:
		return errPartitionBody
	}
	q.Partition = name
	return nil
}

func (room *Room) queryBody(w http.ResponseWriter, r *http.Request) (*mango.Query, error) {
	body, err := objectBody(w, r)
	if err != nil {
		return nil, err
	}
	q, err := mango.ParseQuery(body)
	if err != nil {
		return nil, err
	}
	set := room.settings()
	if q.ScanWarning = set.scanWarning; wire.MemberOf(body, "limit") == nil {
		q.Limit = set.findLimit
	}
	return q, nil
}

// objectBody reads a body that must be a JSON object, with JSON's content type.
func objectBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if err := wire.RequireJSON(r); err != nil {
		return nil, err
	}
	body, err := wire.ReadBody(w, r)
	if err != nil {
		return nil, err
	}
	if err := wire.RequireObject(body); err != nil {
		return nil, err
	}
	return jsonscan.Trim(body)
}
