package httpapi_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

// Clients that send attachments slowly take only the memory set aside for it. More such clients
// are told when to come again, and clients that send little are served.
func TestSlowUploads(t *testing.T) {
	t.Parallel()
	const rooms = 4
	s := openServer(t, Options{Store: storetest.Open(t, store.Options{UploadMemory: rooms * 64 << 10, UploadWait: 500 * time.Millisecond})})
	serveFuzz(s, "PUT", "/db", "", "")
	upload := func(id string, body io.Reader, contentType string) *httptest.ResponseRecorder {
		path := "/db/" + id
		if contentType == "text/plain" {
			path += "/f"
		}
		r := httptest.NewRequest(http.MethodPut, path, io.NopCloser(body))
		r.ContentLength = -1
		r.Header.Set("Content-Type", contentType)
		r.SetBasicAuth("admin", "secret")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w
	}
	related := func(size int) io.Reader {
		return strings.NewReader(fmt.Sprintf("--b\r\n\r\n"+`{"_attachments":{"f":{"follows":true,"length":%d}}}`+"\r\n--b\r\n\r\n%s\r\n--b--", size, strings.Repeat("x", size)))
	}
	answers := make(chan int)
	var slow []*io.PipeWriter
	for i := range rooms {
		out, in := io.Pipe()
		slow = append(slow, in)
		go func() {
			w := upload(fmt.Sprint("slow", i), out, "text/plain")
			out.Close()
			answers <- w.Code
		}()
		if _, err := io.WriteString(in, strings.Repeat("x", 20_000)); err != nil { // returns when it was read
			t.Fatal(err)
		}
	}
	for name, w := range map[string]*httptest.ResponseRecorder{
		"an attachment": upload("a", strings.NewReader(strings.Repeat("x", 100_000)), "text/plain"),
		"a document":    upload("b", related(100_000), "multipart/related;boundary=b"),
	} {
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "service_unavailable") {
			t.Errorf("%s beside slow ones: %d %v %s", name, w.Code, w.Header(), w.Body)
		}
	}
	if w := upload("c", strings.NewReader("short"), "text/plain"); w.Code != 201 {
		t.Errorf("a short attachment beside slow ones: %d %s", w.Code, w.Body)
	}
	if w := serveFuzz(s, "PUT", "/db/d", `{"_attachments":{"f":{"data":"`+strings.Repeat("YWFh", 30_000)+`"}}}`, ""); w.Code != 201 {
		t.Errorf("an inline attachment beside slow ones: %d %s", w.Code, w.Body)
	}
	for _, in := range slow {
		in.Close()
		if code := <-answers; code != 201 {
			t.Errorf("a slow one gets %d", code)
		}
	}
	if w := upload("b", related(100_000), "multipart/related;boundary=b"); w.Code != 201 {
		t.Errorf("afterwards: %d %s", w.Code, w.Body)
	}
}

// If the connection ends too early, nothing of an attachment is stored.
func TestUploadEndsEarly(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	serveFuzz(s, "PUT", "/db", "", "")
	for i, sent := range []int{10, 9000, 100_000} {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		fmt.Fprintf(c, "PUT /db/doc%d/f HTTP/1.1\r\nHost: h\r\nAuthorization: %s\r\nContent-Length: 200000\r\n\r\n%s", i, basicAuth("admin", "secret"), strings.Repeat("x", sent))
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Now().Add(time.Minute))
		if answer, err := io.ReadAll(c); err != nil || len(answer) > 0 && !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") {
			t.Errorf("%d bytes of 200000: %v\n%s", sent, err, answer)
		}
		if w := serveFuzz(s, "GET", fmt.Sprintf("/db/doc%d", i), "", ""); w.Code != 404 {
			t.Errorf("%d bytes of 200000 are stored: %s", sent, w.Body)
		}
	}
}
