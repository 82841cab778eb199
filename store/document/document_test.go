package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/jsonscan"
)

func revID(t interface {
	Helper()
	Fatal(...any)
}, d *Doc, parent revtree.Rev) revtree.Rev {
	t.Helper()
	rev, err := d.RevID(parent, nil)
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

// testdata/revids.json holds bulk requests as a CouchDB 3.5 got them and the revision ids
// that it made of their documents.
func TestRevisionIDsAreCouchDBs(t *testing.T) {
	raw, err := os.ReadFile("testdata/revids.json")
	if err != nil {
		t.Fatal(err)
	}
	var recorded []struct {
		Request string
		Revs    []string
	}
	if err := json.Unmarshal(raw, &recorded); err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, c := range recorded {
		bulk, err := ParseBulk([]byte(c.Request), Options{})
		if err != nil {
			t.Errorf("%.100s: %v", c.Request, err)
			continue
		}
		for i, want := range c.Revs {
			d := &bulk.Docs[i]
			parent := d.Rev
			if len(d.Path) > 0 {
				parent = d.Path[0]
			}
			if want == "" || !strings.HasPrefix(want, fmt.Sprint(parent.Gen+1, "-")) {
				continue // a conflict, or a revival, whose parent is not in the request
			}
			checked++
			if got := revID(t, d, parent).String(); got != want {
				t.Errorf("%.100s: %s, want %s", d.Body, got, want)
			}
		}
	}
	if checked < 250 {
		t.Errorf("only %d revision ids were checked", checked)
	}
}

func TestRevIDsWithParentsAndAttachments(t *testing.T) {
	parse := func(s string) revtree.Rev {
		r, err := revtree.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first, err := Parse([]byte(`{"x":1}`), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := revID(t, &first, revtree.Rev{}).String(); got != "1-0785e9eb543380151003dc452c3a001a" {
		t.Errorf("{\"x\":1} is %s", got)
	}
	gone := Tombstone("a")
	if got := revID(t, &gone, parse("1-37044e557532031cb55cf639a5d54c11")).String(); got != "2-615ce4f8416640642de572837b5a780f" {
		t.Errorf("a deletion is %s", got)
	}
	back, err := (&Doc{ID: "a"}).RevID(parse("2-615ce4f8416640642de572837b5a780f"), make([]AttRef, 1))
	if err != nil || back.String() != "3-6b2bd863b5674ba0bb86ad8921e1fa77" {
		t.Errorf("an attachment put upon a deletion makes %s, %v", back, err)
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ in, body string }{
		{`{}`, `{}`},
		{" \n{ \"a\" : [ 1 , 2 ] , \"b\" : { } }\t", `{"a":[1,2],"b":{}}`},
		{`{"a":1,"b":2,"a":3}`, `{"b":2,"a":3}`},
		{`{"a":{"x":1,"x":2},"a":{"y":1,"z":2,"y":3}}`, `{"a":{"z":2,"y":3}}`},
		{`{"\u0061":1,"a":2}`, `{"a":2}`},
		{`{"_id":"x","_rev":"1-a","_conflicts":[1],"_local_seq":4,"v":1,"_replication_id":"r"}`, `{"v":1,"_replication_id":"r"}`},
		{`{"n":-0,"f":-0.0,"e":1E+2,"big":123456789012345678901234567890}`, `{"n":0,"f":-0.0,"e":1E+2,"big":123456789012345678901234567890}`},
		{`{"s":"\ud83d\ude00\u0000\/é"}`, `{"s":"\ud83d\ude00\u0000\/é"}`},
		{`{"_a":{"b":1}}`, ``},
		{`{"a":{"_b":1}}`, `{"a":{"_b":1}}`},
	} {
		d, err := Parse([]byte(c.in), Options{})
		if c.body == "" {
			if err == nil {
				t.Errorf("%s is taken", c.in)
			}
			continue
		}
		if err != nil || string(d.Body) != c.body {
			t.Errorf("%s: %s, %v, want %s", c.in, d.Body, err, c.body)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for in, kind := range map[string]Kind{
		"": Syntax, "{": Syntax, "{}x": Syntax, `{"a":}`: Syntax, `{"a":1,}`: Syntax, `{a:1}`: Syntax, `{"a":01}`: Syntax,
		`{"a":+1}`: Syntax, `{"a":1.}`: Syntax, `{"a":1e400}`: Syntax, `{"a":Infinity}`: Syntax, "{\"a\":\"\x01\"}": Syntax,
		"{\"a\":\"\xff\"}": Syntax, `{"a":"\ud83d"}`: Syntax, `{"a":"\ude00\ud83d"}`: Syntax, `{"a":"\x"}`: Syntax, "\ufeff{}": Syntax,
		`{"a":` + strings.Repeat("9", 310) + `}`: Syntax, `{"_foo":1,"a":tru}`: Syntax,
		"[]": BadRequest, "5": BadRequest, "null": BadRequest, `"x"`: BadRequest, `{"_rev":"x"}`: BadRequest, `{"_rev":5}`: BadRequest,
		`{"_rev":"1-zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"}`: BadRequest,
		`{"_foo":1}`: Validation, `{"_deleted":1}`: Validation, `{"_attachments":[]}`: Validation, `{"_revisions":5}`: Validation,
		`{"_revisions":{"start":"2","ids":[]}}`: Validation, `{"_revisions":{"start":1,"ids":5}}`: Validation, `{"_revisions":{"start":1,"ids":[1]}}`: Validation,
		`{"_id":5}`: IllegalID, `{"_id":""}`: IllegalID, `{"_id":"_x"}`: IllegalID, `{"_id":"_design/"}`: IllegalID, `{"_id":"_local/"}`: IllegalID,
	} {
		_, err := Parse([]byte(in), Options{})
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Kind != kind {
			t.Errorf("%.60q: %v, want kind %d", in, err, kind)
		}
	}
	big := []byte(`{"_id":"big", "a":"0123456789", "_attachments":{"f":{"data":"0123456789ABCDEF"}}}`)
	if _, err := Parse(big, Options{MaxSize: 17}); err == nil || err.(*Error).Kind != TooLarge {
		t.Errorf("a document larger than allowed: %v", err)
	}
	if _, err := Parse(big, Options{MaxSize: 18}); err != nil {
		t.Errorf("one of just the size, special members aside: %v", err)
	}
}

// The body is the same JSON without repeated members, whatever their number and depth.
func TestBodyIsTheSameValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var src strings.Builder
		var write func(depth int) string // returns what it should become
		write = func(depth int) string {
			space := rapid.SampledFrom([]string{"", " ", "\n\t"}).Draw(t, "space")
			src.WriteString(space)
			defer src.WriteString(space)
			kind := rapid.IntRange(0, 5).Draw(t, "kind")
			if depth > 3 {
				kind %= 4
			}
			switch kind {
			case 4:
				var out []string
				src.WriteByte('[')
				for i := range rapid.IntRange(0, 5).Draw(t, "length") {
					if i > 0 {
						src.WriteByte(',')
					}
					out = append(out, write(depth+1))
				}
				src.WriteByte(']')
				return "[" + strings.Join(out, ",") + "]"
			case 5:
				return writeObject(t, &src, write, depth, 40)
			}
			scalar := rapid.SampledFrom([]string{"0", "-1", "255", "256", "1.5", "1e3", "true", "null", `"x"`, `"\u00e9\n"`, `"é"`}).Draw(t, "scalar")
			src.WriteString(scalar)
			return scalar
		}
		want := writeObject(t, &src, write, 0, 40)
		d, err := Parse([]byte(src.String()), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if string(d.Body) != want {
			t.Fatalf("%s becomes %s, want %s", src.String(), d.Body, want)
		}
		again, err := Parse(d.Body, Options{})
		if err != nil || !bytes.Equal(again.Body, d.Body) || revID(t, &again, revtree.Rev{}) != revID(t, &d, revtree.Rev{}) {
			t.Fatalf("%s does not stay what it is: %s, %v", d.Body, again.Body, err)
		}
	})
}

// writeObject writes an object whose names may repeat, and returns what it should become.
func writeObject(t *rapid.T, src *strings.Builder, write func(int) string, depth, names int) string {
	type member struct{ name, value string }
	var members []member
	src.WriteByte('{')
	for i := range rapid.IntRange(0, 3+names/(1+depth*4)).Draw(t, "members") {
		if i > 0 {
			src.WriteByte(',')
		}
		name := fmt.Sprintf(`"m%d"`, rapid.IntRange(0, names).Draw(t, "name"))
		src.WriteString(name + ":")
		value := write(depth + 1)
		members = slices.DeleteFunc(members, func(m member) bool { return m.name == name })
		members = append(members, member{name, value})
	}
	src.WriteByte('}')
	var out []string
	for _, m := range members {
		out = append(out, m.name+":"+m.value)
	}
	return "{" + strings.Join(out, ",") + "}"
}

// A document is nested as deep as any JSON may be, and no deeper.
func TestDepth(t *testing.T) {
	for _, part := range [][2]string{{"[", "]"}, {`{"a":`, "}"}} {
		for depth, want := range map[int]bool{100: true, jsonscan.MaxDepth: true, jsonscan.MaxDepth + 1: false, 1 << 18: false} {
			inner := strings.Repeat(part[0], depth-2) + "[]" + strings.Repeat(part[1], depth-2)
			src := []byte(`{"a":` + inner + `}`)
			d, err := Parse(src, Options{})
			if (err == nil) != want || json.Valid(src) != want {
				t.Errorf("%d levels of %s: %v", depth, part[0], err)
			}
			if err == nil && !bytes.Equal(d.Body, src) {
				t.Errorf("%d levels of %s become another document", depth, part[0])
			}
		}
	}
}

func BenchmarkParseBulk(b *testing.B) {
	src := []byte(`{"docs":[`)
	for i := range 1000 {
		if i > 0 {
			src = append(src, ',')
		}
		src = fmt.Appendf(src, `{"_id":"doc-%d","type":"todo","n":%d,"done":false,"tags":["a","b"],"text":"%s"}`, i, i, strings.Repeat("buy milk and call mother ", 12))
	}
	src = append(src, `]}`...)
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseBulk(src, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"_id":"a","_rev":"1-a","x":[1,2,300],"y":{"a":1,"a":2}}`, `{"_revisions":{"start":2,"ids":["a","b"]}}`, `{"a":1e5,"b":"\u00e9"}`, `[]`, ``} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		d, err := Parse(src, Options{})
		if err != nil {
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Errorf("%q: %v is no error of ours", src, err)
			}
			return
		}
		if !json.Valid(src) || !json.Valid(d.Body) {
			t.Fatalf("%q is taken, as %q", src, d.Body)
		}
		again, err := Parse(d.Body, Options{})
		if err != nil || !bytes.Equal(again.Body, d.Body) {
			t.Errorf("%q becomes %q and then %q, %v", src, d.Body, again.Body, err)
		}
		first := revID(t, &d, revtree.Rev{})
		if again := revID(t, &d, revtree.Rev{}); again != first {
			t.Error("two revision ids of one edit")
		}
	})
}

func FuzzParseBulk(f *testing.F) {
	f.Add([]byte(`{"docs":[{"_id":"a"},{"b":1}],"new_edits":false}`))
	f.Add([]byte(`{"docs":[5]}`))
	f.Fuzz(func(t *testing.T, src []byte) {
		b, err := ParseBulk(src, Options{})
		if err != nil {
			return
		}
		for i := range b.Docs {
			if !jsonscan.Valid(b.Docs[i].Body) {
				t.Errorf("%q gives %q", src, b.Docs[i].Body)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	src := []byte(`{"_id":"doc-0badcafe","owner":"user0007","type":"todo","n":7,"score":12.25,"done":false,"city":"Oslo","tags":["a","b"],"created":"2024-01-02T03:04:05Z","text":"` + strings.Repeat("buy milk and call mother ", 10) + `"}`)
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		d, err := Parse(src, Options{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := d.RevID(revtree.Rev{}, nil); err != nil {
			b.Fatal(err)
		}
	}
}
