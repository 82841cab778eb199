package query

import (
	"context"
	"errors"

	"github.com/tododb/tododb/httpapi/attachments"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/index/view"
	"github.com/tododb/tododb/store/jsonscan"
)

// viewRange is one query of a view, ready to be read.
type viewRange struct {
	*openView
	query       view.Query
	reduce      bool
	fresh       view.Freshness
	updateSeq   bool
	includeDocs bool
	conflicts   bool
	attachments attachments.Wanted

	// docsOf is a sequence that the database had reached before a document was read, if the answer has
	// documents and an entity tag.
	docsOf uint64

	// known, if not nil, gets the answer's entity tag and says whether the client already has
	// the answer.
	known func(etag string) bool
}

// errKnown ends an answer that the client has already.
var errKnown = errors.New("not modified")

// tag identifies the answer: by the last change of the rows, or by the sequence of the index if the answer
// shows that. Documents are those of the database, which may be ahead of the index, so its state counts too.
func (v *viewRange) tag(h view.Head) error {
	if v.known == nil {
		return nil
	}
	at := h.Changed
	if v.updateSeq {
		at = h.Seq
	}
	etag := append(append([]byte{'"'}, v.Definition().Signature...), '.')
	etag = v.db.Seq(at).AppendTo(etag)
	if v.includeDocs {
		etag = v.db.Seq(v.docsOf).AppendTo(append(etag, '.'))
	}
	if v.known(string(append(etag, '"'))) {
		return errKnown
	}
	return nil
}

// plan checks the options of a query of the view in CouchDB's order.
func (room *Room) plan(v *openView, p *viewParams) (*viewRange, error) {
	limit := room.settings().queryLimit
	if v.Design.Partitioned {
		limit = room.settings().partitionLimit
	}
	if err := p.capLimit(limit); err != nil {
		return nil, err
	}
	reduces := v.Design.Views[v.number].Reduce != ""
	reduce := reduces && p.reduce != no
	var keys [][]byte
	if p.keys != nil {
		keys = [][]byte{}
		err := jsonscan.EachElement(p.keys, func(key []byte) error {
			keys = append(keys, key)
			return nil
		})
		if err != nil {
			return nil, wire.ErrNotJSON
		}
	}
	switch {
	case !reduces && p.reduce == yes:
		return nil, errMapReduce
	case reduce && len(keys) > 1 && !(p.group && p.groupLevel == 0):
		return nil, errReduceKeys
	case len(keys) > 1 && (p.startKey != nil || p.endKey != nil):
		return nil, errKeysRange
	case reduce && p.includeDocs:
		return nil, errReduceDocs
	case reduce && p.conflicts:
		return nil, errReduceConflicts
	case !reduce && p.grouped():
		return nil, errMapGroup
	}
	if err := v.CheckPartition(p.partition); err != nil {
		return nil, err
	}
	q := view.Query{
		Start: p.startKey, End: p.endKey, StartID: p.startDocID, EndID: p.endDocID,
		HasStartID: p.hasStartDocID, HasEndID: p.hasEndDocID, ExcludeEnd: p.excludeEnd, Descending: p.descending,
		Keys: keys, Skip: p.skip, Limit: p.limit, GroupLevel: p.groupLevel, Partition: p.partition,
	}
	if p.group && p.groupLevel == 0 {
		q.GroupLevel = index.Exact
	}
	return &viewRange{
		openView: v, query: q, reduce: reduce, fresh: p.update, updateSeq: p.updateSeq, includeDocs: p.includeDocs, conflicts: p.conflicts,
		attachments: attachments.Wanted{All: p.attachments, Encodings: p.attEncodingInfo},
	}, nil
}

// write appends the whole answer to the stream.
func (v *viewRange) write(ctx context.Context, st *wire.Stream) error {
	if err := v.Prepare(ctx, v.fresh); err != nil {
		return err
	}
	if v.reduce {
		return v.writeReduced(ctx, st)
	}
	if v.known != nil && v.includeDocs {
		var err error
		if v.docsOf, err = v.db.UpdateSeq(ctx); err != nil {
			return err
		}
	}
	rows := viewRows{ctx: ctx, st: st, plan: v}
	if err := v.Rows(ctx, v.number, &v.query, view.RowsTo{Head: rows.head, Row: rows.row, Flush: rows.flush}); err != nil {
		return err
	}
	st.Buf = append(st.Buf, "\r\n]}"...)
	return nil
}

// writeReduced appends an answer that has the groups of a reduce.
func (v *viewRange) writeReduced(ctx context.Context, st *wire.Stream) error {
	head := func(h view.Head) error {
		if err := v.tag(h); err != nil {
			return err
		}
		st.Buf = append(st.Buf, '{')
		if v.updateSeq {
			st.Buf = append(st.Buf, `"update_seq":`...)
			st.Buf = append(wire.AppendSeq(st.Buf, v.db, h.Seq), ',')
		}
		st.Buf = append(st.Buf, `"rows":[`...)
		return nil
	}
	first := true
	group := func(g *index.Group) error {
		if !first {
			st.Buf = append(st.Buf, ',')
		}
		first = false
		b := append(st.Buf, "\r\n{\"key\":"...)
		if g.Key == nil {
			b = append(b, "null"...)
		} else {
			b = append(b, g.Key...)
		}
		if g.Err != nil {
			b = wire.AppendString(append(b, `,"error":`...), g.Err.Name)
			b = wire.AppendString(append(b, `,"reason":`...), g.Err.Reason)
		} else {
			b = append(append(b, `,"value":`...), g.Value...)
		}
		st.Buf = append(b, '}')
		return nil
	}
	if err := v.Reduced(ctx, v.number, &v.query, view.GroupsTo{Head: head, Group: group, Flush: st.FlushFull}); err != nil {
		return err
	}
	st.Buf = append(st.Buf, "\r\n]}"...)
	return nil
}
