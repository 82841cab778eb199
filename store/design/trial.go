package design

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/script"
)

// A Trial runs the functions of a view that no design document has yet, on single documents. Unlike
// an index it tells what a function throws, and where.
type Trial struct {
	runner script.Runner
}

// TrialRow is what a map function emits: JSON.
type TrialRow struct {
	ID    string          `json:"id"`
	Key   json.RawMessage `json:"key"`
	Value json.RawMessage `json:"value"`
}

// TrialError is what a function threw.
type TrialError struct {
	Word   string `json:"error"` // the name of the Error; thrown for any other value
	Reason string `json:"reason"`
	Line   int    `json:"line,omitempty"` // of the function's source, from 1; 0: nobody knows
}

// TryView makes a Trial of a map function and a reduce function ("": none; a built-in one, whose name begins with _, is not run). lib is what a
// design document has as views.lib, or nil. The error is a *Refusal if a function does not
// compile.
func (c *Cache) TryView(ctx context.Context, db *store.DB, view script.ViewFunctions, lib []byte) (*Trial, error) {
	err := c.host.Views(db.Instance(), []script.ViewFunctions{view}, lib).Check(ctx)
	if e, is := errors.AsType[*script.Error](err); is {
		return nil, &Refusal{e}
	}
	if err != nil {
		return nil, err
	}
	// Functions that are called one at a time tell what they throw. The source stays on its lines. Within it, emit
	// is the one that collects.
	shows := map[string]string{"map": `function (doc) { var rows = [], emit = function (key, value) { rows.push([key === undefined ? null : key, value === undefined ? null : value]); }, thrown;` +
		`try { (` + expression(view.Map) + "\n" + `)(doc); } ` + catching + ` return {json: {rows: rows, thrown: thrown}}; }`}
	if view.Reduce != "" && view.Reduce[0] != '_' {
		shows["reduce"] = `function (all) { var value, thrown; try { value = (` + expression(view.Reduce) + "\n" + `)(all.keys, all.values, false); } ` + catching +
			` return {json: {value: value === undefined ? null : value, thrown: thrown}}; }`
	}
	body := map[string]any{"_id": "_design/trial", "shows": shows}
	if lib != nil {
		body["views"] = map[string]any{"lib": json.RawMessage(lib)}
	}
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return &Trial{c.host.Functions(db.Instance(), b)}, nil
}

// expression is a source without the semicolons at its end, which a function may have and an expression may not.
func expression(source string) string { return strings.TrimRight(source, "; \t\r\n") }

const catching = `catch (e) { thrown = e instanceof Error ? {error: e.name, reason: e.message, stack: String(e.stack)} : {error: "thrown", reason: String(typeof e === "string" ? e : JSON.stringify(e)), stack: ""}; }`

// trialAnswer is what the functions of TryView return.
type trialAnswer struct {
	Rows   [][2]json.RawMessage `json:"rows"`
	Value  json.RawMessage      `json:"value"`
	Thrown *struct {
		Error, Reason, Stack string
	} `json:"thrown"`
}

// Map runs the map function on a document, JSON with _id and _rev. If it throws, the rows that it
// emitted before are lost, as in an index. err is for what keeps any function from running.
func (t *Trial) Map(ctx context.Context, id string, doc []byte) (rows []TrialRow, thrown *TrialError, err error) {
	a, thrown, err := t.call(ctx, "map", doc)
	if thrown != nil || err != nil {
		return nil, thrown, err
	}
	for _, r := range a.Rows {
		rows = append(rows, TrialRow{id, r[0], r[1]})
	}
	return rows, nil, nil
}

// Reduce runs the reduce function on rows, in one call.
func (t *Trial) Reduce(ctx context.Context, rows []TrialRow) (value json.RawMessage, thrown *TrialError, err error) {
	in := struct {
		Keys   [][2]any          `json:"keys"`
		Values []json.RawMessage `json:"values"`
	}{[][2]any{}, []json.RawMessage{}}
	for _, r := range rows {
		in.Keys, in.Values = append(in.Keys, [2]any{r.Key, r.ID}), append(in.Values, r.Value)
	}
	b, err := json.Marshal(in)
	if err != nil {
		return nil, nil, err
	}
	a, thrown, err := t.call(ctx, "reduce", b)
	return a.Value, thrown, err
}

func (t *Trial) call(ctx context.Context, name string, arg []byte) (a trialAnswer, thrown *TrialError, err error) {
	resp, err := t.runner.Show(ctx, name, arg, []byte("{}"))
	if e, is := errors.AsType[*script.Error](err); is {
		return a, &TrialError{Word: e.Word, Reason: e.Reason}, nil
	}
	if err != nil {
		return a, nil, err
	}
	if err := json.Unmarshal(resp.Body, &a); err != nil {
		return a, &TrialError{Word: "unknown_error", Reason: "what the function emits is no JSON"}, nil
	}
	if e := a.Thrown; e != nil {
		thrown = &TrialError{Word: e.Error, Reason: e.Reason}
		if at := placeInStack.FindStringSubmatch(e.Stack); at != nil {
			thrown.Line, _ = strconv.Atoi(at[1])
		}
	}
	return a, thrown, nil
}

// placeInStack finds the innermost place in the function itself, not in what it called.
var placeInStack = regexp.MustCompile(`\bshows\.(?:map|reduce):(\d+):`)
