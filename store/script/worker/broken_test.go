package worker

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/tododb/tododb/store/script"
	"github.com/tododb/tododb/store/widetest"
)

// The binary of the tests is the one of the workers: see TestMain.

func testPool(t testing.TB, opt Options) *Pool {
	t.Helper()
	p, err := New(opt)
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

func functionsOf(p *Pool, body string) script.Runner {
	return p.Functions("db", []byte(body))
}

// brokenFolder is the name of the folder in which a worker of the tests is one that has come
// into the hands of its functions.
const brokenFolder = "broken"

// RunBroken answers calls with what a file in its folder holds, over and over if its name is
// so, for as long as somebody reads; false: the process is none that does.
func RunBroken() bool {
	here, err := os.Getwd()
	if err != nil || filepath.Base(here) != brokenFolder {
		return false
	}
	answer, err := os.ReadFile("once")
	again := err != nil
	if again {
		answer, _ = os.ReadFile("forever")
	}
	out := sender{w: os.Stdout}
	_ = out.send(ready, func(b []byte) []byte { return appendNumber(b, version) })
	in := frameReader{r: os.Stdin}
	for {
		kind, _, err := in.next()
		if err != nil {
			return true
		}
		switch kind {
		case loadDesign, loadViews, askFilter:
			_ = out.send(result, nil)
		default:
			_, err = os.Stdout.Write(answer)
			for again && err == nil {
				_, err = os.Stdout.Write(answer)
			}
		}
	}
}

func frameOf(kind byte, fields func(b []byte) []byte) []byte {
	b := fields(appendFrame(nil, kind))
	_ = endFrame(b, 0)
	return b
}

type nowhere struct{}

func (nowhere) Begin(script.Response) error { return nil }
func (nowhere) Chunk([]byte) error          { return nil }

// Whatever a worker answers, its call fails and is over soon, and the server keeps its
// memory.
func TestBrokenWorkers(t *testing.T) {
	widetest.Only(t)
	const many = 4 << 20
	numbers := func(n ...int) func(b []byte) []byte {
		return func(b []byte) []byte {
			for _, n := range n {
				b = appendNumber(b, n)
			}
			return b
		}
	}
	nothings := func(n int, before ...int) func(b []byte) []byte {
		return func(b []byte) []byte { return append(numbers(append(before, n)...)(b), make([]byte, 2*n)...) }
	}
	rows := func(view, n int) []byte {
		return frameOf(mapped, func(b []byte) []byte {
			b = numbers(1, n)(b)
			for range n {
				b = append(appendNumber(b, view), 1, 1, 1)
			}
			return b
		})
	}
	begin := frameOf(begins, func(b []byte) []byte { return appendResponse(b, &script.Response{}) })
	done := frameOf(result, numbers())
	show := func(p *Pool) error {
		_, err := functionsOf(p, `{"shows":{"s":""}}`).Show(t.Context(), "s", nil, []byte("{}"))
		return err
	}
	views := func(p *Pool) script.ViewRunner {
		return p.Views("db", []script.ViewFunctions{{Name: "v"}}, nil)
	}
	mapOne := func(p *Pool) error {
		return views(p).Map(t.Context(), [][]byte{[]byte("{}")}, func(doc, view int, _, _, _ []byte) error {
			if doc != 0 || view != 0 {
				t.Errorf("a row of document %d, view %d", doc, view)
			}
			return nil
		})
	}
	reduce := func(p *Pool) error {
		_, err := views(p).Reduce(t.Context(), 0, make([]script.Reduction, 2))
		return err
	}
	filter := func(p *Pool) error {
		m, err := functionsOf(p, `{"filters":{"f":""}}`).Filter(t.Context(), "f", nil)
		if err == nil {
			_, err = m.Match(t.Context(), []byte("{}"))
			m.Release()
		}
		return err
	}
	list := func(p *Pool) error {
		return functionsOf(p, `{"lists":{"l":""}}`).List(t.Context(), script.ListCall{Name: "l"}, func() ([]byte, error) { return nil, nil }, nowhere{})
	}
	for name, c := range map[string]struct {
		file   string
		answer []byte
		call   func(p *Pool) error
	}{
		"an answer of headers alone":      {"once", frameOf(result, func(b []byte) []byte { return append(nothings(many, 200)(b), 0, 0, 0) }), show},
		"a record of attributes alone":    {"once", slices.Concat(frameOf(logged, func(b []byte) []byte { return nothings(many, logLevels, 0)(b) }), done), show},
		"records without an end":          {"forever", frameOf(logged, func(b []byte) []byte { return append(appendBytes(appendNumber(b, logLevels), make([]byte, 64<<10)), 0) }), show},
		"rows where an answer is due":     {"once", rows(0, 1), show},
		"bytes":                           {"forever", []byte("not at all what was asked for"), show},
		"a length":                        {"once", []byte{0xff, 0xff, 0xff, 0x7f, mapped}, mapOne},
		"rows of a view that is none":     {"once", rows(1, 1), mapOne},
		"rows of documents nobody sent":   {"once", slices.Concat(rows(0, 1), rows(0, 1)), mapOne},
		"rows too many":                   {"once", slices.Concat(rows(0, script.MaxRows+1), done), mapOne},
		"rows of no document, for ever":   {"forever", frameOf(mapped, numbers(0)), mapOne},
		"reductions of none, for ever":    {"forever", frameOf(reduced, numbers(0)), reduce},
		"more reductions than were asked": {"forever", frameOf(reduced, func(b []byte) []byte { return appendReduced(numbers(1)(b), script.Reduced{Value: []byte("1")}) }), reduce},
		"judgements of none, for ever":    {"forever", frameOf(judged, numbers(0)), filter},
		"judgements too many":             {"once", frameOf(judged, numbers(2, 1, 1)), filter},
		"a list that begins for ever":     {"forever", begin, list},
		"a list without a beginning":      {"once", frameOf(chunk, func(b []byte) []byte { return appendBytes(b, "x") }), list},
		"a list that wants rows for ever": {"forever", frameOf(wantRows, numbers()), list},
		"a list that sends for ever":      {"forever", slices.Concat(begin, frameOf(chunk, func(b []byte) []byte { return appendBytes(b, make([]byte, 1<<20)) })), list},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), brokenFolder)
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, c.file)
			if err := os.WriteFile(file, c.answer, 0o600); err != nil {
				t.Fatal(err)
			}
			p := testPool(t, Options{Folder: dir, Timeout: 500 * time.Millisecond, Memory: 128 << 20})
			t.Cleanup(func() { _ = os.Chmod(dir, 0o700); _ = os.Remove(file) })
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			ended := make(chan error, 1)
			go func() { ended <- c.call(p) }()
			select {
			case err := <-ended:
				if e, ok := errors.AsType[*script.Error](err); !ok || e.Kind != script.Stopped {
					t.Errorf("the call ends with %v", err)
				}
			case <-time.After(time.Minute):
				t.Fatal("the call does not end")
			}
			runtime.ReadMemStats(&after)
			if more := after.TotalAlloc - before.TotalAlloc; more > 160<<20 {
				t.Errorf("%d MiB for it", more>>20)
			}
		})
	}
}
