package httpapi_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// Functions get a request as an object in valid JSON, whatever the request contains.
func FuzzRequestObject(f *testing.F) {
	s := designServer(f, Options{}, `"updates":{"u":"function(doc,req){return [null,{json:req}]}"}`)
	f.Add("a/b?x=1&y=%22", "a=1&b=%20", "Content-Type: application/x-www-form-urlencoded")
	f.Add("%2F?=&;=", "\x00\xff", "Cookie: k=v; \"")
	f.Fuzz(func(t *testing.T, path, body, header string) {
		if strings.HasPrefix(header, "Content-Encoding") {
			return
		}
		w := serveFuzz(s, "POST", "/db/_design/d/_update/u/"+path, body, header)
		if w != nil && (w.Code == 500 || !json.Valid(w.Body.Bytes())) {
			t.Errorf("%q: %d %s", path, w.Code, w.Body)
		}
	})
}
