package httpapi_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// A view is tried on documents before it is saved, and tells on which line it fails.
func TestTryView(t *testing.T) {
	t.Parallel()
	s := openWithDB(t, Options{}, `{"_id":"a","n":2},{"_id":"b","n":10},{"_id":"c"},{"_id":"_design/d"}`)
	type answer struct {
		Docs []struct {
			ID    string
			Rows  int
			Error *struct {
				Error, Reason string
				Line          int
			}
		}
		Rows []struct {
			ID         string
			Key, Value json.RawMessage
		}
		Value       json.RawMessage
		ReduceError *struct{ Line int } `json:"reduce_error"`
	}
	try := func(body map[string]any) (a answer) {
		t.Helper()
		b, _ := json.Marshal(body)
		w := call(s, "POST", "/db/_try_view", string(b), "Admin", "")
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return a
	}
	a := try(map[string]any{
		"map":    "function (doc) {\n  emit(-doc.n.valueOf(), require('views/lib/words').two);\n  emit('text');\n}",
		"reduce": "function (keys, values) {\n  return keys.map(function (k) { return k[1]; });\n}",
		"lib":    map[string]any{"words": "exports.two = 'two'"},
	})
	if len(a.Docs) != 3 || len(a.Rows) != 4 || a.Rows[0].ID != "b" || string(a.Rows[0].Key) != "-10" || string(a.Rows[0].Value) != `"two"` || string(a.Rows[3].Value) != "null" {
		t.Errorf("%+v", a)
	}
	if e := a.Docs[2].Error; a.Docs[2].ID != "c" || e == nil || e.Error != "TypeError" || e.Line != 2 || a.Docs[2].Rows != 0 {
		t.Errorf("the document without n: %+v", a.Docs[2])
	}
	if string(a.Value) != `["b","a","a","b"]` {
		t.Errorf("reduced: %s", a.Value)
	}
	if a = try(map[string]any{"map": "(doc) => emit(doc._id);\n", "ids": []string{"c", "none"}, "reduce": "function () {\n\n  nothing.at.all();\n}"}); len(a.Docs) != 1 || len(a.Rows) != 1 || a.ReduceError == nil || a.ReduceError.Line != 3 {
		t.Errorf("%+v", a)
	}
	if a = try(map[string]any{"map": "function (doc) { throw {forbidden: 'no'}; }", "limit": 1, "reduce": "_sum"}); len(a.Docs) != 1 || a.Docs[0].Error == nil || a.Docs[0].Error.Error != "thrown" || !strings.Contains(a.Docs[0].Error.Reason, "no") || a.Value != nil {
		t.Errorf("%+v", a.Docs[0].Error)
	}

	w := call(s, "POST", "/db/_try_view", `{"map":"function (doc) {\n  emit(1);\n  x.y(;\n}"}`, "Admin", "")
	if w.Code != 400 || !strings.Contains(w.Body.String(), "compilation_error") || !strings.Contains(w.Body.String(), "Line 3:7") {
		t.Errorf("a mistake on line 3: %d %s", w.Code, w.Body)
	}
	for _, body := range []string{`{}`, `{"map":1}`, `{"map":"function () {}","limit":-1}`, `{"map":"function () {}","limit":101}`, `[]`} {
		if w := call(s, "POST", "/db/_try_view", body, "Admin", ""); w.Code != 400 {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
}
