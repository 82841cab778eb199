package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/tododb/tododb/store/widetest"
)

// TestJournalSetting switches the journal on and off, with a kill and a check each time.
func TestJournalSetting(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	dir := t.TempDir()
	server := startServer(t, dir, "", "--config", withJournal(t, false))
	server.stop()
	for turn, journaled := range []bool{false, true, true, false, true, false} {
		server = startServer(t, dir, server.address(), "--config", withJournal(t, journaled))
		if _, err := os.Stat(filepath.Join(dir, "journal")); (err == nil) != journaled {
			t.Errorf("turn %d: a journal is wanted: %v, and looking for its folder says %v", turn, journaled, err)
		}
		server.do(201, "PUT", fmt.Sprintf("/db%d", turn), "")
		for db := range turn + 1 {
			for doc := db; doc < turn; doc++ {
				server.do(200, "GET", fmt.Sprintf("/db%d/%d", db, doc), "")
			}
			server.do(201, "PUT", fmt.Sprintf("/db%d/%d", db, turn), "{}")
		}
		if files, err := fs.Glob(os.DirFS(filepath.Join(dir, "databases")), "db*.bolt"); err != nil || !journaled && len(files) != turn+1 {
			t.Errorf("turn %d: without a journal there are the files %v, %v", turn, files, err)
		}
		server.kill()
		if out, code := tododb(t, "check", "--data", dir); code != 0 {
			t.Errorf("turn %d: check: exit %d\n%s", turn, code, out)
		}
	}
}
