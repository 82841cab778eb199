package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// confinement has the limits of a server that is attacked.
type confinement struct {
	Memory  int64  // bytes, of the process and all that it starts; 0 for any
	Files   uint64 // descriptors; 0 for any
	Largest uint64 // bytes of its largest file, in place of a full disk; 0 for any

	Procs string // of its control group; set by startConfined
}

// startConfined starts the real program within limits: in a control group of its own if one can
// be made, else with a limit on the process's data.
func startConfined(t *testing.T, c confinement, dir, listen string, more ...string) *process {
	t.Helper()
	if c.Memory > 0 {
		c.Procs = controlGroup(t, c.Memory)
		if c.Procs == "" {
			t.Log("no control group can be made here: the limit of memory is one of the process's data")
		}
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return startServerWith(t, []string{confineEnv + "=" + string(text)}, dir, listen, more...)
}

const confineEnv = "TODODB_TEST_CONFINE"

// serveConfined is this test's program once more: it puts itself within limits and becomes the
// program that is tested.
func serveConfined(text string) {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, "confine:", err)
			os.Exit(1)
		}
	}
	var c confinement
	fail(json.Unmarshal([]byte(text), &c))
	os.Unsetenv(confineEnv)
	path := os.Args[1]
	if c.Procs != "" {
		fail(os.WriteFile(c.Procs, []byte(strconv.Itoa(os.Getpid())), 0o644))
	}
	fail(c.limit())
	fail(syscall.Exec(path, os.Args[1:], os.Environ()))
}

// controlGroup makes a group with a limit of memory and returns the file that takes the
// processes in it, or "" if none can be made.
func controlGroup(t *testing.T, memory int64) (procs string) {
	t.Helper()
	for _, kind := range []struct{ root, file string }{
		{"/sys/fs/cgroup", "memory.max"}, // version 2
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
	} {
		dir := filepath.Join(kind.root, fmt.Sprintf("tododb-test-%d-%d", os.Getpid(), time.Now().UnixNano()))
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, kind.file)); err != nil || os.WriteFile(filepath.Join(dir, kind.file), fmt.Append(nil, memory), 0o644) != nil {
			os.Remove(dir)
			continue
		}
		os.WriteFile(filepath.Join(dir, "memory.swap.max"), []byte("0"), 0o644) // where there is any
		t.Cleanup(func() {
			for range 100 { // the last process leaves a moment after Wait returns
				if os.Remove(dir) == nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		})
		return filepath.Join(dir, "cgroup.procs")
	}
	return ""
}

// watch looks at the memory of a process and its children.
type watch struct {
	stop  func()
	mu    sync.Mutex
	name  string
	peaks map[string]int64 // private bytes, by attack
}

func newWatch(t *testing.T, pid int) *watch {
	w := &watch{peaks: map[string]int64{}}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		var pids []int
		tick := time.NewTicker(time.Duration(many(25, 60)) * time.Millisecond)
		for i := 0; ; i++ {
			select {
			case <-done:
				tick.Stop()
				return
			case <-tick.C:
			}
			if i%many(1, 4) == 0 { // to find them is most of the work
				pids = family(pid)
			}
			n := private(pids)
			w.mu.Lock()
			w.peaks[w.name] = max(w.peaks[w.name], n)
			w.mu.Unlock()
		}
	}()
	w.stop = sync.OnceFunc(func() { close(done); <-ended })
	t.Cleanup(w.stop)
	return w
}

func (w *watch) during(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.name = name
}

func (w *watch) peak(name string) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.peaks[name]
}

// private counts the bytes that only these processes have.
func private(pids []int) (n int64) {
	for _, pid := range pids {
		text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "statm"))
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(text))
		resident, _ := strconv.ParseInt(fields[1], 10, 64)
		shared, _ := strconv.ParseInt(fields[2], 10, 64)
		n += (resident - shared) * int64(os.Getpagesize())
	}
	return n
}

// family is a process and its children.
func family(pid int) []int {
	pids := []int{pid}
	tasks := filepath.Join("/proc", strconv.Itoa(pid), "task")
	threads, err := os.Open(tasks)
	if err != nil {
		return pids
	}
	defer threads.Close()
	names, _ := threads.Readdirnames(-1)
	for _, thread := range names {
		children, _ := os.ReadFile(filepath.Join(tasks, thread, "children"))
		for child := range strings.FieldsSeq(string(children)) {
			if id, err := strconv.Atoi(child); err == nil {
				pids = append(pids, family(id)...)
			}
		}
	}
	return pids
}

// cpuTime is the processor time that a process has used so far.
func cpuTime(pid int) time.Duration {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the name may have blanks
	fields := strings.Fields(rest)
	var ticks int64
	for _, i := range []int{11, 12} { // utime and stime, in hundredths of a second
		n, _ := strconv.ParseInt(fields[i], 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
