package mango

import (
	"context"
	"errors"
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/jsonscan"
)

// The answers are CouchDB's.
func TestMatch(t *testing.T) {
	doc := &store.Document{ID: "a", Body: []byte(`{"n":5,"f":2.5,"s":"Ünal","t":["x","y",["z"]],"o":{"p":1,"q":{"r":null}},"e":{},"l":[],"a.b":1,"m":[{"k":1},{"k":2}],"b":true,"big":123456789012345678901234567890}`)}
	for selector, want := range map[string]bool{
		`{}`:                                             true,
		`{"n":5}`:                                        true,
		`{"n":5.0}`:                                      true,
		`{"n":{"$gt":4,"$lt":6}}`:                        true,
		`{"n":{"$gt":"a"}}`:                              false,
		`{"s":{"$gt":5}}`:                                true,
		`{"n":{"$ne":4}}`:                                true,
		`{"none":{"$ne":4}}`:                             false,
		`{"none":{"$exists":false}}`:                     true,
		`{"none":{"$not":{"$exists":true}}}`:             true,
		`{"n":{"$exists":false}}`:                        false,
		`{"t.9":{"$exists":false}}`:                      false,
		`{"t.0":"x"}`:                                    true,
		`{"$not":{"none":1}}`:                            false,
		`{"$nor":[{"n":5}]}`:                             false,
		`{"$nor":[{"n":6},{"s":"x"}]}`:                   true,
		`{"$and":[]}`:                                    true,
		`{"$or":[]}`:                                     true,
		`{"$nor":[]}`:                                    true,
		`{"$or":[{"n":1},{"n":5}]}`:                      true,
		`{"$not":{"$or":[{"n":1},{"n":5}]}}`:             false,
		`{"$not":{"$and":[{"n":1},{"n":5}]}}`:            true,
		`{"n":{"$or":[{"$eq":1},{"$eq":5}]}}`:            true,
		`{"o":{"p":1}}`:                                  true,
		`{"o":{"$eq":{"p":1}}}`:                          false,
		`{"o.q.r":null}`:                                 true,
		`{"o":{"q":{"r":{"$type":"null"}}}}`:             true,
		`{"e":{}}`:                                       true,
		`{"o":{}}`:                                       false,
		`{"a\\.b":1}`:                                    true,
		`{"a.b":1}`:                                      false,
		`{"t":{"$in":["y","q"]}}`:                        true,
		`{"t":{"$in":[["x","y",["z"]]]}}`:                false,
		`{"t":{"$in":[["z"]]}}`:                          true,
		`{"t":{"$nin":["q"]}}`:                           true,
		`{"t":{"$nin":[]}}`:                              true,
		`{"none":{"$nin":[]}}`:                           false,
		`{"n":{"$in":[]}}`:                               false,
		`{"t":{"$all":["x","y"]}}`:                       true,
		`{"t":{"$all":[]}}`:                              false,
		`{"t":{"$all":[["x","y",["z"]]]}}`:               true,
		`{"t":{"$size":3}}`:                              true,
		`{"l":{"$size":0}}`:                              true,
		`{"l":{"$allMatch":{"$eq":1}}}`:                  false,
		`{"m":{"$allMatch":{"k":{"$gt":0}}}}`:            true,
		`{"m":{"$elemMatch":{"k":2}}}`:                   true,
		`{"m":{"$elemMatch":{"k":3}}}`:                   false,
		`{"o":{"$keyMapMatch":{"$eq":"p"}}}`:             true,
		`{"n":{"$mod":[3,2]}}`:                           true,
		`{"t":{"$size":18446744073709551619}}`:           false, // 3 if it were cut off to 64 bits
		`{"f":{"$mod":[2,0]}}`:                           false,
		`{"s":{"$regex":"^.nal$"}}`:                      false,
		`{"s":{"$regex":"^..nal$"}}`:                     true,
		`{"s":{"$regex":"(?i)NAL"}}`:                     true,
		`{"s":{"$beginsWith":"Ü"}}`:                      true,
		`{"b":{"$type":"boolean"}}`:                      true,
		`{"_id":"a"}`:                                    true,
		`{"_id":{"$gt":null}}`:                           true,
		`{"_deleted":{"$exists":false}}`:                 true,
		`{"big":{"$gt":123456789012345678901234567889}}`: true,
		`{"big":123456789012345678901234567890}`:         true,
	} {
		s, err := Compile([]byte(selector))
		if err != nil {
			t.Errorf("%s: %v", selector, err)
		} else if got, err := s.Match(context.Background(), doc); got != want || err != nil {
			t.Errorf("%s: %v, %v, want %v", selector, got, err, want)
		}
	}
}

func TestBadSelectors(t *testing.T) {
	for selector, word := range map[string]string{
		`[]`:                          "invalid_selector_json",
		`{"a":{"$foo":1}}`:            "invalid_operator",
		`{"a":{"$in":1}}`:             "bad_arg",
		`{"a":{"$size":-1}}`:          "bad_arg",
		`{"a":{"$mod":[0,1]}}`:        "bad_arg",
		`{"a":{"$regex":1}}`:          "invalid_operator",
		`{"a":{"$regex":"("}}`:        "bad_arg",
		`{"a":{"$beginsWith":1}}`:     "invalid_operator",
		`{"a":{"$exists":1}}`:         "bad_arg",
		`{"$and":{}}`:                 "bad_arg",
		`{"a":{"$not":1}}`:            "bad_arg",
		`{"a..b":1}`:                  "invalid_field_name",
		`{"$eq":1}`:                   "invalid_selector",
		`{"$text":"a"}`:               "required index service unavailable",
		`{"a":{"$where":"b"}}`:        "not_supported",
		`{"a":{"$elemMatch":1}}`:      "bad_arg",
		`{"$and":[{"a":{"$foo":1}}]}`: "invalid_operator",
	} {
		_, err := Compile([]byte(selector))
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Word != word {
			t.Errorf("%s: %v, want %s", selector, err, word)
		}
	}
}

func TestFields(t *testing.T) {
	doc := &store.Document{ID: "a", Body: []byte(`{"n":5,"o":{"p":1,"q":2},"t":["x"]}`)}
	for fields, want := range map[string]string{
		`["_id","o.p"]`:     `{"_id":"a","o":{"p":1}}`,
		`["o.p","o.q","x"]`: `{"o":{"p":1,"q":2}}`,
		`["o","o.p"]`:       `{"o":{"p":1,"q":2}}`,
		`["t.0"]`:           `{"t":{"0":"x"}}`,
		`["n","n"]`:         `{"n":5}`,
	} {
		f, err := CompileFields([]byte(fields))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(f.Append(nil, doc)); got != want {
			t.Errorf("%s: %s, want %s", fields, got, want)
		}
	}
}

func FuzzCompile(f *testing.F) {
	f.Add([]byte(`{"a":{"$or":[{"$gt":1},{"$not":{"$regex":"x"}}]}}`), []byte(`{"a":1}`))
	f.Add([]byte(`{"a.0.b":{"$elemMatch":{"$in":[1,[2]]}}}`), []byte(`{"a":[{"b":[1]}]}`))
	f.Fuzz(func(t *testing.T, selector, body []byte) {
		if !jsonscan.Valid(selector) || !jsonscan.Valid(body) || jsonscan.Kind(body) != '{' {
			return
		}
		s, err := Compile(selector)
		if err != nil {
			return
		}
		doc := &store.Document{ID: "a", Body: body}
		first, _ := s.Match(context.Background(), doc)
		if again, _ := s.Match(context.Background(), doc); again != first {
			t.Error("matches by chance")
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	doc := &store.Document{ID: "a", Body: []byte(`{"owner":"user0007","type":"todo","n":5,"score":12.5,"done":false,"city":"Oslo","tags":["a","b"],"created":"2024-01-02T03:04:05Z","text":"` + string(make([]byte, 0)) + `some text of a usual length, neither long nor short, as it stands in a record"}`)}
	s, err := Compile([]byte(`{"owner":"user0008","n":{"$gt":500}}`))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Match(context.Background(), doc); err != nil {
			b.Fatal(err)
		}
	}
}

// Whole numbers of any length have a remainder, as in Erlang.
func TestModulusOfLongNumbers(t *testing.T) {
	for _, c := range []struct {
		number  string
		divisor string
		rest    string
	}{
		{"9223372036854775807", "10", "7"},
		{"9223372036854775808", "10", "8"},
		{"-9223372036854775809", "10", "-9"},
		{"123456789012345678901234567890", "1000", "890"},
		{"123456789012345678901234567890", "-1000", "890"},
		{"123456789012345678901234567890", "9223372036854775807", "4860475750367701695"},
	} {
		doc := &store.Document{ID: "a", Body: []byte(`{"n":` + c.number + `}`)}
		ok, err := mustCompile(t, `{"n":{"$mod":[`+c.divisor+`,`+c.rest+`]}}`).Match(t.Context(), doc)
		if !ok || err != nil {
			t.Errorf("%s modulo %s is not %s: %v", c.number, c.divisor, c.rest, err)
		}
	}
}
