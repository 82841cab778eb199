package bolt_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A file system whose disk is a file: a copy of that file is what a power cut leaves.
type cutDisk struct {
	t     *testing.T
	image string
	at    string
	loop  string
}

func (d *cutDisk) run(name string, args ...string) string {
	d.t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		d.t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (d *cutDisk) mount() {
	d.t.Helper()
	if err := os.MkdirAll(d.at, 0o700); err != nil {
		d.t.Fatal(err)
	}
	d.loop = d.run("losetup", "--find", "--show", d.image)
	// What is not synced stays off the disk as long as possible.
	if err := syscall.Mount(d.loop, d.at, "ext4", 0, "commit=300"); err != nil {
		exec.Command("losetup", "--detach", d.loop).Run()
		d.t.Fatal(err)
	}
}

func (d *cutDisk) unmount() {
	if d.loop == "" {
		return
	}
	if err := syscall.Unmount(d.at, 0); err != nil {
		d.t.Error(err)
	}
	d.run("losetup", "--detach", d.loop)
	d.loop = ""
}

// The power of the disk is cut again and again while many databases are written, flushed, dropped and made anew.
// What was synced is all that is left, and it is what was acknowledged, or one operation more.
func TestDiskCut(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes some time")
	}
	rounds, cuts := 3, 12
	base := t.TempDir()
	if err := syscall.Mount("tmpfs", base, "tmpfs", 0, "size=600m"); err != nil {
		t.Skip("file systems cannot be mounted:", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(base, 0); err != nil {
			t.Error(err)
		}
	})
	for _, tool := range []string{"losetup", "mkfs.ext4"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	d := &cutDisk{t: t, image: filepath.Join(base, "disk"), at: filepath.Join(base, "mounted")}
	if err := os.WriteFile(d.image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(d.image, 96<<20); err != nil {
		t.Fatal(err)
	}
	d.run("mkfs.ext4", "-q", "-b", "4096", "-J", "size=4", d.image)
	d.mount()
	defer d.unmount()
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	for round := range rounds {
		c := startRestless(t, filepath.Join(d.at, "data"), filepath.Join(base, fmt.Sprint("acks", round)))
		reached := map[string]int{}
		for cut := range cuts {
			c.await(t, len(ackLines(t, c.acks))+20+random.IntN(400))
			halt(t, c.Process.Pid)
			c.reached(t, reached)
			next := &cutDisk{t: t, image: filepath.Join(base, "cut"), at: filepath.Join(base, "after")}
			d.run("cp", d.image, next.image)
			if err := c.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			next.mount()
			if cut%3 == 2 { // it is cut again while it recovers, or soon after
				then := maps.Clone(reached) // the writers above go on from elsewhere
				next = cutAgain(t, next, base, random.IntN(40), then)
				afterCrash(t, filepath.Join(next.at, "data"), fmt.Sprintf("round %d, cut %d and cut again", round, cut), then)
			} else {
				afterCrash(t, filepath.Join(next.at, "data"), fmt.Sprintf("round %d, cut %d", round, cut), reached)
			}
			next.unmount()
			if t.Failed() {
				break
			}
		}
		c.kill(t)
		if t.Failed() {
			return
		}
	}
}

// cutAgain has writers go on with what a cut has left, and cuts the power of their disk soon.
func cutAgain(t *testing.T, d *cutDisk, base string, after int, reached map[string]int) *cutDisk {
	t.Helper()
	defer d.unmount()
	c := startRestless(t, filepath.Join(d.at, "data"), filepath.Join(base, "again"))
	time.Sleep(time.Duration(after) * time.Millisecond)
	halt(t, c.Process.Pid)
	c.reached(t, reached)
	next := &cutDisk{t: t, image: filepath.Join(base, "cut again"), at: filepath.Join(base, "after again")}
	d.run("cp", d.image, next.image)
	c.kill(t)
	if err := os.Remove(c.acks); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	next.mount()
	return next
}

// halt stops a process, with all that its threads are doing at the moment.
func halt(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		running := 0
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		if err != nil || len(tasks) == 0 {
			t.Fatalf("the writers are gone: %v", err)
		}
		for _, task := range tasks {
			b, err := os.ReadFile(task)
			if i := bytes.LastIndexByte(b, ')'); err == nil && i > 0 && b[i+2] != 'T' {
				running++
			}
		}
		if running == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d threads do not stop", running)
		}
	}
}
