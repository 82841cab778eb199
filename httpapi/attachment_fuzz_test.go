package httpapi

import (
	"fmt"
	"net/http"
	"testing"
)

// A multipart message of any kind makes a document with all its attachments, or is refused
// and changes nothing.
func FuzzRelated(f *testing.F) {
	s := openServer(f, Options{})
	serveFuzz(s, "PUT", "/db", "", "")
	f.Add("--x\r\ncontent-type: application/json\r\n\r\n{\"_attachments\":{\"f\":{\"follows\":true,\"length\":2,\"content_type\":\"a/b\"}}}\r\n--x\r\n\r\nhi\r\n--x--")
	f.Add("--x\r\n\r\n{\"_attachments\":{\"f\":{\"follows\":true},\"g\":{\"data\":\"aGk=\"}}}\r\n--x\r\nContent-Length: 9\r\n\r\nhi\r\n--x--")
	f.Add("--x\r\n\r\n{\"_attachments\":{\"f\":{\"follows\":true,\"length\":9,\"encoding\":\"gzip\",\"encoded_length\":2}}}\r\n--x\r\n\r\nhi\r\n--x")
	f.Add("--x\r\n\r\n{}\r\n--x--")
	n := 0
	f.Fuzz(func(t *testing.T, body string) {
		n++
		path := fmt.Sprintf("/db/d%d", n)
		answer := serveFuzz(s, "PUT", path, body, "Content-Type: multipart/related; boundary=x")
		if answer.Code >= 500 {
			t.Fatalf("%q: %d %s", body, answer.Code, answer.Body)
		}
		read := serveFuzz(s, "GET", path+"?attachments=true&deleted=true", "", "")
		if made := answer.Code < 300; made != (read.Code == http.StatusOK) {
			t.Errorf("%q: %d, and reading it %d %s", body, answer.Code, read.Code, read.Body)
		}
	})
}

func FuzzRange(f *testing.F) {
	for _, seed := range []string{"bytes=0-0", "bytes=-1", "bytes=5-", "bytes=0-1,3-4", "bytes=9-1", "bytes=", "x", "bytes=-0", "bytes=--1", "bytes=99999999999999999999-"} {
		f.Add(seed, int64(10))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		spans, err := parseRange(header, size)
		if err != nil {
			return
		}
		for _, sp := range spans {
			if sp.from < 0 || sp.length < 1 || sp.from+sp.length > size {
				t.Errorf("%q of %d bytes: %+v", header, size, sp)
			}
		}
	})
}
