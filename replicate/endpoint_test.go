package replicate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

// A request that could never work is refused at once, and the error shows none of its secrets.
func TestSpecsThatCannotBeMeant(t *testing.T) {
	s := storetest.Open(t, store.Options{})
	m, err := NewManager(t.Context(), Options{Store: s, Open: Everything(s)})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	quoted := func(text string) string { b, _ := json.Marshal(text); return string(b) }
	for _, endpoint := range []string{
		`{"url":"http://h/db","headers":{"X":"hunter2\r\nY: z"}}`, `{"url":"http://h/db","headers":{"X":"hunter2\u0000"}}`, `{"url":"http://h/db","headers":{"X":"hunter2\n"}}`,
		`{"url":"http://h/db","headers":{"X\r\nY":"z"}}`, `{"url":"http://h/db","headers":{"":"z"}}`, `{"url":"http://h/db","headers":{"a b":"z"}}`, `{"url":"http://h/db","headers":{"é":"z"}}`,
		`{"url":"http://h/db","headers":{"X":5}}`, `{"url":"http://h/db","headers":[]}`, `{"url":5}`, `{}`, `5`, `null`,
		`"http://"`, `"http:///db"`, `"http://:5984/db"`, `"http://h:99999/db"`, `"http://h:0/db"`, `"http://h:x/db"`, `"http://[::1/db"`, `"http://h h/db"`, `"http://h\r\n/db"`, `"http://h/d\u0000b"`, `"http://h/%zz"`,
		`"http://2852039166/db"`, `"http://169.16689662/db"`, `"http://0251.0376.169.254/db"`, `"http://0xa9fea9fe/db"`, `"http://0xA9.254.43518/db"`, `"http://169.254.169.254./db"`, `"http://0x/db"`, `"http://２８５２０３９１６６:80/db"`, `"http://256.1.1.1/db"`, `{"url":"http://u:p@127.1:5984/db"}`,
		quoted("http://" + strings.Repeat("é", 300) + "/db"),
	} {
		for _, body := range []string{`{"source":` + endpoint + `,"target":"http://h/t"}`, `{"target":` + endpoint + `,"source":"http://h/t"}`} {
			_, _, err := m.Replicate(t.Context(), []byte(body), User{})
			_, bad := errors.AsType[*BadEndpoint](err)
			if !bad || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v", body, err)
			}
			if err := CheckDocument([]byte(body), nil); err == nil {
				t.Errorf("%s is a document that can run", body)
			}
		}
	}
	for _, more := range []string{
		`"source_proxy":"http://:1/"`, `"proxy":"http://2852039166:80/"`, `"proxy":"http://h:99999/"`, `"target_proxy":"ftp://h/"`, `"target_proxy":"http://a b/"`, `"source_proxy":5`,
		`"selector":{"a":{"$no":1}}`, `"selector":5`, `"doc_ids":[5]`, `"doc_ids":["%ff"]`, `"doc_ids":{}`, `"filter":5`, `"query_params":5`, `"create_target_params":5`, `"continuous":5`, `"worker_processes":0`,
	} {
		_, _, err := m.Replicate(t.Context(), []byte(`{"source":"http://h/s","target":"http://h/t",`+more+`}`), User{})
		if _, bad := errors.AsType[*BadRequest](err); !bad {
			t.Errorf("%s: %v", more, err)
		}
	}
	if n := len(m.Jobs()); n != 0 {
		t.Errorf("there are %d jobs", n)
	}
}

// Ids in doc_ids may be escaped, as in CouchDB.
func TestEscapedDocIDs(t *testing.T) {
	spec, err := ParseSpec([]byte(`{"doc_ids":["b","a%2Bb","a+b","a%2bb","%","%2","%zz","%C3%A9","b"]}`))
	if got, want := fmt.Sprintf("%q", spec.Filter.DocIDs), `["%" "%2" "%zz" "a b" "a+b" "b" "é"]`; err != nil || got != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}

// If an endpoint is accepted, requests can be sent to it. Any failure happens outside of this
// process.
func FuzzEndpoint(f *testing.F) {
	for _, seed := range []string{`"http://h/db"`, `{"url":"https://u:p@h:6984/a%2Fb","headers":{"X":"y"},"auth":{"basic":{"username":"a","password":"b"}}}`, `"http://é/db"`, `"http://[fe80::1%25lo]:1/x"`, `{"url":"http://h/\u0001"}`} {
		f.Add([]byte(seed))
	}
	outside := errors.New("outside")
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := parseEndpoint(raw)
		if err != nil || e.URL == "" {
			return
		}
		e.User = "" // no session
		transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, outside }}
		for _, request := range []func(*remotePeer) error{
			func(p *remotePeer) error { _, err := p.Info(t.Context()); return err },
			func(p *remotePeer) error { _, err := p.GetLocal(t.Context(), string(raw)); return err },
		} {
			if err := request(newRemotePeer(e, &http.Client{Transport: transport}, nil)); !errors.Is(err, outside) {
				t.Fatalf("%s as %s: %v", raw, e.URL, err)
			}
		}
	})
}
