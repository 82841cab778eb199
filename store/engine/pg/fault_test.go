package pg_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/enginetest"
	"github.com/tododb/tododb/store/engine/pg"
	"github.com/tododb/tododb/store/engine/pg/pgtest"
	"github.com/tododb/tododb/store/widetest"
)

// lockerEnv has this binary be a process that takes the lock of a database and then says so, and nothing
// else.
const lockerEnv = "TODODB_TEST_LOCKS"

func TestLockerProcess(t *testing.T) {
	to := os.Getenv(lockerEnv)
	if to == "" {
		t.Skip("for another test")
	}
	db := open(t, pgtest.Open(t, pg.Options{URL: to}), "db")
	_ = db.Update(t.Context(), func(tx engine.Tx) error {
		if err := tx.Fetch(nil, []engine.Space{sequence}); err != nil {
			return err
		}
		fmt.Println("locked")
		_, err := io.Copy(io.Discard, os.Stdin) // until it is killed
		return err
	})
}

// The lock of a process that is killed is free at once for the next writer.
func TestKilledWithTheLock(t *testing.T) {
	to := pgtest.URL(t)
	db := create(t, pgtest.Open(t, pg.Options{URL: to}), "db")
	cmd := exec.Command(os.Args[0], "-test.run=^TestLockerProcess$", "-test.v")
	cmd.Env = append(os.Environ(), lockerEnv+"="+to)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	locked := false
	for lines := bufio.NewScanner(out); !locked && lines.Scan(); {
		locked = strings.HasPrefix(lines.Text(), "locked")
	}
	if !locked {
		t.Fatal("it does not take the lock")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	began := time.Now()
	put(t, db, "k", "v")
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("the next writer waits for %v", took)
	}
}

// proxy stands between an engine and the server.
type proxy struct {
	net.Listener
	stall atomic.Bool // answers are held back once a COMMIT has been sent
	stuck chan struct{}
	once  sync.Once

	mu     sync.Mutex // guards what follows
	to     string
	conns  []net.Conn
	most   int    // how much of answers still passes, if broken is not nil
	broken func() // called once, before the connections break
}

func newProxy(t *testing.T, port int) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Listener: l, to: fmt.Sprintf("127.0.0.1:%d", port), stuck: make(chan struct{})}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			to := p.to
			p.mu.Unlock()
			s, err := net.Dial("tcp", to)
			if err != nil {
				c.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, c, s)
			p.mu.Unlock()
			var commits atomic.Bool
			wg.Go(func() {
				p.pass(c, s, func(b []byte) bool {
					commits.Store(p.stall.Load() && strings.Contains(string(b), "\x00commit\x00"))
					return true
				})
			})
			wg.Go(func() {
				p.pass(s, c, func(b []byte) bool {
					p.breaks(len(b))
					if !p.stall.Load() || !commits.Load() {
						return true
					}
					p.once.Do(func() { close(p.stuck) })
					return false
				})
			})
		}
	})
	t.Cleanup(func() { l.Close(); p.cut(); wg.Wait() })
	return p
}

// pass passes bytes on while ok says so; then they are lost.
func (p *proxy) pass(from, to net.Conn, ok func([]byte) bool) {
	defer from.Close()
	defer to.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if n > 0 && ok(b[:n]) {
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// breakAfter has all connections break, after something is done, once so many bytes of answers have passed.
func (p *proxy) breakAfter(bytes int, do func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.most, p.broken = bytes, do
}

// breaks counts bytes of an answer that are about to pass.
func (p *proxy) breaks(bytes int) {
	p.mu.Lock()
	do := p.broken
	if p.most -= bytes; do == nil || p.most >= 0 {
		p.mu.Unlock()
		return
	}
	p.broken = nil
	p.mu.Unlock()
	do()
	p.cut()
}

// lead has new connections lead to a port.
func (p *proxy) lead(port int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = fmt.Sprintf("127.0.0.1:%d", port)
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

// through makes a URL lead through a proxy. Statements are sent as they are, so that it sees them.
func (p *proxy) through(t *testing.T, to string) string {
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = p.Addr().String()
	return u.String() + "&default_query_exec_mode=exec"
}

// A commit whose answer is lost is not known to have taken place, and has.
func TestLostAnswer(t *testing.T) {
	to := pgtest.URL(t)
	p := newProxy(t, pgtest.Shared(t).Port)
	e := pgtest.Open(t, pg.Options{URL: p.through(t, to)})
	db := create(t, e, "db")
	put(t, db, "before", "v")
	p.stall.Store(true)
	done := make(chan error, 1)
	go func() {
		done <- db.Update(t.Context(), func(tx engine.Tx) error { return tx.Put(sequence, []byte("k"), []byte("v")) })
	}()
	select {
	case <-p.stuck:
	case err := <-done:
		t.Fatalf("the answer came: %v", err)
	case <-time.After(30 * time.Second):
		t.Fatal("no commit was sent")
	}
	direct := open(t, pgtest.Open(t, pg.Options{URL: to}), "db")
	eventually(t, "the commit takes place", func() bool { return get(t, direct, "k") == "v" })
	p.cut()
	p.stall.Store(false)
	if err := <-done; !errors.Is(err, engine.ErrUnknown) {
		t.Errorf("the error is %v", err)
	}
	put(t, db, "after", "v") // it goes on with new connections
	if n := e.Figures().Unknown; n != 1 {
		t.Errorf("%d commits are unknown", n)
	}
}

// A database that was made again while the answer to a drop was lost is another one, which the next try leaves alone.
func TestLostAnswerToDrop(t *testing.T) {
	to := pgtest.URL(t)
	p := newProxy(t, pgtest.Shared(t).Port)
	e := pgtest.Open(t, pg.Options{URL: p.through(t, to)})
	other := pgtest.Open(t, pg.Options{URL: to})
	create(t, other, "db")
	p.stall.Store(true)
	done := make(chan error, 1)
	go func() { done <- e.Drop(t.Context(), "db") }()
	select {
	case <-p.stuck:
	case err := <-done:
		t.Fatalf("the answer came: %v", err)
	case <-time.After(30 * time.Second):
		t.Fatal("no commit was sent")
	}
	var again engine.DB
	eventually(t, "it is dropped, and made again", func() (made bool) {
		var err error
		again, err = other.Create(t.Context(), "db")
		return err == nil
	})
	defer again.Close()
	put(t, again, "k", "v")
	p.cut()
	p.stall.Store(false)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if v := get(t, again, "k"); v != "v" {
		t.Errorf("the value is %q", v)
	}
}

// Of what was asked for before the server went away, without an answer, nobody knows whether it took place. What is asked for
// after that has not.
func TestLostAnswerForGood(t *testing.T) {
	to := pgtest.URL(t)
	p := newProxy(t, pgtest.Shared(t).Port)
	e := pgtest.Open(t, pg.Options{URL: p.through(t, to), Patience: 100 * time.Millisecond})
	p.stall.Store(true)
	done := make(chan error, 1)
	go func() { _, err := e.Create(t.Context(), "db"); done <- err }()
	select {
	case <-p.stuck:
	case err := <-done:
		t.Fatalf("the answer came: %v", err)
	case <-time.After(30 * time.Second):
		t.Fatal("no commit was sent")
	}
	p.Close()
	p.cut()
	if err := <-done; !errors.Is(err, engine.ErrUnknown) {
		t.Errorf("the error is %v", err)
	}
	open(t, pgtest.Open(t, pg.Options{URL: to}), "db")
	if _, err := e.Create(t.Context(), "other"); !errors.Is(err, engine.ErrUnavailable) || errors.Is(err, engine.ErrUnknown) {
		t.Errorf("later it is %v", err)
	}
}

// cutOften cuts connections after one pause after the other, until stop. done counts what got through: on a busy machine
// that is nothing between two cuts, and the pauses grow until something does.
func cutOften(stop <-chan struct{}, pause func() time.Duration, done func() int64, cut func()) {
	for times, before := time.Duration(1), int64(0); ; {
		select {
		case <-stop:
			return
		case <-time.After(times * pause()):
			cut()
		}
		if now := done(); now > before {
			times, before = 1, now
		} else {
			times *= 2
		}
	}
}

// Connections that are cut all the time lose and repeat nothing that was acknowledged.
func TestCutConnections(t *testing.T) {
	widetest.Only(t)
	to := pgtest.URL(t)
	p := newProxy(t, pgtest.Shared(t).Port)
	e := pgtest.Open(t, pg.Options{URL: p.through(t, to)})
	db := create(t, e, "db")
	stop := make(chan struct{})
	var cutting, wg sync.WaitGroup
	const writers, each = 4, 25
	var acked, unknown atomic.Int64
	cutting.Go(func() {
		cutOften(stop, func() time.Duration { return 25 * time.Millisecond }, func() int64 { return acked.Load() + unknown.Load() }, p.cut)
	})
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				key := fmt.Appendf(nil, "%d-%d", w, i)
				err := db.Update(t.Context(), func(tx engine.Tx) error {
					n, err := tx.Get(sequence, []byte("n"))
					if err != nil {
						return err
					}
					if err := tx.Put(sequence, []byte("n"), append(append([]byte{}, n...), 'x')); err != nil {
						return err
					}
					return tx.Insert(sequence, key, nil)
				})
				switch {
				case err == nil:
					acked.Add(1)
				case errors.Is(err, engine.ErrUnknown):
					unknown.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	cutting.Wait()
	direct := open(t, pgtest.Open(t, pg.Options{URL: to}), "db")
	entries, counter := 0, len(get(t, direct, "n"))
	err := direct.View(t.Context(), func(r engine.Reader) error {
		return r.Scan(sequence, engine.Range{KeysOnly: true}, func(k, _ []byte) (bool, error) {
			if string(k) != "n" {
				entries++
			}
			return true, nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if entries != counter || int64(entries) < acked.Load() || int64(entries) > acked.Load()+unknown.Load() {
		t.Errorf("%d acknowledged, %d unknown, %d entries, counter %d", acked.Load(), unknown.Load(), entries, counter)
	}
	t.Logf("%d acknowledged, %d unknown, %d there, %d retries", acked.Load(), unknown.Load(), entries, e.Figures().Retries)
}

// What an engine has begun ends with it, also when calls are given up and connections break.
func TestNothingIsLeft(t *testing.T) {
	to := pgtest.URL(t)
	p := newProxy(t, pgtest.Shared(t).Port)
	eventually(t, "tests before this one end", func() bool { return runtime.NumGoroutine() < 50 })
	before := runtime.NumGoroutine()
	e, err := pg.Open(t.Context(), pg.Options{URL: p.through(t, to), Sequence: sequence})
	if err != nil {
		t.Fatal(err)
	}
	db, err := e.Create(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	w := db.Watch()
	for i := range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*time.Millisecond)
		_ = db.View(ctx, func(r engine.Reader) error { _, err := r.Get(sequence, []byte("k")); return err })
		_ = db.Update(ctx, func(tx engine.Tx) error { return tx.Put(sequence, []byte("k"), nil) })
		cancel()
		if i%5 == 0 {
			p.cut()
		}
	}
	f := e.Figures()
	if f.InUse > 0 {
		eventually(t, "connections are given back", func() bool { return e.Figures().InUse == 0 })
	}
	w.Close()
	if err := errors.Join(db.Close(), e.Close()); err != nil {
		t.Error(err)
	}
	p.cut()
	eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= before })
}

// A server that crashes has all that was acknowledged when it is back, and the engine goes on.
func TestServerCrash(t *testing.T) {
	widetest.Only(t)
	server := pgtest.Start(t, pgtest.Options{Durable: true})
	to := server.Schema(t)
	if err := pg.Init(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	e := pgtest.Open(t, pg.Options{URL: to})
	db := create(t, e, "db")
	for round, end := range []func(){func() { server.Kill(t) }, server.Stop} {
		var acked sync.Map
		var wg sync.WaitGroup
		stop := make(chan struct{})
		var n atomic.Int64
		for w := range 4 {
			wg.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					key := fmt.Sprintf("%d-%d-%d", round, w, i)
					err := db.Update(t.Context(), func(tx engine.Tx) error { return tx.Put(sequence, []byte(key), []byte("v")) })
					if err == nil {
						acked.Store(key, true)
						n.Add(1)
					} else if !errors.Is(err, engine.ErrUnknown) {
						t.Error(err)
						return
					}
				}
			})
		}
		eventually(t, "there are writes", func() bool { return n.Load() > 50 })
		end()
		if err := server.Run(); err != nil {
			t.Fatal(err)
		}
		before := n.Load()
		eventually(t, "it goes on", func() bool { return n.Load() > before+50 })
		close(stop)
		wg.Wait()
		acked.Range(func(key, _ any) bool {
			if get(t, db, key.(string)) != "v" {
				t.Errorf("%s was acknowledged and is not there", key)
			}
			return true
		})
	}
}

// The suite holds through a pooler that gives each transaction another connection.
func TestThroughPgBouncer(t *testing.T) {
	widetest.Only(t)
	program, err := exec.LookPath("pgbouncer")
	if err != nil { // perhaps it is where only root looks
		program, err = exec.LookPath("/usr/sbin/pgbouncer")
	}
	if err != nil && os.Getenv("CI") == "" {
		t.Skip("PgBouncer is not installed")
	}
	if err != nil {
		t.Fatal(err)
	}
	server := pgtest.Shared(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	dir := t.TempDir()
	conf := fmt.Sprintf(`[databases]
* = host=127.0.0.1 port=%d user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 5
max_client_conn = 200
ignore_startup_parameters = extra_float_digits
`, server.Port, port)
	path := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(path, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"-q", path}
	if os.Geteuid() == 0 {
		for d := dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
			if err := os.Chmod(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		args = append([]string{"-u", "postgres"}, args...)
	}
	cmd := exec.Command(program, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	eventually(t, "it listens", func() bool {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	for _, mode := range []string{"cache_describe", "exec", "simple_protocol"} {
		t.Run(mode, func(t *testing.T) {
			if mode != "exec" && os.Getenv("TODODB_TEST_SOAK") == "" {
				t.Skip("takes long; make soak-pg runs it")
			}
			enginetest.Run(t, func(t testing.TB) engine.Engine {
				// A pooler knows no search_path of a connection: a database for each engine.
				direct := server.Database(t)
				if err := pg.Init(t.Context(), direct); err != nil {
					t.Fatal(err)
				}
				u, err := url.Parse(direct)
				if err != nil {
					t.Fatal(err)
				}
				u.Host = fmt.Sprintf("127.0.0.1:%d", port)
				return pgtest.Open(t, pg.Options{URL: u.String() + "&default_query_exec_mode=" + mode, ListenURL: direct})
			})
		})
	}
}

// A writer that says nothing must not keep its lock for ever, also behind a pooler, whose connections stay as they
// were for others.
func TestSettingsBehindPooler(t *testing.T) {
	for mode, after := range map[string]string{"cache_statement": "10s", "exec": "0", "simple_protocol": "0"} {
		t.Run(mode, func(t *testing.T) {
			e := pgtest.Open(t, pg.Options{URL: pgtest.URL(t) + "&default_query_exec_mode=" + mode, Sequence: sequence, Writers: 1})
			inside, outside, err := e.LockTimeouts(create(t, e, "db"))
			if err != nil || inside != "10s" || outside != after {
				t.Errorf("in a transaction %q, outside %q, %v", inside, outside, err)
			}
		})
	}
}

// What a read says when the server is gone is an engine's error at once: who reads may not hand it to View.
func TestReadsThatFailSayWhy(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	for name, read := range map[string]func(engine.Reader) error{
		"Get": func(r engine.Reader) error { _, err := r.Get(sequence, []byte("x")); return err },
		"GetMulti": func(r engine.Reader) error {
			return r.GetMulti(sequence, [][]byte{[]byte("x")}, func(int, []byte) error { return nil })
		},
		"Last": func(r engine.Reader) error { _, _, err := r.Last(sequence); return err },
		"Scan": func(r engine.Reader) error {
			return r.Scan(sequence, engine.Range{}, func(_, _ []byte) (bool, error) { return true, nil })
		},
		"Cursor": func(r engine.Reader) error { _, _, err := r.Cursor(sequence, engine.Range{}).Next(); return err },
		"Count":  func(r engine.Reader) error { _, err := r.(engine.Counter).Count(sequence, engine.Range{}); return err },
		"Fetch": func(r engine.Reader) error {
			return r.(engine.Fetcher).Fetch([]engine.SpaceKey{{Space: sequence, Key: []byte("x")}}, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProxy(t, pgtest.Shared(t).Port)
			db := create(t, pgtest.Open(t, pg.Options{URL: p.through(t, pgtest.URL(t)), Patience: 100 * time.Millisecond}), "db")
			var first, inside, written error
			outside := db.View(t.Context(), func(r engine.Reader) error {
				_, first = r.Get(sequence, []byte("x"))
				p.cut()
				inside = read(r)
				return inside
			})
			_ = db.Update(t.Context(), func(tx engine.Tx) error {
				if _, err := tx.Get(sequence, []byte("x")); err != nil {
					return err
				}
				p.cut()
				written = read(tx)
				return written
			})
			if first != nil {
				t.Fatal(first)
			}
			for _, err := range []error{inside, outside, written} {
				if !errors.Is(err, engine.ErrUnavailable) {
					t.Errorf("the error is %T: %v", err, err)
				}
			}
		})
	}
}
