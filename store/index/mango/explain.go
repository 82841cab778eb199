package mango

import (
	"context"
	"slices"
	"strconv"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/jsonscan"
)

// Explain appends the answer of _explain for a query: how it would be answered, and why
// (mango_cursor.erl, explain).
func (f *Finder) Explain(ctx context.Context, db *store.DB, q *Query, b []byte) ([]byte, error) {
	p, err := f.plan(ctx, db, q)
	if err != nil {
		return nil, err
	}
	b = jsonscan.AppendString(append(b, `{"dbname":`...), db.Name())
	b = append(b, `,"index":`...)
	if p.Index == nil {
		b = append(b, "null"...)
	} else {
		b = p.Index.AppendJSON(b)
	}
	b = strconv.AppendBool(append(b, `,"partitioned":`...), db.Partitioned())
	b = q.Selector.AppendJSON(append(b, `,"selector":`...))
	b = q.appendOptions(append(b, `,"opts":`...))
	b = strconv.AppendInt(append(b, `,"limit":`...), int64(q.Limit), 10)
	b = strconv.AppendInt(append(b, `,"skip":`...), int64(q.Skip), 10)
	b = appendNames(append(b, `,"fields":`...), q.Fields.Names())
	b = p.appendCandidates(append(b, `,"index_candidates":`...))
	b = p.appendHints(append(b, `,"selector_hints":`...))
	if p.Index != nil {
		b = p.appendRead(b)
	}
	return append(b, '}'), nil
}

// appendRead appends how the index is read.
func (p *Plan) appendRead(b []byte) []byte {
	parts := p.parts()
	b = p.appendArguments(append(b, `,"mrargs":`...), parts[0])
	b = strconv.AppendBool(append(b, `,"covering":`...), p.Covering)
	if p.union == nil {
		return b
	}
	b = append(b, `,"union":[`...)
	for i, one := range parts {
		if i > 0 {
			b = append(b, ',')
		}
		b = one.index.AppendJSON(append(b, `{"index":`...))
		b = one.own.appendTo(append(b, `,"selector":`...))
		b = append(p.appendArguments(append(b, `,"mrargs":`...), one), '}')
	}
	return append(b, ']')
}

// appendArguments appends how a part is read, as the arguments of a view.
func (p *Plan) appendArguments(b []byte, of part) []byte {
	q := p.Query
	b = strconv.AppendBool(append(b, `{"include_docs":`...), !p.Covering && q.R == 1)
	b = append(b, `,"view_type":"map","reduce":false,"partition":`...)
	if q.Partition == "" {
		b = append(b, "null"...)
	} else {
		b = jsonscan.AppendString(b, q.Partition)
	}
	b = of.appendRange(append(b, ','), p)
	direction := "fwd"
	if q.Sort.Descending {
		direction = "rev"
	}
	b = jsonscan.AppendString(append(b, `,"direction":`...), direction)
	b = strconv.AppendBool(append(b, `,"stable":`...), q.Stable)
	b = strconv.AppendBool(append(b, `,"update":`...), q.Update)
	b = append(b, `,"conflicts":`...)
	if q.Conflicts {
		b = append(b, "true"...)
	} else {
		b = append(b, `"undefined"`...)
	}
	return append(b, '}')
}

// appendOptions appends the options as they were understood.
func (q *Query) appendOptions(b []byte) []byte {
	number := func(name string, n int) {
		b = strconv.AppendInt(append(append(append(b, `,"`...), name...), `":`...), int64(n), 10)
	}
	flag := func(name string, v bool) {
		b = strconv.AppendBool(append(append(append(b, `,"`...), name...), `":`...), v)
	}
	b = appendNames(append(b, `{"use_index":`...), q.UseIndex)
	bookmark := q.Bookmark
	if bookmark == "" {
		bookmark = noBookmark
	}
	b = jsonscan.AppendString(append(b, `,"bookmark":`...), bookmark)
	number("limit", q.Limit)
	number("skip", q.Skip)
	b = q.Sort.appendObject(append(b, `,"sort":`...))
	b = appendNames(append(b, `,"fields":`...), q.Fields.Names())
	b = jsonscan.AppendString(append(b, `,"partition":`...), q.Partition)
	number("r", q.R)
	flag("conflicts", q.Conflicts)
	if q.Stale {
		b = append(b, `,"stale":"ok"`...)
	} else {
		flag("stale", false)
	}
	flag("update", q.Update)
	flag("stable", q.Stable)
	flag("execution_stats", q.ExecutionStats)
	flag("allow_fallback", q.AllowFallback)
	return append(b, '}')
}

func appendNames(b []byte, names []string) []byte {
	b = append(b, '[')
	for i, n := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsonscan.AppendString(b, n)
	}
	return append(b, ']')
}

// appendCandidates appends the indexes that were not chosen, and why, in CouchDB's order.
func (p *Plan) appendCandidates(b []byte) []byte {
	b = append(b, '[')
	first := true
	for i := range p.candidates {
		c := &p.candidates[len(p.candidates)-1-i]
		if p.reads(c.index) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = c.index.AppendJSON(append(b, `{"index":`...))
		b = strconv.AppendBool(append(b, `,"analysis":{"usable":`...), c.usable)
		b = jsonscan.AppendString(append(b, `,"reasons":[{"name":`...), c.reason)
		b = strconv.AppendInt(append(b, `}],"ranking":`...), int64(c.ranking), 10)
		b = append(b, `,"covering":`...)
		if c.index.special() {
			b = append(b, "null"...)
		} else {
			b = strconv.AppendBool(b, p.Query.Fields != nil && c.index.has(p.Query.Fields.Names()))
		}
		b = append(b, "}}"...)
	}
	return append(b, ']')
}

// appendHints appends which fields of the selector an index could use, and, which CouchDB does
// not tell, how many ranges are read.
func (p *Plan) appendHints(b []byte) []byte {
	s := p.Query.Selector
	indexable := s.compared()
	var others []string
	for _, f := range s.Fields() {
		if _, found := slices.BinarySearch(indexable, f); !found {
			others = append(others, f)
		}
	}
	b = appendNames(append(b, `[{"type":"json","indexable_fields":`...), indexable)
	b = appendNames(append(b, `,"unindexable_fields":`...), others)
	ranges := 0
	for _, one := range p.parts() {
		if !p.empty && !one.index.special() {
			ranges += len(one.index.ranges(one.norm))
		}
	}
	if ranges > 1 {
		b = strconv.AppendInt(append(b, `,"ranges":`...), int64(ranges), 10)
	}
	return append(b, "}]"...)
}
