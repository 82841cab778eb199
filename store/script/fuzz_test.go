package script

import (
	"testing"
	"time"

	"github.com/tododb/tododb/store/jsonscan"
)

// Whatever is written in place of a function, it runs or is an error.
func FuzzSource(f *testing.F) {
	for _, s := range []string{"function(doc){emit(1)}", "// c\nfunction(doc){};", "doc=>emit(doc)", "var a=`${1}`;function h(){}async function(d){}", "function f(){}", "/[(]/", "function*(){}", "(function(){})"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		v, err := CompileViews([]ViewFunctions{{Name: "v", Map: source}}, nil, Options{Timeout: 100 * time.Millisecond})
		if err != nil {
			return
		}
		m, err := v.NewMapper()
		if err != nil {
			return
		}
		_ = m.Map([]byte(`{"_id":"a"}`), func(_ int, key, value []byte) error {
			if !jsonscan.Valid(key) || !jsonscan.Valid(value) {
				t.Errorf("%q emits %q and %q", source, key, value)
			}
			return nil
		})
	})
}

// A document that stays bytes until it is asked for, and one that is made of values at
// once, are the same to a function.
func FuzzDocument(f *testing.F) {
	for _, s := range []string{`{"a":1.0,"b":[1e21,-0.0,12345678901234567890]}`, `{"1":{"x":"\u00e9"},"0":[],"b":null}`, `{"toJSON":1,"__proto__":{"a":true}}`, `{"length":3,"a":"\ud83d\ude00"}`} {
		f.Add(s)
	}
	rt, err := newRuntime(Options{}, newModules([]byte("{}")))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		raw, err := trimJSON(doc)
		if err != nil || jsonscan.Kind(raw) != '{' {
			return
		}
		var lazy, whole, again []byte
		err = rt.do(func() error {
			sc := &scope{rt: rt}
			var err error
			if lazy, err = rt.appendJSON(nil, sc.value(raw)); err != nil {
				return err
			}
			if again, err = rt.appendJSON(nil, rt.value(lazy)); err != nil {
				return err
			}
			whole, err = rt.appendJSON(nil, rt.value(raw))
			return err
		})
		if err != nil {
			return // nested too deep
		}
		if !jsonscan.Valid(lazy) || string(whole) != string(again) {
			t.Errorf("%s\nlazily %s\nagain  %s\nwhole  %s", raw, lazy, again, whole)
		}
	})
}
