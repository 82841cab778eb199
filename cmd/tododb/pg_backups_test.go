package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/store/widetest"
)

// One process makes the backups. Any of them may be asked for one, and all show the same.
func TestPGBackups(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	c, two := startCluster(t, 2)
	target := filepath.Join(t.TempDir(), "backups")
	two[0].do(201, "PUT", "/db", "")
	two[1].do(201, "PUT", "/db/one", "{}")
	text, err := json.Marshal(target)
	if err != nil {
		t.Fatal(err)
	}
	two[0].do(200, "PUT", "/_node/_local/_config/backup/schedule", `"manual"`)
	two[0].do(200, "PUT", "/_node/_local/_config/backup/target", string(text))
	made := func(p *process) int {
		var s struct{ Last []struct{ ID string } }
		if err := json.Unmarshal([]byte(p.do(200, "GET", "/_backups", "")), &s); err != nil {
			t.Fatal(err)
		}
		return len(s.Last)
	}
	for _, p := range two {
		within(t, soon, func() bool { return strings.Contains(p.do(200, "GET", "/_backups", ""), string(text)) })
	}
	for i, p := range two { // one of the two does not make backups
		p.do(202, "POST", "/_backups", "")
		for _, q := range two {
			within(t, time.Minute, func() bool { return made(q) == i+1 })
		}
	}
	// Whichever of the first two it was, it is gone; what it made is still shown.
	third := c.start()
	two[0].kill()
	two[1].kill()
	within(t, time.Minute, func() bool { return made(third) == 2 })
	third.do(202, "POST", "/_backups", "")
	within(t, time.Minute, func() bool { return made(third) == 3 })
}
