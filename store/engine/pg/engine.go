package pg

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tododb/tododb/store/engine"
)

// The parents of rows that belong to no database.
const (
	noParent    = 0
	asideParent = -1
)

const (
	sqlFind   = "select id, instance from td_db where parent = $1 and name = $2"
	sqlCreate = "insert into td_db (parent, name, instance) select $1::bigint, $2::text, $3::text where " + sqlNotHeld + " returning id"
	sqlMake   = "with d as (" + sqlCreate + "), kv as (insert into td_kv (db, k, v) " +
		"select d.id, u.k, u.v from d, unnest($4::bytea[], $5::bytea[]) u(k, v)) select id from d"
	sqlMakeSub   = "insert into td_db (parent, name, instance) values ($1, $2, $3) on conflict do nothing"
	sqlList      = "select name from td_db where parent = 0 and name > $1 order by name limit $2"
	sqlTake      = "select stamp from td_db where id = $1 and parent = $2 for update"
	sqlTakeNamed = "select id, stamp from td_db where parent = $1 and name = $2 for update"
	// What belongs to the database goes with it. That nobody adds to it is the lock's work.
	sqlDrop = "with top as (delete from td_db where id = $1 and parent = $2 and stamp >= 0 returning id), " +
		"subs as (delete from td_db where parent in (select id from td_db where id = $1 and parent = $2 and stamp >= 0) returning id), " +
		"gone as (insert into td_gone select id from top union all select id from subs) select id from top"
	sqlUnnamed = "select " + proofColumns + " from td_db d where id = $1 and parent = -1 for no key update"
	sqlPublish = "update td_db set parent = 0, name = $2 where id = $1 and parent = -1"
)

// Engine keeps databases in a PostgreSQL server.
type Engine struct {
	opt              Options
	ctx              context.Context // for work that outlives its request; never cancelled
	readers, writers *pgxpool.Pool
	pooled           bool // connections may lead through a pooler
	figures          figures
	era              atomic.Pointer[knownEra] // lately seen
	scattered        bool                     // one of manyServers
	ending           sync.WaitGroup           // of transactions that nobody waits for
	news             *news
	questions        *gatherer[*question]
	convoys          *gatherer[*member]
	convoyBytes      int             // of one
	sweep            chan struct{}   // of capacity one: the sweeper is to look
	stop             func()          // ends what runs in the background
	background       sync.WaitGroup  // what runs there
	living           context.Context // ends when that is to end
	counts           chan struct{}   // of capacity one: held by the one that counts in the background

	mu       sync.Mutex // guards what follows
	open     map[int64]*database
	counting map[int64]bool // what is counted in the background, or will be
	closed   bool
}

// Open makes an Engine of a server that has the tables (Init). The error may be ErrNoSchema, ErrSchema or ErrServer.
func Open(ctx context.Context, opt Options) (*Engine, error) {
	opt = opt.withDefaults()
	e := &Engine{opt: opt, ctx: context.WithoutCancel(ctx), sweep: make(chan struct{}, 1), open: map[int64]*database{}, counting: map[int64]bool{}, counts: make(chan struct{}, 1)}
	e.questions, e.convoys, e.convoyBytes = e.gatherQuestions(), e.gatherConvoys(), convoyBytes
	e.living, e.stop = context.WithCancel(e.ctx)
	var err error
	if e.readers, err = e.pool(opt.Readers); err != nil {
		return nil, fmt.Errorf("open storage: %w", err)
	}
	if e.writers, err = e.pool(opt.Writers); err != nil {
		e.readers.Close()
		return nil, fmt.Errorf("open storage: %w", err)
	}
	e.pooled = pooled(e.writers.Config())
	var installation string
	waits := false
	err = e.retry(ctx, opt.Patience, func() error {
		ctx, cancel := context.WithTimeout(ctx, roundTripLimit)
		defer cancel()
		err := checkServer(ctx, e.readers)
		if err == nil {
			err = checkSchema(ctx, e.readers)
		}
		if err == nil {
			err = e.readers.QueryRow(ctx, "select value from td_meta where name = 'installation'").Scan(&installation)
		}
		if err == nil {
			err = e.life(ctx, e.readers)
		}
		if errors.Is(err, ErrNoSchema) || errors.Is(err, ErrSchema) || errors.Is(err, ErrServer) {
			return final{err}
		}
		if err != nil && passing(err) && !waits { // or whoever starts a server sees nothing at all meanwhile
			waits = true
			opt.Logger.Warn("the storage does not answer yet", "for another", opt.Patience.String(), "error", err)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open storage: %w", errors.Join(err, e.Close()))
	}
	e.news = newNews(e, installation)
	for _, run := range []func(context.Context){e.news.runTelling, e.news.runPolling, e.news.runListening, e.runSweeping} {
		e.background.Go(func() { run(e.living) })
	}
	return e, nil
}

// pool makes a pool of connections.
func (e *Engine) pool(size int) (*pgxpool.Pool, error) {
	cfg, err := parse(e.opt.URL)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = int32(size)
	cfg.ConnConfig.Tracer = e.opt.Tracer
	if !pooled(cfg) {
		cfg.AfterConnect = settle
	}
	return pgxpool.NewWithConfig(e.ctx, cfg)
}

// pooled reports whether connections may lead through a pooler: then there are no prepared statements.
func pooled(cfg *pgxpool.Config) bool {
	return cfg.ConnConfig.DefaultQueryExecMode != pgx.QueryExecModeCacheStatement
}

// settings say how a connection behaves. A planner that knows no statistics yet must not sort a whole range
// for the first page of it; and one that knows how many keys are asked for must not plan anew each time, which
// takes longer than to find them.
var settings = [][2]string{
	{"idle_in_transaction_session_timeout", fmt.Sprint(idleLimit.Milliseconds())},
	{"lock_timeout", fmt.Sprint(lockLimit.Milliseconds())},
	{"statement_timeout", fmt.Sprint(roundTripLimit.Milliseconds())},
	{"enable_bitmapscan", "off"}, {"enable_sort", "off"}, {"enable_seqscan", "off"},
	{"enable_hashjoin", "off"}, {"enable_mergejoin", "off"}, {"enable_material", "off"}, {"enable_memoize", "off"},
	{"plan_cache_mode", "force_generic_plan"},
}

// connectionSettings are of what the server and its client, or a pooler, have between them. A client that is gone
// while it sends is not idle, so only the system can tell.
var connectionSettings = [][2]string{
	{"tcp_keepalives_idle", "4"}, {"tcp_keepalives_interval", "2"}, {"tcp_keepalives_count", "3"},
	{"tcp_user_timeout", fmt.Sprint(idleLimit.Milliseconds())},
}

// sqlSettle settles the transaction that it is in.
var sqlSettle = func() string {
	var b strings.Builder
	for i, s := range settings {
		fmt.Fprintf(&b, "%s set_config('%s', '%s', true)", []string{"select", ","}[min(i, 1)], s[0], s[1])
	}
	return b.String()
}()

// settle settles a connection. Servers that do not know a setting do without. Behind a pooler connections are not
// this process's own: what is set would stay for others, so transactions are settled instead.
func settle(ctx context.Context, conn *pgx.Conn) error {
	for _, s := range slices.Concat(settings, connectionSettings) {
		if _, err := conn.Exec(ctx, "set "+s[0]+" = "+s[1], pgx.QueryExecModeSimpleProtocol); err != nil && code(err) == "" {
			return err
		}
	}
	return nil
}

func (e *Engine) isClosed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.closed
}

func (e *Engine) ready(ctx context.Context) error {
	if e.isClosed() {
		return engine.ErrClosed
	}
	return ctx.Err()
}

func (e *Engine) Caps() engine.Caps {
	return engine.Caps{MaxKey: maxKey, MaxValue: maxValue, MaxTxBytes: maxTx, Shared: true}
}

// newInstance is a new DBID.
func newInstance() string {
	id := make([]byte, 16)
	rand.Read(id)
	return hex.EncodeToString(id)
}

// row is a row of td_db.
type row struct {
	id       int64
	parent   int64
	name     string
	instance string
}

// one runs queries. If dest is not nil, that with rows has one at most, whose columns go there.
func (e *Engine) one(ctx context.Context, pool *pgxpool.Pool, dest []any, queries ...query) (found bool, err error) {
	ctx, cancel := limited(ctx)
	defer cancel()
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Release()
	for i := range queries {
		if queries[i].rows == nil || dest == nil {
			continue
		}
		queries[i].rows = func(rows pgx.Rows) error {
			for rows.Next() {
				found = true
				if err := rows.Scan(dest...); err != nil {
					return err
				}
			}
			return nil
		}
	}
	_, err = e.roundTrip(ctx, conn, queries)
	if err != nil && !conn.Conn().IsClosed() && conn.Conn().PgConn().TxStatus() != 'I' {
		_, _ = conn.Exec(ctx, "rollback") // or the pool closes the connection
	}
	return found, err
}

// scan puts the columns of the last row, if there is any, where they go.
func scan(dest ...any) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		for rows.Next() {
			if err := rows.Scan(dest...); err != nil {
				return err
			}
		}
		return nil
	}
}

// itsRow marks the query of one that has the row.
func itsRow(pgx.Rows) error { return nil }

// find looks a row up by its name.
func (e *Engine) find(ctx context.Context, parent int64, name string) (r row, err error) {
	r.parent, r.name = parent, name
	err = e.retry(ctx, e.opt.Patience/3, func() error {
		found, err := e.one(ctx, e.readers, []any{&r.id, &r.instance}, query{sqlFind, []any{parent, name}, itsRow})
		if err == nil && !found {
			return final{engine.ErrNoDB}
		}
		return err
	})
	return r, err
}

func (e *Engine) Create(ctx context.Context, name string, first ...engine.Entry) (engine.DB, error) {
	if err := e.ready(ctx); err != nil {
		return nil, err
	}
	entries := map[string][]byte{}
	for _, f := range first {
		if len(f.Key) == 0 || len(f.Key) > maxKey || len(f.Value) > maxValue {
			return nil, engine.ErrTooLarge
		}
		entries[string(full(f.Space, f.Key))] = append([]byte{}, f.Value...)
	}
	r, err := e.make(ctx, noParent, name, entries)
	if err != nil {
		return nil, err
	}
	return e.handle(r)
}

// make makes a row with entries. The error may be ErrExists.
func (e *Engine) make(ctx context.Context, parent int64, name string, entries map[string][]byte) (row, error) {
	r := row{parent: parent, name: name, instance: newInstance()}
	keys, values := sortedEntries(entries)
	err := e.write(ctx, func() error {
		made, err := e.one(ctx, e.writers, []any{&r.id}, query{sql: beginWrite}, query{sql: sqlNoHold},
			query{sqlMake, []any{parent, name, r.instance, keys, values}, itsRow}, query{sql: "commit"})
		if err == nil && !made {
			if _, err := e.find(ctx, parent, name); err == nil {
				return final{engine.ErrExists}
			}
			return final{engine.ErrHeld}
		}
		if code(err) != codeUniqueViolation {
			return err
		}
		// Perhaps an earlier try has made it, whose answer was lost.
		there, err := e.find(ctx, parent, name)
		switch {
		case errors.Is(err, engine.ErrNoDB):
			return final{engine.ErrExists} // it was there a moment ago
		case err != nil:
			return final{err}
		case there.instance != r.instance:
			return final{engine.ErrExists}
		}
		r.id = there.id
		return nil
	})
	return r, err
}

// sortedEntries are entries in the order of their keys.
func sortedEntries(entries map[string][]byte) (keys, values [][]byte) {
	keys, values = make([][]byte, 0, len(entries)), make([][]byte, 0, len(entries))
	for k := range entries {
		keys = append(keys, []byte(k))
	}
	slices.SortFunc(keys, func(a, b []byte) int { return strings.Compare(string(a), string(b)) })
	for _, k := range keys {
		values = append(values, entries[string(k)])
	}
	return keys, values
}

func (e *Engine) Open(ctx context.Context, name string) (engine.DB, error) {
	if err := e.ready(ctx); err != nil {
		return nil, err
	}
	r, err := e.find(ctx, noParent, name)
	if err != nil {
		return nil, err
	}
	return e.handle(r)
}

// handle makes a handle to a database.
func (e *Engine) handle(r row) (*handle, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, engine.ErrClosed
	}
	d := e.open[r.id]
	if d != nil && d.dbid != engine.DBID(r.instance) { // the server was put back, and has given the number again
		e.forgetLocked(d)
		d = nil
	}
	if d == nil {
		d = &database{eng: e, id: r.id, parent: r.parent, name: r.name, dbid: engine.DBID(r.instance), writing: make(chan struct{}, 1)}
		e.open[r.id] = d
	}
	d.handles++
	return newHandle(d), nil
}

// release takes a handle off the count.
func (e *Engine) release(d *database) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if d.handles--; d.handles == 0 && e.open[d.id] == d {
		delete(e.open, d.id)
	}
}

// forget ends the use of a database that is gone, and of what belongs to it.
func (e *Engine) forget(d *database) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.forgetLocked(d)
}

// forgetLocked is forget for a caller who holds mu.
func (e *Engine) forgetLocked(d *database) {
	d.drop()
	if has := e.open[d.id]; has != nil && has != d { // another one has its number, and what belonged to this one is forgotten
		return
	}
	for _, sub := range e.open {
		if sub.parent == d.id {
			sub.drop()
		}
	}
}

func (e *Engine) forgetID(id int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, d := range e.open {
		if d.id == id || d.parent == id {
			d.drop()
		}
	}
}

func (e *Engine) Drop(ctx context.Context, name string) error {
	if err := e.ready(ctx); err != nil {
		return err
	}
	return e.drop(ctx, noParent, name)
}

// drop removes a row and those that belong to it. The error may be ErrNoDB.
func (e *Engine) drop(ctx context.Context, parent int64, name string) error {
	var r row
	var stamp int64
	tries := 0
	return e.write(ctx, func() error {
		if r.id == 0 { // a later try must not find one that was made meanwhile
			found, err := e.one(ctx, e.readers, []any{&r.id, &r.instance}, query{sqlFind, []any{parent, name}, itsRow})
			if err == nil && !found {
				err = final{engine.ErrNoDB}
			}
			if err != nil {
				return err
			}
		}
		tries++
		found, err := e.one(ctx, e.writers, []any{&stamp}, query{sql: beginWrite}, query{sqlTake, []any{r.id, parent}, itsRow},
			query{sqlDrop, []any{r.id, parent}, nil}, query{sql: "commit"})
		switch {
		case err != nil:
			return err
		case !found && tries == 1: // else an earlier try may have dropped it
			return final{engine.ErrNoDB}
		case found && stamp < 0:
			return final{engine.ErrHeld}
		}
		e.forgetID(r.id)
		e.sweepSoon()
		return nil
	})
}

func (e *Engine) List(ctx context.Context, after string, limit int) (names []string, err error) {
	if err := e.ready(ctx); err != nil {
		return nil, err
	}
	err = e.rows(ctx, query{sqlList, []any{afterName(after), most(limit)}, func(rows pgx.Rows) error {
		names = nil
		for rows.Next() {
			names = append(names, string(rawValues(rows)[0]))
		}
		return nil
	}})
	return names, err
}

// Close waits for what is under way.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	e.mu.Unlock()
	e.stop()
	e.background.Wait()
	e.ending.Wait()
	e.readers.Close()
	e.writers.Close()
	return nil
}
