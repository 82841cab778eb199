package pgtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Options say how a server is.
type Options struct {
	// Durable has the server wait for the disk, as one that holds data does. In the short form of the tests
	// its files may be in memory all the same: that a process is killed shows no difference.
	Durable bool
	// Settings are lines for postgresql.conf.
	Settings []string
	// Port is where it listens (a free one).
	Port int
	// Listen is one more address to listen at, and Trusted a network that it believes.
	Listen, Trusted string
}

// Server is a running PostgreSQL.
type Server struct {
	Dir  string // of its data
	Port int

	opt   Options
	bin   string
	as    *owner
	stdin io.WriteCloser // as long as it is open, the server runs
	done  chan struct{}

	refused int // refusals before the last start
}

var errNotInstalled = errors.New("PostgreSQL is not installed")

// programsEnv names the folder of the programs of a PostgreSQL, to test another version than the one that is installed.
const programsEnv = "TODODB_TEST_POSTGRES"

// programs is the folder of PostgreSQL's programs: the one that programsEnv names, or that of the newest version
// that Debian's packages have installed, or where the PATH leads.
func programs() (string, error) {
	if dir := os.Getenv(programsEnv); dir != "" {
		return dir, nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	version := func(p string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(p))))
		return n
	}
	if len(found) > 0 {
		return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })), nil
	}
	p, err := exec.LookPath("initdb")
	if err != nil {
		return "", errNotInstalled
	}
	return filepath.Dir(p), nil
}

// owner is a user that a server runs as.
type owner struct{ Uid, Gid uint32 }

// credential is who runs the server: PostgreSQL refuses to run as root.
func credential() (*owner, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.Atoi(u.Uid)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.Atoi(u.Gid)
		return &owner{Uid: uint32(uid), Gid: uint32(gid)}, err
	}
	return nil, errors.New("there is no user to run PostgreSQL as")
}

// Start starts a server, which stops when the test ends. It skips the test where there is none.
func Start(t testing.TB, opt Options) *Server {
	t.Helper()
	s, err := start(opt)
	need(t, err)
	t.Cleanup(s.Close)
	return s
}

func need(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, errNotInstalled) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func start(opt Options) (_ *Server, err error) {
	s, err := prepare(opt)
	if err != nil {
		return nil, err
	}
	if err := s.initialize(); err != nil {
		return nil, err
	}
	if opt.Trusted != "" {
		if err := s.trust(opt.Trusted); err != nil {
			return nil, err
		}
	}
	return s, s.runSomewhere()
}

// prepare makes a folder for a server.
func prepare(opt Options) (_ *Server, err error) {
	s := &Server{opt: opt}
	if s.bin, err = programs(); err != nil {
		return nil, err
	}
	if s.as, err = credential(); err != nil {
		return nil, err
	}
	folder := ""
	if !opt.Durable || testing.Short() {
		folder = inMemory()
	}
	if s.Dir, err = os.MkdirTemp(folder, "tododb-pgtest-"); err != nil {
		return nil, err
	}
	if s.as != nil {
		if err := os.Chown(s.Dir, int(s.as.Uid), int(s.as.Gid)); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// initialize makes the files of a server. What initdb makes takes it a second of work, and is the same for
// all: an archive of it is kept in the user's cache.
func (s *Server) initialize() error {
	kept := archive(filepath.Join(s.bin, "initdb"))
	if from, err := os.Open(kept); err == nil {
		defer from.Close()
		unpack := s.tar("-x")
		unpack.Stdin = from
		if out, err := unpack.CombinedOutput(); err == nil {
			return nil
		} else if err := errors.Join(os.Remove(kept), os.RemoveAll(s.data())); err != nil {
			return fmt.Errorf("unpack %s: %w\n%s", kept, err, out)
		}
	}
	out, err := s.command("initdb", "-D", s.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync").CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	if kept != "" {
		_ = s.keep(kept) // or the next one runs initdb again
	}
	return nil
}

// archive is the file that has what a program has made, or "" if there is no place for it.
func archive(program string) string {
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	is, err := os.Stat(program)
	if err != nil {
		return ""
	}
	of := fmt.Sprint(program, is.Size(), is.ModTime().UnixNano())
	return filepath.Join(cache, "tododb-test", fmt.Sprintf("initdb-%x.tar", sha256.Sum256([]byte(of))))
}

// keep writes the archive, which others see when it is whole.
func (s *Server) keep(kept string) error {
	if err := os.MkdirAll(filepath.Dir(kept), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(kept), "new-*")
	if err != nil {
		return err
	}
	pack := s.tar("-c")
	pack.Stdout = f
	if err := errors.Join(pack.Run(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), kept)
}

func (s *Server) tar(how string) *exec.Cmd {
	cmd := exec.Command("tar", how, "-f", "-", "data")
	cmd.Dir = s.Dir
	runAs(cmd, s.as)
	return cmd
}

// trust has the server believe whoever comes from a network.
func (s *Server) trust(network string) error {
	f, err := os.OpenFile(filepath.Join(s.data(), "pg_hba.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "host all all %s trust\n", network)
	return errors.Join(err, f.Close())
}

// runSomewhere starts a server at the port that its options say, or at any.
func (s *Server) runSomewhere() (err error) {
	for try := 0; ; try++ {
		if s.Port = s.opt.Port; s.Port == 0 {
			if s.Port, err = freePort(); err != nil {
				return err
			}
		}
		if err = s.Run(); err == nil || s.opt.Port != 0 || try == 3 {
			return err
		}
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (s *Server) data() string { return filepath.Join(s.Dir, "data") }

func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.Dir
	runAs(cmd, s.as)
	return cmd
}

// watched runs a server until its standard input says so, or ends because this process has ended. Then
// it stops it at once, and removes its folder unless the server is to be started again.
const watched = `
exec 3<&0
"$1/postgres" -D "$2/data" >>"$2/log" 2>&1 </dev/null 3<&- & pid=$!
(
	read -r line <&3
	kill -QUIT $pid 2>/dev/null
	while kill -0 $pid 2>/dev/null; do sleep 0.02; done
	[ "$line" = stay ] || rm -rf "$2"
) &
wait
`

// stay is what keeps the folder.
const stay = "stay\n"

// inUse is what a server says before it ends, if one was killed whose children still end.
const inUse = "pre-existing shared memory block"

var errInUse = errors.New("children of a killed server still end")

// refusals is how often the server has said inUse.
func (s *Server) refusals() int {
	log, _ := os.ReadFile(filepath.Join(s.Dir, "log"))
	return bytes.Count(log, []byte(inUse))
}

// Run starts a server that was stopped or killed.
func (s *Server) Run() error {
	if err := s.configure(); err != nil {
		return err
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		s.refused = s.refusals()
		err := s.start()
		if !errors.Is(err, errInUse) || time.Now().After(deadline) {
			return err
		}
		s.Stop()
	}
}

func (s *Server) start() error {
	cmd := exec.Command("/bin/sh", "-c", watched, "sh", s.bin, s.Dir)
	cmd.Dir = s.Dir
	runAs(cmd, s.as)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.stdin, s.done = stdin, make(chan struct{})
	go func() { // ends with the server
		defer close(s.done)
		_ = cmd.Wait()
	}()
	return s.Wait()
}

// configure writes what the server is told.
func (s *Server) configure() error {
	addresses := "127.0.0.1"
	if s.opt.Listen != "" {
		addresses += "," + s.opt.Listen
	}
	conf := []string{
		"listen_addresses = '" + addresses + "'", "port = " + strconv.Itoa(s.Port), "unix_socket_directories = '" + s.Dir + "'",
		"max_connections = 300", "shared_buffers = 64MB", "max_wal_size = 256MB", "logging_collector = off",
	}
	if !s.opt.Durable {
		conf = append(conf, "fsync = off", "synchronous_commit = off", "full_page_writes = off")
	}
	conf = append(conf, s.opt.Settings...)
	return os.WriteFile(filepath.Join(s.data(), "postgresql.auto.conf"), []byte(strings.Join(conf, "\n")+"\n"), 0o644)
}

// Wait waits until the server answers.
func (s *Server) Wait() error {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		err := s.exec("select 1")
		if err == nil {
			return nil
		}
		if s.refusals() > s.refused {
			return errInUse
		}
		select {
		case <-s.done:
		default:
			if time.Now().Before(deadline) {
				continue
			}
		}
		log, _ := os.ReadFile(filepath.Join(s.Dir, "log"))
		return fmt.Errorf("PostgreSQL does not answer: %w\n%s", err, log)
	}
}

// exec runs statements as the superuser.
func (s *Server) exec(sql string) error { return execAt(s.URL("postgres"), sql) }

func execAt(url, sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.PgConn().Exec(ctx, sql).ReadAll()
	return err
}

// Exec runs statements as the superuser.
func (s *Server) Exec(t testing.TB, sql string) {
	t.Helper()
	if err := s.exec(sql); err != nil {
		t.Fatal(err)
	}
}

// ExecAt runs statements where a URL leads.
func ExecAt(t testing.TB, url, sql string) {
	t.Helper()
	if err := execAt(url, sql); err != nil {
		t.Fatal(err)
	}
}

// URL leads to a database of the server, as the superuser.
func (s *Server) URL(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", s.Port, database)
}

// Stop stops the server at once, without a checkpoint; Run starts it again.
func (s *Server) Stop() {
	_, _ = io.WriteString(s.stdin, stay)
	<-s.done
	s.stdin.Close()
}

// Kill kills the postmaster, as the kernel does when memory runs out, and waits until its children are
// gone too.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(s.data(), "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.SplitN(string(b), "\n", 2)[0])
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(s.stdin, stay)
	if err := kill(pid); err != nil {
		t.Fatal(err)
	}
	<-s.done
	s.stdin.Close()
}

// Close stops the server and removes its data.
func (s *Server) Close() {
	s.stdin.Close()
	<-s.done
	os.RemoveAll(s.Dir)
}

var shared = sync.OnceValues(func() (*Server, error) { return start(Options{}) })

// Shared is the server of this test binary. It does not wait for the disk.
func Shared(t testing.TB) *Server {
	t.Helper()
	s, err := shared()
	need(t, err)
	return s
}

var (
	schemasMu sync.Mutex // guards schemas
	schemas   int
)

// Schema makes an empty schema and returns the URL that leads to it. It goes with the test.
func (s *Server) Schema(t testing.TB) string {
	t.Helper()
	schemasMu.Lock()
	schemas++
	name := fmt.Sprintf("t%d_%d", os.Getpid(), schemas)
	schemasMu.Unlock()
	s.Exec(t, "create schema "+name)
	t.Cleanup(func() { _ = s.exec("drop schema if exists " + name + " cascade") }) // the server may be down
	return s.URL("postgres") + "&search_path=" + url.QueryEscape(name)
}

// Database makes an empty database and returns the URL that leads to it. It goes with the test.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	schemasMu.Lock()
	schemas++
	name := fmt.Sprintf("d%d_%d", os.Getpid(), schemas)
	schemasMu.Unlock()
	s.Exec(t, "create database "+name)
	t.Cleanup(func() { _ = s.exec("drop database if exists " + name + " with (force)") }) // the server may be down
	return s.URL(name)
}
