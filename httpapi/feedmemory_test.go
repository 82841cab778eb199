package httpapi_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
)

// A feed that waits has nothing left of what it has read, and takes no memory from others for it.
func TestWaitingFeedsHoldNoMemory(t *testing.T) {
	t.Parallel()
	_, server := serveOpen(t, "limits/body_memory", "16777216", "limits/body_wait", "1")
	ask := func(method, path, body string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		resp, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	if resp := ask("PUT", "/db/large", `{"v":"`+strings.Repeat("x", 4<<20)+`"}`); resp.StatusCode != 201 {
		t.Fatal(resp.Status)
	}
	feed := ask("POST", "/db/_changes?feed=continuous&filter=_selector&heartbeat=10", `{"selector":{"v":1}}`)
	if line, err := bufio.NewReader(feed.Body).ReadString('\n'); line != "\n" || err != nil { // it has read all, and waits
		t.Fatalf("%q, %v", line, err)
	}
	resp := ask("GET", "/db/large", "")
	if b, err := io.ReadAll(resp.Body); resp.StatusCode != 200 || err != nil {
		t.Errorf("%s: %.200s %v", resp.Status, b, err)
	}
}
