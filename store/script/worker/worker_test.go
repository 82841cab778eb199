package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/store/script"
	"github.com/tododb/tododb/store/script/worker"
	"github.com/tododb/tododb/store/widetest"
)

// The binary of the tests is the one of the workers that they start.
func TestMain(m *testing.M) {
	if worker.Asked(os.Args) {
		if worker.RunBroken() {
			os.Exit(0)
		}
		os.Exit(worker.Main())
	}
	os.Exit(m.Run())
}

func newPool(t testing.TB, opt worker.Options) *worker.Pool {
	t.Helper()
	p, err := worker.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// design makes a design document's functions of members as JSON.
func design(h script.Host, members map[string]any) script.Runner {
	b, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	return h.Functions("db", b)
}

func rowsOf(t testing.TB, v script.ViewRunner, docs ...string) (string, error) {
	t.Helper()
	raw := make([][]byte, len(docs))
	for i := range docs {
		raw[i] = []byte(docs[i])
	}
	var out strings.Builder
	err := v.Map(t.Context(), raw, func(doc, view int, _, key, value []byte) error {
		fmt.Fprintf(&out, "%d/%d %s=%s; ", doc, view, key, value)
		return nil
	})
	return out.String(), err
}

// listed is a ListWriter.
type listed struct{ strings.Builder }

func (l *listed) Begin(r script.Response) error {
	_, err := fmt.Fprintf(l, "[%d %v]", r.Code, r.Headers)
	return err
}
func (l *listed) Chunk(b []byte) error { _, err := l.Write(b); return err }

// A worker gives the answers that this process does.
func TestWorkersAnswerAsTheProcessDoes(t *testing.T) {
	members := map[string]any{
		"validate_doc_update": `function(n,o,u,s){if(n.bad)throw({forbidden:'no '+n.bad+(o?o.x:'')+u.name});if(n.wrong)throw({unauthorized:{a:1}});if(n.worse)nothing.x}`,
		"filters":             map[string]string{"f": `function(d,r){return d.n>r.query.least}`, "thrown": `function(){throw({forbidden:'x'})}`, "none": `1`},
		"views":               map[string]any{"v": map[string]string{"map": `function(d){if(d.n>1)emit(d.n)}`}, "lib": map[string]string{"m": `exports.x=7`}},
		"updates":             map[string]string{"u": `function(d,r){return [{_id:'made',was:d},{code:201,headers:{'X-A':'b'},body:'hi'}]}`, "nothing": `function(){return [null,'text']}`, "bad": `function(){return 1}`},
		"shows":               map[string]string{"s": `function(d,r){return {json:{d:d,x:require('views/lib/m').x},headers:{A:'1'}}}`, "thrown": `function(){throw(['error','not_found','gone'])}`, "syntax": `function({`},
		"rewrites":            `function(r){return {path:'/x',query:r}}`,
		"lists":               map[string]string{"l": `function(h,r){start({code:202,headers:{B:'2'}});send('<'+h.total_rows);var row;while(row=getRow())send(','+row.id);return '>'}`, "none": `function(){return 'x'}`, "thrown": `function(){getRow();throw 'x'}`},
	}
	views := []script.ViewFunctions{
		{Name: "a", Map: `function(doc){emit(doc.a,null);emit([doc.b,{x:"é"}],doc)}`, Reduce: `function(k,v,r){return r?sum(v):v.length}`},
		{Name: "b", Map: `function(doc){if(doc.a>1)nothing();emit(1.5,[true])}`, Raw: true, Reduce: `function(){return new Array(20000).join('x')}`},
		{Name: "c", Map: `function(doc){log('seen');emit()}`, Reduce: `function(k){throw(['fatal','bad','reason'])}`},
	}
	answers := func(h script.Host) (out []string) {
		d := design(h, members)
		v := h.Views("db", views, nil)
		note := func(args ...any) {
			for i, a := range args {
				switch x := a.(type) {
				case []byte:
					args[i] = string(x)
				case *script.Error:
					if x != nil {
						args[i] = fmt.Sprintf("%+v %s", *x, x.Value)
					}
				case script.Response:
					args[i] = fmt.Sprintf("%d %v %s %s %v", x.Code, x.Headers, x.Body, x.Type, x.NoBody)
				}
			}
			out = append(out, fmt.Sprint(args...))
		}
		ctx := t.Context()
		for _, doc := range []string{`{}`, `{"bad":"<é>"}`, `{"wrong":1}`, `{"worse":1}`} {
			note(d.Validate(ctx, []byte(doc), []byte(`{"x":5}`), []byte(`{"name":"n"}`), nil))
		}
		for _, name := range []string{"f", "thrown", "none"} {
			f, err := d.Filter(ctx, name, []byte(`{"query":{"least":3}}`))
			note(err)
			if err != nil {
				continue
			}
			for i := range 6 {
				ok, err := f.Match(ctx, fmt.Appendf(nil, `{"n":%d}`, i))
				note(ok, err)
				if i == 2 {
					f.Release()
				}
			}
			f.Release()
		}
		f, err := d.ViewFilter(ctx, "v")
		note(err)
		for i := range 3 {
			note(f.Match(ctx, fmt.Appendf(nil, `{"n":%d}`, i)))
		}
		f.Release()
		for _, name := range []string{"u", "nothing", "bad"} {
			write, resp, err := d.Update(ctx, name, nil, []byte(`{}`))
			note(write, resp, err)
		}
		for _, name := range []string{"s", "thrown", "syntax"} {
			note(d.Show(ctx, name, []byte(`{"_id":"x"}`), []byte(`{}`)))
		}
		note(d.Rewrite(ctx, []byte(`{"a":"b"}`)))
		for _, name := range []string{"l", "none", "thrown"} {
			n := 0
			var to listed
			err := d.List(ctx, script.ListCall{Name: name, Head: []byte(`{"total_rows":300}`), Req: []byte(`{}`)}, func() ([]byte, error) {
				if n++; n > 300 {
					return nil, nil
				}
				return fmt.Appendf(nil, `{"id":"%d"}`, n), nil
			}, &to)
			note(to.String(), err)
		}
		note(v.Check(ctx))
		note(rowsOf(t, v, `{"_id":"x","a":1,"b":[2]}`, `{"_id":"y","a":2}`, `{}`))
		rows := script.Rows{Keys: []script.ReduceKey{{Key: []byte("1"), ID: "x"}, {Key: []byte(`"k"`), ID: "y"}}, Values: [][]byte{[]byte("1"), []byte("null")}}
		for view := range views {
			got, err := v.Reduce(ctx, view, []script.Reduction{{Parts: [][]byte{nil}, Runs: []script.Rows{rows}}, {Parts: [][]byte{[]byte("3"), []byte("4")}},
				{Parts: [][]byte{nil, []byte("40"), nil}, Runs: []script.Rows{rows, rows}, Final: true}, {Parts: [][]byte{[]byte("9")}}})
			for _, r := range got {
				note(r.Value, r.Err)
			}
			note(err)
		}
		note(h.Views("db", []script.ViewFunctions{{Name: "bad", Map: "function(doc{"}}, nil).Check(ctx))
		note(h.Views("db", []script.ViewFunctions{{Name: "lib", Map: "function(doc){emit(require('views/lib/m').y)}"}}, []byte(`{"m":"exports.y=8"}`)).Check(ctx))
		return out
	}
	var log strings.Builder
	want := answers(script.InProcess(script.Options{}))
	got := answers(newPool(t, worker.Options{Log: slog.New(slog.NewTextHandler(&log, nil))}))
	if len(got) != len(want) {
		t.Fatalf("%d answers, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%s\nwant %s", got[i], want[i])
		}
	}
	if !strings.Contains(log.String(), "message=seen") || !strings.Contains(log.String(), "ReferenceError") {
		t.Errorf("the log has not what the functions logged and threw: %s", log.String())
	}
}

// A call that panics here, in the middle of an answer, leaves no process behind that nobody ever asks again.
func TestACallThatPanics(t *testing.T) {
	p := newPool(t, worker.Options{})
	d := design(p, map[string]any{"lists": map[string]string{"l": `function(){send('a');getRow();return 'b'}`}})
	func() {
		defer func() {
			if cause := recover(); cause != "mistaken" {
				t.Errorf("%v is recovered", cause)
			}
		}()
		_ = d.List(t.Context(), script.ListCall{Name: "l", Head: []byte(`{}`), Req: []byte(`{}`)}, func() ([]byte, error) { panic("mistaken") }, &listed{})
	}()
	if n := p.Figures().Kills["retired"]; n != 1 {
		t.Errorf("%d processes have been ended", n)
	}
}

// stopped tells whether a call was ended for what it took.
func stopped(err error) bool {
	e, ok := errors.AsType[*script.Error](err)
	return ok && e.Kind == script.Stopped && e.Word == "os_process_error"
}

func TestLimits(t *testing.T) {
	p := newPool(t, worker.Options{Timeout: 500 * time.Millisecond, Memory: 64 << 20})
	for name, source := range map[string]string{
		"time":              `for(;;);`,
		"time, caught":      `for(;;){try{for(;;);}catch(e){}}`,
		"memory":            `var a=[];for(;;)a.push({})`,
		"memory at once":    `"x".repeat(1<<28).split("")`,
		"recursion in Go":   `var o=[];o.push(o);o.flat(Infinity)`,
		"emits too much":    `while(true){emit(doc,doc)}`,
		"that, and catches": `for(;;){try{for(;;)emit("x".repeat(1000000),1)}catch(e){}}`,
	} {
		t.Run(name, func(t *testing.T) {
			v := p.Views("db", []script.ViewFunctions{{Name: "v", Map: "function(doc){" + source + "}"}}, nil)
			began := time.Now()
			if rows, err := rowsOf(t, v, `{"_id":"a"}`); !stopped(err) {
				t.Errorf("it gives %q and %v", rows, err)
			}
			// A busy machine gives it four times its time, and has other things to do.
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// What a function says is bounded before it comes to this process.
func TestOutputIsBounded(t *testing.T) {
	widetest.Only(t)
	p := newPool(t, worker.Options{Memory: 256 << 20})
	const much = `"x".repeat(40000000)`
	d := design(p, map[string]any{
		"shows": map[string]string{"text": `function(){return ` + much + `}`, "body": `function(){return {body:` + much + `}}`, "json": `function(){return {json:` + much + `}}`,
			"sent": `function(){for(;;)send("0123456789")}`, "headers": `function(){var h={};for(var i=0;i<2000;i++)h["H"+i]="x";return {headers:h,body:""}}`},
		"updates": map[string]string{"u": `function(){return [{_id:"a",x:` + much + `},""]}`},
		"lists":   map[string]string{"l": `function(){try{return ` + much + `}catch(e){}}`},
	})
	for name := range map[string]bool{"text": true, "body": true, "json": true, "sent": true, "headers": true} {
		if resp, err := d.Show(t.Context(), name, nil, []byte("{}")); !stopped(err) {
			t.Errorf("%s: %d bytes and %v", name, len(resp.Body), err)
		}
	}
	if write, _, err := d.Update(t.Context(), "u", nil, []byte("{}")); !stopped(err) {
		t.Errorf("an update: %d bytes and %v", len(write), err)
	}
	var to listed
	if err := d.List(t.Context(), script.ListCall{Name: "l", Head: []byte("{}"), Req: []byte("{}")}, func() ([]byte, error) { return nil, nil }, &to); !stopped(err) {
		t.Errorf("a list: %d bytes and %v", to.Len(), err)
	}
	for name, source := range map[string]string{"one row": "emit(1," + much + ")", "its key": "emit(" + much + ")", "many": `for(var i=0;i<100;i++)emit("x".repeat(1000000))`, "rows": `for(;;)emit()`} {
		if rows, err := rowsOf(t, p.Views("db", []script.ViewFunctions{{Name: "v", Map: "function(doc){try{" + source + "}catch(e){}}"}}, nil), "{}"); !stopped(err) {
			t.Errorf("%s: %d bytes and %v", name, len(rows), err)
		}
	}
	// What is thrown is the function's, and told as far as anybody wants to read it.
	err := design(p, map[string]any{"validate_doc_update": `function(){throw({forbidden:` + much + `})}`}).Validate(t.Context(), []byte("{}"), nil, nil, nil)
	if e, ok := errors.AsType[*script.Error](err); !ok || e.Kind != script.Forbidden || len(e.Reason) > 100_000 {
		t.Errorf("what is thrown: %.100v", err)
	}
}

// What a function keeps from call to call does not pile up.
func TestGrownWorkersAreReplaced(t *testing.T) {
	widetest.Only(t)
	p := newPool(t, worker.Options{Memory: 128 << 20})
	d := design(p, map[string]any{"shows": map[string]string{"s": `function(){globalThis.keep=globalThis.keep||[];for(var i=0;i<50000;i++)keep.push({a:i});return String(keep.length)}`}})
	least := false
	for i := range 20 {
		resp, err := d.Show(t.Context(), "s", nil, []byte("{}"))
		if err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
		least = least || i > 0 && string(resp.Body) == "50000"
	}
	if !least {
		t.Error("all calls were made in one worker")
	}
}

// Somebody who wants new processes has what is called afterwards run in them; who is in a call is not disturbed.
func TestRenew(t *testing.T) {
	p := newPool(t, worker.Options{})
	d := design(p, map[string]any{
		"shows":   map[string]string{"s": `function(){globalThis.n=(globalThis.n||0)+1;return String(n)}`},
		"filters": map[string]string{"f": `function(){globalThis.m=(globalThis.m||0)+1;return m==2}`},
	})
	show := func() string {
		t.Helper()
		resp, err := d.Show(t.Context(), "s", nil, []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		return string(resp.Body)
	}
	// twice calls until a process has been called twice. One that is slow to come back is not waited for.
	twice := func() {
		t.Helper()
		for end := time.Now().Add(time.Minute); show() != "2"; {
			if time.Now().After(end) {
				t.Fatal("no process is called twice")
			}
		}
	}
	match := func(f script.Matcher, want bool) {
		t.Helper()
		if pass, err := f.Match(t.Context(), []byte("{}")); err != nil || pass != want {
			t.Errorf("passes %v, %v; want %v", pass, err, want)
		}
	}
	f, err := d.Filter(t.Context(), "f", []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	match(f, false) // keeps its process
	twice()
	p.Renew()
	if n := show(); n != "1" {
		t.Errorf("after it: call %s of a process", n)
	}
	twice()
	match(f, true)
	f.Release()
	match(f, false)
	f.Release()
}

// A call ends with who made it.
func TestCallsEndWithTheirContext(t *testing.T) {
	p := newPool(t, worker.Options{Timeout: time.Minute})
	d := design(p, map[string]any{"validate_doc_update": `function(n){if(n.loop)for(;;);}`})
	if err := d.Validate(t.Context(), []byte("{}"), nil, nil, nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := d.Validate(ctx, []byte(`{"loop":1}`), nil, nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it ended with %v", err)
	}
	if took := time.Since(began); took > 30*time.Second { // half its time
		t.Errorf("it took %v", took)
	}
}
