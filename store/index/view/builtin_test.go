package view

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/jsonscan"
)

// concat is a reduce function that shows what it was called with.
type concat struct{}

func (concat) Reduce(_ context.Context, all []Reduction) ([]index.Reduced, error) {
	out := make([]index.Reduced, len(all))
	for i, what := range all {
		var texts []string
		runs := what.Runs
		for _, p := range what.Parts {
			if p != nil {
				texts = append(texts, strings.Trim(string(p), `"`))
				continue
			}
			for _, v := range runs[0].Values {
				texts = append(texts, strings.Trim(string(v), `"`))
			}
			runs = runs[1:]
		}
		text := strings.Join(texts, " ")
		if out[i].Value = []byte(`"` + text + `"`); len(text) > 200 {
			out[i] = index.Reduced{Err: &index.ReduceError{Name: "reduce_overflow_error", Reason: "too long"}}
		}
	}
	return out, nil
}

func reducers(t testing.TB) map[string]func() index.Reducer {
	out := map[string]func() index.Reducer{"custom": func() index.Reducer { return &customReducer{fn: concat{}} }}
	for _, name := range []string{"_count", "_sum", "_stats", "_approx_count_distinct", "_first", "_last", "_top_3", "_bottom_2"} {
		make, err := builtin(name)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = func() index.Reducer { r, _ := make(t.Context()); return r }
	}
	return out
}

func result(t fataler, r index.Reducer) string {
	b, err := r.AppendResult(nil)
	if e, ok := errors.AsType[*index.ReduceError](err); ok {
		return e.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

type fataler interface{ Fatal(...any) }

// However rows are parted, what they reduce to is the same, and so are the bytes on disk.
func TestParts(t *testing.T) {
	for name, make := range reducers(t) {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				values := rapid.SliceOfN(rapid.Map(rapid.IntRange(-5, 1<<40), func(n int) string { return fmt.Sprint(n) }), 1, 40).Draw(t, "values")
				whole, parted, again := make(), make(), make()
				add := func(r index.Reducer, i int) {
					if err := r.Add(fmt.Appendf(nil, "%d", i%7), []byte("id"), []byte(values[i])); err != nil {
						t.Fatal(err)
					}
				}
				for i := 0; i < len(values); {
					n := min(rapid.IntRange(1, 10).Draw(t, "part"), len(values)-i)
					part := make()
					for range n {
						add(whole, i)
						add(part, i)
						i++
					}
					p, err := part.AppendPartial(nil)
					if err != nil {
						t.Fatal(err)
					}
					q, err := part.AppendPartial(nil)
					if err != nil || !bytes.Equal(p, q) {
						t.Fatalf("%q, then %q: %v", p, q, err)
					}
					for _, r := range []index.Reducer{parted, again} {
						if err := r.Merge(p); err != nil {
							t.Fatal(err)
						}
					}
				}
				if a, b := result(t, whole), result(t, parted); a != b {
					t.Fatalf("%s in one, %s in parts", a, b)
				}
				again.Reset()
				add(again, 0)
				one := make()
				add(one, 0)
				if a, b := result(t, one), result(t, again); a != b {
					t.Fatalf("%s, after a Reset %s", a, b)
				}
			})
		})
	}
}

func outOfRange(name string) string {
	return `{"error":"builtin_reduce_error","reason":"The ` + name + ` of these values is out of the range of numbers."}`
}

func TestBuiltins(t *testing.T) {
	all := reducers(t)
	for _, c := range []struct{ name, values, want string }{
		{"_sum", "1 2 3", "6"}, {"_sum", "1.5 1.5", "3.0"}, {"_sum", "9223372036854775807 1", "9223372036854775808"},
		{"_sum", "123456789012345678901234567890 -1", "123456789012345678901234567889"},
		{"_sum", "[1,2] [10,20,30] 5", "[16,22,30]"}, {"_sum", "5 [1,2]", "[6,2]"},
		{"_sum", `{"x":1,"y":{"z":2}} {"x":5,"w":7,"y":{"z":[3,4]}}`, `{"x":6,"y":{"z":[5,4]},"w":7}`},
		{"_sum", `1 "x" 2`, `{"error":"builtin_reduce_error","reason":"` + sumReason + `","caused_by":"x"}`},
		{"_sum", `1 {"a":1}`, `{"error":"builtin_reduce_error","reason":"` + sumReason + `","caused_by":{"a":1}}`},
		{"_sum", "1e308 1e308", outOfRange("_sum")}, {"_sum", "-1e308 -1e308 1", outOfRange("_sum")}, {"_sum", "[1,1e308] [1,1e308]", outOfRange("_sum")},
		{"_sum", `{"a":1e308} {"a":1e308}`, outOfRange("_sum")}, {"_sum", "1.5 " + strings.Repeat("9", 400), outOfRange("_sum")},
		{"_sum", "1 " + strings.Repeat("9", maxDigits+1), outOfRange("_sum")}, {"_sum", "[" + strings.Repeat("9", maxDigits+1) + "]", outOfRange("_sum")},
		{"_stats", "1e200", outOfRange("_stats")}, {"_stats", "1 -1e200 2", outOfRange("_stats")}, {"_stats", "[1,1e200] [2,3]", outOfRange("_stats")},
		{"_stats", "1e308 1e308", outOfRange("_stats")}, {"_stats", strings.Repeat("9", maxDigits), outOfRange("_stats")},
		{"_stats", "1 2.5 -4", `{"sum":-0.5,"count":3,"min":-4,"max":2.5,"sumsqr":23.25}`},
		{"_stats", "[1,10] [3,5]", `[{"sum":4,"count":2,"min":1,"max":3,"sumsqr":10},{"sum":15,"count":2,"min":5,"max":10,"sumsqr":125}]`},
		{"_stats", `1 {"sum":10,"count":2,"min":4,"max":6,"sumsqr":52}`, `{"sum":11,"count":3,"min":1,"max":6,"sumsqr":53}`},
		{"_stats", `1 "x"`, "invalid_value"}, {"_stats", `1 [1]`, "invalid_value"}, {"_stats", `[1] [1,2]`, "invalid_value"}, {"_stats", `{"sum":1}`, "invalid_value"},
		{"_top_3", "1 9 5 9 2", "[9,5,2]"}, {"_bottom_2", `"b" 3 null`, "[null,3]"},
		{"_first", "3 1 2", "3"}, {"_last", "3 1 2", "2"}, {"_count", "null null", "2"},
	} {
		r := all[c.name]()
		var err error
		for _, v := range strings.Fields(c.values) {
			err = errors.Join(err, r.Add([]byte("1"), []byte("id"), []byte(v)))
		}
		if err == nil { // what is kept on disk reduces to the same
			p, e1 := r.AppendPartial(nil)
			again := all[c.name]()
			if err := errors.Join(e1, again.Merge(p)); err != nil {
				t.Errorf("%s of %s: %v", c.name, c.values, err)
			} else if got := result(t, again); got != c.want {
				t.Errorf("%s of a part of %s: %s, want %s", c.name, c.values, got, c.want)
			}
		}
		got := ""
		if b, ok := errors.AsType[*BuildError](err); ok {
			got = b.Word
		} else if err != nil {
			t.Errorf("%s of %s: %v", c.name, c.values, err)
		} else {
			got = result(t, r)
		}
		if got != c.want {
			t.Errorf("%s of %s: %s, want %s", c.name, c.values, got, c.want)
		}
	}
	for _, name := range []string{"_nonsense", "_top_", "_bottom_x", "_top_0"} {
		if _, err := builtin(name); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// Figures as they are written are read in a shorter way: to the same figures.
func TestFiguresAreReadAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.OneOf(
			rapid.StringMatching(`-?(0|[1-9][0-9]{0,24})`),
			rapid.StringMatching(`-?(0|[1-9][0-9]{0,5})\.[0-9]{1,9}(e-?[1-9][0-9]?)?`),
		)
		var values []string
		for i := range 5 {
			values = append(values, number.Draw(t, fmt.Sprint("figure ", i)))
		}
		written := fmt.Sprintf(`{"sum":%s,"count":%s,"min":%s,"max":%s,"sumsqr":%s}`, values[0], values[1], values[2], values[3], values[4])
		spaced := strings.NewReplacer(":", " : ", ",", " ,").Replace(written)
		turned := fmt.Sprintf(`{"sumsqr":%s,"max":%s,"min":%s,"other":{"sum":0},"count":%s,"sum":%s}`, values[4], values[3], values[2], values[1], values[0])
		want := partial(t, spaced)
		for _, other := range []string{written, turned} {
			if got := partial(t, other); got != want {
				t.Fatalf("%s gives %s, %s gives %s", other, got, spaced, want)
			}
		}
		if again := partial(t, want); again != want {
			t.Fatalf("%s is read as %s", want, again)
		}
	})
}

// partial is what _stats makes of a part.
func partial(t *rapid.T, part string) string {
	var s statsReducer
	if err := s.Merge([]byte(part)); err != nil {
		t.Fatalf("%s: %v", part, err)
	}
	b, err := s.AppendPartial(nil)
	if err != nil {
		t.Fatalf("%s: %v", part, err)
	}
	return string(b)
}

func TestSignature(t *testing.T) {
	parse := func(id, body string) string {
		return Signature(design.Parse(id, []byte(body)))
	}
	base := parse("_design/a", `{"views":{"v":{"map":"m"},"w":{"map":"n"}}}`)
	if other := parse("_design/b", `{"filters":{"f":"x"},"views":{"w":{"map":"n"},"v":{"map":"m"}}}`); other != base {
		t.Error("the signature depends on what rows do not depend on")
	}
	all := []string{base}
	for _, body := range []string{
		`{"views":{"v":{"map":"m"},"w":{"map":"o"}}}`, `{"views":{"v":{"map":"m","reduce":"_sum"},"w":{"map":"n"}}}`,
		`{"views":{"v":{"map":"m"},"w":{"map":"n"}},"language":"query"}`, `{"views":{"v":{"map":"m"},"w":{"map":"n"}},"options":{"local_seq":true}}`,
		`{"views":{"v":{"map":"m"},"w":{"map":"n"}},"options":{"changes":true}}`, `{"views":{"lib":{"x":"y"},"v":{"map":"m"},"w":{"map":"n"}}}`,
		`{"views":{"v":{"map":"m","options":{"collation":"raw"}},"w":{"map":"n"}}}`,
	} {
		s := parse("_design/a", body)
		if slices.Contains(all, s) {
			t.Errorf("%s has the signature of another index", body)
		}
		all = append(all, s)
	}
}

// member is an object of one member that no other row has.
func member(i int) []byte { return fmt.Appendf(nil, `{"member_%d_with_a_rather_long_name":1}`, i) }

// A _sum that grows with its rows is an error as soon as it is large, and costs no more from
// then on; however rows are parted, and also where only what is on disk is put together.
func TestSumGrows(t *testing.T) {
	const rows = 200_000
	began := time.Now()
	whole, parted := &sumReducer{}, &sumReducer{}
	largest := 0
	for from := 0; from < rows; from += 1000 {
		part := &sumReducer{}
		for i := range 1000 {
			for _, r := range []*sumReducer{whole, part} {
				if err := r.Add([]byte("1"), []byte("id"), member(from+i)); err != nil {
					t.Fatal(err)
				}
			}
		}
		p, err := part.AppendPartial(nil)
		if err == nil {
			err = parted.Merge(p)
		}
		if err != nil {
			t.Fatal(err)
		}
		p, err = parted.AppendPartial(nil)
		if err != nil {
			t.Fatal(err)
		}
		largest = max(largest, len(p))
	}
	for name, r := range map[string]*sumReducer{"whole": whole, "parted": parted} {
		if got := result(t, r); !strings.HasPrefix(got, `{"error":"builtin_reduce_error","reason":"Reduce output must shrink more rapidly: input size: `) {
			t.Errorf("%s: %.200s", name, got)
		}
	}
	if largest > maxSum {
		t.Errorf("a part has %d bytes", largest)
	}
	if took := time.Since(began); took > 2*time.Minute {
		t.Errorf("it took %v", took)
	}
}

// As in CouchDB what is short, or half as long as the rows, is a sum.
func TestSumShrinks(t *testing.T) {
	sum := func(rows, shapes int) string {
		r := &sumReducer{}
		for i := range rows {
			if err := r.Add([]byte("1"), []byte("id"), member(i%shapes)); err != nil {
				t.Fatal(err)
			}
		}
		return result(t, r)
	}
	for _, c := range []struct {
		rows, shapes int
		ok           bool
	}{{100, 100, true}, {400, 400, false}, {400, 150, true}, {50_000, 2000, true}, {3000, 2000, false}} {
		if got := sum(c.rows, c.shapes); strings.Contains(got, "builtin_reduce_error") == c.ok {
			t.Errorf("%d rows of %d members: %.200s", c.rows, c.shapes, got)
		}
	}
}

// What a reduce cannot take is not kept in its whole length with each part.
func TestFailureIsShort(t *testing.T) {
	r := &sumReducer{}
	long := []byte(`"` + strings.Repeat("x", 1<<20) + `"`)
	if err := r.Add(nil, nil, long); err != nil {
		t.Fatal(err)
	}
	if got := result(t, r); len(got) > 10_000 || !jsonscan.Valid([]byte(got)) || !strings.Contains(got, `"caused_by":"`) {
		t.Errorf("%d bytes: %.300s", len(got), got)
	}
	top := &topReducer{n: 100, top: true}
	for i := range 10 {
		long[1] = byte('a' + i)
		if err := top.Add(nil, nil, long); err != nil {
			t.Fatal(err)
		}
	}
	if got := result(t, top); !strings.Contains(got, "builtin_reduce_error") {
		t.Errorf("%d bytes of values: %.100s", len(got), got)
	}
}
