package mango

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/tododb/tododb/store"
)

func proves(t fataler, selector, filter string) bool {
	p := prover{left: maxProof}
	return p.proves(mustCompile(t, selector), mustCompile(t, filter))
}

func TestImplies(t *testing.T) {
	for _, c := range []struct {
		selector, filter string
		want             bool
	}{
		{`{"a":1,"b":2}`, `{"a":1}`, true},
		{`{"a":1}`, `{"a":1,"b":2}`, false},
		{`{"a":{"$gt":5}}`, `{"a":{"$gte":5}}`, true},
		{`{"a":{"$gte":5}}`, `{"a":{"$gt":5}}`, false},
		{`{"a":{"$gt":5,"$lt":7}}`, `{"a":{"$lt":8}}`, true},
		{`{"a":{"$gt":5}}`, `{"a":{"$exists":true}}`, true},
		{`{"b":1}`, `{"a":{"$exists":true}}`, false},
		{`{"b":1,"a":{"$exists":false}}`, `{"a":{"$exists":false}}`, true},
		{`{"a":"x"}`, `{"a":{"$in":["x","y"]}}`, true},
		{`{"a":["x"]}`, `{"a":{"$in":[["x"]]}}`, false}, // $in looks into arrays
		{`{"a":{"$in":["x","y"]}}`, `{"a":{"$in":["x","y","z"]}}`, false},
		{`{"$or":[{"a":"x"},{"a":"y"}]}`, `{"a":{"$in":["x","y","z"]}}`, true},
		{`{"$or":[{"a":"x"},{"b":"y"}]}`, `{"a":{"$in":["x","y","z"]}}`, false},
		{`{"a":"x"}`, `{"a":{"$ne":"y"}}`, true},
		{`{"a":"x"}`, `{"a":{"$ne":"x"}}`, false},
		{`{"a":"x"}`, `{"a":{"$nin":["y",1]}}`, true},
		{`{"a":["x"]}`, `{"a":{"$nin":["y"]}}`, false},
		{`{"b":1}`, `{"a":{"$ne":"y"}}`, false}, // documents without a do not match that
		{`{"a":5}`, `{"a":{"$type":"number"}}`, true},
		{`{"a":{"$regex":"^x"},"b":1}`, `{"a":{"$regex":"^x"}}`, true},
		{`{"a":{"$regex":"^xy"}}`, `{"a":{"$regex":"^x"}}`, false},
		{`{"a":{"$elemMatch":{"$gt":1}},"b":1}`, `{"a":{"$elemMatch":{"$gt":1}}}`, true},
		{`{"a":1}`, `{"$or":[{"a":1},{"b":2}]}`, true},
		{`{"_id":{"$gt":"m"}}`, `{"_id":{"$gt":"k"}}`, true},
		{`{"_id":{"$lt":{}}}`, `{"_id":{"$lt":"k"}}`, false},
		{`{}`, `{"a":1}`, false},
		{`{"a":1}`, `{}`, true},
	} {
		if got := proves(t, c.selector, c.filter); got != c.want {
			t.Errorf("%s implies %s: %v", c.selector, c.filter, got)
		}
	}
}

// What is proved holds for every document.
func TestProofsHold(t *testing.T) {
	proved := 0
	rapid.Check(t, func(t *rapid.T) {
		sel, filter := drawSelector(t, 2), drawSelector(t, 1)
		if rapid.Bool().Draw(t, "part") { // so that there is something to prove
			for f, c := range filter {
				sel[f] = c
			}
		}
		if rapid.Bool().Draw(t, "or") {
			filter = map[string]any{"$or": []any{filter, drawSelector(t, 1)}}
		}
		s, f := mustCompile(t, mustJSON(sel)), mustCompile(t, mustJSON(filter))
		p := prover{left: maxProof}
		if !p.proves(s, f) {
			return
		}
		proved++
		for i := range 20 {
			var doc map[string]json.RawMessage
			if err := json.Unmarshal([]byte(drawDoc(t, i)), &doc); err != nil {
				t.Fatal(err)
			}
			delete(doc, "_id")
			d := &store.Document{ID: fmt.Sprintf("doc%02d", i), Body: []byte(mustJSON(doc))}
			one, err1 := s.Match(context.Background(), d)
			other, err2 := f.Match(context.Background(), d)
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			if one && !other {
				t.Fatalf("%s %s matches %s, not %s", d.ID, d.Body, mustJSON(sel), mustJSON(filter))
			}
		}
	})
	if proved == 0 {
		t.Error("nothing was proved")
	}
}

// A proof about long selectors ends.
func TestLongProof(t *testing.T) {
	long := branches(maxConditions, `{"a":{"$gt":%d}}`)
	if proves(t, long, branches(maxConditions-1, `{"b":{"$gt":%d}}`)) {
		t.Error("proved")
	}
}
