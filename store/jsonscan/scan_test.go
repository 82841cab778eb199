package jsonscan

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"unicode/utf8"
)

// What the scanner takes encoding/json takes too, and it reads the same from it.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.5e3,"x\u00e9\ud83d\ude00",true,null],"b":{}}`, ` [ ] `, `"\ud800"`, `1e999`, "\"\xff\"", `{"a":1,"a":2}`, `-`, `01`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if !Valid(src) {
			// Stricter than encoding/json in text alone: UTF-8, surrogates, ranges of numbers.
			return
		}
		var want any
		std := json.NewDecoder(bytes.NewReader(src))
		std.UseNumber() // integers are exact, whatever their size
		if err := std.Decode(&want); err != nil {
			t.Fatalf("%q: %v", src, err)
		}
		if got := decode(t, src); !reflect.DeepEqual(got, want) {
			t.Errorf("%q reads %v, want %v", src, got, want)
		}
	})
}

// decode reads a value by the scanner alone.
func decode(t *testing.T, src []byte) any {
	v, err := Trim(src)
	if err != nil {
		t.Fatal(err)
	}
	switch Kind(v) {
	case '{':
		m := map[string]any{}
		err = EachMember(v, func(name, value []byte) error {
			m[string(name)] = decode(t, value)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return m
	case '[':
		list := []any{}
		err = EachElement(v, func(value []byte) error {
			list = append(list, decode(t, value))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return list
	case '"':
		s, err := Text(v)
		if err != nil {
			t.Fatal(err)
		}
		return s
	case 't', 'f':
		return v[0] == 't'
	case 'n':
		return nil
	}
	return json.Number(v)
}

// What AppendString writes reads back the same.
func FuzzAppendString(f *testing.F) {
	f.Add("a\"\\\n\x00\x7fé😀")
	f.Fuzz(func(t *testing.T, s string) {
		quoted := AppendString(nil, s)
		got, err := Text(quoted)
		if err != nil {
			t.Fatalf("%q: %v", quoted, err)
		}
		if utf8.ValidString(s) && got != s {
			t.Errorf("%q reads back as %q", s, got)
		}
		var std string
		if err := json.Unmarshal(quoted, &std); err != nil || std != got {
			t.Errorf("%q: encoding/json reads %q, %v", quoted, std, err)
		}
	})
}

func TestDepth(t *testing.T) {
	for depth, want := range map[int]bool{1000: true, MaxDepth: true, MaxDepth + 1: false, 1 << 20: false} {
		src := make([]byte, 0, 2*depth)
		for range depth {
			src = append(src, '[')
		}
		for range depth {
			src = append(src, ']')
		}
		if got := Valid(src); got != want || got != json.Valid(src) {
			t.Errorf("%d levels: %v", depth, got)
		}
	}
}
