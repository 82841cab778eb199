package replicate

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/tododb/tododb/store/jsonscan"
)

// Rows of a peer's changes may be anything. All they can cause is an error.
func FuzzChange(f *testing.F) {
	f.Add([]byte(`{"seq":"1-x","id":"a","changes":[{"rev":"1-a"},{"rev":"2-b"}],"deleted":true}`))
	f.Add([]byte(`{"seq":[1,"x"],"id":"a","changes":[]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := parseChange(raw)
		if err == nil && jsonscan.Valid(raw) && len(c.Revs) > 0 && c.Revs[0].String() == "" {
			t.Errorf("%q has a revision without a text", raw)
		}
	})
}

// A document is read and written again, or refused.
func FuzzRevision(f *testing.F) {
	f.Add([]byte(`{"_id":"a","_rev":"1-a","v":1,"_attachments":{"f":{"stub":true,"length":3,"digest":"md5-x","revpos":1,"encoding":"gzip","encoded_length":2}}}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		r := readRevision(doc)
		if r.Unreadable != nil {
			return
		}
		r.markStubs(r.Doc.Path)
		out := r.json()
		again := readRevision(out)
		if !jsonscan.Valid(out) || again.Unreadable != nil || again.Doc.ID != r.Doc.ID || len(again.Attachments) != len(r.Attachments) || !bytes.Equal(again.Doc.Body, r.Doc.Body) {
			t.Errorf("%q becomes %q", doc, out)
		}
	})
}

func FuzzSpec(f *testing.F) {
	f.Add([]byte(`{"source":"http://a:b@h/x","target":{"url":"https://h/y","headers":{"A":"b"},"auth":{"basic":{"username":"u","password":"p"}}},"doc_ids":["a"],"continuous":true}`))
	f.Add([]byte(`{"source":"x","target":"y","selector":{"a":1},"since_seq":5,"worker_batch_size":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := ParseSpec(body)
		if err != nil {
			_, bad := errors.AsType[*BadRequest](err)
			_, end := errors.AsType[*BadEndpoint](err)
			if !bad && !end {
				t.Errorf("%q: %v", body, err)
			}
			return
		}
		s.inherit(Defaults{Workers: 3})
		if s.JobID("x") == "" || s.BatchSize < 1 || s.Workers < 1 {
			t.Errorf("%q: %+v", body, s)
		}
	})
}

func TestSpecs(t *testing.T) {
	for body, want := range map[string]string{
		`[]`:                                "Request body must be a JSON object",
		`{"continuous":"x"}`:                "parameter `continuous` must be a boolean",
		`{"doc_ids":"a"}`:                   "parameter `doc_ids` must be an array",
		`{"doc_ids":[1]}`:                   "parameter `doc_ids` must be an array of strings",
		`{"source":{"nourl":1}}`:            "endpoint has an invalid url",
		`{"worker_batch_size":0}`:           "parameter `worker_batch_size` must be a positive integer",
		`{"http_connections":"many"}`:       "parameter `http_connections` must be a positive integer",
		`{"doc_ids":["a"],"selector":{}}`:   "`doc_ids`,`filter`,`selector` are mutually exclusive",
		`{"source":"http://","target":"b"}`: "endpoint has an invalid url",
		`{"selector":5}`:                    "parameter `selector` must be a JSON object",
	} {
		if _, err := ParseSpec([]byte(body)); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
	}
	for _, ms := range []string{"9223372036854", "9223372036855", "18446744073710", "9223372036854775807"} { // around what Go can count
		s, err := ParseSpec([]byte(`{"checkpoint_interval":` + ms + `,"connection_timeout":` + ms + `}`))
		if s.setDefaults(); err != nil || s.CheckpointInterval < 24*time.Hour || s.Source.Silence < 24*time.Hour || s.Source.Silence+waitForChange < s.Source.Silence {
			t.Errorf("%s ms: a checkpoint every %v, a peer may be silent for %v, %v", ms, s.CheckpointInterval, s.Source.Silence, err)
		}
	}
	// Numbers may be texts, and a replication is cancelled by what the answer to its start calls it.
	s, err := ParseSpec([]byte(`{"worker_processes":"3","worker_batch_size":"7","http_connections":"5","checkpoint_interval":"9000","retries_per_request":"2","_local_id":"x+continuous"}`))
	if err != nil || s.Workers != 3 || s.BatchSize != 7 || s.Connections != 5 || s.CheckpointInterval != 9*time.Second || s.Retries != 2 || s.ID != "x+continuous" {
		t.Errorf("numbers as texts: %+v, %v", s, err)
	}
	a, err := ParseSpec([]byte(`{"source":"http://u:p@h/x","target":"y"}`))
	if err != nil {
		t.Fatal(err)
	}
	b, err := ParseSpec([]byte(`{"source":{"url":"http://h/x/","auth":{"basic":{"username":"v","password":"q"}}},"target":"y"}`))
	if err != nil {
		t.Fatal(err)
	}
	if a.Source.Name() != "http://h/x/" || a.Source.User != "u" || a.BaseID("s") != b.BaseID("s") {
		t.Errorf("%+v and %+v are two replications", a.Source, b.Source)
	}
	if a.BaseID("s") == a.BaseID("other") {
		t.Error("two servers have one replication")
	}
}

// Two sides agree on the newest session that both remember.
func TestCommonStart(t *testing.T) {
	history := []session{{SessionID: "c", RecordedSeq: "30-x"}, {SessionID: "b", RecordedSeq: "20-x"}, {SessionID: "a", RecordedSeq: "10-x"}}
	at := func(from int) checkpoint {
		return checkpoint{SessionID: history[from].SessionID, SourceLastSeq: history[from].RecordedSeq, History: history[from:]}
	}
	for _, c := range []struct {
		source, target checkpoint
		want           string
		left           int
	}{
		{at(0), at(0), "30-x", 3},
		{at(0), at(1), "20-x", 2}, // the target was set back
		{at(2), at(0), "10-x", 1}, // the source was set back
		{at(0), checkpoint{}, "", 0},
		{checkpoint{}, checkpoint{}, "", 0},
		{at(0), checkpoint{SessionID: "z", History: []session{{SessionID: "z", RecordedSeq: "99-x"}}}, "", 0},
	} {
		since, left := commonStart(c.source, c.target)
		if since != c.want || len(left) != c.left {
			t.Errorf("%s and %s: %q with %d sessions, want %q with %d", c.source.SessionID, c.target.SessionID, since, len(left), c.want, c.left)
		}
	}
}

// What a document of _replicator may hold, and what others see of it.
func FuzzDocument(f *testing.F) {
	f.Add([]byte(`{"source":"http://a:hunter2@h/x","target":{"url":"https://u:hunter2@h/y","headers":{"authorization":"hunter2","A":"b"},"auth":{"basic":{"password":"hunter2"}}},"owner":null,"user_ctx":{"name":"a","roles":["b"]}}`))
	f.Add([]byte(`{"source":{"URL":"http://a:hunter2@h/","Auth":{"basic":{}},"HEADERS":{"cookie":"hunter2"}},"target":"x"}`))
	f.Add([]byte(`{"source":{"url":"http://[::1]:x@h","headers":[]},"source":7,"_replication_state":"completed","owner":"x"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if !json.Valid(body) || len(body) == 0 || body[0] != '{' {
			return
		}
		_ = CheckDocument(body, &Headers{})
		clean, err := WithoutSecrets(body)
		if err != nil {
			return // nothing is shown
		}
		if !json.Valid(clean) {
			t.Fatalf("%q becomes %q", body, clean)
		}
		var shown map[string]json.RawMessage
		if json.Unmarshal(clean, &shown) != nil {
			return
		}
		for _, side := range []json.RawMessage{shown["source"], shown["target"]} {
			var object struct{ Auth json.RawMessage }
			var text string
			if json.Unmarshal(side, &object) == nil && object.Auth != nil && string(object.Auth) != "null" {
				t.Errorf("%q shows %s", body, object.Auth)
			}
			if json.Unmarshal(side, &text) == nil {
				if u, err := url.Parse(text); err == nil && u.User != nil {
					t.Errorf("%q shows %s", body, text)
				}
			}
		}
		if owned, err := WithOwner(body, "me"); err == nil {
			if owner, known := OwnerOf(owned); owner != "me" || !known {
				t.Errorf("%q becomes %q", body, owned)
			}
		}
	})
}
