package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestFiguresBackup prints how long backups and restores take, beside copying the same databases as
// files and beside writing the same documents. It runs where TODODB_TEST_FIGURES is set.
// TODODB_TEST_BACKUP_DOCS documents and TODODB_TEST_BACKUP_MB of attachments are backed up.
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
	target := filepath.Join(t.TempDir(), "backups")
	run := func(args ...string) time.Duration {
		t.Helper()
		began := time.Now()
		if out, code := tododb(t, append(args, "--url", withLogin(f.server))...); code != 0 {
			t.Fatalf("tododb %q: exit %d\n%s", args, code, out)
		}
		return time.Since(began)
	}
	show := func(what string, took time.Duration, beside string, other time.Duration, want float64) {
		fmt.Printf("%-38s %10v  %-24s %10v  ratio %.2f, wanted %.2f\n", what, took.Round(time.Millisecond), beside, other.Round(time.Millisecond), other.Seconds()/took.Seconds(), want)
	}
	show(fmt.Sprintf("backup of %d documents", docs), run("backup", target, "--db", "many"), "copying its file, synced", copied(t, dir, "many"), 0.5)
	show(fmt.Sprintf("backup of %d MiB of attachments", megabytes), run("backup", target, "--db", "large"), "copying its file, synced", copied(t, dir, "large"), 0.5)
	run("backup", target)
	nothing := run("backup", target)
	fmt.Printf("%-38s %10v, wanted 100ms\n", "backup with nothing new", nothing.Round(time.Millisecond))
	show("restore of the documents", run("restore", target, "--db", "many", "--as", "again"), "bulk insert", insert, 0.5)
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

// copied copies the file of a database, and tells how long that took with the disk.
func copied(t *testing.T, dir, name string) time.Duration {
	t.Helper()
	began := time.Now()
	from, err := os.Open(filepath.Join(dir, "databases", name+".bolt"))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := os.Create(filepath.Join(t.TempDir(), name))
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	if _, err := io.Copy(to, struct{ io.Reader }{from}); err != nil {
		t.Fatal(err)
	}
	if err := to.Sync(); err != nil {
		t.Fatal(err)
	}
	return time.Since(began)
}
