package pg

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"strings"
	"time"

	"github.com/tododb/tododb/store/engine"
)

// proofColumns are what each transaction reads of its database's row. Nothing has been put back as long as
// the server runs (a backup of files, a standby, a server that was stopped) and has this table (a dump): both
// cost no more than the row. The instance tells whether a number that was given back means another database now.
const proofColumns = "d.stamp, d.instance, d.tableoid, pg_postmaster_start_time()"

// proof is what was read of them.
type proof struct {
	stamp    int64
	instance string
	table    uint32
	started  time.Time
}

func (p *proof) dest() []any { return []any{&p.stamp, &p.instance, &p.table, &p.started} }

// manyServers are makes of which one database has many servers, each with a start of its own.
var manyServers = []string{"CockroachDB", "YugabyteDB", "-YB-"}

const sqlLife = "select version(), (select oid from pg_class where oid = 'td_db'::regclass), pg_postmaster_start_time()"

// life learns the era when the engine is opened.
func (e *Engine) life(ctx context.Context, q querier) error {
	var version string
	p := &proof{}
	if err := q.QueryRow(ctx, sqlLife).Scan(&version, &p.table, &p.started); err != nil {
		return err
	}
	for _, make := range manyServers {
		e.scattered = e.scattered || strings.Contains(version, make)
	}
	e.eraOf(p)
	return nil
}

// eraOf is the era in which something was read.
func (e *Engine) eraOf(p *proof) engine.Era {
	if last := e.era.Load(); last != nil && last.table == p.table && (e.scattered || last.started.Equal(p.started)) {
		return last.Era
	}
	era := &knownEra{table: p.table, started: p.started}
	h := fnv.New64a()
	b := binary.BigEndian.AppendUint32(nil, p.table)
	if !e.scattered {
		b = binary.BigEndian.AppendUint64(b, uint64(p.started.UnixMicro()))
		era.Since = p.started
	}
	_, _ = h.Write(b) // it never fails
	if era.ID = h.Sum64(); era.ID == 0 {
		era.ID = 1
	}
	e.era.Store(era)
	return era.Era
}

// knownEra is an era, and what tells that it goes on.
type knownEra struct {
	engine.Era
	table   uint32
	started time.Time
}

// Era is part of engine.Eras.
func (e *Engine) Era() (engine.Era, error) { return e.era.Load().Era, nil }

// stampIn is a stamp of an era: a server that was put back has given it before.
func (e *Engine) stampIn(p *proof) uint64 { return uint64(p.stamp) ^ e.eraOf(p).ID }

// Era is part of engine.Eras.
func (s *session) Era() (engine.Era, error) {
	if !s.begun {
		if err := s.send(); err != nil {
			return engine.Era{}, result(err)
		}
	}
	return s.db.eng.eraOf(&s.proof), nil
}

// Era is part of engine.Eras.
func (f *foreseen) Era() (engine.Era, error) { return f.eng.eraOf(f.proof), nil }
