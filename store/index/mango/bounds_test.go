package mango

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/jsonscan"
	"github.com/tododb/tododb/store/pattern"
	"github.com/tododb/tododb/store/widetest"
)

func word(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Word
	}
	return fmt.Sprint(err)
}

func mustCompile(t fataler, selector string) *Selector {
	s, err := Compile([]byte(selector))
	if err != nil {
		t.Fatalf("%.100s: %v", selector, err)
	}
	return s
}

func quoted(s string) string { return string(jsonscan.AppendString(nil, s)) }

// Patterns are bounded as PCRE bounds them, before a parser sees them: eight million
// brackets would take gigabytes.
func TestPatternBounds(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("(?=", n) + strings.Repeat(")", n) }
	for name, c := range map[string]struct{ pattern, want string }{
		"longest":  {strings.Repeat("a", pattern.MaxLength), ""},
		"too long": {strings.Repeat("a", pattern.MaxLength+1), "bad_arg"},
		"deepest":  {nested(pattern.MaxNesting), ""},
		"too deep": {nested(pattern.MaxNesting + 1), "bad_arg"},
		"bomb":     {strings.Repeat("(?=", 8_000_000), "bad_arg"},
	} {
		_, err := Compile([]byte(`{"a":{"$regex":` + quoted(c.pattern) + `}}`))
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %.200v", name, err)
			}
			continue
		}
		if word(err) != c.want || len(err.Error()) > 10_000 {
			t.Errorf("%s: %.200v (%d bytes)", name, err, len(err.Error()))
		}
	}
	many := strings.Repeat(`{"a":{"$regex":`+quoted(strings.Repeat("a", pattern.MaxLength))+`}},`, 5)
	if _, err := Compile([]byte(`{"$and":[` + strings.TrimSuffix(many, ",") + `]}`)); word(err) != "invalid_selector" {
		t.Errorf("five long patterns: %.100v", err)
	}
}

// A pattern that takes too long is an error: nobody knows whether the document matches, and
// an index that left it out would be wrong for good.
func TestSlowPatternOfIndex(t *testing.T) {
	widetest.Only(t)
	w := newWorld(t)
	db := w.create(t)
	defer db.Release()
	put(t, db, `{"_id":"a","x":1,"s":"`+strings.Repeat("a", 60)+`!"}`)
	putIndex(t, db, "part", `{"fields":["x"],"partial_filter_selector":{"s":{"$regex":"^(?=a)(a+)+$"}}}`)
	q, err := ParseQuery([]byte(`{"selector":{"x":1},"use_index":"part"}`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := w.f.Plan(t.Context(), db, q)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.f.Run(t.Context(), db, p, func(*Found) error { return nil }, func() error { return nil })
	if word(err) != "regex_too_slow" {
		t.Errorf("got %v", err)
	}
}

// What is folded gives the answers of its parts.
func TestFolded(t *testing.T) {
	values := []string{`1`, `1.0`, `2`, `"a"`, `"A"`, `"b"`, `null`, `[1]`, `["a",2]`, `{"b":1}`, `true`}
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.SampledFrom(values)
		doc := &store.Document{ID: rapid.SampledFrom([]string{"a", "A", "b"}).Draw(t, "id")}
		doc.Body = []byte("{}")
		if rapid.Bool().Draw(t, "has") {
			doc.Body = fmt.Appendf(nil, `{"a":%s,"c":%s}`, value.Draw(t, "of a"), value.Draw(t, "of c"))
		}
		op := rapid.SampledFrom([]string{"$eq", "$ne"}).Draw(t, "op")
		var parts []string
		or, and := false, true
		for range rapid.IntRange(1, 8).Draw(t, "parts") {
			one := fmt.Sprintf(`{%q:{%q:%s}}`, rapid.SampledFrom([]string{"a", "c", "_id"}).Draw(t, "field"), op, value.Draw(t, "value"))
			ok, err := mustCompile(t, one).Match(context.Background(), doc)
			if err != nil {
				t.Fatal(err)
			}
			or, and = or || ok, and && ok
			parts = append(parts, one)
		}
		for selector, want := range map[string]bool{`{"$or":[` + strings.Join(parts, ",") + `]}`: or, `{"$and":[` + strings.Join(parts, ",") + `]}`: and} {
			if got, err := mustCompile(t, selector).Match(context.Background(), doc); got != want || err != nil {
				t.Errorf("%s of %s %s: %v, %v, want %v", selector, doc.ID, doc.Body, got, err, want)
			}
		}
	})
}

// branches is an $or of so many parts.
func branches(n int, format string) string {
	var b strings.Builder
	b.WriteString(`{"$or":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, format, i)
	}
	return b.String() + `]}`
}

func TestSelectorBounds(t *testing.T) {
	wide := `{"` + strings.Repeat("n", 100_000) + `":{"a0":1`
	for i := range 1000 {
		wide += fmt.Sprintf(`,"a%d":1`, i)
	}
	for name, c := range map[string]struct{ selector, want string }{
		"equalities":           {branches(100_000, `{"a":%d}`), ""},
		"conditions":           {branches(maxConditions, `{"a":{"$gt":%d}}`), ""},
		"too many conditions":  {branches(maxConditions+1, `{"a":{"$gt":%d}}`), "invalid_selector"},
		"too many operators":   {branches(maxOperators+1, `{"a":%d}`), "invalid_selector"},
		"long names":           {wide + "}}", "invalid_selector"},
		"deep name":            {`{"` + strings.Repeat("a.", 2000) + `b":1}`, "invalid_field_name"},
		"deep":                 {strings.Repeat(`{"$not":`, maxDepth) + `{"a":1}` + strings.Repeat("}", maxDepth), "invalid_selector"},
		"deep within elements": {strings.Repeat(`{"a":{"$elemMatch":`, maxDepth) + `{"a":1}` + strings.Repeat("}}", maxDepth), "invalid_selector"},
	} {
		_, err := Compile([]byte(c.selector))
		if c.want == "" && err != nil || c.want != "" && word(err) != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// Judging one document stops with its context, however long it would take.
func TestMatchStops(t *testing.T) {
	long := strings.Repeat("x", 1<<16)
	list := strings.Repeat(`{"b":"`+long+`"},`, 40) + "0"
	doc := &store.Document{ID: "a", Body: []byte(`{"a":"` + long + `","l":[` + list + `]}`)}
	for name, selector := range map[string]string{
		"$or":        branches(maxConditions, `{"a":{"$lt":"a%d"}}`),
		"$and":       `{"$and":[` + strings.TrimSuffix(strings.Repeat(`{"a":{"$gt":"a"}},`, maxConditions), ",") + `]}`,
		"$elemMatch": `{"l":{"$elemMatch":` + branches(maxConditions/2, `{"b":{"$lt":"a%d"}}`) + `}}`,
		"$allMatch":  `{"l":{"$not":{"$allMatch":` + branches(maxConditions/2, `{"b":{"$gt":"z%d"}}`) + `}}}`,
		"$nin":       `{"l":{"$nin":[1]}}`,
	} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		began := time.Now()
		if ok, err := mustCompile(t, selector).Match(ctx, doc); ok || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, %v after %v", name, ok, err, time.Since(began))
		}
	}
}

// growsEvenly fails a test if work takes far longer on much at once than on the same in sixteen
// parts. With the square it would be sixteen times as long. Both take about as long, so that a busy
// machine interrupts both, and each is measured several times.
func growsEvenly(t *testing.T, work func(n int) time.Duration) {
	t.Helper()
	const n = 3000
	parts, whole := time.Hour, time.Hour
	for range 4 {
		var sum time.Duration
		for range 16 {
			sum += work(n)
		}
		parts, whole = min(parts, sum), min(whole, work(16*n))
	}
	t.Logf("in parts %v, at once %v", parts, whole)
	if whole > 6*parts {
		t.Errorf("%d take %v, in parts %v", 16*n, whole, parts)
	}
}

// Many fields of a document with many members are found in one look at it.
func TestManyFields(t *testing.T) {
	widetest.Only(t)
	growsEvenly(t, func(n int) time.Duration {
		var names, body []string
		for i := range n {
			names = append(names, fmt.Sprintf(`"m%d.a"`, i), fmt.Sprintf(`"none%d"`, i))
			body = append(body, fmt.Sprintf(`"m%d":{"a":%d}`, i, i))
		}
		f, err := CompileFields([]byte("[" + strings.Join(names, ",") + "]"))
		if err != nil {
			t.Fatal(err)
		}
		all := "{" + strings.Join(body, ",") + "}"
		began := time.Now()
		got := string(f.Append(nil, &store.Document{ID: "a", Body: []byte(all)}))
		took := time.Since(began)
		if got != all {
			t.Errorf("%d bytes, want %d", len(got), len(all))
		}
		return took
	})
	if _, err := CompileFields([]byte("[" + strings.Repeat(`"a",`, maxFields) + `"a"]`)); word(err) != "invalid_fields" {
		t.Errorf("too many: %v", err)
	}
}

// However many fields are asked for, each shows what it shows by itself.
func TestFieldTree(t *testing.T) {
	doc := &store.Document{ID: "a", Body: []byte(`{"n":5,"o":{"p":1,"q":{"r":2}},"t":["x",{"u":1}],"a.b":3,"e":{}}`)}
	names := []string{"n", "o", "o.p", "o.q.r", "t.0", "t.1.u", "t.2", "t.x", `a\.b`, "e", "e.f", "n.x", "_id", "_id.x", "_rev", "none"}
	for _, name := range names {
		one, err := CompileFields([]byte("[" + quoted(name) + "]"))
		if err != nil {
			t.Fatal(err)
		}
		more := []string{name}
		for i := range few {
			more = append(more, fmt.Sprintf("none%d", i))
		}
		for i := range more {
			more[i] = quoted(more[i])
		}
		many, err := CompileFields([]byte("[" + strings.Join(more, ",") + "]"))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := string(many.Append(nil, doc)), string(one.Append(nil, doc)); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// An $or of ten thousand values over an index costs about what $in does.
func TestBranchesOverIndex(t *testing.T) {
	w := newWorld(t)
	db := w.create(t)
	defer db.Release()
	putIndex(t, db, "n", `{"fields":["n"]}`)
	const docs = 2000
	var all []string
	for i := range docs {
		all = append(all, fmt.Sprintf(`{"_id":"d%d","n":%d}`, i, 5*i))
	}
	put(t, db, all...)
	in := make([]string, 10_000)
	for i := range in {
		in[i] = fmt.Sprint(i)
	}
	took := func(selector string) time.Duration {
		began := time.Now()
		q, err := ParseQuery([]byte(`{"selector":` + selector + `,"limit":100000}`))
		if err != nil {
			t.Fatal(err)
		}
		p, err := w.f.Plan(t.Context(), db, q)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		if _, err := w.f.Run(t.Context(), db, p, func(*Found) error { n++; return nil }, func() error { return nil }); err != nil || n != docs {
			t.Fatal(n, err)
		}
		return time.Since(began)
	}
	or, one := time.Hour, time.Hour
	for range 5 { // by turns: the machine may be busy for a while
		or = min(or, took(branches(10_000, `{"n":%d}`)))
		one = min(one, took(`{"n":{"$in":[`+strings.Join(in, ",")+`]}}`))
	}
	if or > 8*one {
		t.Errorf("$or took %v, $in %v", or, one)
	}
}

// Planning a query of very many inequalities does not take time with their square.
func TestManyInequalities(t *testing.T) {
	n := mustCompile(t, `{"$nor":`+strings.TrimSuffix(strings.TrimPrefix(branches(100_000, `{"_id":"d%d"}`), `{"$or":`), "}")+`}`)
	began := time.Now()
	s := n.norm.spansOf("_id", ids{})
	if took := time.Since(began); took > 30*time.Second { // a fifth of a second on a busy machine
		t.Errorf("it took %v", took)
	}
	for _, id := range []string{"a", "x", "d"} { // these match: they must be in
		if !slices.ContainsFunc(s, func(one span) bool { return one.lo <= id && id < one.hi }) {
			t.Errorf("%q is left out", id)
		}
	}
}
