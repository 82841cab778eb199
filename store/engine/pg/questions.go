package pg

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// sqlForesee answers several questions. It is one statement, so it sees one snapshot without a transaction.
// That a database is there shows by a row.
const sqlForesee = "select d.id, " + proofColumns + ", null::bytea, null::bytea, null::bytea, null::bytea from td_db d where d.id = any($1::bigint[]) union all " +
	"select a.db, 0, '', 0::oid, null::timestamptz, a.k, a.v, b.k, b.v from unnest($2::bigint[], $3::bytea[]) q(db, k), " +
	"lateral (select db, k, v, r from td_kv where db = q.db and k = q.k limit 1) a left join " + entryOf + "db = a.db and k = a.r limit 1) b on true"

// question is one of Foresee.
type question struct {
	ctx  context.Context // of who asks
	db   int64
	keys [][]byte
	done chan struct{}

	err     error
	among   bool   // it was asked among others
	large   bool   // and the answers were too large
	proof   *proof // nil: there is no such database
	entries []pair
}

const (
	askedAtOnce = 2       // round trips under way
	askedMost   = 256     // questions in one
	askedBytes  = 1 << 20 // of their keys
	askedPace   = 100 * time.Millisecond
	// answerBytes is how much of the answers to several questions is kept. Whoever gets none asks alone, and has
	// then no more than every reader has.
	answerBytes = 16 << 20
)

// gatherQuestions makes the one that gathers what is asked while some round trips are under way: a question costs
// far less among others than in a round trip of its own. Each is answered from a snapshot that is newer than itself.
func (e *Engine) gatherQuestions() *gatherer[*question] {
	return &gatherer[*question]{eng: e, atOnce: askedAtOnce, pace: askedPace, most: askedMost, bytes: askedBytes,
		size: func(q *question) (n int) {
			for _, k := range q.keys {
				n += len(k)
			}
			return n
		},
		send: func(batch []*question) <-chan struct{} {
			answered := make(chan struct{})
			batch = slices.DeleteFunc(batch, (*question).abandoned)
			if len(batch) == 0 {
				close(answered)
				return answered
			}
			e.ending.Go(func() {
				defer close(answered)
				err := e.answer(e.ctx, batch)
				for _, q := range batch {
					if q.err, q.among = err, len(batch) > 1; err == nil && q.large {
						q.err = errAlone
					}
					close(q.done)
				}
			})
			return answered
		}}
}

// abandoned ends a question if nobody waits for the answer any more, such as one of somebody who was not let in. It would cost
// the others time, and is not asked.
func (q *question) abandoned() bool {
	if q.err = q.ctx.Err(); q.err == nil {
		return false
	}
	close(q.done)
	return true
}

// answered waits for the answer to a question. It fails only if that, asked alone, fails too.
func (e *Engine) answered(ctx context.Context, q *question) error {
	e.questions.start()
	select {
	case <-q.done:
	case <-ctx.Done():
	}
	if err := ctx.Err(); err != nil {
		return err // nobody reads the answer
	}
	if q.err == nil || !q.among && !passing(q.err) { // among others it may be the fault of another
		return result(q.err)
	}
	return e.retry(ctx, e.opt.Patience/3, func() error { return e.answer(ctx, []*question{q}) })
}

// asked is a key that a question is about.
type asked struct {
	db int64
	k  []byte
	by *question // nil in what is searched for
}

func (a asked) compare(b asked) int {
	return cmp.Or(cmp.Compare(a.db, b.db), bytes.Compare(a.k, b.k))
}

// answer asks the server once.
func (e *Engine) answer(ctx context.Context, batch []*question) error {
	dbs := make([]int64, 0, len(batch))
	all := make([]asked, 0, len(batch))
	for _, q := range batch {
		q.proof, q.entries, q.large = nil, q.entries[:0], false
		dbs = append(dbs, q.db)
		for _, k := range q.keys {
			all = append(all, asked{q.db, k, q})
		}
	}
	slices.Sort(dbs)
	dbs = slices.Compact(dbs)
	slices.SortFunc(all, asked.compare)
	of, keys := make([]int64, 0, len(all)), make([][]byte, 0, len(all))
	for i, a := range all { // many ask for the same user
		if i == 0 || a.compare(all[i-1]) != 0 {
			of, keys = append(of, a.db), append(keys, a.k)
		}
	}
	proofs := make(map[int64]*proof, len(dbs))
	size := 0
	_, err := e.one(ctx, e.readers, nil, query{sqlForesee, []any{dbs, of, keys}, func(rows pgx.Rows) error {
		for rows.Next() {
			raw := rawValues(rows)
			db, err := bigint(rows, raw[0])
			if err != nil {
				return err
			}
			if raw[5] == nil {
				p := &proof{}
				proofs[db] = p
				if err := rows.Scan(append(append([]any{nil}, p.dest()...), nil, nil, nil, nil)...); err != nil {
					return err
				}
				continue
			}
			at, _ := slices.BinarySearchFunc(all, asked{db: db, k: raw[5]}, asked.compare)
			var found, refers pair
			size += len(raw[6]) + len(raw[8])
			large := size > answerBytes && len(batch) > 1
			if !large {
				found, refers = pair{bytes.Clone(raw[5]), kept(raw[6])}, pair{bytes.Clone(raw[7]), kept(raw[8])}
			}
			for ; at < len(all) && all[at].db == db && bytes.Equal(all[at].k, raw[5]); at++ {
				q := all[at].by
				if large {
					q.large = true
					continue
				}
				q.entries = append(q.entries, found)
				if refers.k != nil {
					q.entries = append(q.entries, refers)
				}
			}
		}
		return nil
	}})
	for _, q := range batch {
		q.proof = proofs[q.db]
	}
	return err
}

// kept is a copy, which is nil only if b is.
func kept(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append(make([]byte, 0, len(b)), b...)
}

var errColumn = errors.New("the server answers with a column of another kind")

// bigint is the first column of a row, which the server sends as text where there are no prepared statements.
func bigint(rows pgx.Rows, raw []byte) (int64, error) {
	if rows.FieldDescriptions()[0].Format == pgx.TextFormatCode {
		return strconv.ParseInt(string(raw), 10, 64)
	}
	if len(raw) != 8 {
		return 0, errColumn
	}
	return int64(binary.BigEndian.Uint64(raw)), nil
}
