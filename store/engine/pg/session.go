package pg

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tododb/tododb/store/engine"
)

// query is a statement of a round trip, and what is done with its rows.
type query struct {
	sql  string
	args []any
	// rows takes the rows; nil: there are none. If the connection breaks in the middle of them, it is called again with
	// those of another snapshot: of the first ones it keeps nothing.
	rows func(pgx.Rows) error
}

// The beginnings of transactions. The isolation level is said, since operators change the default.
const (
	beginRead  = "begin isolation level repeatable read read only"
	beginWrite = "begin isolation level read committed read write"
)

// Both prove that the database is there. The lock lets Stage and Sub go on, which only keep the row from
// going away.
const (
	sqlThere = "select " + proofColumns + " from td_db d where id = $1"
	sqlLock  = "select " + proofColumns + " from td_db d where id = $1 for no key update"
	sqlKeep  = "select " + proofColumns + " from td_db d where id = $1 for key share"
)

// session is a transaction on a connection. It begins with its first round trip.
type session struct {
	ctx   context.Context // the caller's: heeded between round trips, never by one
	db    *database
	pool  *pgxpool.Pool
	begin string // how the transaction begins
	there string // how it proves that the database is there

	conn   *pgxpool.Conn
	begun  bool
	failed error   // of the first round trip that failed: there will be no other
	queue  []query // goes out with the next round trip
	proof  proof
	convoy *convoy // whose connection it uses, nil if it has one of its own
}

// acquire takes a connection.
func (s *session) acquire() (err error) {
	if s.conn != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(s.ctx, roundTripLimit)
	defer cancel()
	if s.conn, err = s.pool.Acquire(ctx); err != nil && s.ctx.Err() != nil {
		return final{s.ctx.Err()}
	}
	return err
}

// Stamp is part of engine.Stamped.
func (s *session) Stamp() (uint64, error) {
	if !s.begun {
		if err := s.send(); err != nil {
			return 0, result(err)
		}
	}
	return s.db.eng.stampIn(&s.proof), nil
}

// send does a round trip: the beginning, if it is the first, what is queued, and queries.
func (s *session) send(queries ...query) error {
	switch {
	case s.failed != nil:
	case s.convoy != nil:
		s.failed = errAlone
	case s.begun || s.begin != beginRead:
		s.failed = s.trySend(queries)
	default:
		// Nobody knows anything of this snapshot yet, so it may begin again.
		err := s.db.eng.try(s.ctx, s.db.eng.opt.Patience/3, func() error {
			s.end()
			s.begun = false
			return s.trySend(queries)
		})
		s.failed = err
	}
	return s.failed
}

func (s *session) trySend(queries []query) error {
	if err := s.ctx.Err(); err != nil {
		return final{err}
	}
	if err := s.acquire(); err != nil {
		return err
	}
	all := make([]query, 0, 3+len(s.queue)+len(queries))
	if !s.begun {
		there := false
		all = append(all, query{sql: s.begin})
		if s.db.eng.pooled {
			all = append(all, query{sql: sqlSettle})
		}
		all = append(all, query{s.there, []any{s.db.id}, func(rows pgx.Rows) error {
			for rows.Next() {
				there = true
				if err := rows.Scan(s.proof.dest()...); err != nil {
					return err
				}
			}
			if err := rows.Err(); err != nil {
				return err
			}
			if there && s.proof.instance != string(s.db.dbid) {
				return engine.ErrNoDB
			}
			if s.proof.stamp < 0 && s.begin == beginWrite {
				return final{engine.ErrHeld}
			}
			if there {
				return nil
			}
			return engine.ErrNoDB
		}})
	}
	all = append(append(all, s.queue...), queries...)
	locks := !s.begun && s.there == sqlLock
	s.begun = true
	began := time.Now()
	_, err := s.db.eng.roundTrip(s.ctx, s.conn, all)
	if err == nil && locks {
		s.db.eng.figures.lockWait(time.Since(began))
	}
	if err == nil {
		s.queue = s.queue[:0]
	}
	return err
}

// limited is the time of a round trip: roundTripLimit, or until the caller's own time is over. That the caller is
// gone does not end it, for that would cost the connection.
func limited(ctx context.Context) (context.Context, context.CancelFunc) {
	until := time.Now().Add(roundTripLimit)
	if d, is := ctx.Deadline(); is && d.Before(until) {
		until = d
	}
	return context.WithDeadline(context.WithoutCancel(ctx), until)
}

// roundTrip sends queries together. If one fails, it says which.
func (e *Engine) roundTrip(ctx context.Context, conn *pgxpool.Conn, queries []query) (failed int, err error) {
	ctx, cancel := limited(ctx)
	defer cancel()
	began := time.Now()
	var b pgx.Batch
	for _, q := range queries {
		b.Queue(q.sql, q.args...)
	}
	res := conn.SendBatch(ctx, &b)
	heard := false // the error is that of who heard the answer
	for i, q := range queries {
		if q.rows == nil {
			_, err = res.Exec()
		} else if rows, queryErr := res.Query(); queryErr != nil {
			err = queryErr
		} else {
			err = q.rows(rows)
			rows.Close()
			heard = err != nil
			if rowsErr := rows.Err(); rowsErr != nil {
				err, heard = rowsErr, false // what the server says comes first
			}
		}
		if err != nil {
			failed = i
			break
		}
	}
	if closeErr := res.Close(); err == nil && closeErr != nil {
		failed, err = len(queries)-1, closeErr
	}
	e.figures.roundTrip(time.Since(began))
	if err != nil && onlyReads(err, queries[failed].sql) {
		// The address leads elsewhere by now, or soon will, and connections that are there do not. Those that read
		// say nothing.
		e.readers.Reset()
		e.writers.Reset()
		return failed, fmt.Errorf("%w: %w", errOnlyReads, err)
	}
	if err != nil && !heard && !nothingDone(err, failed == len(queries)-1) {
		err = lostAnswer{err}
	}
	return failed, err
}

// end gives the connection back, and has the transaction undone if it is still there. Nobody waits for
// that.
func (s *session) end() {
	conn := s.conn
	if s.conn = nil; conn == nil {
		return
	}
	if conn.Conn().IsClosed() || conn.Conn().PgConn().TxStatus() == 'I' {
		conn.Release()
		return
	}
	s.db.eng.ending.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), roundTripLimit)
		defer cancel()
		if _, err := conn.Exec(ctx, "rollback"); err != nil {
			s.db.eng.opt.Logger.Debug("cannot end a transaction", "error", err)
		}
		conn.Release()
	})
}
