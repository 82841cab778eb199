package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tododb/tododb/store/widetest"
)

// goBack makes a side lose what it wrote since a copy of its file was taken, as when an operator
// stops the server for a moment and puts the copy back.
func (p *pair) goBack(i int, copied string) {
	s := p.servers[i]
	s.stop()
	putFile(p.t, copied, filepath.Join(p.dirs[i], "databases", "db.bolt"))
	p.servers[i] = startServer(p.t, p.dirs[i], s.address(), "--log-level", "error")
}

// Two servers are kept the same, and each in turn is put back to an older copy of its file, which
// was taken at any moment. Changes that were only there are lost. Everything that the other one
// holds comes back, whoever made it and whether or not there is a later change.
func TestPeersArePutBack(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p := newPair(t)
	for round := range 4 {
		side := round % 2
		p.edit(20)
		if round >= 2 {
			p.converge()
			p.recorded()
		}
		copied := filepath.Join(t.TempDir(), "db.bolt")
		inFile(t, p.servers[side], "db")
		atOneMoment(t, p.servers[side], func() { putFile(t, filepath.Join(p.dirs[side], "databases", "db.bolt"), copied) })
		p.edit(40)
		p.converge()
		if round != 1 {
			p.recorded()
		}
		before := p.leaves(1 - side)
		p.goBack(side, copied)
		if round != 3 {
			p.edit(5)
		}
		p.converge()
		now := p.leaves(side)
		for id := range before {
			if now[id] == "" {
				t.Errorf("round %d: %q has not come back", round, id)
			}
		}
		if round == 3 && !maps.Equal(before, now) {
			t.Error("after a round without edits the sides hold something else")
		}
	}
	p.check()
}

// jobs are the replications as the scheduler shows them.
func (p *pair) jobs() (jobs []struct {
	ID   string
	Info struct {
		Checked int64  `json:"revisions_checked"`
		Seen    string `json:"source_seq"`
		Through string `json:"checkpointed_source_seq"`
	}
}) {
	p.t.Helper()
	var list struct{ Jobs json.RawMessage }
	if err := json.Unmarshal([]byte(p.servers[1].do(200, "GET", "/_scheduler/jobs", "")), &list); err != nil {
		p.t.Fatal(err)
	}
	if err := json.Unmarshal(list.Jobs, &jobs); err != nil {
		p.t.Fatal(err)
	}
	return jobs
}

// recorded waits until the checkpoints say that everything has been replicated.
func (p *pair) recorded() {
	p.t.Helper()
	await(p.t, "checkpoints", func() bool {
		jobs := p.jobs()
		for _, j := range jobs {
			if j.Info.Seen == "" || j.Info.Seen != j.Info.Through {
				return false
			}
		}
		return len(jobs) == 2
	})
}

// A peer that is only restarted begins an epoch. Replications with it continue where they were,
// even if they may not keep checkpoints.
func TestPeerIsOnlyRestarted(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	const docs = 300
	near, far := startServer(t, t.TempDir(), ""), (*process)(nil)
	dir := t.TempDir()
	far = startServer(t, dir, "")
	for _, s := range []*process{near, far} {
		for _, db := range []string{"/pull", "/push", "/plain"} {
			s.do(201, "PUT", db, "")
		}
	}
	var bulk []string
	for i := range docs {
		bulk = append(bulk, fmt.Sprintf(`{"_id":"d%d"}`, i))
	}
	all := `{"docs":[` + strings.Join(bulk, ",") + `]}`
	far.do(201, "POST", "/pull/_bulk_docs", all)
	near.do(201, "POST", "/push/_bulk_docs", all)
	near.do(201, "POST", "/plain/_bulk_docs", all)
	away := withUser(far.base)
	for name, more := range map[string]string{
		"pull":  fmt.Sprintf(`"source":"%s/pull","target":"%s/pull"`, away, withUser(near.base)),
		"push":  fmt.Sprintf(`"source":"%s/push","target":"%s/push"`, withUser(near.base), away),
		"plain": fmt.Sprintf(`"source":"%s/plain","target":"%s/plain","use_checkpoints":false`, withUser(near.base), away),
	} {
		near.do(201, "PUT", "/_replicator/"+name, fmt.Sprintf(`{%s,"continuous":true,"checkpoint_interval":200,"connection_timeout":5000}`, more))
	}
	p := &pair{t: t, servers: [2]*process{far, near}}
	counts := func() (n int64) {
		for _, j := range p.jobs() {
			n += j.Info.Checked
		}
		return n
	}
	await(t, "the first copy", func() bool { return counts() >= 3*docs })
	reads := func() (n int) {
		text := far.do(200, "GET", "/_node/_local/_stats/couchdb/httpd_request_methods/GET", "")
		var stat struct{ Value int }
		if err := json.Unmarshal([]byte(text), &stat); err != nil {
			t.Fatal(err)
		}
		return stat.Value
	}
	// A job looks at its peers even if it has nothing to record. Then it is sure of what they have.
	asked, looked := 0, reads()
	await(t, "a look at the peers by each job", func() bool { asked++; return reads()-looked-asked > 20 })
	for round := range 2 {
		address := far.address()
		far.kill()
		far = startServer(t, dir, address)
		far.do(201, "PUT", fmt.Sprintf("/pull/new%d", round), "{}")
		near.do(201, "PUT", fmt.Sprintf("/push/new%d", round), "{}")
		near.do(201, "PUT", fmt.Sprintf("/plain/new%d", round), "{}")
		for db, s := range map[string]*process{"pull": near, "push": far, "plain": far} {
			await(t, "what is new", func() bool { return status(t, s, fmt.Sprintf("/%s/new%d", db, round)) == 200 })
		}
	}
	if n := counts(); n > 3*docs+30 {
		t.Errorf("%d revisions were compared, there are %d: something was read again", n, 3*docs+6)
	}
}
