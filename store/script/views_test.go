package script

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// emitted runs map functions over documents and lists what they emit.
func emitted(t testing.TB, opt Options, lib string, docs []string, maps ...string) []string {
	t.Helper()
	m := mapper(t, opt, lib, maps...)
	var out []string
	for _, doc := range docs {
		if err := m.Map([]byte(doc), func(view int, key, value []byte) error {
			out = append(out, fmt.Sprintf("%d %s %s", view, key, value))
			return nil
		}); err != nil {
			out = append(out, err.Error())
		}
	}
	return out
}

func mapper(t testing.TB, opt Options, lib string, maps ...string) *Mapper {
	t.Helper()
	var views []ViewFunctions
	for i, source := range maps {
		views = append(views, ViewFunctions{Name: fmt.Sprint(i), Map: source})
	}
	v, err := CompileViews(views, []byte(lib), opt)
	if err != nil {
		t.Fatal(err)
	}
	m, err := v.NewMapper()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMap(t *testing.T) {
	for _, c := range []struct{ name, doc, function, want string }{
		{"member", `{"_id":"a","k":2.5}`, "function(doc){emit(doc.k, doc._id)}", `0 2.5 "a"`},
		{"nothing", `{"_id":"a"}`, "function(doc){emit()}", `0 null null`},
		{"numbers", `{"a":1.0,"b":1e21,"c":-0.0,"d":12345678901234567890,"e":1e-7,"f":100000000000000000000}`,
			"function(doc){emit([doc.a,doc.b,doc.c,doc.d,doc.e,doc.f], doc)}",
			`0 [1,1e+21,0,12345678901234567000,1e-7,100000000000000000000] {"a":1,"b":1e+21,"c":0,"d":12345678901234567000,"e":1e-7,"f":100000000000000000000}`},
		{"not numbers", `{}`, "function(){emit([undefined,NaN,function(){}],{a:undefined,b:Infinity,c:null})}", `0 [null,null,null] {"b":null,"c":null}`},
		{"date", `{}`, "function(){emit(new Date(0),function(){})}", `0 "1970-01-01T00:00:00.000Z" null`},
		{"boxes", `{}`, "function(){emit(new String('s'),[new Number(1),new Boolean(false)])}", `0 "s" [1,false]`},
		{"toJSON", `{}`, "function(){emit({toJSON:function(k){return 'j'+k}},{a:{toJSON:function(k){return k}}})}", `0 "j" {"a":"a"}`},
		{"frozen", `{"a":[1,{"b":2}]}`, "function(doc){doc.a=1;delete doc.a;doc.a[1].b=3;doc.a[0]=9;emit([Object.isFrozen(doc),Object.isFrozen(doc.a)],doc.a)}", `0 [true,true] [1,{"b":2}]`},
		{"strict", `{"a":1}`, "function(doc){'use strict';try{doc.a=2}catch(e){emit(e.name,doc.a)}}", `0 "TypeError" 1`},
		{"shift", `{"a":[1,2]}`, `function(doc) {
			var a = [1,,3], taken = [a.shift(), a.shift(), a.length, 0 in a, a.shift(), a.shift(), a.length];
			var like = {length: 2, 0: 'x', 1: 'y'}, frozen = Object.freeze([1]), none = Object.create([7]);
			taken.push(Array.prototype.shift.call(like), like.length, none.shift());
			[frozen, doc.a].forEach(function(list) { try { list.shift() } catch (e) { taken.push(e.name, list.length) } });
			emit(taken, [like, a]);
		}`, `0 [1,null,1,true,3,null,0,"x",1,7,"TypeError",1,"TypeError",2] [{"0":"y","length":1},[]]`},
		{"unshift", `{"a":[1,2]}`, `function(doc) {
			var a = [3,,4], lengths = [a.unshift(2), a.unshift(), a.unshift(0, 1), 4 in a];
			var like = {length: 1, 0: 'y'}, few = [9], frozen = Object.freeze([1]), none = Object.create([7]), closed = Object.preventExtensions([5]);
			few.unshift(6, 7, 8);
			lengths.push(Array.prototype.unshift.call(like, 'x'), like.length, none.unshift(6));
			[frozen, doc.a, closed].forEach(function(list) { try { list.unshift(0) } catch (e) { lengths.push(e.name, list.length, list[0]) } });
			try { Array.prototype.unshift.call(null, 1) } catch (e) { lengths.push(e.name) }
			emit(lengths, [like, a, few]);
		}`, `0 [4,4,6,false,2,2,2,"TypeError",1,1,"TypeError",2,1,"TypeError",1,5,"TypeError"] [{"0":"x","1":"y","length":2},[0,1,2,3,null,4],[6,7,8,9]]`},
		{"sorts a copy", `{"a":[3,1,2]}`, "function(doc){emit(doc.a.slice().sort(),doc.a.length);try{doc.a.sort()}catch(e){emit('no',isArray(doc.a))}}", "0 [1,2,3] 3\n0 \"no\" true"},
		{"members", `{"b":1,"2":0,"a":1,"1":0}`, "function(doc){var k=[];for(var p in doc)k.push(p);emit(k,doc)}", `0 ["1","2","b","a"] {"1":0,"2":0,"b":1,"a":1}`},
		{"has", `{"a":null}`, "function(doc){emit(['a' in doc,'b' in doc,doc.hasOwnProperty('a'),typeof doc.b],JSON.stringify(doc))}", `0 [true,false,true,"undefined"] "{\"a\":null}"`},
		{"text", `{"s":"a\u00e9\ud83d\ude00\n"}`, "function(doc){emit(doc.s,doc.s.length)}", "0 \"aé😀\\n\" 5"},
		{"for old programs", `{"d":"2012-03-04T05:06:07Z"}`, `function(doc){var d=new Date(doc.d), e=new Date(0), o={}; e.setYear(70); o.__defineGetter__("g",function(){return 5}); emit([d.getYear(), d.toGMTString(), e.getFullYear(), o.g, typeof o.__lookupGetter__("g"), typeof o.__lookupSetter__("g"), Object.keys(doc).length], ["a".link('x"y'), "b".bold()])}`,
			`0 [112,"Sun, 04 Mar 2012 05:06:07 GMT",1970,5,"function","undefined",1] ["<a href=\"x&quot;y\">a</a>","<b>b</b>"]`},
		{"typed arrays", `{}`, `function(){class Mine extends Uint8Array{} var a=new Uint8Array(2), m=new Mine(1); emit([a instanceof Uint8Array, a.buffer instanceof ArrayBuffer, a instanceof Int8Array, m instanceof Mine, m instanceof Uint8Array, a instanceof Mine, [] instanceof Uint8Array])}`, `0 [true,true,false,true,true,false,false] null`},
		{"properties of characters", `{"s":"Ähre, 2 naïve Ωs: ٣!"}`, `function(doc){emit(doc.s.split(/[^\p{L}\p{Nd}]+/u), [doc.s.match(/\p{Lu}/gu), doc.s.replace(new RegExp("\\P{Letter}", "ug"), ""), /^\p{Script=Greek}\p{Ll}/u.test("Ωs"), RegExp("\\p{Alphabetic}", "u").test("1")])}`,
			`0 ["Ähre","2","naïve","Ωs","٣",""] [["Ä","Ω"],"ÄhrenaïveΩs",true,false]`},
		{"properties beyond", `{}`, `function(){emit([/(?=\p{L})[^\p{Lu}]$/u.test("a"), /\p{Lo}/u.test("\u{20000}"), /^\P{L}$/u.test("\u{1F4A9}"), /\p{sc=Han}/u.exec("a漢")[0], /[\p{P}-]/u.test("-"), /\p{L}/.test("p{L}"), /\\p{1}/u.test("\\p"), /^\p{Any}\p{ASCII}\p{Upper}\p{Lower}\p{White_Space}$/u.test("äaÄä\u2003"), /\p{L}/iu.test("A")])}`,
			`0 [true,true,true,"漢",true,true,true,true,true] null`},
		{"unknown property", `{}`, `function(){try{new RegExp("\\p{Emojis}", "u")}catch(e){emit(e.name)}; emit([/a/ instanceof RegExp, new RegExp(/b/g).flags, RegExp("a").source, RegExp.name, /a/.constructor === RegExp])}`,
			`0 "SyntaxError" null` + "\n" + `0 [true,"g","a","RegExp",true] null`},
		{"throws", `{}`, "function(){emit(1);throw 'no'}", ""},
		{"circle", `{}`, "function(){emit(1);var a=[];a.push(a);emit(a)}", ""},
		{"fatal", `{}`, "function(){throw ['fatal','word','why']}", "word: why"},
		{"fatal error", `{}`, "function(){throw 'fatal_error'}", "map_runtime_error: function raised 'fatal_error'"},
		{"throws null", `{}`, "function(){throw null}", ""},
		{"arrow", `{"_id":"a"}`, "doc => emit(doc._id, 1)", `0 "a" 1`},
		{"comments", `{}`, "// one\nfunction(doc){emit('c')} // end", `0 "c" null`},
		{"semicolon", `{}`, "function(doc){emit('c')};  ", `0 "c" null`},
		{"helpers before", `{}`, "var n=1;function h(){return n}\nfunction(doc){emit(h())}", `0 1 null`},
		{"helpers after", `{}`, "/* ( */ function(doc){emit(h())};\nfunction h(){return /[)}]/.test('}')}", `0 true null`},
		{"named", `{}`, "function f(doc){emit('f')}", `0 "f" null`},
		{"environment", `{"a":[1,2]}`, "function(doc){log('hi');emit([typeof log,typeof require,typeof getRow,typeof send,typeof start,typeof provides,typeof registerType,typeof setTimeout],[sum(doc.a),toJSON({a:1}),isArray({})])}",
			`0 ["function","function","function","function","function","function","function","undefined"] [3,"{\"a\":1}",false]`},
		{"no code from text", `{}`, "function(){[function(){eval('1')},function(){new Function('1')()},function(){(function(){}).constructor('1')()},function(){(async()=>1).constructor('1')}].forEach(function(f){try{f();emit('ran')}catch(e){emit(e.name)}})}",
			"0 \"EvalError\" null\n0 \"EvalError\" null\n0 \"EvalError\" null\n0 \"EvalError\" null"},
		{"functions", `{}`, "function(doc){emit([doc instanceof Object,(function(){}) instanceof Function,typeof Function.prototype.call],Math.max.apply(null,[1,2].concat(3)))}", `0 [true,true,"function"] 3`},
		{"stringify", `{"a":[1,{"b":[]}]}`, "function(doc){emit(JSON.stringify(doc,null,1),[JSON.stringify({a:1,b:2},['b']),JSON.stringify({a:1},function(k,v){return v===1?2:v}),JSON.stringify(undefined)])}",
			`0 "{\n \"a\": [\n  1,\n  {\n   \"b\": []\n  }\n ]\n}" ["{\"b\":2}","{\"a\":2}",null]`},
		{"parse", `{}`, `function(){emit(JSON.parse('{"a":[1,"\\u0041",null]}'),JSON.parse('[1]',function(k,v){return k==='0'?7:v}))}`, `0 {"a":[1,"A",null]} [7]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := strings.Join(emitted(t, Options{}, "", []string{c.doc}, c.function), "\n")
			if got != c.want {
				t.Errorf("emitted\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// What a function keeps of a document beyond its call must not show another document.
func TestMapKeepsNoBytes(t *testing.T) {
	m := mapper(t, Options{}, "", "var old; function(doc){emit(old && [old.seen, old.not], doc.seen); old=doc}")
	var got []string
	doc := make([]byte, 0, 100)
	for _, next := range []string{`{"seen":1,"not":[1]}`, `{"seen":2,"not":[2]}`} {
		doc = append(doc[:0], next...)
		if err := m.Map(doc, func(_ int, key, value []byte) error {
			got = append(got, string(key)+" "+string(value))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"null 1", "[1,null] 2"}; !slices.Equal(got, want) {
		t.Errorf("emitted %q, want %q", got, want)
	}
}

func TestViewsLibrary(t *testing.T) {
	lib := `{"sq":"exports.sq=function(x){return x*x}","deep":{"inner":"exports.q=function(x){return require('../sq').sq(x)};exports.id=module.id","sib":"module.exports={who:require('./inner').id}"},
		"a":"exports.x=1;exports.b=require('views/lib/b').y","b":"exports.y=require('views/lib/a').x","bad":"exports.x=("}`
	got := emitted(t, Options{}, lib, []string{`{"k":3}`},
		"function(doc){emit(require('views/lib/sq').sq(doc.k),require('views/lib/deep/inner').q(2))}",
		"function(doc){emit(require('views/lib/deep/sib').who,require('views/lib/b').y)}",
		"function(doc){emit(require('other'))}",
		"function(doc){emit(require('views/lib/deep'))}",
		"function(doc){try{require('views/lib/none')}catch(e){emit('none')}}",
		"function(doc){emit(require('views/lib/bad'))}")
	want := []string{"0 9 4", `1 "views/lib/deep/inner" 1`, `4 "none" null`}
	if !slices.Equal(got, want) {
		t.Errorf("emitted %q, want %q", got, want)
	}
}

func TestCompileErrors(t *testing.T) {
	for _, source := range []string{"", "function(doc){ emit(doc.k ", "not a function", strings.Repeat("(", 1_000_000), strings.Repeat("!", 1_000_000) + "1", "function(){1n<<(2n**40n)}", strings.Repeat("x", maxSource+1), "5", "nothere", "for(;;);",
		`function(doc){emit(/\p{Lx}/u)}`, `function(doc){emit(/\p{L/u)}`, `function(doc){emit(/` + strings.Repeat(`\p{L}`, 1000) + `/u)}`} {
		v, err := CompileViews([]ViewFunctions{{Name: "v", Map: source}}, nil, Options{Timeout: 50 * time.Millisecond})
		if err == nil {
			err = v.Check()
		}
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Kind != Compilation && e.Kind != Stopped {
			t.Errorf("%.40q: %v", source, err)
		}
	}
}

// What goja's parser and compiler do by calling themselves must fit on the stack of the
// process for the longest source that is let through.
func TestLongestSources(t *testing.T) {
	if testing.Short() {
		t.Skip("parses megabytes")
	}
	for _, part := range []string{"a?", "1+", "a.", "if(1)"} {
		source := strings.Repeat(part, maxSource/len(part)-1)
		if _, err := CompileViews([]ViewFunctions{{Map: source}}, nil, Options{}); err == nil {
			t.Errorf("%q repeated compiles", part)
		}
	}
}

func TestReduce(t *testing.T) {
	for _, c := range []struct {
		function string
		rereduce bool
		want     string
	}{
		{"function(k,v,r){return sum(v)}", false, "6"},
		{"function(k,v,r){return Math.max.apply(null,v)}", false, "3"},
		{"function(k,v,r){return k.map(function(k){return k[1]+JSON.stringify(k[0])}).join()}", false, `"a[1],b\"x\",cnull"`},
		{"function(k,v,r){return [k,r]}", true, "[null,true]"},
		{"function(k,v,r){return {n:v.length,k:k.length}}", false, `{"n":3,"k":3}`},
		{"function(){throw 'boom'}", false, "null"},
		{"function(){return this.no.where}", false, "null"},
		{"function(){}", false, "null"},
		{"function(){throw ['fatal','word','why']}", false, "word: why"},
		{"function(){return Array(6000).join('x')}", false, "reduce_overflow_error: Reduce output must shrink more rapidly: input size: 43 output size: 6001"},
	} {
		v, err := CompileViews([]ViewFunctions{{Name: "v", Map: "function(){}", Reduce: c.function}}, nil, Options{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := v.NewReducer(0)
		if err != nil {
			t.Fatal(err)
		}
		keys := []ReduceKey{{[]byte("[1]"), "a"}, {[]byte(`"x"`), "b"}, {[]byte("null"), "c"}}
		if c.rereduce {
			keys = nil
		}
		got, err := r.Reduce(keys, [][]byte{[]byte("1"), []byte("2"), []byte("3")}, c.rereduce)
		if err != nil {
			got = []byte(err.Error())
		}
		if string(got) != c.want {
			t.Errorf("%s\ngives %s, want %s", c.function, got, c.want)
		}
	}
}

// A function that would not end, or would take all there is, is stopped, and the next
// document is mapped as if nothing had been.
func TestMapIsStopped(t *testing.T) {
	for _, c := range []struct{ name, function string }{
		{"loop", "for(;;);"},
		{"caught loop", "for(;;)try{for(;;);}finally{continue}"},
		{"recursion", "(function f(){f()})()"},
		{"recursion through sort", "(function f(){[2,1].sort(f);f()})()"},
		{"text", "var s='x';for(;;)s+=s"},
		{"list", "var a=[];for(;;)a.push(new Array(1000).join('x'))"},
		{"repeat", "'x'.repeat(1e12)"},
		{"pad", "'x'.padStart(1e12)"},
		{"join", "new Array(1e9).join('xx')"},
		{"fill", "new Array(1e9).fill(0)"},
		{"buffer", "new ArrayBuffer(1e15)"},
		{"bytes", "new Uint8Array(1e15)"},
		{"doubled list", "var a=[1];for(var i=0;i<60;i++)a=[a,a];emit(a)"},
		{"doubled list as text", "var a=[1];for(var i=0;i<60;i++)a=[a,a];JSON.stringify(a,null,1)"},
		{"brackets", "JSON.parse('['.repeat(1e7))"},
		{"regular expression", "/^(a+)+\\1$/.test('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!')&&0;for(;;);"},
		{"arguments", "Math.max.apply(null,{length:3e8})"},
		{"reflected arguments", "Reflect.apply(Math.max,null,{length:3e8})"},
		{"spread", "Math.max(...Array(3e8))"},
		{"spread array", "[...Array(3e8)]"},
		{"array from", "Array.from({length:3e8})"},
		{"array method", "Array.prototype.indexOf.call({length:1e15},1)"},
		{"each", "var a=[];a[3e8]=1;a.forEach(function(){})"},
		{"concat", "[].concat(Array(3e8))"},
		{"replace", "'x'.repeat(1e6).replace(/x/g,'y'.repeat(1e6))"},
		{"toJSON", "emit({toJSON:function(){for(;;);}})"},
		{"getter", "throw {get forbidden(){for(;;);}}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && c.name == "regular expression" {
				t.Skip("takes seconds")
			}
			m := mapper(t, Options{Timeout: 200 * time.Millisecond, Memory: 128 << 20}, "", "function(doc){if(doc.bad){"+c.function+"};emit(doc._id)}")
			began := time.Now()
			rows := 0
			count := func(int, []byte, []byte) error { rows++; return nil }
			err := m.Map([]byte(`{"_id":"a","bad":true}`), count)
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
			if rows != 0 {
				t.Errorf("emitted %d rows, error %v", rows, err)
			}
			if err := m.Map([]byte(`{"_id":"b"}`), count); err != nil || rows != 1 {
				t.Errorf("afterwards: %d rows, error %v", rows, err)
			}
		})
	}
}

func BenchmarkMap(b *testing.B) {
	doc := []byte(`{"_id":"00000000000000012345","_rev":"1-0785e9eb543380151003dc452c3a001a","type":"order","n":12345,"name":"A name of some length","tags":["a","b","c"],"at":"2026-01-02T03:04:05Z","who":{"first":"Ann","last":"Lee"}}`)
	maps := []string{"function(doc){if(doc.type=='order')emit(doc.n,null)}", "function(doc){emit([doc.type,doc.name],1)}"}
	m := mapper(b, Options{}, "", maps...)
	b.Run("each of a list", func(b *testing.B) {
		m := mapper(b, Options{}, "", "function(doc){doc.tags.forEach(function(tag){emit(tag)})}")
		b.ReportAllocs()
		for b.Loop() {
			if err := m.Map(doc, func(int, []byte, []byte) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("words of a text", func(b *testing.B) {
		m := mapper(b, Options{}, "", `function(doc){doc.name.split(/\s+/).forEach(function(word){emit(word)})}`)
		b.ReportAllocs()
		for b.Loop() {
			if err := m.Map(doc, func(int, []byte, []byte) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("lazy", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := m.Map(doc, func(int, []byte, []byte) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("whole", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			v := m.rt.value(doc)
			for view, fn := range m.functions {
				m.rows, m.buf = m.rows[:0], m.buf[:0]
				if err := m.rt.do(func() error { return m.mapView(view, fn, v, doc) }); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// What it takes to make the world that functions of a design document live in.
func BenchmarkRuntime(b *testing.B) {
	v, err := CompileViews([]ViewFunctions{{Name: "v", Map: "function(doc){emit(1)}"}}, nil, Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.NewMapper(); err != nil {
			b.Fatal(err)
		}
	}
}
