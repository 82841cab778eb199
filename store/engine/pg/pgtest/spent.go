package pgtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Spent is what the server has had of processors, how many transactions it has committed in all databases, and
// how many bytes of log it has written.
func (s *Server) Spent(t testing.TB) (processors time.Duration, commits, wal int64) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	// The server's own figures come late.
	err = conn.QueryRow(t.Context(), "select (select sum(xact_commit) from pg_stat_database)::bigint, (pg_current_wal_lsn() - '0/0')::bigint").Scan(&commits, &wal)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(s.data(), "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	postmaster, _, _ := strings.Cut(string(b), "\n")
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		f, err := readStat(file)
		if err != nil { // it has ended
			continue
		}
		switch {
		case filepath.Base(filepath.Dir(file)) == postmaster:
			processors += f.own + f.children
		case f.parent == postmaster:
			processors += f.own
		}
	}
	return processors, commits, wal
}

// ProcessorTime is what a process has had of processors, where the system tells.
func ProcessorTime(pid int) (time.Duration, error) {
	f, err := readStat(fmt.Sprintf("/proc/%d/stat", pid))
	return f.own, err
}

type stat struct {
	parent        string
	own, children time.Duration
}

func readStat(file string) (f stat, err error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return f, err
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 15 {
		return f, fmt.Errorf("%s is not known", file)
	}
	f.parent = fields[1]
	for i, field := range fields[11:15] { // in hundredths of a second
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return f, err
		}
		if i < 2 {
			f.own += time.Duration(n) * 10 * time.Millisecond
		} else {
			f.children += time.Duration(n) * 10 * time.Millisecond
		}
	}
	return f, nil
}
