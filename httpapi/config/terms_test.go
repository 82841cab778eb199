package config

import (
	"reflect"
	"testing"
)

func TestTerms(t *testing.T) {
	for text, want := range map[string][][]string{
		"":   nil,
		"[]": nil,
		` [ {chttpd, config_whitelist} , {log,level}, {'a b',"c"} ]`:   {{"chttpd", "config_whitelist"}, {"log", "level"}, {"a b", "c"}},
		`[{".{10,}", "Min length is 10 chars."}, "[A-Z]+", "\\d+\""].`: {{".{10,}", "Min length is 10 chars."}, {"[A-Z]+"}, {`\d+"`}},
		`[<<"x">>,{<<"ü">>}]`: {{"x"}, {"ü"}},
	} {
		if got, ok := ParseTerms(text); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, %v, want %q", text, got, ok, want)
		}
	}
	for _, text := range []string{"x", "[", "[,]", `["a" "b"]`, "[{}]", `["a]`, "[{a,}]", "[a] b", `[<<"x">]`, "[a,]"} {
		if got, ok := ParseTerms(text); ok {
			t.Errorf("%s was read as %q", text, got)
		}
	}
}

func FuzzTerms(f *testing.F) {
	f.Add(`[{".{10,}", "a"}, "\\d", 'x', <<"y">>, z]`)
	f.Fuzz(func(t *testing.T, text string) {
		list, ok := ParseTerms(text)
		for _, one := range list {
			if ok && len(one) == 0 {
				t.Errorf("%q has an empty element: %q", text, list)
			}
		}
	})
}
