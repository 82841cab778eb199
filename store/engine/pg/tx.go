package pg

import (
	"bytes"
	"maps"
	"slices"

	"github.com/tododb/tododb/store/engine"
)

const (
	// One statement for all writes of a transaction: their keys differ.
	sqlWrite = "with i as (insert into td_kv (db, k, v) select $1, u.k, u.v from unnest($3::bytea[], $4::bytea[]) u(k, v)), " +
		"p as (" + sqlPutRef + "$5::bytea[], $6::bytea[], $7::bytea[]" + sqlPutRefEnd + ") " + sqlDelete
	sqlPut = "insert into td_kv (db, k, v) select $1, u.k, u.v from unnest($2::bytea[], $3::bytea[]) u(k, v) " +
		"on conflict (db, k) do update set v = excluded.v, r = null"
	sqlPutRef      = "insert into td_kv (db, k, v, r) select $1, u.k, u.v, u.r from unnest("
	sqlPutRefEnd   = ") u(k, v, r) on conflict (db, k) do update set v = excluded.v, r = excluded.r"
	sqlInsert      = "insert into td_kv (db, k, v) select $1, u.k, u.v from unnest($2::bytea[], $3::bytea[]) u(k, v)"
	sqlDelete      = deleteOf + "(select $1::bigint, k from unnest($2::bytea[]) u(k) offset 0)" + deleteEnd
	sqlRestamp     = "update td_db set stamp = stamp + 1 where id = $1"
	sqlDeleteRange = "delete from td_kv where db = $1 and k >= $2 and k < $3"
)

// deleteOf and deleteEnd delete the entries of a list of databases and keys. A DELETE leaves it to the planner whether to
// look for each of them, or to look whether each entry of the database is among them, which it takes for cheaper as long as it
// believes that there are few. An outer join begins with the list; what makes it one is an INSERT that never happens.
const (
	deleteOf  = "merge into td_kv t using "
	deleteEnd = " o(db, k) on t.db = o.db and t.k = o.k when matched then delete when not matched and o.k is null then insert (db, k, v) values (o.db, o.k, '')"
)

// write is what becomes of a key.
type write struct {
	how how
	v   []byte
	ref []byte // of putRef: a key of the table
}

type how byte

const (
	put how = iota
	insert
	remove
	putRef
)

// tx is a writing transaction. What fn writes stays in memory until the commit, or until a range is read
// that it may touch.
type tx struct {
	reader
	over  map[string]write  // by key of the table
	known map[string][]byte // what the table has, as this transaction sees it; nil: nothing
	last  map[engine.Space]lastEntry
	size  int  // bytes in over
	total int  // bytes written at all
	wrote bool // something was queued

	member *member // of convoy
}

// lastEntry is the last entry of a space, k nil if it is empty.
type lastEntry struct{ k, v []byte }

// flushFrom is how many bytes of writes are sent before the commit.
const flushFrom = maxTx

func (t *tx) Fetch(keys []engine.SpaceKey, last []engine.Space) error {
	var ks [][]byte
	for _, k := range keys {
		at := full(k.Space, k.Key)
		if _, known := t.known[string(at)]; !known {
			t.known[string(at)] = nil
			ks = append(ks, at)
		}
	}
	if t.convoy != nil && len(ks)+len(last) > 0 {
		return t.fetchTogether(ks, last)
	}
	var q query
	switch {
	case len(ks) > 0 && len(last) > 0:
		q = t.getBoth(ks, t.known, last, t.last)
	case len(ks) > 0:
		q = t.get(ks, t.known)
	case len(last) > 0:
		q = t.getLasts(last, t.last)
	default:
		return nil
	}
	t.flush() // what it writes is what Last must see
	return t.send(q)
}

func (t *tx) Get(s engine.Space, k []byte) ([]byte, error) {
	if err := t.pace.Step(0); err != nil {
		return nil, err
	}
	at := full(s, k)
	if w, is := t.over[string(at)]; is {
		return w.value(), nil
	}
	if v, is := t.known[string(at)]; is {
		return v, nil
	}
	err := t.send(t.get([][]byte{at}, t.known))
	return t.known[string(at)], err
}

func (w write) value() []byte {
	switch {
	case w.how == remove:
		return nil
	case w.v == nil:
		return []byte{}
	}
	return w.v
}

func (t *tx) GetMulti(s engine.Space, ks [][]byte, fn func(i int, v []byte) error) error {
	for from := 0; from < len(ks); from += getBatch {
		part := ks[from:min(from+getBatch, len(ks))]
		keys := make([]engine.SpaceKey, 0, len(part))
		for _, k := range part {
			if _, is := t.over[string(full(s, k))]; !is {
				keys = append(keys, engine.SpaceKey{Space: s, Key: k})
			}
		}
		if err := t.fetchKeys(keys); err != nil {
			return err
		}
		for i, k := range part {
			v, err := t.Get(s, k)
			if err == nil {
				err = fn(from+i, v)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// fetchKeys reads what is not known yet.
func (t *tx) fetchKeys(keys []engine.SpaceKey) error {
	var ks [][]byte
	for _, k := range keys {
		at := full(k.Space, k.Key)
		if _, known := t.known[string(at)]; !known {
			ks = append(ks, at)
		}
	}
	if len(ks) == 0 {
		return nil
	}
	found := make(map[string][]byte, len(ks))
	if err := t.send(t.get(ks, found)); err != nil {
		return err
	}
	for _, k := range ks {
		t.known[string(k)] = found[string(k)]
	}
	return nil
}

func (t *tx) Last(s engine.Space) (k, v []byte, err error) {
	if err := t.pace.Step(0); err != nil {
		return nil, nil, err
	}
	l, known := t.last[s]
	if !known {
		t.flush()
		if err := t.send(t.getLasts([]engine.Space{s}, t.last)); err != nil {
			return nil, nil, err
		}
		l = t.last[s]
	}
	return l.k, l.v, nil
}

func (t *tx) Scan(s engine.Space, rg engine.Range, fn func(k, v []byte) (bool, error)) error {
	return engine.Each(t.Cursor(s, rg), fn)
}

func (t *tx) Cursor(s engine.Space, rg engine.Range) engine.Cursor {
	return newCursor(&t.reader, t.sendFlushed, s, rg)
}

// Count is part of engine.Counter.
func (t *tx) Count(s engine.Space, rg engine.Range) (int, error) {
	t.flush()
	return t.reader.Count(s, rg)
}

// FetchPage and FetchCount do nothing: what is written comes first.
func (t *tx) FetchPage(engine.Space, engine.Range)  {}
func (t *tx) FetchCount(engine.Space, engine.Range) {}

// sendFlushed is send after what was written so far, which the queries see then.
func (t *tx) sendFlushed(queries ...query) error {
	t.flush()
	return t.send(queries...)
}

func (t *tx) Put(s engine.Space, k, v []byte) error { return t.write(s, k, write{how: put, v: v}) }
func (t *tx) Insert(s engine.Space, k, v []byte) error {
	return t.write(s, k, write{how: insert, v: v})
}

// PutRef is part of engine.Referrer.
func (t *tx) PutRef(s engine.Space, k, v []byte, to engine.SpaceKey) error {
	return t.write(s, k, write{how: putRef, v: v, ref: full(to.Space, to.Key)})
}

func (t *tx) write(s engine.Space, k []byte, w write) error {
	if len(k) == 0 || len(k) > maxKey || len(w.v) > maxValue {
		return engine.ErrTooLarge
	}
	at := full(s, k)
	old, is := t.over[string(at)]
	if w.how == insert {
		known := false
		if is {
			known = old.how != remove
		} else {
			v, read := t.known[string(at)]
			known = read && v != nil
		}
		if known {
			return engine.ErrDuplicate
		}
	}
	switch {
	case is && w.how == insert:
		w.how = put // it was removed here; the table may have it, until the commit
	case is && w.how == put && old.how == insert:
		w.how = insert
	}
	t.over[string(at)] = w
	if l, known := t.last[s]; known && bytes.Compare(k, l.k) >= 0 {
		t.last[s] = lastEntry{at[1:], w.value()}
	}
	return t.count(len(at) + len(w.v))
}

// count counts bytes of writes, and sends them when there are many.
func (t *tx) count(n int) error {
	t.size += n
	if t.total += n; t.total > maxTotal {
		return engine.ErrTooLarge
	}
	if t.size < flushFrom {
		return nil
	}
	t.flush()
	return t.send()
}

func (t *tx) Delete(s engine.Space, k []byte) error {
	at := full(s, k)
	if l, known := t.last[s]; known && bytes.Equal(l.k, k) {
		delete(t.last, s)
	}
	t.over[string(at)] = write{how: remove}
	return t.count(len(at))
}

func (t *tx) DeleteRange(s engine.Space, from, to []byte) error {
	lo, hi := bounds(s, from, to)
	if bytes.Compare(lo, hi) >= 0 {
		return nil
	}
	t.flush()
	t.wrote = true
	t.queue = append(t.queue, query{sql: sqlDeleteRange, args: []any{t.db.id, lo, hi}})
	for k := range t.known {
		if k >= string(lo) && k < string(hi) {
			t.known[k] = nil
		}
	}
	delete(t.last, s)
	return nil
}

// Restamp is part of engine.Restamper.
func (t *tx) Restamp() error {
	t.wrote = true
	t.queue = append(t.queue, query{sql: sqlRestamp, args: []any{t.db.id}})
	return nil
}

// flush queues what was written.
func (t *tx) flush() {
	if len(t.over) == 0 {
		return
	}
	var keys, values [3][][]byte // putRef among put
	var refs [][]byte
	for _, k := range slices.Sorted(maps.Keys(t.over)) {
		w := t.over[k]
		as := w.how
		if as == putRef {
			as = put
		}
		keys[as] = append(keys[as], []byte(k))
		values[as] = append(values[as], w.value())
		if as == put {
			refs = append(refs, w.ref) // nil is null
		}
		t.known[k] = w.value()
	}
	q := query{sql: sqlWrite, args: []any{t.db.id, keys[remove], keys[insert], values[insert], keys[put], values[put], refs}}
	switch {
	case len(keys[put]) == 0 && len(keys[insert]) == 0:
		q = query{sql: sqlDelete, args: []any{t.db.id, keys[remove]}}
	case len(keys[insert]) == 0 && len(keys[remove]) == 0:
		q = query{sql: sqlPutRef + "$2::bytea[], $3::bytea[], $4::bytea[]" + sqlPutRefEnd, args: []any{t.db.id, keys[put], values[put], refs}}
	case len(keys[put]) == 0 && len(keys[remove]) == 0:
		q = query{sql: sqlInsert, args: []any{t.db.id, keys[insert], values[insert]}}
	}
	for i, arg := range q.args {
		if list, is := arg.([][]byte); is && list == nil {
			q.args[i] = [][]byte{}
		}
	}
	t.queue = append(t.queue, q)
	clear(t.over)
	t.size, t.wrote = 0, true
}
