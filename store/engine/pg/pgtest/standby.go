package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Standby starts a server that follows this one. From then on this one acknowledges a commit when both
// have it. The standby stops when the test ends.
func (s *Server) Standby(t testing.TB) *Server {
	t.Helper()
	return s.StandbyAt(t, 0)
}

// StandbyAt is Standby at a port, perhaps that of a server that was killed.
func (s *Server) StandbyAt(t testing.TB, port int) *Server {
	t.Helper()
	opt := s.opt
	opt.Settings = append(slices.Clip(opt.Settings),
		fmt.Sprintf("primary_conninfo = 'host=127.0.0.1 port=%d user=postgres application_name=standby'", s.Port))
	opt.Port = port
	standby, err := prepare(opt)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(s.bin, "pg_basebackup")); err == nil {
		out, err := standby.command("pg_basebackup", "-h", "127.0.0.1", "-p", fmt.Sprint(s.Port), "-U", "postgres",
			"-D", standby.data(), "-R", "-X", "stream", "-c", "fast", "--no-sync").CombinedOutput()
		if err != nil {
			t.Fatalf("pg_basebackup: %v\n%s", err, out)
		}
	} else if err := s.copyTo(standby); err != nil {
		t.Fatal(err)
	}
	if err := standby.runSomewhere(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(standby.Close)
	s.opt.Settings = append(slices.Clip(s.opt.Settings), "synchronous_standby_names = 'standby'")
	if err := s.configure(); err != nil {
		t.Fatal(err)
	}
	s.Exec(t, "select pg_reload_conf()")
	for deadline := time.Now().Add(time.Minute); !s.isSynchronous(t); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the standby does not follow: see %s", filepath.Join(standby.Dir, "log"))
		}
	}
	return standby
}

// copyTo makes the files of a standby where there is no pg_basebackup. The server stops for that.
func (s *Server) copyTo(standby *Server) error {
	s.Stop()
	copies := exec.Command("cp", "-R", s.data(), standby.Dir)
	runAs(copies, s.as)
	if out, err := copies.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	err := os.Remove(filepath.Join(standby.data(), "postmaster.pid"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(filepath.Join(standby.data(), "standby.signal"), nil, 0o644); err != nil {
		return err
	}
	return s.Run()
}

func (s *Server) isSynchronous(t testing.TB) (is bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if err := conn.QueryRow(ctx, "select count(*) > 0 from pg_stat_replication where sync_state = 'sync'").Scan(&is); err != nil {
		t.Fatal(err)
	}
	return is
}

// Promote has a standby take the place of its primary.
func (s *Server) Promote(t testing.TB) {
	t.Helper()
	s.Exec(t, "select pg_promote(true, 60)")
}
