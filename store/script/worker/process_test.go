//go:build unix

package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tododb/tododb/store/script"
	"github.com/tododb/tododb/store/widetest"
)

func (p *Pool) processes() []*process {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []*process
	for w := range p.all {
		all = append(all, w)
	}
	return all
}

// inCall tells since when a worker has been in a call of a function.
func (w *process) inCall() (time.Time, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.began, !w.began.IsZero() && w.code != nil
}

// whileKilled makes a call whose worker is killed, and tells how it ends. A call that is over before that is made again:
// on a busy machine the killer may come too late.
func whileKilled(t testing.TB, p *Pool, call func() error) error {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		over, killed := make(chan struct{}), make(chan bool)
		go func() { killed <- killBusy(p, over) }()
		err := call()
		close(over)
		if <-killed {
			return err
		}
	}
	t.Fatal("no worker was in a call")
	return nil
}

// killBusy kills, as somebody else might, a worker that is in a call, once there is one, and tells whether there was one until
// all is over. It is stopped first, so that what is killed is sure not to have answered.
func killBusy(p *Pool, over <-chan struct{}) bool {
	for ; ; time.Sleep(time.Millisecond) {
		select {
		case <-over:
			return false
		default:
		}
		for _, w := range p.processes() {
			began, busy := w.inCall()
			if !busy || time.Since(began) < 10*time.Millisecond {
				continue
			}
			w.cmd.Process.Signal(syscall.SIGSTOP)
			for range 5 { // for an answer that is under way: this process may have stood still for one of them
				time.Sleep(4 * time.Millisecond)
			}
			if still, busy := w.inCall(); busy && still.Equal(began) {
				w.cmd.Process.Kill()
				<-w.exited
				return true
			}
			w.cmd.Process.Signal(syscall.SIGCONT)
		}
	}
}

const slowly = `var end=Date.now()+200;while(Date.now()<end);`

// A worker that somebody kills has its call done again, and nobody notices.
func TestKilledWorkersAreReplaced(t *testing.T) {
	p := testPool(t, Options{})
	v := p.Views("db", []script.ViewFunctions{{Name: "v", Map: "function(doc){if(doc.slow){" + slowly + "};emit(doc._id,1)}"}}, nil)
	var docs [][]byte
	for i := range 1000 {
		docs = append(docs, fmt.Appendf(nil, `{"_id":"%03d","slow":%v}`, i, i%250 == 249))
	}
	var got []string
	err := whileKilled(t, p, func() error {
		got = nil
		return v.Map(t.Context(), docs, func(doc, _ int, _, key, _ []byte) error {
			got = append(got, fmt.Sprint(doc, string(key)))
			return nil
		})
	})
	if err != nil || len(got) != len(docs) {
		t.Fatalf("a build: %d rows and %v", len(got), err)
	}
	for i := range got {
		if want := fmt.Sprintf(`%d"%03d"`, i, i); got[i] != want {
			t.Fatalf("row %d is %s", i, got[i])
		}
	}

	d := functionsOf(p, `{"validate_doc_update":"function(n){`+slowly+`if(n.bad)throw({forbidden:'bad'})}",
		"filters":{"f":"function(d){`+slowly+`return d.yes}"},
		"lists":{"l":"function(){send('a');while(getRow()){`+slowly+`}return 'z'}"}}`)
	validate := func(doc string) error {
		return whileKilled(t, p, func() error { return d.Validate(t.Context(), []byte(doc), nil, nil, nil) })
	}
	if err := validate(`{}`); err != nil {
		t.Errorf("a validation: %v", err)
	}
	err = validate(`{"bad":1}`)
	if e, ok := errors.AsType[*script.Error](err); !ok || e.Kind != script.Forbidden {
		t.Errorf("a validation that refuses: %v", err)
	}

	f, err := d.Filter(t.Context(), "f", []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	_ = whileKilled(t, p, func() error {
		for i := range 3 {
			if pass, err := f.Match(t.Context(), fmt.Appendf(nil, `{"yes":%v}`, i%2 == 0)); err != nil || pass != (i%2 == 0) {
				t.Errorf("a filter: %v, %v", pass, err)
			}
		}
		return nil
	})
	f.Release()

	// What a list has sent cannot be taken back: it fails.
	var out *sink
	err = whileKilled(t, p, func() error {
		out = &sink{}
		rows := 0
		row := func() ([]byte, error) {
			if rows++; rows > 400 { // it has been killed long before
				return nil, nil
			}
			return []byte("{}"), nil
		}
		return d.List(t.Context(), script.ListCall{Name: "l", Head: []byte("{}"), Req: []byte("{}")}, row, out)
	})
	if e, ok := errors.AsType[*script.Error](err); !ok || e.Word != "os_process_error" || strings.HasSuffix(out.String(), "z") {
		t.Errorf("a list: %q and %v", out, err)
	}
	if n := p.Figures().Died; n != 5 {
		t.Errorf("%d workers are said to have died", n)
	}
}

type sink struct{ strings.Builder }

func (s *sink) Begin(script.Response) error { return nil }
func (s *sink) Chunk(b []byte) error        { _, err := s.Write(b); return err }

// A function that ends its process each time it runs is not run for ever.
func TestACallIsNotMadeForEver(t *testing.T) {
	p := testPool(t, Options{})
	ctx, stop := context.WithCancel(t.Context())
	var beside sync.WaitGroup
	beside.Go(func() {
		for ctx.Err() == nil {
			for _, w := range p.processes() {
				if _, busy := w.inCall(); busy {
					w.cmd.Process.Kill()
				}
			}
		}
	})
	d := functionsOf(p, `{"shows":{"s":"function(){var end=Date.now()+60000;while(Date.now()<end);return 'x'}"}}`) // it does not end before it is killed
	_, err := d.Show(t.Context(), "s", nil, []byte("{}"))
	if e, ok := errors.AsType[*script.Error](err); !ok || e.Kind != script.Stopped {
		t.Errorf("it ends with %v", err)
	}
	stop()
	beside.Wait()
}

// On a machine that is busy the time of a call is that which it had a processor for: one
// that has had none does not fail.
func TestABusyMachineFailsNoCall(t *testing.T) {
	widetest.Only(t)
	p := testPool(t, Options{Timeout: time.Second})
	d := functionsOf(p, `{"shows":{"s":"function(d,req){var end=Date.now()+req.ms;while(Date.now()<end);return 'x'}"}}`)
	show := func(ms int) error {
		_, err := d.Show(t.Context(), "s", nil, fmt.Appendf(nil, `{"ms":%d}`, ms))
		return err
	}
	if err := show(0); err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	w := p.idle[0]
	p.mu.Unlock()
	if _, known := w.meter.cpu(); !known {
		t.Skip("this system does not tell what its processes have computed")
	}
	var beside sync.WaitGroup
	beside.Go(func() {
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if began, busy := w.inCall(); busy && time.Since(began) > 50*time.Millisecond {
				w.cmd.Process.Signal(syscall.SIGSTOP) // so has another one the processor
				time.Sleep(1500 * time.Millisecond)
				w.cmd.Process.Signal(syscall.SIGCONT)
				return
			}
		}
	})
	if err := show(100); err != nil {
		t.Errorf("a call that waited for its processor: %v", err)
	}
	beside.Wait()
	if err := show(60_000); err == nil {
		t.Error("a call that did not is not stopped")
	}
}

// lateWord is a context that says that it is at its end when it is asked during a call, but only once that call is over and
// the next one under way: as who asks does not get on on a busy machine.
type lateWord struct {
	context.Context
	p     *Pool
	asked chan struct{} // closed when it is asked
	say   chan struct{} // closed when it may answer
	once  sync.Once
}

func (c *lateWord) Err() error {
	for _, w := range c.p.processes() {
		if _, busy := w.inCall(); busy {
			c.once.Do(func() {
				close(c.asked)
				<-c.say
			})
			return context.Canceled
		}
	}
	return nil
}

// A call is not ended for what was found out about the call before it.
func TestTheCallBeforeEndsNoOther(t *testing.T) {
	p := testPool(t, Options{})
	v := p.Views("db", []script.ViewFunctions{{Name: "v", Map: "function(doc){" + slowly + "emit(doc._id,1)}"}}, nil)
	docs := [][]byte{[]byte(`{"_id":"a"}`)}
	none := func(int, int, []byte, []byte, []byte) error { return nil }
	if err := v.Map(t.Context(), docs, none); err != nil { // a worker has the code
		t.Fatal(err)
	}
	ctx := &lateWord{Context: t.Context(), p: p, asked: make(chan struct{}), say: make(chan struct{})}
	for asked := false; !asked; {
		if err := v.Map(ctx, docs, none); err != nil {
			t.Fatal(err)
		}
		select {
		case <-ctx.asked:
			asked = true
		default: // nobody had the time
		}
	}
	done := make(chan error, 1)
	next := func() { done <- v.Map(t.Context(), docs, none) }
	go next()
	for busy := false; !busy; time.Sleep(time.Millisecond) {
		for _, w := range p.processes() {
			_, in := w.inCall()
			busy = busy || in
		}
		select {
		case err := <-done: // it was not seen in time, perhaps: another one
			if err != nil {
				t.Fatal(err)
			}
			busy = false
			go next()
		default:
		}
	}
	close(ctx.say)
	if err := <-done; err != nil {
		t.Errorf("the next call: %v", err)
	}
}

// endedWord is a context that says that it is at its end once the next call of the worker has begun, at the same time by the clock.
type endedWord struct {
	context.Context
	w *process
}

func (c *endedWord) Err() error {
	began := c.w.began
	c.w.end()
	c.w.begin(context.Background())
	c.w.began = began
	return context.Canceled
}

// The same by a clock that stands still between the two.
func TestTheCallBeforeEndsNoOtherOfItsTime(t *testing.T) {
	p := &Pool{}
	p.watch = newWatch(p)
	w := &process{pool: p, cmd: &exec.Cmd{Process: &os.Process{}}}
	w.begin(&endedWord{t.Context(), w})
	p.watch.judge(w)
	if why := cause(w.cause.Load()); why != unasked {
		t.Errorf("the next call is ended for cause %d", why)
	}
}

// gone waits until a process is no more.
func gone(t testing.TB, all []*process) {
	t.Helper()
	for _, w := range all {
		select {
		case <-w.exited:
		case <-time.After(time.Minute):
			t.Fatalf("worker %d is there", w.cmd.Process.Pid)
		}
	}
}

func TestIdleWorkersEnd(t *testing.T) {
	p := testPool(t, Options{Idle: 100 * time.Millisecond})
	d := functionsOf(p, `{"shows":{"s":"function(){return 'x'}"}}`)
	if _, err := d.Show(t.Context(), "s", nil, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	all := p.processes()
	if len(all) == 0 {
		t.Fatal("the worker was not kept")
	}
	gone(t, all)
	if _, err := d.Show(t.Context(), "s", nil, []byte("{}")); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// Close ends what is running, and leaves nothing behind.
func TestCloseUnderLoad(t *testing.T) {
	p := testPool(t, Options{Timeout: time.Minute})
	var beside sync.WaitGroup
	ends := make(chan error, 20)
	for i := range cap(ends) {
		d := p.Functions(fmt.Sprint("db", i), []byte(`{"shows":{"s":"function(){for(;;);}"}}`))
		beside.Go(func() {
			_, err := d.Show(t.Context(), "s", nil, []byte("{}"))
			ends <- err
		})
	}
	for end := time.Now().Add(time.Minute); p.Figures().Busy < 2 && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	all := p.processes()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	gone(t, all)
	beside.Wait()
	for range cap(ends) {
		if err := <-ends; !errors.Is(err, script.ErrClosed) {
			t.Errorf("a call ends with %v", err)
		}
	}
	if _, err := functionsOf(p, `{}`).Show(t.Context(), "s", nil, nil); !errors.Is(err, script.ErrClosed) {
		t.Errorf("a call after Close: %v", err)
	}
	if n := len(p.processes()); n > 0 {
		t.Errorf("%d workers are left", n)
	}
}

// There is nothing that a worker could reach.
func TestWorkersHaveNothing(t *testing.T) {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip("this system does not tell what its processes have")
	}
	secret, err := os.Create(filepath.Join(t.TempDir(), "secret"))
	if err != nil {
		t.Fatal(err)
	}
	defer secret.Close()
	t.Setenv("TODODB_TEST_SECRET", "in the environment")
	p := testPool(t, Options{})
	if _, err := functionsOf(p, `{"shows":{"s":"function(){return 'x'}"}}`).Show(t.Context(), "s", nil, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	ready := slices.Clone(p.idle)
	p.mu.Unlock()
	if len(ready) != 1 {
		t.Fatalf("%d workers are kept", len(ready))
	}
	for _, w := range ready {
		dir := fmt.Sprintf("/proc/%d/", w.cmd.Process.Pid)
		if env, err := os.ReadFile(dir + "environ"); err != nil || len(env) > 0 {
			t.Errorf("the environment is %q, %v", env, err)
		}
		files, err := os.ReadDir(dir + "fd")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			to, err := os.Readlink(dir + "fd/" + f.Name())
			// Go's runtime itself has files of the control group, and what it waits by.
			if err == nil && !strings.HasPrefix(to, "pipe:") && !strings.HasPrefix(to, "anon_inode:") && !strings.HasPrefix(to, "/sys/fs/cgroup/") {
				t.Errorf("file %s is %s", f.Name(), to)
			}
			if n := len(f.Name()); strings.HasPrefix(to, "pipe:") && (n != 1 || f.Name() > "2") {
				t.Errorf("pipe %s is not the server's", f.Name())
			}
		}
		if cwd, err := os.Readlink(dir + "cwd"); err != nil || cwd != p.dir {
			t.Errorf("it stands in %s, %v", cwd, err)
		}
		threads, err := filepath.Glob(dir + "task/*/status")
		if err != nil || len(threads) == 0 {
			t.Errorf("no threads are told: %v", err)
		}
		for _, thread := range threads {
			status, err := os.ReadFile(thread)
			if errors.Is(err, os.ErrNotExist) {
				continue // it ended meanwhile
			}
			if err != nil || !strings.Contains(string(status), "NoNewPrivs:\t1") {
				t.Errorf("a thread may get new privileges: %v", err)
			}
		}
	}
	if inside, err := os.ReadDir(p.dir); err != nil || len(inside) > 0 {
		t.Errorf("its folder has %v, %v", inside, err)
	}
}
