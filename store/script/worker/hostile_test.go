package worker_test

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/store/script"
	"github.com/tododb/tododb/store/script/worker"
	"github.com/tododb/tododb/store/widetest"
)

// bombs are bodies of functions that try to end, hang or bloat whoever runs them.
func bombs(t testing.TB) map[string]string {
	raw, err := os.ReadFile("testdata/bombs.json")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) < 80 {
		t.Fatalf("there are only %d", len(all))
	}
	return all
}

// kinds run a body as each kind of function.
var kinds = map[string]func(ctx context.Context, h script.Host, body string) error{
	"map": func(ctx context.Context, h script.Host, body string) error {
		v := h.Views("hostile", []script.ViewFunctions{{Name: "v", Map: "function(doc){" + body + "}"}}, nil)
		return v.Map(ctx, [][]byte{[]byte(`{"_id":"a"}`)}, func(int, int, []byte, []byte, []byte) error { return nil })
	},
	"reduce": func(ctx context.Context, h script.Host, body string) error {
		v := h.Views("hostile", []script.ViewFunctions{{Name: "v", Map: "function(doc){}", Reduce: "function(k,v,r){" + body + "}"}}, nil)
		_, err := v.Reduce(ctx, 0, []script.Reduction{{Parts: [][]byte{nil}, Runs: []script.Rows{{Keys: []script.ReduceKey{{Key: []byte("1"), ID: "a"}}, Values: [][]byte{[]byte("1")}}}}})
		return err
	},
	"filter": func(ctx context.Context, h script.Host, body string) error {
		return match(ctx)(design(h, map[string]any{"filters": map[string]string{"f": "function(doc,req){" + body + "}"}}).Filter(ctx, "f", []byte("{}")))
	},
	"view filter": func(ctx context.Context, h script.Host, body string) error {
		return match(ctx)(design(h, map[string]any{"views": map[string]any{"v": map[string]string{"map": "function(doc){" + body + "}"}}}).ViewFilter(ctx, "v"))
	},
	"validate": func(ctx context.Context, h script.Host, body string) error {
		return design(h, map[string]any{"validate_doc_update": "function(n,o,u,s){" + body + "}"}).Validate(ctx, []byte("{}"), nil, nil, nil)
	},
	"update": func(ctx context.Context, h script.Host, body string) error {
		_, _, err := design(h, map[string]any{"updates": map[string]string{"f": "function(doc,req){" + body + "}"}}).Update(ctx, "f", nil, []byte("{}"))
		return err
	},
	"show": func(ctx context.Context, h script.Host, body string) error {
		_, err := design(h, map[string]any{"shows": map[string]string{"f": "function(doc,req){" + body + "}"}}).Show(ctx, "f", nil, []byte("{}"))
		return err
	},
	"rewrite": func(ctx context.Context, h script.Host, body string) error {
		_, err := design(h, map[string]any{"rewrites": "function(req){" + body + "}"}).Rewrite(ctx, []byte("{}"))
		return err
	},
	"list": func(ctx context.Context, h script.Host, body string) error {
		rows := func() ([]byte, error) { return []byte(`{"id":"a","key":1,"value":1}`), nil }
		return design(h, map[string]any{"lists": map[string]string{"f": "function(head,req){getRow();" + body + "}"}}).List(ctx, script.ListCall{Name: "f", Head: []byte("{}"), Req: []byte("{}")}, rows, &listed{})
	},
}

func match(ctx context.Context) func(script.Matcher, error) error {
	return func(f script.Matcher, err error) error {
		if err != nil {
			return err
		}
		defer f.Release()
		_, err = f.Match(ctx, []byte(`{"_id":"a"}`))
		return err
	}
}

// Whatever a function does, its call is answered within its time and a little, nothing of
// it is left in this process, and a neighbour's documents are validated meanwhile. With
// TODODB_TEST_HOSTILE each bomb is run as each kind of function, else as one.
func TestHostileFunctions(t *testing.T) {
	widetest.Only(t)
	all := os.Getenv("TODODB_TEST_HOSTILE") != ""
	timeout := 300 * time.Millisecond
	if all {
		timeout = time.Second
	}
	// A machine that is busy gives a call up to four times its time; ending its process
	// takes a moment, and so does to have the processor again.
	limit := 4*timeout + 10*time.Second
	p := newPool(t, worker.Options{Timeout: timeout, Memory: 128 << 20})

	neighbour := p.Functions("neighbour", []byte(`{"validate_doc_update":"function(n){if(!n.type)throw({forbidden:'type'})}"}`))
	var waits []time.Duration
	late := 0 // calls that had four times their time: the machine stood still
	ask := func() {
		began := time.Now()
		err := neighbour.Validate(context.WithoutCancel(t.Context()), []byte(`{"type":"x"}`), nil, nil, nil)
		took := time.Since(began)
		switch {
		case stopped(err) && took >= 4*timeout:
			late++
		case err != nil:
			t.Errorf("the neighbour's document: %v", err)
		}
		waits = append(waits, took)
		time.Sleep(5 * time.Millisecond)
	}
	for range 20 {
		ask()
	}
	slices.Sort(waits)
	alone := waits[len(waits)/2] // what this machine is like
	waits = nil
	ctx, stop := context.WithCancel(t.Context())
	var beside sync.WaitGroup
	beside.Go(func() {
		for ctx.Err() == nil {
			ask()
		}
	})
	names := slices.Sorted(maps.Keys(kinds))
	sources := bombs(t)
	ended := 0
	for i, bomb := range slices.Sorted(maps.Keys(sources)) {
		for j, kind := range names {
			if !all && (i%len(names) != j || testing.Short() && i%6 != 0) {
				continue
			}
			began := time.Now()
			err := kinds[kind](t.Context(), p, sources[bomb])
			if took := time.Since(began); took > limit {
				t.Errorf("%s as %s took %v: %v", bomb, kind, took, err)
			}
			if stopped(err) {
				ended++
			}
		}
	}
	stop()
	beside.Wait()
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	if ended == 0 || len(waits) == 0 {
		t.Fatal("nothing was stopped, or nobody was asked")
	}
	slices.Sort(waits)
	half, slowest := waits[len(waits)/2], waits[len(waits)-1]
	t.Logf("%d were stopped; the neighbour was answered %d times, half within %v, after %v at the latest; %d MiB are in use here", ended, len(waits), half, slowest, m.HeapAlloc>>20)
	// Behind a function that is stopped it would wait for the whole time of a call.
	if half > timeout/2+4*alone || slowest > 10*time.Second || late > 3 {
		t.Errorf("the neighbour had to wait %v, and once %v, alone %v; %d times in vain", half, slowest, alone, late)
	}
	if m.HeapAlloc > 100<<20 {
		t.Errorf("%d bytes are in use here", m.HeapAlloc)
	}
}
