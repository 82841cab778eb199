package httpapi_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tododb/tododb/httpapi"
)

func TestRequestsThatCannotBeReadGetJSON(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(openServer(t, Options{}))
	server.Listener = httpapi.Listener(server.Listener)
	server.Config.MaxHeaderBytes = 1 << 12
	server.Start()
	defer server.Close()
	for request, status := range map[string]int{
		"PUT /db/bad%zz HTTP/1.1\r\nHost: h\r\n\r\n": 400,
		"GET /db/cut%2 HTTP/1.1\r\nHost: h\r\n\r\n":  400,
		"nonsense\r\n\r\n":                           400,
		"GET / HTTP/1.1\r\n\r\n":                     400,
		"GET / HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("x", 1<<14) + "\r\n\r\n": 431,
		"GET / HTTP/9.9\r\nHost: h\r\n\r\n":                                          505,
		"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: nonsense\r\n\r\n":           501,
		"GET /_up HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n":                  200,
		"GET /_nope HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n":                401,
	} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, request)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%.40q: %v", request, err)
			continue
		}
		var body map[string]any
		err = json.NewDecoder(resp.Body).Decode(&body)
		if resp.StatusCode != status || err != nil || resp.Header.Get("Content-Type") != "application/json" || !strings.HasPrefix(resp.Header.Get("Server"), "CouchDB/3.5") {
			t.Errorf("%.40q: %d %v %v %v", request, resp.StatusCode, resp.Header, body, err)
		}
		conn.Close()
	}
}
