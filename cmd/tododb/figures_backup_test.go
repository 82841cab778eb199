package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestFiguresBackup prints how long backups and restores take, beside reading and writing the same as
// raw files and beside writing the same documents. It runs where TODODB_TEST_FIGURES is set.
// TODODB_TEST_BACKUP_DOCS documents and TODODB_TEST_BACKUP_MB of attachments are backed up.
//
// The same is the stream of the database, in a file: it is read and written to another file, with one sync
// at the end. Beside it stands a copy of the database's own file, which has more bytes.
// Copies and backups take turns, so that both find the files in the system's cache and the machine as it
// is, and the medians are compared. A backup includes the start of the command and all that it syncs,
// and it compresses and sums up what it stores.
func TestFiguresBackup(t *testing.T) {
	if os.Getenv("TODODB_TEST_FIGURES") == "" {
		t.Skip("TODODB_TEST_FIGURES is not set")
	}
	docs, megabytes := fromTestEnv(t, "TODODB_TEST_BACKUP_DOCS", 100_000), fromTestEnv(t, "TODODB_TEST_BACKUP_MB", 200)
	dir := t.TempDir()
	f := figures{t: t, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}}}
	f.server = startServer(t, dir, "", "--log-level", "warning")
	f.server.do(201, "PUT", "/many", "")
	f.server.do(201, "PUT", "/large", "")
	began := time.Now()
	for at := 0; at < docs; at += 1000 {
		var b strings.Builder
		for i := at; i < at+1000; i++ {
			fmt.Fprintf(&b, `,{"_id":"doc%08d",%s`, i, figureDoc(i))
		}
		f.server.do(201, "POST", "/many/_bulk_docs", `{"docs":[`+b.String()[1:]+`]}`)
	}
	insert := time.Since(began)
	content := make([]byte, 1<<20)
	random := rand.NewChaCha8([32]byte{})
	for i := range megabytes {
		random.Read(content)
		f.server.do(201, "PUT", fmt.Sprintf("/large/%d/a", i), string(content))
	}
	target := t.TempDir()
	show := func(what string, took time.Duration, beside string, other time.Duration, want float64) {
		fmt.Printf("%-38s %10v  %-24s %10v  ratio %.2f, wanted %.2f\n", what, took.Round(time.Millisecond), beside, other.Round(time.Millisecond), other.Seconds()/took.Seconds(), want)
	}
	run := func(args ...string) time.Duration {
		t.Helper()
		path, err := binary()
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		cmd := exec.Command(path, append(args, "--url", withLogin(f.server))...)
		cmd.Stdout, cmd.Stderr = &out, &out
		began := time.Now()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		command, server := peakMemory(cmd.Process.Pid), peakMemory(f.server.cmd.Process.Pid)
		err = cmd.Wait()
		took := time.Since(began)
		if peak := command(); err != nil {
			t.Fatalf("tododb %q: %v\n%s", args, err, out.Bytes())
		} else {
			fmt.Printf("%-38s %10v  memory of the command at most %d MiB, of the server %d MiB\n", strings.Join(args[:1], " "), took.Round(time.Millisecond), peak>>20, server()>>20)
		}
		return took
	}
	// inTurns makes backups and copies of a database in turns.
	inTurns := func(what, name string) {
		var backups, raws, copies []time.Duration
		raw := f.rawStream(name)
		defer os.Remove(raw)
		for i := range 3 {
			raws = append(raws, copied(t, raw))
			copies = append(copies, copied(t, filepath.Join(dir, "databases", name+".bolt")))
			to := filepath.Join(target, fmt.Sprint(i))
			backups = append(backups, run("backup", to, "--db", name))
			if i > 0 {
				os.RemoveAll(to)
			}
		}
		slices.Sort(backups)
		slices.Sort(raws)
		slices.Sort(copies)
		show("backup of "+what, backups[1], "the same from raw to raw", raws[1], 0.5)
		show("", backups[1], "copying its file", copies[1], 0.5)
	}
	inTurns(fmt.Sprintf("%d documents", docs), "many")
	inTurns(fmt.Sprintf("%d MiB of attachments", megabytes), "large")
	target = filepath.Join(target, "0")
	run("backup", target)
	nothing := run("backup", target)
	fmt.Printf("%-38s %10v, wanted 100ms\n", "backup with nothing new", nothing.Round(time.Millisecond))
	show("restore of the documents", run("restore", target, "--db", "many", "--as", "again"), "bulk insert", insert, 0.5)
}

// peakMemory watches how much memory of its own a process has, until peak is called; 0 where the
// system does not tell.
func peakMemory(pid int) (peak func() int64) {
	stop, most := make(chan struct{}), make(chan int64)
	go func() {
		var n int64
		for tick := time.NewTicker(10 * time.Millisecond); ; {
			select {
			case <-stop:
				tick.Stop()
				most <- n
				return
			case <-tick.C:
			}
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			if _, rest, found := strings.Cut(string(status), "RssAnon:"); found {
				var kib int64
				fmt.Sscan(rest, &kib)
				n = max(n, kib<<10)
			}
		}
	}()
	return func() int64 { close(stop); return <-most }
}

func fromTestEnv(t *testing.T, name string, usual int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// rawStream puts the stream of a database into a file.
func (f *figures) rawStream(name string) (path string) {
	f.t.Helper()
	r, err := http.NewRequest("GET", withLogin(f.server)+"/"+name+"/_backup", nil)
	if err != nil {
		f.t.Fatal(err)
	}
	a, err := f.client.Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	defer a.Body.Close()
	to, err := os.Create(filepath.Join(f.t.TempDir(), name))
	if err != nil {
		f.t.Fatal(err)
	}
	defer to.Close()
	if _, err := io.Copy(to, a.Body); err != nil || a.StatusCode != 200 {
		f.t.Fatal(a.Status, err)
	}
	return to.Name()
}

// copied copies a file, and tells how long that took with the disk.
func copied(t *testing.T, path string) time.Duration {
	t.Helper()
	began := time.Now()
	from, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := os.Create(filepath.Join(t.TempDir(), filepath.Base(path)))
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(to.Name())
	defer to.Close()
	if _, err := io.Copy(to, struct{ io.Reader }{from}); err != nil {
		t.Fatal(err)
	}
	if err := to.Sync(); err != nil {
		t.Fatal(err)
	}
	return time.Since(began)
}
