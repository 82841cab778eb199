package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"testing"
)

// couchSession replicates from one server to another in the way of CouchDB's replicator: it goes on from
// the newest session that the checkpoints of both sides know, asks _revs_diff, fetches open_revs one
// document after the other, writes them as they are, and leaves a checkpoint on both sides.
func couchSession(t *testing.T, id string, source, target *process) {
	t.Helper()
	type checkpoint struct {
		Rev     string           `json:"_rev,omitempty"`
		Session string           `json:"session_id"`
		Last    string           `json:"source_last_seq"`
		History []map[string]any `json:"history"`
	}
	var marks [2]checkpoint
	sides := []*process{source, target}
	for i, p := range sides {
		if status, text := p.try("GET", "/notes/_local/"+id, ""); status == 200 {
			if err := json.Unmarshal([]byte(text), &marks[i]); err != nil {
				t.Fatal(err)
			}
		}
	}
	since := "0"
	if marks[0].Session != "" && marks[0].Session == marks[1].Session {
		since = marks[0].Last
	}
	var feed struct {
		Last    string `json:"last_seq"`
		Results []struct {
			ID      string
			Changes []struct{ Rev string }
		}
	}
	read := func(p *process, status int, method, path, body string, into any) {
		t.Helper()
		if err := json.Unmarshal([]byte(p.do(status, method, "/notes"+path, body)), into); err != nil {
			t.Fatal(err)
		}
	}
	read(source, 200, "GET", "/_changes?style=all_docs&feed=normal&since="+url.QueryEscape(since), "", &feed)
	ask := map[string][]string{}
	for _, row := range feed.Results {
		for _, c := range row.Changes {
			ask[row.ID] = append(ask[row.ID], c.Rev)
		}
	}
	body, _ := json.Marshal(ask)
	var missing map[string]struct{ Missing []string }
	read(target, 200, "POST", "/_revs_diff", string(body), &missing)
	docs := []json.RawMessage{}
	for doc, m := range missing {
		revs, _ := json.Marshal(m.Missing)
		status, text := source.try("GET", "/notes/"+url.PathEscape(doc)+"?revs=true&latest=true&open_revs="+url.QueryEscape(string(revs)), "", "Accept", "application/json")
		var leaves []struct{ OK json.RawMessage }
		if err := json.Unmarshal([]byte(text), &leaves); status != 200 || err != nil {
			t.Fatalf("%d %s", status, text)
		}
		for _, l := range leaves {
			docs = append(docs, l.OK)
		}
	}
	body, _ = json.Marshal(map[string]any{"new_edits": false, "docs": docs})
	target.do(201, "POST", "/notes/_bulk_docs", string(body))
	target.do(201, "POST", "/notes/_ensure_full_commit", "{}")
	session := fmt.Sprintf("session of %d from %s", len(docs), since)
	for i, p := range sides {
		next := checkpoint{marks[i].Rev, session, feed.Last, append([]map[string]any{{"session_id": session, "recorded_seq": feed.Last}}, marks[i].History...)}
		body, _ = json.Marshal(next)
		p.do(201, "PUT", "/notes/_local/"+id, string(body))
	}
}

// A peer that speaks CouchDB's protocol offers again what a restored server has lost, and brings nothing
// back that was deleted.
func TestCouchDBPeerRestore(t *testing.T) {
	t.Parallel()
	server, peer := startServer(t, t.TempDir(), ""), startServer(t, t.TempDir(), "")
	replicate := func() {
		t.Helper()
		couchSession(t, "from-the-peer", peer, server)
		couchSession(t, "to-the-peer", server, peer)
	}
	target := filepath.Join(t.TempDir(), "backups")
	run := func(args ...string) {
		t.Helper()
		if out, code := tododb(t, append(args, "--url", withLogin(server))...); code != 0 {
			t.Fatalf("tododb %q: exit %d\n%s", args, code, out)
		}
	}
	for _, p := range []*process{server, peer} {
		p.do(201, "PUT", "/notes", "")
	}
	revs := map[string]string{}
	for _, id := range []string{"kept", "dead", "late"} {
		revs[id] = revOf(t, peer.do(201, "PUT", "/notes/"+id, `{"of":"before"}`))
	}
	replicate()
	server.do(200, "DELETE", "/notes/dead?rev="+revs["dead"], "")
	replicate()
	run("backup", target)

	peer.do(201, "PUT", "/notes/new", `{}`)
	peer.do(201, "PUT", "/notes/kept", `{"of":"after","_rev":"`+revs["kept"]+`"}`)
	peer.do(200, "DELETE", "/notes/late?rev="+revs["late"], "")
	replicate()
	want := server.do(200, "GET", "/notes/_all_docs?include_docs=true", "")
	run("restore", target, "--db", "notes", "--replace")
	server.do(404, "GET", "/notes/new", "")
	replicate()
	for who, p := range map[string]*process{"the server": server, "the peer": peer} {
		if got := p.do(200, "GET", "/notes/_all_docs?include_docs=true", ""); got != want {
			t.Errorf("%s has\n%s\nwant\n%s", who, got, want)
		}
		p.do(404, "GET", "/notes/dead", "")
		p.do(404, "GET", "/notes/late", "")
	}
	server.stop()
	peer.stop()
}
