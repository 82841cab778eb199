package script

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	d := NewDesign([]byte(`{"lib":{"rule":"exports.min=3"},"min":2,"validate_doc_update":
		"function(n,o,u,s){ n.list=n.list||[]; n.list.push(1); if(n.n<require('lib/rule').min) throw {forbidden:'less than '+this.min}; if(!u.name) throw {unauthorized:{who:u.roles}}; if(o) throw 'text'; if(s.e) throw new RangeError('e'); if(n.x) n.x.y.z; if(n.t) throw ['error','my_word','my reason'] }"}`), Options{})
	for _, c := range []struct{ n, o, u, s, want string }{
		{`{"n":3}`, "", `{"name":"a"}`, `{}`, ""},
		{`{"n":1}`, "", `{"name":"a"}`, `{}`, "forbidden: less than 2"},
		{`{"n":3}`, "", `{"name":null,"roles":["r"]}`, `{}`, `unauthorized: {"who":["r"]}`},
		{`{"n":3}`, `{}`, `{"name":"a"}`, `{}`, `unknown_error: "text"`},
		{`{"n":3}`, "", `{"name":"a"}`, `{"e":1}`, `RangeError: e`},
		{`{"n":3,"x":{}}`, "", `{"name":"a"}`, `{}`, `TypeError: Cannot read property 'z' of undefined`},
		{`{"n":3,"t":1}`, "", `{"name":"a"}`, `{}`, `my_word: my reason`},
	} {
		err := d.Validate([]byte(c.n), []byte(c.o), []byte(c.u), []byte(c.s))
		got := ""
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: %q, want %q", c.n, got, c.want)
		}
	}
}

func TestMissingAndBrokenFunctions(t *testing.T) {
	d := NewDesign([]byte(`{"filters":{"broken":"function(","number":"5"},"shows":{}}`), Options{})
	for _, c := range []struct {
		call func() error
		kind Kind
	}{
		{func() error { _, err := d.NewFilter("none", nil); return err }, Missing},
		{func() error { _, err := d.NewFilter("broken", nil); return err }, Compilation},
		{func() error { _, err := d.NewFilter("number", nil); return err }, Compilation},
		{func() error { _, err := d.NewViewFilter("v"); return err }, Missing},
		{func() error { _, err := d.Show("s", nil, []byte("{}")); return err }, Missing},
		{func() error { return d.Validate([]byte("{}"), nil, nil, nil) }, Missing},
	} {
		if e, ok := errors.AsType[*Error](c.call()); !ok || e.Kind != c.kind {
			t.Errorf("%v, want kind %d", e, c.kind)
		}
	}
}

func TestProvides(t *testing.T) {
	for _, c := range []struct{ accept, query, want, kind string }{
		{"text/html", "", "html", typeHTML}, {"application/json;q=0.5,text/html;q=0.1", "", "json", typeJSON}, {"text/*", "", "html", typeHTML},
		{"*/*", "", "html", typeHTML}, {"", "", "html", typeHTML}, {"image/png", "", "", ""}, {"image/png", "foo", "foo", "application/foo"}, {"application/foo", "", "foo", "application/foo"},
		{"text/html;q=0", "", "", ""},
	} {
		d := NewDesign([]byte(`{"shows":{"s":"function(){registerType('foo','application/foo');provides('html',function(){return 'html'});provides('json',function(){return 'json'});provides('foo',function(){return 'foo'})}"}}`), Options{})
		req := `{"headers":{"Accept":"` + c.accept + `"},"query":{"format":"` + c.query + `"}}`
		resp, err := d.Show("s", nil, []byte(req))
		kind := ""
		for _, h := range resp.Headers {
			kind = h.Value
		}
		if string(resp.Body) != c.want || kind != c.kind || (c.want == "") != (err != nil) {
			t.Errorf("%q %q: %q as %q, %v", c.accept, c.query, resp.Body, kind, err)
		}
	}
}

// rowsOut gives rows to a list function and takes what it writes.
type rowsOut struct {
	rows  []string
	out   []string
	after error // once there are no more rows
}

func (r *rowsOut) next() ([]byte, error) {
	if len(r.rows) == 0 {
		return nil, r.after
	}
	row := r.rows[0]
	r.rows = r.rows[1:]
	return []byte(row), nil
}

func (r *rowsOut) Begin(resp Response) error {
	for _, h := range resp.Headers {
		r.out = append(r.out, h.Name+": "+h.Value)
	}
	return nil
}

func (r *rowsOut) Chunk(b []byte) error {
	r.out = append(r.out, string(b))
	return nil
}

func TestList(t *testing.T) {
	failing := errors.New("the index is gone")
	for _, c := range []struct {
		function string
		after    error
		want     string
		err      string
	}{
		{"function(h,r){start({headers:{A:'b'}});send(h.n);var w;while(w=getRow())send(w.id);send('x');return 'end'}", nil, "A: b|7|a|b|xend", ""},
		{"function(){provides('csv',function(){send('c');return getRow().id})}", nil, "Content-Type: text/csv|c|a", ""},
		{"function(){return 1}", nil, "1", ""},
		{"function(){while(getRow());return 'end'}", failing, "", "the index is gone"},
		{"function(){try{while(getRow());}catch(e){throw 'other'}}", failing, "", `render_error: function raised error: "other"`},
		{"function(){start({get headers(){for(;;);}});getRow()}", nil, "", "os_process_error: OS process timed out."},
		{"function(){start({get headers(){throw new Error('no')}})}", nil, "", "Error: no"},
		{"function(){return {toString:function(){for(;;);}}}", nil, "", "os_process_error: OS process timed out."},
	} {
		var opt Options
		if strings.Contains(c.err, "timed out") { // a busy machine may need as long for the others
			opt.Timeout = 100 * time.Millisecond
		}
		d := NewDesign([]byte(`{"lists":{"l":"`+c.function+`"}}`), opt)
		r := &rowsOut{rows: []string{`{"id":"a"}`, `{"id":"b"}`}, after: c.after}
		err := d.List(ListCall{Name: "l", Head: []byte(`{"n":7}`), Req: []byte("{}")}, r.next, r)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if out := strings.Join(r.out, "|"); out != c.want || got != c.err {
			t.Errorf("%s\nwrites %q, error %q; want %q, %q", c.function, out, got, c.want, c.err)
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	d := NewDesign([]byte(`{"validate_doc_update":"function(n,o,u,s){ if(!n.type) throw {forbidden:'type'}; if(o && o.type!==n.type) throw {forbidden:'changed'} }"}`), Options{})
	doc := []byte(`{"_id":"a","_rev":"1-0785e9eb543380151003dc452c3a001a","type":"order","n":12345,"name":"A name of some length","tags":["a","b","c"]}`)
	user, security := []byte(`{"db":"db","name":"a","roles":[]}`), []byte(`{"admins":{"names":[],"roles":[]},"members":{"names":[],"roles":[]}}`)
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Validate(doc, doc, user, security); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFilter(b *testing.B) {
	d := NewDesign([]byte(`{"filters":{"f":"function(doc,req){return doc.type===req.query.type}"}}`), Options{})
	f, err := d.NewFilter("f", []byte(`{"query":{"type":"order"}}`))
	if err != nil {
		b.Fatal(err)
	}
	doc := []byte(`{"_id":"a","_rev":"1-0785e9eb543380151003dc452c3a001a","type":"order","n":12345,"name":"A name of some length","tags":["a","b","c"]}`)
	b.ReportAllocs()
	for b.Loop() {
		if pass, err := f.Match(doc); err != nil || !pass {
			b.Fatal(pass, err)
		}
	}
}
