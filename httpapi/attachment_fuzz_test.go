package httpapi_test

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
