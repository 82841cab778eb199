package pg_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/pg"
	"github.com/tododb/tododb/store/engine/pg/pgtest"
)

// plan is a node of what EXPLAIN says.
type plan struct {
	Type     string `json:"Node Type"`
	Relation string `json:"Relation Name"`
	Cond     string `json:"Index Cond"`
	Filter   string
	Hit      int `json:"Shared Hit Blocks"`
	Read     int `json:"Shared Read Blocks"`
	Plans    []plan
}

// The plan of a statement is kept for as long as a connection lives, whatever was known of the tables when it was made. So
// what the server knows must not matter: each entry is found by its database and its key, and never by going through
// what else the database or the table has.
func TestPlansDoNotDependOnLuck(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for _, known := range []struct{ what, sql string }{
		{"nothing", ""},
		{"empty tables", "vacuum analyze td_kv; vacuum analyze td_db"},
		{"one entry", fillTables(1, 1)},
		{"a small database", fillTables(1, 100)},
		{"small databases", fillTables(100, 3)},
		{"many small databases", fillTables(1000, 3)},
		{"a large database", fillTables(1, 5_000)},
		{"large databases", fillTables(10, 500)},
	} {
		t.Run(known.what, func(t *testing.T) {
			t.Parallel()
			conn, err := pgx.Connect(ctx, pgtest.URL(t))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(ctx)
			run := func(sql string) {
				t.Helper()
				if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
					t.Fatal(sql, err)
				}
			}
			for _, sql := range append(pg.Settings(), strings.Split(known.sql, ";")...) {
				run(sql)
			}
			for name, sql := range pg.Statements {
				desc, err := conn.Prepare(ctx, "it", sql)
				if err != nil {
					t.Fatal(name, err)
				}
				args := strings.TrimSuffix(strings.Repeat("null, ", len(desc.ParamOIDs)), ", ")
				var text []byte
				if err := conn.QueryRow(ctx, fmt.Sprintf("explain (format json) execute it(%s)", args), pgx.QueryExecModeSimpleProtocol).Scan(&text); err != nil {
					t.Fatal(name, err)
				}
				run("deallocate it")
				var all []struct{ Plan plan }
				if err := json.Unmarshal(text, &all); err != nil {
					t.Fatal(err)
				}
				if fault := faultOf(all[0].Plan, false); fault != "" {
					t.Errorf("%s: %s\n%s", name, fault, text)
				}
			}
		})
	}
}

// fillTables makes databases with entries, and has the server know of them.
func fillTables(databases, entries int) string {
	return fmt.Sprintf("insert into td_db (name, instance) select 'db' || n, n from generate_series(1, %d) n;"+
		"insert into td_kv (db, k, v) select d, convert_to('k' || n, 'UTF8'), 'v' from generate_series(1, %d) d, generate_series(1, %d) n;"+
		"vacuum analyze td_db; vacuum analyze td_kv", databases, databases, entries)
}

// faultOf says what a plan reads that it need not.
func faultOf(p plan, limited bool) string {
	switch {
	case slices.Contains([]string{"Hash Join", "Merge Join", "Sort", "Bitmap Heap Scan"}, p.Type):
		return "has a " + p.Type
	case p.Type == "ModifyTable" || p.Relation != "td_kv":
	case !strings.HasPrefix(p.Type, "Index"):
		return "reads entries by a " + p.Type
	case !strings.Contains(p.Cond, "db = ") || p.Filter != "" || !strings.Contains(p.Cond, "(k ") && !limited:
		return "looks at all entries of a database"
	}
	for _, below := range p.Plans {
		if fault := faultOf(below, p.Type == "Limit"); fault != "" {
			return fault
		}
	}
	return ""
}

// What is found again and again in a database whose documents change all the time costs no more than at first, though nobody has
// removed the dead rows.
func TestDeadRowsAreNotReadAgainAndAgain(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	url := pgtest.Shared(t).Database(t) // what others read for long would keep dead rows here, too
	if err := pg.Init(ctx, url); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, sql := range append(pg.Settings(), "alter table td_kv set (autovacuum_enabled = off)", "vacuum analyze td_kv") {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	e := pgtest.Open(t, pg.Options{URL: url, Sequence: sequence})
	db := create(t, e, "db")
	const docs = 100
	rounds := 10
	if !testing.Short() {
		rounds = 200
	}
	var keys []engine.SpaceKey
	var arg [][]byte
	for i := range docs {
		keys = append(keys, engine.SpaceKey{Space: 1, Key: fmt.Append(nil, "doc", i)})
		arg = append(arg, fmt.Append(nil, "\x01doc", i))
	}
	// The documents move to the end of the sequence, as they do when they change.
	seq := func(n int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }
	change := func(round int) {
		err := db.Update(ctx, func(tx engine.Tx) error {
			if err := tx.Fetch(keys, []engine.Space{sequence}); err != nil {
				return err
			}
			for i, k := range keys {
				at := round*docs + i + 1
				err := errors.Join(tx.Put(k.Space, k.Key, seq(at)), tx.Insert(sequence, seq(at), k.Key))
				if round > 0 {
					err = errors.Join(err, tx.Delete(sequence, seq(at-docs)))
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for round := range rounds {
		change(round)
	}
	var id int64
	if err := conn.QueryRow(ctx, "select id from td_db where name = 'db'").Scan(&id); err != nil {
		t.Fatal(err)
	}
	lo, hi := []byte{byte(sequence)}, []byte{byte(sequence) + 1}
	last := append([]byte{byte(sequence)}, seq(rounds*docs)...)
	for _, c := range []struct {
		name string
		args []any
		most int // blocks
	}{
		{"get", []any{id, arg}, 6 * docs},
		{"get one", []any{id, arg[0]}, 6},
		{"last", []any{id, lo, hi}, 6},
		{"both", []any{id, arg, [][]byte{lo}, [][]byte{hi}}, 6*docs + 6},
		{"foresee", []any{[]int64{id}, []int64{id}, arg[:1]}, 12},
		{"both of many", []any{[]int64{id}, arg[:1], []int64{id}, [][]byte{lo}, [][]byte{hi}}, 12},
		{"page", []any{id, last, hi, 16}, 6},
		{"poll", []any{[]int64{id}, lo, hi}, 8},
		{"delete", []any{id, arg}, 12 * docs},
	} {
		var text []byte
		var n int
		// Who meets dead rows marks them, and the next one passes them over; unless a snapshot can still see them, such as
		// that of somebody who takes statistics. Then the changes after its end clear away.
		for end := time.Now().Add(time.Minute); ; rounds++ {
			if err := conn.QueryRow(ctx, "explain (analyze, buffers, format json) "+pg.Statements[c.name], append([]any{pgx.QueryExecModeExec}, c.args...)...).Scan(&text); err != nil {
				t.Fatal(c.name, err)
			}
			var all []struct{ Plan plan }
			if err := json.Unmarshal(text, &all); err != nil {
				t.Fatal(err)
			}
			n = all[0].Plan.Hit + all[0].Plan.Read
			t.Logf("%s: %d blocks", c.name, n)
			if n <= c.most || time.Now().After(end) {
				break
			}
			change(rounds)
			copy(last[1:], seq((rounds+1)*docs))
		}
		if n > c.most {
			t.Errorf("%s: %d blocks, want %d at most\n%s", c.name, n, c.most, text)
		}
	}
}
